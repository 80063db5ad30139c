//! Relations as DataFusion tables over snapshots.
//!
//! A scan reads the snapshots its query was given; without any it takes its own. An equality on the stored key, or on an index's,
//! becomes a look-up.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::ScalarValue;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use super::{Snapshot, Snapshots};
use crate::model::{RelationId, SqlError, SqlResult};

/// Takes snapshots of relations, all at one tick.
#[async_trait]
pub trait SnapshotSource: Send + Sync + fmt::Debug {
    /// The relations of these ids, their indexes, and the system relations of these names.
    async fn snapshots(&self, relations: &[RelationId], system: &[&str]) -> SqlResult<Arc<Snapshots>>;
}

/// A relation that can be scanned.
#[derive(Debug)]
pub struct RelationTable {
    /// Which.
    pub id: RelationId,
    /// Its columns.
    pub schema: SchemaRef,
    /// `Base` for tables, `View` for views.
    pub table_type: TableType,
    /// Where snapshots come from.
    pub source: Arc<dyn SnapshotSource>,
}

fn external(error: SqlError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

#[async_trait]
impl TableProvider for RelationTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        self.table_type
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let given = state.config().get_extension::<Snapshots>();
        let snapshots = match given.filter(|given| given.relations.contains_key(&self.id)) {
            Some(given) => given,
            None => self.source.snapshots(&[self.id], &[]).await.map_err(external)?,
        };
        let main = snapshots.relations.get(&self.id).ok_or_else(|| {
            external(SqlError::new(
                crate::model::error::code::UNDEFINED_TABLE,
                "the relation was dropped while the query was planned",
            ))
        })?;
        let indexes = snapshots.indexes.get(&self.id).into_iter().flatten().filter_map(|i| snapshots.relations.get(i));
        for snapshot in std::iter::once(main).chain(indexes) {
            if let Some(keys) = key_values(&self.schema, snapshot, filters)? {
                let batch = snapshot.lookup(&keys, projection.map(Vec::as_slice)).map_err(external)?;
                let schema = batch.schema();
                return Ok(MemorySourceConfig::try_new_exec(&[vec![batch]], schema, None)?);
            }
        }
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::clone(&self.schema),
        };
        let partition =
            Arc::new(Scan { snapshot: main.clone(), projection: projection.cloned(), schema: Arc::clone(&schema) });
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![partition], None, vec![], false, None)?))
    }
}

/// The values the snapshot's key columns are fixed to, if the filters fix them all.
fn key_values(schema: &SchemaRef, snapshot: &Snapshot, filters: &[Expr]) -> Result<Option<Vec<ArrayRef>>> {
    let mut keys = vec![];
    for column in snapshot.key() {
        let field = schema.field(*column);
        let fixed = |e: &&Expr| -> Option<ScalarValue> {
            let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = e else { return None };
            let (name, value) = match (left.as_ref(), right.as_ref()) {
                (Expr::Column(c), Expr::Literal(v, _)) | (Expr::Literal(v, _), Expr::Column(c)) => (&c.name, v),
                _ => return None,
            };
            (name == field.name() && value.data_type() == *field.data_type()).then(|| value.clone())
        };
        let parts = filters.iter().flat_map(split_conjunction);
        let Some(value) = parts.collect::<Vec<_>>().iter().find_map(fixed) else { return Ok(None) };
        keys.push(value.to_array()?);
    }
    Ok((!keys.is_empty()).then_some(keys))
}

/// One partition that decodes a snapshot as it is read.
#[derive(Debug)]
struct Scan {
    snapshot: Snapshot,
    projection: Option<Vec<usize>>,
    schema: SchemaRef,
}

impl PartitionStream for Scan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = self.snapshot.batches(self.projection.clone()).map(|b| b.map_err(external));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures::stream::iter(batches)))
    }
}

/// A relation about the server itself.
#[derive(Debug)]
pub struct SystemTable {
    /// Its name in the schema `trueup`.
    pub name: &'static str,
    /// Its columns.
    pub schema: SchemaRef,
    /// Where its rows come from.
    pub source: Arc<dyn SnapshotSource>,
}

#[async_trait]
impl TableProvider for SystemTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let given = state.config().get_extension::<Snapshots>();
        let snapshots = match given.filter(|given| given.system.contains_key(self.name)) {
            Some(given) => given,
            None => self.source.snapshots(&[], &[self.name]).await.map_err(external)?,
        };
        let rows = snapshots
            .system
            .get(self.name)
            .cloned()
            .unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(&self.schema)));
        Ok(MemorySourceConfig::try_new_exec(&[vec![rows]], Arc::clone(&self.schema), projection.cloned())?)
    }
}
