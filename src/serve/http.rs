//! HTTP: is the server alive, is it ready, and what are its ticks.
//!
//! `GET /healthz` answers while the process runs; `GET /readyz` answers 200 once a tick can be read; `GET /metrics` is Prometheus
//! text of the protocol's counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::pg::PgCounters;
use crate::engine::Engine;

/// What the handlers need.
#[derive(Clone)]
struct Http {
    engine: Engine,
    counters: Arc<PgCounters>,
}

/// The routes, for tests without a socket too.
pub fn router(engine: Engine, counters: Arc<PgCounters>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Http { engine, counters })
}

/// Serves until `shutdown` turns true.
///
/// # Errors
/// When the listener fails.
pub async fn serve_http(
    listener: TcpListener,
    engine: Engine,
    counters: Arc<PgCounters>,
    mut shutdown: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let stopped = async move {
        // An error means the sender is gone: stopped too.
        shutdown.wait_for(|stop| *stop).await.ok();
    };
    axum::serve(listener, router(engine, counters)).with_graceful_shutdown(stopped).await
}

async fn ready(State(http): State<Http>) -> (StatusCode, String) {
    match http.engine.published().await {
        Ok(tick) => (StatusCode::OK, format!("ready at tick {tick}\n")),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
    }
}

async fn metrics(State(http): State<Http>) -> String {
    let counters = &http.counters;
    let rows: [(&str, &str, &str, &AtomicU64); 4] = [
        ("trueup_pg_connections", "gauge", "Clients connected now.", &counters.connections),
        ("trueup_pg_statements_total", "counter", "Statements run.", &counters.statements),
        ("trueup_pg_errors_total", "counter", "Statements that failed.", &counters.errors),
        ("trueup_pg_rows_sent_total", "counter", "Rows sent.", &counters.rows_sent),
    ];
    let mut text = String::new();
    for (name, kind, help, value) in rows {
        text.push_str(&format!(
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {}\n",
            value.load(Ordering::Relaxed)
        ));
    }
    if let Ok(tick) = http.engine.published().await {
        text.push_str(&format!("# HELP trueup_tick The latest published tick, in milliseconds since the epoch.\n# TYPE trueup_tick gauge\ntrueup_tick {tick}\n"));
    }
    text
}
