//! Rows that clients post: decoded like a connector's, written like an INSERT's.
//!
//! Guarantees: decoding has connectors' rules ([`crate::ingest::decode`]), `__op` included; the rows of a text are in one tick.
//! Sent again they change nothing in a table with a key and a version, which is what makes posting them idempotent.

use arrow::array::RecordBatch;
use bytes::Bytes;
use serde_json::value::RawValue;

use super::Engine;
use super::api::{Posted, RejectedRow, RowsShape};
use super::coordinator::{Request, asks};
use crate::dataflow::{Ask, TableRows};
use crate::ingest::decode::{Decoder, Layout, Position};
use crate::ingest::driver::BATCH_ROWS_MAX;
use crate::ingest::split::{Framing, Record, Splitter};
use crate::model::error::code;
use crate::model::{BadRow, InputBatch, Op, RelationId, SqlError, SqlResult, TableDef};

/// Bad rows told to the client; the others are counted.
const REJECTED_MAX: usize = 100;
/// Where rows come from, as `trueup.errors` says it.
const SOURCE: &str = "http";

/// A text taken apart.
struct Decoded {
    batch: Option<InputBatch>,
    /// The line of each record, and so of each row.
    lines: Vec<u64>,
}

impl Engine {
    pub(super) async fn post(&self, table: &str, body: Bytes, shape: RowsShape, partial: bool) -> SqlResult<Posted> {
        let (id, def) = self.table(table)?;
        let decoded = tokio::task::spawn_blocking(move || decode(&def, id, &body, shape)).await;
        let Decoded { batch, lines } = decoded.map_err(|e| SqlError::internal(e.to_string()))??;
        let Some(InputBatch { rows, ops, bad, unknown, .. }) = batch else { return Ok(Posted::default()) };
        let rejected = bad.iter().take(REJECTED_MAX).map(|row| rejected(row, &lines)).collect();
        let mut posted = Posted { rejected, rejected_total: bad.len() as u64, ..Posted::default() };
        if !bad.is_empty() && !partial {
            return Ok(posted);
        }
        posted.accepted = rows.num_rows() as u64;
        let bad = bad.into_iter().map(|row| with_line(row, &lines)).collect();
        let rows = parts(&rows, ops.as_deref());
        let written = self.ask(|reply| Request::Write { relation: id, rows, bad, unknown, reply }).await?;
        posted.tick = Some(written?);
        Ok(posted)
    }
}

fn decode(def: &TableDef, id: RelationId, body: &[u8], shape: RowsShape) -> SqlResult<Decoded> {
    let mut decoder = Decoder::json(def)?;
    let mut layout = Layout::default();
    let mut lines = vec![];
    // The decoder is told the row's number; its line is looked up when it is bad.
    let mut push = |decoder: &mut Decoder, record: &[u8], line: u64| {
        lines.push(line);
        decoder.push(record, Position { source: SOURCE, line: lines.len() as u64 }, &mut layout);
    };
    match shape {
        RowsShape::Lines => {
            let mut splitter = Splitter::new(Framing::Lines);
            let mut visit = |record: Record<'_>| match record {
                Record::Whole { bytes, line } | Record::OpenQuote { bytes, line } => push(&mut decoder, bytes, line),
                Record::TooLong { head, line } => push(&mut decoder, head, line),
            };
            splitter.push(body, &mut visit);
            splitter.finish(&mut visit);
        }
        RowsShape::Json => {
            let text = std::str::from_utf8(body)
                .map_err(|_| SqlError::new(code::INVALID_TEXT_REPRESENTATION, "the body is not UTF-8"))?;
            let mut counted = Lines { text, at: 0, line: 1 };
            for element in elements(text)? {
                let line = counted.line_of(element);
                push(&mut decoder, element.as_bytes(), line);
            }
        }
    }
    Ok(Decoded { batch: decoder.take(id)?, lines })
}

/// The objects of an array, or the one object there is.
fn elements(text: &str) -> SqlResult<Vec<&str>> {
    let refused = |e: serde_json::Error| {
        SqlError::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type json: {e}"))
            .hint("send an array of objects, one object, or lines of objects as application/x-ndjson")
    };
    if text.trim_start().starts_with('[') {
        let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(refused)?;
        Ok(elements.into_iter().map(RawValue::get).collect())
    } else {
        let element: &RawValue = serde_json::from_str(text).map_err(refused)?;
        Ok(vec![element.get()])
    }
}

/// Counts lines up to parts of a text, asked for in order.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: u64,
}

impl Lines<'_> {
    fn line_of(&mut self, part: &str) -> u64 {
        let start = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize).min(self.text.len());
        self.line += memchr::memchr_iter(b'\n', &self.text.as_bytes()[self.at..start]).count() as u64;
        self.at = start;
        self.line
    }
}

fn row_number(row: &BadRow) -> u64 {
    row.position.rsplit(':').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn line_of(row: u64, lines: &[u64]) -> u64 {
    usize::try_from(row).ok().and_then(|row| lines.get(row.checked_sub(1)?)).copied().unwrap_or(row)
}

fn rejected(row: &BadRow, lines: &[u64]) -> RejectedRow {
    let number = row_number(row);
    RejectedRow { row: number, line: line_of(number, lines), code: row.code.clone(), message: row.message.clone() }
}

fn with_line(mut row: BadRow, lines: &[u64]) -> BadRow {
    row.position = Position { source: SOURCE, line: line_of(row_number(&row), lines) }.to_string();
    row
}

/// The rows in pieces that several workers share.
fn parts(rows: &RecordBatch, ops: Option<&[Op]>) -> Vec<TableRows> {
    let starts = (0..rows.num_rows()).step_by(BATCH_ROWS_MAX);
    let part = |start: usize| {
        let count = BATCH_ROWS_MAX.min(rows.num_rows() - start);
        let asks = match ops {
            Some(ops) => ops[start..start + count].iter().copied().map(Ask::from).collect(),
            None => asks(Op::Upsert, false, count),
        };
        TableRows { batch: rows.slice(start, count), asks, sequence: 0 }
    };
    starts.map(part).collect()
}
