//! Events as text, as their platforms write them: NDJSON, or CSV where tills export it; to a folder with a file per stream or to one
//! writer.
//!
//! Output is a function of the world's configuration alone. With `garbled`, a share of lines is preceded by a copy of it cut in half; the
//! good line follows, so the truth stays the truth.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::config::WorldConfig;
use super::dice::{Concern, Dice};
use super::stream::{Event, Stream};
use super::world::World;

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines of each stream, in the order of [`Stream::ALL`], broken ones included.
    pub lines: [u64; Stream::ALL.len()],
    /// Broken lines.
    pub garbled: u64,
}

/// The file a stream is written to.
pub fn file_name(stream: Stream) -> String {
    format!("{}.{}", stream.name(), if stream.is_csv() { "csv" } else { "ndjson" })
}

/// Writes a file per stream into a folder, made if need be; files of those names are replaced.
///
/// With `paced`, lines are written when they are due: files that grow.
///
/// # Errors
/// The first IO error, naming the file.
pub fn write_files(config: &WorldConfig, folder: &Path, paced: bool) -> io::Result<Summary> {
    fs::create_dir_all(folder).map_err(|error| named(folder, error))?;
    let mut files = Vec::new();
    for stream in Stream::ALL {
        let path = folder.join(file_name(stream));
        let mut file = BufWriter::new(File::create(&path).map_err(|error| named(&path, error))?);
        if stream.is_csv() {
            let names: Vec<&str> = stream.columns().iter().map(|(name, _)| *name).collect();
            writeln!(file, "{}", names.join(","))?;
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
        let text = lines.render(&event, event.stream.is_csv(), None);
        files[event.stream as usize].write_all(text.as_bytes()).map_err(|error| named(folder, error))?;
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
        let text = lines.render(&event, false, Some(event.stream.name()));
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

/// Renders events, garbled copies first.
struct Lines {
    dice: Dice,
    garbled: f64,
    text: String,
    summary: Summary,
}

impl Lines {
    fn new(config: &WorldConfig) -> Lines {
        let dice = Dice::of(config.seed, 0, Concern::Garble);
        Lines { dice, garbled: config.faults.garbled, text: String::new(), summary: Summary::default() }
    }

    fn render(&mut self, event: &Event, csv: bool, table: Option<&str>) -> &str {
        self.text.clear();
        let stream = event.stream as usize;
        render(&mut self.text, event, csv, table);
        self.summary.lines[stream] += 1;
        if self.dice.chance(self.garbled) {
            let mut half = self.text.len() / 2;
            while !self.text.is_char_boundary(half) {
                half -= 1;
            }
            let copy = format!("{}\n", &self.text[..half]);
            self.text.insert_str(0, &copy);
            self.summary.lines[stream] += 1;
            self.summary.garbled += 1;
        }
        &self.text
    }
}

fn render(text: &mut String, event: &Event, csv: bool, table: Option<&str>) {
    if csv {
        for (index, (value, (_, kind))) in event.values.iter().zip(event.stream.columns()).enumerate() {
            if index > 0 {
                text.push(',');
            }
            value.push_csv(*kind, text);
        }
    } else {
        text.push('{');
        if let Some(table) = table {
            text.push_str(&format!("\"table\":\"{table}\","));
        }
        for (index, (value, (name, kind))) in event.values.iter().zip(event.stream.columns()).enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push('"');
            text.push_str(name);
            text.push_str("\":");
            value.push_json(*kind, text);
        }
        text.push('}');
    }
    text.push('\n');
}
