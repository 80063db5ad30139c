//! A batch operator cut out of a plan: its input replaced by a leaf that yields whatever rows it is handed.
//!
//! Windows and aggregates that have no algebra run this way, over the rows of the touched groups only. The leaf keeps the
//! qualified column names, so the operator's own expressions stay as they are.

use std::any::Any;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, DFSchemaRef, Result, internal_err, plan_err};
use datafusion::execution::SessionState;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use futures::executor::block_on;

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

/// The schema of the rows a fragment stands on.
pub fn leaf_schema(fragment: &LogicalPlan) -> Result<&SchemaRef> {
    match fragment.inputs().as_slice() {
        [leaf @ LogicalPlan::Extension(_)] => Ok(leaf.schema().inner()),
        _ => internal_err!("a fragment stands on one leaf"),
    }
}

/// The fragment's physical plan over `leaf`.
pub fn physical_plan(
    state: &SessionState,
    fragment: &LogicalPlan,
    leaf: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(LeafPlanner { leaf })]);
    block_on(planner.create_physical_plan(fragment, state))
}

struct LeafPlanner {
    leaf: Arc<dyn ExecutionPlan>,
}

#[async_trait]
impl ExtensionPlanner for LeafPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        _physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let node: &dyn Any = node.as_any();
        Ok(node.is::<Rows>().then(|| Arc::clone(&self.leaf)))
    }
}
