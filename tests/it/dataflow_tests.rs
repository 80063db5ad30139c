//! `trueup test`: that good cases pass, bad ones fail with a diff, and what cannot be read is named with its place.

use std::path::Path;

use expect_test::{Expect, expect};

use super::cli::{text, trueup};

const SQL: &str = "
CREATE TABLE orders (
    order_id TEXT PRIMARY KEY, version INT NOT NULL, amount DECIMAL(18, 2) NOT NULL, placed_at TIMESTAMPTZ
) WITH VERSION COLUMN (version)
  WITH (connector = 'file', path = 'orders.ndjson', history = 'order_history') FORMAT PLAIN ENCODE JSON;
CREATE MATERIALIZED VIEW late AS SELECT order_id, version FROM order_history WHERE trueup_outcome = 'stale';
CREATE TABLE prices (sku TEXT PRIMARY KEY, price DECIMAL(18, 2));
CREATE TABLE first_prices (sku TEXT PRIMARY KEY, price DECIMAL(18, 2)) ON CONFLICT DO NOTHING;
CREATE TABLE payments (order_id TEXT, amount DECIMAL(18, 2), rate DOUBLE PRECISION);
CREATE VIEW large AS SELECT order_id, amount FROM orders WHERE amount >= 100;
CREATE MATERIALIZED VIEW paid AS
    SELECT o.order_id, o.amount, COALESCE(SUM(p.amount), 0) AS paid, AVG(p.rate) AS rate
    FROM orders AS o LEFT JOIN payments AS p ON p.order_id = o.order_id
    GROUP BY o.order_id, o.amount;
CREATE MATERIALIZED VIEW large_total AS SELECT COUNT(*) AS orders, SUM(amount) AS amount FROM large;
CREATE MATERIALIZED VIEW recent AS SELECT order_id FROM orders WHERE placed_at > now() - INTERVAL '1 minute';
";

/// Writes the SQL and a test file, and runs `trueup test` there: exit code and standard output and error together.
fn run(tests: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run_in(folder.path(), tests, arguments)
}

fn run_in(folder: &Path, tests: &str, arguments: &[&str]) -> (Option<i32>, String) {
    std::fs::write(folder.join("shop.sql"), SQL).expect("writing a file");
    std::fs::write(folder.join("shop.test.sql"), tests).expect("writing a file");
    let output = trueup(arguments, folder);
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

fn check(tests: &str, code: i32, expected: &Expect) {
    let (found, output) = run(tests, &["test", ".", "--seed", "7"]);
    expected.assert_eq(&output);
    assert_eq!(found, Some(code));
}

#[test]
fn what_the_format_offers_works_together() {
    check(
        r#"-- The first words begin every case.
NOW '2026-11-11 00:00:00+08'
GIVEN prices
{"sku": "a", "price": 1}

-- test: a late order, a correction, a delete
GIVEN payments
{"order_id": "o1", "amount": "40.004", "rate": 0.1}
{"order_id": "o1", "amount": 2, "rate": 0.2}
EXPECT EMPTY paid -- not yet
TICK
GIVEN orders
{"order_id": "o1", "version": 1,
 "amount": 50}
EXPECT paid
{"order_id": "o1", "amount": "50.00", "paid": 42, "rate": 0.15}
GIVEN orders
{"order_id": "o1", "version": 2, "amount": 55}
{"order_id": "o2", "version": 3, "__op": "delete"}
{"order_id": "o2", "version": 2, "amount": 1}
EXPECT paid (order_id, amount)
{"order_id": "o1", "amount": 55}

-- test: rows of a view
GIVEN large
{"order_id": "o1", "amount": 5}
{"order_id": "o1", "amount": 5}
{"amount": null}
EXPECT large_total
{"orders": 3, "amount": 10}
EXPECT SELECT order_id, count(*) AS n
FROM large
GROUP BY order_id ORDER BY n DESC;
{"order_id": "o1", "n": 2}
{"order_id": null, "n": 1}

-- test: a history tells what came, as it came
GIVEN orders
{"order_id": "o1", "version": 3, "amount": 1}
{"order_id": "o1", "version": 1, "amount": 2}
{"order_id": "o1", "version": 1, "amount": 2}
{"order_id": "o1", "version": 4, "amount": 3}
EXPECT late
{"order_id": "o1", "version": 1}
{"order_id": "o1", "version": 1}
EXPECT SELECT trueup_outcome, version, amount FROM order_history ORDER BY trueup_arrival;
{"trueup_outcome": "inserted", "version": 3, "amount": 1}
{"trueup_outcome": "stale", "version": 1, "amount": 2}
{"trueup_outcome": "stale", "version": 1, "amount": 2}
{"trueup_outcome": "corrected", "version": 4, "amount": 3}

-- test: the order of unversioned tables means something
GIVEN prices
{"sku": "b", "price": 2}
{"sku": "a", "price": 3}
{"sku": "b", "price": 4}
GIVEN first_prices
{"sku": "b", "price": 2}
{"sku": "b", "price": 4}
EXPECT prices
{"sku": "a", "price": "3"}
{"sku": "b", "price": 4.00}
EXPECT first_prices
{"sku": "b", "price": 2}

-- test: the clock
GIVEN orders
{"order_id": "old", "version": 1, "amount": 1, "placed_at": "2026-11-10 15:59:00Z"}
{"order_id": "new", "version": 1, "amount": 1, "placed_at": "2026-11-10 15:59:00.001Z"}
EXPECT recent
{"order_id": "new"}
EXPECT SELECT now() AS now;
{"now": "2026-11-10T16:00:00Z"}
NOW '2026-11-10 16:01:00Z'
EXPECT EMPTY recent

-- test: statements stand where they stand
GIVEN orders
{"order_id": "o1", "version": 1, "amount": 10}
UPDATE orders SET amount = amount + 1
WHERE order_id = 'o1';
INSERT INTO payments (order_id, amount) VALUES ('o1', 3);
GIVEN payments
{"order_id": "o1", "amount": 4}
EXPECT paid (order_id, amount, paid)
{"order_id": "o1", "amount": 11, "paid": 7}

-- test: rows as received
GIVEN orders AS RECEIVED
{"order_id": "o1", "version": 1, "amount": "ten", "device": "phone"}
EXPECT EMPTY orders
EXPECT SELECT relation, code FROM trueup.errors;
{"relation": "orders", "code": "22P02"}
"#,
        0,
        &expect![[r#"
            ok     ./shop.test.sql:6: a late order, a correction, a delete
            ok     ./shop.test.sql:24: rows of a view
            ok     ./shop.test.sql:37: a history tells what came, as it came
            ok     ./shop.test.sql:52: the order of unversioned tables means something
            ok     ./shop.test.sql:66: the clock
            ok     ./shop.test.sql:77: statements stand where they stand
            ok     ./shop.test.sql:88: rows as received
            seed 7, 4 rounds
            7 passed, 0 failed
        "#]],
    );
}

#[test]
fn a_failing_case_shows_what_is_missing_and_what_is_too_much() {
    check(
        r#"-- test: wrong in three ways
GIVEN orders
{"order_id": "o1", "version": 1, "amount": 50}
{"order_id": "o2", "version": 1, "amount": 60}
{"order_id": "o3", "version": 1, "amount": 70}
EXPECT paid (order_id, amount, paid)
{"order_id": "o1", "amount": 50, "paid": 0}
{"order_id": "o2", "amount": 60, "paid": 1}
{"order_id": "o9", "amount": 1, "paid": 1}

-- test: one row too few, as a multiset
GIVEN payments
{"order_id": "o1"}
{"order_id": "o1"}
EXPECT payments (order_id)
{"order_id": "o1"}

-- test: right rows, wrong order
GIVEN payments
{"order_id": "o1", "rate": 1.5}
{"order_id": "o2"}
EXPECT SELECT order_id, rate FROM payments ORDER BY order_id;
{"order_id": "o2"}
{"order_id": "o1", "rate": 1.5}

-- test: the last word counts, and the errors are shown
GIVEN orders AS RECEIVED
{"order_id": "o1"}
EXPECT orders (order_id)
{"order_id": "o1"}

-- test: not the same float
GIVEN payments
{"rate": 0.1}
EXPECT payments (rate)
{"rate": 0.1000001}
"#,
        1,
        &expect![[r#"
            FAILED ./shop.test.sql:1: wrong in three ways
              straight, 1 worker: line 6: EXPECT paid: 2 missing, 2 unexpected
                missing     {"order_id": "o2", "amount": "60.00", "paid": "1.00"}  (line 8)
                unexpected  {"order_id": "o2", "amount": "60.00", "paid": "0.00"}
                            paid "0.00" instead of "1.00"
                missing     {"order_id": "o9", "amount": "1.00", "paid": "1.00"}  (line 9)
                unexpected  {"order_id": "o3", "amount": "70.00", "paid": "0.00"}
            FAILED ./shop.test.sql:11: one row too few, as a multiset
              straight, 1 worker: line 15: EXPECT payments: 0 missing, 1 unexpected
                unexpected  {"order_id": "o1"}
            FAILED ./shop.test.sql:18: right rows, wrong order
              straight, 1 worker: line 22: EXPECT SELECT order_id, rate FROM payments ORDER BY order_id: the rows are there, but in another order
                found       {"order_id": "o1", "rate": 1.5}
                found       {"order_id": "o2", "rate": null}
            FAILED ./shop.test.sql:26: the last word counts, and the errors are shown
              straight, 1 worker: line 29: EXPECT orders: 1 missing, 0 unexpected
                missing     {"order_id": "o1"}  (line 30)
                trueup.errors: orders: null value in column "version" of relation "orders" violates not-null constraint
            FAILED ./shop.test.sql:32: not the same float
              straight, 1 worker: line 35: EXPECT payments: 1 missing, 1 unexpected
                missing     {"rate": 0.1000001}  (line 36)
                unexpected  {"rate": 0.1}
            seed 7, 4 rounds
            0 passed, 5 failed
        "#]],
    );
}

#[test]
fn a_case_that_only_holds_as_written_fails_when_dealt() {
    // The rows that came in are more where some come twice: straight this holds.
    let tests = r#"-- test: counts what comes
GIVEN orders
{"order_id": "o1", "version": 1, "amount": 50}
{"order_id": "o2", "version": 1, "amount": 60}
{"order_id": "o3", "version": 1, "amount": 70}
EXPECT SELECT rows FROM trueup.ticks;
{"rows": 3}
"#;
    let (code, output) = run(tests, &["test", ".", "--seed", "7", "--rounds", "20"]);
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains(" of seed 7, ") && output.contains("  input orders line "), "{output}");
    assert_eq!(run(tests, &["test", ".", "--seed", "7", "--rounds", "20"]).1, output, "a seed repeats a run");
    let (code, output) = run(tests, &["test", ".", "--rounds", "0"]);
    assert_eq!((code, output.lines().last()), (Some(0), Some("1 passed, 0 failed")));
}

#[test]
fn every_mistake_in_a_test_file_is_named_with_its_place() {
    let case = "-- test: a\nGIVEN payments\n{\"order_id\": \"o1\"}\n";
    let of = |text: &str| format!("{case}{text}\n");
    let texts = [
        "GIVEN payments\n{\"order_id\": \"o1\"}\n".to_string(),
        "-- test:\n".to_string(),
        "TICK\n-- test: a\n".to_string(),
        "-- test: a\nEXPECT EMPTY paid\n-- test: a\nEXPECT EMPTY paid\n".to_string(),
        of(""),
        of("-- test: b\nEXPECT EMPTY paid"),
        of("EXPECT"),
        of("EXPECT paid"),
        of("EXPECT payd\n{\"order_id\": \"o1\"}"),
        of("EXPECT paid (order_id; amount)\n{}"),
        of("EXPECT paid (order_id, amont)\n{}"),
        of("EXPECT paid (order_id)\n  {\"order_id\": 1,\n \"amount\": 2}"),
        of("EXPECT EMPTY paid\n{}"),
        of("EXPECT EMPTY paid now"),
        of("EXPECT SELECT 1 AS a\n-- test: b"),
        of("EXPECT SELECT order_id,\n  amont FROM paid;\n{}"),
        of("EXPECT SELECT FROM WHERE;\n{}"),
        of("{\"order_id\": \"o1\"}\n{\"order_id\": \"o1\",,}"),
        of("{\"order_id\": \"o1\"} {}"),
        of("{\"order_id\": \"o1\", \"amount\": \"ten\"}\nEXPECT EMPTY paid"),
        of("GIVEN orders\n{\"order_id\": \"o1\"}\nEXPECT EMPTY paid"),
        of("GIVEN orders AS SENT\n{\"order_id\": \"o1\"}"),
        of("GIVEN orders\nEXPECT EMPTY paid"),
        of("GIVEN \"orders\n"),
        of("GIVEN order_history\n{\"order_id\": \"o1\"}\nEXPECT EMPTY paid"),
        of("NOW 2026-11-11"),
        of("NOW 'soon'\nEXPECT EMPTY paid"),
        of("TICK\nNOW '2026-01-01 00:00:00Z'\nEXPECT EMPTY paid"),
        of("UPDATE payments SET amount = 'x' WHERE;\nEXPECT EMPTY paid"),
        of("DELETE FROM paid;\nEXPECT EMPTY paid"),
        of("SELECT 1;"),
        of("EXPECT EMPTY paid\n{]"),
    ];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut all = String::new();
    for tests in &texts {
        let (code, output) = run_in(folder.path(), tests, &["test", "."]);
        assert_eq!(code, Some(1), "{tests}\n{output}");
        let lines: Vec<&str> = output.lines().skip(1).filter(|l| !l.starts_with("  | ")).collect();
        all += &format!("{}\n", lines.join("\n"));
    }
    expect![[r#"
        ./shop.test.sql:1:1: no test in this file
          hint: begin a case with "-- test: name"
        ./shop.test.sql:1:1: a test needs a name
          hint: -- test: what is shown
        ./shop.test.sql:1:1: before the first test only GIVEN and NOW can stand
          hint: begin a case with "-- test: name"
        ./shop.test.sql:3:1: a second test is named "a"
        ./shop.test.sql:1:1: test "a" does not end with EXPECT
        ./shop.test.sql:1:1: test "a" does not end with EXPECT
        ./shop.test.sql:4:7: expected a name
        ./shop.test.sql:4:1: EXPECT without rows
          hint: write EXPECT EMPTY if there must be none
        ./shop.test.sql:4:8: relation "payd" does not exist
        ./shop.test.sql:4:22: expected , or ) in the list of columns
        ./shop.test.sql:4:24: column "amont" of relation "paid" does not exist
          hint: there are: order_id, amount, paid, rate
        ./shop.test.sql:6:2: column "amount" does not exist
          hint: there are: order_id
        ./shop.test.sql:5:1: EXPECT EMPTY wants no rows
        ./shop.test.sql:4:19: syntax error at or near "now"
        ./shop.test.sql:4:8: a statement ends with a semicolon at the end of a line
        ./shop.test.sql:5:3: column "amont" does not exist
          hint: did you mean paid.amount?
        ./shop.test.sql:4:20: relation "where" does not exist
        ./shop.test.sql:5:19: invalid JSON: key must be a string
        ./shop.test.sql:4:20: syntax error at or near "{}"
        ./shop.test.sql:4:20: column "amount": invalid input syntax for type numeric: "ten"
        ./shop.test.sql:5:1: null value in column "version" of relation "orders" violates not-null constraint
        ./shop.test.sql:4:17: expected RECEIVED after AS
        ./shop.test.sql:4:1: GIVEN "orders" without rows
        ./shop.test.sql:4:7: unterminated quoted identifier
        ./shop.test.sql:4:7: "order_history" is a history
          hint: give the rows to the table it is of
        ./shop.test.sql:4:5: expected a quoted time
          hint: NOW '2026-11-11 00:00:00+00'
        ./shop.test.sql:4:6: expected a time such as 2026-11-11 00:00:00+00
        ./shop.test.sql:5:6: the clock does not go back
        ./shop.test.sql:4:39: syntax error at end of input
          detail: expected an expression
        ./shop.test.sql:4:1: "paid" is a materialized view, not a table
          hint: write to the tables it is made of
        ./shop.test.sql:4:1: syntax error at or near "SELECT"
          hint: expected GIVEN, TICK, NOW, EXPECT, INSERT, UPDATE, DELETE, a row, a comment or "-- test: name"
        ./shop.test.sql:5:2: invalid JSON: key must be a string
    "#]]
    .assert_eq(&all);
}

#[test]
fn check_reads_the_tests_too_and_run_refuses_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let good = "-- test: a\nEXPECT EMPTY paid\n";
    let (code, output) = run_in(folder.path(), good, &["check", "."]);
    assert_eq!((code, output.as_str()), (Some(0), "9 objects in 1 files are fine, 1 tests\n"));
    let (code, output) = run_in(folder.path(), "-- test: a\nEXPECT EMPTY payd\n", &["check", "."]);
    assert_eq!(code, Some(1));
    assert!(output.contains("./shop.test.sql:2:14: relation \"payd\" does not exist"), "{output}");
    let (code, output) = run_in(folder.path(), good, &["run", "shop.test.sql"]);
    assert_eq!((code, output.contains("run it with \"trueup test\"")), (Some(1), true), "{output}");
}

#[test]
fn a_single_file_runs_on_the_folders_above_it_and_only_picks_cases() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let below = folder.path().join("channels");
    std::fs::create_dir(&below).expect("making a folder");
    let view = "CREATE VIEW small AS SELECT * FROM orders WHERE amount < 10;";
    std::fs::write(below.join("small.sql"), view).expect("writing a file");
    let tests = "-- test: none\nEXPECT EMPTY small\n-- test: no other\nEXPECT EMPTY paid\n";
    std::fs::write(below.join("small.test.sql"), tests).expect("writing a file");
    let elsewhere = "-- test: none\nEXPECT EMPTY paid\n";
    for (arguments, passed) in [
        (&["test", "channels/small.test.sql"][..], 2),
        (&["test", "."], 3),
        (&["test", ".", "--only", "no other"], 1),
        (&["test", ".", "--only", "small.test"], 2),
        (&["test", ".", "--only", "nothing like it"], 0),
    ] {
        let (code, output) = run_in(folder.path(), elsewhere, arguments);
        let summary = format!("{passed} passed, 0 failed");
        assert_eq!((code, output.lines().last()), (Some(0), Some(summary.as_str())), "{arguments:?}: {output}");
    }
}
