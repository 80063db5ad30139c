//! Events as text: NDJSON or CSV, to one writer or to a folder with a file per stream.
//!
//! Output is a function of the world's configuration alone. Deletes carry `"__op":"delete"` (in CSV the last column, `__op`).
//! A small share of lines ([`Faults::malformed`](super::Faults)) is preceded by a broken copy: cut in half, without its key, with
//! text for an amount, or with a version no integer holds. The good line follows, so the truth stays the truth.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::event::{Event, Stream, Value};
use super::world::{World, WorldConfig};
use crate::model::Op;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// CSV with a header.
    Csv,
}

impl Format {
    /// Ending of file names.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Json => "ndjson",
            Format::Csv => "csv",
        }
    }
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines of each stream, in the order of [`Stream::ALL`], broken ones included.
    pub lines: [u64; 3],
    /// Broken lines.
    pub malformed: u64,
}

#[derive(Clone, Copy)]
enum Flaw {
    CutInHalf,
    NoKey,
    TextForAmount,
    VersionOverflow,
}

/// Writes `orders`, `payments` and `refunds` files into a folder, made if need be; files of those names are replaced.
///
/// With `paced`, lines are written when they are due: files that grow.
///
/// # Errors
/// The first IO error, naming the file.
pub fn write_files(config: &WorldConfig, folder: &Path, format: Format, paced: bool) -> io::Result<Summary> {
    fs::create_dir_all(folder).map_err(|error| named(folder, error))?;
    let mut files = Vec::new();
    for stream in Stream::ALL {
        let path = folder.join(format!("{}.{}", stream.name(), format.extension()));
        let mut file = BufWriter::new(File::create(&path).map_err(|error| named(&path, error))?);
        if format == Format::Csv {
            let names: Vec<&str> = stream.columns().iter().map(|(name, _)| *name).collect();
            writeln!(file, "{},{}", names.join(","), crate::ingest::decode::OP_FIELD)?;
        }
        files.push(file);
    }
    let mut lines = Lines::new(config);
    let mut pacer = Pacer::new(config, paced);
    for event in World::new(config.clone()) {
        if pacer.must_wait(&event) {
            files.iter_mut().try_for_each(BufWriter::flush)?;
            pacer.wait(&event);
        }
        let text = lines.render(&event, format, None);
        files[event.row.stream() as usize].write_all(text.as_bytes()).map_err(|error| named(folder, error))?;
    }
    files.iter_mut().try_for_each(BufWriter::flush).map_err(|error| named(folder, error))?;
    Ok(lines.summary)
}

/// Writes all streams to one writer as NDJSON, each line with a first field `table`.
///
/// # Errors
/// The first error of the writer.
pub fn write_all(config: &WorldConfig, mut writer: impl Write, paced: bool) -> io::Result<Summary> {
    let mut lines = Lines::new(config);
    let mut pacer = Pacer::new(config, paced);
    for event in World::new(config.clone()) {
        if pacer.must_wait(&event) {
            writer.flush()?;
            pacer.wait(&event);
        }
        let text = lines.render(&event, Format::Json, Some(event.row.stream().name()));
        writer.write_all(text.as_bytes())?;
    }
    writer.flush()?;
    Ok(lines.summary)
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Holds events back until they are due.
struct Pacer {
    began: Instant,
    start_ms: i64,
    paced: bool,
}

impl Pacer {
    fn new(config: &WorldConfig, paced: bool) -> Pacer {
        Pacer { began: Instant::now(), start_ms: config.start_ms, paced }
    }

    fn due_in(&self, event: &Event) -> Duration {
        let due = Duration::from_millis((event.arrival_ms - self.start_ms).max(0) as u64);
        due.saturating_sub(self.began.elapsed())
    }

    fn must_wait(&self, event: &Event) -> bool {
        self.paced && !self.due_in(event).is_zero()
    }

    fn wait(&mut self, event: &Event) {
        std::thread::sleep(self.due_in(event));
    }
}

/// Renders events, broken copies first.
struct Lines {
    rng: ChaCha8Rng,
    malformed: f64,
    text: String,
    summary: Summary,
}

impl Lines {
    fn new(config: &WorldConfig) -> Lines {
        // A generator of its own: how lines break does not change the world.
        let rng = ChaCha8Rng::seed_from_u64(config.seed ^ 0x6261_645f_6c69_6e65);
        Lines { rng, malformed: config.faults.malformed, text: String::new(), summary: Summary::default() }
    }

    fn render(&mut self, event: &Event, format: Format, table: Option<&str>) -> &str {
        self.text.clear();
        let stream = event.row.stream() as usize;
        // Of a delete only the key is read: most flaws would not make it a bad row.
        if event.op == Op::Upsert && self.rng.random_bool(self.malformed) {
            let flaw = match self.rng.random_range(0..4) {
                0 => Flaw::CutInHalf,
                1 => Flaw::NoKey,
                2 => Flaw::TextForAmount,
                _ => Flaw::VersionOverflow,
            };
            render(&mut self.text, event, format, table, Some(flaw));
            self.summary.lines[stream] += 1;
            self.summary.malformed += 1;
        }
        render(&mut self.text, event, format, table, None);
        self.summary.lines[stream] += 1;
        &self.text
    }
}

fn render(text: &mut String, event: &Event, format: Format, table: Option<&str>, flaw: Option<Flaw>) {
    let start = text.len();
    if format == Format::Json {
        text.push('{');
        if let Some(table) = table {
            push(text, format_args!("\"table\":\"{table}\","));
        }
    }
    for (index, (name, value)) in event.row.fields().into_iter().enumerate() {
        let shown = match (flaw, name) {
            (Some(Flaw::NoKey), _) if index == 0 => None,
            (Some(Flaw::TextForAmount), "amount") => Some(Value::Text("n/a")),
            (Some(Flaw::VersionOverflow), "version") => Some(Value::Long(99_999_999_999)),
            _ => Some(value),
        };
        match format {
            Format::Json => {
                if let Some(value) = shown {
                    if !text.ends_with(['{', ',']) {
                        text.push(',');
                    }
                    push(text, format_args!("\"{name}\":"));
                    push_value(text, value, "\"");
                }
            }
            Format::Csv => {
                if let Some(value) = shown {
                    push_value(text, value, "");
                }
                text.push(',');
            }
        }
    }
    match (format, event.op) {
        (Format::Json, Op::Delete) => text.push_str(",\"__op\":\"delete\"}"),
        (Format::Json, Op::Upsert) => text.push('}'),
        (Format::Csv, Op::Delete) => text.push_str("delete"),
        (Format::Csv, Op::Upsert) => {}
    }
    if let Some(Flaw::CutInHalf) = flaw {
        text.truncate(start + (text.len() - start) / 2);
    }
    text.push('\n');
}

fn push_value(text: &mut String, value: Value, quote: &str) {
    match value {
        Value::Long(number) => push(text, format_args!("{number}")),
        Value::Int(number) => push(text, format_args!("{number}")),
        Value::Money(minor) => push(text, format_args!("{}.{:02}", minor / 100, minor % 100)),
        Value::Text(word) => push(text, format_args!("{quote}{word}{quote}")),
        Value::Time(milliseconds) => {
            let moment = DateTime::from_timestamp_millis(milliseconds).unwrap_or_default();
            push(text, format_args!("{quote}{}{quote}", moment.to_rfc3339_opts(SecondsFormat::Millis, true)));
        }
    }
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("writing to a string can't fail");
}
