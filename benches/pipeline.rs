//! Bench: the flash sale as SQL against the same views written by hand, on typed differential and on hash maps.
//!
//! Every system runs in a process of its own, so that its peak memory is its own, and reports the digests of its four views. No number is
//! printed unless all systems gave the same answers. See `benches/README.md`.

mod baseline {
    pub mod hashmap;
    pub mod typed;
}
mod flashsale;

use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, ValueEnum};

use flashsale::VIEWS;
use flashsale::measure::Run;

/// The flash sale: SQL against hand-written baselines.
#[derive(Parser, Debug)]
struct Arguments {
    /// Orders of the sale; about two events each [default: 2,000,000; without --bench 20,000]
    #[arg(long)]
    orders: Option<u64>,
    /// Orders per tick
    #[arg(long, default_value_t = 10_000)]
    tick: u64,
    /// Numbers of workers to run with
    #[arg(long, default_value = "1,2", value_delimiter = ',')]
    workers: Vec<usize>,
    /// Systems to run
    #[arg(long, default_value = "trueup,typed,hashmap", value_delimiter = ',')]
    systems: Vec<System>,
    /// How often; the median run by events per second counts
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Also print what each operator of ours holds at the end
    #[arg(long)]
    operators: bool,
    /// Run one system in this process and print its run: what the bench starts for each, and what to profile
    #[arg(long)]
    alone: bool,
    /// Given by `cargo bench`; without it the bench only proves that it works
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum System {
    Trueup,
    Typed,
    Hashmap,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match if arguments.alone { alone(&arguments) } else { compare(&arguments) } {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    fn orders(&self) -> u64 {
        self.orders.unwrap_or(if self.bench { 2_000_000 } else { 20_000 })
    }
}

fn alone(arguments: &Arguments) -> Result<()> {
    let (&[system], &[workers]) = (&arguments.systems[..], &arguments.workers[..]) else {
        bail!("--alone takes one of --systems and one of --workers");
    };
    let run = match system {
        System::Trueup => flashsale::engine::run(arguments.orders(), arguments.tick, workers, arguments.operators)?,
        System::Typed => baseline::typed::run(arguments.orders(), arguments.tick, workers),
        System::Hashmap => baseline::hashmap::run(arguments.orders(), arguments.tick),
    };
    println!("{}", serde_json::to_string(&run)?);
    Ok(())
}

fn compare(arguments: &Arguments) -> Result<()> {
    let mut runs: BTreeMap<usize, Vec<Run>> = BTreeMap::new();
    for _ in 0..arguments.rounds.max(1) {
        let mut place = 0;
        for system in &arguments.systems {
            let one = [1];
            for workers in if *system == System::Hashmap { &one[..] } else { &arguments.workers[..] } {
                runs.entry(place).or_default().push(start(arguments, *system, *workers)?);
                place += 1;
            }
        }
    }
    let all: Vec<&Run> = runs.values().flatten().collect();
    for run in &all {
        for (at, view) in VIEWS.iter().enumerate() {
            let (first, this) = (all[0].answers[at], run.answers[at]);
            let (a, b) = (&all[0].system, &run.system);
            ensure!(first == this, "{a} and {b} disagree on {view}: {first:?}, {this:?}");
        }
    }
    let median = |mut runs: Vec<Run>| {
        runs.sort_by(|a, b| a.events_per_second.total_cmp(&b.events_per_second));
        runs.swap_remove(runs.len() / 2)
    };
    let runs: Vec<Run> = runs.into_values().map(median).collect();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&runs)?)
    } else {
        print(&runs)
    }
    Ok(())
}

/// Runs one system in a process of its own.
fn start(arguments: &Arguments, system: System, workers: usize) -> Result<Run> {
    let name = system.to_possible_value().map_or(String::new(), |v| v.get_name().to_string());
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--alone", "--systems", &name, "--workers", &workers.to_string()]);
    command.args(["--orders", &arguments.orders().to_string(), "--tick", &arguments.tick.to_string()]);
    if arguments.operators {
        command.arg("--operators");
    }
    let output = command.stderr(Stdio::inherit()).output().context("starting a system")?;
    ensure!(output.status.success(), "{name} with {workers} workers failed: {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.trim()).with_context(|| format!("reading what {name} reports: {text}"))
}

fn print(runs: &[Run]) {
    if let Some(run) = runs.first() {
        let groups: Vec<String> = VIEWS.iter().zip(&run.answers).map(|(v, d)| format!("{v} {}", d.rows)).collect();
        println!("{} orders, {} events; all answers equal (rows: {})\n", run.orders, run.events, groups.join(", "));
    }
    println!("| system | workers | k events/s | p50 ms | p99 ms | max ms | peak MB | bytes/order | CPU s |");
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for run in runs {
        println!(
            "| {} | {} | {:.0} | {:.1} | {:.1} | {:.1} | {:.0} | {:.0} | {:.1} |",
            run.system,
            run.workers,
            run.events_per_second / 1e3,
            run.p50_ms,
            run.p99_ms,
            run.max_ms,
            run.peak_bytes as f64 / 1e6,
            run.bytes_per_order,
            run.cpu_seconds,
        );
    }
}
