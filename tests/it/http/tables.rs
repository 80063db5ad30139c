//! `POST /api/tables/{table}`: what is taken, what is refused, and that sending again changes nothing.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::Method;
use serde_json::json;

use super::client::{Answer, ask, get, post_json};
use super::server::Server;
use crate::harness::rows;

pub(super) const ORDERS: &str = "
    CREATE TABLE orders (order_id BIGINT PRIMARY KEY, version INT, sku TEXT, amount DECIMAL(18,2) NOT NULL) WITH VERSION COLUMN (version);
    CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n, sum(amount) AS amount FROM orders";

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub(super) async fn post_lines(server: &Server, path: &str, body: &str) -> Answer {
    ask(server.address, Method::POST, path, &[("content-type", "application/x-ndjson")], body.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_visible_once_they_are_accepted() {
    let server = Server::start(ORDERS).await;
    let lines = "{\"order_id\":1,\"version\":1,\"sku\":\"kettle\",\"amount\":40.1}\r\n\n{\"amount\":\"25\",\"version\":1,\"order_id\":2,\"unknown\":[1]}\n";
    let answer = post_lines(&server, "/api/tables/orders", lines).await;
    let body = answer.json();
    assert_eq!((answer.status.as_u16(), &body["accepted"], &body["rejected"]), (200, &json!(2), &json!(0)), "{body}");
    let read = get(server.address, "/api/views/totals").await.json();
    assert_eq!(read["rows"], json!([{"n": 2, "amount": "65.10"}]));
    assert!(read["tick"].as_u64() >= body["tick"].as_u64());

    let array = json!([{"order_id": 3, "version": 1, "amount": 1}, {"order_id": 4, "version": 1, "amount": "0.01"}]);
    assert_eq!(post_json(server.address, "/api/tables/orders", &array).await.json()["accepted"], 2);
    let one = json!({"order_id": 5, "version": 1, "amount": 2});
    assert_eq!(post_json(server.address, "/api/tables/orders", &one).await.json()["accepted"], 1);
    let headers = [("content-type", "application/x-ndjson; charset=utf-8"), ("content-encoding", "gzip")];
    let packed = gzip(b"{\"order_id\":6,\"version\":1,\"amount\":3}\n");
    assert_eq!(ask(server.address, Method::POST, "/api/tables/orders", &headers, packed).await.json()["accepted"], 1);
    assert_eq!(get(server.address, "/api/views/totals").await.json()["rows"], json!([{"n": 6, "amount": "71.11"}]));
    let nothing = post_json(server.address, "/api/tables/orders", &json!([])).await;
    assert_eq!((nothing.status.as_u16(), &nothing.json()["accepted"]), (200, &json!(0)));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_again_in_any_order_changes_nothing() {
    let server = Server::start(ORDERS).await;
    let first = r#"{"order_id":1,"version":1,"amount":10}"#;
    let second = r#"{"order_id":1,"version":2,"amount":20}"#;
    let delete = r#"{"order_id":2,"version":2,"__op":"delete"}"#;
    let late = r#"{"order_id":2,"version":1,"amount":99}"#;
    for body in [second, first, second, delete, late, first] {
        assert_eq!(post_lines(&server, "/api/tables/orders", body).await.status, 200, "{body}");
        assert_eq!(
            get(server.address, "/api/views/totals").await.json()["rows"],
            json!([{"n": 1, "amount": "20.00"}]),
            "{body}"
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_row_refuses_all_and_is_named() {
    let server = Server::start(ORDERS).await;
    let lines = "{\"order_id\":1,\"version\":1,\"amount\":1}\n\n{\"order_id\":2,\"version\":1}\nnonsense\n{\"order_id\":\"x\",\"version\":1,\"amount\":1}\n";
    let answer = post_lines(&server, "/api/tables/orders", lines).await;
    let body = answer.json();
    assert_eq!((answer.status.as_u16(), &body["errors_total"]), (400, &json!(3)), "{body}");
    let errors: Vec<String> = body["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|e| {
            format!(
                "row {} line {} {} {}",
                e["row"],
                e["line"],
                e["code"].as_str().expect("a code"),
                e["message"].as_str().expect("a message")
            )
        })
        .collect();
    assert_eq!(
        errors[0],
        "row 2 line 3 23502 null value in column \"amount\" of relation \"orders\" violates not-null constraint"
    );
    assert!(errors[1].starts_with("row 3 line 4 22P02 invalid input syntax for type json"), "{errors:?}");
    assert!(errors[2].starts_with("row 4 line 5 22P02 column \"order_id\""), "{errors:?}");
    assert_eq!(get(server.address, "/api/views/totals").await.json()["rows"][0]["n"], 0);
    assert_eq!(rows(&server.engine, "SELECT count(*) FROM trueup.errors").await, ["0"]);

    let array = "[\n {\"order_id\":1,\"version\":1,\"amount\":1},\n {\"order_id\":2,\n\"version\":1}]";
    let headers = [("content-type", "application/json")];
    let body = ask(server.address, Method::POST, "/api/tables/orders", &headers, array).await.json();
    assert_eq!((&body["errors"][0]["row"], &body["errors"][0]["line"]), (&json!(2), &json!(3)), "{body}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_takes_the_good_and_quarantines_the_bad() {
    let server = Server::start(ORDERS).await;
    let lines = "{\"order_id\":1,\"version\":1,\"amount\":1}\n\n{\"order_id\":2,\"version\":1,\"amount\":\"much\"}\n";
    let body = post_lines(&server, "/api/tables/orders?partial=true", lines).await.json();
    assert_eq!((&body["accepted"], &body["rejected"]), (&json!(1), &json!(1)), "{body}");
    let errors = get(server.address, "/api/views/trueup.errors").await.json();
    let error = &errors["rows"][0];
    assert_eq!(
        (&error["relation"], &error["position"], &error["code"]),
        (&json!("orders"), &json!("http:3"), &json!("22P02"))
    );
    assert!(error["payload"].as_str().expect("a payload").contains("much"));
    let corrected = post_lines(&server, "/api/tables/orders", "{\"order_id\":2,\"version\":1,\"amount\":2}").await;
    assert_eq!(corrected.status, 200);
    assert_eq!(get(server.address, "/api/views/trueup.errors").await.json()["rows"], json!([]), "it is corrected");
    assert_eq!(get(server.address, "/api/views/totals").await.json()["rows"], json!([{"n": 2, "amount": "3.00"}]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_rows_is_refused() {
    let server = Server::start(ORDERS).await;
    let long = format!("[{}]", "[".repeat(10_000));
    let truncated = &gzip(&vec![b' '; 10_000])[..20];
    let json = ("content-type", "application/json");
    type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a [u8], u16, &'a str);
    let cases: Vec<Case<'_>> = vec![
        ("/api/tables/nothing", vec![json], b"[]", 404, "42P01"),
        ("/api/tables/totals", vec![json], b"[]", 400, "42809"),
        ("/api/tables/orders", vec![], b"[]", 415, "0A000"),
        ("/api/tables/orders", vec![("content-type", "application/x-www-form-urlencoded")], b"[]", 415, "0A000"),
        ("/api/tables/orders", vec![json, ("content-encoding", "br")], b"[]", 415, "0A000"),
        ("/api/tables/orders", vec![json, ("content-encoding", "gzip")], b"[]", 400, "22P04"),
        ("/api/tables/orders", vec![json, ("content-encoding", "gzip")], truncated, 400, "22P04"),
        ("/api/tables/orders", vec![json], b"[{\"order_id\":1}", 400, "22P02"),
        ("/api/tables/orders", vec![json], b"{\"order_id\":1}\n{\"order_id\":2}", 400, "22P02"),
        ("/api/tables/orders", vec![json], b"\xff\xfe", 400, "22P02"),
        ("/api/tables/orders", vec![json], b"", 400, "22P02"),
        ("/api/tables/orders", vec![json], long.as_bytes(), 400, "22P02"),
        ("/api/tables/orders", vec![json], b"[1, \"x\", null]", 400, "22000"),
        ("/api/tables/orders?partial=perhaps", vec![json], b"[]", 400, "22023"),
        ("/api/tables/orders?upsert=true", vec![json], b"[]", 400, "22023"),
    ];
    for (path, headers, body, status, code) in cases {
        let answer = ask(server.address, Method::POST, path, &headers, body.to_vec()).await;
        let shown = format!("{path} {headers:?} {}", String::from_utf8_lossy(&body[..body.len().min(50)]));
        assert_eq!(
            (answer.status.as_u16(), answer.json()["code"].as_str()),
            (status, Some(code)),
            "{shown}: {}",
            answer.text()
        );
    }
    assert_eq!(get(server.address, "/api/views/totals").await.json()["rows"][0]["n"], 0);
    server.stop().await;
}
