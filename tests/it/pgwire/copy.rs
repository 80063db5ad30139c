//! COPY through a driver.

use bytes::Bytes;
use futures::{SinkExt, TryStreamExt};
use tokio_postgres::Client;

use super::server::{Server, rows, value};

async fn copy_in(client: &Client, sql: &str, pieces: &[&str]) -> Result<u64, tokio_postgres::Error> {
    let sink = client.copy_in::<_, Bytes>(sql).await?;
    futures::pin_mut!(sink);
    for piece in pieces {
        sink.send(Bytes::copy_from_slice(piece.as_bytes())).await?;
    }
    sink.finish().await
}

async fn copy_out(client: &Client, sql: &str) -> String {
    let pieces: Vec<Bytes> = client.copy_out(sql).await.unwrap().try_collect().await.unwrap();
    String::from_utf8(pieces.concat()).unwrap()
}

#[tokio::test]
async fn rows_go_in_and_come_out() {
    let server = Server::start().await;
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE t (id int NOT NULL, name text, at timestamptz)").await.unwrap();
    let sent =
        copy_in(&client, "COPY t FROM STDIN", &["1\ta\\tb\t2024-01-01 00:", "00:00+00\n2\t\\N\t\\N\n"]).await.unwrap();
    assert_eq!(sent, 2);
    let sent =
        copy_in(&client, "COPY t (name, id) FROM STDIN (FORMAT csv, HEADER)", &["name,id\n\"x,y\",3\n"]).await.unwrap();
    assert_eq!(sent, 1);
    let wanted = "1\ta\\tb\t2024-01-01 00:00:00+00\n2\t\\N\t\\N\n3\tx,y\t\\N\n";
    assert_eq!(copy_out(&client, "COPY (SELECT * FROM t ORDER BY id) TO STDOUT").await, wanted);
    let csv = copy_out(&client, "COPY (SELECT id, name FROM t ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER)").await;
    assert_eq!(csv, "id,name\n1,a\tb\n2,\n3,\"x,y\"\n");
    assert_eq!(copy_out(&client, "COPY t (id) TO STDOUT").await.lines().count(), 3);
}

#[tokio::test]
async fn a_bad_line_takes_nothing_and_is_named() {
    let server = Server::start().await;
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE t (id int NOT NULL)").await.unwrap();
    let error = copy_in(&client, "COPY t FROM STDIN", &["1\n2\nthree\n"]).await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code().code(), "22P02");
    assert_eq!(error.detail(), Some("COPY t, line 3, column id: \"three\""));
    assert_eq!(value(&client, "SELECT count(*) FROM t").await, "0");
    assert_eq!(copy_in(&client, "COPY missing FROM STDIN", &[]).await.unwrap_err().code().unwrap().code(), "42P01");
    assert!(rows(&client, "SELECT * FROM t").await.is_empty());
}
