//! Multisets of rows, equal but for the last digits of floats.

use std::cmp::Ordering;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// Floats are compared to this, relative; absolute below one.
const TOLERANCE: f64 = 1e-9;
/// Rows of a difference that are shown.
const SHOWN: usize = 6;

/// A value: floats by number, everything else by its text.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Null,
    Float(f64),
    Text(String),
}

impl Cell {
    fn is_close(&self, other: &Cell) -> bool {
        match (self, other) {
            (Cell::Float(a), Cell::Float(b)) => {
                a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1.0)
            }
            _ => self == other,
        }
    }

    /// Order for lining rows up: floats against floats only where `floats`, so that they decide last.
    fn compare(&self, other: &Cell, floats: bool) -> Ordering {
        let rank = |cell: &Cell| match cell {
            Cell::Null => 0,
            Cell::Float(_) => 1,
            Cell::Text(_) => 2,
        };
        let plain = |value: &f64| if value.is_nan() { f64::NAN } else { value + 0.0 };
        match (self, other) {
            (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
            (Cell::Float(_), Cell::Float(_)) if !floats => Ordering::Equal,
            (Cell::Float(a), Cell::Float(b)) => plain(a).total_cmp(&plain(b)),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

type Row = Vec<Cell>;

fn rows(batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows = vec![];
    for batch in batches {
        let columns: Vec<Vec<Cell>> = batch.columns().iter().map(|c| cells(c.as_ref())).collect();
        rows.extend((0..batch.num_rows()).map(|at| columns.iter().map(|c| c[at].clone()).collect::<Row>()));
    }
    rows.sort_by(compare_rows);
    rows
}

fn compare_rows(a: &Row, b: &Row) -> Ordering {
    let cells = |floats: bool| {
        a.iter().zip(b).map(|(a, b)| a.compare(b, floats)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    };
    cells(false).then_with(|| cells(true))
}

fn cells(array: &dyn Array) -> Vec<Cell> {
    let cell = |at: usize, value: &dyn Fn(usize) -> Cell| if array.is_null(at) { Cell::Null } else { value(at) };
    match array.data_type() {
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            (0..array.len()).map(|at| cell(at, &|at| Cell::Float(values.value(at)))).collect()
        }
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            (0..array.len()).map(|at| cell(at, &|at| Cell::Float(f64::from(values.value(at))))).collect()
        }
        _ => {
            let options = FormatOptions::default().with_null("NULL");
            let formatter = ArrayFormatter::try_new(array, &options).expect("every type has a text");
            (0..array.len()).map(|at| cell(at, &|at| Cell::Text(formatter.value(at).to_string()))).collect()
        }
    }
}

fn is_close(a: &Row, b: &Row) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_close(b))
}

/// What differs between a view and the reference, in words; `None` if nothing does.
pub fn difference(view: &[RecordBatch], reference: &[RecordBatch]) -> Option<String> {
    let types = |batches: &[RecordBatch]| {
        let fields = batches.first().map(|b| b.schema());
        fields.map(|s| s.fields().iter().map(|f| f.data_type().clone()).collect::<Vec<_>>())
    };
    if let (Some(a), Some(b)) = (types(view), types(reference))
        && a != b
    {
        return Some(format!("types {a:?}, should be {b:?}"));
    }
    let (view, mut missing) = (rows(view), rows(reference));
    if view.len() == missing.len() && view.iter().zip(&missing).all(|(a, b)| is_close(a, b)) {
        return None;
    }
    let mut surplus = vec![];
    for row in view {
        match missing.iter().position(|r| is_close(r, &row)) {
            Some(at) => drop(missing.remove(at)),
            None => surplus.push(row),
        }
    }
    if surplus.is_empty() && missing.is_empty() {
        return None;
    }
    let mut text = format!("{} rows too many, {} missing", surplus.len(), missing.len());
    for (sign, row) in surplus.iter().take(SHOWN).map(|r| ('+', r)).chain(missing.iter().take(SHOWN).map(|r| ('-', r)))
    {
        let cells = row.iter().map(|cell| match cell {
            Cell::Null => "NULL".to_string(),
            Cell::Float(value) => format!("{value:?}"),
            Cell::Text(text) => format!("{text:?}"),
        });
        text.push_str(&format!("\n    {sign} {}", cells.collect::<Vec<_>>().join(" | ")));
    }
    Some(text)
}
