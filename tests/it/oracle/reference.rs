//! The batch engine: plain DataFusion with its whole default optimizer over the model's rows.

use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::view::ViewTable;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::{DataFusionError, plan_err};
use datafusion::datasource::TableType;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use trueup::model::{SqlError, Tick};
use trueup::plan::coerce::coerce;
use trueup::plan::context::session_context;
use trueup::plan::now::{bind_now, contains_now};
use trueup::plan::output::view_output;
use trueup::plan::parse::parse;
use trueup::plan::statement::StatementKind;
use trueup::plan::subquery::one_row_each;

/// A table whose rows the test puts in.
#[derive(Debug)]
struct Rows {
    schema: SchemaRef,
    rows: Mutex<RecordBatch>,
}

#[async_trait]
impl TableProvider for Rows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = self.rows.lock().expect("nothing panics with the rows").clone();
        MemTable::try_new(Arc::clone(&self.schema), vec![vec![rows]])?.scan(state, projection, filters, limit).await
    }
}

/// A query, planned as far as it can be without rows.
pub struct Reference {
    logical: LogicalPlan,
    /// Without `now()` the optimized plan serves for all ticks.
    optimized: Option<LogicalPlan>,
}

impl Reference {
    /// Names for the view's columns.
    pub fn columns(&self) -> String {
        self.logical.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Whether the answer depends on the tick's time.
    pub fn is_timed(&self) -> bool {
        self.optimized.is_none()
    }
}

fn external(error: SqlError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The reference's tables and views.
pub struct Batch {
    context: SessionContext,
    tables: Vec<Arc<Rows>>,
}

impl Batch {
    pub fn new(tables: &[(String, SchemaRef)]) -> Batch {
        let context = session_context();
        let rows = tables.iter().map(|(name, schema)| {
            let rows = Mutex::new(RecordBatch::new_empty(Arc::clone(schema)));
            let table = Arc::new(Rows { schema: Arc::clone(schema), rows });
            context.register_table(name.as_str(), Arc::clone(&table) as _).expect("names differ");
            table
        });
        let tables = rows.collect();
        Batch { context, tables }
    }

    /// Puts the rows of the tables in, in their order.
    pub fn fill(&self, rows: Vec<RecordBatch>) {
        for (table, rows) in self.tables.iter().zip(rows) {
            *table.rows.lock().expect("nothing panics with the rows") = rows;
        }
    }

    /// Names a query, so that others may read it.
    pub async fn view(&self, name: &str, sql: &str) -> Result<()> {
        let plan = view_output(self.logical(sql).await?, &[]).map_err(external)?;
        self.context.register_table(name, Arc::new(ViewTable::new(plan, None))).map(drop)
    }

    /// The query as DataFusion's planner understands it.
    async fn logical(&self, sql: &str) -> Result<LogicalPlan> {
        let statement = parse(sql).map_err(external)?.remove(0);
        let StatementKind::Query(query) = statement.kind else { return plan_err!("not a query") };
        let statement = Statement::Statement(Box::new(SqlStatement::Query(query)));
        coerce(self.context.state().statement_to_plan(statement).await?).and_then(one_row_each)
    }

    /// Plans a query.
    pub async fn plan(&self, sql: &str) -> Result<Reference> {
        let state = self.context.state();
        let logical = self.logical(sql).await?;
        // Names of their own: a view's columns must differ, a query's need not.
        let columns = (0..logical.schema().fields().len()).map(|at| format!("c{at}")).collect::<Vec<_>>();
        let logical = view_output(logical, &columns).map_err(external)?;
        let optimized = if contains_now(&logical) { None } else { Some(state.optimize(&logical)?) };
        Ok(Reference { logical, optimized })
    }

    /// The query's answer over the rows now in the tables, at a tick.
    pub async fn run(&self, query: &Reference, tick: Tick) -> Result<Vec<RecordBatch>> {
        let state = self.context.state();
        let optimized = match &query.optimized {
            Some(plan) => plan.clone(),
            None => state.optimize(&bind_now(query.logical.clone(), tick)?)?,
        };
        let physical = state.query_planner().create_physical_plan(&optimized, &state).await?;
        collect(physical, state.task_ctx()).await
    }
}
