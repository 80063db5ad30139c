//! A table's connector clause, checked: known connector, known options, values of the right kind. No IO.

use std::collections::BTreeMap;

use super::decode::CsvOptions;
use super::simulator::{Stream, WorldConfig};
use super::split::Framing;
use crate::connect::file::{Mode, Pattern};
use crate::model::error::code;
use crate::model::{ConnectorDef, Encode, SqlError, SqlResult, TableDef};

/// Connectors there are.
const CONNECTORS: &str = "file, simulator";

const FILE_OPTIONS: &[&str] = &["path", "mode"];
const CSV_OPTIONS: &[&str] = &["header", "delimiter", "null"];
const SIMULATOR_OPTIONS: &[&str] = &["stream", "start", "pace"];

/// A connector clause that makes sense.
pub(super) enum Connector {
    /// Files.
    File(FileOptions),
    /// The embedded flash sale.
    Simulator(Box<SimulatorOptions>),
}

/// Which files, read how.
pub(super) struct FileOptions {
    pub(super) pattern: Pattern,
    pub(super) mode: Mode,
    pub(super) format: FileFormat,
}

/// How the files are written.
#[derive(Clone)]
pub(super) enum FileFormat {
    /// NDJSON.
    Json,
    /// CSV.
    Csv(CsvOptions),
}

impl FileFormat {
    pub(super) fn framing(&self) -> Framing {
        match self {
            FileFormat::Json => Framing::Lines,
            FileFormat::Csv(options) => Framing::Csv { delimiter: options.delimiter },
        }
    }
}

/// Which stream of which world.
pub(super) struct SimulatorOptions {
    pub(super) stream: Stream,
    pub(super) world: WorldConfig,
    /// The world's first moment was given: it does not begin when the server first needs it.
    pub(super) start_given: bool,
    /// Events come when they are due by the clock, not all at once.
    pub(super) paced: bool,
}

/// Reads the connector clause of a table.
pub(super) fn connector(table: &TableDef) -> SqlResult<Option<Connector>> {
    let Some(def) = &table.connector else { return Ok(None) };
    match def.name.as_str() {
        "file" => file(table, def).map(|file| Some(Connector::File(file))),
        "simulator" => simulator(table, def).map(|simulator| Some(Connector::Simulator(Box::new(simulator)))),
        other => {
            let message = format!("connector \"{other}\" of table \"{}\" does not exist", table.name);
            Err(SqlError::new(code::UNDEFINED_OBJECT, message).hint(format!("available connectors: {CONNECTORS}")))
        }
    }
}

fn file(table: &TableDef, def: &ConnectorDef) -> SqlResult<FileOptions> {
    let Some(encode) = def.encode else {
        let message = format!("connector \"file\" of table \"{}\" needs a format", table.name);
        let error = SqlError::new(code::INVALID_DEFINITION, message);
        return Err(error.hint("add FORMAT PLAIN ENCODE JSON or FORMAT PLAIN ENCODE CSV"));
    };
    let options = Options { table: &table.name, connector: "file", values: &def.options };
    let mut known = FILE_OPTIONS.to_vec();
    if encode == Encode::Csv {
        known.extend(CSV_OPTIONS);
    }
    options.refuse_unknown(&known)?;
    let Some(path) = options.get("path") else {
        return Err(options
            .error("needs the option \"path\"")
            .hint("path = 'orders.ndjson', a folder, or a glob such as 'in/*.csv'"));
    };
    let pattern = Pattern::new(path).map_err(|reason| options.invalid("path", path, &reason))?;
    let mode = match options.get("mode") {
        None | Some("once") => Mode::Once,
        Some("follow") => Mode::Follow,
        Some(other) => return Err(options.invalid("mode", other, "expected 'once' or 'follow'")),
    };
    let format = match encode {
        Encode::Json => FileFormat::Json,
        Encode::Csv => FileFormat::Csv(csv(&options)?),
    };
    Ok(FileOptions { pattern, mode, format })
}

fn csv(options: &Options<'_>) -> SqlResult<CsvOptions> {
    let mut csv = CsvOptions::default();
    match options.get("header").map(str::to_ascii_lowercase).as_deref() {
        None => {}
        Some("true" | "t" | "on" | "yes" | "1") => csv.header = true,
        Some("false" | "f" | "off" | "no" | "0") => csv.header = false,
        Some(other) => return Err(options.invalid("header", other, "expected 'true' or 'false'")),
    }
    if let Some(delimiter) = options.get("delimiter") {
        csv.delimiter = match delimiter.as_bytes() {
            b"\\t" => b'\t',
            [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte) => *byte,
            _ => return Err(options.invalid("delimiter", delimiter, "expected one ASCII character, or '\\t'")),
        };
    }
    if let Some(null) = options.get("null") {
        csv.null = null.to_string();
    }
    Ok(csv)
}

fn simulator(table: &TableDef, def: &ConnectorDef) -> SqlResult<SimulatorOptions> {
    let options = Options { table: &table.name, connector: "simulator", values: &def.options };
    if def.encode.is_some() {
        let hint = "leave FORMAT … ENCODE … out";
        return Err(options.error("delivers typed rows and takes no format").hint(hint));
    }
    options.refuse_unknown(&[SIMULATOR_OPTIONS, &WorldConfig::SETTINGS].concat())?;
    let name = options.get("stream").unwrap_or(&table.name);
    let Some(stream) = Stream::from_name(name) else {
        let names = Stream::ALL.map(Stream::name).join(", ");
        return Err(options.invalid("stream", name, "no such stream").hint(format!("available streams: {names}")));
    };
    let mut world = WorldConfig::default();
    for setting in WorldConfig::SETTINGS {
        if let Some(text) = options.get(setting) {
            world.set(setting, text).map_err(|expected| options.invalid(setting, text, &expected))?;
        }
    }
    let start = match options.get("start") {
        None => None,
        Some(text) => {
            let parsed = chrono::DateTime::parse_from_rfc3339(text);
            let moment =
                parsed.map_err(|_| options.invalid("start", text, "expected a time such as '2026-11-11T00:00:00Z'"))?;
            Some(moment.timestamp_millis())
        }
    };
    world.start_ms = start.unwrap_or(world.start_ms);
    let paced = match options.get("pace") {
        None | Some("real") => true,
        Some("none") if world.orders > 0 => false,
        Some("none") => {
            return Err(options.error("with pace = 'none' needs a number of orders").hint("orders = '10000'"));
        }
        Some(other) => return Err(options.invalid("pace", other, "expected 'real' or 'none'")),
    };
    super::simulator::check_schema(table, stream)?;
    Ok(SimulatorOptions { stream, world, start_given: start.is_some(), paced })
}

struct Options<'a> {
    table: &'a str,
    connector: &'static str,
    values: &'a BTreeMap<String, String>,
}

impl Options<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    fn refuse_unknown(&self, known: &[&str]) -> SqlResult<()> {
        match self.values.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => Err(self
                .error(&format!("has no option \"{key}\""))
                .hint(format!("available options: {}", known.join(", ")))),
        }
    }

    fn invalid(&self, key: &str, value: &str, expected: &str) -> SqlError {
        self.error(&format!("can't use \"{value}\" as \"{key}\": {expected}"))
    }

    fn error(&self, what: &str) -> SqlError {
        let message = format!("connector \"{}\" of table \"{}\" {what}", self.connector, self.table);
        SqlError::new(code::INVALID_DEFINITION, message)
    }
}
