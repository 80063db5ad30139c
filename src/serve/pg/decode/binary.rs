//! Binary input: PostgreSQL's `…recv` functions.

use arrow::datatypes::{IntervalMonthDayNano, i256};
use bytes::Buf;
use datafusion::scalar::ScalarValue;
use pgwire::api::Type;
use postgres_types::Kind;

use super::super::encode::fields::arrow_type;
use super::utf8;
use crate::model::{SqlError, SqlResult, error::code};

/// Microseconds from 1970 to 2000, PostgreSQL's epoch.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// Days from 1970 to 2000.
const EPOCH_DAYS: i32 = 10_957;

/// A value of the type the client declared.
pub(crate) fn value(bytes: &[u8], declared: &Type) -> SqlResult<ScalarValue> {
    if let Kind::Array(element) = declared.kind() {
        return array(bytes, element);
    }
    let wrong = || wrong_length(declared);
    Ok(match *declared {
        Type::BOOL => ScalarValue::Boolean(Some(i8::from_be_bytes(exactly(bytes).ok_or_else(wrong)?) != 0)),
        Type::INT2 => ScalarValue::Int16(Some(i16::from_be_bytes(exactly(bytes).ok_or_else(wrong)?))),
        Type::INT4 => ScalarValue::Int32(Some(i32::from_be_bytes(exactly(bytes).ok_or_else(wrong)?))),
        Type::INT8 => ScalarValue::Int64(Some(i64::from_be_bytes(exactly(bytes).ok_or_else(wrong)?))),
        Type::OID | Type::REGCLASS | Type::REGTYPE => {
            ScalarValue::Int64(Some(i64::from(u32::from_be_bytes(exactly(bytes).ok_or_else(wrong)?))))
        }
        Type::FLOAT4 => ScalarValue::Float32(Some(f32::from_be_bytes(exactly(bytes).ok_or_else(wrong)?))),
        Type::FLOAT8 => ScalarValue::Float64(Some(f64::from_be_bytes(exactly(bytes).ok_or_else(wrong)?))),
        Type::NUMERIC => numeric(bytes)?,
        Type::BYTEA => ScalarValue::Binary(Some(bytes.to_vec())),
        Type::DATE => {
            let days = i32::from_be_bytes(exactly(bytes).ok_or_else(wrong)?);
            ScalarValue::Date32(Some(days.checked_add(EPOCH_DAYS).ok_or_else(out_of_range)?))
        }
        Type::TIME => ScalarValue::Time64Microsecond(Some(i64::from_be_bytes(exactly(bytes).ok_or_else(wrong)?))),
        Type::TIMESTAMP => ScalarValue::TimestampMicrosecond(Some(micros(bytes, declared)?), None),
        Type::TIMESTAMPTZ => ScalarValue::TimestampMicrosecond(Some(micros(bytes, declared)?), Some("UTC".into())),
        Type::INTERVAL => interval(bytes).ok_or_else(wrong)?,
        Type::UUID => ScalarValue::Utf8(Some(uuid(exactly(bytes).ok_or_else(wrong)?))),
        Type::JSONB => match bytes.split_first() {
            Some((1, text)) => ScalarValue::Utf8(Some(utf8(text)?.to_owned())),
            _ => return Err(SqlError::new("22P03", "unsupported jsonb version number")),
        },
        Type::TEXT
        | Type::VARCHAR
        | Type::BPCHAR
        | Type::NAME
        | Type::JSON
        | Type::UNKNOWN
        | Type::CHAR
        | Type::XML => ScalarValue::Utf8(Some(utf8(bytes)?.to_owned())),
        _ => {
            return Err(SqlError::unsupported(format!(
                "binary parameters of type {} are not supported",
                declared.name()
            ))
            .hint("send it as text"));
        }
    })
}

fn exactly<const LENGTH: usize>(bytes: &[u8]) -> Option<[u8; LENGTH]> {
    bytes.try_into().ok()
}

fn wrong_length(declared: &Type) -> SqlError {
    SqlError::new("22P03", format!("incorrect binary data format for type {}", declared.name()))
}

fn out_of_range() -> SqlError {
    SqlError::new("22008", "date out of range")
}

fn micros(bytes: &[u8], declared: &Type) -> SqlResult<i64> {
    let since_2000 = i64::from_be_bytes(exactly(bytes).ok_or_else(|| wrong_length(declared))?);
    since_2000.checked_add(EPOCH_MICROS).ok_or_else(|| SqlError::new("22008", "timestamp out of range"))
}

fn interval(bytes: &[u8]) -> Option<ScalarValue> {
    let mut bytes: &[u8] = exactly::<16>(bytes).as_ref().map(|_| bytes)?;
    let nanoseconds = bytes.get_i64().checked_mul(1_000)?;
    let days = bytes.get_i32();
    let months = bytes.get_i32();
    Some(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(months, days, nanoseconds))))
}

fn uuid(bytes: [u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// A numeric with the scale it was sent with.
fn numeric(mut bytes: &[u8]) -> SqlResult<ScalarValue> {
    const NEGATIVE: u16 = 0x4000;
    let too_big = || SqlError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "numeric value needs more than 76 digits");
    if bytes.len() < 8 {
        return Err(wrong_length(&Type::NUMERIC));
    }
    let groups = bytes.get_u16();
    let weight = bytes.get_i16();
    let sign = bytes.get_u16();
    let scale = bytes.get_u16();
    if sign & !NEGATIVE != 0 {
        return Err(SqlError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "numeric NaN and infinity are not supported"));
    }
    if bytes.len() != usize::from(groups) * 2 || scale > 76 {
        return Err(wrong_length(&Type::NUMERIC));
    }
    let weight = i32::from(weight);
    if weight > 19 {
        return Err(too_big());
    }
    let group = |index: i32| match usize::try_from(index) {
        Ok(index) if index < usize::from(groups) => u16::from_be_bytes([bytes[index * 2], bytes[index * 2 + 1]]),
        _ => 0,
    };
    let mut digits: String = (0..=weight).map(|index| format!("{:04}", group(index))).collect();
    let whole_digits = digits.len();
    digits.extend((1..=i32::from(scale.div_ceil(4))).map(|place| format!("{:04}", group(weight + place))));
    digits.truncate(whole_digits + usize::from(scale));
    let trimmed = digits.trim_start_matches('0');
    let magnitude =
        if trimmed.is_empty() { Some(i256::ZERO) } else { i256::from_string(trimmed) }.ok_or_else(too_big)?;
    let value = if sign & NEGATIVE != 0 { magnitude.wrapping_neg() } else { magnitude };
    let scale = scale as i8;
    if trimmed.len() <= 38
        && scale <= 38
        && let Some(small) = value.to_i128()
    {
        return Ok(ScalarValue::Decimal128(Some(small), 38, scale));
    }
    if trimmed.len() > 76 { Err(too_big()) } else { Ok(ScalarValue::Decimal256(Some(value), 76, scale)) }
}

/// An array of up to six dimensions.
fn array(bytes: &[u8], element: &Type) -> SqlResult<ScalarValue> {
    const DIMENSIONS_MAX: i32 = 6;
    let wrong = || wrong_length(element).detail("in an array");
    let mut bytes = bytes;
    if bytes.len() < 12 {
        return Err(wrong());
    }
    let dimensions = bytes.get_i32();
    let _has_nulls = bytes.get_i32();
    let sent = Type::from_oid(bytes.get_u32()).unwrap_or_else(|| element.clone());
    if !(0..=DIMENSIONS_MAX).contains(&dimensions) || bytes.len() < dimensions as usize * 8 {
        return Err(wrong());
    }
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        lengths.push(usize::try_from(bytes.get_i32()).map_err(|_| wrong())?);
        bytes.advance(4);
    }
    let leaf = arrow_type(&sent).unwrap_or(arrow::datatypes::DataType::Decimal128(38, 10));
    if lengths.is_empty() {
        return Ok(ScalarValue::List(ScalarValue::new_list(&[], &leaf, true)));
    }
    let value = items(&mut bytes, &lengths, &sent, &leaf)?;
    if bytes.is_empty() { Ok(value) } else { Err(wrong()) }
}

fn items(
    bytes: &mut &[u8],
    lengths: &[usize],
    element: &Type,
    leaf: &arrow::datatypes::DataType,
) -> SqlResult<ScalarValue> {
    let wrong = || wrong_length(element).detail("in an array");
    // Every item takes four bytes at least, whatever the length claims.
    if lengths[0] > bytes.len() / 4 {
        return Err(wrong());
    }
    let mut values = Vec::with_capacity(lengths[0]);
    for _ in 0..lengths[0] {
        if lengths.len() > 1 {
            values.push(items(bytes, &lengths[1..], element, leaf)?);
            continue;
        }
        if bytes.len() < 4 {
            return Err(wrong());
        }
        let length = bytes.get_i32();
        let item = if length < 0 {
            ScalarValue::try_new_null(leaf)
        } else {
            let (item, rest) = bytes.split_at_checked(length as usize).ok_or_else(wrong)?;
            *bytes = rest;
            value(item, element)?.cast_to(leaf)
        };
        values.push(item.map_err(|error| SqlError::unsupported(error.to_string()))?);
    }
    let item_type = values.first().map_or_else(|| leaf.clone(), ScalarValue::data_type);
    Ok(ScalarValue::List(ScalarValue::new_list(&values, &item_type, true)))
}
