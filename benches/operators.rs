//! Bench: what one change costs must not grow with the group it falls into.
//!
//! Every case holds the same number of rows, cut into groups of 1 to 1,000,000, so that only the size of the groups differs. A tick updates
//! rows by key: first it lifts them above all others of their group, the next tick puts them back, so that extremes and tops change hands
//! every time. Times are from the first batch sent to the tick published, and include the table's own upsert (case `table`) and the
//! hand-over between threads. Ends in failure when a case grows.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use clap::Parser;
use tokio::runtime::Runtime;
use trueup::engine::{Engine, EngineConfig};
use trueup::model::InputBatch;

/// Cost of a change by group size.
#[derive(Parser, Debug)]
struct Arguments {
    /// Rows per group [default: 1,100,10000,1000000; without --bench 1,100,1000]
    #[arg(long, value_delimiter = ',')]
    sizes: Vec<usize>,
    /// Ticks timed per case, size and number of changes [default: 200; without --bench 10]
    #[arg(long)]
    ticks: Option<usize>,
    /// Only cases whose name has this in it
    #[arg(long, default_value = "")]
    only: String,
    /// Workers
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Given by `cargo bench`; without it the bench only proves that it works
    #[arg(long, hide = true)]
    bench: bool,
}

/// Numbers of changes per tick.
const CHANGES: [usize; 2] = [1, 1000];
/// The median at the largest groups may be this many times that at the smallest: depth, caches and noise, not size.
const GROWTH_MAX: f64 = 4.0;
/// Above all values rows begin with.
const TOP: i64 = 1 << 40;
/// Rows sent at once.
const BATCH_ROWS: usize = 8192;

const TABLES: &str = "CREATE TABLE facts (id BIGINT PRIMARY KEY, k BIGINT NOT NULL, x BIGINT NOT NULL);
    CREATE TABLE keys (k BIGINT PRIMARY KEY, name BIGINT NOT NULL);";

/// Facts change; there is one row of `keys` for each group of facts.
struct Case {
    name: &'static str,
    view: &'static str,
    /// All rows are one group.
    global: bool,
}

const CASES: [Case; 9] = [
    Case { name: "table", view: "", global: false },
    Case { name: "sum", view: "SELECT k, SUM(x) AS x FROM facts GROUP BY k", global: false },
    Case { name: "min, max", view: "SELECT k, MIN(x) AS low, MAX(x) AS high FROM facts GROUP BY k", global: false },
    Case {
        name: "top 10 of a group",
        view: "SELECT k, id, x FROM (SELECT k, id, x, ROW_NUMBER() OVER (PARTITION BY k ORDER BY x DESC, id) AS n FROM facts) WHERE n <= 10",
        global: false,
    },
    Case { name: "top 10 of all", view: "SELECT id, x FROM facts ORDER BY x DESC, id LIMIT 10", global: true },
    Case {
        name: "join, own side large",
        view: "SELECT f.id, f.x, o.name FROM facts AS f JOIN keys AS o ON o.k = f.k",
        global: false,
    },
    Case {
        name: "left join, own side large",
        view: "SELECT o.k, o.name, f.id, f.x FROM keys AS o LEFT JOIN facts AS f ON o.k = f.k",
        global: false,
    },
    Case {
        name: "semi join, left side large",
        view: "SELECT f.id, f.x FROM facts AS f WHERE EXISTS (SELECT 1 FROM keys AS o WHERE o.k = f.k)",
        global: false,
    },
    Case {
        name: "semi join, right side large",
        view: "SELECT o.k, o.name FROM keys AS o WHERE EXISTS (SELECT 1 FROM facts AS f WHERE f.k = o.k)",
        global: false,
    },
];

/// Medians in microseconds, per entry of [`CHANGES`] and group size.
#[derive(serde::Serialize)]
struct Row {
    case: &'static str,
    changes: usize,
    median_us: Vec<f64>,
    grows: bool,
}

impl Row {
    fn new(case: &Case, changes: usize, median_us: Vec<f64>) -> Row {
        let (least, last) = (median_us.iter().copied().fold(f64::MAX, f64::min), *median_us.last().unwrap_or(&0.0));
        // Fewer rows than changes: small sizes of a global case make smaller ticks.
        let comparable = !case.global || changes == 1;
        Row { case: case.name, changes, grows: comparable && last > least * GROWTH_MAX, median_us }
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether no case grows.
fn run(arguments: &Arguments) -> Result<bool> {
    let sizes = match &arguments.sizes[..] {
        [] if arguments.bench => &[1, 100, 10_000, 1_000_000][..],
        [] => &[1, 100, 1000],
        sizes => sizes,
    };
    let ticks = arguments.ticks.unwrap_or(if arguments.bench { 200 } else { 10 });
    let rows = sizes.iter().copied().max().unwrap_or(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
    let mut table = vec![];
    for case in CASES.iter().filter(|c| c.name.contains(&arguments.only)) {
        let mut rows_of_case = measure(&runtime, case, sizes, rows, ticks, arguments.workers)?;
        if rows_of_case.iter().any(|row| row.grows) {
            // Another program may have had the machine: growth is believed when it shows twice.
            let again = measure(&runtime, case, sizes, rows, ticks, arguments.workers)?;
            for (row, again) in rows_of_case.iter_mut().zip(again) {
                let least = row.median_us.iter().zip(&again.median_us).map(|(a, b)| a.min(*b)).collect();
                *row = Row::new(case, row.changes, least);
            }
        }
        table.extend(rows_of_case);
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&table)?)
    } else {
        print(&table, sizes, rows)
    }
    Ok(table.iter().all(|row| !row.grows))
}

/// A case at all sizes: a row per entry of [`CHANGES`].
fn measure(
    runtime: &Runtime,
    case: &'static Case,
    sizes: &[usize],
    rows: usize,
    ticks: usize,
    workers: usize,
) -> Result<Vec<Row>> {
    let mut medians = CHANGES.map(|_| vec![]);
    for size in sizes {
        let rows = if case.global { *size } else { rows };
        let bench = Bench::start(runtime, case, rows, *size, workers)?;
        for (medians, changes) in medians.iter_mut().zip(CHANGES) {
            medians.push(bench.median(changes.min(rows), ticks)?);
        }
        runtime.block_on(bench.engine.stop());
    }
    Ok(CHANGES.into_iter().zip(medians).map(|(changes, median_us)| Row::new(case, changes, median_us)).collect())
}

/// A running engine with a case's view.
struct Bench<'a> {
    runtime: &'a Runtime,
    engine: Engine,
    case: &'a Case,
    rows: usize,
    size: usize,
}

impl<'a> Bench<'a> {
    fn start(runtime: &'a Runtime, case: &'a Case, rows: usize, size: usize, workers: usize) -> Result<Self> {
        let engine = Engine::start(EngineConfig { workers, idle_tick: None, ..EngineConfig::default() })?;
        runtime.block_on(engine.run(TABLES))?;
        if !case.view.is_empty() {
            runtime.block_on(engine.run(&format!("CREATE MATERIALIZED VIEW v AS {}", case.view)))?;
        }
        let bench = Bench { runtime, engine, case, rows, size };
        bench.send_facts(0..rows, value)?;
        let keys: Vec<i64> = (0..rows.div_ceil(size) as i64).collect();
        bench.send("keys", &[("k", keys.clone()), ("name", keys)])?;
        runtime.block_on(bench.engine.tick())?;
        Ok(bench)
    }

    /// Median time of a tick of so many changes.
    fn median(&self, changes: usize, ticks: usize) -> Result<f64> {
        let mut times: Vec<Duration> = vec![];
        for tick in 0..ticks.next_multiple_of(2) {
            // Rows far from each other, the same ones in both ticks of a pair. The step has no factor in common with powers of ten.
            let start = tick / 2 * changes;
            let ids = (start..start + changes).map(|at| at * 7_919 % self.rows);
            let lift = tick % 2 == 0;
            let started = Instant::now();
            self.send_facts(ids, |id| if lift { TOP + id } else { value(id) })?;
            self.runtime.block_on(self.engine.tick())?;
            times.push(started.elapsed());
        }
        self.check()?;
        times.sort();
        Ok(times[times.len() / 2].as_secs_f64() * 1e6)
    }

    /// Everything has been put back: the view must hold what it began with, as far as a sum over it tells.
    fn check(&self) -> Result<()> {
        let x = match self.case.name {
            "sum" | "join, own side large" | "left join, own side large" | "semi join, left side large" => "x",
            _ => return Ok(()),
        };
        let rows = self.runtime.block_on(self.engine.query(&format!("SELECT CAST(SUM({x}) AS BIGINT) FROM v")))?;
        let found = rows.column(0).as_primitive::<Int64Type>().value(0);
        let wanted: i64 = (0..self.rows as i64).map(value).sum();
        ensure!(found == wanted, "{}: the view sums up to {found}, not {wanted}", self.case.name);
        Ok(())
    }

    fn send_facts(&self, ids: impl Iterator<Item = usize>, value: impl Fn(i64) -> i64) -> Result<()> {
        let ids: Vec<i64> = ids.map(|id| id as i64).collect();
        let keys = ids.iter().map(|id| id / self.size as i64).collect();
        let values = ids.iter().map(|id| value(*id)).collect();
        self.send("facts", &[("id", ids), ("k", keys), ("x", values)])
    }

    fn send(&self, table: &str, columns: &[(&str, Vec<i64>)]) -> Result<()> {
        let array = |values: &[i64]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
        let columns = columns.iter().map(|(name, values)| (*name, array(values), true));
        let all = RecordBatch::try_from_iter_with_nullable(columns)?;
        let table = self.engine.relation(table)?;
        for start in (0..all.num_rows()).step_by(BATCH_ROWS) {
            let rows = all.slice(start, BATCH_ROWS.min(all.num_rows() - start));
            self.engine.send(InputBatch::of_rows(table, rows, None))?;
        }
        Ok(())
    }
}

/// What a row begins with.
fn value(id: i64) -> i64 {
    id.wrapping_mul(0x9E37_79B9_7F4A_7C15u64 as i64) & 0xF_FFFF
}

fn print(table: &[Row], sizes: &[usize], rows: usize) {
    println!("median µs per tick; {rows} rows in groups of\n");
    let heads: Vec<String> = sizes.iter().map(ToString::to_string).collect();
    println!("| case | changes per tick | {} | |", heads.join(" | "));
    println!("|---|--:|{}---|", "--:|".repeat(sizes.len()));
    for row in table {
        let cells: Vec<String> = row.median_us.iter().map(|m| format!("{m:.0}")).collect();
        let flag = if row.grows { "**grows**" } else { "" };
        println!("| {} | {} | {} | {flag} |", row.case, row.changes, cells.join(" | "));
    }
}
