//! Events → Arrow rows in a table's schema: columns are found by name, and may be wider than the simulator's own.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::error::ArrowError;

use super::event::{Event, Stream, Value};
use crate::model::error::code;
use crate::model::{InputBatch, Op, RelationId, SqlError, SqlResult, TableDef};

/// Digits of the simulator's money, all and behind the point.
const MONEY: (u8, i8) = (18, 2);

/// Checks that every column of a table is one of the stream's and can hold its values.
///
/// # Errors
/// Names the first column that is not or can not.
pub fn check_schema(table: &TableDef, stream: Stream) -> SqlResult<()> {
    let columns = stream.columns();
    let list =
        || columns.iter().map(|(name, value)| format!("{name} {}", sql_type(*value))).collect::<Vec<_>>().join(", ");
    for field in table.schema.fields() {
        let Some((_, value)) = columns.iter().find(|(name, _)| name == field.name()) else {
            let message = format!("the simulator's stream \"{}\" has no column \"{}\"", stream.name(), field.name());
            return Err(SqlError::new(code::UNDEFINED_COLUMN, message).hint(format!("its columns: {}", list())));
        };
        if !fits(*value, field.data_type()) {
            let message =
                format!("column \"{}\" can't hold the simulator's values as {}", field.name(), field.data_type());
            return Err(SqlError::new(code::DATATYPE_MISMATCH, message).hint(format!("its columns: {}", list())));
        }
    }
    Ok(())
}

fn sql_type(value: Value) -> &'static str {
    match value {
        Value::Long(_) => "BIGINT",
        Value::Int(_) => "INT",
        Value::Money(_) => "DECIMAL(18,2)",
        Value::Text(_) => "TEXT",
        Value::Time(_) => "TIMESTAMPTZ",
    }
}

fn fits(value: Value, data_type: &DataType) -> bool {
    match (value, data_type) {
        (Value::Int(_), DataType::Int32) | (Value::Int(_) | Value::Long(_), DataType::Int64) => true,
        (Value::Money(_), DataType::Decimal128(precision, scale)) => {
            *scale >= MONEY.1 && i16::from(*precision) - i16::from(*scale) >= i16::from(MONEY.0) - i16::from(MONEY.1)
        }
        (Value::Text(_), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => true,
        (Value::Time(_), DataType::Timestamp(unit, _)) => *unit != TimeUnit::Second,
        _ => false,
    }
}

/// The events as rows of the table.
///
/// # Errors
/// None once [`check_schema`] has passed.
pub(super) fn input_batch(table: &TableDef, relation: RelationId, events: &[Event]) -> Result<InputBatch, ArrowError> {
    let rows: Vec<Vec<(&str, Value)>> = events.iter().map(|event| event.row.fields()).collect();
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let column = |name: &str, data_type: &DataType| {
        let index = rows.first().and_then(|row| row.iter().position(|(column, _)| *column == name));
        let index = index.ok_or_else(|| ArrowError::SchemaError(format!("no column {name}")))?;
        let values = rows.iter().map(|row| row[index].1);
        let array = array(values, rows[0][index].1)?;
        if array.data_type() == data_type { Ok(array) } else { cast_with_options(&array, data_type, &strict) }
    };
    let fields = table.schema.fields().iter();
    let columns = fields.map(|field| column(field.name(), field.data_type())).collect::<Result<Vec<_>, _>>()?;
    let deletes = events.iter().any(|event| event.op == Op::Delete);
    let ops = deletes.then(|| events.iter().map(|event| event.op).collect());
    Ok(InputBatch { table: relation, rows: RecordBatch::try_new(table.schema.clone(), columns)?, ops, bad: Vec::new() })
}

fn array(values: impl Iterator<Item = Value>, like: Value) -> Result<ArrayRef, ArrowError> {
    let number = |value: Value| match value {
        Value::Long(number) | Value::Money(number) | Value::Time(number) => number,
        Value::Int(number) => i64::from(number),
        Value::Text(_) => unreachable!("a column of a stream has one type"),
    };
    let text = |value: Value| match value {
        Value::Text(text) => text,
        _ => unreachable!("a column of a stream has one type"),
    };
    Ok(match like {
        Value::Long(_) => Arc::new(Int64Array::from_iter_values(values.map(number))),
        Value::Int(_) => Arc::new(Int32Array::from_iter_values(values.map(|value| number(value) as i32))),
        Value::Money(_) => Arc::new(
            Decimal128Array::from_iter_values(values.map(|value| i128::from(number(value))))
                .with_precision_and_scale(MONEY.0, MONEY.1)?,
        ),
        Value::Text(_) => Arc::new(StringArray::from_iter_values(values.map(text))),
        Value::Time(_) => {
            Arc::new(TimestampMillisecondArray::from_iter_values(values.map(number)).with_timezone("+00:00"))
        }
    })
}
