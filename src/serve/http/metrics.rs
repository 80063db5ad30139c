//! `GET /metrics`: what everything counts and measures, in Prometheus' text format.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::{HttpState, Shared};
use crate::engine::status::{FRESHNESS_BOUNDS_MS, TableInput};
use crate::engine::{Engine, Status};
use crate::serve::pg::PgCounters;

/// Something that counts or measures.
pub trait MetricsSource: Send + Sync + 'static {
    /// The values now; values of one name next to each other.
    fn metrics(&self) -> Vec<Metric>;
}

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only up.
    Counter,
    /// Up and down.
    Gauge,
}

/// One value.
#[derive(Clone, Debug)]
pub struct Metric {
    /// Name with its unit last, e.g. `trueup_tick_lag_ms`.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// How it moves.
    pub kind: MetricKind,
    /// Label names and values.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: f64,
}

/// All metrics: the sources', the engine's, HTTP's.
pub(super) async fn page(State(state): State<HttpState>) -> impl IntoResponse {
    let mut metrics: Vec<Metric> = state.0.sources.iter().flat_map(|source| source.metrics()).collect();
    let mut histogram = String::new();
    // While the engine stops its share is missing.
    if let Ok(status) = state.0.database.status(true).await {
        metrics.extend(of_engine(&status));
        histogram = freshness(&status);
    }
    metrics.extend(of_http(&state.0));
    let text = exposition(metrics.into_iter()) + &histogram;
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

fn metric(name: &'static str, help: &'static str, kind: MetricKind, value: f64) -> Metric {
    Metric { name, help, kind, labels: vec![], value }
}

fn of_engine(status: &Status) -> Vec<Metric> {
    let (counter, gauge) = (MetricKind::Counter, MetricKind::Gauge);
    let mut all = vec![
        metric("trueup_ticks_total", "Ticks published.", counter, status.ticks as f64),
        metric("trueup_rows_total", "Rows taken in, good and bad.", counter, status.rows as f64),
        metric("trueup_error_rows", "Rows of trueup.errors.", gauge, status.errors.unwrap_or(0) as f64),
    ];
    let mut series = |name, help, kind, label: &'static str, values: Vec<(String, f64)>| {
        all.extend(values.into_iter().map(|(of, value)| Metric { name, help, kind, labels: vec![(label, of)], value }));
    };
    // A table has no series of what it cannot know.
    let known = |value: fn(&TableInput) -> Option<u64>| {
        status.tables.iter().filter_map(|t| value(t).map(|v| (t.table.clone(), v as f64))).collect()
    };
    let tables =
        |value: fn(&TableInput) -> u64| status.tables.iter().map(|t| (t.table.clone(), value(t) as f64)).collect();
    series("trueup_table_rows_total", "Rows that came into a table.", counter, "table", tables(|t| t.received));
    series("trueup_table_bad_rows_total", "Rows that could not be read.", counter, "table", tables(|t| t.bad_rows));
    let unknown = tables(|t| t.unknown_field_rows);
    series("trueup_table_unknown_field_rows_total", "Rows with fields that are no column.", counter, "table", unknown);
    let duplicates = known(|t| t.outcome.duplicates);
    series("trueup_table_duplicates_total", "Rows that changed nothing.", counter, "table", duplicates);
    let stale = known(|t| t.outcome.stale);
    series("trueup_table_stale_total", "Rows that came after a newer version.", counter, "table", stale);
    let corrections = known(|t| t.outcome.corrections);
    series("trueup_table_corrections_total", "Stored rows replaced.", counter, "table", corrections);
    let deletes = tables(|t| t.outcome.deletes);
    series("trueup_table_deletes_total", "Deletes that took effect.", counter, "table", deletes);
    let conflicts = known(|t| t.outcome.conflicts);
    series("trueup_table_conflicts", "Rows that lose against another of their version.", gauge, "table", conflicts);
    let sources = |value: fn(&crate::engine::status::SourceStatus) -> Option<f64>| {
        status.sources.iter().filter_map(|s| value(s).map(|v| (s.relation.clone(), v))).collect()
    };
    let lag = sources(|s| s.lag_bytes.map(|bytes| bytes as f64));
    series("trueup_source_lag_bytes", "Input known to be there and not read yet.", gauge, "table", lag);
    let failing = sources(|s| Some(f64::from(u8::from(s.error.is_some()))));
    series("trueup_source_failing", "1 while the outside system fails.", gauge, "table", failing);
    let sizes = |value: fn(&crate::engine::status::OperatorSize) -> u64| {
        status.operators.iter().map(|o| (o.relation.clone(), value(o) as f64)).collect()
    };
    series("trueup_arrangement_rows", "Rows that operators keep.", gauge, "relation", sizes(|o| o.rows));
    series("trueup_arrangement_bytes", "Bytes that operators keep.", gauge, "relation", sizes(|o| o.bytes));
    let sinks = |value: fn(&crate::engine::status::SinkStatus) -> u64| {
        status.sinks.iter().map(|s| (s.name.clone(), value(s) as f64)).collect()
    };
    series("trueup_sink_pending", "Messages waiting.", gauge, "sink", sinks(|s| s.pending));
    series("trueup_sink_delivered_total", "Messages the receiver took.", counter, "sink", sinks(|s| s.delivered));
    series("trueup_sink_rejected_total", "Messages the receiver refused.", counter, "sink", sinks(|s| s.rejected));
    series("trueup_sink_retries_total", "Deliveries that failed.", counter, "sink", sinks(|s| s.retries));
    all
}

fn of_http(shared: &Shared) -> Vec<Metric> {
    use Ordering::Relaxed;
    let (counter, gauge) = (MetricKind::Counter, MetricKind::Gauge);
    let (http, live) = (&shared.counters, &shared.live.counters);
    let held = (shared.options.in_flight_bytes_max >> 10).saturating_sub(shared.in_flight.available_permits()) << 10;
    let of = |name, help, kind, value: u64| metric(name, help, kind, value as f64);
    vec![
        of("trueup_http_requests_total", "HTTP requests.", counter, http.requests.load(Relaxed)),
        of("trueup_http_errors_total", "Requests answered 4xx or 5xx, but 429.", counter, http.failed.load(Relaxed)),
        of("trueup_http_busy_total", "Requests answered 429.", counter, http.busy.load(Relaxed)),
        of("trueup_http_rows_posted_total", "Rows taken by POST.", counter, http.rows_posted.load(Relaxed)),
        of("trueup_http_posted_bytes_total", "Bytes of these, decompressed.", counter, http.bytes_posted.load(Relaxed)),
        of("trueup_http_in_flight_bytes", "Bytes of bodies held now.", gauge, held as u64),
        of("trueup_sse_subscribers", "Event streams open now.", gauge, live.streams.load(Relaxed) as u64),
        of("trueup_sse_bytes_total", "Bytes of events sent.", counter, live.bytes.load(Relaxed)),
        of("trueup_sse_messages_total", "Changes sent to readers.", counter, live.messages.load(Relaxed)),
        of("trueup_sse_snapshots_total", "Snapshots made.", counter, live.snapshots.load(Relaxed)),
        of("trueup_sse_coalesced_total", "Slow readers given the newest state.", counter, live.coalesced.load(Relaxed)),
        of("trueup_sse_history_bytes", "Bytes of history held.", gauge, live.history_bytes.load(Relaxed) as u64),
        of("trueup_sse_snapshot_bytes", "Bytes of snapshots held.", gauge, live.snapshot_bytes.load(Relaxed) as u64),
    ]
}

/// The age of the oldest input of a tick when the tick is published, in Prometheus' cumulative buckets.
fn freshness(status: &Status) -> String {
    const NAME: &str = "trueup_freshness_seconds";
    let mut text =
        format!("# HELP {NAME} Age of a tick's oldest input when it is published.\n# TYPE {NAME} histogram\n");
    let mut total = 0;
    for (at, count) in status.freshness.counts.iter().enumerate() {
        total += count;
        let bound = FRESHNESS_BOUNDS_MS.get(at).map_or("+Inf".to_string(), |ms| (*ms as f64 / 1e3).to_string());
        // Writing to memory cannot fail.
        let _ = writeln!(text, "{NAME}_bucket{{le=\"{bound}\"}} {total}");
    }
    // As above.
    let _ = writeln!(text, "{NAME}_sum {}\n{NAME}_count {total}", status.freshness.sum_s);
    text
}

fn exposition(metrics: impl Iterator<Item = Metric>) -> String {
    let mut text = String::new();
    let mut last = "";
    for metric in metrics {
        if metric.name != last {
            let kind = match metric.kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
            };
            // Writing to memory cannot fail.
            let _ = writeln!(text, "# HELP {0} {1}\n# TYPE {0} {kind}", metric.name, metric.help);
            last = metric.name;
        }
        text.push_str(metric.name);
        if !metric.labels.is_empty() {
            let labels: Vec<String> =
                metric.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
            let _ = write!(text, "{{{}}}", labels.join(","));
        }
        let _ = writeln!(text, " {}", metric.value);
    }
    text
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

impl MetricsSource for Engine {
    fn metrics(&self) -> Vec<Metric> {
        let help = "The latest published tick, in milliseconds since the epoch.";
        let value = self.published() as f64;
        vec![Metric { name: "trueup_tick", help, kind: MetricKind::Gauge, labels: vec![], value }]
    }
}

impl MetricsSource for PgCounters {
    fn metrics(&self) -> Vec<Metric> {
        let metric =
            |name, help, kind, value: u64| Metric { name, help, kind, labels: Vec::new(), value: value as f64 };
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let (counter, gauge) = (MetricKind::Counter, MetricKind::Gauge);
        vec![
            metric("trueup_pg_connections", "Clients connected now.", gauge, read(&self.connections)),
            metric("trueup_pg_statements_total", "Statements run.", counter, read(&self.statements)),
            metric("trueup_pg_errors_total", "Statements that failed.", counter, read(&self.errors)),
            metric("trueup_pg_rows_sent_total", "Rows sent to clients.", counter, read(&self.rows_sent)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_names_introduced_once() {
        let metric = |view: &str| Metric {
            name: "rows",
            help: "Rows.",
            kind: MetricKind::Gauge,
            labels: vec![("view", view.to_owned())],
            value: 2.0,
        };
        let text = exposition([metric("a\"b"), metric("c")].into_iter());
        assert_eq!(text, "# HELP rows Rows.\n# TYPE rows gauge\nrows{view=\"a\\\"b\"} 2\nrows{view=\"c\"} 2\n");
    }

    #[test]
    fn the_histogram_is_cumulative() {
        let mut status = Status::default();
        status.freshness.counts[0] = 3;
        status.freshness.counts[2] = 1;
        status.freshness.counts[FRESHNESS_BOUNDS_MS.len()] = 1;
        let text = freshness(&status);
        for line in
            ["le=\"0.001\"} 3", "le=\"0.002\"} 3", "le=\"0.005\"} 4", "le=\"5\"} 4", "le=\"+Inf\"} 5", "_count 5"]
        {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
