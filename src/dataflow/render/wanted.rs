//! Which columns of a node anybody reads: those nobody does need not be decoded from an arrangement's bytes.

use std::collections::{BTreeSet, HashMap, HashSet};

use datafusion::physical_expr::utils::collect_columns;

use super::map;
use crate::plan::lir::{Node, NodeRef, Operator, Step};

/// The columns read of each node, by fingerprint.
#[derive(Default)]
pub(crate) struct Wanted {
    columns: HashMap<String, BTreeSet<usize>>,
    visited: HashSet<String>,
}

impl Wanted {
    /// Notes what the plan under `root` reads; of `root` itself all columns are read.
    pub fn note(&mut self, root: &NodeRef) {
        self.read(root, (0..root.schema.fields().len()).collect());
    }

    /// For each column of the node whether it is read. A node nobody noted is read as a whole.
    pub fn of(&self, node: &Node) -> Vec<bool> {
        let columns = self.columns.get(&node.fingerprint);
        (0..node.schema.fields().len()).map(|column| columns.is_none_or(|c| c.contains(&column))).collect()
    }

    fn read(&mut self, node: &NodeRef, columns: BTreeSet<usize>) {
        self.columns.entry(node.fingerprint.clone()).or_default().extend(columns);
        if let Operator::Map { .. } = &node.operator {
            let (below, steps) = map::chain(node);
            self.read(below, columns_of(below, &steps));
        } else if self.visited.insert(node.fingerprint.clone()) {
            node.operator.inputs().into_iter().for_each(|input| self.note(input));
        }
    }
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
