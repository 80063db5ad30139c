//! What tables say of their input: duplicates, late versions, conflicts, corrections, deletes, unknown fields; and histories, row by
//! row.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use trueup::engine::{Database, RowsShape};
use trueup::model::Op;

use super::harness::{Change, apply, refused, rows, run, send_changes, start, versioned, with_history};

const COUNTS: &str = "SELECT rows, received, duplicates, stale, conflicts, corrections, deletes FROM trueup.tables";

/// Rows of `t_history`, numbered as they arrived.
const HISTORY: &str =
    "SELECT lpad(row_number() OVER (ORDER BY trueup_arrival)::text, 4, '0'), trueup_outcome, id, version, text
                       FROM t_history";

/// What is known of one key.
#[derive(Default)]
struct Key {
    row: Option<(i32, &'static str)>,
    deleted: Option<i32>,
    losers: BTreeSet<&'static str>,
}

/// Takes changes one by one, as the counts and the outcomes of a history are defined.
#[derive(Default)]
struct Reference {
    keys: BTreeMap<i64, Key>,
    duplicates: usize,
    stale: Vec<String>,
    corrections: usize,
    deletes: usize,
    /// All that were no duplicates, in order of arrival.
    history: Vec<String>,
}

impl Reference {
    fn take(&mut self, (id, version, text, op): Change) {
        let key = self.keys.entry(id).or_default();
        let newest = key.row.map(|(stored, _)| stored).max(key.deleted);
        // An upsert of the version that was deleted comes late; a delete of it comes twice.
        let late = newest.is_some_and(|n| version < n || version == n && key.row.is_none() && op == Op::Upsert);
        let same_version = key.row.is_some_and(|(stored, _)| stored == version);
        let outcome = match op {
            _ if late => {
                self.stale.push(format!("t|{id}|{version}"));
                "stale"
            }
            Op::Delete if key.deleted == Some(version) => "duplicate",
            Op::Delete => {
                self.deletes += 1;
                *key = Key { deleted: Some(version), ..Key::default() };
                "deleted"
            }
            Op::Upsert if same_version => {
                let (_, stored) = key.row.expect("a row of the same version");
                if stored == text || key.losers.contains(text) {
                    "duplicate"
                } else {
                    key.losers.insert(stored.min(text));
                    key.row = Some((version, stored.max(text)));
                    "conflict"
                }
            }
            Op::Upsert => {
                let outcome = if key.row.is_some() { "corrected" } else { "inserted" };
                self.corrections += usize::from(key.row.is_some());
                *key = Key { row: Some((version, text)), ..Key::default() };
                outcome
            }
        };
        if outcome == "duplicate" {
            self.duplicates += 1;
        } else {
            self.history.push(format!("{:04}|{outcome}|{id}|{version}|{text}", self.history.len() + 1));
        }
    }

    fn counts(&self, received: usize) -> String {
        let held = self.keys.values().filter(|key| key.row.is_some()).count();
        let conflicts: usize = self.keys.values().map(|key| key.losers.len()).sum();
        let (duplicates, stale) = (self.duplicates, self.stale.len());
        format!("{held}|{received}|{duplicates}|{stale}|{conflicts}|{}|{}", self.corrections, self.deletes)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_follow_the_order_of_arrival_whatever_the_ticks_and_workers() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let texts = ["a", "b", "c"];
    for history in 0..4 {
        // Without deletes every key is counted the short way.
        let delete_rate = if history % 2 == 0 { 0.0 } else { 0.15 };
        let mut changes: Vec<Change> = vec![];
        for _ in 0..300 {
            let op = if random.random_bool(delete_rate) { Op::Delete } else { Op::Upsert };
            let text = if op == Op::Delete { "" } else { texts[random.random_range(0..3)] };
            changes.push((random.random_range(0..15), random.random_range(0..8), text, op));
        }
        let mut expected = Reference::default();
        changes.iter().for_each(|change| expected.take(*change));
        expected.stale.sort();
        for round in 0..6 {
            let engine = with_history(round % 3 + 1).await;
            let mut rest = changes.as_slice();
            while !rest.is_empty() {
                let (portion, after) = rest.split_at(random.random_range(1..=rest.len().min(80)));
                send_changes(&engine, portion);
                rest = after;
                if random.random_bool(0.5) {
                    engine.tick().await.expect("ticks");
                }
            }
            engine.tick().await.expect("ticks");
            assert_eq!(rows(&engine, COUNTS).await, [expected.counts(changes.len())], "{history} {round}");
            let stale = rows(&engine, "SELECT relation, key, version FROM trueup.stale_versions").await;
            assert_eq!(stale, expected.stale, "{history} {round}");
            assert_eq!(rows(&engine, HISTORY).await, expected.history, "{history} {round}");
            engine.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_versions_say_what_came_late_and_against_what() {
    let engine = versioned(2).await;
    apply(&engine, &[(1, 3, "new", Op::Upsert), (2, 5, "", Op::Delete)]).await;
    apply(&engine, &[(1, 2, "late", Op::Upsert), (1, 3, "new", Op::Upsert), (2, 4, "late", Op::Upsert)]).await;
    apply(&engine, &[(1, 1, "", Op::Delete), (1, 4, "newer", Op::Upsert)]).await;
    let stale = rows(&engine, "SELECT relation, key, version, newest_version FROM trueup.stale_versions").await;
    assert_eq!(stale, ["t|1|1|3", "t|1|2|3", "t|2|4|5"]);
    let late = "SELECT count(DISTINCT tick), min(tick) > 0 FROM trueup.stale_versions";
    assert_eq!(rows(&engine, late).await, ["2|true"]);
    assert_eq!(rows(&engine, COUNTS).await, ["1|7|1|3|0|1|1"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_stale_versions_are_kept() {
    let mut expected: Option<Vec<String>> = None;
    for workers in [1, 3] {
        let engine = versioned(workers).await;
        let of = |version: i32| (0..1500).map(|id| (id, version, "x", Op::Upsert)).collect::<Vec<Change>>();
        apply(&engine, &of(2)).await;
        apply(&engine, &of(1)).await;
        assert_eq!(rows(&engine, "SELECT stale FROM trueup.tables").await, ["1500"]);
        let kept = rows(&engine, "SELECT key FROM trueup.stale_versions ORDER BY key").await;
        assert_eq!(kept.len(), 1000);
        assert!(kept.contains(&"1499".to_string()) && !kept.contains(&"499".to_string()));
        assert_eq!(&kept, expected.get_or_insert(kept.clone()));
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_every_kind_say_what_they_know() {
    let engine = start(2);
    run(
        &engine,
        "CREATE TABLE bag (n INT);
         CREATE TABLE keyed (id INT PRIMARY KEY, n INT);
         CREATE TABLE first (id INT PRIMARY KEY, n INT) ON CONFLICT DO NOTHING;
         CREATE TABLE part (id INT PRIMARY KEY, version INT, n INT) ON CONFLICT DO UPDATE IF NOT NULL
           WITH VERSION COLUMN (version)",
    )
    .await;
    run(&engine, "INSERT INTO bag VALUES (1), (1), (2)").await;
    run(&engine, "DELETE FROM bag WHERE n = 1").await;
    for table in ["keyed", "first"] {
        run(&engine, &format!("INSERT INTO {table} VALUES (1, 1), (2, 2)")).await;
        run(&engine, &format!("INSERT INTO {table} VALUES (1, 1), (2, 3)")).await;
        run(&engine, &format!("DELETE FROM {table} WHERE id = 1")).await;
    }
    run(&engine, "INSERT INTO part VALUES (1, 2, 5)").await;
    run(&engine, "INSERT INTO part VALUES (1, 3, NULL)").await;
    run(&engine, "INSERT INTO part VALUES (1, 1, 9), (1, 3, 9)").await;
    run(&engine, "UPDATE part SET n = 6").await;
    let counts = rows(&engine, &COUNTS.replace("SELECT", "SELECT relation,")).await;
    assert_eq!(
        counts,
        [
            "bag|1|5|NULL|NULL|NULL|NULL|2",
            "first|1|5|2|NULL|NULL|0|1",
            "keyed|1|5|1|NULL|NULL|1|1",
            "part|1|5|1|1|0|2|0",
        ]
    );
    run(&engine, "DROP TABLE part").await;
    assert_eq!(rows(&engine, "SELECT count(*) FROM trueup.stale_versions").await, ["0"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_are_counted_and_named() {
    let engine = versioned(2).await;
    let post = async |text: &'static str| {
        let posted = engine.post_rows("t", text.into(), RowsShape::Lines, true).await.expect("posts");
        (posted.accepted, posted.rejected_total)
    };
    const UNKNOWN: &str = "SELECT received, bad_rows, unknown_field_rows, unknown_fields FROM trueup.tables";
    assert_eq!(post("{\"id\":1,\"version\":1,\"text\":\"a\"}").await, (1, 0));
    assert_eq!(rows(&engine, UNKNOWN).await, ["1|0|0|"]);
    let drifted = "{\"id\":1,\"version\":2,\"note\":\"x\",\"Text\":\"y\"}\n{\"id\":\"?\",\"version\":1,\"note\":\"x\"}";
    assert_eq!(post(drifted).await, (1, 1));
    assert_eq!(rows(&engine, UNKNOWN).await, ["2|1|2|Text, note"]);
    // Names are bounded, rows are not.
    let many: String = (0..40).map(|n| format!("{{\"id\":{n},\"version\":9,\"f{n}\":0}}\n")).collect();
    engine.post_rows("t", many.into(), RowsShape::Lines, true).await.expect("posts");
    let counted = "SELECT unknown_field_rows, cardinality(string_to_array(unknown_fields, ', ')) FROM trueup.tables";
    assert_eq!(rows(&engine, counted).await, ["42|32"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_say_how_many_rows_changed() {
    let engine = versioned(3).await;
    run(&engine, "CREATE MATERIALIZED VIEW by_text AS SELECT text, count(*) AS n FROM t GROUP BY text").await;
    const CHANGES: &str = "SELECT name, changes FROM trueup.views";
    assert_eq!(rows(&engine, CHANGES).await, ["by_text|0", "t|0"]);
    apply(&engine, &[(1, 1, "a", Op::Upsert), (2, 1, "b", Op::Upsert), (3, 1, "b", Op::Upsert)]).await;
    assert_eq!(rows(&engine, CHANGES).await, ["by_text|2", "t|3"]);
    // One row replaced is two changes; `a` goes, `b` counts one more.
    apply(&engine, &[(1, 2, "b", Op::Upsert), (2, 1, "b", Op::Upsert)]).await;
    assert_eq!(rows(&engine, CHANGES).await, ["by_text|5", "t|5"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_view_may_read_what_the_system_says_and_a_kept_one_may_not() {
    let engine = start(1);
    run(&engine, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
    run(&engine, "CREATE VIEW intake AS SELECT relation, received FROM trueup.tables").await;
    run(&engine, "INSERT INTO t VALUES (1), (2)").await;
    assert_eq!(rows(&engine, "SELECT relation, received FROM intake").await, ["t|2"]);
    for kept in ["SELECT received FROM intake", "SELECT count(*) AS tables FROM trueup.tables"] {
        let refusal = refused(&engine, &format!("CREATE MATERIALIZED VIEW kept AS {kept}")).await;
        assert_eq!(refusal.message, "\"trueup.tables\" cannot be kept up to date");
    }
    engine.stop().await;
}
