//! Text input: PostgreSQL's `…in` functions.

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{ArrayRef, StructArray, new_null_array};
use arrow::compute::kernels::cast_utils::{Parser, parse_interval_month_day_nano, string_to_datetime};
use arrow::datatypes::{
    DataType, FieldRef, Fields, IntervalUnit, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimeUnit,
};
use chrono::{DateTime, NaiveDate, Utc};
use datafusion::scalar::ScalarValue;

use super::composite::{array_items, record_items};
use super::decimal;
use crate::model::{SqlError, SqlResult, error::code};

/// A value of `data_type` from its text.
pub(crate) fn value(text: &str, data_type: &DataType) -> SqlResult<ScalarValue> {
    Ok(match data_type {
        DataType::Null | DataType::Utf8 => ScalarValue::Utf8(Some(text.to_owned())),
        DataType::LargeUtf8 => ScalarValue::LargeUtf8(Some(text.to_owned())),
        DataType::Utf8View => ScalarValue::Utf8View(Some(text.to_owned())),
        DataType::Boolean => ScalarValue::Boolean(Some(boolean(text)?)),
        DataType::Int8 => ScalarValue::Int8(Some(integer(text, "smallint")?)),
        DataType::Int16 => ScalarValue::Int16(Some(integer(text, "smallint")?)),
        DataType::Int32 => ScalarValue::Int32(Some(integer(text, "integer")?)),
        DataType::Int64 => ScalarValue::Int64(Some(integer(text, "bigint")?)),
        DataType::UInt8 => ScalarValue::UInt8(Some(integer(text, "smallint")?)),
        DataType::UInt16 => ScalarValue::UInt16(Some(integer(text, "integer")?)),
        DataType::UInt32 => ScalarValue::UInt32(Some(integer(text, "bigint")?)),
        DataType::UInt64 => ScalarValue::UInt64(Some(integer(text, "numeric")?)),
        DataType::Float32 => ScalarValue::Float32(Some(float(text, "real")?)),
        DataType::Float64 => ScalarValue::Float64(Some(float(text, "double precision")?)),
        DataType::Decimal128(precision, scale) => {
            let value = decimal::unscaled(text, *precision, *scale)?;
            ScalarValue::Decimal128(value.to_i128(), *precision, *scale)
        }
        DataType::Decimal256(precision, scale) => {
            ScalarValue::Decimal256(Some(decimal::unscaled(text, *precision, *scale)?), *precision, *scale)
        }
        DataType::Date32 => ScalarValue::Date32(Some(date(text)?)),
        DataType::Time32(_) | DataType::Time64(_) => time(text, data_type)?,
        DataType::Timestamp(unit, zone) => {
            let at = timestamp(text, zone.is_some())?;
            let out_of_range = || SqlError::new("22008", format!("timestamp out of range: \"{text}\""));
            let zone = zone.clone();
            match unit {
                TimeUnit::Second => ScalarValue::TimestampSecond(Some(at.timestamp()), zone),
                TimeUnit::Millisecond => ScalarValue::TimestampMillisecond(Some(at.timestamp_millis()), zone),
                TimeUnit::Microsecond => ScalarValue::TimestampMicrosecond(Some(at.timestamp_micros()), zone),
                TimeUnit::Nanosecond => {
                    ScalarValue::TimestampNanosecond(Some(at.timestamp_nanos_opt().ok_or_else(out_of_range)?), zone)
                }
            }
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let value = parse_interval_month_day_nano(text).map_err(|_| invalid_datetime("interval", text))?;
            ScalarValue::IntervalMonthDayNano(Some(value))
        }
        DataType::Binary => ScalarValue::Binary(Some(bytea(text)?)),
        DataType::LargeBinary => ScalarValue::LargeBinary(Some(bytea(text)?)),
        DataType::BinaryView => ScalarValue::BinaryView(Some(bytea(text)?)),
        DataType::List(item) => list(text, item)?,
        DataType::Struct(fields) => record(text, fields)?,
        _ => ScalarValue::try_from_string(text.to_owned(), data_type)
            .map_err(|error| invalid(&data_type.to_string(), text).detail(error.to_string()))?,
    })
}

fn invalid(type_name: &str, text: &str) -> SqlError {
    SqlError::new(
        code::INVALID_TEXT_REPRESENTATION,
        format!("invalid input syntax for type {type_name}: \"{}\"", shortened(text)),
    )
}

fn invalid_datetime(type_name: &str, text: &str) -> SqlError {
    SqlError::new("22007", format!("invalid input syntax for type {type_name}: \"{}\"", shortened(text)))
}

/// Enough of a value to recognise it by.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN_CHARACTERS: usize = 100;
    if text.chars().count() <= SHOWN_CHARACTERS {
        return text.to_owned();
    }
    text.chars().take(SHOWN_CHARACTERS).chain("...".chars()).collect()
}

/// PostgreSQL's Booleans: any unambiguous beginning of true, false, yes, no, on, off, or 1 and 0.
fn boolean(text: &str) -> SqlResult<bool> {
    let word = text.trim().to_ascii_lowercase();
    let starts = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if starts("true", 1) || starts("yes", 1) || starts("on", 2) || word == "1" {
        Ok(true)
    } else if starts("false", 1) || starts("no", 1) || starts("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(invalid("boolean", text))
    }
}

fn integer<T: TryFrom<i128>>(text: &str, type_name: &str) -> SqlResult<T> {
    let trimmed = text.trim();
    let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid(type_name, text));
    }
    trimmed.parse::<i128>().ok().and_then(|value| T::try_from(value).ok()).ok_or_else(|| {
        SqlError::new(
            code::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("value \"{}\" is out of range for type {type_name}", shortened(trimmed)),
        )
    })
}

fn float<T: FromStr>(text: &str, type_name: &str) -> SqlResult<T> {
    text.trim().parse().map_err(|_| invalid(type_name, text))
}

fn date(text: &str) -> SqlResult<i32> {
    // JDBC sends a zone after a date; it says nothing.
    let trimmed = date_and_zone(text.trim()).map_or(text.trim(), |(day, _)| day);
    let day = match NaiveDate::parse_from_str(trimmed, "%Y-%m-%d") {
        Ok(day) => day,
        Err(_) => timestamp(trimmed, false).map_err(|_| invalid_datetime("date", text))?.date_naive(),
    };
    let days = day.signed_duration_since(NaiveDate::default()).num_days();
    i32::try_from(days).map_err(|_| SqlError::new("22008", format!("date out of range: \"{text}\"")))
}

fn time(text: &str, data_type: &DataType) -> SqlResult<ScalarValue> {
    let trimmed = text.trim();
    let full = if trimmed.bytes().filter(|byte| *byte == b':').count() == 1 {
        format!("{trimmed}:00")
    } else {
        trimmed.to_owned()
    };
    let parsed = match data_type {
        DataType::Time32(TimeUnit::Second) => ScalarValue::Time32Second(Time32SecondType::parse(&full)),
        DataType::Time32(_) => ScalarValue::Time32Millisecond(Time32MillisecondType::parse(&full)),
        DataType::Time64(TimeUnit::Microsecond) => ScalarValue::Time64Microsecond(Time64MicrosecondType::parse(&full)),
        _ => ScalarValue::Time64Nanosecond(Time64NanosecondType::parse(&full)),
    };
    if parsed.is_null() { Err(invalid_datetime("time", text)) } else { Ok(parsed) }
}

/// A point in time; without a zone in the text it is read as UTC. A `timestamp` ignores a zone in the text.
fn timestamp(text: &str, is_zoned: bool) -> SqlResult<DateTime<Utc>> {
    let type_name = if is_zoned { "timestamp with time zone" } else { "timestamp" };
    let trimmed = text.trim();
    let local = if is_zoned { trimmed } else { without_zone(trimmed) };
    if let Some((day, zone)) = date_and_zone(trimmed) {
        let midnight = format!("{day} 00:00:00{}", if is_zoned { zone } else { "" });
        return string_to_datetime(&Utc, &midnight).map_err(|_| invalid_datetime(type_name, text));
    }
    let padded = match local.get(11..) {
        // Hours and minutes alone.
        Some(clock) if clock.len() == 5 && clock.as_bytes()[2] == b':' => format!("{local}:00"),
        _ => local.to_owned(),
    };
    string_to_datetime(&Utc, &padded).map_err(|_| invalid_datetime(type_name, text))
}

/// The parts of `YYYY-MM-DD +hh[:mm]`.
fn date_and_zone(text: &str) -> Option<(&str, &str)> {
    let (day, zone) = text.split_at_checked(10)?;
    let zone = zone.trim_start();
    let is_zone = zone.starts_with(['+', '-']) && zone[1..].bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    is_zone.then_some((day, zone))
}

fn without_zone(text: &str) -> &str {
    let Some(clock) = text.get(11..) else { return text };
    let end = clock.find(|character: char| !matches!(character, '0'..='9' | ':' | '.')).unwrap_or(clock.len());
    &text[..11 + end]
}

/// `\x` and hexadecimal digits, or the old notation with octal escapes.
fn bytea(text: &str) -> SqlResult<Vec<u8>> {
    let bytes = text.as_bytes();
    if let Some(digits) = text.strip_prefix("\\x") {
        let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let nibble = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
        let bad = || SqlError::new(code::INVALID_TEXT_REPRESENTATION, "invalid hexadecimal data for type bytea");
        if digits.len() % 2 == 1 {
            return Err(bad().detail("odd number of digits"));
        }
        return digits
            .chunks(2)
            .map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?))
            .collect::<Option<_>>()
            .ok_or_else(bad);
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'\\', b'\\', ..] => {
                decoded.push(b'\\');
                at += 2;
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                decoded.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                at += 4;
            }
            [b'\\', ..] => return Err(invalid("bytea", text)),
            [byte, ..] => {
                decoded.push(*byte);
                at += 1;
            }
            [] => {}
        }
    }
    Ok(decoded)
}

fn list(text: &str, item: &FieldRef) -> SqlResult<ScalarValue> {
    let items = array_items(text)?
        .into_iter()
        .map(|item_text| scalar(item_text, item.data_type()))
        .collect::<SqlResult<Vec<ScalarValue>>>()?;
    Ok(ScalarValue::List(ScalarValue::new_list(&items, item.data_type(), true)))
}

fn record(text: &str, fields: &Fields) -> SqlResult<ScalarValue> {
    let items = record_items(text)?;
    if items.len() != fields.len() {
        let few = if items.len() < fields.len() { "few" } else { "many" };
        return Err(invalid("record", text).detail(format!("too {few} columns")));
    }
    let columns = items
        .into_iter()
        .zip(fields)
        .map(|(item, field)| {
            let value = scalar(item, field.data_type())?;
            if value.is_null() {
                return Ok(new_null_array(field.data_type(), 1));
            }
            value.to_array().map_err(|error| SqlError::internal(error.to_string()))
        })
        .collect::<SqlResult<Vec<ArrayRef>>>()?;
    let value =
        StructArray::try_new(fields.clone(), columns, None).map_err(|error| SqlError::internal(error.to_string()))?;
    Ok(ScalarValue::Struct(Arc::new(value)))
}

fn scalar(text: Option<String>, data_type: &DataType) -> SqlResult<ScalarValue> {
    match text {
        Some(text) => value(&text, data_type),
        None => ScalarValue::try_new_null(data_type).map_err(|error| SqlError::unsupported(error.to_string())),
    }
}
