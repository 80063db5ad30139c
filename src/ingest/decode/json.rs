//! NDJSON: one object per record.
//!
//! An object is taken apart into slices of the line without building a tree; later fields of the same name win. What stands
//! before a syntax error still gives the bad row its key.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::rows::{Rows, Slot, operation, slots};
use super::value::{Cell, Fault, NOT_UTF8};
use super::{Position, Unknown};
use crate::model::error::code;
use crate::model::{Op, TableDef};

pub(super) struct JsonDecoder {
    slots: HashMap<String, Slot>,
    /// Column names in order: most lines have their fields in the same order as the table.
    names: Vec<String>,
}

/// What one object held.
struct Fields<'a> {
    cells: Vec<Cell<'a>>,
    op: Op,
    fault: Option<Fault>,
    /// The column read last: behind a syntax error its value may be cut.
    last: Option<usize>,
}

impl JsonDecoder {
    pub(super) fn new(table: &TableDef) -> JsonDecoder {
        JsonDecoder {
            slots: slots(table).map(|(name, slot)| (name.to_string(), slot)).collect(),
            names: table.schema.fields().iter().map(|field| field.name().clone()).collect(),
        }
    }

    pub(super) fn push(&self, record: &[u8], position: Position<'_>, rows: &mut Rows, unknown: &mut Unknown) {
        let line = match std::str::from_utf8(record) {
            Ok(line) => line,
            Err(error) => {
                let message =
                    format!("invalid byte sequence for encoding \"UTF8\" at byte {}", error.valid_up_to() + 1);
                return rows.reject(&[], NOT_UTF8, message, record, position);
            }
        };
        let mut fields = Fields { cells: vec![Cell::Null; self.names.len()], op: Op::Upsert, fault: None, last: None };
        let mut json = serde_json::Deserializer::from_str(line);
        let read = Object { decoder: self, fields: &mut fields, unknown };
        match read.deserialize(&mut json).and_then(|()| json.end()) {
            Err(error) => {
                if let Some(last) = fields.last {
                    fields.cells[last] = Cell::Null;
                }
                rows.reject(&fields.cells, code::INVALID_TEXT_REPRESENTATION, syntax_message(&error), record, position);
            }
            Ok(()) => match fields.fault {
                Some(fault) => rows.reject(&fields.cells, fault.code, fault.message, record, position),
                None => rows.push(&fields.cells, fields.op, record, position),
            },
        }
    }

    fn slot(&self, name: &str, guess: usize) -> Slot {
        match self.names.get(guess) {
            Some(expected) if expected == name => Slot::Column(guess),
            _ => self.slots.get(name).copied().unwrap_or(Slot::Unknown),
        }
    }
}

fn syntax_message(error: &serde_json::Error) -> String {
    let place = match error.column() {
        0 => String::new(),
        column => format!(" at column {column}"),
    };
    format!("invalid input syntax for type json: {}{place}", reason(error))
}

/// serde_json's message without its place, as its lines are counted within the record.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_string()
}

struct Object<'s, 'a> {
    decoder: &'s JsonDecoder,
    fields: &'s mut Fields<'a>,
    unknown: &'s mut Unknown,
}

impl<'a> DeserializeSeed<'a> for Object<'_, 'a> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Object<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        let mut guess = 0;
        loop {
            let name = Name { decoder: self.decoder, unknown: self.unknown, guess };
            let Some(slot) = map.next_key_seed(name)? else { return Ok(()) };
            match slot {
                Slot::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                Slot::Column(index) => {
                    self.fields.last = Some(index);
                    self.fields.cells[index] = Cell::Null;
                    guess = index + 1;
                }
                Slot::Op => {}
            }
            let raw = map.next_value::<&'a RawValue>()?.get();
            let cell = match cell(raw) {
                Ok(cell) => cell,
                Err(error) => {
                    let name = match slot {
                        Slot::Column(index) => self.decoder.names[index].as_str(),
                        _ => super::OP_FIELD,
                    };
                    let message = format!("column \"{name}\": invalid JSON string: {}", reason(&error));
                    self.fields.fault.get_or_insert(Fault::new(code::INVALID_TEXT_REPRESENTATION, message));
                    continue;
                }
            };
            match slot {
                Slot::Column(index) => self.fields.cells[index] = cell,
                _ => match operation(&cell) {
                    Ok(op) => self.fields.op = op,
                    Err(fault) => {
                        self.fields.fault.get_or_insert(fault);
                    }
                },
            }
        }
    }
}

struct Name<'s> {
    decoder: &'s JsonDecoder,
    unknown: &'s mut Unknown,
    guess: usize,
}

impl<'a> DeserializeSeed<'a> for Name<'_> {
    type Value = Slot;

    fn deserialize<D: serde::Deserializer<'a>>(self, deserializer: D) -> Result<Slot, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Slot;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Slot, E> {
        let slot = self.decoder.slot(name, self.guess);
        if slot == Slot::Unknown {
            self.unknown.add(name);
        }
        Ok(slot)
    }
}

fn cell(raw: &str) -> Result<Cell<'_>, serde_json::Error> {
    Ok(match raw.as_bytes() {
        [b'"', inner @ .., b'"'] => {
            if memchr::memchr(b'\\', inner).is_none() {
                Cell::Text(Cow::Borrowed(&raw[1..raw.len() - 1]))
            } else {
                Cell::Text(Cow::Owned(serde_json::from_str(raw)?))
            }
        }
        b"null" => Cell::Null,
        b"true" => Cell::Bool(true),
        b"false" => Cell::Bool(false),
        [b'[' | b'{', ..] => Cell::Nested(raw),
        [b'-' | b'0'..=b'9', ..] => Cell::Number(raw),
        _ => return Err(serde_json::Error::custom("unexpected value")),
    })
}
