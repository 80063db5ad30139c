//! Functions PostgreSQL has and DataFusion lacks or reads otherwise: other names, and format templates.
//!
//! `to_char`, `to_timestamp` and `to_date` take PostgreSQL's templates (`YYYY-MM-DD HH24:MI:SS`); a format with a `%` in it is
//! left to DataFusion, whose own formats are chrono's. Numbers' templates (`to_char(n, '999')`) are not done.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Float64Type};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::functions::utils::make_scalar_function;
use datafusion::functions::{datetime, math, string};
use datafusion::functions_aggregate::{bool_and_or, variance};
use datafusion::logical_expr::expr::{Cast, ScalarFunction, TryCast};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    AggregateUDF, ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility, cast as logical_cast, create_udf, lit,
};

use super::template::to_chrono;
use super::types::postgres_name;
use crate::model::SqlError;

/// Scalar functions to register over DataFusion's; `options` are the session's.
pub(super) fn scalar(options: &ConfigOptions) -> Vec<ScalarUDF> {
    let renamed = |function: Arc<ScalarUDF>, alias| function.as_ref().clone().with_aliases([alias]);
    let templated = |inner| ScalarUDF::new_from_impl(Templated { inner });
    vec![
        renamed(math::ceil(), "ceiling"),
        renamed(math::signum(), "sign"),
        renamed(string::uuid(), "gen_random_uuid"),
        templated(datetime::to_char()),
        templated(datetime::to_date()),
        templated(datetime::to_timestamp(options)),
        ScalarUDF::new_from_impl(TypeOf { signature: Signature::any(1, Volatility::Immutable) }),
    ]
}

/// Aggregate functions to register over DataFusion's.
pub(super) fn aggregate() -> Vec<AggregateUDF> {
    let renamed = |function: Arc<AggregateUDF>, alias| function.as_ref().clone().with_aliases([alias]);
    vec![renamed(bool_and_or::bool_and_udaf(), "every"), renamed(variance::var_samp_udaf(), "variance")]
}

/// A function of DataFusion whose texts after the first argument are templates.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Templated {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Templated {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arguments)
    }

    fn invoke_with_args(&self, mut arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        for format in arguments.args.iter_mut().skip(1) {
            *format = match format {
                ColumnarValue::Scalar(value) => match value.try_as_str() {
                    Some(Some(template)) => ColumnarValue::Scalar(ScalarValue::from(chrono_format(template)?)),
                    _ => continue,
                },
                ColumnarValue::Array(templates) => ColumnarValue::Array(chrono_formats(templates)?),
            };
        }
        self.inner.inner().invoke_with_args(arguments)
    }
}

fn chrono_format(template: &str) -> Result<String> {
    to_chrono(template).map_err(|error: SqlError| DataFusionError::External(Box::new(error)))
}

fn chrono_formats(templates: &ArrayRef) -> Result<ArrayRef> {
    let templates = cast(templates, &DataType::Utf8)?;
    let formats = templates.as_string::<i32>().iter().map(|template| template.map(chrono_format).transpose());
    Ok(Arc::new(formats.collect::<Result<StringArray>>()?))
}

/// Casts that PostgreSQL reads otherwise.
///
/// - `timestamp::text` is `2026-03-01 12:00:01.5`, with `+00` behind a TIMESTAMPTZ; Arrow writes ISO 8601. Fractions have three, six or
///   nine digits.
/// - To integers decimals are rounded, halves away from zero, and floats, halves to the even one; Arrow cuts off.
#[derive(Debug)]
pub(super) struct PostgresCasts;

impl FunctionRewrite for PostgresCasts {
    fn name(&self) -> &str {
        "postgres_casts"
    }

    fn rewrite(&self, mut expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let (inner, to) = match &mut expr {
            Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => (expr, field.data_type()),
            _ => return Ok(Transformed::no(expr)),
        };
        let from = inner.get_type(schema)?;
        if to.is_integer() && (from.is_floating() || from.is_decimal()) {
            let rounds = |call: &ScalarFunction| call.func == math::round() || call.func == *ROUND_HALF_EVEN;
            if matches!(inner.as_ref(), Expr::ScalarFunction(call) if call.args.len() == 1 && rounds(call)) {
                return Ok(Transformed::no(expr));
            }
            let value = std::mem::take(inner.as_mut());
            **inner = if from.is_decimal() {
                math::round().call(vec![value])
            } else {
                ROUND_HALF_EVEN.call(vec![logical_cast(value, DataType::Float64)])
            };
            return Ok(Transformed::yes(expr));
        }
        let is_text = matches!(to, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let format = match from {
            DataType::Timestamp(_, None) if is_text => "%Y-%m-%d %H:%M:%S%.f",
            DataType::Timestamp(_, Some(zone)) if is_text && zone.as_ref() == "UTC" => "%Y-%m-%d %H:%M:%S%.f+00",
            _ => return Ok(Transformed::no(expr)),
        };
        Ok(Transformed::yes(datetime::to_char().call(vec![inner.as_ref().clone(), lit(format)])))
    }
}

/// A double rounded to a whole number, halves to the even one. One function for all casts: what equals itself is computed once.
static ROUND_HALF_EVEN: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let rounded = |arguments: &[ArrayRef]| -> Result<ArrayRef> {
        Ok(Arc::new(arguments[0].as_primitive::<Float64Type>().unary::<_, Float64Type>(f64::round_ties_even)))
    };
    let rounded = Arc::new(make_scalar_function(rounded, vec![]));
    let double = DataType::Float64;
    Arc::new(create_udf("round_half_even", vec![double.clone()], double, Volatility::Immutable, rounded))
});

/// `pg_typeof(any)`: PostgreSQL's name of the argument's type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TypeOf {
    signature: Signature,
}

impl ScalarUDFImpl for TypeOf {
    fn name(&self) -> &str {
        "pg_typeof"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(ScalarValue::from(postgres_name(&arguments.args[0].data_type()))))
    }
}
