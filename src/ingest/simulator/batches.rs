//! Events → Arrow rows in a table's schema: columns are found by name, and may be wider than the simulator's own.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringBuilder,
    TimestampMillisecondArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::error::ArrowError;

use super::stream::{Event, Stream};
use super::value::{Kind, Value};
use crate::model::error::code;
use crate::model::{InputBatch, RelationId, SqlError, SqlResult, TableDef};

/// Digits of the simulator's money, all and behind the point.
const MONEY: (u8, i8) = (18, 2);
/// The same of its exchange rates.
const RATE: (u8, i8) = (18, 8);

/// Checks that every column of a table is one of the stream's and can hold its values.
///
/// # Errors
/// Names the first column that is not or can not.
pub fn check_schema(table: &TableDef, stream: Stream) -> SqlResult<()> {
    let columns = stream.columns();
    let list =
        || columns.iter().map(|(name, kind)| format!("{name} {}", kind.sql_type())).collect::<Vec<_>>().join(", ");
    for field in table.schema.fields() {
        let Some((_, kind)) = columns.iter().find(|(name, _)| name == field.name()) else {
            let message = format!("the simulator's stream \"{}\" has no column \"{}\"", stream.name(), field.name());
            return Err(SqlError::new(code::UNDEFINED_COLUMN, message).hint(format!("its columns: {}", list())));
        };
        if !fits(*kind, field.data_type()) {
            let message =
                format!("column \"{}\" can't hold the simulator's values as {}", field.name(), field.data_type());
            return Err(SqlError::new(code::DATATYPE_MISMATCH, message).hint(format!("its columns: {}", list())));
        }
    }
    Ok(())
}

fn fits(kind: Kind, data_type: &DataType) -> bool {
    let digits = |(whole, scale): (u8, i8), (precision, places): (&u8, &i8)| {
        *places >= scale && i16::from(*precision) - i16::from(*places) >= i16::from(whole) - i16::from(scale)
    };
    match (kind, data_type) {
        (Kind::Int, DataType::Int32) | (Kind::Int | Kind::Long, DataType::Int64) => true,
        (Kind::Money, DataType::Decimal128(precision, scale)) => digits(MONEY, (precision, scale)),
        (Kind::Rate, DataType::Decimal128(precision, scale)) => digits(RATE, (precision, scale)),
        (Kind::Flag, DataType::Boolean) | (Kind::Date, DataType::Date32) => true,
        (Kind::Text | Kind::Json, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => true,
        (Kind::Time, DataType::Timestamp(unit, Some(_))) => *unit != TimeUnit::Second,
        (Kind::Wall, DataType::Timestamp(_, None)) => true,
        _ => false,
    }
}

/// Events of one stream as rows of a table.
///
/// # Errors
/// None once [`check_schema`] has passed.
pub fn input_batch(table: &TableDef, relation: RelationId, events: &[Event]) -> Result<InputBatch, ArrowError> {
    let stream = events.first().ok_or_else(|| ArrowError::InvalidArgumentError("no events".to_string()))?.stream;
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let column = |name: &str, data_type: &DataType| {
        let index = stream.columns().iter().position(|(column, _)| *column == name);
        let index = index.ok_or_else(|| ArrowError::SchemaError(format!("no column {name}")))?;
        let array = array(events.iter().map(|event| &event.values[index]), stream.columns()[index].1)?;
        if array.data_type() == data_type { Ok(array) } else { cast_with_options(&array, data_type, &strict) }
    };
    let fields = table.schema.fields().iter();
    let columns = fields.map(|field| column(field.name(), field.data_type())).collect::<Result<Vec<_>, _>>()?;
    // A flawed row may lack what the table requires only where the table lets it: required columns are never flawed.
    let rows = RecordBatch::try_new(table.schema.clone(), columns)?;
    Ok(InputBatch::of_rows(relation, rows, None))
}

fn array<'v>(values: impl ExactSizeIterator<Item = &'v Value>, kind: Kind) -> Result<ArrayRef, ArrowError> {
    let number = |value: &Value| match value {
        Value::Number(number) | Value::Money(number) | Value::Rate(number) | Value::Time(number) => Some(*number),
        _ => None,
    };
    Ok(match kind {
        Kind::Int | Kind::Long => Arc::new(values.map(number).collect::<Int64Array>()),
        Kind::Money | Kind::Rate => {
            let (precision, scale) = if kind == Kind::Money { MONEY } else { RATE };
            let decimals = values.map(|value| number(value).map(i128::from)).collect::<Decimal128Array>();
            Arc::new(decimals.with_precision_and_scale(precision, scale)?)
        }
        Kind::Flag => {
            let flags = values.map(|value| if let Value::Flag(flag) = value { Some(*flag) } else { None });
            Arc::new(flags.collect::<BooleanArray>())
        }
        Kind::Date => {
            let days = values.map(|value| if let Value::Date(days) = value { Some(*days) } else { None });
            Arc::new(days.collect::<Date32Array>())
        }
        Kind::Time => Arc::new(values.map(number).collect::<TimestampMillisecondArray>().with_timezone("+00:00")),
        Kind::Wall => Arc::new(values.map(number).collect::<TimestampMillisecondArray>()),
        Kind::Text | Kind::Json => {
            let mut texts = StringBuilder::with_capacity(values.len(), values.len() * 8);
            let mut scratch = String::new();
            for value in values {
                match value {
                    Value::Null => texts.append_null(),
                    Value::Word(word) => texts.append_value(word),
                    Value::Text(text) | Value::Json(text) => texts.append_value(text),
                    other => {
                        scratch.clear();
                        other.push_plain(kind, &mut scratch);
                        texts.append_value(&scratch);
                    }
                }
            }
            Arc::new(texts.finish())
        }
    })
}
