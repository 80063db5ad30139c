//! Which types a statement's parameters have.

use std::collections::HashMap;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::model::SqlResult;
use crate::plan::error::from_datafusion;

/// One type per parameter: the client's, else what the plan infers, else text.
pub fn parameter_types(plan: &LogicalPlan, declared: &[Option<DataType>]) -> SqlResult<Vec<DataType>> {
    let mut inferred: HashMap<String, Option<DataType>> = HashMap::new();
    let collected = plan.apply_with_subqueries(|node| {
        for expression in node.expressions() {
            expression.apply(|expression| {
                match expression {
                    Expr::Cast(cast) if matches!(cast.expr.as_ref(), Expr::Placeholder(_)) => {
                        if let Expr::Placeholder(placeholder) = cast.expr.as_ref() {
                            inferred.insert(placeholder.id.clone(), Some(cast.field.data_type().clone()));
                        }
                    }
                    Expr::Placeholder(placeholder) => {
                        let field = placeholder.field.as_ref().map(|field| field.data_type().clone());
                        let known = inferred.entry(placeholder.id.clone()).or_default();
                        *known = known.take().or(field);
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    });
    collected.map_err(|error| from_datafusion(error, ""))?;
    let count = inferred.keys().filter_map(|id| id.trim_start_matches('$').parse::<usize>().ok()).max().unwrap_or(0);
    Ok((1..=count)
        .map(|number| {
            let declared = declared.get(number - 1).cloned().flatten();
            declared.or_else(|| inferred.get(&format!("${number}")).cloned().flatten()).unwrap_or(DataType::Utf8)
        })
        .collect())
}
