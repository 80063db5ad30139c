//! Clients that send too much, too slowly, or go away; and the server's end.

use std::time::{Duration, Instant};

use futures::StreamExt;
use http_body_util::{BodyExt, StreamBody};
use hyper::Method;
use hyper::body::Frame;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use trueup::serve::http::HttpOptions;

use super::client::{Events, PATIENCE, TestBody, ask, get, post_json, read, send};
use super::server::{Server, options};
use super::tables::{ORDERS, gzip, post_lines};

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

/// A body whose pieces come when the test sends them.
pub(super) fn slow_body() -> (mpsc::Sender<&'static str>, TestBody) {
    let (sender, mut receiver) = mpsc::channel(8);
    let pieces = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
    let frames = pieces.map(|piece: &str| Ok(Frame::data(bytes::Bytes::from_static(piece.as_bytes()))));
    (sender, BodyExt::boxed(StreamBody::new(frames)))
}

async fn metric(server: &Server, name: &str) -> u64 {
    let text = get(server.address, "/metrics").await.text();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}"));
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}

pub(super) async fn until_metric(server: &Server, name: &str, value: u64) {
    let patience = Instant::now() + PATIENCE;
    while Instant::now() < patience {
        if metric(server, name).await == value {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{name} is {}, not {value}", metric(server, name).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_bodies_are_cut_off_declared_or_not_packed_or_not() {
    let limits = HttpOptions { body_bytes_max: 100_000, ..options() };
    let server = Server::start_with(limits, ORDERS).await;
    let row = "{\"order_id\":1,\"version\":1,\"amount\":1}\n";
    let fits = row.repeat(2000);
    assert_eq!(post_lines(&server, "/api/tables/orders", &fits).await.json()["accepted"], 2000);
    let declared = ask(server.address, Method::POST, "/api/tables/orders", &[NDJSON], row.repeat(4000)).await;
    assert_eq!((declared.status.as_u16(), declared.json()["code"].as_str()), (413, Some("54000")));
    assert!(declared.json()["message"].as_str().expect("a message").contains("100000 bytes"), "{}", declared.text());

    // Without a length, as a stream: found out while it comes.
    let pieces = futures::stream::iter((0..40).map(move |_| Ok(Frame::data(bytes::Bytes::from(row.repeat(100))))));
    let streamed =
        send(server.address, Method::POST, "/api/tables/orders", &[NDJSON], BodyExt::boxed(StreamBody::new(pieces)))
            .await;
    // Whoever goes on sending may see the answer or the end of the connection.
    if let Ok(response) = streamed {
        assert_eq!(response.status(), 413);
    }

    let bomb = gzip(&vec![b'\n'; 8 << 20]);
    assert!(bomb.len() < 100_000, "packed it is small");
    let headers = [NDJSON, ("content-encoding", "gzip")];
    let packed = ask(server.address, Method::POST, "/api/tables/orders", &headers, bomb).await;
    assert_eq!(packed.status, 413, "{}", packed.text());
    assert!(packed.text().contains("decompressed"), "{}", packed.text());
    until_metric(&server, "trueup_http_in_flight_bytes", 0).await;
    assert_eq!(get(server.address, "/api/views/totals").await.json()["rows"][0]["n"], 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let limits = HttpOptions { body_timeout: Duration::from_millis(200), ..options() };
    let server = Server::start_with(limits, ORDERS).await;
    let (pieces, body) = slow_body();
    pieces.send("{\"order_id\":1,").await.expect("room");
    let response = send(server.address, Method::POST, "/api/tables/orders", &[NDJSON], body).await.expect("an answer");
    let answer = read(response).await;
    assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str()), (408, Some("57014")));
    until_metric(&server, "trueup_http_in_flight_bytes", 0).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_at_once_is_asked_to_come_again() {
    let limits = HttpOptions { in_flight_bytes_max: 8 << 10, ..options() };
    let server = Server::start_with(limits, ORDERS).await;
    let (pieces, body) = slow_body();
    let blanks: &'static str = Box::leak(" ".repeat(6000).into_boxed_str());
    pieces.send(blanks).await.expect("room");
    let held = tokio::spawn(send(server.address, Method::POST, "/api/tables/orders", &[NDJSON], body));
    until_metric(&server, "trueup_http_in_flight_bytes", 6 << 10).await;
    let row = format!("{{\"order_id\":1,\"version\":1,\"amount\":1}}{}", " ".repeat(3000));
    let busy = post_lines(&server, "/api/tables/orders", &row).await;
    assert_eq!(
        (busy.status.as_u16(), busy.header("retry-after"), busy.json()["code"].as_str()),
        (429, "1", Some("53400"))
    );
    assert_eq!(metric(&server, "trueup_http_busy_total").await, 1);
    pieces.send("{\"order_id\":2,\"version\":1,\"amount\":2}").await.expect("room");
    drop(pieces);
    let answer = read(held.await.expect("no panic").expect("an answer")).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["accepted"]), (200, &json!(1)));
    assert_eq!(post_lines(&server, "/api/tables/orders", &row).await.status, 200, "there is room again");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_go_away_leave_nothing_behind() {
    let server = Server::start(ORDERS).await;
    for head in [
        "POST /api/tables/orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\ncontent-length: 1000\r\n\r\n{\"order_id\":1,\"version\":1,\"amount\":1}\n",
        "POST /api/tables/orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"ord\r\n",
        "GET /api/views/orders/changes HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /api/vie",
        "\x16\x03\x01\x02\x00\x01\x00\x01\x5c\x03\x03",
    ] {
        let mut socket = TcpStream::connect(server.address).await.expect("the server listens");
        socket.write_all(head.as_bytes()).await.expect("sent");
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(socket);
    }
    until_metric(&server, "trueup_http_in_flight_bytes", 0).await;
    until_metric(&server, "trueup_sse_subscribers", 0).await;
    assert_eq!(get(server.address, "/api/views/totals").await.json()["rows"][0]["n"], 0, "half a request is none");
    let mut socket = TcpStream::connect(server.address).await.expect("the server listens");
    socket.write_all(b"NONSENSE\r\n\r\n").await.expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_streams_and_refuses_rows() {
    let limits = HttpOptions { shutdown_grace: PATIENCE, ..options() };
    let server = Server::start_with(limits, ORDERS).await;
    let mut events = Events::open(server.address, "/api/views/totals/changes", None).await;
    assert_eq!(events.news().await.name, "snapshot");
    // A request begun before the stop: told, not cut off.
    let (pieces, body) = slow_body();
    pieces.send("{\"order_id\":1,").await.expect("room");
    let under_way = tokio::spawn(send(server.address, Method::POST, "/api/tables/orders", &[NDJSON], body));
    until_metric(&server, "trueup_http_in_flight_bytes", 1 << 10).await;
    // Answered once, so it is the server's: one that still waits to be accepted is reset when the listener closes.
    let mut kept = TcpStream::connect(server.address).await.expect("the server listens");
    kept.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    kept.read_u8().await.expect("the answer begins");
    server.stop.send_replace(true);
    let end = events.news().await;
    assert_eq!((end.name.as_str(), &end.data["reason"]), ("end", &json!("stopping")));
    assert!(events.next().await.is_none(), "the stream is over");
    pieces.send("\"version\":1,\"amount\":2}").await.expect("room");
    drop(pieces);
    let answer = read(under_way.await.expect("no panic").expect("an answer")).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["accepted"]), (200, &json!(1)));
    // An idle connection is closed.
    let mut rest = vec![];
    kept.read_to_end(&mut rest).await.expect("closed");
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody is let in any more");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_has_stopped_is_said() {
    let server = Server::start(ORDERS).await;
    server.engine.stop().await;
    let answer =
        post_json(server.address, "/api/tables/orders", &json!({"order_id": 1, "version": 1, "amount": 1})).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("retry-after"), answer.json()["code"].as_str()),
        (503, "1", Some("57P01"))
    );
    assert_eq!(get(server.address, "/api/views/totals").await.status, 503);
    assert_eq!(get(server.address, "/api/views/totals/changes").await.status, 503);
    server.stop().await;
}
