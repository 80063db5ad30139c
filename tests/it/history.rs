//! A table's history: every row that arrived, as a relation. What each row's outcome is under disorder is in `counts.rs`.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use trueup::engine::{Database, Engine, Outcome, RowsShape};
use trueup::model::Op;

use super::harness::{Change, apply, lines, refused, rows, run, send_changes, start, with_history};

/// A history's rows in order of arrival.
async fn history(engine: &Engine, columns: &str, relation: &str) -> Vec<String> {
    let sql = format!("SELECT row_number() OVER (ORDER BY trueup_arrival), trueup_outcome, {columns} FROM {relation}");
    rows(engine, &sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_that_arrived_is_told_with_what_it_did() {
    for workers in [1, 3] {
        let engine = with_history(workers).await;
        // A stale row, a duplicate of it and the newest come in one tick with the first.
        let first =
            [(1, 2, "b", Op::Upsert), (1, 1, "a", Op::Upsert), (1, 3, "c", Op::Upsert), (1, 3, "c", Op::Upsert)];
        apply(&engine, &first).await;
        apply(&engine, &[(1, 3, "d", Op::Upsert), (1, 3, "", Op::Delete), (1, 3, "", Op::Delete)]).await;
        run(&engine, "INSERT INTO t VALUES (1, 4, 'e')").await;
        run(&engine, "UPDATE t SET text = 'f', version = 2").await;
        run(&engine, "UPDATE t SET text = 'f'").await;
        run(&engine, "DELETE FROM t").await;
        let told = history(&engine, "id, version, text", "t_history").await;
        let expected = [
            "1|inserted|1|2|b",
            "2|stale|1|1|a",
            "3|corrected|1|3|c",
            "4|conflict|1|3|d",
            "5|deleted|1|3|",
            "6|inserted|1|4|e",
            "7|corrected|1|2|f",
            "8|deleted|1|2|f",
        ];
        assert_eq!(told, expected);
        let counts =
            rows(&engine, "SELECT received - duplicates, stale, corrections, deletes FROM trueup.tables").await;
        assert_eq!(counts, ["8|1|2|2"]);
        // Ticks are those of arrival, and grow with the arrival numbers.
        let ticks =
            "SELECT count(DISTINCT trueup_arrival_tick), max(trueup_arrival_tick) = trueup_tick() FROM t_history";
        assert_eq!(rows(&engine, ticks).await, ["5|true"]);
        let sorted = "SELECT count(*) FROM t_history a JOIN t_history b ON a.trueup_arrival < b.trueup_arrival
                      WHERE a.trueup_arrival_tick > b.trueup_arrival_tick";
        assert_eq!(rows(&engine, sorted).await, ["0"]);
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_every_kind_have_one() {
    let engine = start(2);
    run(
        &engine,
        "CREATE TABLE plain (a TEXT, b DATE, n DOUBLE PRECISION, PRIMARY KEY (b, a)) WITH (history = 'plain_h');
         CREATE TABLE first (id INT PRIMARY KEY, n INT) ON CONFLICT DO NOTHING WITH (history = 'first_h');
         CREATE TABLE part (id INT PRIMARY KEY, n INT, m INT) ON CONFLICT DO UPDATE IF NOT NULL WITH (history = 'part_h')",
    )
    .await;
    run(
        &engine,
        "INSERT INTO plain VALUES ('x', '2026-11-11', 1.5), ('x', '2026-11-11', -0.0), ('y', '2026-11-11', NULL)",
    )
    .await;
    run(&engine, "INSERT INTO plain VALUES ('y', '2026-11-11', NULL); DELETE FROM plain WHERE a = 'x'").await;
    let plain = history(&engine, "a, b, n", "plain_h").await;
    let expected = [
        "1|inserted|x|2026-11-11|1.5",
        "2|corrected|x|2026-11-11|0.0",
        "3|inserted|y|2026-11-11|NULL",
        "4|deleted|x|2026-11-11|0.0",
    ];
    assert_eq!(plain, expected);
    run(&engine, "INSERT INTO first VALUES (1, 1), (1, 2); DELETE FROM first").await;
    assert_eq!(history(&engine, "id, n", "first_h").await, ["1|inserted|1|1", "2|deleted|1|1"]);
    // A row is told as it came, not as it was merged.
    run(&engine, "INSERT INTO part VALUES (1, 1, NULL), (1, NULL, 2), (1, NULL, 2)").await;
    assert_eq!(history(&engine, "id, n, m", "part_h").await, ["1|inserted|1|1|NULL", "2|corrected|1|NULL|2"]);
    assert_eq!(rows(&engine, "SELECT * FROM part").await, ["1|1|2"]);
    // Rows that cannot be used did not arrive.
    let posted = "{\"id\": \"?\"}\n{\"id\": 5, \"n\": 1}";
    engine.post_rows("first", posted.into(), RowsShape::Lines, true).await.expect("posts");
    assert_eq!(history(&engine, "id, n", "first_h").await.last().expect("a row"), "3|inserted|5|1");
    engine.stop().await;
}

/// Views over a history, made before and in the middle of it.
const VIEWS: [(&str, &str); 4] = [
    ("outcomes", "SELECT trueup_outcome, count(*) AS n, min(version) AS least FROM t_history GROUP BY trueup_outcome"),
    (
        "late",
        "SELECT id, count(*) AS n, max(trueup_arrival_tick) AS tick FROM t_history WHERE trueup_outcome = 'stale' GROUP BY id",
    ),
    ("standing", "SELECT h.id, h.trueup_arrival, h.text, t.version FROM t_history h LEFT JOIN t ON t.id = h.id"),
    (
        "newest",
        "SELECT DISTINCT ON (id) id, trueup_arrival, trueup_outcome FROM t_history ORDER BY id, trueup_arrival DESC",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn views_over_a_history_equal_their_batch_answer_at_every_tick() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let texts = ["a", "b", "c"];
    for workers in 1..=3 {
        let engine = with_history(workers).await;
        for tick in 0..12 {
            for (at, (name, sql)) in VIEWS.iter().enumerate().filter(|(at, _)| at * 3 == tick) {
                let index = if at == 1 { "; CREATE INDEX ON t_history (version)" } else { "" };
                run(&engine, &format!("CREATE MATERIALIZED VIEW {name} AS {sql}{index}")).await;
            }
            let change = |random: &mut ChaCha8Rng| -> Change {
                let op = if random.random_bool(0.1) { Op::Delete } else { Op::Upsert };
                (random.random_range(0..9), random.random_range(0..6), texts[random.random_range(0..3)], op)
            };
            let changes: Vec<Change> = (0..random.random_range(0..40)).map(|_| change(&mut random)).collect();
            send_changes(&engine, &changes);
            engine.tick().await.expect("ticks");
            for (name, _) in &VIEWS[..=tick / 3] {
                let (kept, defined) = engine.audit(name).await.expect("reads").expect("a materialized view");
                assert_eq!(lines(&kept), lines(&defined), "{name} at tick {tick}, {workers} workers");
            }
        }
        assert!(!rows(&engine, "SELECT * FROM late").await.is_empty());
        // A join by the table's key reads the history as it is kept.
        let copies = "SELECT operator FROM trueup.operators WHERE relation = 'standing' AND operator LIKE 'Get%'";
        assert_eq!(rows(&engine, copies).await, [""; 0]);
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_made_and_dropped_with_its_table() {
    let engine = with_history(2).await;
    let refusals = [
        ("INSERT INTO t_history (id) VALUES (1)", "42809"),
        ("UPDATE t_history SET text = 'x'", "42809"),
        ("DELETE FROM t_history", "42809"),
        ("DROP TABLE t_history", "42809"),
        ("DROP MATERIALIZED VIEW t_history", "42809"),
    ];
    for (sql, code) in refusals {
        let error = refused(&engine, sql).await;
        assert_eq!(error.code, code, "{sql}: {error}");
        assert!(error.message.contains("the history of table \"t\""), "{sql}: {error}");
    }
    let error = engine.table_schema("t_history", &[]).expect_err("COPY is refused");
    assert!(error.hint.is_some_and(|hint| hint.contains("write to \"t\"")), "COPY");
    let taken = refused(&engine, "CREATE TABLE u (id INT PRIMARY KEY) WITH (history = 't')").await;
    assert_eq!((taken.code, taken.message.as_str()), ("42P07", "relation \"t\" already exists"));
    assert_eq!(refused(&engine, "CREATE TABLE t_history (id INT)").await.code, "42P07");
    let kinds = "SELECT name, kind FROM trueup.views";
    assert_eq!(rows(&engine, kinds).await, ["t_history|history", "t|table"]);
    // A view that reads it stands in the way of its table.
    run(&engine, "CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM t_history").await;
    let error = refused(&engine, "DROP TABLE t").await;
    assert_eq!((error.code, error.detail.as_deref()), ("2BP01", Some("materialized view v depends on it")));
    apply(&engine, &[(1, 1, "a", Op::Upsert)]).await;
    assert_eq!(rows(&engine, "SELECT n FROM v").await, ["1"]);
    assert_eq!(
        rows(&engine, "SELECT relation, operator, rows FROM trueup.operators WHERE relation = 't_history'").await.len(),
        2
    );
    run(&engine, "DROP TABLE t CASCADE").await;
    assert_eq!(rows(&engine, kinds).await, [""; 0]);
    assert_eq!(rows(&engine, "SELECT * FROM trueup.operators").await, [""; 0]);
    // The names are free again, and nothing of the old rows is left.
    run(&engine, "CREATE TABLE t (id BIGINT PRIMARY KEY) WITH (history = 't_history'); INSERT INTO t VALUES (7)").await;
    assert_eq!(history(&engine, "id", "t_history").await, ["1|inserted|7"]);
    run(&engine, "DROP TABLE t").await;
    assert_eq!(rows(&engine, kinds).await, [""; 0]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_can_be_followed_until_its_table_goes() {
    let engine = with_history(2).await;
    apply(&engine, &[(1, 2, "a", Op::Upsert)]).await;
    let Ok(Outcome::Subscription(mut feed)) = engine.run("SUBSCRIBE TO t_history").await else {
        panic!("it cannot be subscribed to")
    };
    apply(&engine, &[(1, 1, "late", Op::Upsert), (1, 2, "a", Op::Upsert)]).await;
    let mut told = vec![];
    for _ in 0..2 {
        let message = feed.receiver.recv().await.expect("the feed goes on");
        for changes in message.changes {
            assert!(changes.diffs.iter().all(|diff| *diff == 1), "a history forgets nothing");
            let columns = changes.batch.project(&[2, 3, 4, 5]).expect("it has six columns");
            told.extend(lines(&columns));
        }
    }
    assert_eq!(told, ["inserted|1|2|a", "stale|1|1|late"]);
    run(&engine, "DROP TABLE t").await;
    engine.tick().await.expect("ticks");
    assert!(feed.receiver.recv().await.is_none());
    engine.stop().await;
}
