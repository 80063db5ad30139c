//! `timestamp AT TIME ZONE zone`, which is `timezone(zone, timestamp)`, as PostgreSQL has it: a TIMESTAMPTZ becomes the wall clock's
//! TIMESTAMP there, a TIMESTAMP read from that wall clock becomes a TIMESTAMPTZ. (DataFusion keeps the zone in the type instead.)
//!
//! Zones are IANA names or fixed offsets (`+08:00`). A wall clock time that a clock change skips or repeats is an error.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Offset, TimeZone};
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err, plan_err};
use datafusion::functions::utils::make_scalar_function;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::types::timestamptz;
use crate::model::SqlError;
use crate::model::error::code;

const MICROSECONDS_PER_SECOND: i64 = 1_000_000;

/// The function to register.
pub(super) fn function() -> ScalarUDF {
    ScalarUDF::new_from_impl(AtTimeZone { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AtTimeZone {
    signature: Signature,
}

fn wall_clock() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

impl ScalarUDFImpl for AtTimeZone {
    fn name(&self) -> &str {
        "timezone"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [_, timestamp] = arguments else { return plan_err!("Function 'timezone' takes a zone and a timestamp") };
        let timestamp = match timestamp {
            DataType::Timestamp(_, None) => wall_clock(),
            DataType::Timestamp(_, Some(_)) | DataType::Date32 | DataType::Utf8 | DataType::Null => timestamptz(),
            _ => return plan_err!("Function 'timezone' takes a zone and a timestamp"),
        };
        Ok(vec![DataType::Utf8, timestamp])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(if arguments.get(1) == Some(&wall_clock()) { timestamptz() } else { wall_clock() })
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [ColumnarValue::Scalar(zone), timestamp] = arguments.args.as_slice() else {
            return exec_err!("the time zone must be the same for all rows");
        };
        let Some(Some(zone)) = zone.try_as_str() else {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from(arguments.return_field.data_type())?));
        };
        let there = |times: &[ArrayRef]| match times[0].data_type() == &wall_clock() {
            true => to_instant(&times[0], zone),
            false => to_wall_clock(&times[0], zone),
        };
        make_scalar_function(there, vec![])(std::slice::from_ref(timestamp))
    }
}

/// Reads wall clock times in a zone.
fn to_instant(array: &ArrayRef, zone: &str) -> Result<ArrayRef> {
    parsed(zone)?;
    let local = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from(zone))))?;
    Ok(cast(&local, &timestamptz())?)
}

/// What the clocks on a zone's walls show.
fn to_wall_clock(array: &ArrayRef, zone: &str) -> Result<ArrayRef> {
    let zone = parsed(zone)?;
    let shown: PrimitiveArray<TimestampMicrosecondType> =
        array.as_primitive::<TimestampMicrosecondType>().unary_opt(|at| {
            let instant = DateTime::from_timestamp_micros(at)?.naive_utc();
            let offset_seconds = zone.offset_from_utc_datetime(&instant).fix().local_minus_utc();
            at.checked_add(i64::from(offset_seconds) * MICROSECONDS_PER_SECOND)
        });
    Ok(Arc::new(shown))
}

fn parsed(zone: &str) -> Result<Tz> {
    zone.parse().map_err(|_| {
        let error = SqlError::new(code::INVALID_PARAMETER_VALUE, format!("time zone \"{zone}\" not recognized"));
        DataFusionError::External(Box::new(error))
    })
}
