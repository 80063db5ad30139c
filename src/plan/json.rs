//! JSON on text columns: the operators `->`, `->>`, `#>`, `#>>`, `?` and the functions behind them, by datafusion-functions-json.
//!
//! That crate's own `->` gives a union that no column can hold. Here `->` gives JSON text, so every step is text, can be stored,
//! and can be taken apart again. Chains (`j->'a'->>'b'`) become one call with a longer path. As in PostgreSQL, `->` of a JSON
//! string keeps its quotes and `->>` drops them; a missing step is NULL. Unlike it, text that is no JSON gives NULL, not an error.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, ListArray};
use arrow::compute::is_null;
use arrow::compute::kernels::nullif::nullif;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Cast, ScalarFunction};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ExpressionPlacement, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use datafusion_functions_json::udfs;

/// A function of datafusion-functions-json under our names, its results without field metadata: a list of JSON texts has the
/// type of any list of texts.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Plain {
    inner: Arc<ScalarUDF>,
    name: &'static str,
    aliases: Vec<String>,
}

/// The functions to register; their names are PostgreSQL's where it has them.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let plain = |inner, name, aliases: &[&str]| {
        let aliases = aliases.iter().map(ToString::to_string).collect();
        ScalarUDF::new_from_impl(Plain { inner, name, aliases })
    };
    vec![
        get(),
        get_text(),
        plain(udfs::json_get_array_udf(), "json_get_array", &[]),
        plain(udfs::json_get_str_udf(), "json_get_str", &[]),
        plain(udfs::json_get_int_udf(), "json_get_int", &[]),
        plain(udfs::json_get_float_udf(), "json_get_float", &[]),
        plain(udfs::json_get_bool_udf(), "json_get_bool", &[]),
        contains(),
        plain(udfs::json_length_udf(), "json_length", &["json_array_length", "jsonb_array_length"]),
        plain(udfs::json_object_keys_udf(), "json_keys", &[]),
    ]
}

/// `->` and `#>`.
fn get() -> ScalarUDF {
    let aliases = ["json_get_json", "json_extract_path", "jsonb_extract_path"].map(String::from).to_vec();
    ScalarUDF::new_from_impl(Plain { inner: udfs::json_get_json_udf(), name: "json_get", aliases })
}

/// `?`.
fn contains() -> ScalarUDF {
    let aliases = vec!["jsonb_exists".to_string()];
    ScalarUDF::new_from_impl(Plain { inner: udfs::json_contains_udf(), name: "json_contains", aliases })
}

/// `->>` and `#>>`.
fn get_text() -> ScalarUDF {
    let aliases = ["json_as_text", "json_extract_path_text", "jsonb_extract_path_text"].map(String::from).to_vec();
    ScalarUDF::new_from_impl(Plain { inner: udfs::json_as_text_udf(), name: "json_get_text", aliases })
}

impl ScalarUDFImpl for Plain {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(plain_type(self.inner.return_type(arguments)?))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let document = arguments.args.first().cloned();
        Ok(match self.inner.inner().invoke_with_args(arguments)? {
            ColumnarValue::Array(array) if *array.data_type() == DataType::Boolean => {
                ColumnarValue::Array(null_where(array, document)?)
            }
            ColumnarValue::Scalar(ScalarValue::Boolean(_)) if is_null_scalar(document.as_ref()) => {
                ColumnarValue::Scalar(ScalarValue::Boolean(None))
            }
            ColumnarValue::Array(array) => ColumnarValue::Array(plain_array(array)),
            ColumnarValue::Scalar(ScalarValue::List(list)) => {
                ColumnarValue::Scalar(ScalarValue::List(Arc::new(plain_list(&list))))
            }
            scalar => scalar,
        })
    }

    fn placement(&self, arguments: &[ExpressionPlacement]) -> ExpressionPlacement {
        self.inner.inner().placement(arguments)
    }
}

/// The answers, but none where there is no document: the wrapped `json_contains` answers false there.
fn null_where(answers: ArrayRef, document: Option<ColumnarValue>) -> Result<ArrayRef> {
    match document {
        Some(ColumnarValue::Array(document)) => Ok(nullif(&answers, &is_null(&document)?)?),
        _ => Ok(answers),
    }
}

fn is_null_scalar(document: Option<&ColumnarValue>) -> bool {
    matches!(document, Some(ColumnarValue::Scalar(text)) if text.is_null())
}

fn plain_type(data_type: DataType) -> DataType {
    match data_type {
        DataType::List(item) => DataType::List(plain_item(&item)),
        other => other,
    }
}

fn plain_item(item: &Field) -> Arc<Field> {
    Arc::new(Field::new_list_field(item.data_type().clone(), true))
}

fn plain_array(array: ArrayRef) -> ArrayRef {
    match array.as_list_opt::<i32>() {
        Some(list) => Arc::new(plain_list(list)),
        None => array,
    }
}

fn plain_list(list: &ListArray) -> ListArray {
    let (item, offsets, values, nulls) = list.clone().into_parts();
    ListArray::new(plain_item(&item), offsets, values, nulls)
}

/// Plans the operators.
#[derive(Debug)]
pub(super) struct JsonOperators {
    get: Arc<ScalarUDF>,
    get_text: Arc<ScalarUDF>,
    contains: Arc<ScalarUDF>,
}

impl Default for JsonOperators {
    fn default() -> Self {
        JsonOperators { get: Arc::new(get()), get_text: Arc::new(get_text()), contains: Arc::new(contains()) }
    }
}

impl ExprPlanner for JsonOperators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let function = match expr.op {
            BinaryOperator::Arrow | BinaryOperator::HashArrow => Arc::clone(&self.get),
            BinaryOperator::LongArrow | BinaryOperator::HashLongArrow => Arc::clone(&self.get_text),
            BinaryOperator::Question => Arc::clone(&self.contains),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let is_path = matches!(expr.op, BinaryOperator::HashArrow | BinaryOperator::HashLongArrow);
        let steps = match literal_text(&expr.right) {
            Some(path) if is_path && path.starts_with('{') && path.ends_with('}') => path_steps(path),
            _ => vec![step(expr.right, schema)?],
        };
        let mut arguments = self.flattened(expr.left, &steps);
        arguments.extend(steps);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction::new_udf(function, arguments))))
    }
}

impl JsonOperators {
    /// The arguments of an inner `->` with a literal path, to be continued; or the expression itself.
    fn flattened(&self, left: Expr, steps: &[Expr]) -> Vec<Expr> {
        let is_literal = |expr: &Expr| matches!(expr, Expr::Literal(..));
        match left {
            Expr::ScalarFunction(call)
                if call.func == self.get && call.args[1..].iter().chain(steps).all(is_literal) =>
            {
                call.args
            }
            other => vec![other],
        }
    }
}

/// One step: a key, or an index of the one integer type the functions take.
fn step(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    match expr.get_type(schema)? {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
            Ok(Expr::Cast(Cast::new(Box::new(expr), DataType::Int64)))
        }
        _ => Ok(expr),
    }
}

fn literal_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

/// The steps of a path written as PostgreSQL's text array, `{a,0,"b c"}`; whole numbers are indexes.
fn path_steps(path: &str) -> Vec<Expr> {
    let inner = &path[1..path.len() - 1];
    let steps = inner.split(',').map(str::trim).filter(|step| !step.is_empty()).map(|step| {
        let value = match (step.strip_prefix('"').and_then(|step| step.strip_suffix('"')), step.parse()) {
            (Some(quoted), _) => ScalarValue::from(quoted),
            (None, Ok(index)) => ScalarValue::Int64(Some(index)),
            (None, Err(_)) => ScalarValue::from(step),
        };
        Expr::Literal(value, None)
    });
    steps.collect()
}
