//! Decoding against PostgreSQL's documented behaviour.

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::scalar::ScalarValue;
use pgwire::api::Type;

use super::{binary, text};

fn code(value: &str, data_type: &DataType) -> &'static str {
    text::value(value, data_type).unwrap_err().code
}

#[test]
fn booleans_take_every_unambiguous_prefix() {
    for (written, wanted) in [("t", true), (" YES ", true), ("on", true), ("1", true), ("fal", false), ("of", false)] {
        assert_eq!(text::value(written, &DataType::Boolean).unwrap(), ScalarValue::Boolean(Some(wanted)), "{written}");
    }
    assert_eq!(code("o", &DataType::Boolean), "22P02");
}

#[test]
fn integers_tell_syntax_from_range() {
    assert_eq!(text::value(" -7 ", &DataType::Int16).unwrap(), ScalarValue::Int16(Some(-7)));
    assert_eq!(code("12x", &DataType::Int32), "22P02");
    assert_eq!(code("40000", &DataType::Int16), "22003");
    assert_eq!(code("", &DataType::Int64), "22P02");
}

#[test]
fn decimals_round_half_away_from_zero() {
    let cents = DataType::Decimal128(6, 2);
    let expected =
        [("1.005", 101), ("-1.005", -101), ("1e2", 10_000), ("12", 1_200), ("0.004", 0), (".5", 50), ("0.005", 1)];
    for (written, wanted) in expected {
        assert_eq!(text::value(written, &cents).unwrap(), ScalarValue::Decimal128(Some(wanted), 6, 2), "{written}");
    }
    assert_eq!(code("9999.995", &cents), "22003");
    assert_eq!(code("1e99", &cents), "22003");
    assert_eq!(code("1.2.3", &cents), "22P02");
    assert_eq!(code("NaN", &cents), "22003");
}

#[test]
fn times_with_and_without_zones() {
    let plain = DataType::Timestamp(TimeUnit::Microsecond, None);
    let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let micros = |value: ScalarValue| match value {
        ScalarValue::TimestampMicrosecond(Some(micros), _) => micros,
        other => panic!("not a timestamp: {other}"),
    };
    assert_eq!(micros(text::value("1970-01-01 00:00:01.5", &plain).unwrap()), 1_500_000);
    assert_eq!(micros(text::value("1970-01-01 01:00:00+01", &zoned).unwrap()), 0);
    assert_eq!(micros(text::value("1970-01-01 01:00:00+01", &plain).unwrap()), 3_600_000_000);
    assert_eq!(micros(text::value("1970-01-01 00:01", &plain).unwrap()), 60_000_000);
    assert_eq!(text::value("2000-01-01", &DataType::Date32).unwrap(), ScalarValue::Date32(Some(10_957)));
    assert_eq!(text::value("2000-01-01 +02", &DataType::Date32).unwrap(), ScalarValue::Date32(Some(10_957)));
    assert_eq!(micros(text::value("1970-01-02 +01", &zoned).unwrap()), 23 * 3_600_000_000);
    assert_eq!(code("2000-13-01", &DataType::Date32), "22007");
    assert_eq!(code("yesterdayish", &plain), "22007");
}

#[test]
fn bytea_in_both_notations() {
    let bytes = |written: &str| text::value(written, &DataType::Binary).unwrap();
    assert_eq!(bytes("\\x00ff"), ScalarValue::Binary(Some(vec![0, 255])));
    assert_eq!(bytes("a\\\\b\\001"), ScalarValue::Binary(Some(b"a\\b\x01".to_vec())));
    assert_eq!(code("\\x0", &DataType::Binary), "22P02");
}

#[test]
fn arrays_with_nulls_quotes_and_nesting() {
    let texts = DataType::List(Field::new_list_field(DataType::Utf8, true).into());
    let value = text::value("{a, \"b,\\\"c\" ,NULL,\"NULL\"}", &texts).unwrap();
    let wanted: Vec<ScalarValue> =
        [Some("a"), Some("b,\"c"), None, Some("NULL")].map(|item| ScalarValue::Utf8(item.map(str::to_owned))).into();
    assert_eq!(value, ScalarValue::List(ScalarValue::new_list(&wanted, &DataType::Utf8, true)));
    let nested = DataType::List(Field::new_list_field(texts.clone(), true).into());
    let ScalarValue::List(outer) = text::value("{{a},{b,c}}", &nested).unwrap() else { panic!("not a list") };
    assert_eq!(outer.value(0).len(), 2);
    assert_eq!(code("{a", &texts), "22P02");
    assert_eq!(code("{a,}", &texts), "22P02");
}

#[test]
fn binary_numerics_keep_their_scale() {
    // 12345.678: groups 1, 2345, 6780; weight 1; scale 3.
    let bytes = [0, 3, 0, 1, 0, 0, 0, 3, 0, 1, 0x09, 0x29, 0x1a, 0x7c];
    assert_eq!(binary::value(&bytes, &Type::NUMERIC).unwrap(), ScalarValue::Decimal128(Some(12_345_678), 38, 3));
    // -0.00001: group 1000 at weight -2.
    let bytes = [0, 1, 0xff, 0xfe, 0x40, 0, 0, 5, 0x03, 0xe8];
    assert_eq!(binary::value(&bytes, &Type::NUMERIC).unwrap(), ScalarValue::Decimal128(Some(-1), 38, 5));
    assert_eq!(binary::value(&[0, 0, 0, 0, 0xc0, 0, 0, 0], &Type::NUMERIC).unwrap_err().code, "22003");
}

#[test]
fn binary_values_of_the_wrong_length_are_refused() {
    assert_eq!(binary::value(&[0, 0, 1], &Type::INT4).unwrap_err().code, "22P03");
    let array_of_many = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1];
    assert_eq!(binary::value(&array_of_many, &Type::INT4_ARRAY).unwrap_err().code, "22P03");
}
