//! Statements to catalog entries, without running anything: what `check` does and the coordinator does first.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::SessionState as DataFusionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as DataFusionStatement;
use datafusion::sql::sqlparser::ast::{Query, Statement as SqlStatement};
use futures::executor::block_on;

use super::catalog::{Catalog, Entry, Object};
use crate::dataflow::table_layout;
use crate::model::error::code;
use crate::model::{RelationId, SqlError, SqlResult, TableDef};
use crate::plan::coerce::coerce;
use crate::plan::error::from_datafusion;
use crate::plan::lir::{Layout, Node, Operator, Plan};
use crate::plan::lower::{Relations, lower};
use crate::plan::optimize::optimize;
use crate::plan::output::view_output;
use crate::plan::subquery::one_row_each;

/// The logical plan of a query over the live relations.
pub(crate) fn logical_plan(state: &DataFusionState, query: &Query, sql: &str) -> SqlResult<LogicalPlan> {
    statement_plan(state, SqlStatement::Query(Box::new(query.clone())), sql)
}

/// The logical plan of a query or a DML statement.
pub(crate) fn statement_plan(state: &DataFusionState, statement: SqlStatement, sql: &str) -> SqlResult<LogicalPlan> {
    let statement = DataFusionStatement::Statement(Box::new(statement));
    let planned = block_on(state.statement_to_plan(statement)).and_then(coerce).and_then(one_row_each);
    planned.map_err(|e| from_datafusion(e, sql))
}

/// Names of the relations a plan scans, in subqueries too.
pub(crate) fn scanned(plan: &LogicalPlan) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    // Visiting cannot fail: the closure does not.
    drop(plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            names.insert(match scan.table_name.schema() {
                Some(schema) if schema != "public" => format!("{schema}.{}", scan.table_name.table()),
                _ => scan.table_name.table().to_string(),
            });
        }
        Ok(TreeNodeRecursion::Continue)
    }));
    names
}

/// A table as an entry.
pub(crate) fn table(id: RelationId, def: &TableDef, sql: &str) -> SqlResult<Entry> {
    crate::ingest::driver::validate(def)?;
    let def = Arc::new(def.clone());
    Ok(Entry {
        id,
        name: def.name.clone(),
        schema: Arc::clone(&def.schema),
        layout: table_layout(&def),
        object: Object::Table(Arc::clone(&def)),
        depends_on: BTreeSet::new(),
        sql: sql.to_string(),
    })
}

/// What a `CREATE VIEW` says.
pub(crate) struct ViewDef<'a> {
    pub name: &'a str,
    pub columns: &'a [String],
    pub query: &'a Query,
    pub materialized: bool,
    pub sql: &'a str,
}

/// A view as an entry.
pub(crate) fn view(id: RelationId, catalog: &Catalog, state: &DataFusionState, def: &ViewDef<'_>) -> SqlResult<Entry> {
    let logical = view_output(logical_plan(state, def.query, def.sql)?, def.columns)?;
    let names: Vec<String> = logical.schema().fields().iter().map(|f| f.name().clone()).collect();
    let depends_on = depends_on(catalog, &logical, def.sql);
    if !def.materialized {
        let schema = Arc::clone(logical.schema().inner());
        let object = Object::View(Arc::new(logical));
        return Ok(Entry {
            id,
            name: def.name.to_string(),
            layout: Layout::new(vec![], 0),
            schema,
            object,
            depends_on,
            sql: def.sql.to_string(),
        });
    }
    let plan = plan_query(catalog, state, logical, def.name, &names, def.sql)?;
    Ok(Entry {
        id,
        name: def.name.to_string(),
        schema: Arc::clone(&plan.schema),
        layout: plan.layout.clone(),
        object: Object::MaterializedView(Arc::new(plan)),
        depends_on,
        sql: def.sql.to_string(),
    })
}

/// The plan that would keep a query's answer.
pub(crate) fn plan_query(
    catalog: &Catalog,
    state: &DataFusionState,
    logical: LogicalPlan,
    name: &str,
    columns: &[String],
    sql: &str,
) -> SqlResult<Plan> {
    let optimized = optimize(state, logical).map_err(|e| from_datafusion(e, sql))?;
    lower(state, catalog, name, columns, &optimized, sql)
}

/// An index as an entry: the relation once more, by other columns.
pub(crate) fn index(
    id: RelationId,
    catalog: &Catalog,
    name: Option<&str>,
    relation: &str,
    columns: &[String],
    sql: &str,
) -> SqlResult<Entry> {
    let target = catalog.require(relation)?;
    let info = catalog.relation(relation).ok_or_else(|| {
        SqlError::new(code::WRONG_OBJECT_TYPE, format!("\"{relation}\" cannot be indexed"))
            .hint("only tables and materialized views hold rows; make the view MATERIALIZED")
    })?;
    let column = |name: &String| {
        info.schema.index_of(name).map_err(|_| {
            SqlError::new(
                code::UNDEFINED_COLUMN,
                format!("column \"{name}\" of relation \"{relation}\" does not exist"),
            )
        })
    };
    let key = columns.iter().map(column).collect::<SqlResult<Vec<usize>>>()?;
    let layout = Layout::new(key, info.schema.fields().len());
    let operator = Operator::Get { relation: info.id, name: info.name.clone() };
    let node = Node::new(operator, &info.schema, info.unique);
    let name = name.map_or_else(|| format!("{relation}_{}_idx", columns.join("_")), str::to_string);
    let plan = Plan {
        name: name.clone(),
        root: Arc::new(node),
        layout: layout.clone(),
        schema: Arc::clone(&info.schema),
        warnings: vec![],
    };
    Ok(Entry {
        id,
        name,
        schema: info.schema,
        layout,
        object: Object::Index { plan: Arc::new(plan), relation: target.id },
        depends_on: BTreeSet::from([target.id]),
        sql: sql.to_string(),
    })
}

fn depends_on(catalog: &Catalog, logical: &LogicalPlan, sql: &str) -> BTreeSet<RelationId> {
    // Plain views are inlined when they are named; the plan still shows what they scan, not the view: both are dependencies.
    let mut ids = BTreeSet::new();
    let mut recursive = BTreeSet::new();
    // Visiting cannot fail: the closure does not.
    drop(logical.apply_with_subqueries(|node| {
        if let LogicalPlan::RecursiveQuery(query) = node {
            recursive.insert(query.name.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    }));
    // The system's relations have no entry: they are always there.
    let scanned = scanned(logical);
    ids.extend(scanned.difference(&recursive).filter_map(|name| catalog.get(name)).map(|e| e.id));
    ids.extend(plain_views_in(catalog, sql).map(|e| e.id));
    ids
}

/// The plain views whose names stand in a statement, maybe by chance.
pub(crate) fn plain_views_in<'c>(catalog: &'c Catalog, sql: &str) -> impl Iterator<Item = &'c Entry> {
    let words: BTreeSet<String> = sql.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_string).collect();
    catalog.iter().filter(move |e| matches!(e.object, Object::View(_)) && words.contains(e.name.as_str()))
}
