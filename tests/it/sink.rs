//! Webhook sinks against a real HTTP server that fails, stalls, refuses, goes away and comes back; over TLS too.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use trueup::engine::{Engine, EngineConfig};

use super::harness::{refused, rows, run};

/// How the receiver answers the next request.
#[derive(Clone, Copy, Debug)]
enum Behaviour {
    Status(u16),
    RetryAfter(u16, u64),
    /// Takes the request and never answers.
    Stall,
    /// Takes the request, then closes.
    Close,
}

#[derive(Clone, Debug)]
struct Received {
    at: Instant,
    headers: hyper::HeaderMap,
    body: Value,
}

impl Received {
    fn text(&self) -> String {
        format!("{} {}", self.body["status"].as_str().expect("a status"), self.body["row"])
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("text")
    }
}

/// A receiver: answers as told, with 200 when it has been told nothing.
#[derive(Clone, Default)]
struct Receiver {
    next: Arc<Mutex<VecDeque<Behaviour>>>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    fn then(&self, behaviours: &[Behaviour]) {
        self.next.lock().unwrap().extend(behaviours);
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    fn texts(&self) -> Vec<String> {
        self.received().iter().map(Received::text).collect()
    }

    async fn until(&self, count: usize) -> Vec<Received> {
        for _ in 0..500 {
            if self.received().len() >= count {
                return self.received();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{count} messages were expected: {:?}", self.texts());
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, std::io::Error> {
        assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/hook"));
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
        let body = serde_json::from_slice(&body).expect("JSON");
        self.received.lock().unwrap().push(Received { at: Instant::now(), headers: head.headers, body });
        let behaviour = self.next.lock().unwrap().pop_front().unwrap_or(Behaviour::Status(200));
        let answer = |status: u16| Response::builder().status(status);
        let response = match behaviour {
            Behaviour::Status(status) => answer(status),
            Behaviour::RetryAfter(status, seconds) => answer(status).header("retry-after", seconds.to_string()),
            Behaviour::Stall => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                answer(200)
            }
            Behaviour::Close => return Err(std::io::Error::other("closed")),
        };
        Ok(response.body(Full::from("said the receiver")).expect("a response"))
    }

    async fn speak(self, socket: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(move |request| self.clone().answer(request));
        // A connection that breaks is what some tests want.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
    }

    async fn listen(&self, address: &str) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let receiver = self.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (socket, _): (TcpStream, _) = listener.accept().await.expect("a client");
                connections.spawn(receiver.clone().speak(socket));
            }
        });
        (address, task)
    }
}

const STOCK: &str = "
    CREATE TABLE stock (sku TEXT PRIMARY KEY, short INT);
    CREATE MATERIALIZED VIEW oversold AS SELECT sku, short FROM stock WHERE short > 0;";

async fn engine(sql: &str) -> Engine {
    let config = EngineConfig { workers: 2, idle_tick: Some(Duration::from_millis(20)), ..Default::default() };
    let engine = Engine::start(config).expect("the engine starts");
    run(&engine, sql).await;
    engine
}

fn sink(address: SocketAddr, more: &str) -> String {
    format!(
        "CREATE SINK pager FROM oversold WITH (connector = 'webhook', url = 'http://{address}/hook', \
         retry_initial_ms = 20, retry_max_ms = 100, timeout_ms = 300{more})"
    )
}

async fn until_sink(engine: &Engine, columns: &str, expected: &str) {
    let mut last = vec![];
    for _ in 0..500 {
        last = rows(engine, &format!("SELECT {columns} FROM trueup.sinks")).await;
        if last == [expected] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{columns}: {last:?}, not {expected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_come_fire_and_rows_that_go_are_resolved() {
    let receiver = Receiver::default();
    let (address, _listening) = receiver.listen("127.0.0.1:0").await;
    let engine = engine(STOCK).await;
    run(&engine, "INSERT INTO stock VALUES ('kettle', 3), ('lamp', 0)").await;
    run(&engine, &sink(address, ", header.authorization = 'Bearer secret'")).await;
    receiver.until(1).await;
    run(&engine, "UPDATE stock SET short = 5 WHERE sku = 'kettle'").await;
    receiver.until(2).await;
    run(&engine, "UPDATE stock SET short = 0 WHERE sku = 'kettle'").await;
    let received = receiver.until(3).await;
    let expected = [
        r#"firing {"sku":"kettle","short":3}"#,
        r#"firing {"sku":"kettle","short":5}"#,
        r#"resolved {"sku":"kettle","short":5}"#,
    ];
    assert_eq!(receiver.texts(), expected);
    assert_eq!([&received[0].body["updated"], &received[1].body["updated"]], [&Value::Bool(false), &Value::Bool(true)]);
    for message in &received {
        assert_eq!(message.header("trueup-dedupe-key"), received[0].header("trueup-dedupe-key"));
        assert_eq!(message.body["dedupe_key"], message.header("trueup-dedupe-key"));
        assert_eq!(
            (message.header("authorization"), message.header("content-type")),
            ("Bearer secret", "application/json")
        );
        assert_eq!((&message.body["sink"], &message.body["view"]), (&"pager".into(), &"oversold".into()));
    }
    assert_ne!(received[0].header("idempotency-key"), received[1].header("idempotency-key"));
    until_sink(
        &engine,
        "name, relation, connector, state, pending, delivered, retries",
        "pager|oversold|webhook|running|0|3|0",
    )
    .await;
    assert_eq!(rows(&engine, "SHOW SINKS").await, ["pager"]);
    assert_eq!(refused(&engine, "DROP MATERIALIZED VIEW oversold").await.code, "2BP01");
    run(&engine, "DROP SINK pager; INSERT INTO stock VALUES ('late', 9)").await;
    assert_eq!(rows(&engine, "SELECT count(*) FROM trueup.sinks").await, ["0"]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(receiver.received().len(), 3, "a dropped sink sends nothing");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_gets_each_message_until_it_takes_it() {
    let receiver = Receiver::default();
    receiver.then(&[
        Behaviour::Status(500),
        Behaviour::Close,
        Behaviour::Stall,
        Behaviour::Status(429),
        Behaviour::Status(204),
    ]);
    let (address, _listening) = receiver.listen("127.0.0.1:0").await;
    let engine = engine(STOCK).await;
    run(&engine, &sink(address, "")).await;
    run(&engine, "INSERT INTO stock VALUES ('kettle', 3)").await;
    run(&engine, "UPDATE stock SET short = 0").await;
    let received = receiver.until(6).await;
    let firing = r#"firing {"sku":"kettle","short":3}"#;
    let expected = [firing, firing, firing, firing, firing, r#"resolved {"sku":"kettle","short":3}"#];
    assert_eq!(receiver.texts(), expected, "in order, none left out");
    let keys: std::collections::BTreeSet<_> =
        received[..5].iter().map(|m| m.header("idempotency-key").to_string()).collect();
    assert_eq!(keys.len(), 1, "repetitions can be told");
    assert_ne!(received[5].header("idempotency-key"), received[0].header("idempotency-key"));
    until_sink(&engine, "state, pending, delivered, retries", "running|0|2|4").await;
    let error = rows(&engine, "SELECT last_error FROM trueup.sinks").await;
    assert_eq!(error, ["the receiver answered 429 Too Many Requests: said the receiver"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pauses_grow_and_retry_after_is_obeyed() {
    let receiver = Receiver::default();
    receiver.then(&[Behaviour::Status(503); 4]);
    receiver.then(&[Behaviour::RetryAfter(503, 1)]);
    let (address, _listening) = receiver.listen("127.0.0.1:0").await;
    let engine = engine(STOCK).await;
    run(&engine, &sink(address, "")).await;
    run(&engine, "INSERT INTO stock VALUES ('kettle', 3)").await;
    let received = receiver.until(6).await;
    let pauses: Vec<Duration> = received.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert!(
        pauses[3] >= Duration::from_millis(80),
        "the fourth pause is the longest of its own, 100 ms less a fifth: {pauses:?}"
    );
    assert!(pauses[4] >= Duration::from_secs(1), "the receiver asked for a second: {pauses:?}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_holds_up_nothing() {
    let receiver = Receiver::default();
    receiver.then(&[Behaviour::Status(422)]);
    let (address, _listening) = receiver.listen("127.0.0.1:0").await;
    let engine = engine(STOCK).await;
    run(&engine, &sink(address, "")).await;
    run(&engine, "INSERT INTO stock VALUES ('bad', 1)").await;
    run(&engine, "INSERT INTO stock VALUES ('good', 1)").await;
    receiver.until(2).await;
    assert_eq!(receiver.texts(), [r#"firing {"sku":"bad","short":1}"#, r#"firing {"sku":"good","short":1}"#]);
    until_sink(&engine, "state, delivered, rejected", "running|1|1").await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_away_gets_everything_when_it_is_back() {
    let receiver = Receiver::default();
    let (address, listening) = receiver.listen("127.0.0.1:0").await;
    let engine = engine(STOCK).await;
    run(&engine, &sink(address, ", snapshot = 'false'")).await;
    run(&engine, "INSERT INTO stock VALUES ('first', 1)").await;
    receiver.until(1).await;
    listening.abort();
    drop(listening.await);
    run(&engine, "INSERT INTO stock VALUES ('second', 1)").await;
    run(&engine, "DELETE FROM stock WHERE sku = 'first'").await;
    until_sink(&engine, "state", "retrying").await;
    // Nobody waits for the receiver.
    assert_eq!(rows(&engine, "SELECT sku FROM oversold").await, ["second"]);
    let (_, _listening) = receiver.listen(&address.to_string()).await;
    let received = receiver.until(3).await;
    let last: Vec<String> = received.iter().map(Received::text).collect();
    assert_eq!(
        last[1..],
        [r#"firing {"sku":"second","short":1}"#.to_string(), r#"resolved {"sku":"first","short":1}"#.to_string()]
    );
    until_sink(&engine, "state, pending", "running|0").await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_sends_what_is_known_and_does_not_wait_for_ever() {
    let receiver = Receiver::default();
    let (address, _listening) = receiver.listen("127.0.0.1:0").await;
    let first = engine(STOCK).await;
    run(&first, &sink(address, "")).await;
    run(&first, "INSERT INTO stock VALUES ('kettle', 3)").await;
    first.stop().await;
    assert_eq!(receiver.texts(), [r#"firing {"sku":"kettle","short":3}"#]);
    receiver.then(&[Behaviour::Stall; 20]);
    let second = engine(STOCK).await;
    run(&second, &sink(address, ", key = 'sku'").replace("timeout_ms = 300", "timeout_ms = 60000")).await;
    run(&second, "INSERT INTO stock VALUES ('kettle', 3)").await;
    let started = Instant::now();
    second.stop().await;
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_a_sink_is_refused() {
    let engine = engine(STOCK).await;
    run(&engine, "CREATE VIEW plain AS SELECT 1 AS x").await;
    let webhook = "connector = 'webhook', url = 'http://localhost:1/hook'";
    for (sql, code) in [
        ("CREATE SINK s FROM oversold WITH (connector = 'kafka', topic = 'x')".to_string(), "0A000"),
        ("CREATE SINK s FROM oversold WITH (connector = 'webhook')".to_string(), "42P16"),
        (format!("CREATE SINK s FROM nothing WITH ({webhook})"), "42P01"),
        (format!("CREATE SINK s FROM plain WITH ({webhook})"), "42809"),
        (format!("CREATE SINK stock FROM oversold WITH ({webhook})"), "42P07"),
        (format!("CREATE SINK s FROM oversold WITH ({webhook}, key = 'colour')"), "42703"),
        (format!("CREATE SINK s FROM oversold WITH ({webhook}, retries = '3')"), "22023"),
    ] {
        assert_eq!(refused(&engine, &sql).await.code, code, "{sql}");
    }
    assert_eq!(rows(&engine, "SELECT count(*) FROM trueup.sinks").await, ["0"]);
    assert_eq!(refused(&engine, "SELECT * FROM pager").await.code, "42P01");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_only_receivers_whose_certificate_is_trusted() {
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    let certified = rcgen::generate_simple_self_signed(["localhost".to_string()]).expect("a certificate");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, certified.cert.pem()).expect("writing a file");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .expect("a certificate and its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let receiver = Receiver::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let accepting = receiver.clone();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.expect("a client");
            if let Ok(socket) = acceptor.accept(socket).await {
                tokio::spawn(accepting.clone().speak(socket));
            }
        }
    });
    let engine = engine(STOCK).await;
    run(&engine, "INSERT INTO stock VALUES ('kettle', 3)").await;
    let trusting = |name: &str, more: &str| {
        format!(
            "CREATE SINK {name} FROM oversold WITH (connector = 'webhook', url = 'https://localhost:{port}/hook', retry_initial_ms = 20, retry_max_ms = 50{more})"
        )
    };
    run(&engine, &trusting("trusts", &format!(", ca_file = '{}'", ca_file.display()))).await;
    receiver.until(1).await;
    assert_eq!(receiver.texts(), [r#"firing {"sku":"kettle","short":3}"#]);
    run(&engine, "DROP SINK trusts").await;
    let other = rcgen::generate_simple_self_signed(["localhost".to_string()]).expect("a certificate");
    std::fs::write(&ca_file, other.cert.pem()).expect("writing a file");
    run(&engine, &trusting("doubts", &format!(", ca_file = '{}'", ca_file.display()))).await;
    until_sink(&engine, "state", "retrying").await;
    let error = rows(&engine, "SELECT last_error FROM trueup.sinks").await;
    assert!(error[0].contains("certificate"), "{error:?}");
    assert_eq!(receiver.received().len(), 1);
    engine.stop().await;
}
