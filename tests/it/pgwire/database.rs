//! A small database in memory, for tests of the server alone: bags of rows, plain views, and subscriptions to inserts.

use std::collections::BTreeMap;
use std::sync::Mutex;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::common::ParamValues;
use datafusion::datasource::MemTable;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{DmlStatement, LogicalPlan, WriteOp};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use datafusion::sql::parser::Statement as ParsedStatement;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use tokio::sync::mpsc;
use trueup::engine::{
    Database, Description, Outcome, SessionState, Subscription, SubscriptionMessage, parameter_types,
};
use trueup::model::error::code;
use trueup::model::{Changes, SqlError, SqlResult};
use trueup::plan::context::session_context;
use trueup::plan::error::from_datafusion;
use trueup::plan::statement::{Statement, StatementKind};

/// Tables, their rows, and who listens.
#[derive(Default)]
struct Tables {
    tables: BTreeMap<String, (SchemaRef, Vec<RecordBatch>)>,
    views: BTreeMap<String, String>,
    listeners: Vec<(String, mpsc::Sender<SubscriptionMessage>)>,
    tick: u64,
}

/// The database.
pub(super) struct MemoryDatabase {
    tables: Mutex<Tables>,
}

impl MemoryDatabase {
    pub(super) fn new() -> Self {
        MemoryDatabase { tables: Mutex::default() }
    }

    async fn plan(&self, statement: &Statement) -> SqlResult<(SessionContext, LogicalPlan)> {
        let parsed = match &statement.kind {
            StatementKind::Query(query) => SqlStatement::Query(query.clone()),
            StatementKind::Insert(insert) => insert.as_ref().clone(),
            _ => return Err(SqlError::unsupported("not in this database")),
        };
        let context = self.context();
        let views = self.tables.lock().unwrap().views.clone();
        for (name, query) in views {
            let view = context.sql(&query).await.expect("views are valid").into_view();
            context.register_table(name.as_str(), view).expect("a free name");
        }
        let parsed = ParsedStatement::Statement(Box::new(parsed));
        let plan = context.state().statement_to_plan(parsed).await;
        Ok((context, plan.map_err(|error| from_datafusion(error, &statement.text))?))
    }

    fn append(&self, table: &str, rows: RecordBatch) -> SqlResult<u64> {
        let mut tables = self.tables.lock().unwrap();
        tables.tick += 1;
        let (schema, batches) = tables.tables.get_mut(table).ok_or_else(|| no_table(table))?;
        let columns = schema
            .fields()
            .iter()
            .map(|field| {
                let column = rows.column_by_name(field.name()).cloned();
                let column = column.unwrap_or_else(|| arrow::array::new_null_array(field.data_type(), rows.num_rows()));
                cast(&column, field.data_type()).map_err(|error| SqlError::new("22P02", error.to_string()))
            })
            .collect::<SqlResult<Vec<_>>>()?;
        let batch =
            RecordBatch::try_new(schema.clone(), columns).map_err(|error| SqlError::new("23502", error.to_string()))?;
        batches.push(batch.clone());
        let message = SubscriptionMessage {
            tick: tables.tick,
            changes: vec![Changes { diffs: vec![1; batch.num_rows()], batch: batch.clone() }],
        };
        tables.listeners.retain(|(name, sender)| name != table || sender.try_send(message.clone()).is_ok());
        Ok(batch.num_rows() as u64)
    }

    async fn insert(&self, context: &SessionContext, insert: DmlStatement) -> SqlResult<Outcome> {
        let failed = |error| from_datafusion(error, "");
        let frame = context.execute_logical_plan(insert.input.as_ref().clone()).await.map_err(failed)?;
        let mut count = 0;
        for batch in frame.collect().await.map_err(failed)? {
            count += self.append(insert.table_name.table(), batch)?;
        }
        Ok(Outcome::Done { tag: "INSERT 0".to_owned(), rows: Some(count) })
    }

    fn subscribe(&self, relation: &str, progress: bool, snapshot: bool) -> SqlResult<Outcome> {
        let (sender, receiver) = mpsc::channel(16);
        let mut tables = self.tables.lock().unwrap();
        let tick = tables.tick;
        let (schema, batches) = tables.tables.get(relation).ok_or_else(|| no_table(relation))?;
        let schema = schema.clone();
        if snapshot {
            let changes = batches
                .iter()
                .map(|batch| Changes { batch: batch.clone(), diffs: vec![1; batch.num_rows()] })
                .collect();
            sender.try_send(SubscriptionMessage { tick, changes }).expect("room");
        }
        tables.listeners.push((relation.to_owned(), sender));
        Ok(Outcome::Subscription(Subscription { schema, progress, receiver }))
    }
}

fn no_table(name: &str) -> SqlError {
    SqlError::new(code::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"))
}

/// A query that never ends, to be cancelled.
fn endless() -> Outcome {
    let schema = std::sync::Arc::new(Schema::empty());
    let stream: SendableRecordBatchStream =
        Box::pin(RecordBatchStreamAdapter::new(schema.clone(), futures::stream::pending()));
    Outcome::Rows { schema, stream }
}

#[async_trait]
impl Database for MemoryDatabase {
    fn context(&self) -> SessionContext {
        let context = session_context();
        let tables = self.tables.lock().unwrap();
        for (name, (schema, batches)) in &tables.tables {
            let table = MemTable::try_new(schema.clone(), vec![batches.clone()]).expect("rows of the schema");
            context.register_table(name.as_str(), std::sync::Arc::new(table)).expect("a free name");
        }
        context
    }

    async fn describe(&self, statement: &Statement, declared: &[Option<DataType>]) -> SqlResult<Description> {
        if let StatementKind::Subscribe(subscribe) = &statement.kind {
            let columns = Some(self.table_schema(&subscribe.relation, &[])?);
            return Ok(Description { parameters: Vec::new(), columns });
        }
        if !matches!(statement.kind, StatementKind::Query(_) | StatementKind::Insert(_)) {
            return Ok(Description { parameters: Vec::new(), columns: None });
        }
        let (_, plan) = self.plan(statement).await?;
        let parameters = parameter_types(&plan, declared)?;
        let columns = match plan {
            LogicalPlan::Dml(_) => None,
            plan => Some(std::sync::Arc::new(plan.schema().as_arrow().clone())),
        };
        Ok(Description { parameters, columns })
    }

    async fn execute(
        &self,
        _session: &mut SessionState,
        statement: &Statement,
        parameters: &[ScalarValue],
    ) -> SqlResult<Outcome> {
        let done = |tag: &str| Ok(Outcome::Done { tag: tag.to_owned(), rows: None });
        match &statement.kind {
            StatementKind::CreateTable { def, .. } => {
                self.tables.lock().unwrap().tables.insert(def.name.clone(), (def.schema.clone(), Vec::new()));
                return done("CREATE TABLE");
            }
            StatementKind::CreateView { name, query, .. } => {
                self.tables.lock().unwrap().views.insert(name.clone(), query.to_string());
                return done("CREATE VIEW");
            }
            StatementKind::Drop { names, .. } => {
                let mut tables = self.tables.lock().unwrap();
                for name in names {
                    tables.tables.remove(name).ok_or_else(|| no_table(name))?;
                    tables.listeners.retain(|(listened, _)| listened != name);
                }
                return done("DROP TABLE");
            }
            StatementKind::Subscribe(subscribe) => {
                return self.subscribe(&subscribe.relation, subscribe.progress, subscribe.snapshot);
            }
            StatementKind::Query(query) if query.to_string().contains("endless") => return Ok(endless()),
            _ => {}
        }
        let (context, plan) = self.plan(statement).await?;
        let failed = |error| from_datafusion(error, &statement.text);
        let values = ParamValues::List(parameters.iter().cloned().map(Into::into).collect());
        let plan =
            if parameters.is_empty() { plan } else { plan.replace_params_with_values(&values).map_err(failed)? };
        if let LogicalPlan::Dml(insert @ DmlStatement { op: WriteOp::Insert(_), .. }) = plan {
            return self.insert(&context, insert).await;
        }
        let schema = std::sync::Arc::new(plan.schema().as_arrow().clone());
        let frame = context.execute_logical_plan(plan).await.map_err(failed)?;
        Ok(Outcome::Rows { schema, stream: frame.execute_stream().await.map_err(failed)? })
    }

    async fn copy_in(&self, table: &str, _columns: &[String], rows: RecordBatch) -> SqlResult<u64> {
        self.append(table, rows)
    }

    fn table_schema(&self, table: &str, columns: &[String]) -> SqlResult<SchemaRef> {
        let tables = self.tables.lock().unwrap();
        let (schema, _) = tables.tables.get(table).ok_or_else(|| no_table(table))?;
        if columns.is_empty() {
            return Ok(schema.clone());
        }
        let unknown =
            |name: &String| SqlError::new(code::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist"));
        let indices = columns
            .iter()
            .map(|name| schema.index_of(name).map_err(|_| unknown(name)))
            .collect::<SqlResult<Vec<usize>>>()?;
        Ok(std::sync::Arc::new(schema.project(&indices).expect("known columns")))
    }
}
