//! Encoding against PostgreSQL's documented behaviour.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Date32Array, Decimal128Array, Int32Array, IntervalMonthDayNanoArray, ListArray, StringArray,
    StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, IntervalMonthDayNano, Schema};
use bytes::BytesMut;
use pgwire::api::Type;

use super::{Style, fields, value_text};

fn text(array: &ArrayRef, row: usize) -> String {
    let mut out = BytesMut::new();
    value_text(&mut out, array.as_ref(), row, &Style::default()).unwrap();
    String::from_utf8(out.to_vec()).unwrap()
}

fn binary(array: &ArrayRef) -> Vec<u8> {
    let schema = Schema::new(vec![Field::new("c", array.data_type().clone(), true)]);
    let fields = fields::result_fields(&schema, &[1]).unwrap();
    let mut out = BytesMut::new();
    super::binary::write(&mut out, array.as_ref(), 0, &fields[0], &Style::default()).unwrap();
    out.to_vec()
}

#[test]
fn times_print_as_postgres_prints_them() {
    let dates: ArrayRef = Arc::new(Date32Array::from(vec![0, -719_529]));
    assert_eq!(text(&dates, 0), "1970-01-01");
    assert_eq!(text(&dates, 1), "0002-12-31 BC");
    let plain = TimestampMicrosecondArray::from(vec![1_500_000, -1]);
    let zoned: ArrayRef = Arc::new(plain.clone().with_timezone("UTC"));
    let plain: ArrayRef = Arc::new(plain);
    assert_eq!(text(&plain, 0), "1970-01-01 00:00:01.5");
    assert_eq!(text(&plain, 1), "1969-12-31 23:59:59.999999");
    assert_eq!(text(&zoned, 0), "1970-01-01 00:00:01.5+00");
    let style = Style { zone: "Asia/Kolkata".parse().unwrap() };
    let mut out = BytesMut::new();
    value_text(&mut out, zoned.as_ref(), 0, &style).unwrap();
    assert_eq!(&out[..], b"1970-01-01 05:30:01.5+05:30");
}

#[test]
fn intervals_print_as_postgres_prints_them() {
    let expected = [
        ((14, 3, 14_706_789_000_000), "1 year 2 mons 3 days 04:05:06.789"),
        ((0, 0, 0), "00:00:00"),
        ((0, -1, 2_000_000_000), "-1 days +00:00:02"),
        ((-1, 1, 0), "-1 mons +1 day"),
        ((0, 0, -1_000), "-00:00:00.000001"),
        ((12, 0, 0), "1 year"),
    ];
    for ((months, days, nanoseconds), wanted) in expected {
        let value = IntervalMonthDayNano::new(months, days, nanoseconds);
        let array: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(vec![value]));
        assert_eq!(text(&array, 0), wanted);
    }
}

#[test]
fn decimals_keep_their_scale() {
    let array: ArrayRef =
        Arc::new(Decimal128Array::from(vec![123_400, -5, 0]).with_precision_and_scale(38, 3).unwrap());
    assert_eq!([text(&array, 0), text(&array, 1), text(&array, 2)], ["123.400", "-0.005", "0.000"]);
    // 123.400: groups 123 and 4000, weight 0, scale 3.
    assert_eq!(binary(&array), [0, 2, 0, 0, 0, 0, 0, 3, 0, 123, 0x0f, 0xa0]);
    assert_eq!(binary(&array.slice(1, 1)), [0, 1, 0xff, 0xff, 0x40, 0, 0, 3, 0, 50]);
    assert_eq!(binary(&array.slice(2, 1)), [0, 0, 0, 0, 0, 0, 0, 3]);
}

#[test]
fn arrays_and_records_are_quoted_where_they_must_be() {
    let words: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("b \"c\\"), Some(""), Some("null")]));
    let offsets = arrow::buffer::OffsetBuffer::from_lengths([5]);
    let field = Arc::new(Field::new_list_field(DataType::Utf8, true));
    let list: ArrayRef = Arc::new(ListArray::new(field, offsets, words, None));
    assert_eq!(text(&list, 0), r#"{a,NULL,"b \"c\\","","null"}"#);
    let record: ArrayRef = Arc::new(StructArray::from(vec![
        (Arc::new(Field::new("a", DataType::Int32, true)), Arc::new(Int32Array::from(vec![1])) as ArrayRef),
        (Arc::new(Field::new("b", DataType::Utf8, true)), Arc::new(StringArray::from(vec!["x\"y, "])) as ArrayRef),
        (Arc::new(Field::new("c", DataType::Int32, true)), Arc::new(Int32Array::from(vec![None])) as ArrayRef),
    ]));
    assert_eq!(text(&record, 0), r#"(1,"x""y, ",)"#);
}

#[test]
fn binary_arrays_carry_dimensions_and_nulls() {
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(7), None])]));
    let wanted = [
        0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 23, // one dimension, with nulls, of int4
        0, 0, 0, 2, 0, 0, 0, 1, // two elements from index 1
        0, 0, 0, 4, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff,
    ];
    assert_eq!(binary(&list), wanted);
}

#[test]
fn binary_dates_count_from_2000() {
    assert_eq!(binary(&(Arc::new(Date32Array::from(vec![10_958])) as ArrayRef)), [0, 0, 0, 1]);
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![b"\x00\xff".as_slice()]));
    assert_eq!((binary(&bytes), text(&bytes, 0).as_str()), (vec![0, 255], "\\x00ff"));
}

#[test]
fn columns_have_the_types_clients_know() {
    let pg_type = |data_type: DataType| fields::pg_type(&Field::new("c", data_type, true));
    assert_eq!(pg_type(DataType::UInt64), Type::NUMERIC);
    assert_eq!(pg_type(DataType::Utf8View), Type::TEXT);
    assert_eq!(pg_type(DataType::Decimal256(76, 2)), Type::NUMERIC);
    let nested = DataType::new_list(DataType::new_list(DataType::Int64, true), true);
    assert_eq!(pg_type(nested), Type::INT8_ARRAY);
}
