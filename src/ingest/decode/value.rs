//! One cell of input → one value, with PostgreSQL's rules and error texts.
//!
//! A [`Cell`] is what JSON and CSV have in common: text, a number as it was written, a boolean, a nested JSON value or NULL. The
//! functions here are pure. They are exact: a number is never squeezed through a float on its way to an integer or a decimal.

use std::borrow::Cow;

use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use chrono::{DateTime, Utc};

use crate::model::error::code;

/// SQLSTATE `character_not_in_repertoire`.
pub(super) const NOT_UTF8: &str = "22021";
/// SQLSTATE `untranslatable_character`.
const NUL_CHARACTER: &str = "22P05";
/// SQLSTATE `invalid_datetime_format`.
const INVALID_DATETIME: &str = "22007";

/// Characters of a value quoted in a message.
const QUOTED_CHARS_MAX: usize = 100;

/// One value as the input holds it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    /// NULL, or no such field.
    Null,
    /// A JSON string's content, or a CSV field.
    Text(Cow<'a, str>),
    /// A JSON number as written.
    Number(&'a str),
    /// A JSON boolean.
    Bool(bool),
    /// A JSON array or object as written.
    Nested(&'a str),
}

/// Why a cell is no value of its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Fault {
        Fault { code, message: message.into() }
    }

    pub(super) fn syntax(data_type: &DataType, text: &str) -> Fault {
        let code = match data_type {
            DataType::Timestamp(..)
            | DataType::Date32
            | DataType::Date64
            | DataType::Time64(_)
            | DataType::Interval(_) => INVALID_DATETIME,
            _ => code::INVALID_TEXT_REPRESENTATION,
        };
        Fault::new(code, format!("invalid input syntax for type {}: \"{}\"", type_name(data_type), shorten(text)))
    }

    fn out_of_range(data_type: &DataType, text: &str) -> Fault {
        let message = format!("value \"{}\" is out of range for type {}", shorten(text), type_name(data_type));
        Fault::new(code::NUMERIC_VALUE_OUT_OF_RANGE, message)
    }
}

impl Cell<'_> {
    /// The cell as text: what PostgreSQL's input function of the column's type would be given.
    pub(super) fn text(&self) -> &str {
        match self {
            Cell::Null => "",
            Cell::Text(text) => text,
            Cell::Number(text) | Cell::Nested(text) => text,
            Cell::Bool(true) => "true",
            Cell::Bool(false) => "false",
        }
    }
}

/// The first characters of a value, for a message.
pub(super) fn shorten(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// PostgreSQL's name of a type, as its messages have it.
pub(super) fn type_name(data_type: &DataType) -> String {
    let name = match data_type {
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::Int16 => "smallint",
        DataType::Int32 => "integer",
        DataType::Int64 => "bigint",
        DataType::Float16 | DataType::Float32 => "real",
        DataType::Float64 => "double precision",
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            "numeric"
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "bytea",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Time32(_) | DataType::Time64(_) => "time",
        DataType::Timestamp(_, None) => "timestamp",
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
        DataType::Interval(IntervalUnit::MonthDayNano) => "interval",
        other => return other.to_string().to_lowercase(),
    };
    name.to_string()
}

/// Integers of any width up to 64 bits: whole numbers, also as text, also written like `1.0` or `1e3`.
pub(super) fn integer<T: TryFrom<i128>>(cell: &Cell<'_>, data_type: &DataType) -> Result<T, Fault> {
    let text = match cell {
        Cell::Number(text) => text,
        Cell::Text(text) => text.trim(),
        other => return Err(Fault::syntax(data_type, other.text())),
    };
    let value = match text.parse::<i64>() {
        Ok(value) => i128::from(value),
        Err(_) => match scaled(text, 0) {
            Ok((value, true)) => value,
            Ok((_, false)) => return Err(Fault::syntax(data_type, text)),
            Err(Scaled::Overflow) => return Err(Fault::out_of_range(data_type, text)),
            Err(Scaled::Syntax) => return Err(Fault::syntax(data_type, text)),
        },
    };
    T::try_from(value).map_err(|_| Fault::out_of_range(data_type, text))
}

/// Decimals: exact, digits beyond the scale rounded half away from zero.
pub(super) fn decimal(cell: &Cell<'_>, precision: u8, scale: i8, data_type: &DataType) -> Result<i128, Fault> {
    let text = match cell {
        Cell::Number(text) => text,
        Cell::Text(text) => text.trim(),
        other => return Err(Fault::syntax(data_type, other.text())),
    };
    let overflow = || {
        let message =
            format!("numeric field overflow: \"{}\" does not fit numeric({precision},{scale})", shorten(text));
        Fault::new(code::NUMERIC_VALUE_OUT_OF_RANGE, message)
    };
    match scaled(text, scale) {
        Ok((value, _)) if value.unsigned_abs() < 10_u128.pow(u32::from(precision)) => Ok(value),
        Ok(_) | Err(Scaled::Overflow) => Err(overflow()),
        Err(Scaled::Syntax) => Err(Fault::syntax(data_type, text)),
    }
}

enum Scaled {
    Syntax,
    Overflow,
}

/// `text` times ten to the `scale`, rounded half away from zero, and whether that was exact.
fn scaled(text: &str, scale: i8) -> Result<(i128, bool), Scaled> {
    let (negative, unsigned) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let (mantissa, exponent) = match unsigned.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&unsigned[..at], parse_exponent(&unsigned[at + 1..])?),
        None => (unsigned, 0),
    };
    let point = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
    let digit_count = mantissa.len() - usize::from(point < mantissa.len());
    if digit_count == 0 {
        return Err(Scaled::Syntax);
    }
    // Digits from here on are behind the last place kept.
    let kept = point as i64 + exponent + i64::from(scale);
    let (mut value, mut exact, mut round_up) = (0_i128, true, false);
    for (index, byte) in mantissa[..point].iter().chain(mantissa.iter().skip(point + 1)).enumerate() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            _ => return Err(Scaled::Syntax),
        };
        if (index as i64) < kept {
            value = value.checked_mul(10).and_then(|v| v.checked_add(i128::from(digit))).ok_or(Scaled::Overflow)?;
        } else {
            exact &= digit == 0;
            round_up |= index as i64 == kept && digit >= 5;
        }
    }
    for _ in digit_count as i64..kept {
        if value == 0 {
            break;
        }
        value = value.checked_mul(10).ok_or(Scaled::Overflow)?;
    }
    value += i128::from(round_up);
    Ok((if negative { -value } else { value }, exact))
}

fn parse_exponent(bytes: &[u8]) -> Result<i64, Scaled> {
    let text = std::str::from_utf8(bytes).map_err(|_| Scaled::Syntax)?;
    // Six digits are far beyond any scale and keep the arithmetic small.
    text.parse::<i64>().map(|exponent| exponent.clamp(-999_999, 999_999)).map_err(|_| Scaled::Syntax)
}

/// Floats: also `NaN`, `Infinity` and `-Infinity` as text.
pub(super) fn float(cell: &Cell<'_>, data_type: &DataType) -> Result<f64, Fault> {
    let text = match cell {
        Cell::Number(text) => text,
        Cell::Text(text) => text.trim(),
        other => return Err(Fault::syntax(data_type, other.text())),
    };
    let value: f64 = text.parse().map_err(|_| Fault::syntax(data_type, text))?;
    let narrow = matches!(data_type, DataType::Float32) && (value as f32).is_infinite();
    if (value.is_infinite() || narrow) && text.contains(|c: char| c.is_ascii_digit()) {
        return Err(Fault::out_of_range(data_type, text));
    }
    Ok(value)
}

/// Booleans: JSON's, and the texts PostgreSQL reads as one.
pub(super) fn boolean(cell: &Cell<'_>) -> Result<bool, Fault> {
    if let Cell::Bool(value) = cell {
        return Ok(*value);
    }
    match cell.text().trim().to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Ok(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Ok(false),
        _ => Err(Fault::syntax(&DataType::Boolean, cell.text())),
    }
}

/// Timestamps in units of `unit`: ISO 8601 with or without a zone (none: UTC), or a number of milliseconds since the epoch.
pub(super) fn timestamp(cell: &Cell<'_>, unit: TimeUnit, data_type: &DataType) -> Result<i64, Fault> {
    let moment = match cell {
        Cell::Text(text) => string_to_datetime(&Utc, text.trim()).map_err(|_| Fault::syntax(data_type, text))?,
        Cell::Number(text) => {
            let milliseconds = integer::<i64>(cell, data_type)?;
            DateTime::from_timestamp_millis(milliseconds).ok_or_else(|| Fault::out_of_range(data_type, text))?
        }
        other => return Err(Fault::syntax(data_type, other.text())),
    };
    match unit {
        TimeUnit::Second => Ok(moment.timestamp()),
        TimeUnit::Millisecond => Ok(moment.timestamp_millis()),
        TimeUnit::Microsecond => Ok(moment.timestamp_micros()),
        TimeUnit::Nanosecond => moment.timestamp_nanos_opt().ok_or_else(|| Fault::out_of_range(data_type, cell.text())),
    }
}

/// Text: strings as they are, everything else as its compact JSON.
pub(super) fn text<'c>(cell: &'c Cell<'_>) -> Result<Cow<'c, str>, Fault> {
    let text = match cell {
        Cell::Nested(raw) => compact(raw),
        other => Cow::Borrowed(other.text()),
    };
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Err(Fault::new(NUL_CHARACTER, "text can't hold the character \\u0000"));
    }
    Ok(text)
}

/// JSON without the blanks between its tokens; numbers and escapes stay as written.
fn compact(raw: &str) -> Cow<'_, str> {
    let (mut in_string, mut escaped) = (false, false);
    let mut keep = |c: char| {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            return true;
        }
        in_string = c == '"';
        !c.is_ascii_whitespace()
    };
    if raw.bytes().any(|byte| byte.is_ascii_whitespace()) {
        Cow::Owned(raw.chars().filter(|c| keep(*c)).collect())
    } else {
        Cow::Borrowed(raw)
    }
}

/// Bytes: `\x` and hexadecimal digits, as PostgreSQL writes them, or else the text's own bytes.
pub(super) fn bytes<'c>(cell: &'c Cell<'_>) -> Result<Cow<'c, [u8]>, Fault> {
    let text = match cell {
        Cell::Text(text) => text,
        other => return Err(Fault::syntax(&DataType::Binary, other.text())),
    };
    let Some(digits) = text.strip_prefix("\\x") else {
        return Ok(Cow::Borrowed(text.as_bytes()));
    };
    let invalid = || Fault::new(code::INVALID_TEXT_REPRESENTATION, "invalid hexadecimal data for type bytea");
    if digits.len() % 2 == 1 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(invalid());
    }
    let pairs = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16));
    pairs.collect::<Result<Vec<_>, _>>().map(Cow::Owned).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Cell<'_> {
        Cell::Number(text)
    }

    fn words(text: &str) -> Cell<'_> {
        Cell::Text(Cow::Borrowed(text))
    }

    fn code_of<T: std::fmt::Debug>(result: Result<T, Fault>) -> &'static str {
        result.expect_err("no value").code
    }

    #[test]
    fn integers_are_exact_and_bounded() {
        let int = DataType::Int32;
        assert_eq!(integer::<i64>(&number("9223372036854775807"), &DataType::Int64), Ok(i64::MAX));
        assert_eq!(integer::<i64>(&number("-9223372036854775808"), &DataType::Int64), Ok(i64::MIN));
        assert_eq!(integer::<u64>(&number("18446744073709551615"), &DataType::UInt64), Ok(u64::MAX));
        assert_eq!(integer::<i32>(&words(" -7 "), &int), Ok(-7));
        assert_eq!(integer::<i32>(&number("1.0"), &int), Ok(1));
        assert_eq!(integer::<i32>(&number("12e2"), &int), Ok(1200));
        assert_eq!(code_of(integer::<i32>(&number("2147483648"), &int)), "22003");
        assert_eq!(code_of(integer::<i64>(&number("1e99999999999"), &int)), "22003");
        assert_eq!(code_of(integer::<i64>(&number("1e99"), &int)), "22003");
        for wrong in ["1.5", "", "-", "0x1", "1 2", "१"] {
            assert_eq!(code_of(integer::<i32>(&words(wrong), &int)), "22P02", "{wrong}");
        }
        assert_eq!(code_of(integer::<i32>(&Cell::Bool(true), &int)), "22P02");
    }

    #[test]
    fn decimals_are_exact_and_round_half_away_from_zero() {
        let money = DataType::Decimal128(10, 2);
        let read = |text: &'static str| decimal(&words(text), 10, 2, &money);
        for (text, expected) in [
            ("0.1", 10),
            ("12345678.90", 1_234_567_890),
            ("1.005", 101),
            ("-1.005", -101),
            ("1.004999999999999999999999999999999999999999999999", 100),
            ("1e3", 100_000),
            ("12.5e-1", 125),
            ("5e-3", 1),
            ("4e-3", 0),
            ("1e-999999", 0),
            ("+7.", 700),
            (".5", 50),
            ("000000000000000000000000000000000000000000001", 100),
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        for text in ["100000000", "99999999.995", "1e40", "-1e9"] {
            assert_eq!(code_of(read(text)), "22003", "{text}");
        }
        for text in ["", ".", "-", "1.2.3", "NaN", "1e", "12a", "e5"] {
            assert_eq!(code_of(read(text)), "22P02", "{text}");
        }
        assert_eq!(
            decimal(&number("184467440737095516.16"), 38, 2, &DataType::Decimal128(38, 2)),
            Ok(18446744073709551616)
        );
    }

    #[test]
    fn floats_know_infinity_from_overflow() {
        let double = DataType::Float64;
        assert_eq!(float(&number("1.5e3"), &double), Ok(1500.0));
        assert!(float(&words("NaN"), &double).is_ok_and(f64::is_nan));
        assert_eq!(float(&words("-Infinity"), &double), Ok(f64::NEG_INFINITY));
        assert_eq!(code_of(float(&number("1e999"), &double)), "22003");
        assert_eq!(code_of(float(&number("1e39"), &DataType::Float32)), "22003");
        assert_eq!(code_of(float(&words("one"), &double)), "22P02");
    }

    #[test]
    fn timestamps_take_zones_and_epoch_milliseconds() {
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
        let read = |cell: &Cell<'_>| timestamp(cell, TimeUnit::Microsecond, &zoned);
        let expected = Ok(1_700_000_000_123_000);
        assert_eq!(read(&words("2023-11-14T22:13:20.123Z")), expected);
        assert_eq!(read(&words("2023-11-15T06:13:20.123+08:00")), expected);
        assert_eq!(read(&words("2023-11-14 22:13:20.123")), expected);
        assert_eq!(read(&number("1700000000123")), expected);
        assert_eq!(read(&words("2023-11-14")), Ok(1_699_920_000_000_000));
        assert_eq!(code_of(read(&words("yesterday"))), "22007");
        assert_eq!(code_of(read(&words("2023-02-30T00:00:00Z"))), "22007");
        assert_eq!(code_of(read(&number("99999999999999999"))), "22003");
        let nanoseconds = DataType::Timestamp(TimeUnit::Nanosecond, None);
        assert_eq!(code_of(timestamp(&words("9999-01-01T00:00:00Z"), TimeUnit::Nanosecond, &nanoseconds)), "22003");
    }

    #[test]
    fn text_keeps_nested_json_compact_and_numbers_as_written() {
        let raw = "{ \"a\" : [1.10, \"x  \\\" y\"] ,\n \"b\":null}";
        assert_eq!(text(&Cell::Nested(raw)), Ok(Cow::Borrowed("{\"a\":[1.10,\"x  \\\" y\"],\"b\":null}")));
        assert_eq!(text(&number("1.10")), Ok(Cow::Borrowed("1.10")));
        assert_eq!(text(&Cell::Bool(false)), Ok(Cow::Borrowed("false")));
        assert_eq!(code_of(text(&words("a\0b"))), "22P05");
    }

    #[test]
    fn booleans_and_bytes_read_what_postgresql_reads() {
        assert_eq!(boolean(&words(" Yes ")), Ok(true));
        assert_eq!(boolean(&number("0")), Ok(false));
        assert_eq!(code_of(boolean(&words("maybe"))), "22P02");
        assert_eq!(bytes(&words("\\xDEad")), Ok(Cow::Owned(vec![0xde, 0xad])));
        assert_eq!(bytes(&words("plain")), Ok(Cow::Borrowed(b"plain".as_slice())));
        assert_eq!(code_of(bytes(&words("\\xabc"))), "22P02");
        assert_eq!(code_of(bytes(&words("\\xé1"))), "22P02");
    }

    #[test]
    fn long_values_are_cut_in_messages() {
        let fault = Fault::syntax(&DataType::Int32, &"é".repeat(500));
        assert_eq!(fault.message, format!("invalid input syntax for type integer: \"{}…\"", "é".repeat(100)));
    }
}
