//! A kept view against its own definition: what it holds, and what the batch engine makes of the SQL over what it is made of.
//!
//! Both are read at one tick. If every view passes, all views are right by induction, given that tables are.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use futures::TryStreamExt;

use super::api::Answer;
use super::planner::{self, logical_plan};
use super::{Engine, Snapshots};
use crate::model::{SqlError, SqlResult};
use crate::plan::error::from_datafusion;
use crate::plan::output::view_output;
use crate::plan::parse::parse;
use crate::plan::statement::StatementKind;

impl Engine {
    /// The rows a materialized view holds and those its definition gives, at the same tick; `None` for other relations.
    pub async fn audit(&self, view: &str) -> SqlResult<Option<(RecordBatch, RecordBatch)>> {
        let catalog = self.catalog();
        let entry = catalog.require(view)?;
        let Some(StatementKind::CreateView { query, columns, materialized: true, .. }) =
            parse(&entry.sql)?.pop().map(|statement| statement.kind)
        else {
            return Ok(None);
        };
        let state = self.shared.context.state();
        let defined = view_output(logical_plan(&state, &query, &entry.sql)?, &columns)?;
        let quoted = view.replace('"', "\"\"");
        let text = format!("SELECT * FROM \"{quoted}\"");
        let Some(StatementKind::Query(scan)) = parse(&text)?.pop().map(|statement| statement.kind) else {
            return Err(SqlError::internal("a query is a query"));
        };
        let kept = logical_plan(&state, &scan, &text)?;
        let names: BTreeSet<String> = planner::scanned(&defined).into_iter().chain([view.to_string()]).collect();
        let snapshots = self.snapshots_of(&names).await?;
        let kept = self.collect(kept, &snapshots, &text).await?;
        let defined = self.collect(defined, &snapshots, &entry.sql).await?;
        Ok(Some((kept, defined)))
    }

    async fn collect(&self, plan: LogicalPlan, snapshots: &Arc<Snapshots>, sql: &str) -> SqlResult<RecordBatch> {
        let Answer { schema, stream, .. } = self.run_on(plan, Arc::clone(snapshots), sql).await?;
        let batches: Vec<RecordBatch> = stream.try_collect().await.map_err(|e| from_datafusion(e, sql))?;
        arrow::compute::concat_batches(&schema, &batches).map_err(|e| SqlError::internal(e.to_string()))
    }
}
