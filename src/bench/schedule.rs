//! When events are due.

use std::time::Duration;

/// How the rate changes over a run. Curves have a mean of 1: a rate keeps its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// The same all the time.
    Flat,
    /// A flash sale: quiet (the first 30 %), a countdown in which the crowd gathers (to 50 %), the spike at the opening, at about
    /// five times the mean (to 60 %), and a tail that dies away.
    Sale,
}

/// Pieces a curve is made of.
const STEPS: usize = 1000;

impl Curve {
    /// The load at a share of the run, before it is scaled to a mean of 1.
    fn intensity(self, at: f64) -> f64 {
        match self {
            Curve::Flat => 1.0,
            Curve::Sale if at < 0.3 => 0.3,
            Curve::Sale if at < 0.5 => 0.3 + (at - 0.3) / 0.2 * 0.9,
            Curve::Sale if at < 0.6 => 6.0,
            Curve::Sale => 0.4 + 2.6 * (-(at - 0.6) / 0.1).exp(),
        }
    }

    /// The share of all events that are due up to each step's end, from 0 to 1.
    fn cumulative(self) -> Vec<f64> {
        let mut total = 0.0;
        let mut sums = vec![0.0];
        for step in 0..STEPS {
            total += self.intensity((step as f64 + 0.5) / STEPS as f64);
            sums.push(total);
        }
        sums.iter().map(|sum| sum / total).collect()
    }
}

/// When the `events` events of a run are due, in nanoseconds after its start; never decreasing.
pub(super) fn due_times(curve: Curve, events: usize, length: Duration) -> Vec<u64> {
    let shares = curve.cumulative();
    let mut step = 0;
    let due = |event: usize| {
        let share = event as f64 / events as f64;
        while step + 1 < STEPS && shares[step + 1] <= share {
            step += 1;
        }
        let within = (share - shares[step]) / (shares[step + 1] - shares[step]);
        ((step as f64 + within) / STEPS as f64 * length.as_nanos() as f64) as u64
    };
    (0..events).map(due).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_fill_the_run_in_order_and_follow_the_curve() {
        for curve in [Curve::Flat, Curve::Sale] {
            let due = due_times(curve, 100_000, Duration::from_secs(100));
            assert!(due.is_sorted(), "{curve:?}");
            assert!(due[0] == 0 && due[99_999] < 100_000_000_000, "{curve:?}");
            let between =
                |from: u64, to: u64| due.iter().filter(|d| (from..to).contains(&(**d / 1_000_000_000))).count();
            let (quiet, spike) = (between(0, 10), between(50, 60));
            match curve {
                Curve::Flat => assert_eq!((quiet, spike), (10_000, 10_000)),
                Curve::Sale => assert!(quiet < 4_000 && spike > 45_000, "{quiet} {spike}"),
            }
        }
    }
}
