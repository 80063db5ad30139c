//! CSV as PostgreSQL's `COPY … CSV` reads it: RFC 4180 records, an unquoted field equal to `null` is NULL.
//!
//! With a header, columns are found by name, each file by its own header; without one, fields are the table's columns in order
//! (and an operation field may follow the last).

use std::borrow::Cow;
use std::collections::HashMap;

use csv_core::{ReadFieldResult, Reader, ReaderBuilder, Terminator};

use super::rows::{Rows, Slot, operation, slots};
use super::value::{Cell, Fault, NOT_UTF8};
use super::{Position, Unknown};
use crate::model::error::code;
use crate::model::{Op, TableDef};

/// How a CSV file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvOptions {
    /// The first record of each file names the columns.
    pub header: bool,
    /// The byte between fields.
    pub delimiter: u8,
    /// What an unquoted field holds that means NULL.
    pub null: String,
}

impl Default for CsvOptions {
    fn default() -> Self {
        CsvOptions { header: true, delimiter: b',', null: String::new() }
    }
}

/// What one file's fields are: unknown until its header has been read.
#[derive(Clone, Debug, Default)]
pub struct Layout(Option<Vec<(Slot, String)>>);

pub(super) struct CsvDecoder {
    options: CsvOptions,
    reader: Reader,
    slots: HashMap<String, Slot>,
    names: Vec<String>,
    /// The record's fields, unescaped, one behind the other.
    text: Vec<u8>,
    fields: Vec<FieldEnd>,
}

struct FieldEnd {
    end: usize,
    quoted: bool,
}

impl CsvDecoder {
    pub(super) fn new(table: &TableDef, options: CsvOptions) -> CsvDecoder {
        // Records come without their line end; only a byte that can't be in one may end them.
        let reader = ReaderBuilder::new().delimiter(options.delimiter).terminator(Terminator::Any(b'\n')).build();
        CsvDecoder {
            options,
            reader,
            slots: slots(table).map(|(name, slot)| (name.to_string(), slot)).collect(),
            names: table.schema.fields().iter().map(|field| field.name().clone()).collect(),
            text: Vec::new(),
            fields: Vec::new(),
        }
    }

    pub(super) fn push(
        &mut self,
        record: &[u8],
        position: Position<'_>,
        layout: &mut Layout,
        rows: &mut Rows,
        unknown: &mut Unknown,
    ) {
        self.split(record);
        let text = match std::str::from_utf8(&self.text) {
            Ok(text) => text,
            Err(_) => {
                let message = "invalid byte sequence for encoding \"UTF8\"".to_string();
                return rows.reject(&[], NOT_UTF8, message, record, position);
            }
        };
        let Some(layout) = &layout.0 else {
            if self.options.header {
                layout.0 = Some(self.by_header(text));
            } else {
                layout.0 = Some(self.by_position());
                self.push(record, position, layout, rows, unknown);
            }
            return;
        };
        let mut cells = vec![Cell::Null; self.names.len()];
        let mut op = Op::Upsert;
        let mut fault = self.check_count(layout);
        for (index, field) in self.cells(text).enumerate() {
            match layout.get(index) {
                Some((Slot::Column(column), _)) => cells[*column] = field,
                Some((Slot::Op, _)) => match operation(&field) {
                    Ok(asked) => op = asked,
                    Err(found) => {
                        fault.get_or_insert(found);
                    }
                },
                Some((Slot::Unknown, name)) => unknown.add(name),
                None => {}
            }
        }
        match fault {
            Some(fault) => rows.reject(&cells, fault.code, fault.message, record, position),
            None => rows.push(&cells, op, record, position),
        }
    }

    /// Takes a record apart into `text` and `fields`.
    fn split(&mut self, record: &[u8]) {
        self.reader.reset();
        self.text.resize(record.len().max(1), 0);
        self.fields.clear();
        let (mut input, mut written) = (record, 0);
        loop {
            let quoted = input.first() == Some(&b'"');
            let (result, read, length) = self.reader.read_field(input, &mut self.text[written..]);
            input = &input[read..];
            written += length;
            match result {
                // The record's bytes are used up: an empty input tells the reader that this was all.
                ReadFieldResult::InputEmpty => {
                    let (_, _, length) = self.reader.read_field(&[], &mut self.text[written..]);
                    written += length;
                    self.fields.push(FieldEnd { end: written, quoted });
                    break;
                }
                ReadFieldResult::Field { record_end } => {
                    self.fields.push(FieldEnd { end: written, quoted });
                    if record_end {
                        break;
                    }
                }
                ReadFieldResult::OutputFull | ReadFieldResult::End => break,
            }
        }
        self.text.truncate(written);
    }

    fn cells<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Cell<'t>> {
        let starts = std::iter::once(0).chain(self.fields.iter().map(|field| field.end));
        starts.zip(&self.fields).map(|(start, field)| {
            let content = &text[start..field.end];
            if !field.quoted && content == self.options.null { Cell::Null } else { Cell::Text(Cow::Borrowed(content)) }
        })
    }

    fn by_header(&self, text: &str) -> Vec<(Slot, String)> {
        let named = self.cells(text).map(|cell| {
            let name = cell.text().trim();
            (self.slots.get(name).copied().unwrap_or(Slot::Unknown), name.to_string())
        });
        named.collect()
    }

    fn by_position(&self) -> Vec<(Slot, String)> {
        let columns = self.names.iter().enumerate().map(|(index, name)| (Slot::Column(index), name.clone()));
        columns.chain(std::iter::once((Slot::Op, super::OP_FIELD.to_string()))).collect()
    }

    /// Fewer fields than columns, or more, is an error as in PostgreSQL; the operation field may be left out.
    fn check_count(&self, layout: &[(Slot, String)]) -> Option<Fault> {
        if self.fields.len() > layout.len() {
            return Some(Fault::new(code::BAD_COPY_FILE_FORMAT, "extra data after last expected column"));
        }
        let missing = layout[self.fields.len()..].iter().find(|(slot, _)| *slot != Slot::Op)?;
        Some(Fault::new(code::BAD_COPY_FILE_FORMAT, format!("missing data for column \"{}\"", missing.1)))
    }
}
