//! Aggregates over window frames that move, `sum(x) OVER (ORDER BY t ROWS 9 PRECEDING)`, evaluated anew from each frame's rows.
//!
//! DataFusion takes the rows that leave a frame off the sum of those before. Floats drift by that (`1e17 + 1 - 1e17` is 0), variances turn
//! negative, and functions that can't take a row back are refused. Sums and averages of integers and decimals, counts and extremes stay
//! DataFusion's: they are exact. The price is the length of the frame per row.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, ExprSchemable, LogicalPlan, Signature, WindowFunctionDefinition,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_plan::PhysicalExpr;

/// Puts [`Anew`] around the aggregates that need it. Types are known already.
#[derive(Debug)]
pub(super) struct FramesAnew;

impl AnalyzerRule for FramesAnew {
    fn name(&self) -> &str {
        "frames_anew"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            if !matches!(plan, LogicalPlan::Window(_)) {
                return Ok(Transformed::no(plan));
            }
            let schema = merge_schema(&plan.inputs());
            plan.map_expressions(|expr| {
                expr.transform_up(|expr| {
                    let is_float = expr.get_type(&schema).is_ok_and(|result| result.is_floating());
                    let Expr::WindowFunction(mut function) = expr else { return Ok(Transformed::no(expr)) };
                    let WindowFunctionDefinition::AggregateUDF(aggregate) = &function.fun else {
                        return Ok(Transformed::no(Expr::WindowFunction(function)));
                    };
                    if !moves(&function) || aggregate.inner().is::<Anew>() || is_exact(&function, is_float) {
                        return Ok(Transformed::no(Expr::WindowFunction(function)));
                    }
                    let anew = AggregateUDF::new_from_impl(Anew { inner: Arc::clone(aggregate) });
                    function.fun = WindowFunctionDefinition::AggregateUDF(Arc::new(anew));
                    Ok(Transformed::yes(Expr::WindowFunction(function)))
                })
            })
        })
        .data()
    }
}

/// Whether rows leave the function's frame.
fn moves(function: &WindowFunction) -> bool {
    !function.params.window_frame.start_bound.is_unbounded()
}

/// Whether DataFusion's way of taking rows back is exact.
fn is_exact(function: &WindowFunction, is_float: bool) -> bool {
    let params = &function.params;
    !params.distinct
        && match function.fun.name() {
            "count" | "min" | "max" => true,
            "sum" | "avg" => !is_float,
            _ => false,
        }
}

/// An aggregate that can lose rows again: it keeps them.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Anew {
    inner: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for Anew {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field(&self, arguments: &[FieldRef]) -> Result<FieldRef> {
        self.inner.return_field(arguments)
    }

    fn is_nullable(&self) -> bool {
        self.inner.is_nullable()
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.inner().coerce_types(arguments)
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(arguments)
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.inner.default_value(data_type)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.inner.supports_null_handling_clause()
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let call = Call {
            function: Arc::clone(&self.inner),
            return_field: arguments.return_field,
            schema: arguments.schema.clone(),
            ignore_nulls: arguments.ignore_nulls,
            order_bys: arguments.order_bys.to_vec(),
            is_reversed: arguments.is_reversed,
            name: arguments.name.to_string(),
            is_distinct: arguments.is_distinct,
            exprs: arguments.exprs.to_vec(),
            expr_fields: arguments.expr_fields.to_vec(),
        };
        Ok(Box::new(Frame { call, rows: VecDeque::new() }))
    }
}

/// What an accumulator is made of.
#[derive(Debug)]
struct Call {
    function: Arc<AggregateUDF>,
    return_field: FieldRef,
    schema: Schema,
    ignore_nulls: bool,
    order_bys: Vec<PhysicalSortExpr>,
    is_reversed: bool,
    name: String,
    is_distinct: bool,
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    expr_fields: Vec<FieldRef>,
}

impl Call {
    fn accumulator(&self) -> Result<Box<dyn Accumulator>> {
        self.function.accumulator(AccumulatorArgs {
            return_field: Arc::clone(&self.return_field),
            schema: &self.schema,
            ignore_nulls: self.ignore_nulls,
            order_bys: &self.order_bys,
            is_reversed: self.is_reversed,
            name: &self.name,
            is_distinct: self.is_distinct,
            exprs: &self.exprs,
            expr_fields: &self.expr_fields,
        })
    }
}

/// The arguments of the rows in the frame, oldest first.
#[derive(Debug)]
struct Frame {
    call: Call,
    rows: VecDeque<Vec<ArrayRef>>,
}

impl Frame {
    fn full(&self) -> Result<Box<dyn Accumulator>> {
        let mut accumulator = self.call.accumulator()?;
        self.rows.iter().try_for_each(|values| accumulator.update_batch(values))?;
        Ok(accumulator)
    }
}

impl Accumulator for Frame {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.rows.push_back(values.to_vec());
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let mut left = values.first().map_or(0, |value| value.len());
        while left > 0 {
            let Some(oldest) = self.rows.pop_front() else { break };
            let len = oldest.first().map_or(0, |value| value.len());
            if len > left {
                self.rows.push_front(oldest.iter().map(|value| value.slice(left, len - left)).collect());
            }
            left -= left.min(len);
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.full()?.evaluate()
    }

    fn size(&self) -> usize {
        let of_values = |values: &Vec<ArrayRef>| values.iter().map(|v| v.get_array_memory_size()).sum::<usize>();
        size_of_val(self) + self.rows.iter().map(of_values).sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.full()?.state()
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        datafusion::common::internal_err!("frames are not merged")
    }
}
