//! Statements of a session: planning against the live catalog, running over snapshots, asking the coordinator.

use std::collections::BTreeSet;
use std::sync::{Arc, RwLock};

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use bytes::Bytes;
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, SchemaProvider, TableProvider, view::ViewTable};
use datafusion::common::ParamValues;
use datafusion::common::exec_err;
use datafusion::execution::SessionState as DataFusionState;
use datafusion::logical_expr::{ColumnarValue, LogicalPlan, TableType, Volatility, create_udf};
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{Query, Statement as SqlStatement};

use super::api::{
    Answer, Database, Description, Outcome, Posted, RelationSummary, RowsShape, SessionState, Subscription,
    SubscriptionMessage,
};
use super::catalog::{Catalog, Entry, Object};
use super::coordinator::Request;
use super::feeds::FeedMessage;
use super::follow::{ChangeReader, Followed, Follower};
use super::planner::{self, scanned, statement_plan};
use super::{Engine, Status, ask, isolate, system};
use crate::dataflow::Watched;
use crate::model::error::code;
use crate::model::{RelationId, SqlError, SqlResult, Tick};
use crate::plan::error::from_datafusion;
use crate::plan::explain::explain;
use crate::plan::now::bind_now;
use crate::plan::output::query_output;
use crate::plan::statement::{CursorOf, ExplainOf, ObjectKind, ShowKind, Statement, StatementKind, Subscribe};
use crate::views::{RelationTable, SnapshotSource, Snapshots, SystemTable};

/// The context statements are planned in: catalog `trueup`, schema `public` the live relations, schema `trueup` the system's.
pub(crate) fn context(
    catalog: &Arc<RwLock<Arc<Catalog>>>,
    requests: &flume::Sender<Request>,
) -> SqlResult<SessionContext> {
    let context = crate::plan::context::session_context();
    let source: Arc<dyn SnapshotSource> = Arc::new(Requests { requests: requests.clone() });
    let live = Live { catalog: Arc::clone(catalog), source: Arc::clone(&source) };
    let provider = MemoryCatalogProvider::new();
    let register = |name: &str, schema: Arc<dyn SchemaProvider>| {
        provider.register_schema(name, schema).map_err(|e| SqlError::internal(e.to_string()))
    };
    register("public", Arc::new(live))?;
    register("trueup", Arc::new(System { source }))?;
    context.register_catalog("trueup", Arc::new(provider));
    // Bound to the query's tick before it runs; see `bind_tick`.
    let unbound = |_: &[ColumnarValue]| exec_err!("trueup_tick() is known only to queries");
    context.register_udf(create_udf("trueup_tick", vec![], DataType::Int64, Volatility::Stable, Arc::new(unbound)));
    Ok(context)
}

/// Snapshots by asking the coordinator.
#[derive(Clone)]
struct Requests {
    requests: flume::Sender<Request>,
}

impl std::fmt::Debug for Requests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Requests")
    }
}

#[async_trait]
impl SnapshotSource for Requests {
    async fn snapshots(&self, relations: &[RelationId], system: &[&str]) -> SqlResult<Arc<Snapshots>> {
        let relations = relations.to_vec();
        let system = system.iter().map(|name| (*name).to_string()).collect();
        ask(&self.requests, |reply| Request::Snapshot { relations, system, reply }).await?
    }
}

/// Schema `public`: whatever the catalog holds at the moment of asking.
struct Live {
    catalog: Arc<RwLock<Arc<Catalog>>>,
    source: Arc<dyn SnapshotSource>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Live")
    }
}

impl Live {
    fn now(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read().unwrap_or_else(|e| e.into_inner()))
    }
}

#[async_trait]
impl SchemaProvider for Live {
    fn table_names(&self) -> Vec<String> {
        self.now().iter().filter(|e| e.is_relation()).map(|e| e.name.clone()).collect()
    }

    async fn table(&self, name: &str) -> datafusion::error::Result<Option<Arc<dyn TableProvider>>> {
        let catalog = self.now();
        let Some(entry) = catalog.get(name).filter(|e| e.is_relation()) else {
            return Ok(None);
        };
        Ok(Some(match &entry.object {
            Object::View(plan) => Arc::new(ViewTable::new(LogicalPlan::clone(plan), Some(entry.sql.clone()))),
            object => Arc::new(RelationTable {
                id: entry.id,
                schema: Arc::clone(&entry.schema),
                table_type: if matches!(object, Object::Table(_)) { TableType::Base } else { TableType::View },
                source: Arc::clone(&self.source),
            }),
        }))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.now().get(name).is_some()
    }
}

/// Schema `trueup`.
#[derive(Debug)]
struct System {
    source: Arc<dyn SnapshotSource>,
}

#[async_trait]
impl SchemaProvider for System {
    fn table_names(&self) -> Vec<String> {
        system::SCHEMAS.iter().map(|(name, _)| (*name).to_string()).collect()
    }

    async fn table(&self, name: &str) -> datafusion::error::Result<Option<Arc<dyn TableProvider>>> {
        let found = system::SCHEMAS.iter().find(|(n, _)| *n == name);
        Ok(found.map(|(name, schema)| {
            Arc::new(SystemTable { name, schema: Arc::clone(schema), source: Arc::clone(&self.source) })
                as Arc<dyn TableProvider>
        }))
    }

    fn table_exist(&self, name: &str) -> bool {
        system::SCHEMAS.iter().any(|(n, _)| *n == name)
    }
}

impl Engine {
    /// Parses and runs a text of statements; the outcome of the last. For tests, benches and start-up.
    pub async fn run(&self, sql: &str) -> SqlResult<Outcome> {
        let mut last = Outcome::Done { tag: String::new(), rows: None };
        let mut session = SessionState::default();
        for statement in crate::plan::parse::parse(sql)? {
            last = self.execute(&mut session, &statement, &[]).await?;
        }
        Ok(last)
    }

    /// Runs a query to its end.
    pub async fn query(&self, sql: &str) -> SqlResult<RecordBatch> {
        use futures::TryStreamExt;
        match self.run(sql).await? {
            Outcome::Rows { schema, stream } => {
                let batches: Vec<RecordBatch> = stream.try_collect().await.map_err(|e| from_datafusion(e, sql))?;
                let schema = batches.first().map_or(schema, |b| b.schema());
                arrow::compute::concat_batches(&schema, &batches).map_err(|e| SqlError::internal(e.to_string()))
            }
            _ => Err(SqlError::syntax("not a query")),
        }
    }

    /// Runs a planned query over snapshots of all it scans, taken at one tick.
    pub(super) async fn run_plan(&self, plan: LogicalPlan, parameters: &[ScalarValue], sql: &str) -> SqlResult<Answer> {
        let refused = |e| from_datafusion(e, sql);
        let plan = if parameters.is_empty() {
            plan
        } else {
            plan.with_param_values(ParamValues::from(parameters.to_vec())).map_err(refused)?
        };
        let snapshots = self.snapshots_of(&scanned(&plan)).await?;
        self.run_on(plan, snapshots, sql).await
    }

    /// Runs a planned query over snapshots already taken.
    pub(super) async fn run_on(&self, plan: LogicalPlan, snapshots: Arc<Snapshots>, sql: &str) -> SqlResult<Answer> {
        let refused = |e| from_datafusion(e, sql);
        let plan = bind_now(plan, snapshots.tick).map_err(refused)?;
        let tick = snapshots.tick;
        let plan = bind_tick(plan, tick).map_err(refused)?;
        let (state, sql) = (self.state_with(snapshots), sql.to_string());
        let (schema, stream) = isolate::run(async move {
            let refused = |e| from_datafusion(e, &sql);
            let physical = state.create_physical_plan(&plan).await.map_err(refused)?;
            execute_stream(physical, state.task_ctx()).map_err(refused)
        })
        .await?;
        Ok(Answer { tick, schema, stream })
    }

    /// Snapshots of the named relations and of what the plain views among them are made of, all at one tick.
    pub(super) async fn snapshots_of(&self, names: &BTreeSet<String>) -> SqlResult<Arc<Snapshots>> {
        let catalog = self.catalog();
        let system = names.iter().filter_map(|n| n.strip_prefix("trueup.")).map(str::to_string).collect();
        let mut relations = BTreeSet::new();
        for entry in names.iter().filter_map(|n| catalog.get(n)) {
            relations.insert(entry.id);
            relations.extend(plain_views_below(&catalog, entry));
        }
        let relations: Vec<RelationId> = relations.into_iter().collect();
        self.ask(|reply| Request::Snapshot { relations, system, reply }).await?
    }

    fn state_with(&self, snapshots: Arc<Snapshots>) -> DataFusionState {
        let mut state = self.shared.context.state();
        state.config_mut().set_extension(snapshots);
        state
    }

    async fn select(&self, query: &Query, parameters: &[ScalarValue], sql: &str) -> SqlResult<Answer> {
        let plan = query_output(planner::logical_plan(&self.shared.context.state(), query, sql)?)?;
        self.run_plan(plan, parameters, sql).await
    }

    async fn subscribe(&self, subscribe: &Subscribe) -> SqlResult<Outcome> {
        let catalog = self.catalog();
        let entry = catalog.require(&subscribe.relation)?;
        if !entry.is_kept() {
            return Err(SqlError::new(code::WRONG_OBJECT_TYPE, format!("\"{}\" is not kept up to date", entry.name))
                .hint("make it a MATERIALIZED VIEW"));
        }
        let (feed, messages) = flume::bounded::<FeedMessage>(64);
        let (watched, snapshot) = (Watched::Rows(entry.id), subscribe.snapshot);
        self.ask(|reply| Request::Subscribe { watched: vec![watched], snapshot, feed, reply }).await??;
        let (sender, receiver) = tokio::sync::mpsc::channel(16);
        let schema = Arc::clone(&entry.schema);
        let reader = ChangeReader::new(&entry.schema, &entry.layout)?;
        tokio::spawn(async move {
            while let Ok(mut message) = messages.recv_async().await {
                let part = message.parts.remove(&watched).unwrap_or_default();
                if part.ended {
                    break;
                }
                let runs = part.snapshot.unwrap_or(part.changes);
                let Ok(changes) = reader.decode(runs).collect::<SqlResult<Vec<_>>>() else { break };
                if sender.send(SubscriptionMessage { tick: message.tick, changes }).await.is_err() {
                    break;
                }
            }
        });
        Ok(Outcome::Subscription(Subscription { schema, progress: subscribe.progress, receiver }))
    }

    fn explain(&self, of: &ExplainOf, sql: &str) -> SqlResult<Outcome> {
        let catalog = self.catalog();
        let text = match of {
            ExplainOf::View(name) => match &catalog.require(name)?.object {
                Object::MaterializedView(plan) | Object::Index { plan, .. } => explain(plan),
                _ => return Err(SqlError::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" has no plan of its own"))),
            },
            ExplainOf::Query(query) => {
                let state = self.shared.context.state();
                let logical = planner::logical_plan(&state, query, sql)?;
                let names: Vec<String> = logical.schema().fields().iter().map(|f| f.name().clone()).collect();
                explain(&planner::plan_query(&catalog, &state, logical, "query", &names, sql)?)
            }
        };
        rows_of(&["QUERY PLAN"], text.lines().map(|l| vec![l.to_string()]).collect())
    }

    fn show(&self, what: &ShowKind) -> SqlResult<Outcome> {
        let catalog = self.catalog();
        let named = |keep: &dyn Fn(&Entry) -> bool| {
            let names = catalog.iter().filter(|e| keep(e)).map(|e| vec![e.name.clone()]).collect();
            rows_of(&["Name"], names)
        };
        match what {
            ShowKind::Tables => named(&|e| e.kind() == "table"),
            ShowKind::Views => named(&|e| e.kind() == "view"),
            ShowKind::MaterializedViews => named(&|e| e.kind() == "materialized view"),
            ShowKind::Sources => named(&|e| matches!(&e.object, Object::Table(def) if def.connector.is_some())),
            ShowKind::Sinks => named(&|e| e.kind() == "sink"),
            ShowKind::Indexes(on) => {
                let relation = on.as_deref().map(|n| catalog.require(n).map(|e| e.id)).transpose()?;
                let on = |e: &Entry| matches!(&e.object, Object::Index { relation: r, .. } if relation.is_none_or(|id| id == *r));
                named(&on)
            }
            ShowKind::Columns(relation) => describe_rows(catalog.require(relation)?),
            ShowKind::Create(_, name) => {
                let entry = catalog.require(name)?;
                rows_of(&["Name", "Create Sql"], vec![vec![entry.name.clone(), entry.sql.clone()]])
            }
            ShowKind::Variable(_) | ShowKind::All => {
                Err(SqlError::internal("run-time parameters belong to the session"))
            }
        }
    }
}

#[async_trait]
impl Database for Engine {
    fn context(&self) -> SessionContext {
        self.shared.context.clone()
    }

    async fn describe(&self, statement: &Statement, parameter_types: &[Option<DataType>]) -> SqlResult<Description> {
        let sql = statement.text.as_str();
        let state = self.shared.context.state();
        let plan = match &statement.kind {
            StatementKind::Query(query)
            | StatementKind::CopyTo { query, .. }
            | StatementKind::Declare { of: CursorOf::Query(query), .. } => planner::logical_plan(&state, query, sql)?,
            StatementKind::Insert(dml) | StatementKind::Update(dml) | StatementKind::Delete(dml) => {
                statement_plan(&state, SqlStatement::clone(dml), sql)?
            }
            StatementKind::Explain { .. } => {
                return Ok(Description { parameters: vec![], columns: Some(text_schema(&["QUERY PLAN"])) });
            }
            StatementKind::Describe { .. } | StatementKind::Show(ShowKind::Columns(_)) => {
                return Ok(Description { parameters: vec![], columns: Some(text_schema(&DESCRIBE)) });
            }
            StatementKind::Show(ShowKind::Create(..)) => {
                return Ok(Description { parameters: vec![], columns: Some(text_schema(&["Name", "Create Sql"])) });
            }
            StatementKind::Show(_) => {
                return Ok(Description { parameters: vec![], columns: Some(text_schema(&["Name"])) });
            }
            StatementKind::Subscribe(subscribe) => {
                let schema = Arc::clone(&self.catalog().require(&subscribe.relation)?.schema);
                return Ok(Description { parameters: vec![], columns: Some(schema) });
            }
            _ => return Ok(Description { parameters: vec![], columns: None }),
        };
        let parameters = super::parameter_types(&plan, parameter_types)?;
        let is_query = !matches!(plan, LogicalPlan::Dml(_));
        let columns = is_query.then(|| Arc::clone(plan.schema().inner()));
        Ok(Description { parameters, columns })
    }

    async fn execute(
        &self,
        _session: &mut SessionState,
        statement: &Statement,
        parameters: &[ScalarValue],
    ) -> SqlResult<Outcome> {
        let sql = statement.text.as_str();
        let done = |tag: &str| Ok(Outcome::Done { tag: tag.to_string(), rows: None });
        match &statement.kind {
            StatementKind::Query(query)
            | StatementKind::CopyTo { query, .. }
            | StatementKind::Declare { of: CursorOf::Query(query), .. } => {
                let Answer { schema, stream, .. } = self.select(query, parameters, sql).await?;
                Ok(Outcome::Rows { schema, stream })
            }
            StatementKind::Insert(dml) => self.insert(dml, parameters, sql).await,
            StatementKind::Update(dml) => self.update(dml, parameters, sql).await,
            StatementKind::Delete(dml) => self.delete(dml, parameters, sql).await,
            StatementKind::Subscribe(subscribe)
            | StatementKind::CopySubscribe { subscribe, .. }
            | StatementKind::Declare { of: CursorOf::Subscribe(subscribe), .. } => self.subscribe(subscribe).await,
            StatementKind::CreateTable { def, .. } => {
                let tag = if def.append_only { "CREATE SOURCE" } else { "CREATE TABLE" };
                self.create(statement).await?;
                done(tag)
            }
            StatementKind::CreateView { materialized, .. } => {
                self.create(statement).await?;
                done(if *materialized { "CREATE MATERIALIZED VIEW" } else { "CREATE VIEW" })
            }
            StatementKind::CreateIndex { .. } => {
                self.create(statement).await?;
                done("CREATE INDEX")
            }
            StatementKind::CreateSink { .. } => {
                self.create(statement).await?;
                done("CREATE SINK")
            }
            StatementKind::Drop { kind, names, if_exists, cascade } => {
                self.drop_objects(*kind, names, *if_exists, *cascade).await?;
                done(match kind {
                    ObjectKind::Table => "DROP TABLE",
                    ObjectKind::Source => "DROP SOURCE",
                    ObjectKind::View => "DROP VIEW",
                    ObjectKind::MaterializedView => "DROP MATERIALIZED VIEW",
                    ObjectKind::Index => "DROP INDEX",
                    ObjectKind::Sink => "DROP SINK",
                })
            }
            StatementKind::Explain { of, .. } => self.explain(of, sql),
            StatementKind::Describe { relation } => describe_rows(self.catalog().require(relation)?),
            StatementKind::Show(what) => self.show(what),
            StatementKind::Flush => {
                self.flush().await?;
                done("FLUSH")
            }
            _ => Err(SqlError::unsupported(format!("statement not supported: {sql}"))),
        }
    }

    async fn query(&self, query: &Query, parameters: &[ScalarValue], sql: &str) -> SqlResult<Answer> {
        self.select(query, parameters, sql).await
    }

    async fn read(&self, plan: LogicalPlan) -> SqlResult<Answer> {
        self.run_plan(query_output(plan)?, &[], "").await
    }

    async fn post_rows(&self, table: &str, body: Bytes, shape: RowsShape, partial: bool) -> SqlResult<Posted> {
        self.post(table, body, shape, partial).await
    }

    fn relations(&self) -> Vec<RelationSummary> {
        let catalog = self.catalog();
        let live = catalog.iter().filter(|e| e.is_relation()).map(|entry| RelationSummary {
            name: entry.name.clone(),
            kind: entry.kind(),
            schema: Arc::clone(&entry.schema),
            key: entry.key(),
            depends_on: entry.depends_on.iter().filter_map(|d| catalog.by_id(*d)).map(|e| e.name.clone()).collect(),
            is_kept: entry.is_kept(),
        });
        let system = system::SCHEMAS.iter().map(|(name, schema)| RelationSummary {
            name: format!("trueup.{name}"),
            kind: "system",
            schema: Arc::clone(schema),
            key: vec![],
            depends_on: vec![],
            is_kept: false,
        });
        live.chain(system).collect()
    }

    async fn status(&self, full: bool) -> SqlResult<Status> {
        self.ask(|reply| Request::Status { full, reply }).await?
    }

    fn followed(&self, name: &str) -> SqlResult<Followed> {
        Engine::followed(self, name)
    }

    async fn follow(&self) -> SqlResult<Follower> {
        Engine::follow(self).await
    }

    async fn copy_in(&self, table: &str, columns: &[String], rows: RecordBatch) -> SqlResult<u64> {
        self.copy(table, columns, rows).await
    }

    fn table_schema(&self, table: &str, columns: &[String]) -> SqlResult<SchemaRef> {
        let catalog = self.catalog();
        let (entry, def) = catalog.require_table(table)?;
        if columns.is_empty() {
            return Ok(Arc::clone(&def.schema));
        }
        let field = |name: &String| {
            let found = def.schema.field_with_name(name);
            found.cloned().map_err(|_| {
                SqlError::new(
                    code::UNDEFINED_COLUMN,
                    format!("column \"{name}\" of relation \"{}\" does not exist", entry.name),
                )
            })
        };
        Ok(Arc::new(Schema::new(columns.iter().map(field).collect::<SqlResult<Vec<Field>>>()?)))
    }
}

/// The kept relations behind plain views, which are inlined only when the plan is analysed.
fn plain_views_below(catalog: &Catalog, entry: &Entry) -> BTreeSet<RelationId> {
    let mut found = BTreeSet::new();
    let mut open = vec![entry.id];
    while let Some(entry) = open.pop().and_then(|id| catalog.by_id(id)) {
        if matches!(entry.object, Object::View(_)) {
            open.extend(&entry.depends_on);
        } else {
            found.insert(entry.id);
        }
    }
    found
}

/// Puts the published tick in for `trueup_tick()`.
fn bind_tick(plan: LogicalPlan, tick: Tick) -> datafusion::error::Result<LogicalPlan> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    use datafusion::logical_expr::{Expr, lit};
    let bind = |e: Expr| match &e {
        Expr::ScalarFunction(f) if f.name() == "trueup_tick" => {
            let name = e.schema_name().to_string();
            Ok(Transformed::yes(lit(tick as i64).alias(name)))
        }
        _ => Ok(Transformed::no(e)),
    };
    let bound = plan.transform_up_with_subqueries(|node| node.map_expressions(|e| e.transform_up(bind)))?.data;
    bound.recompute_schema()
}

const DESCRIBE: [&str; 4] = ["Name", "Type", "Nullable", "Key"];

fn describe_rows(entry: &Entry) -> SqlResult<Outcome> {
    let key: &[usize] = match &entry.object {
        Object::Table(def) => &def.primary_key,
        _ => &[],
    };
    let rows = entry.schema.fields().iter().enumerate().map(|(i, f)| {
        let nullable = if f.is_nullable() { "yes" } else { "no" };
        let key = if key.contains(&i) { "primary key" } else { "" };
        vec![f.name().clone(), crate::plan::types::postgres_name(f.data_type()), nullable.to_string(), key.to_string()]
    });
    rows_of(&DESCRIBE, rows.collect())
}

fn text_schema(names: &[&str]) -> SchemaRef {
    Arc::new(Schema::new(names.iter().map(|n| Field::new(*n, DataType::Utf8, true)).collect::<Vec<_>>()))
}

fn rows_of(names: &[&str], rows: Vec<Vec<String>>) -> SqlResult<Outcome> {
    let schema = text_schema(names);
    let columns = (0..names.len())
        .map(|c| Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r[c]))) as ArrayRef)
        .collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(|e| SqlError::internal(e.to_string()))?;
    let stream = RecordBatchStreamAdapter::new(Arc::clone(&schema), futures::stream::iter([Ok(batch)]));
    Ok(Outcome::Rows { schema, stream: Box::pin(stream) })
}
