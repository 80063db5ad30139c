//! The oracle where it hurts: ticks a millisecond apart under `now()`, ticks of more rows than any block holds, feeds added up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use datafusion::scalar::ScalarValue;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use trueup::engine::api::Outcome;
use trueup::model::Op;

use super::model::{TABLES, Table, rows_as_batch};
use super::reference::{Batch, Reference};
use super::{Subject, compare, feed, seed};
use crate::harness::lines;

/// Views by name, with their references.
async fn views(subject: &Subject, batch: &Batch, queries: &[&str]) -> Vec<(String, Reference)> {
    let mut views = vec![];
    for (at, sql) in queries.iter().enumerate() {
        let reference = batch.plan(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let create = format!("CREATE MATERIALIZED VIEW v{at} ({}) AS {sql}", reference.columns());
        subject.engine.run(&create).await.unwrap_or_else(|e| panic!("{create}: {e}"));
        views.push((format!("v{at}"), reference));
    }
    views
}

async fn compare_views(
    subject: &Subject,
    batch: &Batch,
    views: &[(String, Reference)],
    queries: &[&str],
    tick: u64,
    place: &str,
) {
    for ((name, reference), sql) in views.iter().zip(queries) {
        let rows = subject.rows(name).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let answer = batch.run(reference, tick).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        if let Some(text) = compare::difference(&rows, &answer) {
            panic!("{place}, tick {tick}, {} workers: {sql}\n  {text}", subject.workers);
        }
    }
}

const MOMENTS: &str = "CREATE TABLE moments (id BIGINT PRIMARY KEY, at TIMESTAMP, seen TIMESTAMPTZ, n INT)";

const MOMENT_QUERIES: &[&str] = &[
    "SELECT id, n FROM moments WHERE seen < now()",
    "SELECT id, n FROM moments WHERE seen <= now()",
    "SELECT id, n FROM moments WHERE seen > now()",
    "SELECT id, n FROM moments WHERE seen >= now()",
    "SELECT id, n FROM moments WHERE NOT (seen > now())",
    "SELECT id FROM moments WHERE at > now() - INTERVAL '20 milliseconds' AND at <= now()",
    "SELECT id FROM moments WHERE at + INTERVAL '15 milliseconds' > localtimestamp",
    "SELECT id FROM moments WHERE now() BETWEEN seen AND seen + INTERVAL '30 milliseconds'",
    "SELECT id FROM moments WHERE seen BETWEEN now() - INTERVAL '10 milliseconds' AND now()",
    "SELECT id FROM moments WHERE now() - seen <= INTERVAL '25 milliseconds' AND n > 1",
    "SELECT id FROM moments WHERE seen - now() < INTERVAL '5 milliseconds'",
    "SELECT id FROM moments WHERE seen > now() AND seen <= now()",
    "SELECT n, count(*) AS c, max(seen) AS last FROM moments WHERE seen <= now() GROUP BY n",
    "SELECT count(*) AS c FROM moments WHERE seen > now() - INTERVAL '40 milliseconds'",
    "SELECT a.id, b.id AS other FROM moments a JOIN moments b ON a.n = b.n AND a.id < b.id WHERE a.seen <= now() AND b.seen > now()",
    "SELECT a.id, b.seen FROM moments a LEFT JOIN (SELECT id, seen FROM moments WHERE seen <= now()) b ON a.id = b.id",
    "SELECT id, r FROM (SELECT id, row_number() OVER (PARTITION BY n ORDER BY seen, id) AS r FROM moments WHERE seen <= now()) t WHERE r <= 2",
    "SELECT id FROM moments WHERE at::date < now()",
];

#[tokio::test(flavor = "multi_thread")]
async fn rows_enter_and_leave_at_their_tick() {
    for workers in [1, 2] {
        let seed = seed();
        println!("TRUEUP_SEED={seed}");
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let schema = Table::new(MOMENTS).schema();
        let batch = Batch::new(&[("moments".to_string(), Arc::clone(&schema))]);
        let subject = Subject::start(workers, &[MOMENTS]).await;
        let mut made = views(&subject, &batch, &MOMENT_QUERIES[..12]).await;
        let mut held: BTreeMap<i64, Vec<ScalarValue>> = BTreeMap::new();
        for round in 0..50 {
            let (mut rows, mut ops) = (vec![], vec![]);
            for _ in 0..if random.random_bool(0.3) { 0 } else { random.random_range(1..20) } {
                let id = random.random_range(0..60);
                // Whole milliseconds often, so that bounds are met exactly.
                let mut moment = chrono::Utc::now().timestamp_micros() + random.random_range(-40_000..80_000);
                moment -= if random.random_bool(0.7) { moment % 1000 } else { 0 };
                let valid = |micros: i64| (micros % 13 != 0).then_some(micros);
                let row = vec![
                    ScalarValue::Int64(Some(id)),
                    ScalarValue::TimestampMicrosecond(valid(moment), None),
                    ScalarValue::TimestampMicrosecond(valid(moment + 1000), Some(Arc::from("UTC")))
                        .cast_to(schema.field(2).data_type())
                        .expect("times have a type"),
                    ScalarValue::Int32(Some(random.random_range(0..4))),
                ];
                let op = if random.random_bool(0.2) { Op::Delete } else { Op::Upsert };
                match op {
                    Op::Upsert => held.insert(id, row.clone()),
                    Op::Delete => held.remove(&id),
                };
                rows.push(row);
                ops.push(op);
            }
            let tick = feed(&subject, &[(rows_as_batch(&schema, rows), ops)], &mut random).await;
            batch.fill(vec![rows_as_batch(&schema, held.values().cloned().collect())]);
            compare_views(&subject, &batch, &made, MOMENT_QUERIES, tick, &format!("round {round}")).await;
            if round == 25 {
                for (name, _) in &made {
                    let drop = format!("DROP MATERIALIZED VIEW {name}");
                    subject.engine.run(&drop).await.expect("drops");
                }
                made = views(&subject, &batch, MOMENT_QUERIES).await;
            }
            tokio::time::sleep(Duration::from_millis(random.random_range(0..4))).await;
        }
        subject.engine.stop().await;
    }
}

/// Many rows, few of a kind and many of a kind.
const BULK: &str =
    "CREATE TABLE bulk (id BIGINT PRIMARY KEY, pair INT, hot INT, name TEXT, amount DECIMAL(12,2), marks BIGINT[])";

const BULK_QUERIES: &[&str] = &[
    "SELECT * FROM bulk",
    "SELECT id, name FROM bulk WHERE hot = 3",
    "SELECT a.id, b.id AS other FROM bulk a JOIN bulk b ON a.pair = b.pair AND a.id < b.id",
    "SELECT a.id, b.amount FROM bulk a LEFT JOIN bulk b ON b.id = a.id + 7 AND b.hot = 2",
    "SELECT a.id FROM bulk a WHERE NOT EXISTS (SELECT 1 FROM bulk b WHERE b.pair = a.pair AND b.id <> a.id)",
    "SELECT hot, count(*) AS c, sum(amount) AS s, min(name) AS low, max(amount) AS high, count(DISTINCT pair) AS d FROM bulk GROUP BY hot",
    "SELECT pair, count(*) AS c, array_agg(id ORDER BY id) AS ids FROM bulk GROUP BY pair",
    "SELECT name, median(amount) AS m FROM bulk GROUP BY name",
    "SELECT id, unnest(marks) AS mark FROM bulk",
    "SELECT DISTINCT name, hot FROM bulk",
    "SELECT id, amount FROM bulk ORDER BY amount DESC, id LIMIT 9000",
    "SELECT id, amount FROM bulk ORDER BY id OFFSET 9000",
    "SELECT id, row_number() OVER (PARTITION BY pair ORDER BY id) AS r FROM bulk",
    "SELECT id, sum(amount) OVER (PARTITION BY hot ORDER BY id) AS s FROM bulk",
    "SELECT pair FROM bulk EXCEPT SELECT id FROM bulk WHERE hot < 4",
];

#[tokio::test(flavor = "multi_thread")]
async fn ticks_of_many_rows_are_as_right_as_those_of_few() {
    let seed = seed();
    println!("TRUEUP_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let schema = Table::new(BULK).schema();
    let batch = Batch::new(&[("bulk".to_string(), Arc::clone(&schema))]);
    let subject = Subject::start(2, &[BULK]).await;
    let mut made = views(&subject, &batch, &BULK_QUERIES[..8]).await;
    let mut held: BTreeMap<i64, Vec<ScalarValue>> = BTreeMap::new();
    // Much, a little, most of it gone, much again.
    for (round, (changes, deletes)) in [(20_000, 0.0), (10, 0.5), (15_000, 0.9), (12_000, 0.1)].into_iter().enumerate()
    {
        let (mut rows, mut ops) = (vec![], vec![]);
        for _ in 0..changes {
            let id = random.random_range(0..24_000i64);
            let amount = i128::from(random.random_range(0..100_000i64));
            let marks = [ScalarValue::Int64(Some(id)), ScalarValue::Int64(Some(id % 7))];
            let row = vec![
                ScalarValue::Int64(Some(id)),
                ScalarValue::Int32(Some((id / 2) as i32)),
                ScalarValue::Int32(Some(random.random_range(0..5))),
                ScalarValue::from(format!("name {}", random.random_range(0..900))),
                ScalarValue::Decimal128(Some(amount), 12, 2),
                ScalarValue::List(ScalarValue::new_list_nullable(&marks, &arrow::datatypes::DataType::Int64)),
            ];
            let op = if random.random_bool(deletes) { Op::Delete } else { Op::Upsert };
            match op {
                Op::Upsert => held.insert(id, row.clone()),
                Op::Delete => held.remove(&id),
            };
            rows.push(row);
            ops.push(op);
        }
        let tick = feed(&subject, &[(rows_as_batch(&schema, rows), ops)], &mut random).await;
        batch.fill(vec![rows_as_batch(&schema, held.values().cloned().collect())]);
        if round == 1 {
            for (name, _) in &made {
                subject.engine.run(&format!("DROP MATERIALIZED VIEW {name}")).await.expect("drops");
            }
            made = views(&subject, &batch, BULK_QUERIES).await;
        }
        compare_views(&subject, &batch, &made, BULK_QUERIES, tick, &format!("round {round}")).await;
    }
    subject.engine.stop().await;
}

/// Equal rows of a window's order: SQL leaves open which comes first.
const TIED_QUERIES: &[&str] = &[
    "SELECT id, row_number() OVER w AS r, rank() OVER w AS k, first_value(id) OVER w AS f, last_value(id) OVER w AS l FROM orders WINDOW w AS (PARTITION BY sku ORDER BY qty)",
    "SELECT id, lag(id) OVER w AS l, ntile(4) OVER w AS t, count(*) OVER w AS c FROM orders WINDOW w AS (PARTITION BY paid ORDER BY channel DESC)",
    "SELECT id, sum(id) OVER (PARTITION BY sku % 2 ORDER BY qty ROWS UNBOUNDED PRECEDING) AS s, avg(qty) OVER (PARTITION BY sku % 2 ORDER BY qty) AS a FROM orders",
    "SELECT id, array_agg(id) OVER (PARTITION BY sku) AS ids FROM orders",
    "SELECT ref, n, row_number() OVER w AS r, lag(n) OVER w AS l, nth_value(n, 30) OVER w AS t FROM events WINDOW w AS (PARTITION BY kind ORDER BY flag)",
    "SELECT ref, n, first_value(n) OVER (PARTITION BY flag ORDER BY kind) AS f, count(*) OVER (PARTITION BY flag ORDER BY kind ROWS 7 PRECEDING) AS c FROM events",
];

/// Which of equal rows comes first hangs on the rows alone: not on when they came, in what company, or on the number of workers.
#[tokio::test(flavor = "multi_thread")]
async fn equal_rows_of_a_window_have_one_order() {
    let seed = seed();
    println!("TRUEUP_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut tables: Vec<Table> = TABLES.iter().map(|sql| Table::new(sql)).collect();
    let (kept, fresh) = (Subject::start(3, &TABLES).await, Subject::start(1, &TABLES).await);
    let make = async |subject: &Subject| {
        for (at, sql) in TIED_QUERIES.iter().enumerate() {
            let create = format!("CREATE MATERIALIZED VIEW v{at} AS {sql}");
            subject.engine.run(&create).await.unwrap_or_else(|e| panic!("{create}: {e}"));
        }
    };
    make(&kept).await;
    for round in 0..12 {
        let changes = [400, 3, 40][round % 3];
        let input: Vec<_> = tables.iter_mut().map(|table| table.draw(seed, &mut random, changes)).collect();
        for subject in [&kept, &fresh] {
            feed(subject, &input, &mut random).await;
        }
        make(&fresh).await;
        for (at, sql) in TIED_QUERIES.iter().enumerate() {
            let name = format!("v{at}");
            let (kept, anew) = (kept.rows(&name).await, fresh.rows(&name).await);
            let (kept, anew) = (kept.expect("the view is there"), anew.expect("the view is there"));
            if let Some(text) = compare::difference(&kept, &anew) {
                panic!("round {round}: {sql}\n  {text}");
            }
            fresh.engine.run(&format!("DROP MATERIALIZED VIEW {name}")).await.expect("drops");
        }
    }
    kept.engine.stop().await;
    fresh.engine.stop().await;
}

const FEED_QUERIES: &[&str] = &[
    "SELECT o.id, o.amount, e.n FROM orders o LEFT JOIN events e ON e.ref = o.id",
    "SELECT sku, count(*) AS c, sum(amount) AS s FROM orders GROUP BY sku",
    "SELECT id, row_number() OVER (PARTITION BY sku ORDER BY id) AS r FROM orders",
    "SELECT id, amount FROM orders ORDER BY amount DESC NULLS LAST, id LIMIT 5",
    "SELECT count(*) AS c FROM events",
    "SELECT kind, n FROM events",
];

/// What subscribers are sent, added up, is the view; a tick that changes nothing sends nothing.
#[tokio::test(flavor = "multi_thread")]
async fn feeds_add_up_to_their_views() {
    let seed = seed();
    println!("TRUEUP_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut tables: Vec<Table> = super::model::TABLES.iter().map(|sql| Table::new(sql)).collect();
    let batch = Batch::new(&tables.iter().map(|t| (t.def.name.clone(), t.schema())).collect::<Vec<_>>());
    let subject = Subject::start(2, &super::model::TABLES).await;
    let made = views(&subject, &batch, FEED_QUERIES).await;
    let mut feeds = vec![];
    for tick in 0..8 {
        if tick == 0 || tick == 4 {
            // The second half of the subscribers comes later and begins with a snapshot.
            for (name, _) in made.iter().skip(tick / 4).step_by(2) {
                let outcome = subject.engine.run(&format!("SUBSCRIBE TO {name} WITH (snapshot = true)")).await;
                let Ok(Outcome::Subscription(feed)) = outcome else { panic!("{name} cannot be subscribed to") };
                feeds.push((name.clone(), feed, BTreeMap::<String, i64>::new()));
            }
        }
        let input: Vec<_> = tables.iter_mut().map(|t| t.draw(seed, &mut random, (tick % 3) * 9)).collect();
        let at = feed(&subject, &input, &mut random).await;
        for (name, feed, sum) in &mut feeds {
            loop {
                let message = feed.receiver.recv().await.expect("the feed goes on");
                for changes in &message.changes {
                    for (row, diff) in (0..changes.batch.num_rows()).zip(&changes.diffs) {
                        assert_ne!(*diff, 0, "{name} sends rows that do not change");
                        *sum.entry(lines(&changes.batch.slice(row, 1)).remove(0)).or_default() += diff;
                    }
                }
                if message.tick == at {
                    break;
                }
            }
            sum.retain(|_, count| *count != 0);
            let mut view = BTreeMap::new();
            for part in subject.rows(name).await.expect("the view is there") {
                lines(&part).into_iter().for_each(|line| *view.entry(line).or_default() += 1);
            }
            assert_eq!(*sum, view, "{name} at tick {tick}");
        }
    }
    subject.engine.stop().await;
}
