//! Dataflow files: parsed together, ordered by what names what, then made one by one or only checked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as DataFusionStatement;
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;

use super::catalog::{Catalog, Entry, Object};
use super::dml::entry_of;
use super::{Engine, query};
use crate::model::error::code;
use crate::model::{SqlError, SqlResult, TableDef};
use crate::plan::parse::parse;
use crate::plan::place::line_column;
use crate::plan::statement::{Statement, StatementKind};

/// A file of statements.
#[derive(Clone, Debug)]
pub struct Script {
    /// Where it was read from.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// An error with its place.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// The file.
    pub path: PathBuf,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// The offending line's text.
    pub source: String,
    /// What is wrong.
    pub error: SqlError,
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}:{}:{}: {}", self.path.display(), self.line, self.column, self.error.message)?;
        writeln!(f, "  | {}", self.source)?;
        write!(f, "  | {}^", " ".repeat(self.column.saturating_sub(1)))?;
        for (label, text) in [("detail", &self.error.detail), ("hint", &self.error.hint)] {
            if let Some(text) = text {
                write!(f, "\n  {label}: {text}")?;
            }
        }
        Ok(())
    }
}

/// A statement and the script it is in.
pub(super) struct Placed {
    pub(super) script: usize,
    pub(super) statement: Statement,
}

impl Diagnostic {
    /// An error of a piece of a script that begins at byte `offset`.
    pub fn new(script: &Script, offset: usize, error: SqlError) -> Diagnostic {
        let Script { path, text } = script;
        let at = (offset + error.position.unwrap_or(0)).min(text.len());
        let (line, column) = line_column(text, at);
        let source = text.lines().nth(line.saturating_sub(1)).unwrap_or("").to_string();
        Diagnostic { path: path.clone(), line, column, source, error }
    }
}

fn diagnostic(scripts: &[Script], script: usize, offset: usize, error: SqlError) -> Diagnostic {
    Diagnostic::new(&scripts[script], offset, error)
}

/// The scripts' statements, each after those it names; or what is wrong with them.
pub(super) fn ordered(scripts: &[Script]) -> Result<Vec<Placed>, Vec<Diagnostic>> {
    let (mut placed, mut errors) = (vec![], vec![]);
    for (script, Script { text, .. }) in scripts.iter().enumerate() {
        match parse(text) {
            Ok(statements) => placed.extend(statements.into_iter().map(|statement| Placed { script, statement })),
            Err(error) => errors.push(diagnostic(scripts, script, 0, error)),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut makers: BTreeMap<String, usize> = BTreeMap::new();
    for (at, p) in placed.iter().enumerate() {
        for name in made_names(&p.statement) {
            if let Some(first) = makers.get(&name) {
                let other = scripts[placed[*first].script].path.display();
                let error = SqlError::new(code::DUPLICATE_TABLE, format!("relation \"{name}\" is defined twice"))
                    .detail(format!("also in {other}"));
                errors.push(diagnostic(scripts, p.script, p.statement.offset, error));
            } else {
                makers.insert(name, at);
            }
        }
    }
    let needs: Vec<BTreeSet<usize>> =
        placed.iter().map(|p| named(&p.statement).iter().filter_map(|n| makers.get(n).copied()).collect()).collect();
    let mut done: BTreeSet<usize> = BTreeSet::new();
    let mut order: Vec<usize> = vec![];
    while order.len() < placed.len() {
        let ready: Vec<usize> =
            (0..placed.len()).filter(|at| !done.contains(at) && needs[*at].is_subset(&done)).collect();
        if ready.is_empty() {
            let stuck: Vec<usize> = (0..placed.len()).filter(|at| !done.contains(at)).collect();
            let names: Vec<String> = stuck.iter().filter_map(|at| made_name(&placed[*at].statement)).collect();
            let first = &placed[stuck[0]];
            let error = SqlError::new(
                code::INVALID_DEFINITION,
                format!("views name each other in a circle: {}", names.join(", ")),
            );
            errors.push(diagnostic(scripts, first.script, first.statement.offset, error));
            break;
        }
        done.extend(&ready);
        order.extend(ready);
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut slots: Vec<Option<Placed>> = placed.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|at| slots[at].take()).collect())
}

pub(super) fn made_name(statement: &Statement) -> Option<String> {
    match &statement.kind {
        StatementKind::CreateTable { def, .. } => Some(def.name.clone()),
        StatementKind::CreateView { name, .. } | StatementKind::CreateSink { name, .. } => Some(name.clone()),
        StatementKind::CreateIndex { name, .. } => name.clone(),
        _ => None,
    }
}

/// What a statement makes: a table's history too.
fn made_names(statement: &Statement) -> impl Iterator<Item = String> {
    let history = match &statement.kind {
        StatementKind::CreateTable { def, .. } => def.history.clone(),
        _ => None,
    };
    made_name(statement).into_iter().chain(history)
}

/// Relations a statement names.
fn named(statement: &Statement) -> Vec<String> {
    match &statement.kind {
        StatementKind::CreateView { query, .. } => {
            let query = DataFusionStatement::Statement(Box::new(SqlStatement::Query(query.clone())));
            let tables = resolve_table_references(&query, true).map(|(tables, _)| tables).unwrap_or_default();
            tables.iter().map(|t| t.table().to_string()).collect()
        }
        StatementKind::CreateIndex { relation, .. } => vec![relation.clone()],
        StatementKind::CreateSink { from, .. } => vec![from.clone()],
        _ => vec![],
    }
}

/// A catalog of the scripts' objects, planned but not running, with what is wrong and what is worth saying.
fn plan_all(scripts: &[Script]) -> Result<(Arc<Catalog>, Vec<Diagnostic>), Vec<Diagnostic>> {
    let bench = Bench::new().map_err(|e| vec![diagnostic(scripts, 0, 0, e)])?;
    let warnings = plan_on(&bench, scripts, &ordered(scripts)?)?;
    Ok((bench.catalog(), warnings))
}

/// Where statements are planned one on the other without running: a catalog that planning sees as it grows.
pub(super) struct Bench {
    shared: Arc<RwLock<Arc<Catalog>>>,
    pub(super) context: SessionContext,
}

impl Bench {
    pub(super) fn new() -> SqlResult<Bench> {
        let shared = Arc::new(RwLock::new(Arc::new(Catalog::default())));
        // Nobody answers: plans are made, not run.
        let (requests, _) = flume::bounded(1);
        let context = query::context(&shared, &requests)?;
        Ok(Bench { shared, context })
    }

    pub(super) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.shared.read().unwrap_or_else(|e| e.into_inner()))
    }

    pub(super) fn insert(&self, entry: Entry) {
        // Not copied unless someone holds the catalog as it was.
        Arc::make_mut(&mut self.shared.write().unwrap_or_else(|e| e.into_inner())).insert(entry);
    }
}

/// Plans the statements in their order into the bench's catalog; warnings, or all that is wrong.
pub(super) fn plan_on(
    bench: &Bench,
    scripts: &[Script],
    statements: &[Placed],
) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    let state = bench.context.state();
    let (mut errors, mut warnings) = (vec![], vec![]);
    let mut missing: BTreeSet<String> = BTreeSet::new();
    for Placed { script, statement } in statements {
        let current = bench.catalog();
        let planned = entry_of(statement, current.next_id(), &current, &state);
        drop(current);
        match planned {
            Ok(entry) => {
                if let Object::MaterializedView(plan) = &entry.object {
                    let note = |w: &String| {
                        diagnostic(scripts, *script, statement.offset, SqlError::unsupported(format!("warning: {w}")))
                    };
                    warnings.extend(plan.warnings.iter().map(note));
                }
                bench.insert(entry);
            }
            // What fails only because something it names has failed is not said again.
            Err(error)
                if error.code == code::UNDEFINED_TABLE && named(statement).iter().any(|n| missing.contains(n)) =>
            {
                missing.extend(made_names(statement));
            }
            Err(error) => {
                missing.extend(made_names(statement));
                errors.push(diagnostic(scripts, *script, statement.offset, error));
            }
        }
    }
    if errors.is_empty() { Ok(warnings) } else { Err(errors) }
}

/// The plan of one view of the scripts as indented text.
pub fn explain(scripts: &[Script], view: &str) -> Result<SqlResult<String>, Vec<Diagnostic>> {
    let (catalog, _) = plan_all(scripts)?;
    Ok(catalog.require(view).and_then(|entry| match &entry.object {
        Object::MaterializedView(plan) | Object::Index { plan, .. } => Ok(crate::plan::explain::explain(plan)),
        _ => Err(SqlError::new(
            code::WRONG_OBJECT_TYPE,
            format!("\"{view}\" is a {}, it has no plan of its own", entry.kind()),
        )),
    }))
}

impl Engine {
    /// Makes all objects of the scripts, in order of dependency; stops at the first that cannot be made.
    pub async fn load(&self, scripts: &[Script]) -> Result<usize, Vec<Diagnostic>> {
        self.load_fed(scripts, |_| ()).await
    }

    /// The same, with a say in what every table is before it is made: where its input comes from, say.
    pub async fn load_fed(
        &self,
        scripts: &[Script],
        mut feed: impl FnMut(&mut TableDef),
    ) -> Result<usize, Vec<Diagnostic>> {
        let statements = ordered(scripts)?;
        let count = statements.len();
        for Placed { script, mut statement } in statements {
            if let StatementKind::CreateTable { def, .. } = &mut statement.kind {
                feed(def);
            }
            let refused = |e| vec![diagnostic(scripts, script, statement.offset, e)];
            if made_name(&statement).is_none() && !matches!(statement.kind, StatementKind::CreateIndex { .. }) {
                let error = SqlError::unsupported("only CREATE statements are allowed in dataflow files");
                return Err(refused(error));
            }
            self.create(&statement).await.map_err(refused)?;
        }
        Ok(count)
    }
}
