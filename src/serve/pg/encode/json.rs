//! JSON text for the Arrow types that PostgreSQL does not have: maps, and the unions in which JSON functions answer.

use arrow::array::{Array, AsArray, UnionArray};
use arrow::datatypes::{DataType, Float64Type};
use bytes::{BufMut, BytesMut};

use super::is_null;
use super::text::{self, Style, list_items};
use crate::model::{SqlError, SqlResult};

/// Appends a value as JSON.
pub(super) fn write(out: &mut BytesMut, array: &dyn Array, row: usize, style: &Style) -> SqlResult<()> {
    if is_null(array, row) {
        out.put_slice(b"null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Boolean => out.put_slice(if array.as_boolean().value(row) { b"true" } else { b"false" }),
        DataType::Float64 if !array.as_primitive::<Float64Type>().value(row).is_finite() => out.put_slice(b"null"),
        data_type if data_type.is_numeric() => text::write(out, array, row, style)?,
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) => {
            let items = list_items(array, row);
            separated(out, b"[]", items.len(), |out, item| write(out, items.as_ref(), item, style))?;
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            separated(out, b"{}", columns.len(), |out, column| {
                string(out, fields[column].name())?;
                out.put_u8(b':');
                write(out, columns[column].as_ref(), row, style)
            })?;
        }
        DataType::Map(_, _) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            separated(out, b"{}", entries.len(), |out, entry| {
                let mut key = BytesMut::new();
                text::write(&mut key, keys.as_ref(), entry, style)?;
                string(out, &String::from_utf8_lossy(&key))?;
                out.put_u8(b':');
                write(out, values.as_ref(), entry, style)
            })?;
        }
        DataType::Union(fields, _) => {
            let Some(union) = array.as_any().downcast_ref::<UnionArray>() else {
                return Err(SqlError::internal("a union that is none"));
            };
            let type_id = union.type_id(row);
            let value = union.value(row);
            let name = fields.iter().find(|(id, _)| *id == type_id).map_or("", |(_, field)| field.name().as_str());
            // `datafusion-functions-json` keeps nested JSON as the text it was.
            if matches!(name, "array" | "object") {
                text::write(out, value.as_ref(), 0, style)?;
            } else {
                write(out, value.as_ref(), 0, style)?;
            }
        }
        _ => {
            let mut plain = BytesMut::new();
            text::write(&mut plain, array, row, style)?;
            string(out, &String::from_utf8_lossy(&plain))?;
        }
    }
    Ok(())
}

fn separated(
    out: &mut BytesMut,
    brackets: &[u8; 2],
    count: usize,
    mut item: impl FnMut(&mut BytesMut, usize) -> SqlResult<()>,
) -> SqlResult<()> {
    out.put_u8(brackets[0]);
    for index in 0..count {
        if index > 0 {
            out.put_u8(b',');
        }
        item(out, index)?;
    }
    out.put_u8(brackets[1]);
    Ok(())
}

fn string(out: &mut BytesMut, text: &str) -> SqlResult<()> {
    let quoted = serde_json::to_string(text).map_err(|error| SqlError::internal(error.to_string()))?;
    out.put_slice(quoted.as_bytes());
    Ok(())
}
