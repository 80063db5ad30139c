//! Simple queries: values as text, several statements, transactions, variables, cursors, errors.

use futures::TryStreamExt;
use tokio_postgres::SimpleQueryMessage;

use super::server::{Server, failure, rows, value};

#[tokio::test]
async fn values_look_as_in_postgres() {
    let server = Server::start().await;
    let client = server.connect().await;
    let expected = [
        ("SELECT 1", "1"),
        ("SELECT true", "t"),
        ("SELECT 1.50", "1.50"),
        ("SELECT CAST(0.1 AS double precision) + CAST(0.2 AS double precision)", "0.30000000000000004"),
        ("SELECT CAST('NaN' AS double precision)", "NaN"),
        ("SELECT DATE '2024-02-29'", "2024-02-29"),
        ("SELECT TIMESTAMP '2024-02-29 01:02:03.400'", "2024-02-29 01:02:03.4"),
        ("SELECT TIMESTAMPTZ '2024-02-29 01:02:03+01'", "2024-02-29 00:02:03+00"),
        ("SELECT INTERVAL '1 day 2 hours'", "1 day 02:00:00"),
        ("SELECT make_array('a', 'b c')", "{a,\"b c\"}"),
    ];
    for (sql, wanted) in expected {
        assert_eq!(value(&client, sql).await, wanted, "{sql}");
    }
    assert_eq!(rows(&client, "SELECT NULL, 'x' WHERE true").await, [[None, Some("x".to_owned())]]);
}

#[tokio::test]
async fn several_statements_run_in_order_until_one_fails() {
    let server = Server::start().await;
    let client = server.connect().await;
    let sql = "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2);; SELECT a FROM t ORDER BY a;";
    let messages = client.simple_query(sql).await.unwrap();
    let counts: Vec<u64> = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::CommandComplete(count) => Some(*count),
            _ => None,
        })
        .collect();
    assert_eq!(counts, [0, 2, 2]);
    assert_eq!(
        failure(&client, "INSERT INTO t VALUES (3); SELECT * FROM missing; INSERT INTO t VALUES (4)").await,
        "42P01"
    );
    assert_eq!(value(&client, "SELECT count(*) FROM t").await, "3");
    // A text that cannot be parsed runs not at all.
    assert_eq!(failure(&client, "INSERT INTO t VALUES (5); SELEKT").await, "42601");
    assert_eq!(value(&client, "SELECT count(*) FROM t").await, "3");
    assert!(client.simple_query(" -- nothing\n ; ").await.is_ok());
}

#[tokio::test]
async fn errors_carry_position_in_characters() {
    let server = Server::start().await;
    let client = server.connect().await;
    client.simple_query("CREATE TABLE t (a int)").await.unwrap();
    let error = client.simple_query("SELECT 'é'; SELECT nope FROM t").await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code().code(), "42703");
    let position = error.position().map(|position| format!("{position:?}"));
    assert_eq!(position.as_deref(), Some("Original(20)"));
}

#[tokio::test]
async fn transactions_are_accepted_and_fail_as_a_whole() {
    let server = Server::start().await;
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE t (a int); BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    assert_eq!(failure(&client, "SELECT 1 / 0 FROM t").await, "22012");
    assert_eq!(failure(&client, "SELECT 1").await, "25P02");
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(value(&client, "SELECT count(*) FROM t").await, "1");
    client.batch_execute("BEGIN; SAVEPOINT s").await.unwrap();
    assert_eq!(failure(&client, "SELECT * FROM missing").await, "42P01");
    client.batch_execute("ROLLBACK TO s; SELECT 1; COMMIT").await.unwrap();
    // Neither is an error, only a warning.
    client.batch_execute("COMMIT; ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn variables_are_set_shown_and_reset() {
    let server = Server::start().await;
    let client = server.connect().await;
    assert_eq!(value(&client, "SHOW server_version").await, "16.6");
    client.batch_execute("SET extra_float_digits = 3; SET application_name TO 'me'").await.unwrap();
    assert_eq!(value(&client, "SHOW application_name").await, "me");
    assert_eq!(value(&client, "SELECT current_setting('application_name')").await, "me");
    assert_eq!(value(&client, "SELECT set_config('search_path', 'a', false)").await, "a");
    assert_eq!(value(&client, "SHOW search_path").await, "a");
    client.batch_execute("RESET ALL; DISCARD ALL; DEALLOCATE ALL; UNLISTEN *").await.unwrap();
    assert_eq!(value(&client, "SHOW search_path").await, "\"$user\", public");
    client.batch_execute("BEGIN; SET LOCAL timezone = 'Asia/Tokyo'").await.unwrap();
    assert_eq!(value(&client, "SELECT TIMESTAMPTZ '2024-01-01 00:00:00+00'").await, "2024-01-01 09:00:00+09");
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(value(&client, "SHOW timezone").await, "UTC");
    assert_eq!(failure(&client, "SET client_encoding = 'LATIN1'").await, "22023");
    assert_eq!(failure(&client, "SHOW no_such_thing").await, "42704");
}

#[tokio::test]
async fn prepared_statements_in_sql() {
    let server = Server::start().await;
    let client = server.connect().await;
    client
        .batch_execute("CREATE TABLE t (a int, b text); PREPARE put (int, text) AS INSERT INTO t VALUES ($1, $2)")
        .await
        .unwrap();
    client.batch_execute("EXECUTE put (-1, 'x'); EXECUTE put (2, NULL); EXECUTE put (3::int, ('z'))").await.unwrap();
    client.batch_execute("PREPARE \"Get\" AS SELECT a FROM t WHERE b = $1").await.unwrap();
    assert_eq!(value(&client, "EXECUTE \"Get\" ('x')").await, "-1");
    assert_eq!(failure(&client, "EXECUTE put (1)").await, "42601");
    assert_eq!(failure(&client, "EXECUTE put ('y', 'x')").await, "22P02");
    assert_eq!(failure(&client, "PREPARE put AS SELECT 1").await, "42P05");
    client.batch_execute("DEALLOCATE put").await.unwrap();
    assert_eq!(failure(&client, "EXECUTE put (1, 'x')").await, "26000");
}

#[tokio::test]
async fn columns_have_the_names_postgres_gives_them() {
    let server = Server::start().await;
    let client = server.connect().await;
    let names = async |sql: &str| {
        let statement = client.prepare(sql).await.unwrap();
        statement.columns().iter().map(|column| column.name().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("SELECT 1, 2, count(*), 'x' AS named").await, "?column? ?column? count named");
    assert_eq!(names("SELECT version(), current_user, relname FROM pg_class").await, "version current_user relname");
    let copied: Vec<bytes::Bytes> = client
        .copy_out("COPY (SELECT 1, 2) TO STDOUT (FORMAT csv, HEADER)")
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(copied.concat(), b"?column?,?column?\n1,2\n");
}

#[tokio::test]
async fn cursors_give_rows_in_pieces_and_end_with_their_transaction() {
    let server = Server::start().await;
    let client = server.connect().await;
    let letters = "SELECT * FROM (VALUES ('a'), ('b'), ('c'), ('d')) AS t (x) ORDER BY x";
    assert_eq!(failure(&client, &format!("DECLARE c CURSOR FOR {letters}")).await, "25P01");
    client.batch_execute(&format!("BEGIN; DECLARE c NO SCROLL CURSOR FOR {letters}")).await.unwrap();
    let texts =
        |rows: Vec<Vec<Option<String>>>| rows.into_iter().map(|mut row| row.remove(0).unwrap()).collect::<String>();
    assert_eq!(texts(rows(&client, "FETCH c").await), "a");
    assert_eq!(texts(rows(&client, "FETCH 2 FROM c").await), "bc");
    assert_eq!(texts(rows(&client, "FETCH ALL FROM c").await), "d");
    assert_eq!(texts(rows(&client, "FETCH ALL FROM c").await), "");
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(failure(&client, "FETCH c").await, "34000");
    client.batch_execute(&format!("DECLARE h CURSOR WITH HOLD FOR {letters}")).await.unwrap();
    assert_eq!(texts(rows(&client, "FETCH 3 FROM h").await), "abc");
    client.batch_execute("CLOSE h").await.unwrap();
    assert_eq!(failure(&client, "CLOSE h").await, "34000");
}

#[tokio::test]
async fn session_questions_are_answered() {
    let server = Server::start().await;
    let client = server.connect().await;
    assert!(value(&client, "SELECT version()").await.starts_with("PostgreSQL 16"));
    assert_eq!(value(&client, "SELECT current_database()").await, "trueup");
    assert_eq!(value(&client, "SELECT current_schema()").await, "public");
    assert_eq!(value(&client, "SELECT current_user").await, "tester");
    client.batch_execute("CREATE TABLE orders (id bigint NOT NULL, amount numeric(12,2), tags text[])").await.unwrap();
    let columns = rows(
        &client,
        "SELECT column_name, data_type, is_nullable, udt_name FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name = 'orders' ORDER BY ordinal_position",
    )
    .await;
    let texts: Vec<String> =
        columns.iter().map(|row| row.iter().flatten().cloned().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(texts, ["id bigint NO int8", "amount numeric YES numeric", "tags ARRAY YES _text"]);
    let oid = value(&client, "SELECT 'orders'::regclass::oid").await;
    assert_eq!(value(&client, &format!("SELECT relname FROM pg_class WHERE oid = {oid}")).await, "orders");
    assert_eq!(value(&client, "SELECT count(*) FROM pg_catalog.pg_attribute a JOIN pg_class c ON a.attrelid = c.oid WHERE c.relname = 'orders'").await, "3");
}
