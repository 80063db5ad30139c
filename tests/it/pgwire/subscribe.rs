//! SUBSCRIBE through COPY and through cursors.

use std::time::Duration;

use futures::TryStreamExt;

use super::server::{Server, failure, rows};

#[tokio::test]
async fn copy_streams_changes_until_cancelled() {
    let server = Server::start().await;
    let (client, other) = (server.connect().await, server.connect().await);
    other.batch_execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1)").await.unwrap();
    let stream = client.copy_out("COPY (SUBSCRIBE TO t WITH (progress = true)) TO STDOUT").await.unwrap();
    futures::pin_mut!(stream);
    let mut next = async || String::from_utf8(stream.try_next().await.unwrap().unwrap().to_vec()).unwrap();
    assert_eq!(next().await, "1\t1\t1\n");
    assert_eq!(next().await, "1\t\\N\t\\N\n");
    other.batch_execute("INSERT INTO t VALUES (2)").await.unwrap();
    assert_eq!(next().await, "2\t1\t2\n");
    assert_eq!(next().await, "2\t\\N\t\\N\n");
    client.cancel_token().cancel_query(tokio_postgres::NoTls).await.unwrap();
    let error = stream.try_next().await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "57014");
    assert_eq!(rows(&client, "SELECT a FROM t ORDER BY a").await.len(), 2);
}

#[tokio::test]
async fn a_portal_gives_what_has_happened() {
    let server = Server::start().await;
    let (mut client, other) = (server.connect().await, server.connect().await);
    other.batch_execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)").await.unwrap();
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("SUBSCRIBE TO t", &[]).await.unwrap();
    let mut numbers = async |rows_max| {
        let rows = transaction.query_portal(&portal, rows_max).await.unwrap();
        rows.iter().map(|row| row.get::<_, i32>("a")).collect::<Vec<_>>()
    };
    assert_eq!(numbers(1).await, [1]);
    assert_eq!(numbers(10).await, [2]);
    other.batch_execute("INSERT INTO t VALUES (3)").await.unwrap();
    assert_eq!(numbers(10).await, [3]);
}

#[tokio::test]
async fn cursors_wait_for_changes() {
    let server = Server::start().await;
    let (client, other) = (server.connect().await, server.connect().await);
    other.batch_execute("CREATE TABLE t (a int)").await.unwrap();
    client.batch_execute("BEGIN; DECLARE c CURSOR FOR SUBSCRIBE TO t WITH (snapshot = false)").await.unwrap();
    assert!(rows(&client, "FETCH 5 FROM c WITH (timeout = '50ms')").await.is_empty());
    let fetching = tokio::spawn(async move {
        let fetched = rows(&client, "FETCH ALL FROM c").await;
        (client, fetched)
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    other.batch_execute("INSERT INTO t VALUES (7)").await.unwrap();
    let (client, fetched) = fetching.await.unwrap();
    let texts: Vec<&str> = fetched[0].iter().flatten().map(String::as_str).collect();
    assert_eq!(texts, ["1", "1", "7"]);
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(failure(&client, "FETCH c").await, "34000");
}
