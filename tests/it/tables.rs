//! How rows of a table supersede each other, and where those go that cannot be used.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use trueup::model::{BadRow, InputBatch, Op};

use super::harness::{Change, apply, refused, rows, run, send, send_changes, start, versioned};

const ERRORS: &str = "SELECT relation, position, code, payload FROM trueup.errors";

#[tokio::test(flavor = "multi_thread")]
async fn arrival_order_decides_nothing_in_a_versioned_table() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let texts = ["a", "b", "c"];
    let mut history: Vec<Change> = vec![];
    for _ in 0..150 {
        let op = if random.random_bool(0.2) { Op::Delete } else { Op::Upsert };
        // Few versions: many conflicts, many deletes at the version of a row.
        history.push((random.random_range(0..12), random.random_range(0..6), texts[random.random_range(0..3)], op));
    }
    let mut expected: Option<(Vec<String>, Vec<String>)> = None;
    for round in 0..9 {
        let engine = versioned(round % 3 + 1).await;
        run(&engine, "CREATE MATERIALIZED VIEW by_text AS SELECT text, count(*) AS n FROM t GROUP BY text").await;
        let mut changes = history.clone();
        changes.extend(history.iter().filter(|_| random.random_bool(0.3)).copied().collect::<Vec<_>>());
        changes.shuffle(&mut random);
        while !changes.is_empty() {
            let len = random.random_range(1..=changes.len().min(60));
            let portion: Vec<Change> = changes.drain(..len).collect();
            send_changes(&engine, &portion);
            if random.random_bool(0.5) {
                engine.tick().await.expect("ticks");
            }
        }
        engine.tick().await.expect("ticks");
        let found = (rows(&engine, "SELECT * FROM t").await, rows(&engine, ERRORS).await);
        assert!(!found.1.is_empty(), "the history has conflicts");
        let expected = expected.get_or_insert_with(|| found.clone());
        assert_eq!(&found, expected, "round {round}");
        let by_text = rows(&engine, "SELECT text, count(*) AS n FROM t GROUP BY text").await;
        assert_eq!(rows(&engine, "SELECT * FROM by_text").await, by_text);
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_and_duplicate_versions_have_no_effect() {
    let engine = versioned(2).await;
    apply(&engine, &[(1, 3, "new", Op::Upsert)]).await;
    apply(&engine, &[(1, 2, "late", Op::Upsert), (1, 3, "new", Op::Upsert), (1, 1, "", Op::Delete)]).await;
    assert_eq!(rows(&engine, "SELECT * FROM t").await, ["1|3|new"]);
    assert_eq!(rows(&engine, ERRORS).await, [""; 0]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_are_listed_until_a_newer_version_comes() {
    let engine = versioned(2).await;
    apply(&engine, &[(1, 1, "a", Op::Upsert), (2, 1, "x", Op::Upsert)]).await;
    apply(&engine, &[(1, 1, "b", Op::Upsert)]).await;
    assert_eq!(rows(&engine, "SELECT * FROM t").await, ["1|1|b", "2|1|x"]);
    assert_eq!(rows(&engine, ERRORS).await, ["t|NULL|23505|(1, 1, a)"]);
    // A third content loses too; the one that is kept is not listed.
    apply(&engine, &[(1, 1, "ab", Op::Upsert), (1, 1, "b", Op::Upsert)]).await;
    assert_eq!(rows(&engine, ERRORS).await, ["t|NULL|23505|(1, 1, a)", "t|NULL|23505|(1, 1, ab)"]);
    apply(&engine, &[(1, 2, "c", Op::Upsert)]).await;
    assert_eq!(rows(&engine, "SELECT * FROM t").await, ["1|2|c", "2|1|x"]);
    assert_eq!(rows(&engine, ERRORS).await, [""; 0]);
    // A delete settles a conflict as well.
    apply(&engine, &[(2, 1, "y", Op::Upsert)]).await;
    assert_eq!(rows(&engine, ERRORS).await.len(), 1);
    apply(&engine, &[(2, 1, "", Op::Delete)]).await;
    assert_eq!(rows(&engine, ERRORS).await, [""; 0]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tombstones_keep_older_rows_away() {
    let engine = versioned(2).await;
    // The delete comes first, for a row never seen.
    apply(&engine, &[(1, 5, "", Op::Delete)]).await;
    apply(&engine, &[(1, 4, "old", Op::Upsert), (1, 5, "same", Op::Upsert)]).await;
    assert_eq!(rows(&engine, "SELECT * FROM t").await, [""; 0]);
    apply(&engine, &[(1, 6, "new", Op::Upsert)]).await;
    assert_eq!(rows(&engine, "SELECT * FROM t").await, ["1|6|new"]);
    // An older delete arriving late deletes nothing, and what it would have covered stays away.
    apply(&engine, &[(1, 5, "", Op::Delete)]).await;
    apply(&engine, &[(1, 5, "old", Op::Upsert)]).await;
    assert_eq!(rows(&engine, "SELECT * FROM t").await, ["1|6|new"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn update_and_delete_act_on_the_row_as_it_stands() {
    let engine = versioned(2).await;
    run(&engine, "INSERT INTO t VALUES (1, 5, 'a'), (2, 5, 'b'), (3, 5, 'c')").await;
    run(&engine, "UPDATE t SET text = 'B' WHERE id = 2").await;
    run(&engine, "UPDATE t SET text = 'C', version = 2 WHERE id = 3").await;
    run(&engine, "DELETE FROM t WHERE id = 1").await;
    assert_eq!(rows(&engine, "SELECT * FROM t").await, ["2|5|B", "3|2|C"]);
    run(&engine, "INSERT INTO t VALUES (1, 5, 'again'), (3, 3, 'newer')").await;
    assert_eq!(rows(&engine, "SELECT * FROM t").await, ["2|5|B", "3|3|newer"]);
    run(&engine, "INSERT INTO t VALUES (1, 6, 'again')").await;
    assert_eq!(rows(&engine, "SELECT * FROM t").await, ["1|6|again", "2|5|B", "3|3|newer"]);
    assert_eq!(rows(&engine, ERRORS).await, [""; 0]);
    let error = refused(&engine, "UPDATE t SET id = 9").await;
    assert_eq!((error.code, error.hint.is_some()), ("0A000", true));
    let error = refused(&engine, "INSERT INTO t VALUES (NULL, 1, 'x')").await;
    assert_eq!(error.code, "23502");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_conflict_says_what_a_write_with_a_stored_key_does() {
    let engine = start(2);
    run(
        &engine,
        "CREATE TABLE over (id BIGINT PRIMARY KEY, a INT, b TEXT);
         CREATE TABLE first (id BIGINT PRIMARY KEY, a INT, b TEXT) ON CONFLICT DO NOTHING;
         CREATE TABLE merged (id BIGINT PRIMARY KEY, a INT, b TEXT) ON CONFLICT DO UPDATE IF NOT NULL;
         CREATE TABLE newest (id BIGINT PRIMARY KEY, a INT, b TEXT) ON CONFLICT DO UPDATE IF NOT NULL WITH VERSION COLUMN (a)",
    )
    .await;
    for table in ["over", "first", "merged", "newest"] {
        run(&engine, &format!("INSERT INTO {table} VALUES (1, 1, 'x'), (2, 1, 'y')")).await;
        run(&engine, &format!("INSERT INTO {table} VALUES (1, 2, NULL)")).await;
    }
    for table in ["over", "first", "merged"] {
        run(&engine, &format!("INSERT INTO {table} VALUES (2, NULL, 'z')")).await;
    }
    run(&engine, "INSERT INTO newest VALUES (2, 0, 'z')").await;
    assert_eq!(rows(&engine, "SELECT * FROM over").await, ["1|2|NULL", "2|NULL|z"]);
    assert_eq!(rows(&engine, "SELECT * FROM first").await, ["1|1|x", "2|1|y"]);
    assert_eq!(rows(&engine, "SELECT * FROM merged").await, ["1|2|x", "2|1|z"]);
    assert_eq!(rows(&engine, "SELECT * FROM newest").await, ["1|2|x", "2|1|y"]);
    // Several writes of a key in one statement: the first, or the last, in their order.
    for table in ["over", "first", "merged"] {
        run(&engine, &format!("INSERT INTO {table} VALUES (3, 1, NULL), (3, 2, 'p'), (3, NULL, 'q')")).await;
    }
    assert_eq!(rows(&engine, "SELECT * FROM over WHERE id = 3").await, ["3|NULL|q"]);
    assert_eq!(rows(&engine, "SELECT * FROM first WHERE id = 3").await, ["3|1|NULL"]);
    assert_eq!(rows(&engine, "SELECT * FROM merged WHERE id = 3").await, ["3|2|q"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bag_counts_equal_rows() {
    let engine = start(2);
    run(
        &engine,
        "CREATE TABLE bag (a INT, b TEXT); CREATE MATERIALIZED VIEW n AS SELECT a, count(*) AS n FROM bag GROUP BY a",
    )
    .await;
    run(&engine, "INSERT INTO bag VALUES (1, 'x'), (1, 'x'), (1, 'y'), (NULL, NULL), (NULL, NULL)").await;
    assert_eq!(rows(&engine, "SELECT * FROM n").await, ["1|3", "NULL|2"]);
    run(&engine, "UPDATE bag SET b = 'z' WHERE b = 'x'").await;
    assert_eq!(rows(&engine, "SELECT * FROM bag").await, ["1|y", "1|z", "1|z", "NULL|NULL", "NULL|NULL"]);
    // One equal row per delete.
    let one = || vec![Arc::new(Int32Array::from(vec![1])) as ArrayRef, Arc::new(StringArray::from(vec!["z"]))];
    send(&engine, "bag", one(), Some(vec![Op::Delete]));
    engine.tick().await.expect("ticks");
    assert_eq!(rows(&engine, "SELECT * FROM bag WHERE a = 1").await, ["1|y", "1|z"]);
    run(&engine, "DELETE FROM bag WHERE a IS NULL").await;
    assert_eq!(rows(&engine, "SELECT * FROM n").await, ["1|2"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_row_that_a_bag_does_not_have_deletes_nothing() {
    let engine = start(2);
    run(&engine, "CREATE TABLE bag (a INT); CREATE MATERIALIZED VIEW n AS SELECT a, count(*) AS n FROM bag GROUP BY a")
        .await;
    let ones = |count: usize| vec![Arc::new(Int32Array::from(vec![1; count])) as ArrayRef];
    send(&engine, "bag", ones(3), Some(vec![Op::Upsert, Op::Delete, Op::Delete]));
    engine.tick().await.expect("ticks");
    send(&engine, "bag", ones(1), Some(vec![Op::Delete]));
    engine.tick().await.expect("ticks");
    assert_eq!(rows(&engine, "SELECT * FROM n").await, [""; 0]);
    run(&engine, "INSERT INTO bag VALUES (1)").await;
    assert_eq!(rows(&engine, "SELECT * FROM n").await, ["1|1"]);
    engine.stop().await;
}

fn bad_row(position: &str, key: Option<i64>) -> BadRow {
    let key = key.map(|id| {
        RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![id])) as ArrayRef)]).expect("one column")
    });
    BadRow {
        position: position.into(),
        code: "22P02".into(),
        message: "not a number".into(),
        payload: "{}".into(),
        key,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_row_stands_in_quarantine_until_a_good_one_of_its_key_comes() {
    for workers in [1, 2, 3] {
        let engine = versioned(workers).await;
        let table = engine.relation("t").expect("there");
        let none = RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::empty()));
        let send_bad = |bad: Vec<BadRow>| {
            let batch = InputBatch { bad, ..InputBatch::of_rows(table, none.clone(), None) };
            engine.send(batch).expect("takes input");
        };
        let bad = vec![bad_row("f:1", Some(1)), bad_row("f:2", Some(2)), bad_row("f:3", None), bad_row("f:4", Some(1))];
        send_bad(bad);
        engine.tick().await.expect("ticks");
        let listed = |of: &[&str]| of.iter().map(|p| format!("t|{p}|22P02|{{}}")).collect::<Vec<_>>();
        assert_eq!(rows(&engine, ERRORS).await, listed(&["f:1", "f:2", "f:3", "f:4"]));
        apply(&engine, &[(1, 1, "good", Op::Upsert)]).await;
        assert_eq!(rows(&engine, ERRORS).await, listed(&["f:2", "f:3"]));
        // Bad again after that: listed again, until corrected again; at one tick, order of arrival counts.
        send_bad(vec![bad_row("f:5", Some(1))]);
        apply(&engine, &[(2, 1, "good", Op::Upsert)]).await;
        assert_eq!(rows(&engine, ERRORS).await, listed(&["f:3", "f:5"]));
        send_changes(&engine, &[(1, 2, "better", Op::Upsert)]);
        send_bad(vec![bad_row("f:6", Some(1))]);
        engine.tick().await.expect("ticks");
        assert_eq!(rows(&engine, ERRORS).await, listed(&["f:3", "f:6"]));
        assert_eq!(rows(&engine, "SELECT * FROM t").await, ["1|2|better", "2|1|good"]);
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_error_is_listed_and_leaves_with_its_row() {
    let engine = start(2);
    run(
        &engine,
        "CREATE TABLE t (id BIGINT PRIMARY KEY, n INT, text TEXT);
         CREATE MATERIALIZED VIEW divided AS SELECT id, 12 / n AS q FROM t;
         CREATE MATERIALIZED VIEW parsed AS SELECT id, text::int AS n FROM t WHERE id < 100;
         CREATE MATERIALIZED VIEW kept AS SELECT id FROM t WHERE 12 / n > 2;
         CREATE MATERIALIZED VIEW summed AS SELECT sum(12 / n) AS s, count(*) AS c FROM t;
         CREATE MATERIALIZED VIEW ranked AS SELECT id, row_number() OVER (ORDER BY 12 / n, id) AS r FROM t;
         CREATE MATERIALIZED VIEW met AS SELECT a.id, b.id AS other FROM t a LEFT JOIN t b ON a.id = b.id AND 12 / b.n > 3;
         CREATE MATERIALIZED VIEW above AS SELECT count(*) AS c FROM divided",
    )
    .await;
    let errors = "SELECT relation, code, message FROM trueup.errors";
    run(&engine, "INSERT INTO t VALUES (1, 3, '7'), (2, 4, '8'), (3, 6, '9')").await;
    assert_eq!(rows(&engine, errors).await, [""; 0]);
    run(&engine, "INSERT INTO t VALUES (2, 0, 'eight'), (4, 12, '10')").await;
    assert_eq!(rows(&engine, "SELECT * FROM divided").await, ["1|4", "3|2", "4|1"]);
    assert_eq!(rows(&engine, "SELECT * FROM parsed").await, ["1|7", "3|9", "4|10"]);
    assert_eq!(rows(&engine, "SELECT * FROM kept").await, ["1"]);
    assert_eq!(rows(&engine, "SELECT * FROM above").await, ["3"]);
    let listed = rows(&engine, errors).await;
    for relation in ["divided", "kept", "summed", "ranked", "met"] {
        let line = format!("{relation}|22012|division by zero");
        assert_eq!(listed.iter().filter(|l| **l == line).count(), 1, "{line} in {listed:#?}");
    }
    assert!(
        listed.contains(&"parsed|22P02|invalid input syntax for type integer: \"eight\"".to_string()),
        "{listed:#?}"
    );
    let payload = rows(&engine, "SELECT payload FROM trueup.errors WHERE relation = 'divided'").await;
    assert!(payload[0].contains("\"n\":0"), "{payload:?}");
    run(&engine, "UPDATE t SET n = 2, text = '8' WHERE id = 2").await;
    assert_eq!(rows(&engine, errors).await, [""; 0]);
    assert_eq!(rows(&engine, "SELECT * FROM divided").await, ["1|4", "2|6", "3|2", "4|1"]);
    assert_eq!(rows(&engine, "SELECT * FROM summed").await, ["13|4"]);
    assert_eq!(rows(&engine, "SELECT * FROM ranked").await, ["1|3", "2|4", "3|2", "4|1"]);
    run(&engine, "UPDATE t SET n = 0; DELETE FROM t").await;
    assert_eq!(rows(&engine, errors).await, [""; 0]);
    assert_eq!(rows(&engine, "SELECT * FROM summed").await, ["NULL|0"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sum_out_of_range_is_an_error_that_leaves_when_it_fits_again() {
    let engine = start(1);
    run(
        &engine,
        "CREATE TABLE t (id BIGINT PRIMARY KEY, n DECIMAL(38,0), k INT);
         CREATE MATERIALIZED VIEW s AS SELECT k, sum(n) AS s FROM t GROUP BY k",
    )
    .await;
    let nines = "9".repeat(38);
    run(&engine, &format!("INSERT INTO t VALUES (1, {nines}, 1), (2, 5, 1), (3, 7, 2)")).await;
    assert_eq!(rows(&engine, "SELECT * FROM s").await, ["2|7"]);
    assert_eq!(rows(&engine, "SELECT relation, code FROM trueup.errors").await, ["s|22003"]);
    run(&engine, "DELETE FROM t WHERE id = 1").await;
    assert_eq!(rows(&engine, "SELECT * FROM s").await, ["1|5", "2|7"]);
    assert_eq!(rows(&engine, "SELECT relation, code FROM trueup.errors").await, [""; 0]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subquery_of_several_rows_is_an_error_until_there_is_one() {
    let engine = start(2);
    run(
        &engine,
        "CREATE TABLE t (id BIGINT PRIMARY KEY, ref BIGINT);
         CREATE TABLE u (id BIGINT, n INT);
         CREATE MATERIALIZED VIEW each AS SELECT id, (SELECT n FROM u WHERE u.id = t.ref) AS n FROM t;
         CREATE MATERIALIZED VIEW one AS SELECT id, (SELECT n FROM u) AS n FROM t;
         INSERT INTO t VALUES (1, 10), (2, 20), (3, 30);
         INSERT INTO u VALUES (10, 7), (20, 8), (20, 9)",
    )
    .await;
    let errors = "SELECT relation, code, message FROM trueup.errors";
    let message = "21000|more than one row returned by a subquery used as an expression";
    assert_eq!(rows(&engine, errors).await, [format!("each|{message}"), format!("one|{message}")]);
    assert_eq!(rows(&engine, "SELECT * FROM each").await, ["1|7", "2|NULL", "3|NULL"]);
    run(&engine, "DELETE FROM u WHERE n = 9").await;
    assert_eq!(rows(&engine, errors).await, [format!("one|{message}")]);
    assert_eq!(rows(&engine, "SELECT * FROM each").await, ["1|7", "2|8", "3|NULL"]);
    run(&engine, "DELETE FROM u WHERE id = 10").await;
    assert_eq!(rows(&engine, errors).await, [""; 0]);
    assert_eq!(rows(&engine, "SELECT * FROM one").await, ["1|8", "2|8", "3|8"]);
    let error = engine.query("SELECT (SELECT id FROM t)").await.expect_err("t has three rows");
    assert_eq!(error.code, "21000");
    engine.stop().await;
}
