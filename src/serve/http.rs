//! HTTP: liveness, readiness and metrics.
//!
//! `GET /healthz` answers 200 as long as the process serves; `GET /readyz` 200 once it is ready for queries, 503 before and
//! while it stops; `GET /metrics` all metrics in Prometheus' text format. Everybody is trusted: bind to a private address.

use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::pg::PgCounters;
use crate::engine::Engine;

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

/// What the pages show.
#[derive(Clone)]
pub struct HttpState {
    /// True while queries are answered.
    pub ready: watch::Receiver<bool>,
    /// Who is asked for metrics, in this order.
    pub sources: Vec<Arc<dyn MetricsSource>>,
}

/// The pages.
pub fn app(state: HttpState) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(state)
}

/// Serves until `shutdown` turns true (or its sender is gone); requests under way are finished.
pub async fn serve_http(
    listener: TcpListener,
    state: HttpState,
    mut shutdown: watch::Receiver<bool>,
) -> io::Result<()> {
    let stopped = async move {
        // An error means that whoever could say so has gone.
        let _ = shutdown.wait_for(|stop| *stop).await;
    };
    axum::serve(listener, app(state)).with_graceful_shutdown(stopped).await
}

async fn ready(State(state): State<HttpState>) -> impl IntoResponse {
    if *state.ready.borrow() { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
}

async fn metrics(State(state): State<HttpState>) -> impl IntoResponse {
    let metrics = state.sources.iter().flat_map(|source| source.metrics());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], exposition(metrics))
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

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

    #[tokio::test]
    async fn pages_answer_until_the_server_stops() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (set_ready, ready) = watch::channel(false);
        let (stop, stopped) = watch::channel(false);
        let state = HttpState { ready, sources: vec![Arc::new(PgCounters::default())] };
        let server = tokio::spawn(serve_http(listener, state, stopped));
        let get = async |path: &str| {
            let mut socket = TcpStream::connect(address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await.unwrap();
            answer
        };
        assert!(get("/healthz").await.starts_with("HTTP/1.1 200"));
        assert!(get("/readyz").await.starts_with("HTTP/1.1 503"));
        set_ready.send(true).unwrap();
        assert!(get("/readyz").await.starts_with("HTTP/1.1 200"));
        assert!(get("/metrics").await.contains("\ntrueup_pg_statements_total 0\n"));
        stop.send(true).unwrap();
        server.await.unwrap().unwrap();
    }
}
