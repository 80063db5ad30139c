//! Internal consistency: a bank whose total never changes, whatever order its transfers come in.
//!
//! Credits, debits and balances are different views of the same transfers. If one ran ahead of another, even for a tick, the total
//! would not be zero, or the outer join of a transfer with itself would show a NULL that was never true.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::datatypes::Int64Type;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use trueup::engine::{Engine, Outcome, Subscription};

use crate::harness::{rows, run, send, start};

const TRANSFERS: i64 = 20_000;
const ACCOUNTS: i64 = 50;
const PER_TICK: usize = 400;
/// Ten seconds of disorder at one transfer a millisecond.
const DISORDER: usize = 10_000;

const SQL: &str = "
CREATE TABLE transfers (id BIGINT PRIMARY KEY, debtor BIGINT, creditor BIGINT, amount BIGINT);
CREATE MATERIALIZED VIEW credits AS SELECT creditor AS account, sum(amount) AS credits FROM transfers GROUP BY creditor;
CREATE MATERIALIZED VIEW debits AS SELECT debtor AS account, sum(amount) AS debits FROM transfers GROUP BY debtor;
CREATE MATERIALIZED VIEW balances AS
  SELECT coalesce(c.account, d.account) AS account, coalesce(credits, 0) - coalesce(debits, 0) AS balance
  FROM credits c FULL JOIN debits d ON c.account = d.account;
CREATE MATERIALIZED VIEW total AS SELECT CAST(sum(balance) AS BIGINT) AS total FROM balances;
CREATE MATERIALIZED VIEW met AS
  SELECT t.id, o.id AS itself FROM transfers t LEFT JOIN transfers o ON t.id = o.id AND t.amount = o.amount;";

fn transfers(seed: u64) -> Vec<[i64; 4]> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut account = || random.random_range(0..ACCOUNTS);
    let mut all: Vec<[i64; 4]> = (0..TRANSFERS).map(|id| [id, account(), account(), 1 + account() * 7]).collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed + 1);
    all.chunks_mut(DISORDER).for_each(|window| window.shuffle(&mut random));
    all
}

async fn subscribe(engine: &Engine, view: &str) -> Subscription {
    match engine.run(&format!("SUBSCRIBE TO {view}")).await {
        Ok(Outcome::Subscription(subscription)) => subscription,
        _ => panic!("SUBSCRIBE TO {view} gives a subscription"),
    }
}

/// Reads until the tick, every row with its count.
async fn read_until(subscription: &mut Subscription, tick: u64) -> Vec<(Vec<Option<i64>>, i64)> {
    let mut rows = vec![];
    loop {
        let message = tokio::time::timeout(Duration::from_secs(30), subscription.receiver.recv());
        let message = message.await.expect("in time").expect("the feed goes on");
        for changes in message.changes {
            let columns: Vec<&Int64Array> =
                changes.batch.columns().iter().map(|c| c.as_primitive::<Int64Type>()).collect();
            for (at, diff) in changes.diffs.iter().enumerate() {
                rows.push((columns.iter().map(|c| c.is_valid(at).then(|| c.value(at))).collect(), *diff));
            }
        }
        if message.tick >= tick {
            return rows;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_tick_shows_money_that_is_not_there() {
    let seed = 7;
    println!("seed {seed}");
    let engine = start(2);
    run(&engine, SQL).await;
    let mut total = subscribe(&engine, "total").await;
    let mut met = subscribe(&engine, "met").await;
    let (mut totals, mut partners) = (vec![], vec![]);
    for part in transfers(seed).chunks(PER_TICK) {
        let column = |c: usize| Arc::new(Int64Array::from_iter_values(part.iter().map(|t| t[c]))) as ArrayRef;
        send(&engine, "transfers", (0..4).map(column).collect(), None);
        let tick = engine.tick().await.expect("a tick");
        totals.extend(read_until(&mut total, tick).await);
        partners.extend(read_until(&mut met, tick).await);
    }
    // The empty bank's total is NULL; with the first transfers it is 0, and nothing is said of it ever after.
    assert_eq!(totals, [(vec![None], 1), (vec![None], -1), (vec![Some(0)], 1)]);
    assert_eq!(partners.len(), TRANSFERS as usize, "each transfer meets itself once and for all");
    assert!(partners.iter().all(|(row, diff)| row[0] == row[1] && *diff == 1));
    let balances = rows(&engine, "SELECT count(*), sum(balance) FROM balances").await;
    assert_eq!(balances, [format!("{ACCOUNTS}|0")]);
    engine.stop().await;
}
