//! The minimal flash sale of `examples/flashsale-v0` against the simulator's own truth: batch answers by DataFusion over what the
//! `simulator` connector delivers.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, Int32Type, Int64Type, Schema, TimeUnit};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use trueup::ingest;
use trueup::ingest::simulator::{Stream, Truth, WorldConfig, truth};
use trueup::model::{ConnectorDef, OnConflict, Op, RelationId, TableDef};

const ORDERS: u64 = 2000;
const SEED: u64 = 5;

fn table(stream: Stream) -> TableDef {
    let money = DataType::Decimal128(18, 2);
    let time = DataType::Timestamp(TimeUnit::Nanosecond, Some("+00:00".into()));
    let columns = match stream {
        Stream::Orders => vec![
            ("order_id", DataType::Int64),
            ("version", DataType::Int32),
            ("buyer_id", DataType::Int64),
            ("product_id", DataType::Int32),
            ("channel", DataType::Utf8View),
            ("quantity", DataType::Int32),
            ("amount", money),
            ("status", DataType::Utf8View),
            ("placed_at", time),
        ],
        Stream::Payments | Stream::Refunds => vec![
            (if stream == Stream::Refunds { "refund_id" } else { "payment_id" }, DataType::Int64),
            ("version", DataType::Int32),
            ("order_id", DataType::Int64),
            ("amount", money),
            ("status", DataType::Utf8View),
        ],
    };
    let fields: Vec<Field> = columns.into_iter().map(|(name, data_type)| Field::new(name, data_type, false)).collect();
    let options = [("orders", ORDERS.to_string()), ("seed", SEED.to_string()), ("pace", "none".to_string())];
    TableDef {
        name: stream.name().to_string(),
        schema: Arc::new(Schema::new(fields)),
        primary_key: vec![0],
        version: Some(1),
        on_conflict: OnConflict::Overwrite,
        append_only: false,
        connector: Some(ConnectorDef {
            name: "simulator".to_string(),
            options: options.into_iter().map(|(key, value)| (key.to_string(), value)).collect(),
            encode: None,
        }),
    }
}

/// Registers what the connector delivers, with a flag for deletes, as `raw_…` and its newest rows under the stream's name.
async fn register(context: &SessionContext, stream: Stream) {
    let def = table(stream);
    let (sender, receiver) = flume::unbounded();
    let source = ingest::start(&def, RelationId(1), sender).expect("a source");
    source.flush().recv().expect("a flush");
    source.stop();
    let mut fields = def.schema.fields().to_vec();
    fields.push(Arc::new(Field::new("deleted", DataType::Boolean, false)));
    let schema = Arc::new(Schema::new(fields));
    let mut batches = Vec::new();
    for batch in receiver.iter() {
        let ops = batch.ops.unwrap_or_else(|| vec![Op::Upsert; batch.rows.num_rows()]);
        let deleted = BooleanArray::from(ops.into_iter().map(|op| op == Op::Delete).collect::<Vec<_>>());
        let mut columns = batch.rows.columns().to_vec();
        columns.push(Arc::new(deleted) as ArrayRef);
        batches.push(RecordBatch::try_new(schema.clone(), columns).expect("a batch"));
    }
    let name = stream.name();
    let raw = MemTable::try_new(schema, vec![batches]).expect("a table");
    context.register_table(format!("raw_{name}"), Arc::new(raw)).expect("registering");
    let newest = format!(
        "CREATE VIEW {name} AS SELECT * FROM (
             SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY version DESC) AS age FROM raw_{name}
         ) WHERE age = 1 AND NOT deleted",
        key = def.schema.field(0).name()
    );
    context.sql(&newest).await.expect("the newest rows");
}

async fn run_file(context: &SessionContext, text: &str) {
    for statement in text.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
        let statement = statement.replace("CREATE MATERIALIZED VIEW", "CREATE VIEW");
        context.sql(&statement).await.unwrap_or_else(|error| panic!("{error}\n{statement}"));
    }
}

async fn query(context: &SessionContext, sql: &str) -> RecordBatch {
    let frame = context.sql(sql).await.expect("a query");
    let batches = frame.collect().await.expect("rows");
    let schema = batches.first().expect("at least one batch").schema();
    datafusion::arrow::compute::concat_batches(&schema, &batches).expect("one batch")
}

async fn shipped() -> (SessionContext, Truth) {
    let context = SessionContext::new();
    for stream in Stream::ALL {
        register(&context, stream).await;
    }
    run_file(&context, include_str!("../../examples/flashsale-v0/order_state.sql")).await;
    run_file(&context, include_str!("../../examples/flashsale-v0/sales.sql")).await;
    (context, truth(&WorldConfig { seed: SEED, orders: ORDERS, ..WorldConfig::default() }))
}

/// Money of a column in hundredths.
fn minor(batch: &RecordBatch, name: &str) -> Vec<i64> {
    let column = batch.column_by_name(name).expect("a column");
    let column = datafusion::arrow::compute::cast(column, &DataType::Decimal128(38, 2)).expect("money");
    column.as_primitive::<Decimal128Type>().values().iter().map(|value| *value as i64).collect()
}

#[tokio::test]
async fn order_state_is_the_simulators_truth() {
    let (context, truth) = shipped().await;
    let rows = query(&context, "SELECT *, CAST(status AS VARCHAR) AS state FROM order_state ORDER BY order_id").await;
    let ids = rows.column_by_name("order_id").expect("a column").as_primitive::<Int64Type>();
    let versions = rows.column_by_name("version").expect("a column").as_primitive::<Int32Type>();
    let states = datafusion::arrow::compute::cast(rows.column_by_name("state").expect("a column"), &DataType::Utf8)
        .expect("text");
    let states = states.as_string::<i32>();
    let (amounts, paid) = (minor(&rows, "amount"), minor(&rows, "paid"));
    let (refunded, net) = (minor(&rows, "refunded"), minor(&rows, "net"));
    let expected: Vec<_> =
        truth.orders.iter().filter_map(|(id, order)| Some((id, order, order.order.as_ref()?))).collect();
    assert_eq!(rows.num_rows(), expected.len());
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for (row, (id, order, newest)) in expected.into_iter().enumerate() {
        let status = match (order.paid_minor, order.refunded_minor) {
            (paid, refunded) if newest.status == "cancelled" && paid == refunded => "cancelled",
            (paid, refunded) if refunded > 0 && refunded >= paid => "refunded",
            (_, refunded) if refunded > 0 => "partially_refunded",
            _ if newest.status == "cancelled" => "refund_due",
            (paid, _) if paid >= newest.amount_minor => "paid",
            (paid, _) if paid > 0 => "partially_paid",
            _ => "placed",
        };
        *seen.entry(status).or_default() += 1;
        assert_eq!(
            (ids.value(row), versions.value(row), amounts[row], paid[row], refunded[row], net[row], states.value(row)),
            (
                *id,
                newest.version,
                newest.amount_minor,
                order.paid_minor,
                order.refunded_minor,
                order.paid_minor - order.refunded_minor,
                status
            )
        );
    }
    assert!(seen.len() >= 6, "{seen:?}");
}

#[tokio::test]
async fn every_sales_view_adds_up_to_the_truth() {
    let (context, truth) = shipped().await;
    let kept = truth.orders.values().filter(|order| order.order.is_some());
    let (mut orders, mut ordered, mut paid, mut refunded) = (0, 0, 0, 0);
    for order in kept {
        orders += 1;
        ordered += order.order.as_ref().map_or(0, |newest| newest.amount_minor);
        paid += order.paid_minor;
        refunded += order.refunded_minor;
    }
    for view in ["sales_by_product_minute", "sales_by_channel_minute", "sales_by_status"] {
        let sums = format!(
            "SELECT CAST(SUM(orders) AS BIGINT) AS orders, SUM(ordered) AS ordered, SUM(paid) AS paid,
                    SUM(refunded) AS refunded, SUM(net) AS net, COUNT(*) AS groups FROM {view}"
        );
        let rows = query(&context, &sums).await;
        let count = |name: &str| rows.column_by_name(name).expect("a column").as_primitive::<Int64Type>().value(0);
        assert_eq!(count("orders"), orders, "{view}");
        assert!(count("groups") >= 6, "{view}");
        let money =
            [minor(&rows, "ordered"), minor(&rows, "paid"), minor(&rows, "refunded"), minor(&rows, "net")].concat();
        assert_eq!(money, [ordered, paid, refunded, paid - refunded], "{view}");
    }
}
