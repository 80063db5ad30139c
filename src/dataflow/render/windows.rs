//! Window functions over many small partitions.
//!
//! DataFusion evaluates a window function partition by partition, at a microsecond or two each; a tick's groups are tens of thousands of
//! partitions of a few rows. Here the common ones are evaluated over all partitions at once: `row_number`, aggregates over the whole
//! partition, and aggregates over the rows so far. The accumulators are DataFusion's. Whatever else a plan has stays with DataFusion.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, partition, take};
use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{EmitTo, Expr, LogicalPlan, WindowFrame, WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::window::{
    PlainAggregateWindowExpr, SlidingAggregateWindowExpr, StandardWindowExpr, WindowExpr,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};

/// Window functions over one partitioning.
pub(crate) struct Windows {
    functions: Vec<(Arc<dyn WindowExpr>, Kind)>,
    schema: SchemaRef,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    RowNumber,
    /// Over the partition.
    Whole,
    /// Over the rows up to and with each.
    SoFar,
}

impl Windows {
    /// Takes the window functions off a plan's top if all of them are of the common kinds; with what is below, sorted as they need it.
    pub(crate) fn take_off(
        logical: &LogicalPlan,
        plan: &Arc<dyn ExecutionPlan>,
    ) -> Option<(Windows, Arc<dyn ExecutionPlan>)> {
        let LogicalPlan::Window(window) = logical else { return None };
        let is_plain = |expression: &Expr| match expression.clone().unalias() {
            Expr::WindowFunction(function) => function.params.filter.is_none() && !function.params.distinct,
            _ => false,
        };
        let (functions, input) = if let Some(exec) = plan.downcast_ref::<WindowAggExec>() {
            (exec.window_expr(), exec.input())
        } else {
            let exec = plan.downcast_ref::<BoundedWindowAggExec>()?;
            (exec.window_expr(), exec.input())
        };
        // Without partitions DataFusion's evaluation is as good.
        let keys = functions.first()?.partition_by();
        let is_partitioned = !keys.is_empty() && functions.iter().all(|f| f.partition_by() == keys);
        if !is_partitioned || functions.len() != window.window_expr.len() || !window.window_expr.iter().all(is_plain) {
            return None;
        }
        let functions = functions.iter().map(|f| Some((Arc::clone(f), kind(f.as_ref())?))).collect::<Option<_>>()?;
        Some((Windows { functions, schema: plan.schema() }, Arc::clone(input)))
    }

    /// The rows with the functions' columns behind theirs. Rows come sorted by partition, then as the functions ask.
    pub(crate) fn evaluate(&self, rows: &[RecordBatch]) -> Result<Vec<RecordBatch>> {
        let Some(first) = rows.first() else { return Ok(vec![]) };
        let all = concat_batches(&first.schema(), rows)?;
        let keys = self.functions[0].0.partition_by().iter().map(|key| key.evaluate(&all)?.into_array(all.num_rows()));
        let partitions = partition(&keys.collect::<Result<Vec<ArrayRef>>>()?)?.ranges();
        // Per row its partition.
        let numbers: Vec<usize> =
            partitions.iter().enumerate().flat_map(|(at, range)| std::iter::repeat_n(at, range.len())).collect();
        let spread = UInt64Array::from_iter_values(numbers.iter().map(|at| *at as u64));
        let mut columns = all.columns().to_vec();
        for (function, kind) in &self.functions {
            columns.push(match (kind, aggregate(function.as_ref())) {
                (Kind::Whole, Some(aggregate)) => {
                    let values = function.evaluate_args(&all)?;
                    take(&per_partition(aggregate, &values, &partitions, &numbers)?, &spread, None)?
                }
                (Kind::SoFar, Some(aggregate)) => so_far(aggregate, &function.evaluate_args(&all)?, &partitions)?,
                _ => Arc::new(UInt64Array::from_iter_values(partitions.iter().flat_map(|r| 1..=r.len() as u64))),
            });
        }
        Ok(vec![RecordBatch::try_new(Arc::clone(&self.schema), columns)?])
    }
}

/// The aggregate function of a window function, if it is one.
fn aggregate(function: &dyn WindowExpr) -> Option<&AggregateFunctionExpr> {
    let function = function.as_any();
    let sliding = || function.downcast_ref::<SlidingAggregateWindowExpr>().map(|f| f.get_aggregate_expr());
    function.downcast_ref::<PlainAggregateWindowExpr>().map(|f| f.get_aggregate_expr()).or_else(sliding)
}

fn kind(function: &dyn WindowExpr) -> Option<Kind> {
    if let Some(standard) = function.as_any().downcast_ref::<StandardWindowExpr>() {
        return standard.get_standard_func_expr().name().starts_with("row_number").then_some(Kind::RowNumber);
    }
    let aggregate = aggregate(function)?;
    if aggregate.ignore_nulls() || !aggregate.order_bys().is_empty() {
        return None;
    }
    let WindowFrame { units, start_bound: start, end_bound: end, .. } = function.get_window_frame().as_ref();
    match (start.is_unbounded(), end.is_unbounded()) {
        (true, true) => Some(Kind::Whole),
        (true, false) if *units == WindowFrameUnits::Rows && matches!(end, WindowFrameBound::CurrentRow) => {
            Some(Kind::SoFar)
        }
        _ => None,
    }
}

/// The aggregate's value per partition.
fn per_partition(
    aggregate: &AggregateFunctionExpr,
    values: &[ArrayRef],
    partitions: &[Range<usize>],
    numbers: &[usize],
) -> Result<ArrayRef> {
    if aggregate.groups_accumulator_supported() {
        let mut groups = aggregate.create_groups_accumulator()?;
        groups.update_batch(values, numbers, None, partitions.len())?;
        return groups.evaluate(EmitTo::All);
    }
    let of_partition = |range: &Range<usize>| {
        let mut accumulator = aggregate.create_accumulator()?;
        accumulator.update_batch(&slices(values, range))?;
        accumulator.evaluate()
    };
    ScalarValue::iter_to_array(partitions.iter().map(of_partition).collect::<Result<Vec<_>>>()?)
}

/// The aggregate's value per row over its partition's rows up to it.
fn so_far(aggregate: &AggregateFunctionExpr, values: &[ArrayRef], partitions: &[Range<usize>]) -> Result<ArrayRef> {
    let mut results = vec![];
    for range in partitions {
        let mut accumulator = aggregate.create_accumulator()?;
        for row in range.clone() {
            accumulator.update_batch(&slices(values, &(row..row + 1)))?;
            results.push(accumulator.evaluate()?);
        }
    }
    ScalarValue::iter_to_array(results)
}

fn slices(values: &[ArrayRef], range: &Range<usize>) -> Vec<ArrayRef> {
    values.iter().map(|value| value.slice(range.start, range.len())).collect()
}
