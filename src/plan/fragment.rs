//! A batch operator cut out of a plan: its input replaced by a leaf that yields whatever rows it is handed.
//!
//! Windows and aggregates that have no algebra run this way, over the rows of the touched groups only. The leaf keeps the
//! qualified column names, so the operator's own expressions stay as they are.

use std::cmp::Ordering;
use std::fmt;

use datafusion::common::{DFSchema, DFSchemaRef, Result, plan_err};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use std::sync::Arc;

/// The leaf: rows handed in at run time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rows {
    /// Their schema, names qualified as the operator above refers to them.
    pub schema: DFSchemaRef,
}

impl PartialOrd for Rows {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for Rows {
    fn name(&self) -> &str {
        "Rows"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rows")
    }

    fn with_exprs_and_inputs(&self, expressions: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        if !expressions.is_empty() || !inputs.is_empty() {
            return plan_err!("Rows is a leaf");
        }
        Ok(self.clone())
    }
}

/// A leaf with this schema, but that any of its columns may hold NULL: the rows handed in promise nothing.
pub fn rows(schema: &DFSchema) -> Result<LogicalPlan> {
    let fields = schema
        .iter()
        .map(|(qualifier, field)| (qualifier.cloned(), Arc::new(field.as_ref().clone().with_nullable(true))));
    let schema = Arc::new(DFSchema::new_with_metadata(fields.collect(), Default::default())?);
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(Rows { schema }) }))
}
