//! The hand-written model of tables: what they hold after any stream of input, by the contract's words and nothing else.
//!
//! Also draws the random streams: small domains so that keys, groups and join partners collide, every awkward value of every type.
//! Equal versions always carry equal content here; conflicts have tests of their own (`tables.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ListArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, SchemaRef, TimeUnit};
use datafusion::scalar::ScalarValue;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use trueup::model::{Op, TableDef};
use trueup::plan::parse::parse;
use trueup::plan::statement::StatementKind;

/// The tables of the oracle: keyed with versions, keyed, and two bags.
pub const TABLES: [&str; 4] = [
    "CREATE TABLE orders (id BIGINT PRIMARY KEY, version INT NOT NULL, sku INT, channel TEXT, amount DECIMAL(12,2),
       qty SMALLINT, paid BOOLEAN, at TIMESTAMP, score DOUBLE PRECISION, doc TEXT) WITH VERSION COLUMN (version)",
    "CREATE TABLE items (order_id BIGINT, line INT, price DOUBLE PRECISION, ratio REAL, tag TEXT, day DATE, marks BIGINT[],
       raw BYTEA, PRIMARY KEY (order_id, line))",
    "CREATE TABLE events (kind TEXT, ref BIGINT, n INT, small SMALLINT, value DOUBLE PRECISION, amount DECIMAL(12,2),
       flag BOOLEAN, at TIMESTAMP, seen TIMESTAMPTZ)",
    "CREATE TABLE codes (code TEXT, sku INT, weight BIGINT, ok BOOLEAN)",
];

type Row = Vec<ScalarValue>;

/// A table and what it holds.
pub struct Table {
    pub def: TableDef,
    /// The newest change per key: version (0 without a version column) and, unless deleted, the row.
    keyed: BTreeMap<Vec<i64>, (i64, Option<Row>)>,
    bag: Vec<Row>,
    /// Changes sent so far, for duplicates and late arrivals.
    sent: Vec<(Row, Op)>,
}

impl Table {
    pub fn new(sql: &str) -> Table {
        let statement = parse(sql).expect("the table parses").remove(0);
        let StatementKind::CreateTable { def, .. } = statement.kind else { panic!("not a table: {sql}") };
        Table { def, keyed: BTreeMap::new(), bag: vec![], sent: vec![] }
    }

    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.def.schema)
    }

    /// The rows it holds.
    pub fn rows(&self) -> RecordBatch {
        let keyed = self.keyed.values().filter_map(|(_, row)| row.clone());
        let rows = keyed.chain(self.bag.iter().cloned());
        rows_as_batch(&self.schema(), rows.map(|row| row.iter().map(normal).collect()).collect())
    }

    /// Applies a change as the contract says.
    fn apply(&mut self, row: Row, op: Op) {
        if self.def.primary_key.is_empty() {
            match op {
                Op::Upsert => self.bag.push(row),
                Op::Delete => {
                    let at = self
                        .bag
                        .iter()
                        .position(|r| equal_rows(r, &row))
                        .expect("only rows that are there are deleted");
                    self.bag.swap_remove(at);
                }
            }
            return;
        }
        let key = self.def.primary_key.iter().map(|c| integer(&row[*c])).collect();
        let version = self.def.version.map_or(0, |c| integer(&row[c]));
        let after = (op == Op::Upsert).then_some(row);
        match self.keyed.get(&key) {
            // A delete wins against the row of its own version, whichever comes first.
            Some((held, _)) if self.def.version.is_some() && version < *held => {}
            Some((held, None)) if self.def.version.is_some() && version == *held => {}
            _ => drop(self.keyed.insert(key, (version, after))),
        }
    }

    /// Draws a portion of input and applies it: fresh rows, revisions, deletes, duplicates, what was sent long ago once more, in
    /// any order.
    pub fn draw(&mut self, seed: u64, random: &mut ChaCha8Rng, changes: usize) -> (RecordBatch, Vec<Op>) {
        let mut portion = vec![];
        for _ in 0..changes {
            let again =
                self.sent.choose(random).filter(|_| self.def.version.is_some() && random.random_bool(0.2)).cloned();
            let change = match again {
                Some(change) => change,
                None => self.change(seed, random, &portion),
            };
            portion.push(change);
        }
        if self.def.version.is_some() {
            portion.shuffle(random);
        }
        for (row, op) in &portion {
            self.apply(row.clone(), *op);
        }
        self.sent.extend(portion.iter().cloned());
        let (rows, ops): (Vec<Row>, Vec<Op>) = portion.into_iter().unzip();
        (rows_as_batch(&self.schema(), rows), ops)
    }

    fn change(&self, seed: u64, random: &mut ChaCha8Rng, portion: &[(Row, Op)]) -> (Row, Op) {
        let delete = random.random_bool(0.25);
        if self.def.primary_key.is_empty() {
            // Only rows that are there before this portion, each as often as it is there, less those already deleted.
            let taken = |row: &Row| portion.iter().filter(|(r, op)| *op == Op::Delete && equal_rows(r, row)).count();
            let there = |row: &Row| self.bag.iter().filter(|r| equal_rows(r, row)).count();
            let doomed = self.bag.choose(random).filter(|row| delete && taken(row) < there(row));
            return match doomed {
                Some(row) => (row.clone(), Op::Delete),
                None if random.random_bool(0.1) && !self.bag.is_empty() => {
                    (self.bag.choose(random).expect("not empty").clone(), Op::Upsert)
                }
                None => (self.row(random, &[]), Op::Upsert),
            };
        }
        let op = if delete { Op::Delete } else { Op::Upsert };
        let key: Vec<i64> = (0..self.def.primary_key.len())
            .map(|at| {
                random.random_range(0..if at == 0 { if self.def.version.is_some() { 30 } else { 16 } } else { 4 })
            })
            .collect();
        if self.def.version.is_none() {
            return (self.row(random, &key), op);
        }
        // Versions a little behind or ahead of the stored one; content is a function of key and version.
        let stored = self.keyed.get(&key).map_or(0, |(version, _)| *version);
        let version = stored + random.random_range(-1..=2);
        let mut content = ChaCha8Rng::seed_from_u64(seed ^ (key[0] as u64) << 32 ^ version as u64);
        let mut row = self.row(&mut content, &key);
        let at = self.def.version.expect("checked above");
        row[at] = ScalarValue::Int32(Some(version as i32));
        (row, op)
    }

    fn row(&self, random: &mut ChaCha8Rng, key: &[i64]) -> Row {
        let fields = self.def.schema.fields().iter().enumerate();
        fields
            .map(|(at, field)| match self.def.primary_key.iter().position(|c| *c == at) {
                Some(part) => {
                    ScalarValue::Int64(Some(key[part])).cast_to(field.data_type()).expect("keys are integers")
                }
                None => value(field.name(), field.data_type(), random),
            })
            .collect()
    }
}

/// A value of a column: NULL now and then, the type's awkward values often.
fn value(name: &str, data_type: &DataType, random: &mut ChaCha8Rng) -> ScalarValue {
    if random.random_bool(0.12) {
        return ScalarValue::try_from(data_type).expect("a NULL of the type");
    }
    // Multiples of 1/8 add up exactly, whatever the order.
    let float = match random.random_range(0..24) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => -0.0,
        _ => f64::from(random.random_range(-40..120)) / 8.0,
    };
    match data_type {
        DataType::Int64 => ScalarValue::Int64(Some(random.random_range(-1..20))),
        DataType::Int32 => ScalarValue::Int32(Some(random.random_range(-3..7))),
        DataType::Int16 => ScalarValue::Int16(Some(random.random_range(0..5))),
        DataType::Float64 => ScalarValue::Float64(Some(float)),
        DataType::Float32 => ScalarValue::Float32(Some(float as f32)),
        DataType::Decimal128(precision, scale) => {
            ScalarValue::Decimal128(Some(i128::from(random.random_range(-20..60i64)) * 25), *precision, *scale)
        }
        DataType::Boolean => ScalarValue::Boolean(Some(random.random())),
        DataType::Date32 => ScalarValue::Date32(Some(19_780 + random.random_range(0..45))),
        DataType::Binary => ScalarValue::Binary(Some(pick(&[&b""[..], &[0], &[0, 255], b"abc"], random).to_vec())),
        DataType::Timestamp(TimeUnit::Microsecond, None) => ScalarValue::TimestampMicrosecond(
            Some(1_709_200_000_000_000 + random.random_range(0..400) * 601_000_001),
            None,
        ),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) => {
            let now = chrono::Utc::now().timestamp_micros();
            ScalarValue::TimestampMicrosecond(
                Some(now + random.random_range(-40_000_000..40_000_000)),
                Some(Arc::clone(zone)),
            )
        }
        DataType::List(_) => {
            let lists: [&[Option<i64>]; 5] = [&[], &[Some(1)], &[Some(3), None, Some(2)], &[Some(2), Some(2)], &[None]];
            let list = pick(&lists, random);
            ScalarValue::List(Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(list.to_vec())])))
        }
        DataType::Utf8 if name == "doc" => {
            let documents = [
                r#"{"a": 1, "b": {"c": "x"}, "tags": ["p", "q"]}"#,
                r#"{"a": "1", "b": null, "tags": []}"#,
                r#"{"a": 2.5, "b": {"c": "y", "d": [1, 2, 3]}}"#,
                r#"{"a": true, "tags": [1, "q"]}"#,
                r#"[1, {"a": 7}]"#,
                "not json",
                "",
            ];
            ScalarValue::from(pick(&documents, random))
        }
        DataType::Utf8 if matches!(name, "channel" | "kind") => {
            ScalarValue::from(pick(&["web", "app", "shop", ""], random))
        }
        DataType::Utf8 => ScalarValue::from(pick(&["", "a", "b", "ab", "Äpfel", "x y", "A", "100%", "web"], random)),
        other => panic!("no values of type {other}"),
    }
}

fn pick<T: Copy>(values: &[T], random: &mut ChaCha8Rng) -> T {
    *values.choose(random).expect("there are values")
}

fn integer(value: &ScalarValue) -> i64 {
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(Some(value))) => value,
        _ => panic!("a key or version is an integer: {value}"),
    }
}

/// Equality as a bag's: NULL equals NULL, NaN equals NaN, −0.0 equals 0.0.
fn equal_rows(left: &Row, right: &Row) -> bool {
    left.iter().zip(right).all(|(left, right)| normal(left) == normal(right))
}

/// The one representation of a value: a table keeps no negative zero.
fn normal(value: &ScalarValue) -> ScalarValue {
    match value {
        ScalarValue::Float64(Some(v)) if *v == 0.0 => ScalarValue::Float64(Some(0.0)),
        ScalarValue::Float32(Some(v)) if *v == 0.0 => ScalarValue::Float32(Some(0.0)),
        other => other.clone(),
    }
}

/// Rows as a batch.
pub fn rows_as_batch(schema: &SchemaRef, rows: Vec<Row>) -> RecordBatch {
    if rows.is_empty() {
        return RecordBatch::new_empty(Arc::clone(schema));
    }
    let column =
        |at: usize| ScalarValue::iter_to_array(rows.iter().map(|row| row[at].clone())).expect("values of one type");
    let columns = (0..schema.fields().len()).map(column).collect();
    RecordBatch::try_new(Arc::clone(schema), columns).expect("values fit the schema")
}
