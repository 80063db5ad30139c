//! Rows as JSON, the same wherever they leave the server as JSON: HTTP answers, event streams, webhooks.
//!
//! | column | JSON |
//! |---|---|
//! | integers | numbers up to ±(2^53 − 1), which every reader holds exactly; strings beyond |
//! | NUMERIC | strings, exact: `"12.30"` |
//! | REAL, DOUBLE PRECISION | numbers; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | BOOLEAN | `true`, `false` |
//! | TEXT, JSON | strings (JSON columns: their text) |
//! | BYTEA | strings, `\x` and hexadecimal digits |
//! | TIMESTAMPTZ | RFC 3339 in UTC, `"2026-11-22T10:04:31.200Z"`; TIMESTAMP without the `Z` |
//! | DATE, TIME | ISO 8601 |
//! | INTERVAL | ISO 8601: `"P14M3DT3661.5S"` |
//! | arrays, structs | arrays, objects |
//! | NULL | `null`, never left out |
//!
//! Guarantees: no raw line ends in the text; equal rows have equal texts. Not guaranteed: two columns of one name in an object.

use std::io::Write;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, IntervalUnit, Schema, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType,
};
use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, TimeDelta};

use crate::model::{SqlError, SqlResult, Tick};

/// The largest integer that a double holds together with all smaller ones.
const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// Writes rows of one schema.
#[derive(Clone, Debug)]
pub struct RowWriter {
    /// Per column `"name":`, all but the first behind a comma.
    names: Vec<Vec<u8>>,
}

impl RowWriter {
    /// A writer for rows with these columns.
    pub fn new(schema: &Schema) -> RowWriter {
        let name = |(at, field): (usize, &arrow::datatypes::FieldRef)| {
            let mut text = if at > 0 { vec![b','] } else { vec![] };
            string(&mut text, field.name());
            text.push(b':');
            text
        };
        RowWriter { names: schema.fields().iter().enumerate().map(name).collect() }
    }

    /// Appends a row as an object.
    ///
    /// # Errors
    /// A column type that views do not have.
    pub fn object(&self, out: &mut Vec<u8>, batch: &RecordBatch, row: usize) -> SqlResult<()> {
        out.push(b'{');
        for (name, column) in self.names.iter().zip(batch.columns()) {
            out.extend_from_slice(name);
            value(out, column.as_ref(), row)?;
        }
        out.push(b'}');
        Ok(())
    }
}

/// Appends a row as an array.
///
/// # Errors
/// A column type that views do not have.
pub fn array(out: &mut Vec<u8>, batch: &RecordBatch, row: usize) -> SqlResult<()> {
    separated(out, *b"[]", batch.num_columns(), |out, column| value(out, batch.column(column).as_ref(), row))
}

/// A tick as the time it stands for, in RFC 3339.
pub fn tick_time(tick: Tick) -> String {
    let time = i64::try_from(tick).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Appends a text as a JSON string.
pub fn string(out: &mut Vec<u8>, text: &str) {
    // Strings can't fail, and neither can writing to memory.
    let _ = serde_json::to_writer(out, text);
}

/// Appends one value.
///
/// # Errors
/// A type that views do not have.
pub fn value(out: &mut Vec<u8>, array: &dyn Array, row: usize) -> SqlResult<()> {
    if array.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Null => out.extend_from_slice(b"null"),
        DataType::Boolean => out.extend_from_slice(if array.as_boolean().value(row) { b"true" } else { b"false" }),
        DataType::Int16 => integer(out, of::<Int16Type>(array, row).into()),
        DataType::Int32 => integer(out, of::<Int32Type>(array, row).into()),
        DataType::Int64 => integer(out, of::<Int64Type>(array, row)),
        DataType::Float32 => float(out, &of::<Float32Type>(array, row), of::<Float32Type>(array, row).into()),
        DataType::Float64 => float(out, &of::<Float64Type>(array, row), of::<Float64Type>(array, row)),
        DataType::Decimal128(..) => string(out, &array.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::Utf8 => string(out, array.as_string::<i32>().value(row)),
        DataType::Binary => bytes(out, array.as_binary::<i32>().value(row)),
        DataType::Date32 => {
            let days = TimeDelta::days(of::<Date32Type>(array, row).into());
            quoted(out, NaiveDate::default().checked_add_signed(days).map(|date| format!("{date:?}")))?;
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            let time = NaiveTime::MIN + TimeDelta::microseconds(of::<Time64MicrosecondType>(array, row));
            quoted(out, Some(format!("{time:?}")))?;
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let time = DateTime::from_timestamp_micros(of::<TimestampMicrosecondType>(array, row));
            let with_zone = |time: DateTime<_>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            let text = time.map(|t| if zone.is_some() { with_zone(t) } else { format!("{:?}", t.naive_utc()) });
            quoted(out, text)?;
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let interval = of::<IntervalMonthDayNanoType>(array, row);
            let seconds = interval.nanoseconds as f64 / 1e9;
            quoted(out, Some(format!("P{}M{}DT{seconds}S", interval.months, interval.days)))?;
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            separated(out, *b"[]", items.len(), |out, item| value(out, items.as_ref(), item))?;
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            separated(out, *b"{}", columns.len(), |out, column| {
                string(out, fields[column].name());
                out.push(b':');
                value(out, columns[column].as_ref(), row)
            })?;
        }
        other => return Err(SqlError::internal(format!("a value of type {other} has no JSON"))),
    }
    Ok(())
}

fn of<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> T::Native {
    array.as_primitive::<T>().value(row)
}

fn integer(out: &mut Vec<u8>, value: i64) {
    let quote: &[u8] = if value.unsigned_abs() > SAFE_INTEGER_MAX { b"\"" } else { b"" };
    out.extend_from_slice(quote);
    // Writing to memory cannot fail.
    let _ = write!(out, "{value}");
    out.extend_from_slice(quote);
}

fn float(out: &mut Vec<u8>, value: &impl serde::Serialize, wide: f64) {
    if wide.is_finite() {
        // As above.
        let _ = serde_json::to_writer(out, value);
    } else if wide.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else {
        out.extend_from_slice(if wide > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
    }
}

fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(b"\"\\\\x");
    for byte in value {
        // As above.
        let _ = write!(out, "{byte:02x}");
    }
    out.push(b'"');
}

fn quoted(out: &mut Vec<u8>, text: Option<String>) -> SqlResult<()> {
    let text = text.ok_or_else(|| SqlError::internal("a date outside the calendar"))?;
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
    Ok(())
}

fn separated(
    out: &mut Vec<u8>,
    brackets: [u8; 2],
    count: usize,
    mut item: impl FnMut(&mut Vec<u8>, usize) -> SqlResult<()>,
) -> SqlResult<()> {
    out.push(brackets[0]);
    for at in 0..count {
        if at > 0 {
            out.push(b',');
        }
        item(out, at)?;
    }
    out.push(brackets[1]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BinaryArray, Date32Array, Decimal128Array, Float64Array, Int64Array, IntervalMonthDayNanoArray,
        ListArray, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::IntervalMonthDayNano;

    use super::*;

    fn text(array: impl Array + 'static) -> Vec<String> {
        let array: ArrayRef = Arc::new(array);
        let one = |row| {
            let mut out = vec![];
            value(&mut out, array.as_ref(), row).unwrap();
            let text = String::from_utf8(out).unwrap();
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
            text
        };
        (0..array.len()).map(one).collect()
    }

    #[test]
    fn integers_are_numbers_as_long_as_every_reader_holds_them() {
        let values =
            Int64Array::from(vec![Some(9_007_199_254_740_991), Some(9_007_199_254_740_992), Some(i64::MIN), None]);
        assert_eq!(text(values), ["9007199254740991", "\"9007199254740992\"", "\"-9223372036854775808\"", "null"]);
    }

    #[test]
    fn amounts_keep_every_digit() {
        let values = Decimal128Array::from(vec![1230, -5, 99_999_999_999_999_999_999_999_999_999_999_999_999]);
        let values = values.with_precision_and_scale(38, 2).unwrap();
        assert_eq!(text(values), ["\"12.30\"", "\"-0.05\"", "\"999999999999999999999999999999999999.99\""]);
    }

    #[test]
    fn times_are_rfc_3339_and_iso_8601() {
        let micros = vec![1_763_805_871_200_000, 0, -1];
        let zoned = TimestampMicrosecondArray::from(micros.clone()).with_timezone("UTC");
        let expected = ["\"2025-11-22T10:04:31.200Z\"", "\"1970-01-01T00:00:00Z\"", "\"1969-12-31T23:59:59.999999Z\""];
        assert_eq!(text(zoned), expected);
        let plain = TimestampMicrosecondArray::from(micros);
        assert_eq!(text(plain)[0], "\"2025-11-22T10:04:31.200\"");
        assert_eq!(text(Date32Array::from(vec![20_414, -1])), ["\"2025-11-22\"", "\"1969-12-31\""]);
        assert_eq!(text(Time64MicrosecondArray::from(vec![36_271_500_000])), ["\"10:04:31.500\""]);
        let interval = IntervalMonthDayNano::new(14, 3, 3_661_500_000_000);
        assert_eq!(text(IntervalMonthDayNanoArray::from(vec![interval])), ["\"P14M3DT3661.5S\""]);
        assert_eq!(tick_time(1_763_805_871_200), "2025-11-22T10:04:31.200Z");
    }

    #[test]
    fn what_json_has_no_number_for_is_a_string() {
        let values = Float64Array::from(vec![0.1, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
        assert_eq!(text(values), ["0.1", "-0.0", "\"NaN\"", "\"Infinity\"", "\"-Infinity\""]);
    }

    #[test]
    fn texts_and_bytes_have_no_raw_line_ends() {
        assert_eq!(text(StringArray::from(vec!["a\n\"b\"\r"])), [r#""a\n\"b\"\r""#]);
        assert_eq!(text(BinaryArray::from(vec![&b"\x00\xff"[..]])), [r#""\\x00ff""#]);
    }

    #[test]
    fn nested_values_and_whole_rows() {
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None]);
        let names = StringArray::from(vec!["x", "y"]);
        let batch =
            RecordBatch::try_from_iter([("a\"b", Arc::new(list) as ArrayRef), ("n", Arc::new(names) as ArrayRef)]);
        let batch = batch.unwrap();
        let (mut object, mut cells) = (vec![], vec![]);
        RowWriter::new(&batch.schema()).object(&mut object, &batch, 0).unwrap();
        array(&mut cells, &batch, 1).unwrap();
        assert_eq!(String::from_utf8(object).unwrap(), r#"{"a\"b":[1,null],"n":"x"}"#);
        assert_eq!(String::from_utf8(cells).unwrap(), r#"[null,"y"]"#);
    }
}
