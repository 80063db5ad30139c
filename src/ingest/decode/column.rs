//! Columns under construction: cells go in, Arrow arrays come out.
//!
//! Every `append` adds exactly one value, also when it fails (then a NULL), so that columns stay aligned; rows that failed are
//! filtered out when a batch is taken.

use std::sync::Arc;

use arrow::array::builder::{
    BinaryBuilder, BooleanBuilder, LargeBinaryBuilder, LargeStringBuilder, PrimitiveBuilder, StringBuilder,
};
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, new_empty_array, new_null_array};
use arrow::compute::kernels::cast_utils::{Parser, parse_interval_month_day_nano};
use arrow::compute::{cast, concat};
use arrow::datatypes::*;
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use arrow::json::reader::Decoder;

use super::value::{self, Cell, Fault};
use crate::model::{SqlError, SqlResult};

/// One column of the batch being built.
pub(super) trait Column: Send {
    /// Adds one value.
    fn append(&mut self, cell: &Cell<'_>) -> Result<(), Fault>;

    /// Adds a stand-in where a NOT NULL column has no value and none is needed: the type's zero, NULL for nested types.
    fn append_zero(&mut self);

    /// Takes what was appended.
    fn finish(&mut self) -> Result<ArrayRef, ArrowError>;
}

/// A column for a field.
///
/// # Errors
/// Types that no input format can carry.
pub(super) fn column_for(field: &FieldRef) -> SqlResult<Box<dyn Column>> {
    let data_type = field.data_type();
    Ok(match data_type {
        DataType::Boolean => Box::new(BooleanBuilder::new()),
        DataType::Int8 => primitive::<Int8Type>(data_type, value::integer),
        DataType::Int16 => primitive::<Int16Type>(data_type, value::integer),
        DataType::Int32 => primitive::<Int32Type>(data_type, value::integer),
        DataType::Int64 => primitive::<Int64Type>(data_type, value::integer),
        DataType::UInt8 => primitive::<UInt8Type>(data_type, value::integer),
        DataType::UInt16 => primitive::<UInt16Type>(data_type, value::integer),
        DataType::UInt32 => primitive::<UInt32Type>(data_type, value::integer),
        DataType::UInt64 => primitive::<UInt64Type>(data_type, value::integer),
        DataType::Float32 => primitive::<Float32Type>(data_type, |cell, t| value::float(cell, t).map(|v| v as f32)),
        DataType::Float64 => primitive::<Float64Type>(data_type, value::float),
        DataType::Decimal128(..) => primitive::<Decimal128Type>(data_type, decimal),
        DataType::Date32 => primitive::<Date32Type>(data_type, parsed::<Date32Type>),
        DataType::Time32(TimeUnit::Second) => primitive::<Time32SecondType>(data_type, parsed::<Time32SecondType>),
        DataType::Time32(_) => primitive::<Time32MillisecondType>(data_type, parsed::<Time32MillisecondType>),
        DataType::Time64(TimeUnit::Microsecond) => {
            primitive::<Time64MicrosecondType>(data_type, parsed::<Time64MicrosecondType>)
        }
        DataType::Time64(_) => primitive::<Time64NanosecondType>(data_type, parsed::<Time64NanosecondType>),
        DataType::Timestamp(TimeUnit::Second, _) => primitive::<TimestampSecondType>(data_type, timestamp),
        DataType::Timestamp(TimeUnit::Millisecond, _) => primitive::<TimestampMillisecondType>(data_type, timestamp),
        DataType::Timestamp(TimeUnit::Microsecond, _) => primitive::<TimestampMicrosecondType>(data_type, timestamp),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => primitive::<TimestampNanosecondType>(data_type, timestamp),
        DataType::Interval(IntervalUnit::MonthDayNano) => primitive::<IntervalMonthDayNanoType>(data_type, interval),
        DataType::Utf8 => Box::new(StringBuilder::new()),
        DataType::LargeUtf8 => Box::new(LargeStringBuilder::new()),
        DataType::Utf8View => Box::new(View { inner: StringBuilder::new(), data_type: data_type.clone() }),
        DataType::Binary => Box::new(BinaryBuilder::new()),
        DataType::LargeBinary => Box::new(LargeBinaryBuilder::new()),
        DataType::BinaryView => Box::new(View { inner: BinaryBuilder::new(), data_type: data_type.clone() }),
        _ => Box::new(Nested::new(field)?),
    })
}

type Parse<T> = fn(&Cell<'_>, &DataType) -> Result<<T as ArrowPrimitiveType>::Native, Fault>;

struct Primitive<T: ArrowPrimitiveType> {
    builder: PrimitiveBuilder<T>,
    data_type: DataType,
    parse: Parse<T>,
}

fn primitive<T: ArrowPrimitiveType>(data_type: &DataType, parse: Parse<T>) -> Box<dyn Column> {
    let builder = PrimitiveBuilder::<T>::new().with_data_type(data_type.clone());
    Box::new(Primitive { builder, data_type: data_type.clone(), parse })
}

impl<T: ArrowPrimitiveType> Column for Primitive<T> {
    fn append(&mut self, cell: &Cell<'_>) -> Result<(), Fault> {
        if matches!(cell, Cell::Null) {
            self.builder.append_null();
            return Ok(());
        }
        match (self.parse)(cell, &self.data_type) {
            Ok(value) => {
                self.builder.append_value(value);
                Ok(())
            }
            Err(fault) => {
                self.builder.append_null();
                Err(fault)
            }
        }
    }

    fn append_zero(&mut self) {
        self.builder.append_value(T::Native::default());
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.builder.finish()))
    }
}

fn decimal(cell: &Cell<'_>, data_type: &DataType) -> Result<i128, Fault> {
    let DataType::Decimal128(precision, scale) = data_type else { unreachable!("a decimal column has a decimal type") };
    value::decimal(cell, *precision, *scale, data_type)
}

fn timestamp(cell: &Cell<'_>, data_type: &DataType) -> Result<i64, Fault> {
    let DataType::Timestamp(unit, _) = data_type else { unreachable!("a timestamp column has a timestamp type") };
    value::timestamp(cell, *unit, data_type)
}

fn interval(cell: &Cell<'_>, data_type: &DataType) -> Result<IntervalMonthDayNano, Fault> {
    parse_interval_month_day_nano(cell.text()).map_err(|_| Fault::syntax(data_type, cell.text()))
}

/// Dates and times of day, from text by Arrow's own parsers.
fn parsed<T: Parser>(cell: &Cell<'_>, data_type: &DataType) -> Result<T::Native, Fault> {
    match cell {
        Cell::Text(text) => T::parse(text.trim()).ok_or_else(|| Fault::syntax(data_type, text)),
        other => Err(Fault::syntax(data_type, other.text())),
    }
}

impl Column for BooleanBuilder {
    fn append(&mut self, cell: &Cell<'_>) -> Result<(), Fault> {
        let value = if matches!(cell, Cell::Null) { Ok(None) } else { value::boolean(cell).map(Some) };
        self.append_option(value.as_ref().ok().copied().flatten());
        value.map(drop)
    }

    fn append_zero(&mut self) {
        self.append_value(false);
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(BooleanBuilder::finish(self)))
    }
}

/// Text and bytes differ only in how a cell is read.
macro_rules! variable_length_column {
    ($builder:ty, $read:path, $zero:expr) => {
        impl Column for $builder {
            fn append(&mut self, cell: &Cell<'_>) -> Result<(), Fault> {
                if matches!(cell, Cell::Null) {
                    self.append_null();
                    return Ok(());
                }
                match $read(cell) {
                    Ok(value) => {
                        self.append_value(value);
                        Ok(())
                    }
                    Err(fault) => {
                        self.append_null();
                        Err(fault)
                    }
                }
            }

            fn append_zero(&mut self) {
                self.append_value($zero);
            }

            fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
                Ok(Arc::new(<$builder>::finish(self)))
            }
        }
    };
}

variable_length_column!(StringBuilder, value::text, "");
variable_length_column!(LargeStringBuilder, value::text, "");
variable_length_column!(BinaryBuilder, value::bytes, b"");
variable_length_column!(LargeBinaryBuilder, value::bytes, b"");

/// View types are built as plain ones and cast once per batch.
struct View<C> {
    inner: C,
    data_type: DataType,
}

impl<C: Column> Column for View<C> {
    fn append(&mut self, cell: &Cell<'_>) -> Result<(), Fault> {
        self.inner.append(cell)
    }

    fn append_zero(&mut self) {
        self.inner.append_zero();
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        cast(&self.inner.finish()?, &self.data_type)
    }
}

/// Arrays, structs and maps: each value is decoded by Arrow's JSON reader, with its (laxer) conversions.
struct Nested {
    field: FieldRef,
    decoder: Decoder,
    values: Vec<ArrayRef>,
}

impl Nested {
    fn new(field: &FieldRef) -> SqlResult<Nested> {
        let decoder = nested_decoder(field).map_err(|_| {
            let message = format!("column \"{}\" of type {} can't be read from input", field.name(), field.data_type());
            SqlError::unsupported(message)
        })?;
        Ok(Nested { field: field.clone(), decoder, values: Vec::new() })
    }

    fn decode(&mut self, json: &str) -> Result<ArrayRef, ArrowError> {
        // A new decoder after a failure: the old one holds half a value.
        let mut decode = || {
            self.decoder.decode(json.as_bytes())?;
            let batch = self.decoder.flush()?.filter(|batch| batch.num_rows() == 1);
            batch.map(|batch| batch.column(0).clone()).ok_or_else(|| ArrowError::JsonError("not one value".to_string()))
        };
        let decoded = decode();
        if decoded.is_err() {
            self.decoder = nested_decoder(&self.field)?;
        }
        decoded
    }
}

/// Nullability is checked for whole rows, not here.
fn nested_decoder(field: &FieldRef) -> Result<Decoder, ArrowError> {
    ReaderBuilder::new_with_field(field.as_ref().clone().with_nullable(true)).build_decoder()
}

impl Column for Nested {
    fn append(&mut self, cell: &Cell<'_>) -> Result<(), Fault> {
        let decoded = match cell {
            Cell::Null => Ok(new_null_array(self.field.data_type(), 1)),
            other => self.decode(other.text()),
        };
        let fault = match decoded {
            Ok(value) if value.len() == 1 => {
                self.values.push(value);
                return Ok(());
            }
            Ok(_) => Fault::syntax(self.field.data_type(), cell.text()),
            Err(error) => {
                let mut fault = Fault::syntax(self.field.data_type(), cell.text());
                fault.message = format!("{} ({error})", fault.message);
                fault
            }
        };
        self.append_zero();
        Err(fault)
    }

    fn append_zero(&mut self) {
        self.values.push(new_null_array(self.field.data_type(), 1));
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let values = std::mem::take(&mut self.values);
        if values.is_empty() {
            return Ok(new_empty_array(self.field.data_type()));
        }
        concat(&values.iter().map(|value| value.as_ref() as &dyn Array).collect::<Vec<_>>())
    }
}
