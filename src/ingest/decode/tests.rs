//! Records in, rows and bad rows out, for both formats.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use expect_test::{Expect, expect};

use super::*;
use crate::model::{OnConflict, Op};

const TABLE: RelationId = RelationId(7);

fn table(fields: Vec<Field>, primary_key: Vec<usize>, version: Option<usize>) -> TableDef {
    TableDef {
        name: "orders".to_string(),
        schema: Arc::new(Schema::new(fields)),
        primary_key,
        version,
        on_conflict: OnConflict::Overwrite,
        append_only: false,
        history: None,
        connector: None,
    }
}

fn orders() -> TableDef {
    let fields = vec![
        Field::new("order_id", DataType::Int64, false),
        Field::new("version", DataType::Int32, false),
        Field::new("amount", DataType::Decimal128(18, 2), false),
        Field::new("note", DataType::Utf8, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())), true),
    ];
    table(fields, vec![0], Some(1))
}

/// Good rows as `op | cells`, then bad ones as `position code message | key | payload`.
fn show(decoder: &mut Decoder) -> String {
    let Some(batch) = decoder.take(TABLE).expect("a batch") else { return "nothing\n".to_string() };
    assert_eq!(batch.table, TABLE);
    let row_text = |rows: &arrow::array::RecordBatch, row: usize| {
        let options = FormatOptions::default().with_null("∅");
        let cell = |column: &arrow::array::ArrayRef| {
            ArrayFormatter::try_new(column.as_ref(), &options).expect("a formatter").value(row).to_string()
        };
        rows.columns().iter().map(cell).collect::<Vec<_>>().join(" | ").replace('\r', "\\r")
    };
    let mut text = String::new();
    for row in 0..batch.rows.num_rows() {
        let op = batch.ops.as_ref().map_or(Op::Upsert, |ops| ops[row]);
        text += &format!("{} {}\n", if op == Op::Upsert { '+' } else { '-' }, row_text(&batch.rows, row));
    }
    for bad in &batch.bad {
        let key = bad.key.as_ref().map_or("none".to_string(), |key| row_text(key, 0));
        text += &format!("{} {} {}\n    key {key}, payload {}\n", bad.position, bad.code, bad.message, bad.payload);
    }
    if batch.unknown.rows > 0 {
        text += &format!("unknown {:?}\n", batch.unknown);
    }
    text
}

fn check(mut decoder: Decoder, input: &str, expected: Expect) {
    let mut layout = Layout::default();
    for (index, line) in input.lines().enumerate() {
        decoder.push(line.as_bytes(), Position { source: "in", line: index as u64 + 1 }, &mut layout);
    }
    expected.assert_eq(&show(&mut decoder));
}

fn json(input: &str, expected: Expect) {
    check(Decoder::json(&orders()).expect("a decoder"), input, expected);
}

fn csv(options: CsvOptions, input: &str, expected: Expect) {
    check(Decoder::csv(&orders(), options).expect("a decoder"), input, expected);
}

#[test]
fn json_fields_come_in_any_order_and_number_form() {
    json(
        r#"{"order_id":1,"version":1,"amount":12.5,"note":"a\"b","at":"2026-11-11T08:00:00+08:00"}
{"at":1794355200000,"note":{"k": [1, 2]},"amount":"0.10","version":"2","order_id":9007199254740993}
{"order_id":1,"order_id":3,"version":1,"amount":1e2}"#,
        expect![[r#"
            + 1 | 1 | 12.50 | a"b | 2026-11-11T00:00:00Z
            + 9007199254740993 | 2 | 0.10 | {"k":[1,2]} | 2026-11-11T00:00:00Z
            + 3 | 1 | 100.00 | ∅ | ∅
        "#]],
    );
}

#[test]
fn json_bad_rows_stand_beside_good_ones() {
    json(
        r#"{"order_id":1,"version":1,"amount":1}
{"order_id":2,"version":1,"amount":"n/a"}
{"order_id":3,"version":99999999999,"amount":1}
{"order_id":4,"version":1}
{"version":1,"amount":1}
{"order_id":5,"version":1,"amount":1
{"order_id":6,"version":1,"amount":1}{}
[1,2]
nonsense
{"order_id":7,"version":null,"amount":1}
{"order_id":8.5,"version":1,"amount":1}
{"order_id":9,"version":1,"amount":1,"note":"\ud800"}
{"order_id":10,"version":1,"amount":99999999999999999}
{"order_id":11,"version":1,"amount":1,"at":"soon"}
{"order_id":12,"version":1,"amount":1}
{"version":1,"order_id":13"#,
        expect![[r#"
            + 1 | 1 | 1.00 | ∅ | ∅
            + 12 | 1 | 1.00 | ∅ | ∅
            in:2 22P02 column "amount": invalid input syntax for type numeric: "n/a"
                key 2, payload {"order_id":2,"version":1,"amount":"n/a"}
            in:3 22003 column "version": value "99999999999" is out of range for type integer
                key 3, payload {"order_id":3,"version":99999999999,"amount":1}
            in:4 23502 null value in column "amount" of relation "orders" violates not-null constraint
                key 4, payload {"order_id":4,"version":1}
            in:5 23502 null value in column "order_id" of relation "orders" violates not-null constraint
                key none, payload {"version":1,"amount":1}
            in:6 22P02 invalid input syntax for type json: EOF while parsing an object at column 36
                key 5, payload {"order_id":5,"version":1,"amount":1
            in:7 22P02 invalid input syntax for type json: trailing characters at column 38
                key 6, payload {"order_id":6,"version":1,"amount":1}{}
            in:8 22P02 invalid input syntax for type json: invalid type: sequence, expected a JSON object
                key none, payload [1,2]
            in:9 22P02 invalid input syntax for type json: expected ident at column 2
                key none, payload nonsense
            in:10 23502 null value in column "version" of relation "orders" violates not-null constraint
                key 7, payload {"order_id":7,"version":null,"amount":1}
            in:11 22P02 column "order_id": invalid input syntax for type bigint: "8.5"
                key none, payload {"order_id":8.5,"version":1,"amount":1}
            in:12 22P02 column "note": invalid JSON string: unexpected end of hex escape
                key 9, payload {"order_id":9,"version":1,"amount":1,"note":"\ud800"}
            in:13 22003 column "amount": numeric field overflow: "99999999999999999" does not fit numeric(18,2)
                key 10, payload {"order_id":10,"version":1,"amount":99999999999999999}
            in:14 22007 column "at": invalid input syntax for type timestamp with time zone: "soon"
                key 11, payload {"order_id":11,"version":1,"amount":1,"at":"soon"}
            in:16 22P02 invalid input syntax for type json: EOF while parsing an object at column 26
                key none, payload {"version":1,"order_id":13
        "#]],
    );
}

#[test]
fn json_unknown_fields_are_counted() {
    json(
        r#"{"order_id":1,"extra":{"a":[1]},"version":1,"amount":1,"Note":"x"}
{"order_id":2,"version":1,"amount":1,"extra":null}"#,
        expect![[r#"
            + 1 | 1 | 1.00 | ∅ | ∅
            + 2 | 1 | 1.00 | ∅ | ∅
            unknown UnknownFields { rows: 2, names: {"Note", "extra"} }
        "#]],
    );
}

#[test]
fn json_deletes_need_their_key_and_version_only() {
    json(
        r#"{"__op":"delete","order_id":1,"version":2}
{"order_id":2,"version":1,"amount":1,"__op":"d","note":"gone"}
{"order_id":3,"version":1,"amount":1,"__op":"update"}
{"order_id":4,"__op":"delete"}
{"order_id":5,"version":1,"amount":1,"__op":"frobnicate"}"#,
        expect![[r#"
            - 1 | 2 | 0.00 | ∅ | ∅
            - 2 | 1 | 0.00 | ∅ | ∅
            + 3 | 1 | 1.00 | ∅ | ∅
            in:4 23502 null value in column "version" of relation "orders" violates not-null constraint
                key 4, payload {"order_id":4,"__op":"delete"}
            in:5 22P02 field "__op": unknown operation "frobnicate"
                key 5, payload {"order_id":5,"version":1,"amount":1,"__op":"frobnicate"}
        "#]],
    );
}

#[test]
fn bytes_that_are_no_text_are_a_bad_row() {
    let mut decoder = Decoder::json(&orders()).expect("a decoder");
    let mut layout = Layout::default();
    decoder.push(b"{\"order_id\":1,\"note\":\"\xff\"}", Position { source: "in", line: 1 }, &mut layout);
    expect![[r#"
        in:1 22021 invalid byte sequence for encoding "UTF8" at byte 23
            key none, payload {"order_id":1,"note":"�"}
    "#]]
    .assert_eq(&show(&mut decoder));
}

#[test]
fn long_payloads_are_cut_between_characters() {
    let mut decoder = Decoder::json(&orders()).expect("a decoder");
    let line = format!("x{}", "é".repeat(5000));
    decoder.push(line.as_bytes(), Position { source: "in", line: 1 }, &mut Layout::default());
    let batch = decoder.take(TABLE).expect("a batch").expect("a bad row");
    assert_eq!(batch.bad[0].payload, format!("x{}", "é".repeat(2047)));
}

#[test]
fn a_ten_megabyte_value_is_a_value() {
    let mut decoder = Decoder::json(&orders()).expect("a decoder");
    let note = "n".repeat(10 << 20);
    let line = format!(r#"{{"order_id":1,"version":1,"amount":1,"note":"{note}"}}"#);
    decoder.push(line.as_bytes(), Position { source: "in", line: 1 }, &mut Layout::default());
    let batch = decoder.take(TABLE).expect("a batch").expect("a row");
    assert_eq!((batch.rows.num_rows(), batch.bad.len()), (1, 0));
}

#[test]
fn append_only_sources_take_no_deletes() {
    let mut source = orders();
    source.append_only = true;
    check(
        Decoder::json(&source).expect("a decoder"),
        r#"{"order_id":1,"version":1,"amount":1,"__op":"delete"}"#,
        expect![[r#"
            in:1 42809 source "orders" is append-only: a row can't be deleted
                key 1, payload {"order_id":1,"version":1,"amount":1,"__op":"delete"}
        "#]],
    );
}

#[test]
fn a_delete_from_a_bag_is_a_whole_row() {
    let fields = vec![Field::new("a", DataType::Int32, true), Field::new("b", DataType::Utf8View, false)];
    let bag = table(fields, vec![], None);
    check(
        Decoder::json(&bag).expect("a decoder"),
        r#"{"__op":"delete","a":1,"b":"x"}
{"__op":"delete","a":1}
{"b":"y"}"#,
        expect![[r#"
            - 1 | x
            + ∅ | y
            in:2 23502 null value in column "b" of relation "orders" violates not-null constraint
                key none, payload {"__op":"delete","a":1}
        "#]],
    );
}

#[test]
fn every_type_has_its_column() {
    let list = Arc::new(Field::new_list_field(DataType::Int32, true));
    let inner = vec![Field::new("x", DataType::Int32, true), Field::new("y", DataType::Utf8, true)];
    let fields = vec![
        Field::new("flag", DataType::Boolean, true),
        Field::new("small", DataType::Int16, true),
        Field::new("float", DataType::Float32, true),
        Field::new("day", DataType::Date32, true),
        Field::new("time", DataType::Time64(TimeUnit::Microsecond), true),
        Field::new("span", DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano), true),
        Field::new("bytes", DataType::BinaryView, true),
        Field::new("list", DataType::List(list), true),
        Field::new("pair", DataType::Struct(inner.into()), true),
    ];
    check(
        Decoder::json(&table(fields, vec![], None)).expect("a decoder"),
        r#"{"flag":true,"small":-5,"float":0.5,"day":"2024-02-29","time":"12:34:56.5","span":"1 day 2 hours","bytes":"\\x00ff","list":[1,null],"pair":{"x":1,"y":"z"}}
{}
{"list":"[2]","flag":"off"}
{"small":40000}
{"list":[1,"x"]}
{"list":{"a":1}}
{"day":20240229}
{"day":"2024-02-30"}
{"list":[3]}"#,
        expect![[r#"
            + true | -5 | 0.5 | 2024-02-29 | 12:34:56.500 | 1 days 2 hours | 00ff | [1, ∅] | {x: 1, y: z}
            + ∅ | ∅ | ∅ | ∅ | ∅ | ∅ | ∅ | ∅ | ∅
            + false | ∅ | ∅ | ∅ | ∅ | ∅ | ∅ | [2] | ∅
            + ∅ | ∅ | ∅ | ∅ | ∅ | ∅ | ∅ | [3] | ∅
            in:4 22003 column "small": value "40000" is out of range for type smallint
                key none, payload {"small":40000}
            in:5 22P02 column "list": invalid input syntax for type list(int32): "[1,"x"]" (Json error: failed to parse "x" as Int32)
                key none, payload {"list":[1,"x"]}
            in:6 22P02 column "list": invalid input syntax for type list(int32): "{"a":1}" (Json error: expected [ got {"a": 1})
                key none, payload {"list":{"a":1}}
            in:7 22007 column "day": invalid input syntax for type date: "20240229"
                key none, payload {"day":20240229}
            in:8 22007 column "day": invalid input syntax for type date: "2024-02-30"
                key none, payload {"day":"2024-02-30"}
        "#]],
    );
}

#[test]
fn csv_columns_are_found_by_the_header() {
    csv(
        CsvOptions::default(),
        "amount,extra,order_id,version,note,__op\n1.5,x,1,1,\"a,\"\"b\"\"\",\n2,x,2,1,,delete\n3,x,3,1,\"\",\n",
        expect![[r#"
            + 1 | 1 | 1.50 | a,"b" | ∅
            - 2 | 1 | 0.00 | ∅ | ∅
            + 3 | 1 | 3.00 |  | ∅
            unknown UnknownFields { rows: 3, names: {"extra"} }
        "#]],
    );
}

#[test]
fn csv_without_a_header_goes_by_position_and_counts_fields() {
    let options = CsvOptions { header: false, delimiter: b';', null: "NULL".to_string() };
    csv(
        options,
        "1;1;2.5;NULL;2026-11-11 00:00:00\n2;1;3;\"NULL\";NULL\n3;1;4;;NULL;delete\n4;1\n5;1;1;a;NULL;;x\n6;1;;a;NULL\n;1;1;a;NULL\n7;1;5;a\rb;NULL\n",
        expect![[r#"
            + 1 | 1 | 2.50 | ∅ | 2026-11-11T00:00:00Z
            + 2 | 1 | 3.00 | NULL | ∅
            - 3 | 1 | 0.00 | ∅ | ∅
            + 7 | 1 | 5.00 | a\rb | ∅
            in:4 22P04 missing data for column "amount"
                key 4, payload 4;1
            in:5 22P04 extra data after last expected column
                key 5, payload 5;1;1;a;NULL;;x
            in:6 22P02 column "amount": invalid input syntax for type numeric: ""
                key 6, payload 6;1;;a;NULL
            in:7 22P02 column "order_id": invalid input syntax for type bigint: ""
                key none, payload ;1;1;a;NULL
        "#]],
    );
}
