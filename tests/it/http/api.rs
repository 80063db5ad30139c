//! Views, SQL, health, methods, other origins.

use hyper::Method;
use serde_json::json;
use trueup::serve::http::HttpOptions;

use super::client::{ask, get, post_json};
use super::server::{Server, options};
use crate::harness::run;

const SALES: &str = "
    CREATE TABLE sales (id BIGINT PRIMARY KEY, sku TEXT, amount DECIMAL(18,2), paid BOOLEAN, at TIMESTAMPTZ, share DOUBLE PRECISION, day DATE);
    INSERT INTO sales VALUES
      (1, 'kettle', 40.10, true, '2026-11-11 00:00:00.25+00', 0.5, '2026-11-11'),
      (2, 'lamp', 25.00, false, '2026-11-11 08:00:00+08', NULL, '2026-11-12'),
      (3, 'o''clock', 7.30, NULL, NULL, 'NaN', NULL),
      (9007199254740993, 'big', -0.05, true, '1969-12-31 23:59:59+00', 'Infinity', '1969-12-31');
    CREATE MATERIALIZED VIEW by_sku AS SELECT sku, count(*) AS n, sum(amount) AS amount FROM sales GROUP BY sku;
    CREATE VIEW plain AS SELECT sku FROM sales WHERE amount > 10;
    CREATE INDEX by_name ON sales (sku)";

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_of_one_tick_and_exact() {
    let server = Server::start(SALES).await;
    let answer = get(server.address, "/api/views/sales?order=id").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    let body = answer.json();
    assert_eq!(
        body["rows"],
        json!([
            {"id": 1, "sku": "kettle", "amount": "40.10", "paid": true, "at": "2026-11-11T00:00:00.250Z", "share": 0.5, "day": "2026-11-11"},
            {"id": 2, "sku": "lamp", "amount": "25.00", "paid": false, "at": "2026-11-11T00:00:00Z", "share": null, "day": "2026-11-12"},
            {"id": 3, "sku": "o'clock", "amount": "7.30", "paid": null, "at": null, "share": "NaN", "day": null},
            {"id": "9007199254740993", "sku": "big", "amount": "-0.05", "paid": true, "at": "1969-12-31T23:59:59Z", "share": "Infinity", "day": "1969-12-31"},
        ])
    );
    assert_eq!(body["columns"][2], json!({"name": "amount", "type": "numeric(18,2)"}));
    assert_eq!((&body["view"], &body["more"]), (&json!("sales"), &json!(false)));
    let tick = body["tick"].as_u64().expect("a tick");
    let as_of = chrono::DateTime::parse_from_rfc3339(body["as_of"].as_str().expect("a time")).expect("RFC 3339");
    assert_eq!(as_of.timestamp_millis() as u64, tick);
    assert_eq!(body["complete"], json!({"sources": 0, "behind": 0, "failing": 0, "finished": 0, "bad_rows": 0}));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_order_and_pages() {
    let server = Server::start(SALES).await;
    let ids = async |query: &str| {
        let answer = get(server.address, &format!("/api/views/sales?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        let body = answer.json();
        let ids: Vec<String> =
            body["rows"].as_array().expect("rows").iter().map(|row| row["sku"].to_string()).collect();
        (ids.join(",").replace('"', ""), body["more"].as_bool().expect("a flag"))
    };
    for (query, expected) in [
        ("sku=lamp", "lamp"),
        ("sku=eq.lamp", "lamp"),
        ("sku=o%27clock", "o'clock"),
        ("sku=x%27%20OR%201%3D1%20--", ""),
        ("order=id&amount=gt.7.30", "kettle,lamp"),
        ("order=id&amount=ge.7.30", "kettle,lamp,o'clock"),
        ("amount=7.30", "o'clock"),
        ("order=id&amount=gt.0&amount=lt.40", "lamp,o'clock"),
        ("order=id&id=ne.1&id=le.3", "lamp,o'clock"),
        ("order=sku&sku=in.lamp,big,nothing", "big,lamp"),
        ("order=sku&sku=like.%25l%25", "kettle,lamp,o'clock"),
        ("paid=is.null", "o'clock"),
        ("order=id&paid=is.notnull", "kettle,lamp,big"),
        ("paid=false", "lamp"),
        ("at=lt.2026-11-11T00:00:00.1Z&order=at", "big,lamp"),
        ("day=2026-11-12", "lamp"),
        ("order=paid.desc,amount", "o'clock,big,kettle,lamp"),
        ("order=paid.desc.nullslast,amount.desc", "kettle,big,lamp,o'clock"),
        ("order=paid,sku", "lamp,big,kettle,o'clock"),
        ("order=id&offset=3", "big"),
    ] {
        assert_eq!(ids(query).await, (expected.to_string(), false), "{query}");
    }
    assert_eq!(ids("order=id&limit=2").await, ("kettle,lamp".to_string(), true));
    assert_eq!(ids("order=id&limit=2&offset=2").await, ("o'clock,big".to_string(), false));
    assert_eq!(ids("limit=0").await, (String::new(), true));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said() {
    let server = Server::start(SALES).await;
    for (path, status, code) in [
        ("/api/views/sale", 404, "42P01"),
        ("/api/views/by_name", 400, "42809"),
        ("/api/views/trueup.nothing", 404, "42P01"),
        ("/api/views/sales?colour=red", 400, "42703"),
        ("/api/views/sales?order=colour", 400, "42703"),
        ("/api/views/sales?order=id.sideways", 400, "42703"),
        ("/api/views/sales?amount=gt.much", 400, "22P02"),
        ("/api/views/sales?id=in.1,x", 400, "22P02"),
        ("/api/views/sales?id=like.1", 400, "22023"),
        ("/api/views/sales?paid=is.maybe", 400, "22023"),
        ("/api/views/sales?limit=100001", 400, "22023"),
        ("/api/views/sales?limit=-1", 400, "22023"),
        ("/api/views/sales?offset=x", 400, "22023"),
        ("/api/nothing", 404, "42704"),
        ("/api/changes", 400, "22023"),
        ("/api/changes?views=sales,nothing", 404, "42P01"),
        ("/api/changes?views=sales&interval=x", 400, "22023"),
        ("/api/views/plain/changes", 400, "42809"),
        ("/api/views/sales/changes?views=sales", 400, "22023"),
        ("/nothing.js", 404, "42704"),
    ] {
        let answer = get(server.address, path).await;
        let body = answer.json();
        assert_eq!((answer.status.as_u16(), body["code"].as_str()), (status, Some(code)), "{path}: {body}");
        assert!(!body["message"].as_str().expect("a message").is_empty());
    }
    let near = get(server.address, "/api/views/sale").await.json();
    assert_eq!(near["hint"], "did you mean \"sales\"?");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relations_are_listed_with_their_columns() {
    let server = Server::start(SALES).await;
    let body = get(server.address, "/api/views").await.json();
    let views = body["views"].as_array().expect("views");
    let of = |name: &str| views.iter().find(|view| view["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(
        of("by_sku"),
        &json!({
            "name": "by_sku", "kind": "materialized view", "key": ["sku"], "depends_on": ["sales"], "followable": true,
            "columns": [
                {"name": "sku", "type": "text", "nullable": true},
                {"name": "n", "type": "bigint", "nullable": true},
                {"name": "amount", "type": of("by_sku")["columns"][2]["type"], "nullable": true},
            ],
        })
    );
    assert_eq!((&of("sales")["key"], &of("sales")["kind"]), (&json!(["id"]), &json!("table")));
    assert_eq!((&of("plain")["followable"], &of("plain")["kind"]), (&json!(false), &json!("view")));
    assert_eq!((&of("trueup.errors")["followable"], &of("trueup.errors")["kind"]), (&json!(true), &json!("system")));
    assert!(!views.iter().any(|view| view["name"] == "by_name"), "an index is no view");
    let system = get(server.address, "/api/views/trueup.views?name=by_sku").await.json();
    assert_eq!(system["rows"][0]["kind"], "materialized view");
    assert_eq!(
        get(server.address, "/api/views/plain?order=sku").await.json()["rows"],
        json!([{"sku": "kettle"}, {"sku": "lamp"}])
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_takes_values_not_text() {
    let server = Server::start(SALES).await;
    let sql = async |body: serde_json::Value| post_json(server.address, "/api/sql", &body).await;
    let answer = sql(json!({"sql": "SELECT sku, amount FROM sales WHERE amount > $1 AND sku <> $2 ORDER BY id", "parameters": ["7.29", "x' OR '1'='1"]})).await.json();
    assert_eq!(answer["rows"], json!([["kettle", "40.10"], ["lamp", "25.00"], ["o'clock", "7.30"]]));
    assert_eq!(
        answer["columns"],
        json!([{"name": "sku", "type": "text"}, {"name": "amount", "type": "numeric(18,2)"}])
    );
    assert_eq!((&answer["truncated"], &answer["command"]), (&json!(false), &json!("SELECT")));
    let cut = sql(json!({"sql": "SELECT id FROM sales ORDER BY id", "limit": 2})).await.json();
    assert_eq!((&cut["rows"], &cut["truncated"]), (&json!([[1], [2]]), &json!(true)));
    let numbers = sql(json!({"sql": "SELECT $1::BIGINT + 1, $2::BOOLEAN, $3::TEXT", "parameters": [41, true, null]}))
        .await
        .json();
    assert_eq!(numbers["rows"], json!([[42, true, null]]), "{numbers}");
    let shown = sql(json!({"sql": "SHOW TABLES"})).await.json();
    assert_eq!(shown["rows"], json!([["sales"]]));
    assert_eq!(sql(json!({"sql": "EXPLAIN SELECT sku FROM sales"})).await.status, 200);
    for (body, status, code) in [
        (json!({"sql": "SELECT nope FROM sales"}), 400, "42703"),
        (json!({"sql": "SELECT 1; SELECT 2"}), 400, "42601"),
        (json!({"sql": " "}), 400, "42601"),
        (json!({"sql": "SELEC 1"}), 400, "42601"),
        (json!({"sql": "SELECT 1/0"}), 400, "22012"),
        (json!({"sql": "SELECT $1::INT", "parameters": []}), 400, "08P01"),
        (json!({"sql": "SELECT $1::INT", "parameters": ["x"]}), 400, "22P02"),
        (json!({"sql": "SELECT 1", "limit": 1_000_000}), 400, "22023"),
        (json!({"query": "SELECT 1"}), 400, "22P02"),
        (json!({"sql": "DELETE FROM sales"}), 403, "25006"),
        (json!({"sql": "DROP TABLE sales CASCADE"}), 403, "25006"),
        (json!({"sql": "SUBSCRIBE TO sales"}), 403, "25006"),
    ] {
        let answer = sql(body.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["code"].as_str()),
            (status, Some(code)),
            "{body}: {}",
            answer.text()
        );
    }
    let misplaced = sql(json!({"sql": "SELECT nope FROM sales"})).await.json();
    assert_eq!(misplaced["position"], 7);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_writes_only_where_the_operator_allows_it() {
    let server = Server::start_with(HttpOptions { sql_writes: true, ..options() }, SALES).await;
    let sql = async |body: serde_json::Value| post_json(server.address, "/api/sql", &body).await;
    let refused = sql(json!({"sql": "INSERT INTO sales (id) VALUES (4)", "read_only": true})).await;
    assert_eq!((refused.status.as_u16(), refused.json()["code"].as_str()), (403, Some("25006")));
    let written =
        sql(json!({"sql": "INSERT INTO sales (id, sku) VALUES ($1, $2)", "parameters": [4, "new"]})).await.json();
    assert_eq!(written["command"], "INSERT 0 1", "{written}");
    let read = get(server.address, "/api/views/by_sku?sku=new").await.json();
    assert_eq!(read["rows"], json!([{"sku": "new", "n": 1, "amount": null}]));
    assert!(read["tick"].as_u64() >= written["tick"].as_u64());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_may_take_only_so_long() {
    let options = HttpOptions { query_timeout: std::time::Duration::from_millis(50), ..options() };
    let server = Server::start_with(options, "CREATE TABLE t (x BIGINT)").await;
    let numbers = |name: &str| format!("(SELECT unnest(range(0, 20000)) AS {name}) AS {name}_numbers");
    let long = format!("SELECT count(*) FROM {}, {} WHERE a + b > 7", numbers("a"), numbers("b"));
    let answer = post_json(server.address, "/api/sql", &json!({ "sql": long })).await;
    assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str()), (408, Some("57014")), "{}", answer.text());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_and_metrics() {
    let server = Server::start(SALES).await;
    assert_eq!(get(server.address, "/healthz").await.text(), "ok\n");
    assert_eq!(get(server.address, "/readyz").await.status, 200);
    server.set_ready(false);
    assert_eq!(get(server.address, "/readyz").await.status, 503);
    run(&server.engine, "INSERT INTO sales (id) VALUES (5)").await;
    let text = get(server.address, "/metrics").await.text();
    for line in [
        "trueup_table_rows_total{table=\"sales\"} 5",
        "# TYPE trueup_table_duplicates_total counter",
        "trueup_table_duplicates_total{table=\"sales\"} 0",
        "trueup_table_unknown_field_rows_total{table=\"sales\"} 0",
        "trueup_error_rows 0",
        "trueup_sse_subscribers 0",
        "# TYPE trueup_freshness_seconds histogram",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let value = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}"));
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
    };
    assert!(value("trueup_ticks_total") > 0.0 && value("trueup_arrangement_bytes{relation=\"sales\"}") > 0.0);
    assert!(value("trueup_freshness_seconds_count") >= 1.0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_are_not_meant_are_refused() {
    let server = Server::start(SALES).await;
    let head = ask(server.address, Method::HEAD, "/api/views/sales", &[], "").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    for (method, path, allow) in [
        (Method::OPTIONS, "/api/views", "GET, HEAD"),
        (Method::POST, "/api/views/sales", "GET, HEAD"),
        (Method::DELETE, "/api/tables/sales", "POST"),
        (Method::GET, "/api/tables/sales", "POST"),
        (Method::OPTIONS, "/api/sql", "POST"),
        (Method::PUT, "/metrics", "GET, HEAD"),
    ] {
        let answer = ask(server.address, method.clone(), path, &[("origin", "https://evil.example")], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, allow), "{method} {path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{method} {path}");
    }
    let root = get(server.address, "/").await;
    assert_eq!((root.status.as_u16(), root.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(root.header("content-security-policy").contains("default-src 'self'"));
    assert_eq!(root.header("x-content-type-options"), "nosniff");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_origins_are_let_in_by_name_only() {
    let named = HttpOptions { cors_origins: vec!["https://shop.example".to_string()], ..options() };
    let server = Server::start_with(named, SALES).await;
    let preflight = async |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type"),
        ];
        ask(server.address, Method::OPTIONS, "/api/tables/sales", &headers, "").await
    };
    let allowed = preflight("https://shop.example").await;
    assert_eq!(allowed.header("access-control-allow-origin"), "https://shop.example");
    assert!(allowed.header("access-control-allow-methods").contains("POST"));
    assert_eq!(preflight("https://evil.example").await.header("access-control-allow-origin"), "");
    let read = ask(server.address, Method::GET, "/api/views", &[("origin", "https://shop.example")], "").await;
    assert_eq!(read.header("access-control-allow-origin"), "https://shop.example");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_router_answers_without_a_socket() {
    use http_body_util::BodyExt;
    use hyper::service::Service;
    use std::sync::Arc;
    use tokio::sync::watch;
    use trueup::serve::http::{HttpState, app};
    let engine = crate::harness::start(1);
    run(&engine, "CREATE TABLE t (id BIGINT PRIMARY KEY); INSERT INTO t VALUES (7)").await;
    let (_ready, is_ready) = watch::channel(true);
    let (_stop, stopping) = watch::channel(false);
    let app = app(HttpState::new(Arc::new(engine.clone()), options(), is_ready, vec![], stopping).expect("threads"));
    let service = hyper_util::service::TowerToHyperService::new(app);
    let request = hyper::Request::get("/api/views/t").body(super::client::full("")).expect("a request");
    let response = service.call(request).await.expect("an answer");
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["rows"], json!([{"id": 7}]));
    engine.stop().await;
}
