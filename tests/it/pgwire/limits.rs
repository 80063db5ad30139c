//! What ends statements and connections: cancel, timeouts, too many clients, hang-ups, shutdown.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio_postgres::NoTls;
use trueup::serve::pg::PgOptions;

use super::server::{Server, failure, value};

/// A statement that outlives every test: nothing ever changes in an empty relation.
const ENDLESS: &str = "SUBSCRIBE TO nothing";

async fn create_nothing(server: &Server) {
    server.connect().await.batch_execute("CREATE TABLE nothing (a int)").await.unwrap();
}

#[tokio::test]
async fn a_running_query_is_cancelled() {
    let server = Server::start().await;
    create_nothing(&server).await;
    let client = server.connect().await;
    let token = client.cancel_token();
    let running = tokio::spawn(async move {
        let code = failure(&client, ENDLESS).await;
        (client, code)
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    token.cancel_query(NoTls).await.unwrap();
    let (client, code) = running.await.unwrap();
    assert_eq!(code, "57014");
    // A cancel that comes too late harms nothing.
    token.cancel_query(NoTls).await.unwrap();
    assert_eq!(value(&client, "SELECT 1").await, "1");
}

#[tokio::test]
async fn statement_timeout_ends_a_statement() {
    let server = Server::start().await;
    create_nothing(&server).await;
    let client = server.connect().await;
    client.batch_execute("SET statement_timeout = '100ms'").await.unwrap();
    let started = Instant::now();
    assert_eq!(failure(&client, ENDLESS).await, "57014");
    assert!(started.elapsed() < Duration::from_secs(3));
    client.batch_execute("SET statement_timeout = 0").await.unwrap();
}

#[tokio::test]
async fn too_many_clients_are_told_so() {
    let server = Server::start_with(PgOptions { connections_max: 2, ..PgOptions::default() }).await;
    let (first, _second) = (server.connect().await, server.connect().await);
    let error = server.try_connect().await.expect_err("a third is refused");
    assert_eq!(error.code().unwrap().code(), "53300");
    drop(first);
    let deadline = Instant::now() + Duration::from_secs(5);
    while server.try_connect().await.is_err() {
        assert!(Instant::now() < deadline, "a place that was given back is not taken");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_hundred_clients_at_once() {
    let server = Server::start().await;
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let url = server.url();
            tokio::spawn(async move {
                let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
                tokio::spawn(connection);
                let row = client.query_one("SELECT $1::bigint * 2", &[&i64::from(number)]).await.unwrap();
                assert_eq!(row.get::<_, i64>(0), i64::from(number) * 2);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(server.counters.statements.load(Ordering::Relaxed) >= 100);
}

#[tokio::test]
async fn a_client_that_hangs_up_takes_its_statement_along() {
    let server = Server::start().await;
    create_nothing(&server).await;
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    let socket = tokio::spawn(connection);
    let _running = tokio::spawn(async move { client.simple_query(ENDLESS).await });
    let connected = async |wanted: u64| {
        let deadline = Instant::now() + Duration::from_secs(5);
        while server.counters.connections.load(Ordering::Relaxed) != wanted {
            assert!(Instant::now() < deadline, "not {wanted} connections in time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    connected(1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    socket.abort();
    connected(0).await;
}

#[tokio::test]
async fn shutdown_lets_a_statement_finish_within_bounds() {
    let server = Server::start().await;
    create_nothing(&server).await;
    let (idle, busy) = (server.connect().await, server.connect().await);
    let running = tokio::spawn(async move { busy.simple_query(ENDLESS).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.begin_stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(idle.simple_query("SELECT 1").await.is_err());
    assert!(!running.is_finished());
    let error = running.await.unwrap().unwrap_err();
    assert_eq!(error.code().map(|code| code.code()), Some("57P01"));
    assert!(server.try_connect().await.is_err());
    server.stop().await;
}

/// A statement that computes for hours. The tests' runtimes have one thread: who computed on it would stop everybody.
const BUSY: &str = "SELECT count(*) FROM generate_series(1, 1000000000000) AS s (n) WHERE n % 7 <> n % 3";

#[tokio::test]
async fn a_query_that_computes_is_cancelled() {
    let server = Server::start().await;
    let client = server.connect().await;
    let token = client.cancel_token();
    let running = tokio::spawn(async move { (failure(&client, BUSY).await, client) });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let started = Instant::now();
    token.cancel_query(NoTls).await.unwrap();
    let (code, client) = running.await.unwrap();
    assert_eq!(code, "57014");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(value(&client, "SELECT 1").await, "1");
}

#[tokio::test]
async fn statement_timeout_ends_a_query_that_computes() {
    let server = Server::start().await;
    let client = server.connect().await;
    client.batch_execute("SET statement_timeout = '100ms'").await.unwrap();
    let started = Instant::now();
    assert_eq!(failure(&client, BUSY).await, "57014");
    // In a block, by the extended protocol, behind a cursor: the same.
    client.batch_execute("BEGIN").await.unwrap();
    let error = client.query(BUSY, &[]).await.expect_err("cut off");
    assert_eq!(error.code().map(|code| code.code()), Some("57014"));
    client.batch_execute("ROLLBACK").await.unwrap();
    client.batch_execute(&format!("BEGIN; DECLARE busy CURSOR FOR {BUSY}")).await.unwrap();
    assert_eq!(failure(&client, "FETCH 1 FROM busy").await, "57014");
    client.batch_execute("ROLLBACK").await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[tokio::test]
async fn queries_that_compute_leave_others_their_turn() {
    let server = Server::start().await;
    let client = server.connect().await;
    client
        .batch_execute("CREATE TABLE t (a int); CREATE MATERIALIZED VIEW v AS SELECT sum(a) AS a FROM t")
        .await
        .unwrap();
    // More than there are threads for queries.
    let mut tokens = vec![];
    for _ in 0..8 {
        let busy = server.connect().await;
        tokens.push(busy.cancel_token());
        tokio::spawn(async move { busy.simple_query(BUSY).await });
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let started = Instant::now();
    client.batch_execute("INSERT INTO t VALUES (1), (2)").await.unwrap();
    assert_eq!(value(&client, "SELECT a FROM v").await, "3");
    assert_eq!(value(&server.connect().await, "SELECT 1").await, "1");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    for token in tokens {
        token.cancel_query(NoTls).await.unwrap();
    }
}
