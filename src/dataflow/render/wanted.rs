//! Which columns and rows of a node anybody reads: what nobody does need not be decoded from an arrangement's bytes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;

use super::map;
use crate::plan::lir::{Node, NodeRef, Operator, Step};

/// Conditions over a node's rows.
pub(crate) type Conditions = Vec<ExprRef>;

type ExprRef = Arc<dyn PhysicalExpr>;

/// The columns read of each node, by fingerprint.
#[derive(Default)]
pub(crate) struct Wanted {
    columns: HashMap<String, BTreeSet<usize>>,
    /// What each reader begins with; `None`: one of them reads all rows.
    conditions: HashMap<String, Option<Conditions>>,
    visited: HashSet<String>,
}

impl Wanted {
    /// Notes what the plan under `root` reads; of `root` itself all columns are read.
    pub fn note(&mut self, root: &NodeRef) {
        self.read(root, (0..root.schema.fields().len()).collect(), None);
    }

    /// For each column of the node whether it is read. A node nobody noted is read as a whole.
    pub fn of(&self, node: &Node) -> Vec<bool> {
        let columns = self.columns.get(&node.fingerprint);
        (0..node.schema.fields().len()).map(|column| columns.is_none_or(|c| c.contains(&column))).collect()
    }

    /// Conditions of which every row that anybody reads meets one; without any, all rows are read.
    pub fn conditions(&self, node: &Node) -> Conditions {
        self.conditions.get(&node.fingerprint).cloned().flatten().unwrap_or_default()
    }

    fn read(&mut self, node: &NodeRef, columns: BTreeSet<usize>, condition: Option<&ExprRef>) {
        self.columns.entry(node.fingerprint.clone()).or_default().extend(columns);
        let conditions = self.conditions.entry(node.fingerprint.clone()).or_insert_with(|| Some(vec![]));
        match (conditions.as_mut(), condition) {
            (Some(known), Some(condition)) if known.contains(condition) => {}
            (Some(known), Some(condition)) => known.push(Arc::clone(condition)),
            _ => *conditions = None,
        }
        if let Operator::Map { .. } = &node.operator {
            let (below, steps) = map::chain(node);
            self.read(below, columns_of(below, &steps), condition_of(&steps).as_ref());
        } else if self.visited.insert(node.fingerprint.clone()) {
            node.operator.inputs().into_iter().for_each(|input| self.note(input));
        }
    }
}

/// The first filter of the steps, over the rows that go into them; `None`: there is none, or rows are multiplied before.
fn condition_of(steps: &[&Step]) -> Option<ExprRef> {
    let mut columns: Option<Vec<ExprRef>> = None;
    for step in steps {
        let over_input = |expression: &ExprRef| match &columns {
            None => Some(Arc::clone(expression)),
            Some(columns) => substitute(expression, columns),
        };
        match step {
            Step::Filter(condition) => return over_input(condition),
            Step::Project(expressions, _) => columns = Some(expressions.iter().map(over_input).collect::<Option<_>>()?),
            Step::Unnest { .. } => return None,
        }
    }
    None
}

/// The expression with its columns replaced by what they are.
fn substitute(expression: &ExprRef, columns: &[ExprRef]) -> Option<ExprRef> {
    let replaced = Arc::clone(expression).transform_down(|e| {
        Ok(match e.downcast_ref::<Column>() {
            Some(column) => Transformed::new(Arc::clone(&columns[column.index()]), true, TreeNodeRecursion::Jump),
            None => Transformed::no(e),
        })
    });
    replaced.ok().map(|replaced| replaced.data)
}

/// The columns of `below` that the steps read: those named up to the first step that makes new columns.
fn columns_of(below: &Node, steps: &[&Step]) -> BTreeSet<usize> {
    let mut columns = BTreeSet::new();
    for step in steps {
        match step {
            Step::Filter(predicate) => columns.extend(collect_columns(predicate).iter().map(|c| c.index())),
            Step::Project(expressions, _) => {
                columns.extend(expressions.iter().flat_map(collect_columns).map(|c| c.index()));
                return columns;
            }
            Step::Unnest { .. } => break,
        }
    }
    (0..below.schema.fields().len()).collect()
}
