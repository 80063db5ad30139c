//! Wiring: what each command does, between the command line (`main.rs`) and the stages.
//!
//! Here are also the things around a running server that belong to no stage: finding the SQL files, waiting for a signal, and
//! the bound on how long stopping may take.

use std::fs;
use std::future::Future;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::bench;
use crate::config::Settings;
use crate::engine::api::Database;
use crate::engine::{self, Diagnostic, Engine, EngineConfig, Prepared, Script};
use crate::ingest::InputFolder;
use crate::model::TableDef;
use crate::serve::http::{HttpOptions, HttpState, serve_http};
use crate::serve::pg::{PgCounters, PgOptions, serve_pg};
use crate::testing;

/// How long stopping may take before the process ends anyway, in seconds.
pub const STOP_BOUND_S: u64 = 10;
/// How deep folders are looked through: a loop of links ends here.
const FOLDER_DEPTH_MAX: usize = 32;

/// Finds and reads the SQL files of some paths: files as named, folders recursively in the order of names.
///
/// In folders only `*.sql` counts, without `*.test.sql` and without hidden names. A file found twice is read once.
///
/// # Errors
/// A path that does not exist or can't be read, a folder without SQL.
pub fn sql_files(paths: &[PathBuf]) -> Result<Vec<Script>> {
    let mut found: Vec<PathBuf> = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).with_context(|| format!("can't read {}", path.display()))?;
        if metadata.is_dir() {
            let before = found.len();
            walk(path, 0, &|name| name.ends_with(".sql") && !is_test(name), &mut found)?;
            if found.len() == before {
                bail!("no .sql file in {}", path.display());
            }
        } else if is_test(&path.to_string_lossy()) {
            bail!("{} is a dataflow test: run it with \"trueup test\"", path.display());
        } else {
            found.push(path.clone());
        }
    }
    read(found)
}

/// Finds and reads the dataflow tests of some paths, and the dataflows they run on: the SQL files of the same paths, and for a test
/// file named alone those of its folder, or of the topmost folder above that within the current one, as long as there is SQL in
/// each on the way.
///
/// # Errors
/// Those of [`sql_files`].
pub fn test_files(paths: &[PathBuf]) -> Result<(Vec<Script>, Vec<Script>)> {
    let (mut roots, mut tests) = (vec![], vec![]);
    for path in paths {
        if path.is_dir() {
            walk(path, 0, &is_test, &mut tests)?;
            roots.push(path.clone());
        } else if is_test(&path.to_string_lossy()) {
            tests.push(path.clone());
            roots.push(topmost_with_sql(path)?);
        } else {
            roots.push(path.clone());
        }
    }
    Ok((sql_files(&roots)?, read(tests)?))
}

/// Whether a file name is a dataflow test's.
fn is_test(name: &str) -> bool {
    name.ends_with(".test.sql")
}

/// The folder whose SQL a single test file runs on.
fn topmost_with_sql(file: &Path) -> Result<PathBuf> {
    let unreadable = || format!("can't read {}", file.display());
    let file = fs::canonicalize(file).with_context(unreadable)?;
    let here = std::env::current_dir().and_then(fs::canonicalize).context("can't tell the current folder")?;
    let has_sql = |folder: &Path| {
        fs::read_dir(folder).into_iter().flatten().flatten().any(|e| e.file_name().to_string_lossy().ends_with(".sql"))
    };
    let own = file.parent().unwrap_or(&file);
    let top = own.ancestors().take_while(|folder| folder.starts_with(&here) && has_sql(folder)).last().unwrap_or(own);
    // Shown as the user would write it.
    Ok(top.strip_prefix(&here).map_or_else(|_| top.to_path_buf(), |inside| Path::new(".").join(inside)))
}

fn read(found: Vec<PathBuf>) -> Result<Vec<Script>> {
    let mut seen = std::collections::HashSet::new();
    let mut files = Vec::new();
    for path in found {
        let unreadable = || format!("can't read {}", path.display());
        if seen.insert(fs::canonicalize(&path).with_context(unreadable)?) {
            let text = fs::read_to_string(&path).with_context(unreadable)?;
            files.push(Script { path, text });
        }
    }
    Ok(files)
}

fn walk(folder: &Path, depth: usize, wanted: &dyn Fn(&str) -> bool, found: &mut Vec<PathBuf>) -> Result<()> {
    let unreadable = || format!("can't read {}", folder.display());
    if depth > FOLDER_DEPTH_MAX {
        bail!("{} is more than {FOLDER_DEPTH_MAX} folders deep", folder.display());
    }
    let entries = fs::read_dir(folder).with_context(unreadable)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().with_context(unreadable)?;
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            walk(&path, depth + 1, wanted, found)?;
        } else if wanted(&name) {
            found.push(path);
        }
    }
    Ok(())
}

/// Runs the server on some SQL until a signal asks it to stop: no more input, the open tick finished, exit within
/// [`STOP_BOUND_S`].
///
/// # Errors
/// SQL that is refused, an address that can't be listened on.
pub fn run(settings: &Settings, paths: &[PathBuf]) -> Result<()> {
    let scripts = sql_files(paths)?;
    for name in &settings.ignored {
        tracing::warn!(name, "environment variable is no setting");
    }
    if settings.data_dir.is_some() {
        bail!("this version keeps its state in memory only; leave out --data-dir");
    }
    tracing::info!("state is kept in memory: it is rebuilt from the sources after a restart");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("can't start threads")?;
    runtime.block_on(serve(settings, &scripts))
}

async fn serve(settings: &Settings, scripts: &[Script]) -> Result<()> {
    let listen = async |address: SocketAddr, what: &str| {
        TcpListener::bind(address).await.with_context(|| format!("can't listen for {what} on {address}"))
    };
    let pg = listen(settings.pg, "PostgreSQL clients").await?;
    let http = listen(settings.http, "HTTP").await?;
    let (pg_address, http_address) = (pg.local_addr()?, http.local_addr()?);
    let engine = Engine::start(EngineConfig {
        workers: settings.workers,
        idle_tick: Some(Duration::from_millis(settings.tick_ms_idle)),
        tick_min: Duration::from_millis(settings.tick_ms_min),
        tick_max: Duration::from_millis(settings.tick_ms_max),
        ..EngineConfig::default()
    })?;
    let mut input = settings.input.as_deref().map(|folder| InputFolder::open(folder, settings.follow)).transpose()?;
    let feed = |table: &mut TableDef| {
        if let Some(input) = &mut input {
            input.feed(table);
        }
    };
    let objects = engine.load_fed(scripts, feed).await.map_err(refused)?;
    for file in input.iter().flat_map(InputFolder::unused) {
        tracing::warn!(file, "input file is for no table");
    }
    tracing::info!(objects, workers = settings.workers, "dataflows are running");

    let (stop, stopping) = watch::channel(false);
    let counters = Arc::new(PgCounters::default());
    let database: Arc<dyn Database> = Arc::new(engine.clone());
    let (_ready, is_ready) = watch::channel(true);
    let options = HttpOptions {
        sql_writes: settings.http_write,
        cors_origins: settings.cors_origins.clone(),
        ..HttpOptions::default()
    };
    let sources = vec![Arc::new(engine.clone()) as _, Arc::clone(&counters) as _];
    let state = HttpState::new(Arc::clone(&database), options, is_ready, sources, stopping.clone())?;
    let pg = tokio::spawn(serve_pg(pg, database, PgOptions::default(), counters, stopping.clone()));
    let http = tokio::spawn(serve_http(http, state, stopping));
    println!("ready pg={pg_address} http={http_address}");
    std::io::Write::flush(&mut std::io::stdout()).context("can't write to standard output")?;

    let signal = stop_signal().await.context("can't wait for signals")?;
    tracing::info!(signal, "stopping: no more input, the open tick is finished");
    within_stop_bound(async {
        stop.send(true).ok();
        engine.stop().await;
        pg.await.context("the PostgreSQL server failed")?.map_err(anyhow::Error::from)?;
        http.await.context("the HTTP server failed")?.context("the HTTP server failed")
    })
    .await?
}

/// What is wrong with some SQL, one finding after the other.
fn refused(findings: Vec<Diagnostic>) -> anyhow::Error {
    let all: Vec<String> = findings.iter().map(Diagnostic::to_string).collect();
    let count = if all.len() == 1 { "1 error".to_string() } else { format!("{} errors", all.len()) };
    anyhow!("{count}\n{}", all.join("\n"))
}

/// Parses, resolves, types and plans some SQL without running it.
///
/// # Errors
/// SQL that is refused.
pub fn check(paths: &[PathBuf]) -> Result<()> {
    let (scripts, tests) = test_files(paths)?;
    let (prepared, warnings) = Prepared::check(&scripts).map_err(refused)?;
    warnings.iter().for_each(|w| eprintln!("{w}"));
    let objects = prepared.count();
    let cases = testing::check(&prepared, &tests).map_err(refused)?;
    let tests = if cases > 0 { format!(", {cases} tests") } else { String::new() };
    println!("{objects} objects in {} files are fine{tests}", scripts.len());
    Ok(())
}

/// Runs the dataflow tests beside some SQL; whether all passed.
///
/// # Errors
/// SQL or tests that are refused, paths without tests.
pub fn test(paths: &[PathBuf], options: &testing::Options) -> Result<bool> {
    let (scripts, tests) = test_files(paths)?;
    if tests.is_empty() {
        bail!("no .test.sql file in {}", paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", "));
    }
    let prepared = Arc::new(Prepared::new(&scripts).map_err(refused)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("can't start threads")?;
    let mut progress = Progress { on_terminal: std::io::stdout().is_terminal(), done: 0 };
    let reports =
        runtime.block_on(testing::run(prepared, &tests, options, |report, count| progress.tell(report, count)));
    let reports = reports.map_err(refused)?;
    let failed = reports.iter().filter(|report| report.failure.is_some()).count();
    println!("seed {}, {} rounds", options.seed, options.rounds);
    println!("{} passed, {failed} failed", reports.len() - failed);
    Ok(failed == 0)
}

/// Runs a bench on some SQL and prints its result, as JSON into a file too if one is named.
///
/// # Errors
/// SQL that is refused, input that can't be read, wrong answers.
pub fn bench(paths: &[PathBuf], options: &bench::Options, json: Option<&Path>) -> Result<()> {
    let scripts = sql_files(paths)?;
    let prepared = Prepared::new(&scripts).map_err(refused)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("can't start threads")?;
    let outcome = runtime.block_on(bench::run(&prepared, options, |line| eprintln!("{line}")))?;
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&outcome)? + "\n";
        fs::write(path, text).with_context(|| format!("can't write {}", path.display()))?;
    }
    println!("{outcome}");
    Ok(())
}

/// Shows how tests go: a counter on a terminal, a line per case in a pipe.
struct Progress {
    on_terminal: bool,
    done: usize,
}

impl Progress {
    fn tell(&mut self, report: &testing::Report, count: usize) {
        use std::io::Write;
        self.done += 1;
        // Back to the line's start, clearing it: the counter is written over.
        let clear = if self.on_terminal { "\r\x1b[K" } else { "" };
        match &report.failure {
            Some(failure) => println!("{clear}FAILED {}\n  {failure}", report.case),
            None if !self.on_terminal => println!("ok     {}", report.case),
            None => {}
        }
        if self.on_terminal {
            print!("{clear}{}/{count}{}", self.done, if self.done == count { clear } else { "" });
            // A terminal that is gone is no reason to stop.
            drop(std::io::stdout().flush());
        }
    }
}

/// The plan of one view, as text.
///
/// # Errors
/// SQL that is refused, no view of that name.
pub fn explain(path: &Path, view: &str) -> Result<String> {
    let scripts = sql_files(&[path.to_path_buf()])?;
    Ok(engine::explain(&scripts, view).map_err(refused)??)
}

/// Waits for SIGINT or SIGTERM and says which came.
///
/// # Errors
/// When the signals can't be listened for.
pub async fn stop_signal() -> std::io::Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok("SIGINT"),
        _ = terminate.recv() => Ok("SIGTERM"),
    }
}

/// Runs what stopping takes, but no longer than [`STOP_BOUND_S`] and not on after a second signal.
///
/// # Errors
/// When it was not done in time.
pub async fn within_stop_bound<T>(work: impl Future<Output = T>) -> Result<T> {
    within(Duration::from_secs(STOP_BOUND_S), work).await
}

async fn within<T>(bound: Duration, work: impl Future<Output = T>) -> Result<T> {
    tokio::select! {
        done = work => Ok(done),
        () = tokio::time::sleep(bound) => bail!("not stopped within {} s", bound.as_secs_f64()),
        again = stop_signal() => bail!("stopping cut short by {}", again.unwrap_or("a signal")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("making a folder");
        fs::write(&path, text).expect("writing a file");
        path
    }

    #[test]
    fn folders_are_read_in_order_without_tests_and_hidden_files() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["b.sql", "a/z.sql", "a/z.test.sql", ".hidden.sql", ".git/x.sql", "notes.md"] {
            write(folder.path(), name, name);
        }
        let files = sql_files(&[folder.path().to_path_buf()]).expect("files");
        let texts: Vec<&str> = files.iter().map(|file| file.text.as_str()).collect();
        assert_eq!(texts, ["a/z.sql", "b.sql"]);
    }

    #[test]
    fn a_file_named_twice_is_read_once_and_named_files_need_no_ending() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sql = write(folder.path(), "one.sql", "1");
        let text = write(folder.path(), "two.txt", "2");
        let files = sql_files(&[text.clone(), folder.path().to_path_buf(), sql.clone()]).expect("files");
        assert_eq!(files.into_iter().map(|file| file.path).collect::<Vec<_>>(), [text, sql]);
    }

    #[test]
    fn missing_and_empty_paths_are_named() {
        let error = sql_files(&["no/such".into()]).expect_err("no such path");
        assert!(format!("{error:#}").starts_with("can't read no/such: "), "{error:#}");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = sql_files(&[folder.path().to_path_buf()]).expect_err("nothing there");
        assert!(error.to_string().starts_with("no .sql file in "), "{error}");
    }

    #[tokio::test]
    async fn stopping_is_bounded() {
        let bound = Duration::from_millis(20);
        let error = within(bound, std::future::pending::<()>()).await.expect_err("never done");
        assert_eq!(error.to_string(), "not stopped within 0.02 s");
        assert_eq!(within_stop_bound(async { 7 }).await.expect("done"), 7);
    }
}
