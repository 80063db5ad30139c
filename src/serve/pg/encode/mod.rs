//! Arrow values as PostgreSQL writes them, in text and in binary.
//!
//! Guarantees: every Arrow type has a text form; types PostgreSQL does not have (maps, unions, …) are shown as JSON or text
//! and declared so. Timestamps are microseconds on the wire, as PostgreSQL's: nanoseconds are cut off. Multi-dimensional
//! arrays of unequal lengths have a text form but, as in PostgreSQL, no binary one.

mod binary;
pub(crate) mod fields;
mod floats;
mod json;
mod text;

use arrow::array::{Array, RecordBatch};
use bytes::{BufMut, BytesMut};

pub(crate) use fields::PgField;
pub(crate) use text::Style;

use crate::model::SqlResult;

/// Appends one DataRow message.
pub(crate) fn data_row(
    out: &mut BytesMut,
    batch: &RecordBatch,
    row: usize,
    fields: &[PgField],
    style: &Style,
) -> SqlResult<()> {
    let start = out.len();
    out.put_u8(b'D');
    out.put_i32(0);
    out.put_i16(batch.num_columns() as i16);
    for (array, field) in batch.columns().iter().zip(fields) {
        if is_null(array.as_ref(), row) {
            out.put_i32(-1);
            continue;
        }
        let value = out.len();
        out.put_i32(0);
        let written = if field.is_binary {
            binary::write(out, array.as_ref(), row, field, style)
        } else {
            text::write(out, array.as_ref(), row, style)
        };
        if let Err(error) = written {
            out.truncate(start);
            return Err(error);
        }
        patch_length(out, value, 4);
    }
    patch_length(out, start + 1, 0);
    Ok(())
}

/// Appends a value's text form; the value must not be null.
pub(crate) fn value_text(out: &mut BytesMut, array: &dyn Array, row: usize, style: &Style) -> SqlResult<()> {
    text::write(out, array, row, style)
}

/// Whether a value is null, logically: through dictionaries and unions too.
pub(crate) fn is_null(array: &dyn Array, row: usize) -> bool {
    use arrow::array::{AsArray, UnionArray};
    use arrow::datatypes::DataType;
    match array.data_type() {
        DataType::Null => true,
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            array.is_null(row) || dictionary.values().is_null(dictionary.normalized_keys()[row])
        }
        DataType::Union(_, _) => match array.as_any().downcast_ref::<UnionArray>() {
            Some(union) => is_null(union.value(row).as_ref(), 0),
            None => false,
        },
        _ => array.is_null(row),
    }
}

/// Writes at `at` the number of bytes that follow it, less `without`.
fn patch_length(out: &mut BytesMut, at: usize, without: usize) {
    let length = (out.len() - at - without) as i32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests;
