//! The `trueup` program: flags, exit codes, the log. What the commands do is in [`trueup::app`].
//!
//! Exit codes: 0 done, 1 the user's input was refused, 2 usage, 70 our own bug (a panic on any thread).

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;
use trueup::app;
use trueup::bench;
use trueup::config::{Layer, Settings};
use trueup::ingest::simulator::{Stream, WorldConfig, truth, write, write_truth};
use trueup::testing::Options;

const TEST_HELP: &str = "\
Tests stand in *.test.sql files beside the SQL. A line that begins with -- is a comment.

  -- test: a payment arrives before its order
  GIVEN payments
  {\"payment_id\": \"p1\", \"version\": 1, \"order_id\": \"o1\", \"amount\": \"40.00\", \"status\": \"captured\"}
  EXPECT EMPTY order_state
  TICK
  GIVEN orders
  {\"order_id\": \"o1\", \"version\": 1, \"amount\": \"40.00\", \"status\": \"placed\"}
  EXPECT order_state (order_id, paid, status)
  {\"order_id\": \"o1\", \"paid\": 40, \"status\": \"paid\"}

  GIVEN name [AS RECEIVED]   rows for a table, or for a view, which they then replace; missing fields are NULL;
                             \"__op\": \"delete\" deletes; AS RECEIVED: unknown fields and bad rows are no mistake
  TICK                       closes a tick
  NOW 'time'                 sets the clock [until then: 2026-11-11 00:00:00 UTC]
  INSERT|UPDATE|DELETE …;    runs a statement
  EXPECT name [(column, …)]  the rows that must be there; also EXPECT SELECT …; and EXPECT EMPTY name

What stands before the first test begins every test of the file. Each test also runs with its input shuffled, duplicated (rows of
tables with key and version) and cut into ticks at random, on one and two workers.

Examples:
  trueup test dataflows
  trueup test dataflows/order_state.test.sql --only refund --seed 7 --rounds 50";

const EXIT_REFUSED: u8 = 1;
const EXIT_BUG: i32 = 70;

/// SQL views over order, payment and refund streams, exact at every tick.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Without a command: `trueup run dataflows`, the shipped flash sale.\n\nExample:\n  trueup\n  psql -h 127.0.0.1 -p 5433 -c 'SELECT * FROM order_state LIMIT 10'"
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    server: ServerFlags,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server on SQL files
    #[command(
        after_help = "Examples:\n  trueup run dataflows --workers 2 --pg 127.0.0.1:5433\n  trueup run --input recorded"
    )]
    Run {
        /// SQL files, or folders read recursively [default: dataflows]
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        server: ServerFlags,
    },
    /// Check SQL files without running them
    #[command(after_help = "Example:\n  trueup check dataflows")]
    Check {
        /// SQL files, or folders read recursively [default: dataflows]
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Run the dataflow tests beside the SQL
    #[command(after_help = TEST_HELP)]
    Test {
        /// Folders with SQL files and their tests, or single test files [default: dataflows]
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Only tests whose name or file contains this
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
        /// Decides how input is shuffled, duplicated and cut into ticks [default: another each time]
        #[arg(long)]
        seed: Option<u64>,
        /// How often each test is run with its input dealt anew
        #[arg(long, value_name = "N", default_value_t = trueup::testing::ROUNDS)]
        rounds: u64,
    },
    /// Measure how fresh the views are under load
    #[command(
        after_help = "Events have intended times, by --rate and --curve; freshness runs from there to the published tick that shows\n\
                           them. Input is the simulator's, made before the clock starts, or files <table>.ndjson, .json or .csv.\n\n\
                           Examples:\n  trueup bench dataflows --rate 20000 --duration 30s\n  \
                           trueup bench dataflows --rate 20000 --curve sale --json result.json\n  \
                           trueup bench examples/recorded --input recorded --rate max --warm-up 0"
    )]
    Bench {
        /// SQL files, or folders read recursively [default: dataflows]
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        bench: BenchFlags,
    },
    /// Print the plan of one view
    #[command(after_help = "Example:\n  trueup explain dataflows order_state")]
    Explain {
        /// A SQL file or folder
        path: PathBuf,
        /// The view
        view: String,
    },
    /// Write the simulated flash sale: seeded, the same bytes for the same seed
    #[command(
        after_help = "Examples:\n  trueup sim --seed 7 --orders 10000 --out recorded --truth truth.ndjson\n  trueup run --input recorded\n  trueup sim --orders 3 --set history=0 --set malformed=0.1"
    )]
    Sim(SimFlags),
}

#[derive(Args)]
struct ServerFlags {
    /// Folder for state that survives [default: in memory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Folder with a file per table (TABLE.ndjson, .json, .csv), read instead of the tables' connectors
    #[arg(long, value_name = "DIR")]
    input: Option<PathBuf>,
    /// Read these files on as they grow
    #[arg(long)]
    follow: bool,
    /// Worker threads [default: cores]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Address of the PostgreSQL protocol [default: 127.0.0.1:5433]
    #[arg(long, value_name = "ADDR")]
    pg: Option<SocketAddr>,
    /// Address of HTTP [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Let `POST /api/sql` write; without it, it only reads
    #[arg(long)]
    http_write: bool,
    /// Log filter, such as `debug` or `trueup=trace` [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Settings file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args)]
struct BenchFlags {
    /// Events per second on average, or `max`: as fast as they are taken
    #[arg(long, value_name = "N", default_value = "10000", value_parser = events_per_second)]
    rate: Rate,
    /// How the rate changes over the run
    #[arg(long, value_enum, default_value_t = CurveName::Flat)]
    curve: CurveName,
    /// Time before measuring: seconds, or such as 500ms, 30s, 2m
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    warm_up: Duration,
    /// Time to measure
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    duration: Duration,
    /// Worker threads [default: cores]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Folder of files to send instead of the simulator's events; each is spread evenly over the run
    #[arg(long, value_name = "DIR")]
    input: Option<PathBuf>,
    /// Decides the simulator's events
    #[arg(long, default_value_t = WorldConfig::default().seed)]
    seed: u64,
    /// Write the result to a file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Do not compare the views with the batch engine's answers
    #[arg(long)]
    no_check: bool,
    /// Stop the engine for so long in the middle: does it show?
    #[arg(long, value_name = "TIME", hide = true, value_parser = time)]
    stall: Option<Duration>,
}

#[derive(Clone, Copy)]
struct Rate(Option<f64>);

#[derive(Clone, Copy, ValueEnum)]
enum CurveName {
    /// The same all the time
    Flat,
    /// A flash sale: quiet, countdown, spike, tail
    Sale,
}

fn events_per_second(text: &str) -> Result<Rate, String> {
    match text.parse() {
        _ if text == "max" => Ok(Rate(None)),
        Ok(rate) if rate > 0.0 && rate <= 1e9 => Ok(Rate(Some(rate))),
        _ => Err("expected events per second, or max".to_string()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("", 1.0)];
    let (number, unit) =
        units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds))).unwrap_or((text, &1.0));
    let seconds = number.trim().parse::<f64>().map(|number| number * unit);
    match seconds {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected a time such as 500ms, 30s or 2m, up to a day".to_string()),
    }
}

#[derive(Args)]
struct SimFlags {
    /// Decides everything random
    #[arg(long, default_value_t = WorldConfig::default().seed)]
    seed: u64,
    /// Orders in all; 0 never ends
    #[arg(long, default_value_t = 1000)]
    orders: u64,
    /// Any setting of the world, such as rate=500 or late=0.05; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Folder for a file per table, as `run --input` reads them [default: everything to standard output, with a `table` field]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// File for what the world amounts to: a line per order, then the totals; `-` for standard output
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Write lines when they are due instead of all at once: files that grow
    #[arg(long)]
    paced: bool,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    WorldConfig::default().set(name, value).map_err(|expected| format!("{name}: {expected}"))?;
    Ok((name.to_string(), value.to_string()))
}

fn main() -> ExitCode {
    exit_on_panic();
    match execute(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_REFUSED),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(EXIT_REFUSED)
        }
    }
}

/// A panic on any thread is our own bug: going on with a known-wrong state is worse than stopping.
fn exit_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(EXIT_BUG);
    }));
}

/// Whether what was asked for is as it should be.
fn execute(cli: Cli) -> Result<bool> {
    let done = match cli.command {
        None => run(cli.server, Vec::new()),
        Some(Command::Run { paths, server }) => run(server, paths),
        Some(Command::Check { paths }) => {
            start_log(&settings(ServerFlags::none())?)?;
            app::check(&or_shipped(paths))
        }
        Some(Command::Test { paths, only, seed, rounds }) => {
            start_log(&settings(ServerFlags::none())?)?;
            let jobs = std::thread::available_parallelism().map_or(1, |cores| cores.get());
            let seed = seed.unwrap_or_else(|| rand::random_range(0..1_000_000));
            return app::test(&or_shipped(paths), &Options { seed, rounds, only, jobs });
        }
        Some(Command::Bench { paths, bench }) => run_bench(bench, paths),
        Some(Command::Explain { path, view }) => {
            start_log(&settings(ServerFlags::none())?)?;
            print(&app::explain(&path, &view)?)
        }
        Some(Command::Sim(flags)) => sim(flags),
    };
    done.map(|()| true)
}

fn run(flags: ServerFlags, paths: Vec<PathBuf>) -> Result<()> {
    let settings = settings(flags)?;
    start_log(&settings)?;
    app::run(&settings, &or_shipped(paths))
}

fn run_bench(flags: BenchFlags, paths: Vec<PathBuf>) -> Result<()> {
    let settings = settings(ServerFlags { workers: flags.workers, ..ServerFlags::none() })?;
    start_log(&settings)?;
    let options = bench::Options {
        workers: settings.workers,
        rate: flags.rate.0,
        curve: match flags.curve {
            CurveName::Flat => bench::Curve::Flat,
            CurveName::Sale => bench::Curve::Sale,
        },
        warm_up: flags.warm_up,
        duration: flags.duration,
        input: flags.input,
        seed: flags.seed,
        check: !flags.no_check,
        stall: flags.stall,
    };
    app::bench(&or_shipped(paths), &options, flags.json.as_deref())
}

fn or_shipped(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    if paths.is_empty() { vec![PathBuf::from("dataflows")] } else { paths }
}

impl ServerFlags {
    fn none() -> ServerFlags {
        ServerFlags {
            data_dir: None,
            input: None,
            follow: false,
            workers: None,
            pg: None,
            http: None,
            http_write: false,
            log: None,
            config: None,
        }
    }
}

fn settings(flags: ServerFlags) -> Result<Settings> {
    let text = |value: OsString| value.to_string_lossy().into_owned();
    let environment = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
    let layer = Layer {
        workers: flags.workers,
        pg: flags.pg,
        http: flags.http,
        http_write: flags.http_write.then_some(true),
        data_dir: flags.data_dir,
        input: flags.input,
        follow: flags.follow.then_some(true),
        log: flags.log,
        ..Layer::default()
    };
    Ok(Settings::load(flags.config.as_deref(), environment, layer)?)
}

fn start_log(settings: &Settings) -> Result<()> {
    let filter = EnvFilter::try_new(&settings.log).with_context(|| format!("log filter \"{}\"", settings.log))?;
    let is_terminal = io::IsTerminal::is_terminal(&io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(is_terminal).init();
    Ok(())
}

fn sim(flags: SimFlags) -> Result<()> {
    let mut config = WorldConfig { seed: flags.seed, orders: flags.orders, ..WorldConfig::default() };
    for (name, value) in &flags.settings {
        config.set(name, value).map_err(|expected| anyhow!("{name}: {expected}"))?;
    }
    if let Some(path) = &flags.truth {
        if config.orders == 0 {
            bail!("an endless world has no truth to tell; give a number of --orders");
        }
        let truth = truth(&config);
        if path.as_os_str() == "-" {
            return unless_closed(write_truth(&truth, io::BufWriter::new(io::stdout().lock())));
        }
        let file = std::fs::File::create(path).with_context(|| format!("can't write {}", path.display()))?;
        write_truth(&truth, io::BufWriter::new(file)).with_context(|| format!("can't write {}", path.display()))?;
    }
    let Some(folder) = &flags.out else {
        if flags.truth.is_some() {
            return Ok(());
        }
        let written = write::write_all(&config, io::BufWriter::new(io::stdout().lock()), flags.paced);
        return unless_closed(written.map(drop));
    };
    let summary = write::write_files(&config, folder, flags.paced)?;
    let counts = Stream::ALL.iter().zip(summary.lines).map(|(stream, lines)| format!("{}={lines}\n", stream.name()));
    print(&format!("{}garbled={}\n", counts.collect::<String>(), summary.garbled))
}

fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    unless_closed(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Whoever reads our output may stop reading, as `head` does.
fn unless_closed(written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
