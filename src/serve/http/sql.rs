//! `POST /api/sql`: one statement, `{"sql":"SELECT … WHERE sku = $1","parameters":["kettle"],"limit":100}`.
//!
//! Read-only (SELECT, EXPLAIN, SHOW, DESCRIBE) unless the operator allows writing; `"read_only":true` in the request forbids it in
//! any case. Parameters are values, never pasted into the text: each is cast to the type the statement gives it. Rows come as
//! arrays, at most `limit` of them, with a flag that says whether there were more.

use std::time::Duration;

use arrow::datatypes::DataType;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use datafusion::scalar::ScalarValue;
use serde::Deserialize;
use serde_json::Value;

use super::body::{self, Held};
use super::error::ApiError;
use super::views::{columns_json, encoded_rows};
use super::{HttpState, Shared};
use crate::engine::{Answer, Outcome, SessionState};
use crate::model::error::code;
use crate::model::{SqlError, Tick};
use crate::plan::parse::{output_name, parse};
use crate::plan::statement::{Statement, StatementKind};
use crate::views::json::{self, tick_time};

const LIMIT_DEFAULT: usize = 1000;
const LIMIT_MAX: usize = 100_000;
/// PostgreSQL's code for writing in a read-only transaction.
const READ_ONLY: &str = "25006";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    sql: String,
    #[serde(default)]
    parameters: Vec<Value>,
    limit: Option<usize>,
    #[serde(default)]
    read_only: bool,
}

pub(super) async fn run(
    State(state): State<HttpState>,
    headers: HeaderMap,
    mut body: Body,
) -> Result<Response, ApiError> {
    let answered = try_run(&state.0, &headers, &mut body).await;
    if answered.is_err() {
        body::drain(body).await;
    }
    answered
}

async fn try_run(shared: &Shared, headers: &HeaderMap, body: &mut Body) -> Result<Response, ApiError> {
    if shared.is_stopping() {
        return Err(ApiError::stopping());
    }
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if !given.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/json") {
        let error =
            SqlError::unsupported(format!("content type \"{given}\" is not read")).hint("send application/json");
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
    }
    let Held { bytes, reservation: _reservation } = body::read(shared, headers, body).await?;
    let question: Question = serde_json::from_slice(&bytes)
        .map_err(|e| ApiError::from(SqlError::new(code::INVALID_TEXT_REPRESENTATION, format!("the request: {e}"))))?;
    let limit = question.limit.unwrap_or(LIMIT_DEFAULT);
    if limit > LIMIT_MAX {
        return Err(ApiError::parameter(format!("limit {limit} is above {LIMIT_MAX}")));
    }
    within(shared.options.query_timeout, answer(shared, &question, limit)).await
}

/// Runs some work, but not for ever.
pub(super) async fn within<T>(
    timeout: Duration,
    work: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| {
        let message = format!("canceling statement due to statement timeout ({} s)", timeout.as_secs_f64());
        Err(ApiError::from(SqlError::new(code::QUERY_CANCELED, message)))
    })
}

async fn answer(shared: &Shared, question: &Question, limit: usize) -> Result<Response, ApiError> {
    let mut statements = parse(&question.sql)?;
    let statement = match statements.len() {
        1 => statements.remove(0),
        0 => return Err(SqlError::syntax("there is no statement").into()),
        _ => return Err(SqlError::syntax("one statement at a time").into()),
    };
    let is_read = matches!(
        statement.kind,
        StatementKind::Query(_)
            | StatementKind::Explain { .. }
            | StatementKind::Show(_)
            | StatementKind::Describe { .. }
    );
    if !is_read && (question.read_only || !shared.options.sql_writes) {
        let verb = statement.text.split_whitespace().next().unwrap_or_default().to_uppercase();
        let error = SqlError::new(READ_ONLY, format!("cannot execute {verb} in a read-only session"));
        return Err(error.hint("start the server with --http-write to allow it").into());
    }
    let parameters = parameters(shared, &statement, &question.parameters).await?;
    if let StatementKind::Query(query) = &statement.kind {
        let answer = shared.database.query(query, &parameters, &statement.text).await?;
        return rows(answer, limit, &statement.text).await;
    }
    match shared.database.execute(&mut SessionState::default(), &statement, &parameters).await? {
        Outcome::Rows { schema, stream } => {
            let tick = shared.database.status(false).await?.tick;
            rows(Answer { tick, schema, stream }, limit, &statement.text).await
        }
        Outcome::Done { tag, rows } => {
            let command = rows.map_or_else(|| tag.clone(), |rows| format!("{tag} {rows}"));
            let tick = shared.database.status(false).await?.tick;
            Ok(finished(tick, &command, b"[],\"rows\":[],\"truncated\":false".to_vec()))
        }
        Outcome::Subscription(_) => {
            let error = SqlError::unsupported("SUBSCRIBE is not answered here");
            Err(error.hint("read GET /api/views/{view}/changes").into())
        }
    }
}

async fn rows(answer: Answer, limit: usize, sql: &str) -> Result<Response, ApiError> {
    let names = answer.schema.fields().iter().map(|field| output_name(field.name()).to_string());
    let mut text = columns_json(&answer.schema, names);
    text.extend_from_slice(b",\"rows\":");
    let tick = answer.tick;
    let more = encoded_rows(&mut text, answer, limit, sql, json::array).await?;
    text.extend_from_slice(format!(",\"truncated\":{more}").as_bytes());
    Ok(finished(tick, "SELECT", text))
}

fn finished(tick: Tick, command: &str, columns_and_rows: Vec<u8>) -> Response {
    let mut text = format!("{{\"tick\":{tick},\"as_of\":\"{}\",\"command\":", tick_time(tick)).into_bytes();
    json::string(&mut text, command);
    text.extend_from_slice(b",\"columns\":");
    text.extend_from_slice(&columns_and_rows);
    text.push(b'}');
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

async fn parameters(shared: &Shared, statement: &Statement, values: &[Value]) -> Result<Vec<ScalarValue>, ApiError> {
    let types = shared.database.describe(statement, &[]).await?.parameters;
    if types.len() != values.len() {
        let message = format!("the statement has {} parameters, {} were given", types.len(), values.len());
        return Err(SqlError::new("08P01", message).into());
    }
    let typed = types.iter().zip(values).enumerate();
    typed.map(|(at, (data_type, value))| parameter(at + 1, data_type, value)).collect()
}

fn parameter(number: usize, data_type: &DataType, value: &Value) -> Result<ScalarValue, ApiError> {
    let text = match value {
        Value::Null => return ScalarValue::try_from(data_type).map_err(|e| SqlError::internal(e.to_string()).into()),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    typed(&text, data_type).map_err(|mut error| {
        error.message = format!("parameter ${number}: {}", error.message);
        error.into()
    })
}

/// A value of a type from its text.
pub(super) fn typed(text: &str, data_type: &DataType) -> Result<ScalarValue, SqlError> {
    ScalarValue::try_from_string(text.to_string(), data_type).map_err(|_| {
        let name = crate::plan::types::postgres_name(data_type);
        SqlError::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type {name}: \"{text}\""))
    })
}
