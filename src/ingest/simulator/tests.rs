//! The simulated world: the same for a seed, whichever streams are asked for, and wrong in all the ways it promises.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use super::value::Kind;
use super::write::write_all;
use super::*;
use crate::model::{OnConflict, RelationId, TableDef};

fn config(orders: u64) -> WorldConfig {
    WorldConfig { seed: 11, orders, history: orders / 10, ..WorldConfig::default() }
}

/// The stream's table as the shipped dataflows declare it, with every column nullable.
fn table(stream: Stream) -> TableDef {
    let data_type = |kind: Kind| match kind {
        Kind::Int => DataType::Int32,
        Kind::Long => DataType::Int64,
        Kind::Money => DataType::Decimal128(18, 2),
        Kind::Rate => DataType::Decimal128(18, 8),
        Kind::Flag => DataType::Boolean,
        Kind::Text | Kind::Json => DataType::Utf8,
        Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::Wall => DataType::Timestamp(TimeUnit::Microsecond, None),
        Kind::Date => DataType::Date32,
    };
    let fields = stream.columns().iter().map(|(name, kind)| Field::new(*name, data_type(*kind), true));
    TableDef {
        name: stream.name().to_string(),
        schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        primary_key: vec![],
        version: None,
        on_conflict: OnConflict::Overwrite,
        append_only: false,
        history: None,
        connector: None,
    }
}

fn written(config: &WorldConfig) -> String {
    let mut bytes = Vec::new();
    write_all(config, &mut bytes, false).expect("writing");
    String::from_utf8(bytes).expect("text")
}

#[test]
fn a_seed_means_the_same_bytes_every_time() {
    assert!(written(&config(200)) == written(&config(200)));
    assert!(written(&config(200)) != written(&WorldConfig { seed: 12, ..config(200) }));
}

#[test]
fn the_first_orders_of_a_seed_do_not_change_with_the_code() {
    let text = written(&WorldConfig { history: 0, ..config(300) });
    let first: Vec<&str> =
        text.lines().filter(|line| line.starts_with("{\"table\":\"raw_web_orders\"")).take(2).collect();
    expect_test::expect![[r#"
        {"table":"raw_web_orders","order_id":3,"version":2,"buyer_id":186625,"status":"placed","currency":"CNY","amount":906.76,"discount":0.00,"coupon_id":null,"region":"福建省","placed_at":"2026-11-11T00:00:00.005Z","cancelled_at":null,"updated_at":"2026-11-11T00:00:00.005Z"}
        {"table":"raw_web_orders","order_id":12,"version":2,"buyer_id":159846,"status":"placed","currency":"CNY","amount":593.98,"discount":0.00,"coupon_id":null,"region":"山东省","placed_at":"2026-11-11T00:00:00.058Z","cancelled_at":null,"updated_at":"2026-11-11T00:00:00.058Z"}"#]].assert_eq(&first.join("\n"));
}

#[test]
fn a_stream_is_the_same_alone_and_among_all() {
    let all: Vec<Event> = World::new(config(400)).collect();
    for stream in Stream::ALL {
        let alone: Vec<Event> = World::of(config(400), StreamSet::from_iter([stream])).collect();
        let among: Vec<Event> = all.iter().filter(|event| event.stream == stream).cloned().collect();
        assert!(!alone.is_empty(), "{stream:?}");
        assert!(alone == among, "{stream:?}: {} alone, {} among all", alone.len(), among.len());
    }
}

#[test]
fn who_only_looks_sees_more_than_he_clicks() {
    let faults = Faults { touched: 0.0, lookers: 2.5, looker_clicks: 0.2, ..Faults::orderly() };
    let world = World::of(WorldConfig { faults, ..config(2000) }, StreamSet::from_iter([Stream::Touchpoints]));
    let clicks: Vec<bool> = world.map(|event| event.values[3] == Value::Word("click")).collect();
    let (seen, clicked) = (clicks.iter().filter(|c| !**c).count(), clicks.iter().filter(|c| **c).count());
    assert!((4800..5200).contains(&seen), "{seen} impressions for 2,000 orders");
    assert!((900..1100).contains(&clicked), "{clicked} clicks after {seen} impressions");
}

#[test]
fn a_shorter_world_is_the_beginning_of_a_longer_one() {
    let of = |orders: u64| World::new(WorldConfig { history: 10, orders, ..config(0) }).take(3000).collect::<Vec<_>>();
    assert!(of(0) == of(5000));
}

#[test]
fn events_arrive_in_order_of_time_and_the_world_ends() {
    let mut world = World::new(config(500));
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
fn a_paced_world_hands_out_nothing_early_and_nothing_late() {
    let mut world = World::new(WorldConfig { history: 10, ..config(0) });
    let mut now_ms = world.next().expect("an event").arrival_ms;
    for _ in 0..200 {
        now_ms += 37;
        while let Some(event) = world.next_until(now_ms) {
            assert!((now_ms - 37..=now_ms).contains(&event.arrival_ms), "{} at {now_ms}", event.arrival_ms);
        }
    }
}

#[test]
fn the_load_has_a_spike() {
    let curve = Curve { quiet_s: 10, countdown_s: 10, spike_s: 10, tail_s: 10, spike_factor: 8 };
    let mut config = WorldConfig { curve, history: 0, rate: 100.0, ..config(0) };
    config.web_percent = 100;
    let start_ms = config.start_ms;
    let placed =
        World::of(config, StreamSet::from_iter([Stream::WebOrders])).filter_map(|event| match event.values[9] {
            Value::Time(placed_ms) => Some((placed_ms - start_ms) / 10_000),
            _ => None,
        });
    let mut phases = [0; 4];
    placed.take_while(|phase| *phase < 5).filter(|phase| *phase < 4).for_each(|phase| phases[phase as usize] += 1);
    let [quiet, countdown, spike, tail] = phases;
    assert!(quiet * 5 < spike && quiet < countdown && tail < spike, "{phases:?}");
}

#[test]
fn everything_that_can_go_wrong_does() {
    let config = WorldConfig { orders: 20_000, history: 500, ..config(0) };
    let (mut seen, mut copies, mut versions) = (HashMap::<String, u64>::new(), HashSet::new(), HashMap::new());
    for event in World::of(config.clone(), Stream::WEB.into_iter().collect()) {
        let mut note = |what: &str, happened: bool| *seen.entry(what.to_string()).or_default() += u64::from(happened);
        let key = (
            event.stream,
            event.values[0].clone(),
            if event.stream == Stream::WebItems { event.values[1].clone() } else { Value::Null },
        );
        let version = match (&event.stream, &event.values[1], &event.values[2]) {
            (Stream::WebItems, _, Value::Number(version)) | (_, Value::Number(version), _) => *version,
            _ => 0,
        };
        note("flawed", version % 2 == 1);
        let newest = versions.entry(key.clone()).or_insert(0);
        note("out of order", version < *newest);
        *newest = version.max(*newest);
        note("duplicate", !copies.insert((key, version)));
        if event.stream == Stream::WebPayments {
            let order = (Stream::WebOrders, event.values[2].clone(), Value::Null);
            note("payment before its order", !versions.contains_key(&order));
            note("failed payment", event.values[4] == Value::Word("failed"));
        }
        note("reversed refund", event.stream == Stream::WebRefunds && event.values[4] == Value::Word("reversed"));
        note("returned parcel", event.stream == Stream::WebShipments && event.values[5] == Value::Word("returned"));
    }
    let rare: Vec<_> = seen.iter().filter(|(_, count)| **count < 5).collect();
    assert!(rare.is_empty() && seen.len() == 7, "{rare:?} of {seen:?}");
    let truth = truth(&config);
    assert_eq!(truth.count, 20_000);
    assert!(truth.orphans > 5 && truth.settlements_missing > 5 && truth.settlements_differing > 5, "{truth:?}");
    assert!(truth.by_status.len() >= 11, "{:?}", truth.by_status);
}

/// Typed rows can be made of every stream, whatever flaws are in them.
#[test]
fn every_stream_fits_its_table() {
    let mut config = config(300);
    config.faults.malformed = 0.5;
    for stream in Stream::ALL {
        let events: Vec<Event> = World::of(config.clone(), StreamSet::from_iter([stream])).collect();
        let table = table(stream);
        check_schema(&table, stream).expect("a fitting table");
        let batch = input_batch(&table, RelationId(1), &events).expect("a batch");
        assert_eq!(batch.rows.num_rows(), events.len(), "{stream:?}");
        let versions = batch.rows.column(0).null_count();
        assert_eq!(versions, 0, "{stream:?} has rows without a key");
    }
}

#[test]
fn a_table_may_have_fewer_columns_but_no_others() {
    let mut def = table(Stream::WebPayments);
    def.schema = Arc::new(Schema::new(vec![Field::new("amount", DataType::Decimal128(38, 4), false)]));
    check_schema(&def, Stream::WebPayments).expect("wider money");
    def.schema = Arc::new(Schema::new(vec![Field::new("amount", DataType::Decimal128(10, 2), false)]));
    assert_eq!(check_schema(&def, Stream::WebPayments).expect_err("too narrow").code, "42804");
    def.schema = Arc::new(Schema::new(vec![Field::new("tip", DataType::Int64, false)]));
    let error = check_schema(&def, Stream::WebPayments).expect_err("no such column");
    assert_eq!(
        (error.code, error.message.as_str()),
        ("42703", "the simulator's stream \"raw_web_payments\" has no column \"tip\"")
    );
}

#[test]
fn every_setting_can_be_set_and_has_bounds() {
    let mut config = WorldConfig::default();
    for name in WorldConfig::SETTINGS {
        config.set(name, "1").unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(config.set(name, "-1").is_err(), "{name}");
    }
    assert!(config.set("weather", "1").is_err());
}
