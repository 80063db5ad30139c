//! Decimal numbers from text, rounded to a scale the way PostgreSQL does: half away from zero.

use arrow::datatypes::i256;

use crate::model::{SqlError, SqlResult, error::code};

/// The unscaled value of `text` at `scale`, as decimal digits with a sign, and how many digits it has.
pub(super) fn unscaled(text: &str, precision: u8, scale: i8) -> SqlResult<i256> {
    let invalid = || {
        SqlError::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type numeric: \"{text}\""))
    };
    let overflow = || {
        SqlError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow")
            .detail(format!("a field with precision {precision}, scale {scale} cannot hold {text}"))
    };
    let trimmed = text.trim();
    let (is_negative, unsigned) = match trimmed.strip_prefix(['-', '+']) {
        Some(rest) => (trimmed.starts_with('-'), rest),
        None => (false, trimmed),
    };
    if ["nan", "inf", "infinity"].iter().any(|special| unsigned.eq_ignore_ascii_case(special)) {
        return Err(SqlError::new(
            code::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("numeric columns cannot hold \"{trimmed}\" here"),
        ));
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| invalid())?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid());
    }
    // Where the decimal point of the unscaled value falls in `digits`.
    let point = i64::try_from(whole.len()).unwrap_or(i64::MAX) + i64::from(exponent) + i64::from(scale);
    let significant = digits.trim_start_matches('0').len();
    if significant == 0 {
        return Ok(i256::ZERO);
    }
    let leading_zeros = (digits.len() - significant) as i64;
    if point - leading_zeros > i64::from(precision) + 1 {
        return Err(overflow());
    }
    let mut round_up = false;
    if point < 0 {
        digits.clear();
    } else if let Some(next) = digits.as_bytes().get(point as usize) {
        round_up = *next >= b'5';
        digits.truncate(point as usize);
    } else {
        digits.push_str(&"0".repeat(point as usize - digits.len()));
    }
    let mut value = if digits.is_empty() { i256::ZERO } else { i256::from_string(&digits).ok_or_else(overflow)? };
    if round_up {
        value = value.wrapping_add(i256::ONE);
    }
    if value.to_string().len() > usize::from(precision) && value != i256::ZERO {
        return Err(overflow());
    }
    Ok(if is_negative { value.wrapping_neg() } else { value })
}
