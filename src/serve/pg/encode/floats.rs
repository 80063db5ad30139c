//! Floating-point numbers as PostgreSQL prints them: the shortest digits that read back the same, in plain notation between
//! 1e-4 and 1e15 (`real`: 1e6), in scientific notation beyond.

use bytes::{BufMut, BytesMut};

/// Writes a `double precision`.
pub(super) fn write_f64(out: &mut BytesMut, value: f64) {
    if value.is_finite() { layout(out, &format!("{value:e}"), 15) } else { special(out, value) }
}

/// Writes a `real`.
pub(super) fn write_f32(out: &mut BytesMut, value: f32) {
    if value.is_finite() { layout(out, &format!("{value:e}"), 6) } else { special(out, f64::from(value)) }
}

fn special(out: &mut BytesMut, value: f64) {
    let text = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    out.put_slice(text.as_bytes());
}

/// Lays out Rust's `d.ddde±x` the way PostgreSQL does.
fn layout(out: &mut BytesMut, scientific: &str, plain_until: i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let unsigned = mantissa.trim_start_matches('-');
    if unsigned.len() < mantissa.len() {
        out.put_u8(b'-');
    }
    if exponent < -4 || exponent >= plain_until {
        let sign = if exponent < 0 { '-' } else { '+' };
        out.put_slice(format!("{unsigned}e{sign}{:02}", exponent.abs()).as_bytes());
        return;
    }
    let digits: String = unsigned.chars().filter(|character| *character != '.').collect();
    if exponent < 0 {
        out.put_slice(b"0.");
        out.put_bytes(b'0', (-exponent - 1) as usize);
        out.put_slice(digits.as_bytes());
        return;
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        out.put_slice(digits.as_bytes());
        out.put_bytes(b'0', whole - digits.len());
    } else {
        out.put_slice(&digits.as_bytes()[..whole]);
        out.put_u8(b'.');
        out.put_slice(&digits.as_bytes()[whole..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: f64) -> String {
        let mut out = BytesMut::new();
        write_f64(&mut out, value);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn doubles_print_as_postgres_prints_them() {
        let expected = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (123456.789, "123456.789"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (1.5e300, "1.5e+300"),
            (-2.5, "-2.5"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, wanted) in expected {
            assert_eq!(text(value), wanted);
        }
    }

    #[test]
    fn reals_turn_scientific_earlier() {
        let mut out = BytesMut::new();
        write_f32(&mut out, 123456.0);
        out.put_u8(b' ');
        write_f32(&mut out, 1e6);
        out.put_u8(b' ');
        write_f32(&mut out, 0.1);
        assert_eq!(&out[..], b"123456 1e+06 0.1");
    }
}
