//! `FROM t, unnest(t.tags) AS tag`: a join with an array of the row itself. DataFusion plans it as a correlated subquery that
//! nothing of it can run; here it becomes an unnest above the other side, which everything can.
//!
//! Done for inner and cross joins with any condition, and for `LEFT JOIN … ON true` (a row without elements stays, with NULL).
//! Left as it is, to be refused later: other join types, anything but `unnest` on the right, references further out.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, JoinType, NullHandling, Result, ScalarValue, TableReference};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, LogicalPlanBuilder, Projection, Unnest};
use datafusion::optimizer::AnalyzerRule;

/// [`unnest_lateral`] among DataFusion's analyzer rules.
#[derive(Debug)]
pub(super) struct UnnestLateral;

impl AnalyzerRule for UnnestLateral {
    fn name(&self) -> &str {
        "unnest_lateral"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        unnest_lateral(plan)
    }
}

/// The plan with every lateral unnest that can be rewritten, rewritten.
pub fn unnest_lateral(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| {
        let LogicalPlan::Join(join) = &plan else { return Ok(Transformed::no(plan)) };
        let Some(lateral) = Lateral::of(join) else { return Ok(Transformed::no(plan)) };
        lateral.above(join).map(Transformed::yes)
    })?;
    Ok(rewritten.data)
}

/// The right side of a join that unnests arrays of the left: results ← unnest ← arrays.
struct Lateral<'a> {
    alias: &'a TableReference,
    results: Vec<(String, Expr)>,
    unnest: &'a Unnest,
    arrays: Vec<Expr>,
}

impl<'a> Lateral<'a> {
    /// `None` if the join is none that can be rewritten.
    fn of(join: &'a Join) -> Option<Self> {
        let keeps_left = join.join_type == JoinType::Left && join.on.is_empty() && is_true(join.filter.as_ref());
        if join.join_type != JoinType::Inner && !keeps_left {
            return None;
        }
        let LogicalPlan::SubqueryAlias(aliased) = join.right.as_ref() else { return None };
        let LogicalPlan::Subquery(subquery) = aliased.input.as_ref() else { return None };
        let mut projections: Vec<&Projection> = Vec::new();
        let mut plan = subquery.subquery.as_ref();
        while let LogicalPlan::Projection(projection) = plan {
            projections.push(projection);
            plan = projection.input.as_ref();
        }
        let LogicalPlan::Unnest(unnest) = plan else { return None };
        let LogicalPlan::Projection(arrays) = unnest.input.as_ref() else { return None };
        if !matches!(arrays.input.as_ref(), LogicalPlan::EmptyRelation(empty) if empty.produce_one_row) {
            return None;
        }
        let arrays = arrays.expr.iter().map(|expr| of_left(expr, join)).collect::<Option<Vec<_>>>()?;
        let mut results = HashMap::new();
        for projection in projections.iter().rev() {
            let named = projection.schema.fields().iter().map(|field| field.name().clone());
            let outputs = projection.expr.iter().map(|expr| substituted(expr, &results));
            results = named.zip(outputs).map(|(name, expr)| Some((name, expr?))).collect::<Option<_>>()?;
        }
        let names = aliased.schema.fields().iter().zip(subquery.subquery.schema().fields());
        let results = names.map(|(name, inner)| Some((name.name().clone(), results.remove(inner.name())?)));
        Some(Lateral { alias: &aliased.alias, results: results.collect::<Option<_>>()?, unnest, arrays })
    }

    /// The join's replacement.
    fn above(self, join: &Join) -> Result<LogicalPlan> {
        let left_columns = join.left.schema().columns().into_iter().map(Expr::Column).collect::<Vec<_>>();
        let keeps_left = join.join_type == JoinType::Left;
        let without_elements = if keeps_left { NullHandling::PreserveAndExpandEmpty } else { NullHandling::Drop };
        let options = self.unnest.options.clone().with_null_handling(without_elements);
        let placeholders = self.unnest.exec_columns.clone();
        let results = self.results.into_iter().map(|(name, expr)| expr.alias_qualified(Some(self.alias.clone()), name));
        let plan = LogicalPlanBuilder::new_from_arc(Arc::clone(&join.left))
            .project(left_columns.iter().cloned().chain(self.arrays))?
            .unnest_columns_with_options(placeholders, options)?
            .project(left_columns.into_iter().chain(results))?;
        let on = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
        let condition = conjunction(on.chain(join.filter.clone().filter(|_| !keeps_left)));
        match condition.filter(|condition| !is_true(Some(condition))) {
            Some(condition) => plan.filter(condition)?.build(),
            None => plan.build(),
        }
    }
}

fn is_true(condition: Option<&Expr>) -> bool {
    matches!(condition, None | Some(Expr::Literal(ScalarValue::Boolean(Some(true)), _)))
}

/// The expression with references to the outer row as columns of the join's left side.
fn of_left(expr: &Expr, join: &Join) -> Option<Expr> {
    let mut is_known = true;
    let replaced = expr.clone().transform(|expr| {
        let Expr::OuterReferenceColumn(_, column) = expr else { return Ok(Transformed::no(expr)) };
        is_known &= join.left.schema().has_column(&column);
        Ok(Transformed::yes(Expr::Column(column)))
    });
    replaced.ok().filter(|_| is_known).map(|replaced| replaced.data)
}

/// The expression with columns of the projection below it replaced by what they stand for.
fn substituted(expr: &Expr, below: &HashMap<String, Expr>) -> Option<Expr> {
    let replaced = expr.clone().unalias().transform(|expr| match &expr {
        Expr::Column(Column { name, .. }) if below.contains_key(name) => Ok(Transformed::yes(below[name].clone())),
        _ => Ok(Transformed::no(expr)),
    });
    replaced.ok().map(|replaced| replaced.data)
}
