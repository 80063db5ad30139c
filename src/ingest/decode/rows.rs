//! Rows under construction, whatever their format: cells in, an [`InputBatch`] out.
//!
//! Here live the rules that do not depend on the format: NOT NULL, keys, deletes, and what a bad row looks like.

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter;
use arrow::datatypes::{Field, Schema, SchemaRef};
use std::sync::Arc;

use super::Position;
use super::column::{Column, column_for};
use super::value::{Cell, Fault};
use crate::model::error::code;
use crate::model::{BadRow, InputBatch, Op, RelationId, SqlError, SqlResult, TableDef, UnknownFields};

/// Bytes of a bad record shown.
const PAYLOAD_BYTES_MAX: usize = 4 << 10;

/// The rows taken since the last batch.
pub(super) struct Rows {
    table_name: String,
    schema: SchemaRef,
    key: Vec<usize>,
    /// Per column: a row without a value here is bad.
    required: Vec<bool>,
    /// Per column: needed for a delete as well.
    identifying: Vec<bool>,
    append_only: bool,
    columns: Vec<Box<dyn Column>>,
    ops: Vec<Op>,
    /// One flag per appended row; false: it turned out bad.
    good: Vec<bool>,
    bad: Vec<BadRow>,
    bytes: usize,
}

impl Rows {
    pub(super) fn new(table: &TableDef) -> SqlResult<Rows> {
        let fields = table.schema.fields();
        let in_key = |index: usize| table.primary_key.contains(&index) || table.version == Some(index);
        Ok(Rows {
            table_name: table.name.clone(),
            schema: table.schema.clone(),
            key: table.primary_key.clone(),
            required: fields.iter().enumerate().map(|(i, field)| !field.is_nullable() || in_key(i)).collect(),
            identifying: (0..fields.len())
                .map(|i| in_key(i) || table.primary_key.is_empty() || has_no_stand_in(&fields[i]))
                .collect(),
            append_only: table.append_only,
            columns: fields.iter().map(column_for).collect::<SqlResult<_>>()?,
            ops: Vec::new(),
            good: Vec::new(),
            bad: Vec::new(),
            bytes: 0,
        })
    }

    pub(super) fn pending_rows(&self) -> usize {
        self.good.len() + self.bad.len()
    }

    pub(super) fn pending_bytes(&self) -> usize {
        self.bytes
    }

    /// Takes one row: a cell per column.
    pub(super) fn push(&mut self, cells: &[Cell<'_>], op: Op, record: &[u8], position: Position<'_>) {
        let mut fault = None;
        if op == Op::Delete && self.append_only {
            let message = format!("source \"{}\" is append-only: a row can't be deleted", self.table_name);
            fault = Some(Fault::new(code::WRONG_OBJECT_TYPE, message));
        }
        for (index, cell) in cells.iter().enumerate() {
            if let Err(found) = self.append(index, cell, op) {
                fault.get_or_insert(found);
            }
        }
        self.good.push(fault.is_none());
        self.ops.push(op);
        self.bytes += record.len();
        if let Some(fault) = fault {
            self.reject(cells, fault.code, fault.message, record, position);
        }
    }

    fn append(&mut self, index: usize, cell: &Cell<'_>, op: Op) -> Result<(), Fault> {
        let free = op == Op::Delete && !self.identifying[index];
        let missing = matches!(cell, Cell::Null);
        if free && !self.required[index] {
            return self.columns[index].append(&Cell::Null);
        }
        if free || missing && self.required[index] {
            self.columns[index].append_zero();
        }
        if free {
            return Ok(());
        }
        let name = self.schema.field(index).name();
        if missing && self.required[index] {
            let message = format!(
                "null value in column \"{name}\" of relation \"{}\" violates not-null constraint",
                self.table_name
            );
            return Err(Fault::new(code::NOT_NULL_VIOLATION, message));
        }
        self.columns[index]
            .append(cell)
            .map_err(|fault| Fault::new(fault.code, format!("column \"{name}\": {}", fault.message)))
    }

    /// Takes note of a record that is no row; `cells` are those that could be told apart, none or one per column.
    pub(super) fn reject(
        &mut self,
        cells: &[Cell<'_>],
        code: &'static str,
        message: String,
        record: &[u8],
        position: Position<'_>,
    ) {
        let key = if cells.is_empty() { None } else { self.key_of(cells) };
        self.bytes += record.len().min(PAYLOAD_BYTES_MAX);
        self.bad.push(BadRow {
            position: position.to_string(),
            code: code.to_string(),
            message,
            payload: payload(record),
            key,
        });
    }

    /// The key columns as one row, when every one of them can be read.
    fn key_of(&self, cells: &[Cell<'_>]) -> Option<RecordBatch> {
        if self.key.is_empty() {
            return None;
        }
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        for &index in &self.key {
            let field = &self.schema.fields()[index];
            let mut column = column_for(field).ok()?;
            if matches!(cells[index], Cell::Null) || column.append(&cells[index]).is_err() {
                return None;
            }
            fields.push(field.clone());
            arrays.push(column.finish().ok()?);
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).ok()
    }

    /// What was taken since the last batch; `None` when that is nothing.
    pub(super) fn take(&mut self, table: RelationId, unknown: UnknownFields) -> SqlResult<Option<InputBatch>> {
        if self.pending_rows() == 0 {
            return Ok(None);
        }
        self.bytes = 0;
        let good = std::mem::take(&mut self.good);
        let mut ops = std::mem::take(&mut self.ops);
        let bad = std::mem::take(&mut self.bad);
        let internal = |error: arrow::error::ArrowError| SqlError::internal(error.to_string());
        let mut arrays: Vec<ArrayRef> =
            self.columns.iter_mut().map(|column| column.finish()).collect::<Result<_, _>>().map_err(internal)?;
        if good.contains(&false) {
            let mut flags = good.iter();
            ops.retain(|_| flags.next() == Some(&true));
            let mask = BooleanArray::from(good);
            arrays = arrays.iter().map(|array| filter(array, &mask)).collect::<Result<_, _>>().map_err(internal)?;
        }
        let rows = RecordBatch::try_new(self.schema.clone(), arrays).map_err(internal)?;
        let ops = ops.contains(&Op::Delete).then_some(ops);
        Ok(Some(InputBatch { table, rows, ops, bad, unknown }))
    }
}

/// A NOT NULL column of a nested type: there is no value to put where a delete gives none.
fn has_no_stand_in(field: &Field) -> bool {
    !field.is_nullable() && field.data_type().is_nested()
}

/// The names of a table's columns, with their places, and that of the operation field.
pub(super) fn slots(table: &TableDef) -> impl Iterator<Item = (&str, Slot)> {
    let columns = table
        .schema
        .fields()
        .iter()
        .enumerate()
        .map(|(i, field): (usize, &Arc<Field>)| (field.name().as_str(), Slot::Column(i)));
    // A column of that very name is a column.
    std::iter::once((super::OP_FIELD, Slot::Op)).chain(columns)
}

/// What a named field of the input is to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// A column, by position.
    Column(usize),
    /// The operation.
    Op,
    /// Nothing known.
    Unknown,
}

/// Reads the operation field.
pub(super) fn operation(cell: &Cell<'_>) -> Result<Op, Fault> {
    match cell.text() {
        "" | "upsert" | "insert" | "update" | "c" | "u" | "r" | "i" => Ok(Op::Upsert),
        "delete" | "d" | "D" => Ok(Op::Delete),
        other => {
            let message =
                format!("field \"{}\": unknown operation \"{}\"", super::OP_FIELD, super::value::shorten(other));
            Err(Fault::new(code::INVALID_TEXT_REPRESENTATION, message))
        }
    }
}

fn payload(record: &[u8]) -> String {
    let mut end = record.len().min(PAYLOAD_BYTES_MAX);
    // Not in the middle of a character.
    while end < record.len() && end > 0 && record[end] & 0b1100_0000 == 0b1000_0000 {
        end -= 1;
    }
    String::from_utf8_lossy(&record[..end]).into_owned()
}
