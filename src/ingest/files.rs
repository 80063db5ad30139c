//! The `file` connector as a source: blocks → records → rows, every file with its own splitter and CSV header.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::decode::{Decoder, Layout, Position};
use super::driver::{Outbox, Source, SourceError};
use super::options::{FileFormat, FileOptions};
use super::split::{Framing, RECORD_BYTES_MAX, Record, Splitter};
use crate::connect::PassEnd;
use crate::connect::file::{FileId, FileTail, Mode, Piece};
use crate::model::error::code;
use crate::model::{SqlResult, TableDef};

pub(super) struct FileSource {
    tail: FileTail,
    reading: Reading,
}

/// Everything but the tail, which lends out its bytes while this works on them.
struct Reading {
    framing: Framing,
    decoder: Decoder,
    files: HashMap<FileId, OpenFile>,
}

struct OpenFile {
    splitter: Splitter,
    layout: Layout,
}

impl FileSource {
    pub(super) fn new(table: &TableDef, options: FileOptions) -> SqlResult<FileSource> {
        let framing = options.format.framing();
        let decoder = match options.format {
            FileFormat::Json => Decoder::json(table)?,
            FileFormat::Csv(csv) => Decoder::csv(table, csv)?,
        };
        let reading = Reading { framing, decoder, files: HashMap::new() };
        Ok(FileSource { tail: FileTail::new(options.pattern, options.mode), reading })
    }

    /// A plain path that must exist now, as reading it once would otherwise silently read nothing.
    pub(super) fn must_exist(options: &FileOptions) -> Option<&str> {
        (options.mode == Mode::Once && options.pattern.is_plain()).then(|| options.pattern.text())
    }
}

impl Source for FileSource {
    fn pass(&mut self, outbox: &mut Outbox) -> Result<PassEnd, SourceError> {
        let FileSource { tail, reading } = self;
        let mut failure = None;
        let end = tail.pass(&mut |piece| match reading.take(piece, outbox) {
            Ok(flow) => flow,
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        });
        if let Some(error) = failure {
            return Err(error);
        }
        // What was read before a failure goes out all the same.
        if reading.send(outbox)?.is_break() {
            return Ok(PassEnd::Stopped);
        }
        Ok(end?)
    }
}

impl Reading {
    fn take(&mut self, piece: Piece<'_>, outbox: &mut Outbox) -> Result<ControlFlow<()>, SourceError> {
        let framing = self.framing;
        let open = || OpenFile { splitter: Splitter::new(framing), layout: Layout::default() };
        let mut result = Ok(ControlFlow::Continue(()));
        match piece {
            Piece::Bytes { file, name, offset, bytes, lag_bytes } => {
                let OpenFile { splitter, layout } = self.files.entry(file).or_insert_with(open);
                splitter.push(bytes, &mut |record| {
                    decode(&mut self.decoder, record, name, layout);
                    if matches!(result, Ok(ControlFlow::Continue(()))) && outbox.is_full(&self.decoder) {
                        result = outbox.send(&mut self.decoder);
                    }
                });
                outbox.record(|stats| {
                    stats.bytes += bytes.len() as u64;
                    stats.position = format!("{name}@{}", offset + bytes.len() as u64);
                    stats.lag_bytes = Some(lag_bytes);
                });
            }
            Piece::End { file, name } => {
                if let Some(OpenFile { mut splitter, mut layout }) = self.files.remove(&file) {
                    splitter.finish(&mut |record| decode(&mut self.decoder, record, name, &mut layout));
                }
                if outbox.is_full(&self.decoder) {
                    result = outbox.send(&mut self.decoder);
                }
            }
        }
        result
    }

    fn send(&mut self, outbox: &mut Outbox) -> Result<ControlFlow<()>, SourceError> {
        outbox.send(&mut self.decoder)
    }
}

fn decode(decoder: &mut Decoder, record: Record<'_>, source: &str, layout: &mut Layout) {
    match record {
        Record::Whole { bytes, line } => decoder.push(bytes, Position { source, line }, layout),
        Record::TooLong { head, line } => {
            let message = format!("the record is longer than {} MiB", RECORD_BYTES_MAX >> 20);
            decoder.reject(head, Position { source, line }, code::PROGRAM_LIMIT_EXCEEDED, &message);
        }
        Record::OpenQuote { bytes, line } => {
            let message = "unterminated CSV quoted field";
            decoder.reject(bytes, Position { source, line }, code::BAD_COPY_FILE_FORMAT, message);
        }
    }
}
