//! What is answered when a request can't be: a status, and the error in PostgreSQL's parts.

use axum::Json;
use axum::http::header::{ALLOW, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::engine::RejectedRow;
use crate::model::SqlError;
use crate::model::error::code;

/// Seconds a client is asked to wait when there is too much at once.
const RETRY_AFTER_S: &str = "1";

/// A request refused.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
    headers: HeaderMap,
}

/// The body of every error.
#[derive(Debug, Serialize)]
struct ErrorBody {
    code: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Byte offset into the SQL text.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<usize>,
    /// Rows that could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<RejectedRow>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors_total: Option<u64>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, error: SqlError) -> ApiError {
        let SqlError { code, message, detail, hint, position } = error;
        let body =
            ErrorBody { code: code.to_string(), message, detail, hint, position, errors: None, errors_total: None };
        ApiError { status, body, headers: HeaderMap::new() }
    }

    /// A parameter that is not as it should be.
    pub(super) fn parameter(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, SqlError::new(code::INVALID_PARAMETER_VALUE, message))
    }

    pub(super) fn too_large(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, SqlError::new(code::PROGRAM_LIMIT_EXCEEDED, message))
    }

    /// There is too much at once: try again soon.
    pub(super) fn busy(status: StatusCode, message: impl Into<String>) -> ApiError {
        ApiError::new(status, SqlError::new("53400", message)).header(RETRY_AFTER, RETRY_AFTER_S)
    }

    pub(super) fn stopping() -> ApiError {
        ApiError::from(SqlError::new(code::ADMIN_SHUTDOWN, "the server is stopping"))
    }

    pub(super) fn not_allowed(allow: &'static str) -> ApiError {
        let message = format!("this address answers {allow}");
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, SqlError::unsupported(message)).header(ALLOW, allow)
    }

    pub(super) fn header(mut self, name: HeaderName, value: &'static str) -> ApiError {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    pub(super) fn rows(mut self, errors: Vec<RejectedRow>, total: u64) -> ApiError {
        self.body.errors = Some(errors);
        self.body.errors_total = Some(total);
        self
    }
}

impl From<SqlError> for ApiError {
    fn from(error: SqlError) -> ApiError {
        let status = match error.code {
            code::UNDEFINED_TABLE => StatusCode::NOT_FOUND,
            code::ADMIN_SHUTDOWN => StatusCode::SERVICE_UNAVAILABLE,
            code::INTERNAL_ERROR | code::IO_ERROR => StatusCode::INTERNAL_SERVER_ERROR,
            code::QUERY_CANCELED => StatusCode::REQUEST_TIMEOUT,
            code::INSUFFICIENT_PRIVILEGE | "25006" => StatusCode::FORBIDDEN,
            "53400" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        let error = ApiError::new(status, error);
        if status == StatusCode::SERVICE_UNAVAILABLE { error.header(RETRY_AFTER, RETRY_AFTER_S) } else { error }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, self.headers, Json(self.body)).into_response()
    }
}
