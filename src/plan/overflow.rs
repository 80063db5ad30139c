//! Integer arithmetic that fails instead of wrapping: DataFusion's `+`, `-` and `*` wrap, PostgreSQL's do not (SQLSTATE 22003).
//!
//! [`checked`] is for whoever evaluates physical expressions; ad-hoc queries get it by a physical optimizer rule, in projections
//! and filters. Not covered there: expressions inside join conditions, aggregates' arguments and sorts of ad-hoc queries, and the
//! sums of `sum(bigint)`, which wrap.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::BinaryExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

/// The expression with arithmetic that reports overflow.
pub fn checked(expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
    let changed = expr.transform_up(|expr| {
        let Some(binary) = expr.downcast_ref::<BinaryExpr>() else { return Ok(Transformed::no(expr)) };
        if !matches!(binary.op(), Operator::Plus | Operator::Minus | Operator::Multiply) {
            return Ok(Transformed::no(expr));
        }
        Ok(Transformed::yes(Arc::new(binary.clone().with_fail_on_overflow(true))))
    })?;
    Ok(changed.data)
}

/// [`checked`] for the projections and filters of ad-hoc queries.
#[derive(Debug)]
pub(super) struct CheckedArithmetic;

impl PhysicalOptimizerRule for CheckedArithmetic {
    fn name(&self) -> &str {
        "checked_arithmetic"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let changed = plan.transform_up(|plan| {
            if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
                let columns = projection.expr().iter().map(|column| {
                    Ok(ProjectionExpr { expr: checked(Arc::clone(&column.expr))?, alias: column.alias.clone() })
                });
                let columns = columns.collect::<Result<Vec<_>>>()?;
                let changed = ProjectionExec::try_new(columns, Arc::clone(projection.input()))?;
                return Ok(Transformed::yes(Arc::new(changed)));
            }
            if let Some(filter) = plan.downcast_ref::<FilterExec>() {
                let predicate = checked(Arc::clone(filter.predicate()))?;
                let changed = FilterExecBuilder::from(filter).with_predicate(predicate).build()?;
                return Ok(Transformed::yes(Arc::new(changed)));
            }
            Ok(Transformed::no(plan))
        })?;
        Ok(changed.data)
    }
}
