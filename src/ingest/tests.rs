//! Sources end to end: files that grow under a running thread, flush, stop, back-pressure, and refused connector clauses.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use flume::Receiver;

use super::*;
use crate::model::{ConnectorDef, Encode, InputBatch, OnConflict, RelationId, TableDef};

const PATIENCE: Duration = Duration::from_secs(20);
const NONE: &[String] = &[];

fn table(connector: &str, options: &[(&str, &str)], encode: Option<Encode>) -> TableDef {
    let options = options.iter().map(|(key, value)| (key.to_string(), value.to_string()));
    let fields = vec![Field::new("id", DataType::Int64, false), Field::new("note", DataType::Utf8, true)];
    TableDef {
        name: "orders".to_string(),
        schema: Arc::new(Schema::new(fields)),
        primary_key: vec![0],
        version: None,
        on_conflict: OnConflict::Overwrite,
        append_only: false,
        history: None,
        connector: Some(ConnectorDef {
            name: connector.to_string(),
            options: options.collect::<BTreeMap<_, _>>(),
            encode,
        }),
    }
}

/// A file, the source that reads it, and what has come out so far.
struct Running {
    path: PathBuf,
    source: SourceHandle,
    batches: Receiver<InputBatch>,
    ids: Vec<i64>,
    bad: Vec<String>,
    unknown: u64,
    _folder: tempfile::TempDir,
}

impl Running {
    fn start(text: &str, mode: &str, encode: Encode) -> Running {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("orders.in");
        fs::write(&path, text).expect("writing a file");
        let (sender, batches) = flume::bounded(1000);
        let options = [("path", path.to_str().expect("a path")), ("mode", mode)];
        let source = start(&table("file", &options, Some(encode)), RelationId(1), sender).expect("a source");
        Running { path, source, batches, ids: Vec::new(), bad: Vec::new(), unknown: 0, _folder: folder }
    }

    fn append(&self, text: &str) {
        let mut file = OpenOptions::new().append(true).open(&self.path).expect("opening a file");
        file.write_all(text.as_bytes()).expect("appending");
    }

    /// Waits for a flush, then returns all ids and bad rows (`line code`) so far.
    fn flushed(&mut self) -> (&[i64], &[String]) {
        self.source.flush().recv_timeout(PATIENCE).expect("a flush");
        for batch in self.batches.try_iter() {
            assert!(batch.rows.num_rows() + batch.bad.len() <= driver::BATCH_ROWS_MAX);
            self.ids.extend(batch.rows.column(0).as_primitive::<Int64Type>().values());
            self.unknown += batch.unknown.rows;
            self.bad.extend(batch.bad.iter().map(|bad| {
                let line = bad.position.rsplit(':').next().unwrap_or_default();
                format!("{line} {}", bad.code)
            }));
        }
        (&self.ids, &self.bad)
    }
}

#[test]
fn a_flush_covers_all_that_was_there_when_it_was_asked_for() {
    let mut running = Running::start("", "follow", Encode::Json);
    for id in 0..20 {
        running.append(&format!("{{\"id\":{id}}}\n"));
        let expected: Vec<i64> = (0..=id).collect();
        assert_eq!(running.flushed().0, expected);
    }
    running.source.stop();
}

#[test]
fn a_line_written_in_pieces_is_one_row() {
    let mut running = Running::start("{\"id\"", "follow", Encode::Json);
    assert!(running.flushed().0.is_empty());
    running.append(":1,\"note\":\"a");
    assert!(running.flushed().0.is_empty());
    running.append("b\"}\n{\"id\":2}\n{\"id\":3}");
    assert_eq!(running.flushed().0, [1, 2]);
    running.append("\n");
    assert_eq!(running.flushed(), ([1, 2, 3].as_slice(), NONE));
}

#[test]
fn once_takes_the_last_line_without_its_end_and_finishes() {
    let mut running = Running::start("{\"id\":1}\n{\"id\":2}", "once", Encode::Json);
    assert_eq!(running.flushed().0, [1, 2]);
    let stats = running.source.stats();
    assert!(stats.finished);
    assert_eq!((stats.rows, stats.bad, stats.bytes, stats.lag_bytes), (2, 0, 17, Some(0)));
    assert_eq!(stats.position, format!("{}@17", running.path.display()));
    running.source.flush().recv_timeout(PATIENCE).expect("a flush of a finished source");
}

#[test]
fn bad_lines_and_long_lines_do_not_stop_a_file() {
    let ten_megabytes = format!("{{\"id\":2,\"note\":\"{}\"}}\n", "n".repeat(10 << 20));
    let too_long = format!("{{\"id\":3,\"note\":\"{}\"}}\n", "n".repeat(split::RECORD_BYTES_MAX));
    let text =
        format!("{{\"id\":1,\"extra\":0}}\n{ten_megabytes}{too_long}{{\"id\":\"x\"}}\n\n{{\"id\":4\n{{\"id\":5}}\n");
    let mut running = Running::start(&text, "once", Encode::Json);
    let (ids, bad) = running.flushed();
    assert_eq!(ids, [1, 2, 5]);
    assert_eq!(bad, ["3 54000", "4 22P02", "6 22P02"]);
    let stats = running.source.stats();
    assert_eq!((stats.rows, stats.bad, running.unknown), (3, 3, 1));
}

#[test]
fn a_rotated_file_loses_no_line() {
    let mut running = Running::start("{\"id\":1}\n", "follow", Encode::Json);
    assert_eq!(running.flushed().0, [1]);
    running.append("{\"id\":2}");
    fs::rename(&running.path, running.path.with_extension("old")).expect("renaming");
    fs::write(&running.path, "{\"id\":3}\n").expect("writing a file");
    assert_eq!(running.flushed().0, [1, 2, 3]);
    fs::write(&running.path, "").expect("truncating");
    assert_eq!(running.flushed().0, [1, 2, 3]);
    running.append("{\"id\":4}\n");
    assert_eq!(running.flushed(), ([1, 2, 3, 4].as_slice(), NONE));
}

#[test]
fn csv_records_span_lines_and_each_file_has_its_header() {
    let mut running = Running::start("note,id\n\"two\nlines\",1\n", "follow", Encode::Csv);
    assert_eq!(running.flushed().0, [1]);
    fs::rename(&running.path, running.path.with_extension("old")).expect("renaming");
    fs::write(&running.path, "id,note\n2,x\nthree,y\n3,\"open\n").expect("writing a file");
    assert_eq!(running.flushed(), ([1, 2].as_slice(), ["3 22P02".to_string()].as_slice()));
    fs::remove_file(&running.path).expect("removing");
    assert_eq!(running.flushed().1, ["3 22P02", "4 22P04"]);
}

#[test]
fn batches_are_bounded_and_a_slow_reader_holds_the_source_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("orders.in");
    let rows = 10 * driver::BATCH_ROWS_MAX as i64;
    let text: String = (0..rows).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    fs::write(&path, text).expect("writing a file");
    let (sender, batches) = flume::bounded(1);
    let def = table("file", &[("path", path.to_str().expect("a path"))], Some(Encode::Json));
    let source = start(&def, RelationId(1), sender).expect("a source");
    std::thread::sleep(Duration::from_millis(300));
    assert!(source.stats().rows <= 2 * driver::BATCH_ROWS_MAX as u64, "{:?}", source.stats());
    let mut next = 0;
    while next < rows {
        let batch = batches.recv_timeout(PATIENCE).expect("a batch");
        for id in batch.rows.column(0).as_primitive::<Int64Type>().values() {
            assert_eq!(*id, next);
            next += 1;
        }
    }
}

#[test]
fn a_blocked_source_can_be_stopped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("orders.in");
    fs::write(&path, "{\"id\":1}\n".repeat(3 * driver::BATCH_ROWS_MAX)).expect("writing a file");
    let (sender, batches) = flume::bounded(1);
    let def = table("file", &[("path", path.to_str().expect("a path"))], Some(Encode::Json));
    let source = start(&def, RelationId(1), sender).expect("a source");
    let flush = source.flush();
    source.stop();
    assert!(flush.recv_timeout(PATIENCE).is_err(), "a stopped source can't have flushed");
    drop(batches);
}

#[test]
fn an_unpaced_simulator_sends_its_stream_and_finishes() {
    let (sender, batches) = flume::unbounded();
    let options = [("stream", "raw_web_orders"), ("orders", "500"), ("pace", "none"), ("web_percent", "100")];
    let mut def = table("simulator", &options, None);
    def.schema = Arc::new(Schema::new(vec![
        Field::new("order_id", DataType::Int64, false),
        Field::new("region", DataType::Utf8View, true),
    ]));
    let source = start(&def, RelationId(1), sender).expect("a source");
    source.flush().recv_timeout(PATIENCE).expect("a flush");
    assert!(source.stats().finished);
    let mut ids: Vec<i64> = Vec::new();
    for batch in batches.try_iter() {
        ids.extend(batch.rows.column(0).as_primitive::<Int64Type>().values());
    }
    assert_eq!(ids.len() as u64, source.stats().rows);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids, (1..=500).collect::<Vec<i64>>());
}

#[test]
fn refused_connector_clauses_say_what_there_is() {
    let refused = |connector: &str, options: &[(&str, &str)], encode| {
        validate(&table(connector, options, encode)).expect_err("a refusal").to_string()
    };
    let json = Some(Encode::Json);
    let cases = [
        refused("kafka", &[], json),
        refused("file", &[("path", "x")], None),
        refused("file", &[], json),
        refused("file", &[("path", "x"), ("header", "true")], json),
        refused("file", &[("path", "x"), ("mode", "tail")], json),
        refused("file", &[("path", "[")], json),
        refused("file", &[("path", "x"), ("delimiter", "||")], Some(Encode::Csv)),
        refused("simulator", &[], json),
        refused("simulator", &[("stream", "clicks")], None),
        refused("simulator", &[("stream", "stock"), ("seed", "abc")], None),
        refused("simulator", &[("stream", "stock"), ("rate", "0")], None),
        refused("simulator", &[("stream", "stock"), ("pace", "none")], None),
        refused("simulator", &[("stream", "fx_rates")], None),
    ];
    expect_test::expect![[r#"
        connector "kafka" of table "orders" does not exist
        HINT: available connectors: file, simulator

        connector "file" of table "orders" needs a format
        HINT: add FORMAT PLAIN ENCODE JSON or FORMAT PLAIN ENCODE CSV

        connector "file" of table "orders" needs the option "path"
        HINT: path = 'orders.ndjson', a folder, or a glob such as 'in/*.csv'

        connector "file" of table "orders" has no option "header"
        HINT: available options: path, mode

        connector "file" of table "orders" can't use "tail" as "mode": expected 'once' or 'follow'

        connector "file" of table "orders" can't use "[" as "path": Pattern syntax error near position 0: invalid range pattern

        connector "file" of table "orders" can't use "||" as "delimiter": expected one ASCII character, or '\t'

        connector "simulator" of table "orders" delivers typed rows and takes no format
        HINT: leave FORMAT … ENCODE … out

        connector "simulator" of table "orders" can't use "clicks" as "stream": no such stream
        HINT: available streams: raw_web_orders, raw_web_items, raw_web_payments, raw_web_refunds, raw_web_shipments, raw_shopify_orders, raw_shopify_transactions, raw_stripe_events, raw_adyen_notifications, raw_tmall_trades, raw_tmall_refunds, raw_douyin_orders, raw_douyin_refunds, raw_pos_lines, products, stock, campaigns, touchpoints, ad_spend, fx_rates, settlements, sales, earlier_sales

        connector "simulator" of table "orders" can't use "abc" as "seed": expected a whole number

        connector "simulator" of table "orders" can't use "0" as "rate": expected orders per second, up to 1000000

        connector "simulator" of table "orders" with pace = 'none' needs a number of orders
        HINT: orders = '10000'

        the simulator's stream "fx_rates" has no column "id"
        HINT: its columns: currency TEXT, day DATE, version INT, rate DECIMAL(18,8)"#]].assert_eq(&cases.join("\n\n"));
}

#[test]
fn a_missing_file_is_refused_at_the_start_not_by_validation() {
    let def = table("file", &[("path", "no/such.ndjson")], Some(Encode::Json));
    validate(&def).expect("no look at the outside world");
    let (sender, _batches) = flume::bounded(1);
    let error = start(&def, RelationId(1), sender).err().expect("no file");
    assert_eq!(error.code, "58030");
    assert!(error.message.starts_with("could not open \"no/such.ndjson\" for table \"orders\": "), "{error}");
}
