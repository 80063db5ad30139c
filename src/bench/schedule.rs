//! When events are due.

use std::time::Duration;

use crate::ingest::simulator::Curve as Wave;

/// How the rate changes over a run. A run's rate is the mean, whatever the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// The same all the time.
    Flat,
    /// One wave of the simulator, from its quiet time to the end of its tail, stretched over the run.
    Sale,
}

/// Pieces a curve is made of.
const STEPS: usize = 1000;

impl Curve {
    /// The simulator's phases in a run of so many seconds.
    pub(super) fn wave(self, seconds: f64) -> Wave {
        let wave = Wave::default();
        let whole = (wave.quiet_s + wave.countdown_s + wave.spike_s + wave.tail_s) as f64;
        let scaled = |phase_s: i64| (phase_s as f64 * seconds / whole).round() as i64;
        match self {
            Curve::Flat => Wave { quiet_s: seconds.ceil() as i64 + 1, spike_factor: 1, ..wave },
            Curve::Sale => Wave {
                quiet_s: scaled(wave.quiet_s),
                countdown_s: scaled(wave.countdown_s),
                spike_s: scaled(wave.spike_s).max(1),
                tail_s: scaled(wave.tail_s),
                ..wave
            },
        }
    }

    /// The load at a share of the run, in quiet times 1.
    fn intensity(self, at: f64) -> f64 {
        match self {
            Curve::Flat => 1.0,
            Curve::Sale => {
                let wave = Wave::default();
                let whole_ms = (wave.quiet_s + wave.countdown_s + wave.spike_s + wave.tail_s) as f64 * 1000.0;
                wave.permille((at * whole_ms) as i64) as f64 / 1000.0
            }
        }
    }

    /// The load on average, in quiet times 1.
    pub(super) fn mean(self) -> f64 {
        (0..STEPS).map(|step| self.intensity((step as f64 + 0.5) / STEPS as f64)).sum::<f64>() / STEPS as f64
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
            // The wave's spike is its fourth twentieth.
            let (quiet, spike) = (between(0, 5), between(15, 20));
            match curve {
                Curve::Flat => assert_eq!((quiet, spike), (5_000, 5_000)),
                Curve::Sale => assert!(quiet > 0 && spike > 6 * quiet, "{quiet} {spike}"),
            }
        }
    }
}
