//! Dataflow files planned once and built many times, in part, and with views replaced: what tests run on.
//!
//! Guarantees: planning happens once per set of replaced views; what is built is what was planned, under the same ids. Connectors
//! are left out: a prepared table is fed by whoever builds it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::logical_expr::LogicalPlan;

use super::Engine;
use super::catalog::{Catalog, Entry, Object};
use super::coordinator::{Existing, Request};
use super::dml::entry_of;
use super::load::{Bench, Diagnostic, Placed, Script, ordered, plan_on};
use super::planner::{self, statement_plan};
use crate::dataflow::table_layout;
use crate::model::error::code;
use crate::model::{ConnectorDef, OnConflict, RelationId, SqlError, SqlResult, TableDef};
use crate::plan::output::query_output;
use crate::plan::parse::{output_name, parse};
use crate::plan::statement::{Statement, StatementKind};

/// Planned dataflow files.
pub struct Prepared {
    /// The statements, each after those it names, with what they made.
    statements: Vec<(Statement, RelationId)>,
    bench: Bench,
    /// What the tables' connector clauses said.
    connectors: BTreeMap<String, ConnectorDef>,
}

/// What a relation of a [`Prepared`] looks like.
#[derive(Clone, Debug)]
pub struct Columns {
    /// `table`, `source`, `history`, `view`, `materialized view`.
    pub kind: &'static str,
    /// Its columns.
    pub schema: SchemaRef,
    /// How its rows supersede each other; `None` for views.
    pub table: Option<Arc<TableDef>>,
}

/// What a statement over a [`Prepared`] reads and gives.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Relations it names, and a written table.
    pub relations: BTreeSet<String>,
    /// Result columns; `None` for INSERT, UPDATE and DELETE.
    pub columns: Option<SchemaRef>,
    /// Whether the rows come in an order of the query's own.
    pub ordered: bool,
}

impl Prepared {
    /// Plans all objects of the scripts, their connectors left out; or all that is wrong with them.
    pub fn new(scripts: &[Script]) -> Result<Prepared, Vec<Diagnostic>> {
        let mut placed = ordered(scripts)?;
        let mut connectors = BTreeMap::new();
        for Placed { statement, .. } in &mut placed {
            if let StatementKind::CreateTable { def, .. } = &mut statement.kind
                && let Some(connector) = def.connector.take()
            {
                connectors.insert(def.name.clone(), connector);
            }
        }
        Prepared::planned(scripts, placed, connectors).map(|(prepared, _)| prepared)
    }

    /// Plans all objects of the scripts, connectors and all, to be looked at rather than built: with what is worth saying, or all
    /// that is wrong.
    pub fn check(scripts: &[Script]) -> Result<(Prepared, Vec<Diagnostic>), Vec<Diagnostic>> {
        Prepared::planned(scripts, ordered(scripts)?, BTreeMap::new())
    }

    fn planned(
        scripts: &[Script],
        placed: Vec<Placed>,
        connectors: BTreeMap<String, ConnectorDef>,
    ) -> Result<(Prepared, Vec<Diagnostic>), Vec<Diagnostic>> {
        let nowhere = Script { path: Default::default(), text: String::new() };
        let bench = Bench::new().map_err(|e| vec![Diagnostic::new(scripts.first().unwrap_or(&nowhere), 0, e)])?;
        let warnings = plan_on(&bench, scripts, &placed)?;
        let ids: Vec<RelationId> =
            bench.catalog().iter().filter(|entry| !entry.is_history()).map(|entry| entry.id).collect();
        let statements = placed.into_iter().map(|p| p.statement).zip(ids).collect();
        Ok((Prepared { statements, bench, connectors }, warnings))
    }

    /// Of the same what the wanted relations are made of, with the named views standing as bags of rows with the views' columns, all
    /// nullable.
    pub fn replacing(&self, views: &BTreeSet<String>, wanted: &BTreeSet<String>) -> SqlResult<Prepared> {
        let bench = Bench::new()?;
        let state = bench.context.state();
        let base = self.bench.catalog();
        let is_replaced = |entry: &Entry| views.contains(&entry.name) && !matches!(entry.object, Object::Table(_));
        let needed = closure(&base, wanted, is_replaced)?;
        let mut changed: BTreeSet<RelationId> = BTreeSet::new();
        let mut statements = vec![];
        for (statement, id) in self.statements.iter().filter(|(_, id)| needed.contains(id)) {
            let entry = base.by_id(*id).ok_or_else(|| SqlError::internal("a planned statement made an object"))?;
            let entry = if is_replaced(entry) {
                changed.insert(*id);
                bag_like(entry)
            } else if entry.depends_on.iter().any(|d| changed.contains(d)) {
                changed.insert(*id);
                entry_of(statement, *id, &bench.catalog(), &state)?
            } else {
                entry.clone()
            };
            bench.insert(entry);
            statements.push((statement.clone(), *id));
        }
        Ok(Prepared { statements, bench, connectors: self.connectors.clone() })
    }

    /// What a table's connector clause said.
    pub fn connector(&self, table: &str) -> Option<&ConnectorDef> {
        self.connectors.get(table)
    }

    /// How many objects there are, indexes too.
    pub fn count(&self) -> usize {
        self.statements.len()
    }

    /// Names of the tables, sources and views in the order of making.
    pub fn relations(&self) -> Vec<String> {
        let catalog = self.bench.catalog();
        catalog.iter().filter(|e| !matches!(e.object, Object::Index { .. })).map(|e| e.name.clone()).collect()
    }

    /// A table's or view's columns.
    ///
    /// # Errors
    /// No such relation; an index.
    pub fn columns(&self, name: &str) -> SqlResult<Columns> {
        let catalog = self.bench.catalog();
        let entry = catalog.require(name)?;
        let table = match &entry.object {
            Object::Table(def) => Some(Arc::clone(def)),
            Object::Index { .. } => {
                return Err(SqlError::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is an index")));
            }
            _ => None,
        };
        Ok(Columns { kind: entry.kind(), schema: Arc::clone(&entry.schema), table })
    }

    /// The wanted relations and all they are made of, the replaced views made of nothing.
    ///
    /// # Errors
    /// No such relation.
    pub fn made_of(&self, wanted: &BTreeSet<String>, replaced: &BTreeSet<String>) -> SqlResult<BTreeSet<String>> {
        let catalog = self.bench.catalog();
        let ids = closure(&catalog, wanted, |entry| replaced.contains(&entry.name))?;
        Ok(ids.into_iter().filter_map(|id| catalog.by_id(id)).map(|entry| entry.name.clone()).collect())
    }

    /// Plans one query, INSERT, UPDATE or DELETE.
    ///
    /// # Errors
    /// SQL that is refused; another kind of statement.
    pub fn read(&self, sql: &str) -> SqlResult<Reading> {
        let mut statements = parse(sql)?;
        let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
            return Err(SqlError::syntax("expected one statement"));
        };
        let in_text = |e: SqlError| match e.position {
            Some(position) => e.at(position + statement.offset),
            None => e,
        };
        let state = self.bench.context.state();
        let (plan, ordered) = match &statement.kind {
            StatementKind::Query(query) => {
                let plan = planner::logical_plan(&state, query, &statement.text).and_then(query_output);
                (plan.map_err(in_text)?, query.order_by.is_some())
            }
            StatementKind::Insert(dml) | StatementKind::Update(dml) | StatementKind::Delete(dml) => {
                (statement_plan(&state, dml.as_ref().clone(), &statement.text).map_err(in_text)?, false)
            }
            _ => return Err(SqlError::unsupported("only queries, INSERT, UPDATE and DELETE can stand here")),
        };
        let catalog = self.bench.catalog();
        let mut relations: BTreeSet<String> = planner::scanned(&plan);
        relations.extend(planner::plain_views_in(&catalog, &statement.text).map(|entry| entry.name.clone()));
        relations.retain(|name| catalog.get(name).is_some());
        let columns = match &plan {
            LogicalPlan::Dml(dml) => {
                relations.insert(catalog.require_table(dml.table_name.table())?.0.name.clone());
                None
            }
            plan => Some(output_columns(plan)),
        };
        Ok(Reading { relations, columns, ordered })
    }
}

/// The wanted relations and all they are made of; what `is_given` is made of nothing.
fn closure(
    catalog: &Catalog,
    wanted: &BTreeSet<String>,
    is_given: impl Fn(&Entry) -> bool,
) -> SqlResult<BTreeSet<RelationId>> {
    let mut open = wanted.iter().map(|n| catalog.require(n).map(|e| e.id)).collect::<SqlResult<Vec<_>>>()?;
    let mut found: BTreeSet<RelationId> = BTreeSet::new();
    while let Some(entry) = open.pop().and_then(|id| catalog.by_id(id)) {
        if found.insert(entry.id) && !is_given(entry) {
            open.extend(&entry.depends_on);
        }
    }
    Ok(found)
}

/// A query's columns under the names clients see, all nullable.
fn output_columns(plan: &LogicalPlan) -> SchemaRef {
    let field = |f: &Arc<Field>| Field::new(output_name(f.name()), f.data_type().clone(), true);
    Arc::new(Schema::new(plan.schema().fields().iter().map(field).collect::<Vec<Field>>()))
}

/// A table without a key that looks like a view.
fn bag_like(view: &Entry) -> Entry {
    let fields: Vec<Field> = view.schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
    let def = Arc::new(TableDef {
        name: view.name.clone(),
        schema: Arc::new(Schema::new(fields)),
        primary_key: vec![],
        version: None,
        on_conflict: OnConflict::Overwrite,
        append_only: false,
        history: None,
        connector: None,
    });
    Entry {
        id: view.id,
        name: view.name.clone(),
        schema: Arc::clone(&def.schema),
        layout: table_layout(&def),
        object: Object::Table(def),
        depends_on: BTreeSet::new(),
        sql: view.sql.clone(),
    }
}

impl Engine {
    /// Makes the wanted relations and all they are made of, tables with their histories. The engine must have none of these names or ids yet: a fresh one.
    pub async fn build(&self, prepared: &Prepared, wanted: &BTreeSet<String>) -> SqlResult<()> {
        let catalog = prepared.bench.catalog();
        let needed = closure(&catalog, wanted, |_| false)?;
        let made = |entry: &&Entry| needed.contains(&entry.id) && !entry.is_history();
        for entry in catalog.iter().filter(made).cloned() {
            let make = Box::new(move |_: RelationId, _: &Catalog, _: &_| Ok(entry));
            self.ask(|reply| Request::Create { make, policy: Existing::Refuse, reply }).await??;
        }
        Ok(())
    }
}
