//! Golden plans: which implementation is chosen for what. `UPDATE_EXPECT=1 cargo test plans` writes them anew; read the difference.

use std::path::PathBuf;

use expect_test::{ExpectFile, expect_file};
use trueup::app::sql_files;
use trueup::engine::{Script, explain};

fn check(view: &str, scripts: &[Script], expected: ExpectFile) {
    let plan = explain(scripts, view).unwrap_or_else(|findings| panic!("{findings:?}"));
    expected.assert_eq(&plan.unwrap_or_else(|error| panic!("{view}: {error}")));
}

fn flashsale_v0() -> Vec<Script> {
    sql_files(&[PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/flashsale-v0"))])
        .expect("the example is there")
}

/// A view over the example's tables.
fn check_query(query: &str, expected: ExpectFile) {
    let mut scripts = flashsale_v0();
    let text = format!("CREATE MATERIALIZED VIEW asked AS {query}");
    scripts.push(Script { path: PathBuf::from("asked.sql"), text });
    check("asked", &scripts, expected);
}

#[test]
fn the_order_state_is_one_co_group() {
    check("order_state", &flashsale_v0(), expect_file!["plans/order_state.txt"]);
}

#[test]
fn aggregates_are_kept_by_algebra() {
    check("sales_by_product_minute", &flashsale_v0(), expect_file!["plans/sales_by_product_minute.txt"]);
}

#[test]
fn the_first_rows_of_a_group_are_read_from_its_front() {
    let query = "SELECT order_id, channel, amount FROM (SELECT order_id, channel, amount, row_number() OVER \
                 (PARTITION BY channel ORDER BY amount DESC) AS place FROM orders) AS ranked WHERE place <= 10";
    check_query(query, expect_file!["plans/top_per_group.txt"]);
    check_query("SELECT order_id, amount FROM orders ORDER BY amount DESC LIMIT 10", expect_file!["plans/top.txt"]);
}

#[test]
fn what_has_no_algebra_recomputes_its_group() {
    let query = "SELECT channel, string_agg(status, ',' ORDER BY order_id) AS statuses FROM orders GROUP BY channel";
    check_query(query, expect_file!["plans/recompute.txt"]);
}

#[test]
fn now_bounds_when_a_row_is_there() {
    let query = "SELECT channel, count(*) AS orders FROM orders WHERE placed_at > now() - INTERVAL '5 minutes' GROUP BY channel";
    check_query(query, expect_file!["plans/temporal.txt"]);
}

#[test]
fn subqueries_become_joins() {
    let query = "SELECT order_id FROM orders o WHERE NOT EXISTS (SELECT 1 FROM payments p WHERE p.order_id = o.order_id) \
                 AND channel IN (SELECT channel FROM orders WHERE amount > 100)";
    check_query(query, expect_file!["plans/subqueries.txt"]);
}

/// Orders of many channels are unique by their id, and so the state of an order is one look-up in each of its six inputs.
#[test]
fn the_shipped_order_state_is_one_co_group_by_order_id() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/dataflows"));
    let scripts = sql_files(&[folder]).expect("the shipped dataflows are there");
    let plan = explain(&scripts, "order_state").expect("it is planned").expect("the view is there");
    assert!(plan.starts_with("View order_state (#0 |"), "{plan}");
    assert_eq!(plan.matches("CoGroup ").count(), 1, "{plan}");
    let co_group = plan.lines().find(|line| line.contains("CoGroup ")).expect("counted above");
    assert_eq!(co_group.matches(" = ").count(), 5, "{co_group}");
    assert_eq!(plan.matches("Join Left").count(), 0, "{plan}");
}

/// What joins a window with other relations by its group reads it as it is served: there is no second arrangement of its rows, though
/// nothing says that the group's columns are never NULL.
#[test]
fn a_window_is_served_by_its_group_and_joined_as_it_is() {
    let mut scripts = flashsale_v0();
    let text = "CREATE MATERIALIZED VIEW attempts AS SELECT order_id, amount, count(*) OVER (PARTITION BY order_id) AS payments FROM payments;
        CREATE MATERIALIZED VIEW asked AS SELECT a.amount, a.payments, o.channel
        FROM attempts a JOIN (SELECT max(order_id) AS order_id, channel FROM orders GROUP BY channel) o ON o.order_id = a.order_id";
    scripts.push(Script { path: PathBuf::from("asked.sql"), text: text.to_string() });
    check("attempts", &scripts, expect_file!["plans/window.txt"]);
    check("asked", &scripts, expect_file!["plans/window_joined.txt"]);
}
