//! The simulated world: the same for a seed, and wrong in all the ways it promises.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use super::write::{Format, write_all, write_files};
use super::*;
use crate::ingest::decode::{CsvOptions, Decoder, Layout, Position};
use crate::model::{OnConflict, Op, RelationId, TableDef};

fn config(orders: u64) -> WorldConfig {
    WorldConfig { seed: 11, orders, ..WorldConfig::default() }
}

/// The stream's table as the shipped dataflows declare it.
fn table(stream: Stream) -> TableDef {
    let money = || DataType::Decimal128(18, 2);
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
    let columns = match stream {
        Stream::Orders => vec![
            ("order_id", DataType::Int64),
            ("version", DataType::Int32),
            ("buyer_id", DataType::Int64),
            ("product_id", DataType::Int32),
            ("channel", DataType::Utf8View),
            ("quantity", DataType::Int32),
            ("amount", money()),
            ("status", DataType::Utf8),
            ("placed_at", time()),
        ],
        Stream::Payments | Stream::Refunds => {
            let refund = stream == Stream::Refunds;
            vec![
                (if refund { "refund_id" } else { "payment_id" }, DataType::Int64),
                ("version", DataType::Int32),
                ("order_id", DataType::Int64),
                ("amount", money()),
                ("status", DataType::Utf8),
                (if refund { "refunded_at" } else { "paid_at" }, time()),
            ]
        }
    };
    let fields: Vec<Field> = columns.into_iter().map(|(name, data_type)| Field::new(name, data_type, false)).collect();
    TableDef {
        name: stream.name().to_string(),
        schema: Arc::new(Schema::new(fields)),
        primary_key: vec![0],
        version: Some(1),
        on_conflict: OnConflict::Overwrite,
        append_only: false,
        connector: None,
    }
}

#[test]
fn a_seed_means_the_same_bytes_every_time() {
    let written = |seed: u64| {
        let mut bytes = Vec::new();
        write_all(&WorldConfig { seed, ..config(300) }, &mut bytes, false).expect("writing");
        bytes
    };
    assert!(written(1) == written(1));
    assert!(written(1) != written(2));
}

#[test]
fn the_first_lines_of_a_seed_do_not_change_with_the_code() {
    let mut bytes = Vec::new();
    write_all(&config(300), &mut bytes, false).expect("writing");
    let text = String::from_utf8(bytes).expect("text");
    let first: String = text.lines().take(3).collect::<Vec<_>>().join("\n");
    expect_test::expect![[r#"
        {"table":"orders","order_id":10,"version":1,"buyer_id":133050,"product_id":1,"channel":"affiliate","quantity":2,"amount":593.98,"status":"placed","placed_at":"2026-11-11T00:00:00.011Z"}
        {"table":"orders","order_id":11,"version":1,"buyer_id":163338,"product_id":5,"channel":"search","quantity":1,"amount":464.59,"status":"placed","placed_at":"2026-11-11T00:00:00.011Z"}
        {"table":"orders","order_id":8,"version":1,"buyer_id":80689,"product_id":38,"channel":"search","quantity":4,"amount":389.16,"status":"placed","placed_at":"2026-11-11T00:00:00.010Z"}"#]].assert_eq(&first);
}

#[test]
fn a_shorter_world_is_the_beginning_of_a_longer_one() {
    let endless: Vec<Event> = World::new(config(0)).take(200).collect();
    let finite: Vec<Event> = World::new(config(5000)).take(200).collect();
    assert_eq!(endless, finite);
}

#[test]
fn events_arrive_in_order_of_time_and_the_world_ends() {
    let mut world = World::new(config(1000));
    let first = world.next().expect("an event");
    assert_eq!(world.next_until(first.arrival_ms - 1), None);
    let mut last_ms = first.arrival_ms;
    for event in world.by_ref() {
        assert!(event.arrival_ms >= last_ms);
        last_ms = event.arrival_ms;
    }
    assert!(world.is_over());
}

#[test]
fn everything_that_can_go_wrong_does() {
    let events: Vec<Event> = World::new(config(20_000)).collect();
    let mut seen: HashMap<&str, u64> = HashMap::new();
    let mut note = |what: &'static str, happened: bool| *seen.entry(what).or_default() += u64::from(happened);
    let (mut orders, mut paid, mut newest) = (HashSet::new(), HashMap::new(), HashMap::new());
    let mut copies = HashSet::new();
    for event in &events {
        let key = match &event.row {
            Row::Order(order) => {
                orders.insert(order.order_id);
                note("orders", true);
                note("hot product", order.product_id == 1);
                note("revised", order.version > 1);
                note("cancelled", order.status == "cancelled");
                note("late", event.arrival_ms - order.placed_ms > 10_000 && order.version == 1);
                note("deleted", event.op == Op::Delete);
                (Stream::Orders, order.order_id, order.version)
            }
            Row::Payment(payment) => {
                note("payment before its order", !orders.contains(&payment.order_id));
                note("failed payment", payment.status == "failed");
                let parts: &mut HashSet<i64> = paid.entry(payment.order_id).or_default();
                parts.insert(payment.payment_id);
                note("several payments", parts.len() > 1);
                (Stream::Payments, payment.payment_id, payment.version)
            }
            Row::Refund(refund) => {
                note("refund before its payment", !paid.contains_key(&refund.order_id));
                note("failed refund", refund.status == "failed");
                (Stream::Refunds, refund.refund_id, refund.version)
            }
        };
        note("duplicate", !copies.insert((key, event.op == Op::Delete)));
        let version = newest.entry((key.0, key.1)).or_insert(0);
        note("out of order", key.2 < *version);
        *version = key.2.max(*version);
    }
    let rare: Vec<_> = seen.iter().filter(|(_, count)| **count < 10).collect();
    assert!(rare.is_empty(), "{rare:?} of {seen:?}");
    let hot = seen["hot product"] as f64 / seen["orders"] as f64;
    assert!((0.28..0.32).contains(&hot), "{hot}");
}

#[test]
fn the_same_version_always_has_the_same_content() {
    let mut contents: HashMap<(Stream, i64, i32), (Op, Row)> = HashMap::new();
    for Event { op, row, .. } in World::new(config(5000)) {
        let key = match &row {
            Row::Order(order) => (Stream::Orders, order.order_id, order.version),
            Row::Payment(payment) => (Stream::Payments, payment.payment_id, payment.version),
            Row::Refund(refund) => (Stream::Refunds, refund.refund_id, refund.version),
        };
        let stored = contents.entry(key).or_insert_with(|| (op, row.clone()));
        assert_eq!(*stored, (op, row));
    }
}

#[test]
fn the_truth_adds_up() {
    let truth = truth(&config(3000));
    assert_eq!(truth.orders.len(), 3000);
    let refunded = truth.orders.values().filter(|order| order.refunded_minor > 0).count();
    assert!(refunded > 50, "{refunded}");
    for (id, order) in &truth.orders {
        assert!(order.refunded_minor <= order.paid_minor, "order {id}: {order:?}");
    }
    let exact =
        |order: &&OrderTruth| order.order.as_ref().is_some_and(|newest| newest.amount_minor == order.paid_minor);
    assert!(truth.orders.values().filter(exact).count() > 2400);
}

/// Files and typed batches are two ways of telling the same events.
#[test]
fn written_lines_decode_to_the_typed_rows() {
    let mut config = config(400);
    config.faults.malformed = 0.2;
    config.faults.deleted = 0.1;
    for format in [Format::Json, Format::Csv] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let summary = write_files(&config, folder.path(), format, false).expect("writing");
        let mut bad = 0;
        for stream in Stream::ALL {
            let def = table(stream);
            let events: Vec<Event> = World::new(config.clone()).filter(|event| event.row.stream() == stream).collect();
            let typed = batches::input_batch(&def, RelationId(1), &events).expect("a batch");
            let path = folder.path().join(format!("{}.{}", stream.name(), format.extension()));
            let mut decoder = match format {
                Format::Json => Decoder::json(&def),
                Format::Csv => Decoder::csv(&def, CsvOptions::default()),
            }
            .expect("a decoder");
            let mut layout = Layout::default();
            for line in fs::read_to_string(path).expect("a file").lines() {
                decoder.push(line.as_bytes(), Position { source: "in", line: 1 }, &mut layout);
            }
            let read = decoder.take(RelationId(1)).expect("a batch").expect("rows");
            bad += read.bad.len() as u64;
            let ops = typed.ops.clone().unwrap_or_else(|| vec![Op::Upsert; events.len()]);
            assert_eq!(read.ops.unwrap_or_else(|| vec![Op::Upsert; events.len()]), ops);
            let upserts: arrow::array::BooleanArray = ops.iter().map(|op| Some(*op == Op::Upsert)).collect();
            let kept = |rows| arrow::compute::filter_record_batch(rows, &upserts).expect("rows");
            assert_eq!(kept(&read.rows), kept(&typed.rows), "{stream:?}");
        }
        assert_eq!(bad, summary.malformed, "{format:?}");
        assert!(bad > 100);
    }
}

#[test]
fn a_table_may_have_fewer_columns_but_no_others() {
    let mut def = table(Stream::Payments);
    def.schema = Arc::new(Schema::new(vec![Field::new("amount", DataType::Decimal128(38, 4), false)]));
    check_schema(&def, Stream::Payments).expect("wider money");
    def.schema = Arc::new(Schema::new(vec![Field::new("amount", DataType::Decimal128(10, 2), false)]));
    assert_eq!(check_schema(&def, Stream::Payments).expect_err("too narrow").code, "42804");
    def.schema = Arc::new(Schema::new(vec![Field::new("tip", DataType::Int64, false)]));
    let error = check_schema(&def, Stream::Payments).expect_err("no such column");
    assert_eq!(
        (error.code, error.message.as_str()),
        ("42703", "the simulator's stream \"payments\" has no column \"tip\"")
    );
}
