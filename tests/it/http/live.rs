//! Event streams: snapshots and changes add up, several views move together, readers come back or fall behind.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use trueup::serve::http::HttpOptions;

use super::client::{Events, State, get};
use super::server::{Server, options};
use crate::harness::run;

const BANK: &str = "
    CREATE TABLE accounts (id BIGINT PRIMARY KEY, owner TEXT, balance BIGINT);
    INSERT INTO accounts SELECT x, 'owner ' || (x % 3)::TEXT, 100 FROM (SELECT unnest(range(0, 10)) AS x) g;
    CREATE MATERIALIZED VIEW by_owner AS SELECT owner, count(*) AS n, sum(balance) AS balance FROM accounts GROUP BY owner;
    CREATE MATERIALIZED VIEW total AS SELECT sum(balance) AS balance FROM accounts";

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_and_its_changes_add_up_to_the_view() {
    let server = Server::start(BANK).await;
    let mut events = Events::open(server.address, "/api/views/by_owner/changes", None).await;
    let first = events.news().await;
    assert_eq!(
        (first.name.as_str(), &first.data["reason"], &first.data["view"]),
        ("snapshot", &json!("start"), &json!("by_owner"))
    );
    assert_eq!(
        (&first.data["key"], &first.data["columns"][0]),
        (&json!(["owner"]), &json!({"name": "owner", "type": "text"}))
    );
    assert_eq!(first.data["complete"]["sources"], 0);
    let mut state = State::of(&first.data["rows"]);
    let mut last = first.id.expect("a tick");
    for round in 0..20 {
        run(
            &server.engine,
            &format!("UPDATE accounts SET balance = balance + {round} + id WHERE id % 4 = {}", round % 4),
        )
        .await;
        let read = get(server.address, "/api/views/by_owner").await.json();
        while last < read["tick"].as_u64().expect("a tick") && state != State::of(&read["rows"]) {
            let event = events.next().await.expect("an event");
            let tick = event.id.expect("a tick");
            assert!(tick >= last, "ticks do not go back");
            assert_eq!(event.data["tick"], tick);
            last = tick;
            if event.name == "changes" {
                state.apply(&event.data["changes"]);
            }
        }
        assert_eq!(state, State::of(&read["rows"]), "round {round}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_views_move_at_one_tick() {
    let server = Server::start(BANK).await;
    let writer = server.engine.clone();
    let writing = tokio::spawn(async move {
        for round in 0..150_u64 {
            // Money moves and comes in; the sum over owners always equals the total.
            run(&writer, &format!("UPDATE accounts SET balance = balance + {round} WHERE id = {}", round % 10)).await;
        }
    });
    let mut readers = vec![];
    for interval in [0, 0, 40] {
        let path = format!("/api/changes?views=total,by_owner&interval={interval}");
        let address = server.address;
        readers.push(tokio::spawn(async move {
            let mut events = Events::open(address, &path, None).await;
            let (mut owners, mut total) = (State::default(), State::default());
            let mut messages = 0;
            loop {
                let event = events.news().await;
                match event.name.as_str() {
                    "snapshot" => {
                        owners = State::of(&event.data["views"]["by_owner"]["rows"]);
                        total = State::of(&event.data["views"]["total"]["rows"]);
                    }
                    "changes" => {
                        messages += 1;
                        let views = &event.data["views"];
                        owners.apply(&views["by_owner"]);
                        if views.get("total").is_some() {
                            total.apply(&views["total"]);
                        }
                    }
                    other => panic!("{other}"),
                }
                let balance = |row: &str| -> i64 {
                    let row: serde_json::Value = serde_json::from_str(row).expect("JSON");
                    row["balance"]
                        .as_str()
                        .map_or_else(|| row["balance"].as_i64(), |text| text.parse().ok())
                        .expect("a sum")
                };
                let sum: i64 = owners.0.keys().map(|row| balance(row)).sum();
                let total: Vec<i64> = total.0.keys().map(|row| balance(row)).collect();
                assert_eq!(total, [sum], "at tick {:?}", event.id);
                if sum == 1000 + (0..150).sum::<i64>() {
                    return messages;
                }
            }
        }));
    }
    let mut counts = vec![];
    for reader in readers {
        counts.push(tokio::time::timeout(Duration::from_secs(60), reader).await.expect("in time").expect("no panic"));
    }
    writing.await.expect("no panic");
    assert!(counts[2] < counts[0], "an interval merges ticks: {counts:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_goes_on_and_who_comes_too_late_begins_again() {
    let server = Server::start(BANK).await;
    let path = "/api/changes?views=total";
    let mut events = Events::open(server.address, path, None).await;
    let first = events.news().await;
    let mut state = State::of(&first.data["views"]["total"]["rows"]);
    let seen = first.id.expect("a tick");
    drop(events);
    for _ in 0..3 {
        run(&server.engine, "UPDATE accounts SET balance = balance + 1 WHERE id = 1").await;
    }
    let mut events = Events::open(server.address, path, Some(seen)).await;
    let resumed = events.news().await;
    assert_eq!((resumed.name.as_str(), resumed.id), ("resumed", Some(seen)));
    let expected = State::of(&get(server.address, "/api/views/total").await.json()["rows"]);
    while state != expected {
        let event = events.news().await;
        assert_eq!(event.name, "changes");
        assert!(event.id > Some(seen));
        state.apply(&event.data["views"]["total"]);
    }
    for unknown in [Some(1), Some(u64::from(u32::MAX) * 1_000_000)] {
        let event = Events::open(server.address, path, unknown).await.news().await;
        assert_eq!((event.name.as_str(), &event.data["reason"]), ("snapshot", &json!("expired")), "{unknown:?}");
        assert!(event.id >= Some(seen));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_gets_the_newest_state_and_is_told() {
    let limits = HttpOptions { history_bytes_max: 200_000, ..options() };
    let server = Server::start_with(
        limits,
        "CREATE TABLE t (id BIGINT PRIMARY KEY, text TEXT); INSERT INTO t VALUES (0, 'first')",
    )
    .await;
    // A socket with a small buffer that is not read.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a size");
    let mut slow = socket.connect(server.address).await.expect("the server listens");
    slow.write_all(b"GET /api/views/t/changes HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut quick = Events::open(server.address, "/api/views/t/changes", None).await;
    assert_eq!(quick.news().await.name, "snapshot");
    let text = "x".repeat(20_000);
    let mut state = State::default();
    for round in 0..300 {
        run(&server.engine, &format!("INSERT INTO t VALUES (1, '{round} {text}')")).await;
        let event = quick.news().await;
        if event.name == "changes" && round == 0 {
            state.apply(&event.data["changes"]);
        }
    }
    let metrics = get(server.address, "/metrics").await.text();
    let value = |name: &str| -> usize {
        let line = metrics.lines().find(|line| line.starts_with(name)).expect("the metric");
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
    };
    assert!(value("trueup_sse_history_bytes") <= 200_000, "{metrics}");
    assert_eq!(value("trueup_sse_subscribers"), 2);
    // Now it reads: what was under way, then the newest state, said to be so.
    let mut all = Vec::new();
    let mut block = vec![0; 1 << 20];
    let newest = format!("299 {text}");
    let reading = async {
        loop {
            let count = slow.read(&mut block).await.expect("readable");
            assert!(count > 0, "the stream goes on");
            all.extend_from_slice(&block[..count]);
            if memchr::memmem::find(&all, b"\"reason\":\"slow\"").is_some()
                && memchr::memmem::find(&all, newest.as_bytes()).is_some()
            {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the newest state in time");
    // Every change holds the row before and the row after.
    assert!(all.len() < 300 * 40_000 * 3 / 4, "it is not given all it missed: {} bytes", all.len());
    assert!(get(server.address, "/metrics").await.text().contains("trueup_sse_coalesced_total 1"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_broken_by_heartbeats_that_say_how_complete_it_is() {
    let limits = HttpOptions { heartbeat: Duration::from_millis(100), ..options() };
    let server = Server::start_with(limits, BANK).await;
    let mut events = Events::open(server.address, "/api/changes?views=total", None).await;
    let mut last = events.next().await.and_then(|event| event.id).expect("a tick");
    let started = std::time::Instant::now();
    for _ in 0..5 {
        let event = events.next().await.expect("an event");
        assert_eq!(event.name, "heartbeat");
        assert!(event.id > Some(last), "time goes on");
        assert_eq!(event.data["complete"]["failing"], 0);
        last = event.id.expect("a tick");
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    drop(events);
    let event = Events::open(server.address, "/api/changes?views=total", Some(last)).await.news().await;
    assert_eq!(event.name, "resumed", "a heartbeat's tick is a place to go on from");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_that_are_not_there_can_be_missing() {
    let server = Server::start(BANK).await;
    let mut events = Events::open(server.address, "/api/changes?views=total,nothing&missing=allow", None).await;
    let event = events.news().await;
    assert_eq!(
        (&event.data["missing"], event.data["views"].as_object().map(|views| views.len())),
        (&json!(["nothing"]), Some(1))
    );
    run(&server.engine, "DROP MATERIALIZED VIEW total").await;
    let end = events.news().await;
    assert_eq!((end.name.as_str(), &end.data["reason"]), ("end", &json!("dropped")));
    assert!(events.next().await.is_none());
    let mut events = Events::open(server.address, "/api/changes?views=total,by_owner&missing=allow", None).await;
    assert_eq!(events.news().await.data["missing"], json!(["total"]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn system_relations_are_looked_at_every_second() {
    let server = Server::start(BANK).await;
    let mut events = Events::open(server.address, "/api/changes?views=trueup.views,total&interval=50", None).await;
    let event = events.news().await;
    let mut state = State::of(&event.data["views"]["trueup.views"]["rows"]);
    let names = |state: &State| state.0.keys().filter(|row| row.contains("\"name\":\"late\"")).count();
    assert_eq!((names(&state), state.0.len()), (0, 3));
    run(&server.engine, "CREATE MATERIALIZED VIEW late AS SELECT count(*) AS n FROM accounts").await;
    while names(&state) == 0 {
        let event = events.news().await;
        if let Some(changes) = event.data["views"].get("trueup.views") {
            state.apply(changes);
        }
    }
    assert_eq!(state.0.len(), 4);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_only_so_many_streams_and_rows() {
    let limits = HttpOptions { streams_max: 2, ..options() };
    let server = Server::start_with(limits, "CREATE TABLE t (x BIGINT); CREATE TABLE big (x BIGINT);").await;
    let first = Events::open(server.address, "/api/views/t/changes", None).await;
    let _second = Events::open(server.address, "/api/views/t/changes", None).await;
    let refused = get(server.address, "/api/views/t/changes").await;
    assert_eq!(
        (refused.status.as_u16(), refused.header("retry-after"), refused.json()["code"].as_str()),
        (503, "1", Some("53400"))
    );
    drop(first);
    run(&server.engine, "INSERT INTO big SELECT unnest(range(0, 100001))").await;
    for _ in 0..100 {
        let answer = get(server.address, "/api/views/big/changes").await;
        if answer.json()["code"] == "54000" {
            assert_eq!(answer.status, 400);
            server.stop().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("a view of more rows than can be followed was followed, or the place was not given back");
}
