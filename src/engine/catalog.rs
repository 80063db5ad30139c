//! What exists: relations, what they are made of, and what depends on what.
//!
//! The coordinator writes it, between ticks; everybody else reads a consistent copy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::LogicalPlan;

use crate::dataflow::history_layout;
use crate::model::error::code;
use crate::model::{RelationId, SqlError, SqlResult, TableDef};
use crate::plan::lir::{Layout, Plan};
use crate::plan::lower::{RelationInfo, Relations};
use crate::sink::SinkDef;

/// What a name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Object {
    Table(Arc<TableDef>),
    /// All rows that arrived for a table; made and dropped with it.
    History(Arc<TableDef>),
    /// Kept up to date.
    MaterializedView(Arc<Plan>),
    /// Put in wherever it is named.
    View(Arc<LogicalPlan>),
    /// Another arrangement of a relation.
    Index {
        plan: Arc<Plan>,
        relation: RelationId,
    },
    /// Sent outside as it changes.
    Sink {
        def: Arc<SinkDef>,
        relation: RelationId,
    },
}

/// Where the arrival number stands among a history's columns; it tells the rows apart.
const ARRIVAL: usize = 0;

/// A named object.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub id: RelationId,
    pub name: String,
    pub object: Object,
    /// Its columns.
    pub schema: SchemaRef,
    /// How it is kept; plain views are not.
    pub layout: Layout,
    /// Relations it names.
    pub depends_on: BTreeSet<RelationId>,
    /// The statement that made it.
    pub sql: String,
}

impl Entry {
    /// `table`, `source`, `history`, `view`, `materialized view`, `index`, `sink`.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.object {
            Object::Table(def) if def.append_only => "source",
            Object::Table(_) => "table",
            Object::History(_) => "history",
            Object::MaterializedView(_) => "materialized view",
            Object::View(_) => "view",
            Object::Index { .. } => "index",
            Object::Sink { .. } => "sink",
        }
    }

    /// Whether it has rows of its own to read.
    pub(crate) fn is_kept(&self) -> bool {
        !matches!(self.object, Object::View(_) | Object::Sink { .. })
    }

    /// Whether queries may name it.
    pub(crate) fn is_relation(&self) -> bool {
        !matches!(self.object, Object::Index { .. } | Object::Sink { .. })
    }

    /// Whether it is the history of a table, made with that.
    pub(crate) fn is_history(&self) -> bool {
        matches!(self.object, Object::History(_))
    }

    /// The history that a table keeps, as an entry; it has the id after the table's.
    pub(crate) fn history(&self) -> Option<Entry> {
        let Object::Table(def) = &self.object else { return None };
        Some(Entry {
            id: RelationId(self.id.0 + 1),
            name: def.history.clone()?,
            object: Object::History(Arc::clone(def)),
            schema: def.history_schema(),
            layout: history_layout(def),
            depends_on: BTreeSet::from([self.id]),
            sql: self.sql.clone(),
        })
    }

    /// The columns that tell its rows apart, as far as is known.
    pub(crate) fn key(&self) -> Vec<usize> {
        match &self.object {
            Object::Table(def) => def.primary_key.clone(),
            Object::History(_) => vec![ARRIVAL],
            Object::MaterializedView(plan) => plan.root.unique.first().cloned().unwrap_or_default(),
            _ => vec![],
        }
    }
}

/// All objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    entries: BTreeMap<RelationId, Entry>,
    names: BTreeMap<String, RelationId>,
    next: u32,
}

impl Catalog {
    /// The id that the next object gets, if nobody takes it before.
    pub(crate) fn next_id(&self) -> RelationId {
        RelationId(self.next + 1)
    }

    /// An id never used before.
    pub(crate) fn new_id(&mut self) -> RelationId {
        self.next += 1;
        RelationId(self.next)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Entry> {
        self.names.get(name).and_then(|id| self.entries.get(id))
    }

    pub(crate) fn by_id(&self, id: RelationId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// Objects in order of their making.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The object, or PostgreSQL's error for a missing one with the nearest name as a hint.
    pub(crate) fn require(&self, name: &str) -> SqlResult<&Entry> {
        self.get(name).ok_or_else(|| {
            let error = SqlError::new(code::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"));
            match self.names.keys().find(|k| k.contains(name) || name.contains(k.as_str())) {
                Some(near) => error.hint(format!("did you mean \"{near}\"?")),
                None => error,
            }
        })
    }

    /// The table of that name, or an error that says what else it is.
    pub(crate) fn require_table(&self, name: &str) -> SqlResult<(&Entry, Arc<TableDef>)> {
        let entry = self.require(name)?;
        match &entry.object {
            Object::Table(def) => Ok((entry, Arc::clone(def))),
            Object::History(def) => Err(of_table(name, def)),
            _ => Err(SqlError::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is a {}, not a table", entry.kind()))
                .hint("write to the tables it is made of")),
        }
    }

    /// Adds an object, a table's history with it, under a new id or one of a catalog planned elsewhere.
    pub(crate) fn insert(&mut self, entry: Entry) {
        if let Some(history) = entry.history() {
            self.insert(history);
        }
        self.next = self.next.max(entry.id.0);
        self.names.insert(entry.name.clone(), entry.id);
        self.entries.insert(entry.id, entry);
    }

    pub(crate) fn remove(&mut self, id: RelationId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.names.remove(&entry.name);
        Some(entry)
    }

    /// All that names `id`, directly or not; those that name others come first.
    pub(crate) fn dependents(&self, id: RelationId) -> Vec<RelationId> {
        let mut found = BTreeSet::from([id]);
        // An object's id is greater than those of what it names.
        for entry in self.entries.values() {
            if entry.depends_on.iter().any(|d| found.contains(d)) {
                found.insert(entry.id);
            }
        }
        found.remove(&id);
        found.into_iter().rev().collect()
    }

    /// The indexes on a relation.
    pub(crate) fn indexes(&self, id: RelationId) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(move |e| matches!(&e.object, Object::Index { relation, .. } if *relation == id))
    }
}

/// Refusal to write to a history or to drop it.
pub(crate) fn of_table(history: &str, def: &TableDef) -> SqlError {
    let message = format!("\"{history}\" is the history of table \"{0}\": it changes with it", def.name);
    SqlError::new(code::WRONG_OBJECT_TYPE, message)
        .hint(format!("write to \"{0}\", or drop it: its history goes too", def.name))
}

impl Relations for Catalog {
    fn relation(&self, name: &str) -> Option<RelationInfo> {
        let entry = self.get(name).filter(|e| e.is_kept() && !matches!(e.object, Object::Index { .. }))?;
        let unique = match &entry.object {
            Object::Table(def) if !def.primary_key.is_empty() => vec![def.primary_key.clone()],
            Object::History(_) => vec![vec![ARRIVAL]],
            Object::MaterializedView(plan) => plan.root.unique.clone(),
            _ => vec![],
        };
        Some(RelationInfo {
            id: entry.id,
            name: entry.name.clone(),
            schema: Arc::clone(&entry.schema),
            layout: entry.layout.clone(),
            unique,
        })
    }
}
