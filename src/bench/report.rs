//! A run's result, as text and as data.

use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Operators listed in the text.
const BUSIEST_MAX: usize = 12;

/// A distribution of times, in milliseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Freshness {
    /// How many.
    pub count: u64,
    /// Median.
    pub p50_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// 99.9th percentile.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// Mean.
    pub mean_ms: f64,
}

impl Freshness {
    /// Of microseconds.
    pub(super) fn of(histogram: &Histogram<u64>) -> Freshness {
        if histogram.is_empty() {
            return Freshness::default();
        }
        let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1e3;
        Freshness {
            count: histogram.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: histogram.max() as f64 / 1e3,
            mean_ms: histogram.mean() / 1e3,
        }
    }
}

/// One second of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Second {
    /// Its end, after the start.
    pub at_seconds: f64,
    /// Events sent so far.
    pub sent: usize,
    /// Events visible so far.
    pub visible: usize,
    /// Events sent in it.
    pub sent_now: usize,
    /// Events that became visible in it.
    pub visible_now: usize,
    /// Freshness of those.
    pub freshness: Freshness,
    /// Memory at its end.
    pub resident_bytes: u64,
}

impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Second { at_seconds, sent_now, visible_now, freshness, resident_bytes, .. } = self;
        write!(
            f,
            "{at_seconds:5.0} s  sent {sent_now:>8}/s  visible {visible_now:>8}/s  behind {:>8}  freshness p50 {:.1} ms \
             p99 {:.1} ms  max {:.1} ms  memory {} MB",
            self.sent.saturating_sub(self.visible),
            freshness.p50_ms,
            freshness.p99_ms,
            freshness.max_ms,
            resident_bytes / 1_000_000
        )
    }
}

/// A run's result.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Timely workers.
    pub workers: usize,
    /// Events sent.
    pub events: usize,
    /// Of them, those due after the warm-up.
    pub measured_events: usize,
    /// From the end of the warm-up until everything was visible.
    pub seconds: f64,
    /// Measured events by these seconds.
    pub events_per_second: f64,
    /// What was asked for; `None`: as fast as they were taken.
    pub offered_per_second: Option<f64>,
    /// From the intended time of an event to its being visible.
    pub freshness: Freshness,
    /// How long the workers took per tick with input.
    pub ticks: Freshness,
    /// The most memory the process held, input included.
    pub peak_bytes: u64,
    /// Of it, what came after the input was in memory.
    pub grown_bytes: u64,
    /// Processor time of the process, the load's included.
    pub cpu_seconds: f64,
    /// Views whose answers were compared; `None`: not checked.
    pub checked_views: Option<usize>,
    /// Orders of `order_state` that equal the simulator's truth; `None`: not checked, or not comparable.
    pub checked_orders: Option<usize>,
    /// All operators, the busiest first.
    pub busiest: Vec<Busy>,
    /// The run second by second.
    pub timeline: Vec<Second>,
}

/// What an operator did, on all workers together.
#[derive(Clone, Debug, Serialize)]
pub struct Busy {
    /// The relation whose dataflow it is in.
    pub relation: String,
    /// Its name in `trueup.operators`.
    pub operator: String,
    /// Time it took.
    pub busy_ms: i64,
    /// Its share of what all operators took.
    pub share: f64,
    /// Rows it put out, those that left too.
    pub updates: i64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offered = match self.offered_per_second {
            Some(rate) => format!("{rate:.0} offered"),
            None => "as fast as taken".to_string(),
        };
        writeln!(
            f,
            "events      {} measured of {} in {:.1} s: {:.0}/s, {offered}, {} workers",
            self.measured_events, self.events, self.seconds, self.events_per_second, self.workers
        )?;
        for (name, times) in [("freshness", &self.freshness), ("ticks", &self.ticks)] {
            let Freshness { count, p50_ms, p90_ms, p99_ms, p999_ms, max_ms, .. } = times;
            writeln!(
                f,
                "{name:11} p50 {p50_ms:.1} ms, p90 {p90_ms:.1} ms, p99 {p99_ms:.1} ms, p99.9 {p999_ms:.1} ms, max {max_ms:.1} ms \
                 ({count})"
            )?;
        }
        let (peak, grown) = (self.peak_bytes / 1_000_000, self.grown_bytes / 1_000_000);
        writeln!(f, "memory      {peak} MB at its peak, {grown} MB of it beyond the input")?;
        writeln!(f, "processor   {:.1} s", self.cpu_seconds)?;
        for (at, Busy { relation, operator, busy_ms, share, updates }) in
            self.busiest.iter().take(BUSIEST_MAX).enumerate()
        {
            let head = if at == 0 { "busiest" } else { "" };
            let seconds = *busy_ms as f64 / 1e3;
            writeln!(
                f,
                "{head:11} {seconds:6.2} s {:4.1} %  {updates:>10} rows  {relation}: {operator}",
                share * 100.0
            )?;
        }
        match self.checked_views {
            Some(views) => write!(f, "answers     {views} views equal the batch engine's")?,
            None => write!(f, "answers     not checked")?,
        }
        match self.checked_orders {
            Some(orders) => write!(f, ", {orders} orders the simulator's truth"),
            None => Ok(()),
        }
    }
}
