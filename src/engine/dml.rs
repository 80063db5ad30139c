//! INSERT, UPDATE, DELETE, COPY, and DDL, as a session runs them.
//!
//! The rows a statement touches are found by an ordinary query at one tick; they are written at a later one. A write answers once
//! its tick is published.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{DmlStatement, LogicalPlan, WriteOp};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use futures::TryStreamExt;

use super::Engine;
use super::api::{Answer, Outcome};
use super::catalog::{Catalog, Object, of_table};
use super::coordinator::{Existing, Request, asks};
use super::planner::{self, ViewDef, statement_plan};
use super::sinks;
use crate::dataflow::TableRows;
use crate::model::error::code;
use crate::model::{Op, RelationId, SqlError, SqlResult, TableDef, UnknownFields};
use crate::plan::error::from_datafusion;
use crate::plan::statement::{ObjectKind, Statement, StatementKind};

impl Engine {
    pub(super) async fn insert(&self, dml: &SqlStatement, parameters: &[ScalarValue], sql: &str) -> SqlResult<Outcome> {
        let dml = self.dml(dml, sql)?;
        let (id, def) = self.table(dml.table_name.table())?;
        let input = promise_nothing(LogicalPlan::clone(&dml.input)).map_err(|e| from_datafusion(e, sql))?;
        let rows = checked(&def, self.rows(input, parameters, sql).await?)?;
        let count = rows.num_rows();
        self.write(id, vec![TableRows { asks: asks(Op::Upsert, false, count), batch: rows, sequence: 0 }]).await?;
        Ok(Outcome::Done { tag: "INSERT 0".to_string(), rows: Some(count as u64) })
    }

    pub(super) async fn delete(&self, dml: &SqlStatement, parameters: &[ScalarValue], sql: &str) -> SqlResult<Outcome> {
        let dml = self.dml(dml, sql)?;
        let (id, def) = self.table(dml.table_name.table())?;
        refuse_append_only(&def, "DELETE")?;
        let rows = self.rows(LogicalPlan::clone(&dml.input), parameters, sql).await?;
        let count = rows.num_rows();
        self.write(id, vec![TableRows { asks: asks(Op::Delete, true, count), batch: typed(&def, rows)?, sequence: 0 }])
            .await?;
        Ok(Outcome::Done { tag: "DELETE".to_string(), rows: Some(count as u64) })
    }

    pub(super) async fn update(&self, dml: &SqlStatement, parameters: &[ScalarValue], sql: &str) -> SqlResult<Outcome> {
        let assigned = assigned_columns(dml);
        let dml = self.dml(dml, sql)?;
        let (id, def) = self.table(dml.table_name.table())?;
        refuse_append_only(&def, "UPDATE")?;
        let key: Vec<&str> = def.primary_key.iter().map(|c| def.schema.field(*c).name().as_str()).collect();
        if let Some(column) = assigned.iter().find(|a| key.contains(&a.as_str())) {
            return Err(SqlError::unsupported(format!("UPDATE of key column \"{column}\""))
                .hint("DELETE the row and INSERT it under its new key"));
        }
        let rows = checked(&def, self.rows(LogicalPlan::clone(&dml.input), parameters, sql).await?)?;
        let count = rows.num_rows();
        let mut writes = vec![];
        if def.primary_key.is_empty() {
            // The rows as they stand are the update's input without its projection.
            let inputs = dml.input.inputs();
            let before = inputs.first().ok_or_else(|| SqlError::internal("an update projects its table"))?;
            let before = typed(&def, self.rows(LogicalPlan::clone(before), parameters, sql).await?)?;
            let removed = before.num_rows();
            writes.push(TableRows { batch: before, asks: asks(Op::Delete, true, removed), sequence: 0 });
        }
        writes.push(TableRows { batch: rows, asks: asks(Op::Upsert, true, count), sequence: 0 });
        self.write(id, writes).await?;
        Ok(Outcome::Done { tag: "UPDATE".to_string(), rows: Some(count as u64) })
    }

    pub(super) async fn copy(&self, table: &str, columns: &[String], rows: RecordBatch) -> SqlResult<u64> {
        let (id, def) = self.table(table)?;
        let count = rows.num_rows();
        let column = |field: &Arc<Field>| -> ArrayRef {
            let at = if columns.is_empty() {
                def.schema.index_of(field.name()).ok()
            } else {
                columns.iter().position(|c| c == field.name())
            };
            at.map_or_else(|| new_null_array(field.data_type(), count), |at| Arc::clone(rows.column(at)))
        };
        let all = def.schema.fields().iter().map(column).collect();
        let rows = RecordBatch::try_new(relaxed(&def.schema), all).map_err(|e| SqlError::internal(e.to_string()))?;
        let rows = checked(&def, rows)?;
        self.write(id, vec![TableRows { batch: rows, asks: asks(Op::Upsert, false, count), sequence: 0 }]).await?;
        Ok(count as u64)
    }

    fn dml(&self, statement: &SqlStatement, sql: &str) -> SqlResult<DmlStatement> {
        match statement_plan(&self.shared.context.state(), statement.clone(), sql)? {
            LogicalPlan::Dml(dml) if matches!(dml.op, WriteOp::Insert(_) | WriteOp::Update | WriteOp::Delete) => {
                Ok(dml)
            }
            _ => Err(SqlError::unsupported("this form of INSERT, UPDATE or DELETE is not supported")),
        }
    }

    pub(super) fn table(&self, name: &str) -> SqlResult<(RelationId, Arc<TableDef>)> {
        let catalog = self.catalog();
        catalog.require_table(name).map(|(entry, def)| (entry.id, def))
    }

    async fn rows(&self, plan: LogicalPlan, parameters: &[ScalarValue], sql: &str) -> SqlResult<RecordBatch> {
        let Answer { schema, stream, .. } = self.run_plan(plan, parameters, sql).await?;
        let batches: Vec<RecordBatch> = stream.try_collect().await.map_err(|e| from_datafusion(e, sql))?;
        arrow::compute::concat_batches(&schema, &batches).map_err(|e| SqlError::internal(e.to_string()))
    }

    async fn write(&self, relation: RelationId, rows: Vec<TableRows>) -> SqlResult<()> {
        let unknown = UnknownFields::default();
        self.ask(|reply| Request::Write { relation, rows, bad: vec![], unknown, reply }).await?.map(drop)
    }

    /// Makes what a CREATE statement says; nothing if it exists and that is fine.
    pub(super) async fn create(&self, statement: &Statement) -> SqlResult<()> {
        let statement = statement.clone();
        let policy = match &statement.kind {
            StatementKind::CreateTable { if_not_exists: true, .. }
            | StatementKind::CreateView { if_not_exists: true, .. }
            | StatementKind::CreateIndex { if_not_exists: true, .. }
            | StatementKind::CreateSink { if_not_exists: true, .. } => Existing::Keep,
            StatementKind::CreateView { or_replace: true, .. } => Existing::Replace,
            _ => Existing::Refuse,
        };
        let make =
            Box::new(move |id: RelationId, catalog: &Catalog, state: &_| entry_of(&statement, id, catalog, state));
        self.ask(|reply| Request::Create { make, policy, reply }).await?.map(drop)
    }

    pub(super) async fn drop_objects(
        &self,
        kind: ObjectKind,
        names: &[String],
        if_exists: bool,
        cascade: bool,
    ) -> SqlResult<()> {
        let names = names.to_vec();
        let make = Box::new(move |catalog: &Catalog| to_drop(catalog, kind, &names, if_exists, cascade));
        self.ask(|reply| Request::Drop { make, reply }).await?
    }
}

/// The catalog entry a CREATE statement makes.
pub(super) fn entry_of(
    statement: &Statement,
    id: RelationId,
    catalog: &Catalog,
    state: &datafusion::execution::SessionState,
) -> SqlResult<super::catalog::Entry> {
    let sql = statement.text.as_str();
    match &statement.kind {
        StatementKind::CreateTable { def, .. } => planner::table(id, def, sql),
        StatementKind::CreateView { name, columns, query, materialized, .. } => {
            planner::view(id, catalog, state, &ViewDef { name, columns, query, materialized: *materialized, sql })
        }
        StatementKind::CreateIndex { name, relation, columns, .. } => {
            planner::index(id, catalog, name.as_deref(), relation, columns, sql)
        }
        StatementKind::CreateSink { name, from, options, .. } => sinks::entry(id, catalog, name, from, options, sql),
        _ => Err(SqlError::unsupported("only CREATE statements are allowed in dataflow files")
            .hint("put queries and inserts into psql, or rows into a test's GIVEN")),
    }
}

fn to_drop(
    catalog: &Catalog,
    kind: ObjectKind,
    names: &[String],
    if_exists: bool,
    cascade: bool,
) -> SqlResult<Vec<RelationId>> {
    let mut ids: Vec<RelationId> = vec![];
    for name in names {
        if if_exists && catalog.get(name).is_none() {
            continue;
        }
        let entry = catalog.require(name)?;
        if let Object::History(def) = &entry.object {
            return Err(of_table(name, def));
        }
        let fits = match (kind, &entry.object) {
            (ObjectKind::Table, Object::Table(def)) => !def.append_only,
            (ObjectKind::Source, Object::Table(def)) => def.append_only || def.connector.is_some(),
            (ObjectKind::View, Object::View(_))
            | (ObjectKind::MaterializedView, Object::MaterializedView(_))
            | (ObjectKind::Index, Object::Index { .. })
            | (ObjectKind::Sink, Object::Sink { .. }) => true,
            _ => false,
        };
        if !fits {
            let is = entry.kind();
            return Err(SqlError::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is a {is}"))
                .hint(format!("use DROP {}", is.to_uppercase())));
        }
        // An index goes with its relation, as in PostgreSQL, and so does a history.
        let dependents = catalog.dependents(entry.id);
        let blocking = dependents
            .iter()
            .filter_map(|d| catalog.by_id(*d))
            .find(|d| !matches!(d.object, Object::Index { .. } | Object::History(_)) && !names.contains(&d.name));
        if let (Some(dependent), false) = (blocking, cascade) {
            return Err(SqlError::new(
                code::DEPENDENT_OBJECTS_STILL_EXIST,
                format!("cannot drop {} {name} because other objects depend on it", entry.kind()),
            )
            .detail(format!("{} {} depends on it", dependent.kind(), dependent.name))
            .hint("use DROP … CASCADE to drop the dependent objects too"));
        }
        ids.extend(dependents);
        ids.push(entry.id);
    }
    ids.sort_unstable();
    ids.dedup();
    ids.reverse();
    Ok(ids)
}

fn refuse_append_only(def: &TableDef, what: &str) -> SqlResult<()> {
    if !def.append_only {
        return Ok(());
    }
    Err(SqlError::new(
        code::WRONG_OBJECT_TYPE,
        format!("cannot {what} from source \"{}\": it is append-only", def.name),
    )
    .hint("declare it as a TABLE to change its rows"))
}

fn assigned_columns(statement: &SqlStatement) -> Vec<String> {
    let SqlStatement::Update(update) = statement else { return vec![] };
    update.assignments.iter().map(|a| a.target.to_string().trim_matches('"').to_string()).collect()
}

/// VALUES take the table's NOT NULLs for granted, and fail in words of their own where a row breaks them; [`checked`] knows better.
fn promise_nothing(plan: LogicalPlan) -> datafusion::error::Result<LogicalPlan> {
    let relaxed = plan.transform_up(|plan| match plan {
        LogicalPlan::Values(mut values) => {
            let fields = values
                .schema
                .iter()
                .map(|(qualifier, field)| (qualifier.cloned(), Arc::new(field.as_ref().clone().with_nullable(true))));
            values.schema = Arc::new(DFSchema::new_with_metadata(fields.collect(), Default::default())?);
            Ok(Transformed::yes(LogicalPlan::Values(values)))
        }
        above => above.recompute_schema().map(Transformed::yes),
    });
    relaxed.map(|plan| plan.data)
}

fn relaxed(schema: &SchemaRef) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>()))
}

/// Rows in the table's types, whatever their columns are called.
fn typed(def: &TableDef, rows: RecordBatch) -> SqlResult<RecordBatch> {
    let cast = |(column, field): (&ArrayRef, &Arc<Field>)| {
        if column.data_type() == field.data_type() {
            Ok(Arc::clone(column))
        } else {
            arrow::compute::cast(column, field.data_type())
        }
    };
    let columns = rows.columns().iter().zip(def.schema.fields()).map(cast).collect::<Result<Vec<_>, _>>();
    columns
        .and_then(|c| RecordBatch::try_new(relaxed(&def.schema), c))
        .map_err(|e| SqlError::new(code::DATATYPE_MISMATCH, e.to_string()))
}

/// [`typed`], and no NULL where the table wants none.
fn checked(def: &TableDef, rows: RecordBatch) -> SqlResult<RecordBatch> {
    let rows = typed(def, rows)?;
    for (column, field) in rows.columns().iter().zip(def.schema.fields()) {
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(SqlError::new(
                code::NOT_NULL_VIOLATION,
                format!(
                    "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                    field.name(),
                    def.name
                ),
            ));
        }
    }
    Ok(rows)
}
