//! HTTP: views as JSON and as event streams, rows in, SQL, the page, health and metrics.
//!
//! | address | answers |
//! |---|---|
//! | `GET /api/views` | the relations, with columns |
//! | `GET /api/views/{view}` | rows at one tick: `limit`, `offset`, `order=a.desc,b`, filters `column=gt.5` ([`views`]) |
//! | `GET /api/views/{view}/changes`, `GET /api/changes?views=a,b` | server-sent events ([`live`]) |
//! | `POST /api/tables/{table}` | takes rows: NDJSON or JSON, also gzip ([`tables`]) |
//! | `POST /api/sql` | one statement, read-only unless [`HttpOptions::sql_writes`] ([`sql`]) |
//! | `GET /api/openapi.json` | all of that for programs |
//! | `GET /healthz`, `/readyz`, `/metrics` | liveness; readiness (503 before and while it stops); Prometheus' text format |
//! | `GET /` | the page ([`page`]) |
//!
//! Values are written as [`crate::views::json`] says. Errors are `{"code":"42P01","message":…}`, with PostgreSQL's codes, and
//! `detail`, `hint`, `position` where there are.
//!
//! Guarantees: every answer is of one tick and says which; memory is bounded by the options, whatever clients do. Not guaranteed:
//! everybody is trusted, bind to a private address; other origins' pages are let in only if [`HttpOptions::cors_origins`] names
//! them, which protects from browsers, not from anybody else.

mod body;
mod connection;
mod error;
pub mod live;
mod metrics;
mod page;
mod sql;
mod tables;
mod views;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::{Semaphore, watch};
use tower_http::cors::{AllowOrigin, CorsLayer};

pub use connection::serve_http;
pub use metrics::{Metric, MetricKind, MetricsSource};

use self::error::ApiError;
use self::live::Live;
use crate::engine::Database;

/// The API as programs read it.
const OPENAPI: &str = include_str!("openapi.json");

/// What an operator may choose about the server. Every limit is a bound on memory or time.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// `POST /api/sql` takes statements that write.
    pub sql_writes: bool,
    /// Other origins whose pages may read and post, such as `https://shop.example.com`; `*`: all.
    pub cors_origins: Vec<String>,
    /// Connections at a time; further ones wait to be accepted.
    pub connections_max: usize,
    /// Event streams at a time; further ones get 503.
    pub streams_max: usize,
    /// The largest body taken, also after decompression.
    pub body_bytes_max: usize,
    /// Bodies held at a time; what goes beyond gets 429.
    pub in_flight_bytes_max: usize,
    /// How long a client may take to send a body.
    pub body_timeout: Duration,
    /// How long a statement of `POST /api/sql` or a read of a view may take.
    pub query_timeout: Duration,
    /// Messages of event streams kept for those who come back or read slowly, all together.
    pub history_bytes_max: usize,
    /// The longest silence of an event stream.
    pub heartbeat: Duration,
    /// How far a reader of an event stream may be behind before it gets the newest state instead.
    pub lag_max: Duration,
    /// How long requests under way may take to finish when the server stops.
    pub shutdown_grace: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        HttpOptions {
            sql_writes: false,
            cors_origins: vec![],
            connections_max: 2000,
            streams_max: 1000,
            body_bytes_max: 16 << 20,
            in_flight_bytes_max: 128 << 20,
            body_timeout: Duration::from_secs(30),
            query_timeout: Duration::from_secs(30),
            history_bytes_max: 64 << 20,
            heartbeat: Duration::from_millis(1000),
            lag_max: Duration::from_secs(5),
            shutdown_grace: Duration::from_secs(3),
        }
    }
}

/// Counters of the server, for `/metrics`.
#[derive(Debug, Default)]
pub(super) struct HttpCounters {
    pub(super) requests: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) rows_posted: AtomicU64,
    pub(super) bytes_posted: AtomicU64,
    pub(super) busy: AtomicU64,
}

/// What all requests share.
#[derive(Clone)]
pub struct HttpState(Arc<Shared>);

struct Shared {
    database: Arc<dyn Database>,
    options: HttpOptions,
    ready: watch::Receiver<bool>,
    sources: Vec<Arc<dyn MetricsSource>>,
    counters: HttpCounters,
    live: Live,
    /// One permit per KiB of bodies held.
    in_flight: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
    page: page::Page,
}

impl HttpState {
    /// `ready` is true while queries are answered; `sources` are asked for metrics in their order; `stopping` turns true when event
    /// streams are to end. Must be called within a runtime.
    pub fn new(
        database: Arc<dyn Database>,
        options: HttpOptions,
        ready: watch::Receiver<bool>,
        sources: Vec<Arc<dyn MetricsSource>>,
        stopping: watch::Receiver<bool>,
    ) -> HttpState {
        HttpState(Arc::new(Shared {
            live: Live::new(Arc::clone(&database), &options, stopping.clone()),
            in_flight: Arc::new(Semaphore::new(options.in_flight_bytes_max >> 10)),
            database,
            options,
            ready,
            sources,
            counters: HttpCounters::default(),
            stopping,
            page: page::Page::embedded(),
        }))
    }
}

impl Shared {
    fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }
}

/// The server, without a socket.
pub fn app(state: HttpState) -> Router {
    let api = Router::new()
        .route("/api/views", get(views::list).fallback(read_only))
        .route("/api/views/{view}", get(views::rows).fallback(read_only))
        .route("/api/views/{view}/changes", get(live::changes_of_one).fallback(read_only))
        .route("/api/changes", get(live::changes).fallback(read_only))
        .route("/api/tables/{table}", post(tables::take).fallback(write_only))
        .route("/api/sql", post(sql::run).fallback(write_only))
        .route("/api/openapi.json", get(openapi).fallback(read_only))
        .route("/api/{*rest}", axum::routing::any(no_such_address));
    let api = match cors(&state.0.options.cors_origins) {
        Some(layer) => api.layer(layer),
        None => api,
    };
    Router::new()
        .route("/healthz", get(async || "ok\n").fallback(read_only))
        .route("/readyz", get(ready).fallback(read_only))
        .route("/metrics", get(metrics::page).fallback(read_only))
        .merge(api)
        .fallback(page::serve)
        .layer(from_fn(common_headers))
        .layer(axum::middleware::from_fn_with_state(state.clone(), count))
        .with_state(state)
}

fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origin = match origins {
        [] => return None,
        [all] if all == "*" => AllowOrigin::any(),
        named => AllowOrigin::list(named.iter().filter_map(|origin| HeaderValue::try_from(origin).ok())),
    };
    let headers =
        [CONTENT_TYPE, axum::http::header::CONTENT_ENCODING, axum::http::HeaderName::from_static("last-event-id")];
    Some(CorsLayer::new().allow_origin(origin).allow_methods([Method::GET, Method::POST]).allow_headers(headers))
}

async fn read_only() -> ApiError {
    ApiError::not_allowed("GET, HEAD")
}

async fn write_only() -> ApiError {
    ApiError::not_allowed("POST")
}

async fn no_such_address() -> ApiError {
    let error = crate::model::SqlError::new(crate::model::error::code::UNDEFINED_OBJECT, "there is no such address");
    ApiError::new(StatusCode::NOT_FOUND, error.hint("GET /api/openapi.json lists them"))
}

async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], OPENAPI)
}

async fn ready(State(state): State<HttpState>) -> impl IntoResponse {
    let is_ready = *state.0.ready.borrow() && !state.0.is_stopping();
    if is_ready { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
}

async fn common_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(axum::http::header::CACHE_CONTROL).or_insert_with(|| HeaderValue::from_static("no-store"));
    response
}

async fn count(State(state): State<HttpState>, request: Request, next: Next) -> Response {
    use std::sync::atomic::Ordering::Relaxed;
    let counters = &state.0.counters;
    counters.requests.fetch_add(1, Relaxed);
    let response = next.run(request).await;
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        counters.busy.fetch_add(1, Relaxed);
    } else if response.status().is_client_error() || response.status().is_server_error() {
        counters.failed.fetch_add(1, Relaxed);
    }
    response
}
