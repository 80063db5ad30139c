//! What a table is: its columns, how its rows supersede each other, and where its input comes from.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

/// The columns a table's history has before the table's own: the row's arrival number, which grows with every row that comes for any
/// table and is never used twice; the tick it came with; what it did (`inserted`, `corrected`, `deleted`, `stale`, `conflict`).
pub const HISTORY_COLUMNS: [&str; 3] = ["trueup_arrival", "trueup_arrival_tick", "trueup_outcome"];

/// What a write with a stored key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// The new row replaces the stored one (the default, as RisingWave).
    #[default]
    Overwrite,
    /// The stored row stays.
    DoNothing,
    /// The new row's non-NULL columns replace the stored ones.
    UpdateIfNotNull,
}

/// How bytes become rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encode {
    /// One JSON object per line.
    Json,
    /// RFC 4180 lines; options `header`, `delimiter`, `null`.
    Csv,
}

/// The `WITH (connector = …) FORMAT … ENCODE …` of a table or source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorDef {
    /// Connector name, e.g. `file`.
    pub name: String,
    /// Every option of both `WITH` lists, keys lower-cased, `connector` left out.
    pub options: BTreeMap<String, String>,
    /// Row encoding; `None` where the connector delivers typed rows.
    pub encode: Option<Encode>,
}

/// A table or source as declared.
#[derive(Clone, Debug)]
pub struct TableDef {
    /// Name as written, unquoted names lower-cased.
    pub name: String,
    /// Columns in declared order; `nullable` false for NOT NULL and key columns.
    pub schema: SchemaRef,
    /// Column positions of the primary key, in key order; empty: a bag.
    pub primary_key: Vec<usize>,
    /// Position of the version column.
    pub version: Option<usize>,
    /// What a write with a stored key does.
    pub on_conflict: OnConflict,
    /// `CREATE SOURCE`: no updates or deletes.
    pub append_only: bool,
    /// Name of the relation of all rows that arrived and were no mere duplicates, if they are kept.
    pub history: Option<String>,
    /// Where its input comes from besides DML.
    pub connector: Option<ConnectorDef>,
}

impl TableDef {
    /// The columns of its history: [`HISTORY_COLUMNS`], then its own.
    pub fn history_schema(&self) -> SchemaRef {
        let [arrival, tick, outcome] = HISTORY_COLUMNS;
        let own = self.schema.fields().iter().map(|field| field.as_ref().clone());
        let mut fields = vec![
            Field::new(arrival, DataType::Int64, false),
            Field::new(tick, DataType::Int64, false),
            Field::new(outcome, DataType::Utf8, false),
        ];
        fields.extend(own);
        Arc::new(Schema::new(fields))
    }
}
