//! GROUP BY: by algebra where every aggregate has one, by recomputation of the touched groups where one has not.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate as LogicalAggregate, Expr, GroupingSet, LogicalPlan};
use datafusion::physical_expr::expressions::{CaseExpr, CastExpr, Literal};

use super::super::lir::{Aggregate, AggregateKind, Arranged, Layout, NodeRef, Operator};
use super::{ExprRef, Lowering, column, data_type};
use crate::model::{SqlError, SqlResult};

impl Lowering<'_> {
    pub(super) fn aggregate(&mut self, aggregate: &LogicalAggregate) -> SqlResult<NodeRef> {
        let input = self.plan(&aggregate.input)?;
        let names = Arc::clone(aggregate.schema.inner());
        let (input, keys, sets) = match aggregate.group_expr.as_slice() {
            [Expr::GroupingSet(sets)] => self.grouping_sets(input, aggregate, sets)?,
            plain => {
                let keys = plain
                    .iter()
                    .map(|e| self.expression(e, aggregate.input.schema()))
                    .collect::<SqlResult<Vec<_>>>()?;
                let always = keys.is_empty().then(|| {
                    RecordBatch::try_new_with_options(
                        Arc::new(Schema::empty()),
                        vec![],
                        &RecordBatchOptions::new().with_row_count(Some(1)),
                    )
                });
                (input, keys, always.transpose().map_err(|e| SqlError::internal(e.to_string()))?)
            }
        };
        let functions = aggregate.aggr_expr.iter().map(aggregate_function).collect::<SqlResult<Vec<_>>>()?;
        let grouping = names.fields().len() - functions.len();
        let results: Vec<DataType> = names.fields()[grouping..].iter().map(|f| f.data_type().clone()).collect();
        let kinds: Option<Vec<AggregateKind>> =
            functions.iter().zip(&results).map(|(f, r)| self.kind(f, r, aggregate)).collect();
        match kinds {
            Some(kinds) => self.reduce(input, aggregate, keys, &functions, kinds, results, sets, &names),
            None => self.recompute_aggregate(input, aggregate, keys, sets, &names),
        }
    }

    /// One copy of the input per grouping set, the columns it leaves out NULL, and the set's number as a last key column.
    fn grouping_sets(
        &mut self,
        input: NodeRef,
        aggregate: &LogicalAggregate,
        sets: &GroupingSet,
    ) -> SqlResult<(NodeRef, Vec<ExprRef>, Option<RecordBatch>)> {
        let all: Vec<Expr> = sets.distinct_expr().into_iter().cloned().collect();
        let sets: Vec<Vec<Expr>> = match sets {
            GroupingSet::GroupingSets(sets) => sets.clone(),
            GroupingSet::Rollup(columns) => (0..=columns.len()).rev().map(|n| columns[..n].to_vec()).collect(),
            GroupingSet::Cube(columns) => (0..1usize << columns.len())
                .map(|mask| {
                    columns.iter().enumerate().filter(|(i, _)| mask >> i & 1 == 0).map(|(_, e)| e.clone()).collect()
                })
                .collect(),
        };
        let keys = all.iter().map(|e| self.expression(e, aggregate.input.schema())).collect::<SqlResult<Vec<_>>>()?;
        let id_type = aggregate.schema.field(all.len()).data_type().clone();
        let width = input.schema.fields().len();
        let (mut copies, mut seen, mut always) = (vec![], vec![], vec![]);
        for set in &sets {
            let missing: Vec<bool> = all.iter().map(|e| !set.contains(e)).collect();
            let mask = missing.iter().fold(0u64, |mask, m| mask << 1 | u64::from(*m));
            // The same set twice is two groups: the number's high bits count the repetition.
            let repetition = seen.iter().filter(|s| **s == mask).count() as u64;
            seen.push(mask);
            let id = ScalarValue::UInt64(Some(repetition << all.len() | mask))
                .cast_to(&id_type)
                .map_err(|e| self.error(e))?;
            let mut expressions: Vec<ExprRef> = (0..width).map(|i| column(&input, i)).collect();
            let mut empty_key: Vec<ScalarValue> = vec![];
            for (key, missing) in keys.iter().zip(&missing) {
                let null = ScalarValue::try_from(&data_type(key, &input.schema)).map_err(|e| self.error(e))?;
                empty_key.push(null.clone());
                expressions.push(if *missing { Arc::new(Literal::new(null)) } else { Arc::clone(key) });
            }
            empty_key.push(id.clone());
            expressions.push(Arc::new(Literal::new(id)));
            if set.is_empty() {
                always.push(empty_key);
            }
            let names = Arc::clone(&input.schema);
            copies.push(self.map_project(Arc::clone(&input), expressions, &names));
        }
        let schema = Arc::clone(&copies[0].schema);
        let always =
            if always.is_empty() { None } else { Some(key_rows(&schema, width, always).map_err(|e| self.error(e))?) };
        let node = self.node(Operator::Union { inputs: copies }, schema, vec![]);
        let keys = (width..width + all.len() + 1).map(|i| column(&node, i)).collect();
        Ok((node, keys, always))
    }

    /// How the aggregate is kept, if it has an algebra.
    fn kind(
        &self,
        function: &AggregateFunction,
        result: &DataType,
        aggregate: &LogicalAggregate,
    ) -> Option<AggregateKind> {
        use AggregateKind::*;
        let params = &function.params;
        if params.args.len() > 1 || params.null_treatment.is_some() {
            return None;
        }
        let argument = params.args.first().and_then(|a| a.get_type_of(aggregate))?;
        let float = matches!(argument, DataType::Float64 | DataType::Float32);
        let name = function.func.name();
        if params.distinct {
            return match name {
                "count" => Some(CountDistinct),
                "min" => Some(Min),
                "max" => Some(Max),
                _ => None,
            };
        }
        match name {
            "count" if matches!(params.args[0], Expr::Literal(ref v, _) if !v.is_null()) && params.filter.is_none() => {
                Some(CountRows)
            }
            "count" => Some(Count),
            "min" if orderable(&argument) => Some(Min),
            "max" if orderable(&argument) => Some(Max),
            "sum" if float || matches!(result, DataType::Int64 | DataType::UInt64 | DataType::Decimal128(..)) => {
                Some(Sum)
            }
            "avg" if float && result == &DataType::Float64 => Some(Average),
            "avg" if matches!((&argument, result), (DataType::Decimal128(..), DataType::Decimal128(..))) => {
                Some(Average)
            }
            "bool_and" => Some(And),
            "bool_or" => Some(Or),
            "var" | "var_samp" if float => Some(Variance { population: false, root: false }),
            "var_pop" if float => Some(Variance { population: true, root: false }),
            "stddev" | "stddev_samp" if float => Some(Variance { population: false, root: true }),
            "stddev_pop" if float => Some(Variance { population: true, root: true }),
            _ => None,
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one GROUP BY, used here only")]
    fn reduce(
        &mut self,
        input: NodeRef,
        aggregate: &LogicalAggregate,
        keys: Vec<ExprRef>,
        functions: &[AggregateFunction],
        kinds: Vec<AggregateKind>,
        results: Vec<DataType>,
        always: Option<RecordBatch>,
        names: &SchemaRef,
    ) -> SqlResult<NodeRef> {
        let key = keys.len();
        let mut expressions = keys;
        let mut aggregates = vec![];
        for ((function, kind), result) in functions.iter().zip(kinds).zip(results) {
            let mut column = 0;
            if kind != AggregateKind::CountRows {
                let argument = self.argument(function, aggregate, kind, &result, &input)?;
                column =
                    key + expressions[key..].iter().position(|e| e == &argument).unwrap_or(expressions.len() - key);
                if column == expressions.len() {
                    expressions.push(argument);
                }
            }
            aggregates.push(Aggregate { kind, column, result });
        }
        let projected = self.map_project(input, expressions, names);
        let unique = vec![(0..key).collect()];
        let operator = Operator::Reduce { input: projected, key, aggregates, always };
        Ok(self.node(operator, Arc::clone(names), unique))
    }

    /// The argument as a column: NULL where the aggregate's FILTER is not true, in the type sums are kept in.
    fn argument(
        &self,
        function: &AggregateFunction,
        aggregate: &LogicalAggregate,
        kind: AggregateKind,
        result: &DataType,
        input: &NodeRef,
    ) -> SqlResult<ExprRef> {
        let schema = aggregate.input.schema();
        let mut argument = self.expression(&function.params.args[0], schema)?;
        let from = data_type(&argument, &input.schema);
        let to = match (kind, result) {
            (AggregateKind::Sum, DataType::Decimal128(..)) | (AggregateKind::Average, DataType::Decimal128(..)) => {
                from.clone()
            }
            (AggregateKind::Sum, DataType::Int64 | DataType::UInt64) => result.clone(),
            (AggregateKind::Sum | AggregateKind::Average | AggregateKind::Variance { .. }, _) => DataType::Float64,
            _ => from.clone(),
        };
        if to != from {
            argument = Arc::new(CastExpr::new(argument, to, None));
        }
        if let Some(filter) = &function.params.filter {
            let filter = self.expression(filter, schema)?;
            let case = CaseExpr::try_new(None, vec![(filter, argument)], None).map_err(|e| self.error(e))?;
            argument = Arc::new(case);
        }
        Ok(argument)
    }

    fn recompute_aggregate(
        &mut self,
        input: NodeRef,
        aggregate: &LogicalAggregate,
        keys: Vec<ExprRef>,
        always: Option<RecordBatch>,
        names: &SchemaRef,
    ) -> SqlResult<NodeRef> {
        if matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]) {
            return Err(SqlError::unsupported("GROUPING SETS, ROLLUP and CUBE work with sum, count, avg, min, max, bool_and/or, stddev and variance only")
                .hint("write one GROUP BY per grouping set and join them with UNION ALL"));
        }
        let (node, group) = self.with_columns(input, &keys);
        let width = aggregate.input.schema().fields().len();
        // The fragment computes its own keys from the first columns.
        let leaf = crate::plan::fragment::rows(aggregate.input.schema()).map_err(|e| self.error(e))?;
        let fragment =
            LogicalAggregate::try_new(Arc::new(leaf), aggregate.group_expr.clone(), aggregate.aggr_expr.clone())
                .map_err(|e| self.error(e))?;
        let layout = Layout::new(group.clone(), node.schema.fields().len());
        debug_assert!(width <= node.schema.fields().len());
        let label = aggregate.aggr_expr.iter().map(|e| e.to_string()).collect::<Vec<_>>().join(", ");
        if group.is_empty() {
            self.warnings.push(format!("{label} without GROUP BY is recomputed over all rows on every change"));
        }
        let input = Arranged { input: node, layout };
        let operator = self.recompute(input, LogicalPlan::Aggregate(fragment), always.is_some(), label)?;
        let unique = vec![(0..aggregate.group_expr.len()).collect()];
        Ok(self.node(operator, Arc::clone(names), unique))
    }
}

fn aggregate_function(expression: &Expr) -> SqlResult<AggregateFunction> {
    match expression {
        Expr::AggregateFunction(function) => Ok(function.clone()),
        Expr::Alias(alias) => aggregate_function(&alias.expr),
        other => Err(SqlError::internal(format!("not an aggregate: {other}"))),
    }
}

fn key_rows(schema: &SchemaRef, from: usize, rows: Vec<Vec<ScalarValue>>) -> datafusion::error::Result<RecordBatch> {
    let fields = schema.fields()[from..].to_vec();
    let columns: Vec<ArrayRef> = (0..fields.len())
        .map(|c| ScalarValue::iter_to_array(rows.iter().map(|r| r[c].clone())))
        .collect::<Result<_, _>>()?;
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// Whether values order as their encoded bytes do, as `min` and `max` need.
fn orderable(data_type: &DataType) -> bool {
    data_type.is_primitive() && !matches!(data_type, DataType::Interval(_))
        || matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::Boolean)
}

/// The type of an expression over an aggregate's input.
trait TypeOf {
    fn get_type_of(&self, aggregate: &LogicalAggregate) -> Option<DataType>;
}

impl TypeOf for Expr {
    fn get_type_of(&self, aggregate: &LogicalAggregate) -> Option<DataType> {
        use datafusion::logical_expr::ExprSchemable;
        self.get_type(aggregate.input.schema().as_ref()).ok()
    }
}
