//! Data we did not make: the completejourney retailer's receipts, and TPC-DS' web sales and returns, through the shipped dataflows.
//!
//! completejourney is replayed by `tools/completejourney.py`, here for some of its households; where its packages can't be installed the
//! test says so and passes. TPC-DS rows come from the `tpcdsgen` crate; the batch answers they are held to are DataFusion's.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use tpcdsgen::config::{Session, Table};
use tpcdsgen::csv::{CsvRow, WebReturnsCsv, WebSalesCsv};
use tpcdsgen::row::{WebReturnsRowGenerator, WebSalesRowGenerator};
use trueup::ingest::InputFolder;

use super::harness::{lines, rows};
use super::world::settled;

/// What `tools/completejourney.py` exits with where packages can't be installed.
const CANNOT_INSTALL: i32 = 75;

#[test]
fn a_retailers_receipts_add_up() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("python3");
    command.arg(root.join("tools/completejourney.py")).args([
        "--households",
        "8",
        "--trueup",
        env!("CARGO_BIN_EXE_trueup"),
    ]);
    command.arg("--folder").arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("completejourney"));
    let output = match command.env_remove("TRUEUP_CONFIG").output() {
        Ok(output) if output.status.code() != Some(CANNOT_INSTALL) => output,
        _ => return eprintln!("skipped: no python3 here, or its packages can't be installed"),
    };
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{errors}");
    assert_eq!(said.matches("equal ").count(), 9, "{said}");
}

/// How many sales are read; their last order may be cut short and is left out.
const SALES: usize = 4000;

/// Rows of text by the names of their columns; empty: NULL.
struct Texts {
    names: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Texts {
    fn new(header: &'static str, rows: impl Iterator<Item = String>) -> Texts {
        let cut = |row: String| row.split(',').map(str::to_string).collect();
        Texts { names: header.split(',').collect(), rows: rows.map(cut).collect() }
    }

    fn get<'t>(&self, row: &'t [String], name: &str) -> Option<&'t str> {
        let at = self.names.iter().position(|known| *known == name).expect("a column of TPC-DS");
        Some(row[at].as_str()).filter(|text| !text.is_empty())
    }

    fn number(&self, row: &[String], name: &str) -> Option<i64> {
        self.get(row, name).map(|text| text.parse().expect("a whole number"))
    }

    /// Money in hundredths: TPC-DS writes two digits.
    fn minor(&self, row: &[String], name: &str) -> Option<i64> {
        self.get(row, name).map(|text| text.replace('.', "").parse().expect("money"))
    }

    /// A time from a Julian day and a second of it.
    fn time(&self, row: &[String], day: &str, second: &str) -> Option<String> {
        let days = self.number(row, day)? - 2_440_588;
        let at = chrono::DateTime::from_timestamp(days * 86_400 + self.number(row, second)?, 0).expect("a time");
        Some(at.to_rfc3339())
    }

    /// For DataFusion: numbers as they are, money as DECIMAL.
    fn batch(&self, numbers: &[&str], money: &[&str]) -> RecordBatch {
        let number = |name: &&str| {
            let column: Int64Array = self.rows.iter().map(|row| self.number(row, name)).collect();
            ((*name).to_string(), Arc::new(column) as ArrayRef, true)
        };
        let decimal = |name: &&str| {
            let column: Decimal128Array = self.rows.iter().map(|row| self.minor(row, name).map(i128::from)).collect();
            ((*name).to_string(), Arc::new(column.with_precision_and_scale(18, 2).expect("digits")) as ArrayRef, true)
        };
        let columns = numbers.iter().map(number).chain(money.iter().map(decimal));
        RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length")
    }
}

/// The sales of whole orders, and what came back of them.
fn tpcds() -> (Texts, Texts) {
    let session = Session::default();
    let count = session.get_scaling().get_row_count(Table::WebSales);
    let sales = WebSalesRowGenerator::new(session.clone(), count).take(SALES);
    let mut sales = Texts::new(WebSalesCsv::header(), sales.map(|row| WebSalesCsv::new(&row).to_string()));
    let last = sales.rows.last().and_then(|row| sales.number(row, "ws_order_number")).expect("order numbers");
    let names = Texts { names: sales.names.clone(), rows: vec![] };
    sales.rows.retain(|row| names.number(row, "ws_order_number") < Some(last));
    let returns = WebReturnsRowGenerator::new(session, count).map(|row| WebReturnsCsv::new(&row).to_string());
    let header = Texts::new(WebReturnsCsv::header(), std::iter::empty());
    let of = |row: &String| header.number(&row.split(',').map(str::to_string).collect::<Vec<_>>(), "wr_order_number");
    let returns = Texts::new(WebReturnsCsv::header(), returns.take_while(|row| of(row) < Some(last)));
    (sales, returns)
}

/// Writes sales and returns as our own channel tells them.
fn write(folder: &Path, sales: &Texts, returns: &Texts) {
    let mut orders: BTreeMap<i64, Vec<&Vec<String>>> = BTreeMap::new();
    for row in &sales.rows {
        orders.entry(sales.number(row, "ws_order_number").expect("an order")).or_default().push(row);
    }
    let (mut order_file, mut item_file, mut payment_file, mut refund_file) =
        (String::new(), String::new(), String::new(), String::new());
    let mut places = BTreeMap::new();
    for (order, rows) in &orders {
        let any = |name: &str| rows.iter().find_map(|row| sales.number(row, name));
        let placed = rows.iter().find_map(|row| sales.time(row, "ws_sold_date_sk", "ws_sold_time_sk"));
        let minor: i64 = rows.iter().filter_map(|row| sales.minor(row, "ws_net_paid")).sum();
        let amount = format!("{}.{:02}", minor / 100, minor % 100);
        let told = serde_json::json!({"order_id": order, "version": 1, "buyer_id": any("ws_bill_customer_sk"), "status": "placed",
            "currency": "USD", "amount": amount, "placed_at": placed});
        writeln!(order_file, "{told}").expect("text");
        let told = serde_json::json!({"payment_id": order, "version": 1, "order_id": order, "method": "card", "status": "captured",
            "currency": "USD", "amount": amount, "created_at": placed, "paid_at": placed});
        writeln!(payment_file, "{told}").expect("text");
        for (line, row) in rows.iter().enumerate() {
            let item = sales.number(row, "ws_item_sk").expect("an item");
            places.insert((*order, item), line + 1);
            let told = serde_json::json!({"order_id": order, "line": line + 1, "version": 1, "product_id": format!("I{item}"),
                "quantity": sales.number(row, "ws_quantity"), "unit_price": sales.get(row, "ws_sales_price"),
                "amount": sales.get(row, "ws_net_paid")});
            writeln!(item_file, "{told}").expect("text");
        }
    }
    for (index, row) in returns.rows.iter().enumerate() {
        let key = (
            returns.number(row, "wr_order_number").expect("an order"),
            returns.number(row, "wr_item_sk").expect("an item"),
        );
        let at = returns.time(row, "wr_returned_date_sk", "wr_returned_time_sk");
        let told = serde_json::json!({"refund_id": index, "version": 1, "order_id": key.0, "line": places.get(&key), "status": "succeeded",
            "currency": "USD", "amount": returns.get(row, "wr_return_amt"), "requested_at": at, "refunded_at": at});
        writeln!(refund_file, "{told}").expect("text");
    }
    let files = [("orders", order_file), ("items", item_file), ("payments", payment_file), ("refunds", refund_file)];
    for (name, text) in files {
        std::fs::write(folder.join(format!("raw_web_{name}.ndjson")), text).expect("writing a file");
    }
}

/// DataFusion's answers over the generator's rows, each beside the question our views are asked.
const QUESTIONS: [(&str, &str); 4] = [
    ("SELECT COUNT(*) FROM known_orders", "SELECT count(*) FROM orders"),
    (
        "SELECT COUNT(*), SUM(ws_quantity), SUM(ws_net_paid) FROM sales
         WHERE ws_quantity > 0 AND ws_net_paid IS NOT NULL AND ws_sales_price IS NOT NULL",
        "SELECT count(*), sum(quantity), sum(amount) FROM order_items",
    ),
    (
        "SELECT COUNT(*), SUM(wr_return_amt) FROM returns
         WHERE wr_return_amt IS NOT NULL AND wr_returned_date_sk IS NOT NULL AND wr_returned_time_sk IS NOT NULL",
        "SELECT count(*), sum(amount) FROM refunds",
    ),
    (
        "SELECT SUM(o.paid) - SUM(COALESCE(r.returned, 0)) FROM known_orders o LEFT JOIN (
             SELECT wr_order_number, SUM(wr_return_amt) AS returned FROM returns
             WHERE wr_returned_date_sk IS NOT NULL AND wr_returned_time_sk IS NOT NULL GROUP BY wr_order_number
         ) r ON r.wr_order_number = o.ws_order_number",
        "SELECT sum(net) FROM order_state",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn tpcds_sales_and_returns_add_up() {
    let (sales, returns) = tpcds();
    assert!(returns.rows.len() > 100, "{}", returns.rows.len());
    let context = SessionContext::new();
    let sold =
        ["ws_order_number", "ws_item_sk", "ws_quantity", "ws_bill_customer_sk", "ws_sold_date_sk", "ws_sold_time_sk"];
    let returned = ["wr_order_number", "wr_item_sk", "wr_returned_date_sk", "wr_returned_time_sk"];
    for (name, batch) in [
        ("sales", sales.batch(&sold, &["ws_sales_price", "ws_net_paid"])),
        ("returns", returns.batch(&returned, &["wr_return_amt"])),
    ] {
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).expect("a table");
        context.register_table(name, Arc::new(table)).expect("registering");
    }
    let known = "CREATE VIEW known_orders AS SELECT ws_order_number, SUM(ws_net_paid) AS paid FROM sales GROUP BY ws_order_number
        HAVING MAX(ws_bill_customer_sk) IS NOT NULL
           AND BOOL_OR(ws_sold_date_sk IS NOT NULL AND ws_sold_time_sk IS NOT NULL)";
    context.sql(known).await.expect("a view");

    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), &sales, &returns);
    let mut input = InputFolder::open(folder.path(), false).expect("the folder");
    let engine = settled(2, |table| input.feed(table)).await;
    for (theirs, ours) in QUESTIONS {
        let answer = context.sql(theirs).await.expect("a query").collect().await.expect("rows");
        let answer: Vec<String> = answer.iter().flat_map(lines).collect();
        assert_eq!(rows(&engine, ours).await, answer, "{ours}");
    }
    // Every line is a line of an order or in quarantine: none is lost.
    let kept =
        "SELECT (SELECT count(*) FROM order_items) + (SELECT count(*) FROM quarantine WHERE kind = 'order_item')";
    assert_eq!(rows(&engine, kept).await, [sales.rows.len().to_string()]);
    engine.stop().await;
}
