//! Text format: what `psql` shows.

use std::fmt::Write;

use arrow::array::timezone::Tz;
use arrow::array::types::{
    ArrowTemporalType, Date32Type, Date64Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, IntervalDayTimeType, IntervalMonthDayNanoType, IntervalYearMonthType,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType, Float16Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalUnit, TimeUnit, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike};

use super::{floats, is_null, json};
use crate::model::{SqlError, SqlResult};

/// What a session may choose about text output.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    /// The zone in which `timestamptz` is shown.
    pub(crate) zone: Tz,
}

impl Default for Style {
    fn default() -> Self {
        Style { zone: utc() }
    }
}

/// The zone UTC.
fn utc() -> Tz {
    "UTC".parse().unwrap_or_else(|_| unreachable!("UTC is a zone"))
}

macro_rules! display {
    ($out:expr, $array:expr, $row:expr, $type:ty) => {
        write!($out, "{}", $array.as_primitive::<$type>().value($row))
    };
}

/// Appends the text of a value that is not null.
pub(super) fn write(out: &mut BytesMut, array: &dyn Array, row: usize, style: &Style) -> SqlResult<()> {
    let failed = |_| SqlError::internal("cannot format a value");
    match array.data_type() {
        DataType::Null => {}
        DataType::Boolean => out.put_u8(if array.as_boolean().value(row) { b't' } else { b'f' }),
        DataType::Int8 => display!(out, array, row, Int8Type).map_err(failed)?,
        DataType::Int16 => display!(out, array, row, Int16Type).map_err(failed)?,
        DataType::Int32 => display!(out, array, row, Int32Type).map_err(failed)?,
        DataType::Int64 => display!(out, array, row, Int64Type).map_err(failed)?,
        DataType::UInt8 => display!(out, array, row, UInt8Type).map_err(failed)?,
        DataType::UInt16 => display!(out, array, row, UInt16Type).map_err(failed)?,
        DataType::UInt32 => display!(out, array, row, UInt32Type).map_err(failed)?,
        DataType::UInt64 => display!(out, array, row, UInt64Type).map_err(failed)?,
        DataType::Float16 => floats::write_f32(out, array.as_primitive::<Float16Type>().value(row).to_f32()),
        DataType::Float32 => floats::write_f32(out, array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => floats::write_f64(out, array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => out.put_slice(array.as_string::<i32>().value(row).as_bytes()),
        DataType::LargeUtf8 => out.put_slice(array.as_string::<i64>().value(row).as_bytes()),
        DataType::Utf8View => out.put_slice(array.as_string_view().value(row).as_bytes()),
        DataType::Binary => write_bytes(out, array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => write_bytes(out, array.as_binary::<i64>().value(row)),
        DataType::BinaryView => write_bytes(out, array.as_binary_view().value(row)),
        DataType::FixedSizeBinary(_) => write_bytes(out, array.as_fixed_size_binary().value(row)),
        DataType::Decimal32(_, _) => decimal::<Decimal32Type>(out, array, row),
        DataType::Decimal64(_, _) => decimal::<Decimal64Type>(out, array, row),
        DataType::Decimal128(_, _) => decimal::<Decimal128Type>(out, array, row),
        DataType::Decimal256(_, _) => decimal::<Decimal256Type>(out, array, row),
        DataType::Date32 | DataType::Date64 => write_date(out, date(array, row)?),
        DataType::Time32(_) | DataType::Time64(_) => write_clock(out, time_micros(array, row)),
        DataType::Timestamp(_, zone) => {
            write_timestamp(out, timestamp_micros(array, row), zone.is_some().then_some(style))?;
        }
        DataType::Interval(_) | DataType::Duration(_) => write_interval(out, interval(array, row)),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) => {
            write_array(out, &list_items(array, row), style)?;
        }
        DataType::Struct(_) => write_record(out, array, row, style)?,
        DataType::Map(_, _) | DataType::Union(_, _) => json::write(out, array, row, style)?,
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            write(out, dictionary.values().as_ref(), dictionary.normalized_keys()[row], style)?;
        }
        _ => {
            let options = FormatOptions::default();
            let formatter = ArrayFormatter::try_new(array, &options)
                .map_err(|error| SqlError::unsupported(format!("cannot show a {}: {error}", array.data_type())))?;
            out.put_slice(formatter.value(row).to_string().as_bytes());
        }
    }
    Ok(())
}

fn decimal<T: DecimalType>(out: &mut BytesMut, array: &dyn Array, row: usize) {
    out.put_slice(array.as_primitive::<T>().value_as_string(row).as_bytes());
}

fn write_bytes(out: &mut BytesMut, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(2 + bytes.len() * 2);
    out.put_slice(b"\\x");
    for byte in bytes {
        out.put_u8(DIGITS[usize::from(byte >> 4)]);
        out.put_u8(DIGITS[usize::from(byte & 15)]);
    }
}

fn put(out: &mut BytesMut, text: std::fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    let _ = out.write_fmt(text);
}

/// The rows of one list value.
pub(super) fn list_items(array: &dyn Array, row: usize) -> ArrayRef {
    match array.data_type() {
        DataType::LargeList(_) => array.as_list::<i64>().value(row),
        DataType::FixedSizeList(_, _) => array.as_fixed_size_list().value(row),
        _ => array.as_list::<i32>().value(row),
    }
}

/// A date column's value.
pub(super) fn date(array: &dyn Array, row: usize) -> SqlResult<NaiveDate> {
    let date = match array.data_type() {
        DataType::Date64 => array.as_primitive::<Date64Type>().value_as_date(row),
        _ => array.as_primitive::<Date32Type>().value_as_date(row),
    };
    date.ok_or_else(|| SqlError::new("22008", "date out of range"))
}

fn micros<T>(array: &dyn Array, row: usize, numerator: i64, denominator: i64) -> i64
where
    T: ArrowTemporalType,
    i64: From<T::Native>,
{
    let array: &PrimitiveArray<T> = array.as_primitive();
    i64::from(array.value(row)).saturating_mul(numerator).div_euclid(denominator)
}

/// A time column's value in microseconds since midnight.
pub(super) fn time_micros(array: &dyn Array, row: usize) -> i64 {
    match array.data_type() {
        DataType::Time32(TimeUnit::Second) => micros::<Time32SecondType>(array, row, 1_000_000, 1),
        DataType::Time32(_) => micros::<Time32MillisecondType>(array, row, 1_000, 1),
        DataType::Time64(TimeUnit::Microsecond) => micros::<Time64MicrosecondType>(array, row, 1, 1),
        _ => micros::<Time64NanosecondType>(array, row, 1, 1_000),
    }
}

/// A timestamp column's value in microseconds since 1970.
pub(super) fn timestamp_micros(array: &dyn Array, row: usize) -> i64 {
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => micros::<TimestampSecondType>(array, row, 1_000_000, 1),
        DataType::Timestamp(TimeUnit::Millisecond, _) => micros::<TimestampMillisecondType>(array, row, 1_000, 1),
        DataType::Timestamp(TimeUnit::Microsecond, _) => micros::<TimestampMicrosecondType>(array, row, 1, 1),
        _ => micros::<TimestampNanosecondType>(array, row, 1, 1_000),
    }
}

/// An interval or duration as months, days and microseconds.
pub(super) fn interval(array: &dyn Array, row: usize) -> (i32, i32, i64) {
    match array.data_type() {
        DataType::Interval(IntervalUnit::YearMonth) => (array.as_primitive::<IntervalYearMonthType>().value(row), 0, 0),
        DataType::Interval(IntervalUnit::DayTime) => {
            let value = array.as_primitive::<IntervalDayTimeType>().value(row);
            (0, value.days, i64::from(value.milliseconds) * 1_000)
        }
        DataType::Duration(TimeUnit::Second) => (0, 0, micros::<DurationSecondType>(array, row, 1_000_000, 1)),
        DataType::Duration(TimeUnit::Millisecond) => (0, 0, micros::<DurationMillisecondType>(array, row, 1_000, 1)),
        DataType::Duration(TimeUnit::Microsecond) => (0, 0, micros::<DurationMicrosecondType>(array, row, 1, 1)),
        DataType::Duration(TimeUnit::Nanosecond) => (0, 0, micros::<DurationNanosecondType>(array, row, 1, 1_000)),
        _ => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            (value.months, value.days, value.nanoseconds / 1_000)
        }
    }
}

fn write_date(out: &mut BytesMut, date: NaiveDate) {
    let year = if date.year() > 0 { date.year() } else { 1 - date.year() };
    put(out, format_args!("{year:04}-{:02}-{:02}", date.month(), date.day()));
    if date.year() <= 0 {
        out.put_slice(b" BC");
    }
}

/// `HH:MM:SS[.ffffff]`, without trailing zeros.
fn write_clock(out: &mut BytesMut, micros: i64) {
    let seconds = micros / 1_000_000;
    put(out, format_args!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60));
    write_fraction(out, micros % 1_000_000);
}

fn write_fraction(out: &mut BytesMut, micros: i64) {
    if micros != 0 {
        let digits = format!("{micros:06}");
        put(out, format_args!(".{}", digits.trim_end_matches('0')));
    }
}

/// A timestamp; with a style it is a `timestamptz`, shown in the style's zone.
fn write_timestamp(out: &mut BytesMut, micros: i64, zoned: Option<&Style>) -> SqlResult<()> {
    let out_of_range = || SqlError::new("22008", "timestamp out of range");
    let instant = DateTime::from_timestamp_micros(micros).ok_or_else(out_of_range)?.naive_utc();
    let Some(style) = zoned else {
        write_local(out, instant);
        return Ok(());
    };
    let shown = style.zone.from_utc_datetime(&instant);
    write_local(out, shown.naive_local());
    let offset = shown.offset().fix().local_minus_utc();
    let (sign, seconds) = if offset < 0 { ('-', -offset) } else { ('+', offset) };
    put(out, format_args!("{sign}{:02}", seconds / 3_600));
    if seconds % 3_600 != 0 {
        put(out, format_args!(":{:02}", seconds / 60 % 60));
    }
    Ok(())
}

fn write_local(out: &mut BytesMut, local: NaiveDateTime) {
    let year = if local.year() > 0 { local.year() } else { 1 - local.year() };
    put(
        out,
        format_args!(
            "{year:04}-{:02}-{:02} {:02}:{:02}:{:02}",
            local.month(),
            local.day(),
            local.hour(),
            local.minute(),
            local.second()
        ),
    );
    write_fraction(out, i64::from(local.nanosecond() / 1_000));
    if local.year() <= 0 {
        out.put_slice(b" BC");
    }
}

/// PostgreSQL's `IntervalStyle = postgres`.
fn write_interval(out: &mut BytesMut, (months, days, micros): (i32, i32, i64)) {
    let start = out.len();
    let mut after_negative = false;
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value == 0 {
            continue;
        }
        let space = if out.len() > start { " " } else { "" };
        let plus = if after_negative && value > 0 { "+" } else { "" };
        let plural = if value == 1 { "" } else { "s" };
        put(out, format_args!("{space}{plus}{value} {unit}{plural}"));
        after_negative = value < 0;
    }
    if micros != 0 || out.len() == start {
        let space = if out.len() > start { " " } else { "" };
        let sign = if micros < 0 {
            "-"
        } else if after_negative {
            "+"
        } else {
            ""
        };
        put(out, format_args!("{space}{sign}"));
        write_clock(out, micros.unsigned_abs().min(i64::MAX as u64) as i64);
    }
}

fn write_array(out: &mut BytesMut, items: &ArrayRef, style: &Style) -> SqlResult<()> {
    let nested =
        matches!(items.data_type(), DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _));
    out.put_u8(b'{');
    for item in 0..items.len() {
        if item > 0 {
            out.put_u8(b',');
        }
        if is_null(items.as_ref(), item) {
            out.put_slice(b"NULL");
            continue;
        }
        let start = out.len();
        write(out, items.as_ref(), item, style)?;
        if !nested {
            let written = out.split_off(start);
            let special = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\\' | b'{' | b'}' | b',');
            if written.is_empty() || written.iter().any(special) || written.eq_ignore_ascii_case(b"null") {
                quote(out, &written, b'\\');
            } else {
                out.put_slice(&written);
            }
        }
    }
    out.put_u8(b'}');
    Ok(())
}

fn write_record(out: &mut BytesMut, array: &dyn Array, row: usize, style: &Style) -> SqlResult<()> {
    out.put_u8(b'(');
    for (index, column) in array.as_struct().columns().iter().enumerate() {
        if index > 0 {
            out.put_u8(b',');
        }
        if is_null(column.as_ref(), row) {
            continue;
        }
        let start = out.len();
        write(out, column.as_ref(), row, style)?;
        let written = out.split_off(start);
        let special = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\\' | b'(' | b')' | b',');
        if written.is_empty() || written.iter().any(special) {
            quote(out, &written, b'"');
        } else {
            out.put_slice(&written);
        }
    }
    out.put_u8(b')');
    Ok(())
}

/// Double quotes around a value; `quote_escape` stands before a quote, a backslash before a backslash (doubled, in records).
fn quote(out: &mut BytesMut, text: &[u8], quote_escape: u8) {
    out.put_u8(b'"');
    for byte in text {
        match byte {
            b'"' => out.put_slice(&[quote_escape, b'"']),
            b'\\' => out.put_slice(b"\\\\"),
            byte => out.put_u8(*byte),
        }
    }
    out.put_u8(b'"');
}
