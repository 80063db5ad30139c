//! Binary format: PostgreSQL's `…send` functions.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type,
};
use bytes::{BufMut, BytesMut};
use chrono::Datelike;
use pgwire::api::Type;

use super::fields::{PgField, pg_type};
use super::text::{self, Style, date, interval, list_items, time_micros, timestamp_micros};
use super::{is_null, patch_length};
use crate::model::{SqlError, SqlResult};

/// Days from year 1 to 2000-01-01, PostgreSQL's epoch, as chrono counts them.
const EPOCH_DAY: i32 = 730_120;
/// Microseconds from 1970 to 2000.
pub(crate) const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Appends the binary form of a value that is not null, for a column declared as `field`.
pub(super) fn write(
    out: &mut BytesMut,
    array: &dyn Array,
    row: usize,
    field: &PgField,
    style: &Style,
) -> SqlResult<()> {
    if field.pg_type == Type::CHAR {
        return text::write(out, array, row, style);
    }
    plain(out, array, row, style)
}

fn plain(out: &mut BytesMut, array: &dyn Array, row: usize, style: &Style) -> SqlResult<()> {
    match array.data_type() {
        DataType::Boolean => out.put_u8(u8::from(array.as_boolean().value(row))),
        DataType::Int8 => out.put_i16(i16::from(array.as_primitive::<Int8Type>().value(row))),
        DataType::UInt8 => out.put_i16(i16::from(array.as_primitive::<UInt8Type>().value(row))),
        DataType::Int16 => out.put_i16(array.as_primitive::<Int16Type>().value(row)),
        DataType::UInt16 => out.put_i32(i32::from(array.as_primitive::<UInt16Type>().value(row))),
        DataType::Int32 => out.put_i32(array.as_primitive::<Int32Type>().value(row)),
        DataType::UInt32 => out.put_i64(i64::from(array.as_primitive::<UInt32Type>().value(row))),
        DataType::Int64 => out.put_i64(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float16 => out.put_f32(array.as_primitive::<Float16Type>().value(row).to_f32()),
        DataType::Float32 => out.put_f32(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => out.put_f64(array.as_primitive::<Float64Type>().value(row)),
        DataType::UInt64
        | DataType::Decimal32(_, _)
        | DataType::Decimal64(_, _)
        | DataType::Decimal128(_, _)
        | DataType::Decimal256(_, _) => {
            let mut digits = BytesMut::new();
            text::write(&mut digits, array, row, style)?;
            write_numeric(out, &String::from_utf8_lossy(&digits));
        }
        DataType::Binary => out.put_slice(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => out.put_slice(array.as_binary::<i64>().value(row)),
        DataType::BinaryView => out.put_slice(array.as_binary_view().value(row)),
        DataType::FixedSizeBinary(_) => out.put_slice(array.as_fixed_size_binary().value(row)),
        DataType::Date32 | DataType::Date64 => out.put_i32(date(array, row)?.num_days_from_ce() - EPOCH_DAY),
        DataType::Time32(_) | DataType::Time64(_) => out.put_i64(time_micros(array, row)),
        DataType::Timestamp(_, _) => out.put_i64(timestamp_micros(array, row).saturating_sub(EPOCH_MICROS)),
        DataType::Interval(_) | DataType::Duration(_) => {
            let (months, days, micros) = interval(array, row);
            out.put_i64(micros);
            out.put_i32(days);
            out.put_i32(months);
        }
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) => {
            write_array(out, list_items(array, row), style)?;
        }
        DataType::Struct(fields) => {
            out.put_i32(fields.len() as i32);
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                out.put_u32(pg_type(field).oid());
                sized(out, column.as_ref(), row, style)?;
            }
        }
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            plain(out, dictionary.values().as_ref(), dictionary.normalized_keys()[row], style)?;
        }
        // Text and JSON are their own binary form; types that PostgreSQL does not have are declared as one of these.
        _ => text::write(out, array, row, style)?,
    }
    Ok(())
}

/// A value after its length; a null is the length -1.
fn sized(out: &mut BytesMut, array: &dyn Array, row: usize, style: &Style) -> SqlResult<()> {
    if is_null(array, row) {
        out.put_i32(-1);
        return Ok(());
    }
    let start = out.len();
    out.put_i32(0);
    plain(out, array, row, style)?;
    patch_length(out, start, 4);
    Ok(())
}

/// An array, flattened: dimensions with lower bound 1, then the elements.
fn write_array(out: &mut BytesMut, items: ArrayRef, style: &Style) -> SqlResult<()> {
    let mut dimensions = Vec::new();
    let mut level: Vec<ArrayRef> = vec![items];
    loop {
        let length = level[0].len();
        if level.iter().any(|array| array.len() != length) {
            return Err(SqlError::new(
                "2202E",
                "multidimensional arrays must have sub-arrays with matching dimensions",
            )
            .hint("ask for it in text format"));
        }
        dimensions.push(length);
        let is_list =
            matches!(level[0].data_type(), DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _));
        if !is_list || length == 0 {
            break;
        }
        level = level.iter().flat_map(|array| (0..length).map(|row| list_items(array.as_ref(), row))).collect();
    }
    let element = pg_type(&arrow::datatypes::Field::new("", innermost(level[0].data_type()), true));
    let is_empty = dimensions.contains(&0);
    out.put_i32(if is_empty { 0 } else { dimensions.len() as i32 });
    out.put_i32(i32::from(level.iter().any(|array| array.null_count() > 0)));
    out.put_u32(element.oid());
    if is_empty {
        return Ok(());
    }
    for dimension in &dimensions {
        out.put_i32(*dimension as i32);
        out.put_i32(1);
    }
    for array in &level {
        for row in 0..array.len() {
            sized(out, array.as_ref(), row, style)?;
        }
    }
    Ok(())
}

fn innermost(data_type: &DataType) -> DataType {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            innermost(item.data_type())
        }
        other => other.clone(),
    }
}

/// A numeric from its decimal text: base-10000 digits around the decimal point, weight of the first, sign, scale.
fn write_numeric(out: &mut BytesMut, text: &str) {
    const NEGATIVE: i16 = 0x4000;
    let unsigned = text.trim_start_matches('-');
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let whole = whole.trim_start_matches('0');
    let padded_whole = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
    let padded_fraction = format!("{fraction}{}", "0".repeat((4 - fraction.len() % 4) % 4));
    let mut groups: Vec<i16> = padded_whole
        .as_bytes()
        .chunks(4)
        .chain(padded_fraction.as_bytes().chunks(4))
        .map(|group| group.iter().fold(0, |value, digit| value * 10 + i16::from(digit - b'0')))
        .collect();
    let mut weight = (padded_whole.len() / 4) as i16 - 1;
    while groups.last() == Some(&0) {
        groups.pop();
    }
    let leading = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..leading);
    weight -= leading as i16;
    if groups.is_empty() {
        weight = 0;
    }
    let is_negative = text.starts_with('-') && !groups.is_empty();
    out.put_i16(groups.len() as i16);
    out.put_i16(weight);
    out.put_i16(if is_negative { NEGATIVE } else { 0 });
    out.put_i16(fraction.len() as i16);
    for group in groups {
        out.put_i16(group);
    }
}
