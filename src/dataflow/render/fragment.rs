//! Runs a batch operator of DataFusion's over rows handed in, on the worker's own thread.
//!
//! The physical plan is made once; a leaf reads whatever the slot was last filled with. One partition, so nothing is spawned.

use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::TryStreamExt;
use futures::executor::block_on;

use super::map::relaxed;
use super::windows::Windows;
use crate::plan::fragment::{leaf_schema, physical_plan};

/// Holds the rows a leaf yields next.
#[derive(Debug)]
pub(crate) struct Slot {
    schema: SchemaRef,
    rows: Mutex<Vec<RecordBatch>>,
}

impl Slot {
    pub(crate) fn new(schema: SchemaRef) -> Arc<Slot> {
        Arc::new(Slot { schema, rows: Mutex::new(vec![]) })
    }

    /// What the leaf yields at the next run.
    pub(crate) fn fill(&self, rows: Vec<RecordBatch>) {
        *self.rows.lock().expect("no run panics while it holds the rows") = rows;
    }

    /// A plan that yields the rows.
    pub(crate) fn leaf(self: &Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        let partition: Arc<dyn PartitionStream> = Arc::new(Leaf { slot: Arc::clone(self) });
        let plan = StreamingTableExec::try_new(Arc::clone(&self.schema), vec![partition], None, vec![], false, None)?;
        Ok(Arc::new(plan))
    }
}

#[derive(Debug)]
struct Leaf {
    slot: Arc<Slot>,
}

impl PartitionStream for Leaf {
    fn schema(&self) -> &SchemaRef {
        &self.slot.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = std::mem::take(&mut *self.slot.rows.lock().expect("no run panics while it holds the rows"));
        match MemoryStream::try_new(rows, Arc::clone(&self.slot.schema), None) {
            Ok(stream) => Box::pin(stream),
            Err(error) => panic!("rows of another schema: {error}"),
        }
    }
}

/// A batch operator ready to run, again and again.
pub(crate) struct Fragment {
    slot: Arc<Slot>,
    plan: Arc<dyn ExecutionPlan>,
    /// What is evaluated here on top of the plan.
    windows: Option<Windows>,
    context: Arc<TaskContext>,
    /// Rows it wants.
    pub input: SchemaRef,
}

impl Fragment {
    /// Plans the operator; `plan`'s only leaf is a [`crate::plan::fragment::Rows`].
    pub(crate) fn new(state: &SessionState, plan: &LogicalPlan) -> Result<Fragment> {
        let input = relaxed(leaf_schema(plan)?);
        let slot = Slot::new(Arc::clone(&input));
        let physical = sorted_by_rows(physical_plan(state, plan, slot.leaf()?)?)?;
        let (windows, physical) = match Windows::take_off(plan, &physical) {
            Some((windows, below)) => (Some(windows), below),
            None => (None, physical),
        };
        Ok(Fragment { slot, plan: physical, windows, context: state.task_ctx(), input })
    }

    /// The operator's answer over `rows`.
    pub(crate) fn run(&mut self, rows: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
        self.slot.fill(rows);
        self.plan = reset_plan_states(Arc::clone(&self.plan))?;
        let rows = run_plan(Arc::clone(&self.plan), &self.context)?;
        match &self.windows {
            Some(windows) => windows.evaluate(&rows),
            None => Ok(rows),
        }
    }
}

/// The plan with its sorts going on by every column: which of two rows that are equal in a window's order comes first hangs on the rows
/// alone. Functions over peers still see them as peers.
fn sorted_by_rows(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let longer = |plan: Arc<dyn ExecutionPlan>| {
        let Some(sort) = plan.downcast_ref::<SortExec>() else { return Ok(Transformed::no(plan)) };
        let schema = sort.input().schema();
        let columns = schema.fields().iter().enumerate().map(|(at, field)| Column::new(field.name(), at));
        let columns = columns.map(|column| PhysicalSortExpr::new(Arc::new(column), SortOptions::default()));
        // An ordering leaves out what it already has.
        let order = LexOrdering::new(sort.expr().iter().cloned().chain(columns));
        Ok(match order {
            Some(order) => Transformed::yes(Arc::new(SortExec::new(order, Arc::clone(sort.input()))) as _),
            None => Transformed::no(plan),
        })
    };
    plan.transform_up(longer).data()
}

/// Runs a plan of one partition to its end.
pub(crate) fn run_plan(plan: Arc<dyn ExecutionPlan>, context: &Arc<TaskContext>) -> Result<Vec<RecordBatch>> {
    block_on(plan.execute(0, Arc::clone(context))?.try_collect())
}
