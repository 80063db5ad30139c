//! Values from clients to Arrow: text (parameters, COPY) and binary (parameters).
//!
//! Guarantees: what PostgreSQL accepts as input of a type in its usual notation is accepted; what is refused is refused with
//! PostgreSQL's SQLSTATE and words. Not accepted: `infinity` dates, `now`/`today` in place of a value, years before 1.

pub(crate) mod binary;
mod composite;
mod decimal;
pub(crate) mod text;

use arrow::datatypes::DataType;
use bytes::Bytes;
use datafusion::scalar::ScalarValue;
use pgwire::api::Type;

use crate::model::{SqlError, SqlResult};

/// One parameter of a Bind message.
///
/// `declared` is the type the client works with, `wanted` the one the statement wants.
pub(crate) fn parameter(
    value: Option<&Bytes>,
    is_binary: bool,
    declared: &Type,
    wanted: &DataType,
    number: usize,
) -> SqlResult<ScalarValue> {
    let Some(bytes) = value else {
        return ScalarValue::try_new_null(wanted).map_err(|error| SqlError::unsupported(error.to_string()));
    };
    let decoded = if is_binary {
        binary::value(bytes, declared).and_then(|value| fit(value, wanted))
    } else {
        utf8(bytes).and_then(|text| text::value(text, wanted))
    };
    decoded.map_err(|mut error| {
        error.detail.get_or_insert_with(|| format!("in parameter ${number}"));
        error
    })
}

/// Bytes that must be UTF-8 text.
pub(crate) fn utf8(bytes: &[u8]) -> SqlResult<&str> {
    std::str::from_utf8(bytes).map_err(|error| {
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or(0);
        SqlError::new("22021", format!("invalid byte sequence for encoding \"UTF8\": 0x{byte:02x}"))
    })
}

fn fit(value: ScalarValue, wanted: &DataType) -> SqlResult<ScalarValue> {
    if value.data_type() == *wanted || *wanted == DataType::Null {
        return Ok(value);
    }
    let from = value.data_type();
    value
        .cast_to(wanted)
        .map_err(|error| SqlError::new("22003", format!("cannot pass a {from} as {wanted}")).detail(error.to_string()))
}

#[cfg(test)]
mod tests;
