//! `POST /api/tables/{table}`: rows in.
//!
//! The body is lines of objects (`application/x-ndjson`, `application/jsonl`) or an array of objects, or one object
//! (`application/json`), optionally gzip. Rows are read as a file connector reads them: unknown fields are passed over, `__op` may
//! say `delete`. All or nothing: one bad row refuses the request with 400 and a list of the bad rows. With `?partial=true` the good
//! rows are taken and the bad ones are listed in `trueup.errors`; the answer counts both.
//!
//! 200 means that every view read afterwards shows the rows. In a table with a key and a version sending rows again changes
//! nothing, so whoever gets no answer, 429 or 503 sends again.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;
use std::sync::atomic::Ordering::Relaxed;

use super::HttpState;
use super::body::{self, Held};
use super::error::ApiError;
use super::views::{flag, parameters};
use crate::engine::{RejectedRow, RowsShape};
use crate::model::error::code;
use crate::model::{SqlError, Tick};
use crate::views::json::tick_time;

/// What became of the rows.
#[derive(Serialize)]
pub(super) struct Taken {
    accepted: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tick: Option<Tick>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<String>,
    /// Rows put into `trueup.errors`.
    rejected: u64,
    errors: Vec<RejectedRow>,
}

pub(super) async fn take(
    State(state): State<HttpState>,
    Path(table): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    mut body: Body,
) -> Result<Json<Taken>, ApiError> {
    let taken = try_take(&state, &table, &uri, &headers, &mut body).await;
    if taken.is_err() {
        body::drain(body).await;
    }
    taken
}

async fn try_take(
    state: &HttpState,
    table: &str,
    uri: &Uri,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<Json<Taken>, ApiError> {
    let shared = &state.0;
    if shared.is_stopping() {
        return Err(ApiError::stopping());
    }
    let mut partial = false;
    for (name, value) in parameters(uri)? {
        match name.as_str() {
            "partial" => partial = flag(&name, &value)?,
            _ => return Err(ApiError::parameter(format!("there is no parameter \"{name}\""))),
        }
    }
    // Before the body is read: a table that is not there.
    shared.database.table_schema(table, &[])?;
    let shape = shape(headers)?;
    let Held { bytes, reservation } = body::read(shared, headers, body).await?;
    let size = bytes.len() as u64;
    let posted = shared.database.post_rows(table, bytes, shape, partial).await?;
    drop(reservation);
    shared.counters.bytes_posted.fetch_add(size, Relaxed);
    shared.counters.rows_posted.fetch_add(posted.accepted, Relaxed);
    if posted.rejected_total > 0 && !partial {
        let count = posted.rejected_total;
        let rows = if count == 1 { "1 row".to_string() } else { format!("{count} rows") };
        let error = SqlError::new(code::DATA_EXCEPTION, format!("{rows} could not be read; none were taken"))
            .hint("correct them, or take the good ones with ?partial=true");
        return Err(ApiError::new(StatusCode::BAD_REQUEST, error).rows(posted.rejected, count));
    }
    Ok(Json(Taken {
        accepted: posted.accepted,
        as_of: posted.tick.map(tick_time),
        tick: posted.tick,
        rejected: posted.rejected_total,
        errors: posted.rejected,
    }))
}

fn shape(headers: &HeaderMap) -> Result<RowsShape, ApiError> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    match given.split(';').next().unwrap_or("").trim().to_ascii_lowercase().as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
            Ok(RowsShape::Lines)
        }
        "application/json" => Ok(RowsShape::Json),
        other => {
            let message = format!("content type \"{other}\" is not read");
            let hint = "send application/x-ndjson (one object per line) or application/json (an array of objects)";
            Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, SqlError::unsupported(message).hint(hint)))
        }
    }
}
