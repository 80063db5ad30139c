//! The `trueup` program: flags, exit codes, the log. What the commands do is in [`trueup::app`].
//!
//! Exit codes: 0 done, 1 the user's input was refused, 2 usage, 70 our own bug (a panic on any thread).

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;
use trueup::app;
use trueup::config::{Layer, Settings};
use trueup::ingest::simulator::{WorldConfig, write};
use trueup::testing::Options;

/// Arrangements allocate and free in large, uneven pieces on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    #[command(after_help = "Example:\n  trueup run dataflows --workers 2 --pg 127.0.0.1:5433")]
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
    /// Print the plan of one view
    #[command(after_help = "Example:\n  trueup explain dataflows order_state")]
    Explain {
        /// A SQL file or folder
        path: PathBuf,
        /// The view
        view: String,
    },
    /// Write the simulated flash sale: seeded, the same bytes for the same seed
    #[command(after_help = "Examples:\n  trueup sim --seed 7 --orders 10000 --out recorded\n  trueup sim --orders 3")]
    Sim(SimFlags),
}

#[derive(Args)]
struct ServerFlags {
    /// Folder for state that survives [default: in memory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
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
struct SimFlags {
    /// Decides everything random
    #[arg(long, default_value_t = WorldConfig::default().seed)]
    seed: u64,
    /// Orders in all; 0 never ends
    #[arg(long, default_value_t = 1000)]
    orders: u64,
    /// Orders per second of simulated time
    #[arg(long, default_value_t = WorldConfig::default().rate, value_parser = rate)]
    rate: f64,
    /// Share of lines preceded by a broken copy, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = WorldConfig::default().faults.malformed, value_parser = share)]
    malformed: f64,
    /// Folder for orders, payments and refunds files [default: everything to standard output, with a `table` field]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How files are written
    #[arg(long, value_enum, default_value_t = SimFormat::Json, requires = "out")]
    format: SimFormat,
    /// Write lines when they are due instead of all at once: files that grow
    #[arg(long)]
    paced: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum SimFormat {
    /// One JSON object per line
    Json,
    /// CSV with a header
    Csv,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate <= WorldConfig::RATE_MAX => Ok(rate),
        _ => Err(format!("expected orders per second, up to {}", WorldConfig::RATE_MAX)),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number between 0 and 1".to_string()),
    }
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

fn or_shipped(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    if paths.is_empty() { vec![PathBuf::from("dataflows")] } else { paths }
}

impl ServerFlags {
    fn none() -> ServerFlags {
        ServerFlags { data_dir: None, workers: None, pg: None, http: None, http_write: false, log: None, config: None }
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
    let mut config = WorldConfig { seed: flags.seed, orders: flags.orders, rate: flags.rate, ..WorldConfig::default() };
    config.faults.malformed = flags.malformed;
    let summary = match &flags.out {
        None => {
            let written = write::write_all(&config, io::BufWriter::new(io::stdout().lock()), flags.paced);
            return unless_closed(written.map(drop));
        }
        Some(folder) => {
            let format = match flags.format {
                SimFormat::Json => write::Format::Json,
                SimFormat::Csv => write::Format::Csv,
            };
            write::write_files(&config, folder, format, flags.paced)?
        }
    };
    let [orders, payments, refunds] = summary.lines;
    let malformed = summary.malformed;
    print(&format!("orders={orders} payments={payments} refunds={refunds} malformed={malformed}\n"))
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
