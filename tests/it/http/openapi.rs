//! The document against the server: every address, method and status it names is answered as it says, and no address is missing.

use std::collections::BTreeSet;
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use trueup::serve::http::HttpOptions;

use super::client::{Answer, Events, ask, get, send};
use super::schema::findings;
use super::server::{Server, options};
use super::tables::ORDERS;
use crate::harness::run;

/// The document, and which of its answers have been seen.
struct Document {
    text: Value,
    seen: BTreeSet<String>,
}

impl Document {
    fn responses(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for (path, methods) in self.text["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                for status in operation["responses"].as_object().expect("responses").keys() {
                    all.insert(format!("{method} {path} {status}"));
                }
            }
        }
        all
    }

    /// Holds an answer against what is documented for it.
    fn check(&mut self, method: &str, path: &str, answer: &Answer) {
        let status = answer.status.as_u16().to_string();
        let response = &self.text["paths"][path][method]["responses"][&status];
        assert!(response.is_object(), "{method} {path}: {status} is not documented: {}", answer.text());
        let content = answer.header("content-type").split(';').next().unwrap_or("").to_string();
        let schema = &response["content"][&content]["schema"];
        assert!(schema.is_object(), "{method} {path} {status}: {content} is not documented");
        if content == "application/json" {
            let found = findings(&self.text, schema, &answer.json());
            assert!(found.is_empty(), "{method} {path} {status}: {found:?}\n{}", answer.text());
        }
        self.seen.insert(format!("{method} {path} {status}"));
    }

    fn check_event(&self, schema: &str, data: &Value) {
        let found = findings(&self.text, &self.text["components"]["schemas"][schema], data);
        assert!(found.is_empty(), "{schema}: {found:?}\n{data}");
    }
}

/// Takes longer than anybody waits.
const SLOW: &str = "SELECT count(*) AS n FROM (SELECT unnest(range(0, 100000)) AS a) x, (SELECT unnest(range(0, 100000)) AS b) y WHERE a + b > 7";
const JSON: (&str, &str) = ("content-type", "application/json");

async fn check_reads(document: &mut Document, server: &Server) {
    for (path, address) in [
        ("/api/views", "/api/views"),
        ("/api/views/{view}", "/api/views/orders?order=order_id.desc&limit=1"),
        ("/api/views/{view}", "/api/views/trueup.operators"),
        ("/api/views/{view}", "/api/views/orders?limit=x"),
        ("/api/views/{view}", "/api/views/nothing"),
        ("/api/views/{view}", "/api/views/slow"),
        ("/api/views/{view}/changes", "/api/views/orders/changes?interval=x"),
        ("/api/views/{view}/changes", "/api/views/nothing/changes"),
        ("/api/changes", "/api/changes"),
        ("/api/changes", "/api/changes?views=nothing"),
        ("/api/openapi.json", "/api/openapi.json"),
        ("/healthz", "/healthz"),
        ("/readyz", "/readyz"),
        ("/metrics", "/metrics"),
    ] {
        document.check("get", path, &get(server.address, address).await);
    }
}

async fn check_writes(document: &mut Document, server: &Server) {
    let path = "/api/tables/{table}";
    let big = vec![b' '; 200_000];
    let row = |order: u64| json!({"order_id": order, "version": 1, "amount": 1}).to_string().into_bytes();
    for (address, content, body) in [
        ("/api/tables/orders", JSON, row(1)),
        ("/api/tables/orders?partial=true", JSON, b"[{\"order_id\":2}]".to_vec()),
        ("/api/tables/orders", JSON, b"[{\"order_id\":2}]".to_vec()),
        ("/api/tables/nothing", JSON, b"[]".to_vec()),
        ("/api/tables/orders", JSON, big.clone()),
        ("/api/tables/orders", ("content-type", "text/plain"), b"[]".to_vec()),
    ] {
        document.check("post", path, &ask(server.address, Method::POST, address, &[content], body).await);
    }
    for (body, content) in [
        (json!({"sql": "SELECT * FROM orders WHERE order_id = $1", "parameters": [1], "limit": 5, "read_only": true}).to_string().into_bytes(), JSON),
        (b"{\"sql\":\"SELECT nope FROM orders\"}".to_vec(), JSON),
        (b"{\"sql\":\"DELETE FROM orders\"}".to_vec(), JSON),
        (b"{\"sql\":\"SELECT * FROM nothing\"}".to_vec(), JSON),
        (json!({ "sql": SLOW }).to_string().into_bytes(), JSON),
        (big.clone(), JSON),
        (b"SELECT 1".to_vec(), ("content-type", "text/plain")),
    ] {
        document.check("post", "/api/sql", &ask(server.address, Method::POST, "/api/sql", &[content], body).await);
    }
    // A body that does not come, and then one that finds no room.
    let (held, body) = super::limits::slow_body();
    held.send("{").await.expect("room");
    let slow = tokio::spawn(send(server.address, Method::POST, "/api/tables/orders", &[JSON], body));
    super::limits::until_metric(server, "trueup_http_in_flight_bytes", 1 << 10).await;
    let full_up = vec![b' '; 99_900];
    document.check(
        "post",
        path,
        &ask(server.address, Method::POST, "/api/tables/orders", &[JSON], full_up.clone()).await,
    );
    document.check("post", "/api/sql", &ask(server.address, Method::POST, "/api/sql", &[JSON], full_up).await);
    let late = super::client::read(slow.await.expect("no panic").expect("an answer")).await;
    document.check("post", path, &late);
}

async fn check_events(document: &mut Document, server: &Server) {
    for (path, address, snapshot, changes) in [
        ("/api/views/{view}/changes", "/api/views/totals/changes", "SnapshotOfOne", "ChangesOfOne"),
        ("/api/changes", "/api/changes?views=totals,orders,trueup.ticks,none&missing=allow", "Snapshot", "Changes"),
    ] {
        let mut events = Events::open(server.address, address, None).await;
        let first = events.news().await;
        document.check_event(snapshot, &first.data);
        run(&server.engine, "UPDATE orders SET amount = amount + 1").await;
        document.check_event(changes, &events.news().await.data);
        let mut again = Events::open(server.address, address, first.id).await;
        document.check_event("Resumed", &again.news().await.data);
        loop {
            let event = again.next().await.expect("an event");
            if event.name == "heartbeat" {
                document.check_event("Heartbeat", &event.data);
                break;
            }
        }
        let refused = get(server.address, address).await;
        document.check("get", path, &refused);
        drop((events, again));
        super::limits::until_metric(server, "trueup_sse_subscribers", 0).await;
        document.seen.insert(format!("get {path} 200"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_answers_as_documented() {
    let limits = HttpOptions {
        body_bytes_max: 100_000,
        in_flight_bytes_max: 98 << 10,
        body_timeout: Duration::from_millis(1500),
        query_timeout: Duration::from_millis(500),
        heartbeat: Duration::from_millis(100),
        streams_max: 2,
        ..options()
    };
    let server = Server::start_with(limits, ORDERS).await;
    run(&server.engine, &format!("CREATE VIEW slow AS {SLOW}")).await;
    let text = get(server.address, "/api/openapi.json").await.json();
    let mut document = Document { text, seen: BTreeSet::new() };
    check_writes(&mut document, &server).await;
    check_reads(&mut document, &server).await;
    check_events(&mut document, &server).await;
    server.set_ready(false);
    document.check("get", "/readyz", &get(server.address, "/readyz").await);
    let mut last = Events::open(server.address, "/api/changes?views=orders", None).await;
    assert_eq!(last.news().await.name, "snapshot");
    server.engine.stop().await;
    for path in ["/api/views", "/api/views/{view}"] {
        let address = path.replace("{view}", "orders");
        document.check("get", path, &get(server.address, &address).await);
    }
    for (path, body) in [
        ("/api/tables/{table}", "{\"order_id\":1,\"version\":1,\"amount\":1}"),
        ("/api/sql", "{\"sql\":\"SELECT * FROM orders\"}"),
    ] {
        let address = path.replace("{table}", "orders");
        document.check("post", path, &ask(server.address, Method::POST, &address, &[JSON], body).await);
    }
    document.check_event("End", &last.news().await.data);
    let unseen: Vec<_> = document.responses().difference(&document.seen).cloned().collect();
    assert!(unseen.is_empty(), "documented and not seen: {unseen:?}");
    server.stop().await;
}
