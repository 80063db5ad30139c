//! Expected rows against the rows that are there.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::bind::BoundExpect;
use crate::model::{SqlError, SqlResult};

/// How far floating-point numbers may be apart, relative to the greater.
const FLOAT_TOLERANCE: f64 = 1e-9;
/// Rows of each kind shown.
const SHOWN_MAX: usize = 20;

/// A value, comparable with another of the same column.
#[derive(Clone, Debug)]
enum Cell {
    Null,
    Float(f64),
    /// Its text, and whether JSON writes it without quotes.
    Text(String, bool),
}

impl Cell {
    fn is(&self, other: &Cell) -> bool {
        match (self, other) {
            (Cell::Null, Cell::Null) => true,
            (Cell::Float(a), Cell::Float(b)) => {
                a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= FLOAT_TOLERANCE * a.abs().max(b.abs())
            }
            (Cell::Text(a, _), Cell::Text(b, _)) => a == b,
            _ => false,
        }
    }

    fn json(&self) -> String {
        match self {
            Cell::Null => "null".to_string(),
            Cell::Float(value) if value.is_finite() => value.to_string(),
            Cell::Float(value) => format!("\"{value}\""),
            Cell::Text(text, true) => text.clone(),
            Cell::Text(text, false) => serde_json::Value::from(text.as_str()).to_string(),
        }
    }
}

type Row = Vec<Cell>;

/// What is wrong with the rows an `EXPECT` found; `None` if nothing is.
pub(super) fn difference(expect: &BoundExpect, actual: &RecordBatch) -> SqlResult<Option<String>> {
    let names: Vec<&str> = expect.rows.schema_ref().fields().iter().map(|f| f.name().as_str()).collect();
    let (wanted, found) = (cells(&expect.rows)?, cells(actual)?);
    let is_same = |a: &Row, b: &Row| a.iter().zip(b).all(|(a, b)| a.is(b));
    let mut unexpected: Vec<&Row> = found.iter().collect();
    let mut missing: Vec<(usize, &Row)> = vec![];
    for (row, line) in wanted.iter().zip(&expect.lines) {
        match unexpected.iter().position(|other| is_same(row, other)) {
            Some(at) => drop(unexpected.remove(at)),
            None => missing.push((*line, row)),
        }
    }
    if missing.is_empty() && unexpected.is_empty() {
        let in_order = wanted.iter().zip(&found).all(|(a, b)| is_same(a, b));
        if in_order || !expect.ordered {
            return Ok(None);
        }
        let rows = found.iter().take(SHOWN_MAX).map(|row| format!("\n    found       {}", json(&names, row)));
        return Ok(Some(format!("the rows are there, but in another order{}", rows.collect::<String>())));
    }
    Ok(Some(shown(&names, &missing, &unexpected)))
}

fn shown(names: &[&str], missing: &[(usize, &Row)], unexpected: &[&Row]) -> String {
    let mut text = format!("{} missing, {} unexpected", missing.len(), unexpected.len());
    let mut left: Vec<&Row> = unexpected.to_vec();
    for (line, row) in missing.iter().take(SHOWN_MAX) {
        text += &format!("\n    missing     {}  (line {line})", json(names, row));
        if let Some(at) = nearest(row, &left) {
            let other = left.remove(at);
            text += &format!("\n    unexpected  {}", json(names, other));
            let differ = names.iter().zip(row.iter().zip(other)).filter(|(_, (a, b))| !a.is(b));
            let differ: Vec<String> =
                differ.map(|(name, (a, b))| format!("{name} {} instead of {}", b.json(), a.json())).collect();
            text += &format!("\n                {}", differ.join(", "));
        }
    }
    for row in left.iter().take(SHOWN_MAX) {
        text += &format!("\n    unexpected  {}", json(names, row));
    }
    if missing.len().max(left.len()) > SHOWN_MAX {
        text += "\n    …";
    }
    text
}

/// The row that agrees with `row` in most columns, if it does in the first or in half of them.
fn nearest(row: &Row, others: &[&Row]) -> Option<usize> {
    let same = |other: &Row| row.iter().zip(other).filter(|(a, b)| a.is(b)).count();
    let (at, best) = others.iter().enumerate().map(|(at, other)| (at, same(other))).max_by_key(|(_, same)| *same)?;
    let same_first = row.first().zip(others[at].first()).is_some_and(|(a, b)| a.is(b));
    (same_first || best * 2 >= row.len().max(1)).then_some(at)
}

fn json(names: &[&str], row: &Row) -> String {
    let fields = names.iter().zip(row);
    let fields: Vec<String> =
        fields.map(|(name, cell)| format!("{}: {}", serde_json::Value::from(*name), cell.json())).collect();
    format!("{{{}}}", fields.join(", "))
}

fn cells(batch: &RecordBatch) -> SqlResult<Vec<Row>> {
    let mut rows: Vec<Row> = vec![vec![]; batch.num_rows()];
    let options = FormatOptions::default();
    for column in batch.columns() {
        let bare = column.data_type().is_integer() || *column.data_type() == DataType::Boolean;
        let formatter =
            ArrayFormatter::try_new(column.as_ref(), &options).map_err(|e| SqlError::internal(e.to_string()))?;
        for (at, row) in rows.iter_mut().enumerate() {
            row.push(match column.data_type() {
                _ if column.is_null(at) => Cell::Null,
                DataType::Float64 => Cell::Float(column.as_primitive::<Float64Type>().value(at)),
                DataType::Float32 => Cell::Float(f64::from(column.as_primitive::<Float32Type>().value(at))),
                _ => Cell::Text(formatter.value(at).to_string(), bare),
            });
        }
    }
    Ok(rows)
}
