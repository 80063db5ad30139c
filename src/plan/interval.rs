//! Intervals as PostgreSQL reckons with them, where DataFusion does otherwise or not at all.
//!
//! - `interval * number`, `number * interval` and `interval / number`.
//! - `date + interval` and `date - interval` are timestamps; DataFusion's are dates, without the hours.
//! - [`length`] is what intervals compare by: a month is 30 days, a day 24 hours; DataFusion's order is by months, then days, then time,
//!   so that no number of hours makes a day. Where comparisons get it: [`super::coerce`].
//!
//! In products months, days and time are multiplied each for itself; what is left of a month counts as 30 days each, what is left of a
//! day as 24 hours, and the time is rounded to microseconds.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::kernels::arity::try_binary;
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
};
use arrow::error::ArrowError;
use datafusion::common::{DFSchema, Result};
use datafusion::functions::utils::make_scalar_function;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, cast,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::model::SqlError;
use crate::model::error::code;

const DAYS_PER_MONTH: f64 = 30.0;
const MICROSECONDS_PER_DAY: f64 = 86_400e6;
const NANOSECONDS_PER_MICROSECOND: i64 = 1_000;
pub(super) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// Plans the operators.
#[derive(Debug)]
pub(super) struct IntervalOperators;

impl ExprPlanner for IntervalOperators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let is_interval =
            |e: &Expr| e.get_type(schema).is_ok_and(|t| matches!(t, DataType::Interval(_) | DataType::Duration(_)));
        let is_date = |e: &Expr| e.get_type(schema).is_ok_and(|t| t == DataType::Date32);
        let timestamp = |e: Expr| cast(e, DataType::Timestamp(TimeUnit::Microsecond, None));
        let is_number = |e: &Expr| e.get_type(schema).is_ok_and(|t| t.is_numeric());
        let (operation, interval, number) = match expr.op {
            BinaryOperator::Multiply if is_interval(&expr.left) && is_number(&expr.right) => {
                (Operation::Times, expr.left, expr.right)
            }
            BinaryOperator::Multiply if is_number(&expr.left) && is_interval(&expr.right) => {
                (Operation::Times, expr.right, expr.left)
            }
            BinaryOperator::Divide if is_interval(&expr.left) && is_number(&expr.right) => {
                (Operation::Over, expr.left, expr.right)
            }
            BinaryOperator::Plus if is_date(&expr.left) && is_interval(&expr.right) => {
                return Ok(PlannerResult::Planned(timestamp(expr.left) + expr.right));
            }
            BinaryOperator::Plus if is_interval(&expr.left) && is_date(&expr.right) => {
                return Ok(PlannerResult::Planned(timestamp(expr.right) + expr.left));
            }
            BinaryOperator::Minus if is_date(&expr.left) && is_interval(&expr.right) => {
                return Ok(PlannerResult::Planned(timestamp(expr.left) - expr.right));
            }
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let function = ScalarUDF::new_from_impl(Scale {
            operation,
            signature: Signature::exact(vec![INTERVAL, DataType::Float64], Volatility::Immutable),
        });
        let arguments = vec![cast(interval, INTERVAL), cast(number, DataType::Float64)];
        Ok(PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function), arguments))))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Operation {
    Times,
    Over,
}

/// An interval by a number.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Scale {
    operation: Operation,
    signature: Signature,
}

impl ScalarUDFImpl for Scale {
    fn name(&self) -> &str {
        match self.operation {
            Operation::Times => "interval_mul",
            Operation::Over => "interval_div",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(INTERVAL)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scaled = |arguments: &[ArrayRef]| -> Result<ArrayRef> {
            let intervals = arguments[0].as_primitive::<IntervalMonthDayNanoType>();
            let numbers = arguments[1].as_primitive::<Float64Type>();
            let scaled = try_binary::<_, _, _, IntervalMonthDayNanoType>(intervals, numbers, |interval, number| {
                scale(self.operation, interval, number).map_err(|error| ArrowError::ExternalError(Box::new(error)))
            })?;
            Ok(Arc::new(scaled))
        };
        make_scalar_function(scaled, vec![])(&arguments.args)
    }
}

fn scale(
    operation: Operation,
    interval: IntervalMonthDayNano,
    number: f64,
) -> std::result::Result<IntervalMonthDayNano, SqlError> {
    let apply = |part: f64| match operation {
        Operation::Times => part * number,
        Operation::Over => part / number,
    };
    if operation == Operation::Over && number == 0.0 {
        return Err(SqlError::new(code::DIVISION_BY_ZERO, "division by zero"));
    }
    let (months, days) = (apply(f64::from(interval.months)), apply(f64::from(interval.days)));
    let days_of_months = (months.fract() * DAYS_PER_MONTH * MICROSECONDS_PER_DAY).round() / MICROSECONDS_PER_DAY;
    let time_of_days = ((days.fract() + days_of_months.fract()) * MICROSECONDS_PER_DAY).round();
    let whole_days = days.trunc() + days_of_months.trunc() + (time_of_days / MICROSECONDS_PER_DAY).trunc();
    let time = apply(interval.nanoseconds as f64 / NANOSECONDS_PER_MICROSECOND as f64);
    let microseconds = (time + time_of_days % MICROSECONDS_PER_DAY).round_ties_even();
    let fits = |value: f64, end: f64| value.is_finite() && value.abs() < end;
    let (end_of_32_bits, end_of_time) = (2f64.powi(31), (i64::MAX / NANOSECONDS_PER_MICROSECOND) as f64);
    if !fits(months, end_of_32_bits) || !fits(whole_days, end_of_32_bits) || !fits(microseconds, end_of_time) {
        return Err(out_of_range());
    }
    let nanoseconds = microseconds as i64 * NANOSECONDS_PER_MICROSECOND;
    Ok(IntervalMonthDayNano::new(months.trunc() as i32, whole_days as i32, nanoseconds))
}

/// The length of an interval in microseconds, a BIGINT.
pub(super) fn length(interval: Expr) -> Expr {
    let function = Length { signature: Signature::any(1, Volatility::Immutable) };
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::new_from_impl(function)), vec![interval]))
}

/// The interval whose [`length`] an expression is.
pub(super) fn measured(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::ScalarFunction(call) if call.func.inner().is::<Length>() => call.args.first(),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Length {
    signature: Signature,
}

impl ScalarUDFImpl for Length {
    fn name(&self) -> &str {
        "interval_length"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        make_scalar_function(lengths, vec![])(&arguments.args)
    }
}

/// Microseconds of each interval.
fn lengths(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let interval = &arguments[0];
    if let DataType::Duration(_) = interval.data_type() {
        let microseconds = arrow::compute::cast(interval, &DataType::Duration(TimeUnit::Microsecond))?;
        return Ok(arrow::compute::cast(&microseconds, &DataType::Int64)?);
    }
    let intervals = arrow::compute::cast(interval, &INTERVAL)?;
    let lengths = intervals.as_primitive::<IntervalMonthDayNanoType>().try_unary::<_, Int64Type, _>(|i| {
        let days = i128::from(i.months) * DAYS_PER_MONTH as i128 + i128::from(i.days);
        let time = i128::from(i.nanoseconds / NANOSECONDS_PER_MICROSECOND);
        i64::try_from(days * MICROSECONDS_PER_DAY as i128 + time)
            .map_err(|_| ArrowError::ExternalError(Box::new(out_of_range())))
    })?;
    Ok(Arc::new(lengths))
}

fn out_of_range() -> SqlError {
    SqlError::new(code::DATETIME_FIELD_OVERFLOW, "interval out of range")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000_000;
    const HOUR: i64 = DAY / 24;

    fn times(interval: (i32, i32, i64), number: f64) -> (i32, i32, i64) {
        by(Operation::Times, interval, number).expect("it fits")
    }

    fn by(
        operation: Operation,
        (months, days, nanos): (i32, i32, i64),
        number: f64,
    ) -> std::result::Result<(i32, i32, i64), &'static str> {
        let scaled = scale(operation, IntervalMonthDayNano::new(months, days, nanos), number);
        scaled.map(|i| (i.months, i.days, i.nanoseconds)).map_err(|error| error.code)
    }

    #[test]
    fn parts_are_scaled_each_for_itself() {
        assert_eq!(times((0, 1, 0), 7.0), (0, 7, 0));
        assert_eq!(times((1, 2, 3 * HOUR), -2.0), (-2, -4, -6 * HOUR));
        // Exact where doubles of nanoseconds are not.
        assert_eq!(times((0, 0, 1_000_001_000), 123_456_789.0), (0, 0, 123_456_912_456_789_000));
    }

    #[test]
    fn what_is_left_of_a_part_goes_to_the_next() {
        assert_eq!(times((1, 0, 0), 1.5), (1, 15, 0));
        assert_eq!(times((0, 1, 0), 0.5), (0, 0, 12 * HOUR));
        assert_eq!(times((1, 0, 0), 0.05), (0, 1, 12 * HOUR));
        assert_eq!(times((0, 0, 1_000), 0.5), (0, 0, 0));
        assert_eq!(by(Operation::Over, (0, 1, 0), 3.0), Ok((0, 0, 8 * HOUR)));
        assert_eq!(by(Operation::Over, (1, 0, 0), 7.0), Ok((0, 4, 24_685_714_286_000)));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert_eq!(by(Operation::Over, (0, 1, 0), 0.0), Err("22012"));
        for number in [1e12, f64::NAN, f64::INFINITY, -1e10] {
            assert_eq!(by(Operation::Times, (0, 1, 0), number), Err("22008"), "{number}");
        }
        assert_eq!(by(Operation::Times, (0, 0, DAY), 1e6), Err("22008"));
    }
}
