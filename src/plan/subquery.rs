//! Subqueries as values: DataFusion joins them, which is right only if each yields one row. Here those that may yield more are
//! made to, as PostgreSQL reads them.
//!
//! - `(SELECT x FROM t WHERE …)`: the one row's value, NULL without a row, an error with several.
//! - `(SELECT x FROM t WHERE … ORDER BY y LIMIT 1)`, correlated: the first row's value.
//! - `x NOT IN (…)`, correlated, is refused.
//! - `EXISTS (…)` as a value, outside of WHERE: whether its count is above zero.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err};
use datafusion::functions_aggregate::count::count_all;
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, Exists};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, FetchType, LogicalPlan, LogicalPlanBuilder, Signature, SkipType,
    SortExpr, Subquery, Volatility, lit,
};
use std::sync::Arc;

use crate::model::SqlError;

/// The plan with every subquery that stands for a value made to yield one row.
pub fn one_row_each(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| {
        let is_filter = matches!(plan, LogicalPlan::Filter(_));
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|expr| match expr {
                Expr::ScalarSubquery(subquery) => Ok(scalar(subquery)?.update_data(Expr::ScalarSubquery)),
                Expr::Exists(exists) if !is_filter => Ok(Transformed::yes(counted(exists)?)),
                Expr::InSubquery(within) if within.negated && !within.subquery.outer_ref_columns.is_empty() => {
                    Err(DataFusionError::External(Box::new(correlated_not_in())))
                }
                other => Ok(Transformed::no(other)),
            })?;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })
    })?;
    Ok(rewritten.data)
}

/// Refusal of `x NOT IN (correlated subquery)`: a join can't tell the NULLs of one outer row from those of another.
pub fn correlated_not_in() -> SqlError {
    SqlError::unsupported("NOT IN with a correlated subquery is not supported")
        .hint("write NOT EXISTS (SELECT … WHERE inner.x = outer.x AND …)")
}

fn scalar(subquery: Subquery) -> Result<Transformed<Subquery>> {
    let is_correlated = !subquery.outer_ref_columns.is_empty();
    let plan = subquery.subquery.as_ref();
    if plan.schema().fields().len() != 1 {
        return Ok(Transformed::no(subquery));
    }
    let (input, value, order, function) = match First::of(plan).filter(|_| is_correlated) {
        Some(first) => (first.input.clone(), first.value, first.order, first_value_udaf()),
        None if plan.max_rows().is_some_and(|rows| rows <= 1) => return Ok(Transformed::no(subquery)),
        None => {
            let value = Expr::Column(plan.schema().columns().remove(0));
            (plan.clone(), value, vec![], Arc::new(AggregateUDF::new_from_impl(SingleValue::default())))
        }
    };
    let value = AggregateFunction::new_udf(function, vec![value], false, None, order, None);
    let plan = aggregate(input, Expr::AggregateFunction(value))?;
    Ok(Transformed::yes(subquery.with_plan(Arc::new(plan))))
}

fn counted(exists: Exists) -> Result<Expr> {
    let count = aggregate(exists.subquery.subquery.as_ref().clone(), count_all())?;
    let count = Expr::ScalarSubquery(exists.subquery.with_plan(Arc::new(count)));
    Ok(if exists.negated { count.eq(lit(0i64)) } else { count.gt(lit(0i64)) })
}

fn aggregate(input: LogicalPlan, value: Expr) -> Result<LogicalPlan> {
    LogicalPlanBuilder::from(input).aggregate(Vec::<Expr>::new(), vec![value])?.build()
}

/// `SELECT value FROM input ORDER BY order LIMIT 1`.
struct First<'a> {
    input: &'a LogicalPlan,
    value: Expr,
    order: Vec<SortExpr>,
}

impl<'a> First<'a> {
    fn of(plan: &'a LogicalPlan) -> Option<First<'a>> {
        let LogicalPlan::Limit(limit) = plan else { return None };
        let is_first = matches!(limit.get_skip_type(), Ok(SkipType::Literal(0)))
            && matches!(limit.get_fetch_type(), Ok(FetchType::Literal(Some(1))));
        if !is_first {
            return None;
        }
        // Columns the order needs besides hide the sort below a projection.
        let (sorted, value) = match limit.input.as_ref() {
            LogicalPlan::Projection(projection) if matches!(projection.input.as_ref(), LogicalPlan::Sort(_)) => {
                (projection.input.as_ref(), projection.expr[0].clone().unalias())
            }
            other => (other, Expr::Column(other.schema().columns().remove(0))),
        };
        Some(match sorted {
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
                First { input: sort.input.as_ref(), value, order: sort.expr.clone() }
            }
            unordered => First { input: unordered, value, order: vec![] },
        })
    }
}

/// The one value there is; NULL without any, an error with several.
#[derive(Debug, PartialEq, Eq, Hash)]
struct SingleValue {
    signature: Signature,
}

impl Default for SingleValue {
    fn default() -> Self {
        SingleValue { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for SingleValue {
    fn name(&self) -> &str {
        "single_value"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Single { value: ScalarValue::try_from(arguments.return_field.data_type())?, rows: 0 }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let value = Field::new("value", arguments.return_field.data_type().clone(), true);
        Ok(vec![Arc::new(value), Arc::new(Field::new("rows", DataType::Int64, false))])
    }
}

#[derive(Debug)]
struct Single {
    value: ScalarValue,
    rows: i64,
}

impl Single {
    fn take(&mut self, value: ScalarValue, rows: i64) -> Result<()> {
        if rows > 0 {
            (self.value, self.rows) = (value, self.rows + rows);
        }
        if self.rows > 1 {
            return exec_err!("more than one row returned by a subquery used as an expression");
        }
        Ok(())
    }
}

impl Accumulator for Single {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        (0..values[0].len()).try_for_each(|at| self.take(ScalarValue::try_from_array(&values[0], at)?, 1))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        (0..states[0].len()).try_for_each(|at| match ScalarValue::try_from_array(&states[1], at)? {
            ScalarValue::Int64(Some(rows)) => self.take(ScalarValue::try_from_array(&states[0], at)?, rows),
            other => exec_err!("a count is no {other}"),
        })
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), ScalarValue::Int64(Some(self.rows))])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size()
    }
}
