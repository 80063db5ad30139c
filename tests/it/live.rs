//! Statements on a running engine: what fails changes nothing, what is dropped leaves the others right.

use super::harness::{refused, rows, run, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_statement_changes_nothing() {
    let engine = start(2);
    run(
        &engine,
        "CREATE TABLE t (id BIGINT PRIMARY KEY, n INT);
         CREATE MATERIALIZED VIEW total AS SELECT count(*) AS c, sum(n) AS s FROM t",
    )
    .await;
    let names = "SELECT name FROM trueup.views";
    for (sql, code) in [
        ("CREATE MATERIALIZED VIEW v AS SELECT nope FROM t", "42703"),
        ("CREATE MATERIALIZED VIEW v AS SELECT * FROM nowhere", "42P01"),
        ("CREATE MATERIALIZED VIEW v AS SELECT random() AS r FROM t", "0A000"),
        ("CREATE MATERIALIZED VIEW v AS SELECT id, now() AS t FROM t", "0A000"),
        ("CREATE MATERIALIZED VIEW v AS SELECT id, id FROM t", "42701"),
        ("CREATE MATERIALIZED VIEW total AS SELECT 1 AS one", "42P07"),
        ("CREATE TABLE t (a INT)", "42P07"),
        ("CREATE MATERIALIZED VIEW v AS SELEC 1", "42601"),
        ("CREATE INDEX ON t (nope)", "42703"),
        ("DROP TABLE t", "2BP01"),
        ("DROP MATERIALIZED VIEW nowhere", "42P01"),
        ("DROP VIEW total", "42809"),
        ("INSERT INTO total VALUES (1, 2)", "42809"),
        ("INSERT INTO t VALUES (1, 'x')", "22P02"),
    ] {
        let before = rows(&engine, names).await;
        let error = refused(&engine, sql).await;
        assert_eq!(error.code, code, "{sql}: {error}");
        assert_eq!(rows(&engine, names).await, before, "{sql}");
        run(&engine, "INSERT INTO t SELECT COALESCE(max(id), 0) + 1, 1 FROM t").await;
        let expected = rows(&engine, "SELECT count(*), sum(n) FROM t").await;
        assert_eq!(rows(&engine, "SELECT * FROM total").await, expected, "after {sql}");
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_view_leaves_those_that_share_its_arrangements_right() {
    for workers in [1, 2] {
        let engine = start(workers);
        run(
            &engine,
            "CREATE TABLE o (id BIGINT PRIMARY KEY, sku INT, n INT);
             CREATE TABLE e (ref BIGINT, n INT);
             INSERT INTO o VALUES (1, 1, 10), (2, 1, 20), (3, 2, 30);
             INSERT INTO e VALUES (1, 1), (1, 2), (3, 3)",
        )
        .await;
        // All three read the arrangements of e by ref and of o by sku that the first one made.
        let queries = [
            "SELECT o.id, e.n FROM o JOIN e ON e.ref = o.id",
            "SELECT a.id, b.id AS other FROM o a JOIN o b ON a.sku = b.sku",
            "SELECT o.id, e.n AS m FROM o LEFT JOIN e ON e.ref = o.id",
            "SELECT a.id, b.n FROM o a LEFT JOIN o b ON a.sku = b.sku",
        ];
        let check = async |alive: &[usize]| {
            for at in alive {
                assert_eq!(
                    rows(&engine, &format!("SELECT * FROM v{at}")).await,
                    rows(&engine, queries[*at]).await,
                    "v{at}"
                );
            }
        };
        for (at, sql) in queries.iter().enumerate() {
            run(&engine, &format!("CREATE MATERIALIZED VIEW v{at} AS {sql}")).await;
            run(&engine, &format!("INSERT INTO e VALUES ({at}, 7)")).await;
        }
        check(&[0, 1, 2, 3]).await;
        run(&engine, "DROP MATERIALIZED VIEW v0; DROP MATERIALIZED VIEW v1; INSERT INTO e VALUES (2, 9); DELETE FROM o WHERE id = 1").await;
        check(&[2, 3]).await;
        run(&engine, &format!("CREATE MATERIALIZED VIEW v0 AS {}; UPDATE o SET sku = 2", queries[0])).await;
        check(&[0, 2, 3]).await;
        run(&engine, "DROP MATERIALIZED VIEW v2; DROP MATERIALIZED VIEW v3; INSERT INTO o VALUES (5, 2, 1); INSERT INTO e VALUES (5, 5)").await;
        check(&[0]).await;
        run(&engine, &format!("CREATE MATERIALIZED VIEW v3 AS {}", queries[3])).await;
        check(&[0, 3]).await;
        run(&engine, "DROP MATERIALIZED VIEW v0; DROP MATERIALIZED VIEW v3").await;
        let worked = "SELECT count(*) > 0 FROM trueup.operators WHERE relation = 'o' AND operator = 'Table' AND updates > 0 AND last_tick <= trueup_tick()";
        assert_eq!(rows(&engine, worked).await, ["true"], "operators say what they did");
        let left = rows(&engine, "SELECT DISTINCT relation FROM trueup.operators").await;
        assert_eq!(left, ["e", "o"], "nothing of dropped views stays");
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cascade_drops_what_depends_and_nothing_else() {
    let engine = start(2);
    run(
        &engine,
        "CREATE TABLE t (id BIGINT PRIMARY KEY, n INT); CREATE TABLE u (id BIGINT PRIMARY KEY);
         CREATE VIEW plain AS SELECT id, n + 1 AS m FROM t;
         CREATE MATERIALIZED VIEW a AS SELECT m, count(*) AS c FROM plain GROUP BY m;
         CREATE MATERIALIZED VIEW b AS SELECT max(c) AS c FROM a;
         CREATE MATERIALIZED VIEW other AS SELECT count(*) AS c FROM u;
         CREATE INDEX by_n ON t (n);
         INSERT INTO t VALUES (1, 1); INSERT INTO u VALUES (1)",
    )
    .await;
    assert_eq!(refused(&engine, "DROP VIEW plain").await.code, "2BP01");
    assert_eq!(refused(&engine, "DROP TABLE t").await.code, "2BP01");
    run(&engine, "DROP VIEW plain CASCADE").await;
    assert_eq!(rows(&engine, "SELECT name FROM trueup.views").await, ["by_n", "other", "t", "u"]);
    run(&engine, "DROP TABLE t; INSERT INTO u VALUES (2)").await;
    assert_eq!(rows(&engine, "SELECT name FROM trueup.views").await, ["other", "u"]);
    assert_eq!(rows(&engine, "SELECT * FROM other").await, ["2"]);
    run(&engine, "CREATE TABLE t (id BIGINT PRIMARY KEY, n TEXT); INSERT INTO t VALUES (1, 'new')").await;
    assert_eq!(rows(&engine, "SELECT * FROM t").await, ["1|new"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_follow_their_relation() {
    let engine = start(2);
    run(
        &engine,
        "CREATE TABLE t (id BIGINT PRIMARY KEY, sku INT, n INT);
         INSERT INTO t SELECT x, x % 5, x FROM (SELECT unnest(range(0, 100)) AS x) g;
         CREATE INDEX by_sku ON t (sku)",
    )
    .await;
    assert_eq!(rows(&engine, "SELECT count(*), sum(n) FROM t WHERE sku = 3").await, ["20|1010"]);
    run(&engine, "DELETE FROM t WHERE id = 3; UPDATE t SET sku = 3 WHERE id = 4").await;
    assert_eq!(rows(&engine, "SELECT count(*), sum(n) FROM t WHERE sku = 3").await, ["20|1011"]);
    run(&engine, "DROP INDEX by_sku").await;
    assert_eq!(rows(&engine, "SELECT count(*), sum(n) FROM t WHERE sku = 3").await, ["20|1011"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sum_out_of_range_is_an_error_until_it_fits_again() {
    let engine = start(2);
    run(
        &engine,
        "CREATE TABLE t (id BIGINT PRIMARY KEY, g INT, n BIGINT);
         CREATE MATERIALIZED VIEW total AS SELECT g, sum(n) AS s FROM t GROUP BY g;
         INSERT INTO t VALUES (1, 1, 9223372036854775807), (2, 1, -1), (3, 2, 7)",
    )
    .await;
    let (totals, errors) = ("SELECT * FROM total ORDER BY g", "SELECT code, payload FROM trueup.errors");
    let fits = rows(&engine, totals).await;
    assert_eq!(fits, ["1|9223372036854775806", "2|7"]);
    run(&engine, "INSERT INTO t VALUES (4, 1, 2)").await;
    assert_eq!(rows(&engine, totals).await, ["2|7"]);
    assert_eq!(rows(&engine, errors).await.len(), 1);
    assert!(rows(&engine, errors).await[0].starts_with("22003|"));
    run(&engine, "DELETE FROM t WHERE id = 4").await;
    assert_eq!((rows(&engine, totals).await, rows(&engine, errors).await.len()), (fits, 0));
    engine.stop().await;
}
