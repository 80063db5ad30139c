//! An HTTP client for tests: one connection per request, bodies as they come, events one by one.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An answer read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

pub(crate) type TestBody = BoxBody<Bytes, std::convert::Infallible>;

pub(crate) fn full(body: impl Into<Bytes>) -> TestBody {
    Full::new(body.into()).boxed()
}

/// Sends a request; the answer's head, its body still to be read.
pub(crate) async fn send(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: TestBody,
) -> hyper::Result<hyper::Response<Incoming>> {
    let socket = TcpStream::connect(address).await.expect("the server listens");
    socket.set_nodelay(true).expect("a socket");
    let (mut sender, connection) = handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "test");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    sender.send_request(request.body(body).expect("a request")).await
}

pub(crate) async fn read(response: hyper::Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let text = |value: &hyper::header::HeaderValue| value.to_str().expect("text").to_string();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = body.collect().await.expect("a whole body").to_bytes();
    Answer { status: head.status, headers, body }
}

pub(crate) async fn ask(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let exchange = async { read(send(address, method, path, headers, full(body)).await.expect("an answer")).await };
    tokio::time::timeout(PATIENCE, exchange).await.expect("an answer in time")
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, Method::GET, path, &[], "").await
}

pub(crate) async fn post_json(address: SocketAddr, path: &str, body: &Value) -> Answer {
    ask(address, Method::POST, path, &[("content-type", "application/json")], body.to_string()).await
}

/// One server-sent event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<u64>,
    pub(crate) data: Value,
}

/// An open event stream.
pub(crate) struct Events {
    body: Incoming,
    buffer: BytesMut,
}

impl Events {
    pub(crate) async fn open(address: SocketAddr, path: &str, last: Option<u64>) -> Events {
        let last = last.map(|tick| tick.to_string()).unwrap_or_default();
        let headers: &[(&str, &str)] = if last.is_empty() { &[] } else { &[("last-event-id", &last)] };
        let opening = send(address, Method::GET, path, headers, full(""));
        let response = tokio::time::timeout(PATIENCE, opening).await.expect("an answer in time").expect("an answer");
        if response.status() != StatusCode::OK {
            panic!("{path}: {}", read(response).await.text());
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events { body: response.into_body(), buffer: BytesMut::new() }
    }

    /// The next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("an event in time")
    }

    /// The next one that is no heartbeat.
    pub(crate) async fn news(&mut self) -> Event {
        loop {
            let event = self.next().await.expect("an event");
            if event.name != "heartbeat" {
                return event;
            }
        }
    }

    /// Reads to the end, looking at nothing.
    pub(crate) async fn drain(&mut self) {
        while let Some(Ok(_)) = self.body.frame().await {}
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\n\n") {
                let text = self.buffer.split_to(end + 2);
                return Some(event(std::str::from_utf8(&text).expect("UTF-8")));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.buffer.extend_from_slice(&frame.into_data().expect("data")),
                Some(Err(error)) => panic!("the stream broke: {error}"),
                None => return None,
            }
        }
    }
}

fn event(text: &str) -> Event {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Event {
        name: field("event").expect("an event name").to_string(),
        id: field("id").map(|id| id.parse().expect("a tick")),
        data: serde_json::from_str(field("data").expect("data")).expect("JSON"),
    }
}

/// A view put together from events: rows as text with their counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct State(pub(crate) std::collections::BTreeMap<String, i64>);

impl State {
    pub(crate) fn of(rows: &Value) -> State {
        let mut state = State::default();
        rows.as_array().expect("rows").iter().for_each(|row| state.add(row, 1));
        state
    }

    pub(crate) fn apply(&mut self, changes: &Value) {
        for change in changes.as_array().expect("changes") {
            self.add(&change["row"], change["diff"].as_i64().expect("a diff"));
        }
        assert!(self.0.values().all(|count| *count > 0), "a row that was not there went: {self:?}");
    }

    fn add(&mut self, row: &Value, diff: i64) {
        let count = self.0.entry(row.to_string()).or_insert(0);
        *count += diff;
        if *count == 0 {
            self.0.remove(&row.to_string());
        }
    }
}
