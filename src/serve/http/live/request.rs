//! What a request for an event stream asks for.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::super::error::ApiError;
use super::super::views::parameters;
use super::group::GroupKey;
use super::stream::{EventStream, Place};
use crate::model::SqlError;
use crate::model::error::code;
use crate::serve::http::HttpState;

/// Views of one stream.
const VIEWS_MAX: usize = 200;
/// The longest interval, in milliseconds.
const INTERVAL_MS_MAX: u64 = 60_000;
/// Tells proxies not to hold events back.
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(in super::super) async fn changes_of_one(
    State(state): State<HttpState>,
    Path(view): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let mut key = GroupKey { views: vec![view], interval_ms: 0, is_single: true };
    for (name, value) in parameters(&uri)? {
        match name.as_str() {
            "interval" => key.interval_ms = interval(&value)?,
            _ => return Err(unknown(&name)),
        }
    }
    existing(&state, &key.views[0])?;
    respond(state, key, vec![], &headers).await
}

pub(in super::super) async fn changes(
    State(state): State<HttpState>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let mut key = GroupKey { views: vec![], interval_ms: 0, is_single: false };
    let mut may_miss = false;
    for (name, value) in parameters(&uri)? {
        match (name.as_str(), value.as_str()) {
            ("views", names) => {
                key.views.extend(names.split(',').map(str::trim).filter(|n| !n.is_empty()).map(str::to_string));
            }
            ("interval", value) => key.interval_ms = interval(value)?,
            ("missing", "allow") => may_miss = true,
            ("missing", "refuse") => may_miss = false,
            ("missing", _) => return Err(ApiError::parameter("parameter \"missing\": allow or refuse")),
            _ => return Err(unknown(&name)),
        }
    }
    key.views.sort();
    key.views.dedup();
    if key.views.is_empty() || key.views.len() > VIEWS_MAX {
        return Err(ApiError::parameter(format!(
            "parameter \"views\": name 1 to {VIEWS_MAX} views, separated by commas"
        )));
    }
    let mut missing = vec![];
    let mut found = vec![];
    for view in key.views {
        match existing(&state, &view) {
            Ok(()) => found.push(view),
            Err(_) if may_miss => missing.push(view),
            Err(error) => return Err(error),
        }
    }
    key.views = found;
    respond(state, key, missing, &headers).await
}

fn unknown(name: &str) -> ApiError {
    ApiError::parameter(format!("there is no parameter \"{name}\""))
}

fn interval(value: &str) -> Result<u64, ApiError> {
    match value.parse() {
        Ok(milliseconds) if milliseconds <= INTERVAL_MS_MAX => Ok(milliseconds),
        _ => Err(ApiError::parameter(format!("parameter \"interval\": 0 to {INTERVAL_MS_MAX} milliseconds"))),
    }
}

fn existing(state: &HttpState, view: &str) -> Result<(), ApiError> {
    let database = &state.0.database;
    if database.relations().iter().any(|relation| relation.kind == "system" && relation.name == view) {
        return Ok(());
    }
    Ok(database.followed(view).map(drop)?)
}

async fn respond(
    state: HttpState,
    key: GroupKey,
    missing: Vec<String>,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let live = &state.0.live;
    if state.0.is_stopping() {
        return Err(ApiError::stopping());
    }
    let Some(place) = Place::take(&live.counters, live.streams_max) else {
        let message = format!("{} event streams are open already", live.streams_max);
        return Err(ApiError::busy(StatusCode::SERVICE_UNAVAILABLE, message));
    };
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty());
    // One that is no tick of ours is as one too old.
    let resume = last.map(|text| text.parse().unwrap_or(0));
    let joined = live.join(key.clone(), resume).await.map_err(|error| {
        let is_large = error.code == code::PROGRAM_LIMIT_EXCEEDED;
        if is_large { too_many_rows(error) } else { ApiError::from(error) }
    })?;
    let stream = EventStream::new(state, key, missing, joined, place, resume.is_some());
    let headers = [(CONTENT_TYPE, "text/event-stream"), (NO_BUFFERING, "no")];
    Ok((headers, Body::from_stream(stream.into_chunks())).into_response())
}

fn too_many_rows(error: SqlError) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, error)
}
