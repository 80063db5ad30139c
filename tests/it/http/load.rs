//! Many readers while much comes in: event streams and PostgreSQL readers on the program itself, rows by HTTP.
//!
//! `many_readers_see_what_comes_in` is small and always runs. The whole load, with its numbers printed:
//! `TRUEUP_LOAD_PROGRAM=target/release/trueup cargo test --test it http::load::two_hundred -- --ignored --nocapture`
//! (without the variable: the program the tests built, which `--release` optimises).
//!
//! Freshness is measured from outside and open loop: a row carries the time at which it was due to be sent, whether the server kept
//! up or not; a reader takes the time when it sees a newer one. So an age holds the wait for the connection, the tick, the
//! interval of the stream (100 ms) and the way to the reader. Readers and writers share the machine with the server.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::Request;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::client::{Events, PATIENCE, full, get, read};

const SQL: &str = "
    CREATE TABLE orders (order_id BIGINT PRIMARY KEY, version BIGINT, sku INT, amount DECIMAL(18,2), sent_us BIGINT)
      WITH VERSION COLUMN (version);
    CREATE MATERIALIZED VIEW sales AS SELECT count(*) AS orders, sum(amount) AS amount, max(sent_us) AS sent_us FROM orders;
    CREATE MATERIALIZED VIEW by_sku AS SELECT sku, count(*) AS orders, sum(amount) AS amount FROM orders GROUP BY sku;";
const WRITERS: u64 = 4;
const BATCH_MS: u64 = 20;
/// Each is placed once and then revised again and again, so that what is held stays as it is.
const ORDERS_PER_WRITER: u64 = 50_000;

/// What is asked of the server.
#[derive(Clone, Copy)]
struct Load {
    streams: usize,
    pg_readers: usize,
    rows_per_second: u64,
    warm_up: Duration,
    measured: Duration,
}

/// What came of it.
#[derive(Debug)]
struct Report {
    rows: u64,
    rows_per_second: f64,
    ages_ms: Vec<f64>,
    queries: u64,
    /// Resident memory of the server after the warm-up and at the end, in MiB.
    memory_mib: (u64, u64),
    metrics: String,
}

impl Report {
    fn age_ms(&self, share: f64) -> f64 {
        let at = ((self.ages_ms.len() as f64 * share) as usize).min(self.ages_ms.len() - 1);
        self.ages_ms[at]
    }

    fn print(&self) {
        let (p50, p99, most) = (self.age_ms(0.5), self.age_ms(0.99), self.age_ms(1.0));
        let (before, after) = self.memory_mib;
        println!("rows taken {} ({:.0}/s), PostgreSQL queries {}", self.rows, self.rows_per_second, self.queries);
        println!(
            "freshness at the readers: p50 {p50:.0} ms, p99 {p99:.0} ms, max {most:.0} ms, {} samples",
            self.ages_ms.len()
        );
        println!("server memory: {before} MiB after the warm-up, {after} MiB at the end");
        self.metrics.lines().filter(|line| line.starts_with("trueup_sse_")).for_each(|line| println!("{line}"));
    }
}

/// The program, running; killed when dropped.
struct Program {
    child: Child,
    pg: SocketAddr,
    http: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Program {
    fn start() -> Program {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("load.sql"), SQL).expect("writing a file");
        let built = || env!("CARGO_BIN_EXE_trueup").into();
        let mut command = Command::new(std::env::var_os("TRUEUP_LOAD_PROGRAM").unwrap_or_else(built));
        command.args(["run", "load.sql", "--pg", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log", "warn"]);
        command.current_dir(folder.path()).env_remove("TRUEUP_CONFIG").stdout(Stdio::piped());
        let mut child = command.spawn().expect("running trueup");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let address = |name: &str| {
            let word =
                line.split_whitespace().find_map(|word| word.strip_prefix(name)).unwrap_or_else(|| panic!("{line}"));
            word.parse().expect("an address")
        };
        Program { pg: address("pg="), http: address("http="), child, _folder: folder }
    }

    fn resident_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64)
}

/// Sends its share of rows over one connection until told to stop; how many the server has taken.
async fn write(http: SocketAddr, writer: u64, load: Load, over: watch::Receiver<bool>) -> u64 {
    let socket = TcpStream::connect(http).await.expect("the server listens");
    socket.set_nodelay(true).expect("a socket");
    let (mut sender, connection) = handshake(TokioIo::new(socket)).await.expect("HTTP");
    tokio::spawn(connection);
    let per_batch = load.rows_per_second * BATCH_MS / 1000 / WRITERS;
    let started = Instant::now() + Duration::from_millis(writer * BATCH_MS / WRITERS);
    let started_us = now_us();
    let mut count = 0;
    for batch in 0_u64.. {
        if *over.borrow() {
            break;
        }
        let due = Duration::from_millis(batch * BATCH_MS);
        tokio::time::sleep_until(started + due).await;
        let sent_us = started_us + due.as_micros() as i64;
        let mut body = String::with_capacity(per_batch as usize * 90);
        for n in count..count + per_batch {
            let order = n % ORDERS_PER_WRITER * WRITERS + writer;
            let (sku, amount) = (order % 97, order % 500);
            body.push_str(&format!(
                "{{\"order_id\":{order},\"version\":{n},\"sku\":{sku},\"amount\":{amount}.25,\"sent_us\":{sent_us}}}\n"
            ));
        }
        let request = Request::post("/api/tables/orders").header("host", "test");
        let request = request.header("content-type", "application/x-ndjson").body(full(body)).expect("a request");
        let answer = read(sender.send_request(request).await.expect("an answer")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        count += per_batch;
        sender.ready().await.expect("the connection is kept");
    }
    count
}

/// Follows the views; how old the newest row was whenever it saw a newer one, in milliseconds.
async fn follow(http: SocketAddr, measuring: watch::Receiver<bool>, mut over: watch::Receiver<bool>) -> Vec<f64> {
    let mut events = Events::open(http, "/api/changes?views=sales,by_sku&interval=100", None).await;
    let mut ages = vec![];
    loop {
        let event = tokio::select! {
            event = events.next() => event.expect("an event"),
            _ = over.wait_for(|over| *over) => return ages,
        };
        if event.name == "changes" && *measuring.borrow() {
            for change in event.data["views"]["sales"].as_array().into_iter().flatten() {
                if let (Some(1), Some(sent_us)) = (change["diff"].as_i64(), change["row"]["sent_us"].as_i64()) {
                    ages.push((now_us() - sent_us) as f64 / 1e3);
                }
            }
        }
    }
}

/// Takes in a stream without looking at it, as most of many readers in one test process must.
async fn take_in(http: SocketAddr, mut over: watch::Receiver<bool>) {
    let mut events = Events::open(http, "/api/changes?views=sales,by_sku&interval=100", None).await;
    tokio::select! {
        () = events.drain() => panic!("the stream ended"),
        _ = over.wait_for(|over| *over) => {}
    }
}

/// Asks five times a second whether two views agree; how often it has.
async fn query(pg: SocketAddr, over: watch::Receiver<bool>, queries: Arc<AtomicU64>) {
    let url = format!("host=127.0.0.1 port={} user=tester dbname=trueup", pg.port());
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    let sql = "SELECT (SELECT coalesce(sum(orders), 0) FROM by_sku) = (SELECT orders FROM sales) AS agree";
    while !*over.borrow() {
        let answer = client.simple_query(sql).await.expect("an answer");
        let agree = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_string),
            _ => None,
        });
        assert_eq!(agree.as_deref(), Some("t"), "both views are of one tick");
        queries.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn run(load: Load) -> Report {
    /// Streams whose ages are measured.
    const MEASURED: usize = 5;
    let program = Program::start();
    let (end, over) = watch::channel(false);
    let (measure, measuring) = watch::channel(false);
    let queries = Arc::new(AtomicU64::new(0));
    let measured: Vec<JoinHandle<Vec<f64>>> = (0..load.streams.min(MEASURED))
        .map(|_| tokio::spawn(follow(program.http, measuring.clone(), over.clone())))
        .collect();
    let mut others: Vec<JoinHandle<()>> = vec![];
    others.extend((MEASURED..load.streams).map(|_| tokio::spawn(take_in(program.http, over.clone()))));
    others.extend((0..load.pg_readers).map(|_| tokio::spawn(query(program.pg, over.clone(), Arc::clone(&queries)))));
    let started = Instant::now();
    let writers: Vec<_> =
        (0..WRITERS).map(|writer| tokio::spawn(write(program.http, writer, load, over.clone()))).collect();
    tokio::time::sleep(load.warm_up).await;
    let before = program.resident_mib();
    measure.send_replace(true);
    tokio::time::sleep(load.measured).await;
    while queries.load(Ordering::Relaxed) < load.pg_readers as u64 {
        assert!(started.elapsed() < PATIENCE + load.warm_up + load.measured, "PostgreSQL readers get no answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let after = program.resident_mib();
    let metrics = get(program.http, "/metrics").await.text();
    end.send_replace(true);
    let took = started.elapsed();
    let mut rows = 0;
    for writer in writers {
        rows += writer.await.expect("no panic");
    }
    let mut ages_ms = vec![];
    for reader in measured {
        ages_ms.extend(reader.await.expect("no panic"));
    }
    for other in others {
        other.await.expect("no panic");
    }
    ages_ms.sort_by(f64::total_cmp);
    let rows_per_second = rows as f64 / took.as_secs_f64();
    Report {
        rows,
        rows_per_second,
        ages_ms,
        queries: queries.load(Ordering::Relaxed),
        memory_mib: (before, after),
        metrics,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_readers_see_what_comes_in() {
    let report = run(Load {
        streams: 40,
        pg_readers: 2,
        rows_per_second: 1_000,
        warm_up: Duration::from_millis(500),
        measured: Duration::from_secs(3),
    })
    .await;
    report.print();
    assert!(report.metrics.contains("trueup_sse_subscribers 40"), "{}", report.metrics);
    assert!(report.queries > 0 && report.rows > 0);
    // Unoptimised and next to other tests: it must not stand still, that is all.
    assert!(report.age_ms(0.5) < 5_000.0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the whole load: takes a minute and the whole machine; in release"]
async fn two_hundred_streams_twenty_readers_and_a_hundred_thousand_rows_a_second() {
    let report = run(Load {
        streams: 200,
        pg_readers: 20,
        rows_per_second: 100_000,
        warm_up: Duration::from_secs(10),
        measured: Duration::from_secs(30),
    })
    .await;
    report.print();
    assert!(report.rows_per_second > 90_000.0, "the server did not keep up: {:.0} rows/s", report.rows_per_second);
    assert!(report.age_ms(0.99) < 250.0, "p99 {:.0} ms", report.age_ms(0.99));
    let (before, after) = report.memory_mib;
    assert!(after < before + before / 4, "memory grows: {before} MiB, {after} MiB");
}
