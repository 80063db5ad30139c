//! Records → typed Arrow rows of one table.
//!
//! A [`Decoder`] takes records (a JSON line, a CSV record) one by one and gives them back as one [`InputBatch`]: good rows as
//! columns, bad ones as [`BadRow`](crate::model::BadRow)s with position, SQLSTATE, a message naming the column, the record's
//! beginning and, where the key columns could be read, the key. A bad record never disturbs its neighbours.
//!
//! What becomes of a value:
//!
//! | column | accepts |
//! |---|---|
//! | integers | whole numbers and such text, also `1.0` and `1e3`; a fraction is refused (`22P02`), overflow too (`22003`) |
//! | DECIMAL | numbers and text, exactly; digits beyond the scale are rounded half away from zero |
//! | REAL, DOUBLE | numbers and text, also `NaN` and `Infinity` |
//! | BOOLEAN | `true`/`false` and PostgreSQL's texts for them |
//! | TIMESTAMP, TIMESTAMPTZ | ISO 8601 with or without a zone (without: UTC); a JSON number is milliseconds since the epoch |
//! | DATE, TIME, INTERVAL | text |
//! | TEXT, JSON | strings as they are; numbers, booleans, arrays and objects as their compact JSON text |
//! | BYTEA | `\x` and hexadecimal digits, or text taken as bytes |
//! | arrays, structs | JSON arrays and objects, decoded by Arrow's JSON reader |
//!
//! A column without a value is NULL; NULL in a NOT NULL, key or version column makes a bad row (`23502`). Fields that are no
//! column are passed over; rows that have any are counted, their names kept. The field `__op` says what a row asks for: `delete`, `d` or `D` deletes the row of its
//! key (the other columns need no value then); `upsert`, `insert`, `update`, their change-capture letters `i`, `u`, `c`, `r`, an
//! empty text and its absence upsert; any other word makes a bad row. Names are matched exactly, without folding case.
//!
//! Why not `arrow::json` for whole rows: it reads `1.9` as the integer 1, cuts decimals instead of rounding, reads timestamp
//! numbers in the column's unit, can't keep nested JSON as text and can't count unknown columns.

mod column;
mod csv;
mod json;
mod rows;
#[cfg(test)]
mod tests;
mod value;

use std::fmt;

use crate::model::{Encode, InputBatch, RelationId, SqlResult, TableDef, UnknownFields};

use self::csv::CsvDecoder;
pub use self::csv::{CsvOptions, Layout};
use self::json::JsonDecoder;
use self::rows::Rows;

/// The field or column that says what a row asks for.
pub const OP_FIELD: &str = "__op";

/// Where a record stands: shown as `source:line`.
#[derive(Clone, Copy, Debug)]
pub struct Position<'a> {
    /// A path, or another name for where bytes came from.
    pub source: &'a str,
    /// Line, counted from 1.
    pub line: u64,
}

impl fmt::Display for Position<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.line)
    }
}

/// Fields that were no column, since the last batch.
#[derive(Default)]
struct Unknown {
    fields: UnknownFields,
    /// The record at hand has been counted.
    counted: bool,
}

impl Unknown {
    fn add(&mut self, name: &str) {
        self.fields.rows += u64::from(!std::mem::replace(&mut self.counted, true));
        self.fields.insert(name);
    }
}

enum Format {
    Json(JsonDecoder),
    Csv(Box<CsvDecoder>),
}

/// Turns records into rows of one table.
pub struct Decoder {
    format: Format,
    rows: Rows,
    unknown: Unknown,
}

impl Decoder {
    /// A decoder for one JSON object per record.
    ///
    /// # Errors
    /// A column whose type no input can carry.
    pub fn json(table: &TableDef) -> SqlResult<Decoder> {
        Ok(Decoder::with_format(table, Rows::new(table)?, |table| Format::Json(JsonDecoder::new(table))))
    }

    /// A decoder for CSV records.
    ///
    /// # Errors
    /// A column whose type no input can carry.
    pub fn csv(table: &TableDef, options: CsvOptions) -> SqlResult<Decoder> {
        Ok(Decoder::with_format(table, Rows::new(table)?, |table| {
            Format::Csv(Box::new(CsvDecoder::new(table, options)))
        }))
    }

    fn with_format(table: &TableDef, rows: Rows, format: impl FnOnce(&TableDef) -> Format) -> Decoder {
        Decoder { format: format(table), rows, unknown: Unknown::default() }
    }

    /// The encoding this decodes.
    pub fn encode(&self) -> Encode {
        match self.format {
            Format::Json(_) => Encode::Json,
            Format::Csv(_) => Encode::Csv,
        }
    }

    /// Takes one record without its line end. `layout` belongs to the file: it remembers a CSV header.
    pub fn push(&mut self, record: &[u8], position: Position<'_>, layout: &mut Layout) {
        self.unknown.counted = false;
        match &mut self.format {
            Format::Json(json) => json.push(record, position, &mut self.rows, &mut self.unknown),
            Format::Csv(csv) => csv.push(record, position, layout, &mut self.rows, &mut self.unknown),
        }
    }

    /// Takes note of a record that can't be read for a reason known before its format.
    pub fn reject(&mut self, head: &[u8], position: Position<'_>, code: &'static str, message: &str) {
        self.rows.reject(&[], code, message.to_string(), head, position);
    }

    /// Rows taken since the last batch, good and bad.
    pub fn pending_rows(&self) -> usize {
        self.rows.pending_rows()
    }

    /// Bytes of the records taken since the last batch.
    pub fn pending_bytes(&self) -> usize {
        self.rows.pending_bytes()
    }

    /// Fields that were no column, since the last batch.
    pub fn unknown_fields(&self) -> &UnknownFields {
        &self.unknown.fields
    }

    /// What was taken since the last batch; `None` when that is nothing.
    ///
    /// # Errors
    /// None that input could cause: internal errors only.
    pub fn take(&mut self, table: RelationId) -> SqlResult<Option<InputBatch>> {
        let unknown = std::mem::take(&mut self.unknown.fields);
        self.rows.take(table, unknown)
    }
}
