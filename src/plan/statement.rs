//! What a statement asks for, as data. DDL carries `model` types; queries and DML stay as sqlparser's tree, for DataFusion.
//!
//! Relation names are resolved as far as text allows: unquoted names folded to lower case, `public.` stripped, the system
//! schemas (`trueup`, `pg_catalog`, `information_schema`) kept as `schema.name`. Whether a relation exists is not checked here.
//! Names inside queries are left as written. Spans inside sqlparser's trees are relative to [`Statement::text`].

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::{Query, Statement as SqlStatement};

use crate::model::TableDef;

/// One statement of an input text.
#[derive(Clone, Debug)]
pub struct Statement {
    /// What it asks for.
    pub kind: StatementKind,
    /// Its own source text: no semicolon, no space or comment around it.
    pub text: String,
    /// Byte offset of `text` in the input.
    pub offset: usize,
}

/// What a statement asks for.
#[derive(Clone, Debug)]
pub enum StatementKind {
    /// `CREATE TABLE`, and `CREATE SOURCE` (`def.append_only`).
    CreateTable {
        /// The table.
        def: TableDef,
        /// An existing relation of that name is fine.
        if_not_exists: bool,
    },
    /// `CREATE [MATERIALIZED] VIEW`.
    CreateView {
        /// The view.
        name: String,
        /// Names for the first columns; may be shorter than the query's list, as in PostgreSQL.
        columns: Vec<String>,
        /// What it shows.
        query: Box<Query>,
        /// Kept up to date rather than inlined.
        materialized: bool,
        /// Replaces a view of that name.
        or_replace: bool,
        /// An existing relation of that name is fine.
        if_not_exists: bool,
    },
    /// `CREATE INDEX`.
    CreateIndex {
        /// Its name; PostgreSQL makes one up when absent.
        name: Option<String>,
        /// The indexed relation.
        relation: String,
        /// Key columns in order.
        columns: Vec<String>,
        /// An existing index of that name is fine.
        if_not_exists: bool,
    },
    /// `CREATE SINK`.
    CreateSink {
        /// The sink.
        name: String,
        /// The relation whose changes go out.
        from: String,
        /// Every option, `connector` too; `FORMAT … ENCODE …` as keys `format` and `encode`, in lower case.
        options: BTreeMap<String, String>,
        /// An existing sink of that name is fine.
        if_not_exists: bool,
    },
    /// `DROP`.
    Drop {
        /// What kind of object.
        kind: ObjectKind,
        /// Which ones.
        names: Vec<String>,
        /// Missing ones are fine.
        if_exists: bool,
        /// Whatever depends on them goes too.
        cascade: bool,
    },
    /// `SELECT`, `VALUES`, `TABLE`, `WITH`.
    Query(Box<Query>),
    /// `INSERT`.
    Insert(Box<SqlStatement>),
    /// `UPDATE`.
    Update(Box<SqlStatement>),
    /// `DELETE`.
    Delete(Box<SqlStatement>),
    /// `COPY t FROM STDIN`.
    CopyFrom {
        /// The table.
        table: String,
        /// The columns of the data, in its order; empty: all of the table's.
        columns: Vec<String>,
        /// How the data is written.
        options: CopyOptions,
    },
    /// `COPY t TO STDOUT`, `COPY (query) TO STDOUT`.
    CopyTo {
        /// What to send.
        query: Box<Query>,
        /// How to write it.
        options: CopyOptions,
    },
    /// `COPY (SUBSCRIBE …) TO STDOUT`.
    CopySubscribe {
        /// What to follow.
        subscribe: Subscribe,
        /// How to write it.
        options: CopyOptions,
    },
    /// `SUBSCRIBE` outside of `COPY` and cursors.
    Subscribe(Subscribe),
    /// `DECLARE name CURSOR FOR …`.
    Declare {
        /// The cursor.
        name: String,
        /// What it reads.
        of: CursorOf,
        /// `WITH HOLD`: outlives its transaction.
        hold: bool,
    },
    /// `FETCH`.
    Fetch {
        /// The cursor.
        name: String,
        /// At most so many rows; `None`: all.
        count: Option<u64>,
        /// `WITH (timeout = …)`: wait for rows at most so long.
        timeout_ms: Option<u64>,
    },
    /// `CLOSE`: a cursor, or all (`None`).
    Close(Option<String>),
    /// `EXPLAIN`.
    Explain {
        /// Of what.
        of: ExplainOf,
        /// `VERBOSE`.
        verbose: bool,
    },
    /// `DESCRIBE`.
    Describe {
        /// The relation.
        relation: String,
    },
    /// `SHOW`.
    Show(ShowKind),
    /// `FLUSH`.
    Flush,
    /// `SET`.
    Set {
        /// The parameter, in lower case; `SET TIME ZONE` is `timezone`.
        name: String,
        /// Its value without quotes, several joined by `, `; `None`: `DEFAULT`.
        value: Option<String>,
        /// `SET LOCAL`: until the transaction ends.
        local: bool,
    },
    /// `RESET`: a parameter, or all (`None`).
    Reset(Option<String>),
    /// Transaction control.
    Transaction(TransactionKind),
    /// `DISCARD`.
    Discard(DiscardKind),
    /// `DEALLOCATE`: a prepared statement, or all (`None`).
    Deallocate(Option<String>),
    /// Anything else PostgreSQL's grammar knows.
    Other(Box<SqlStatement>),
}

/// What `DROP` drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// `TABLE`.
    Table,
    /// `SOURCE`.
    Source,
    /// `VIEW`.
    View,
    /// `MATERIALIZED VIEW`.
    MaterializedView,
    /// `INDEX`.
    Index,
    /// `SINK`.
    Sink,
}

/// `SUBSCRIBE TO relation [WITH (snapshot = …, progress = …)]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// What to follow.
    pub relation: String,
    /// Begin with all rows as they stand (the default).
    pub snapshot: bool,
    /// Send a row per finished tick, changes or not.
    pub progress: bool,
}

/// What a cursor reads.
#[derive(Clone, Debug)]
pub enum CursorOf {
    /// The rows of a query.
    Query(Box<Query>),
    /// Changes, without end.
    Subscribe(Subscribe),
}

/// What `EXPLAIN` explains.
#[derive(Clone, Debug)]
pub enum ExplainOf {
    /// A query, as if it were a view.
    Query(Box<Query>),
    /// A view, as it runs.
    View(String),
}

/// What `SHOW` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShowKind {
    /// `SHOW TABLES`.
    Tables,
    /// `SHOW VIEWS`.
    Views,
    /// `SHOW MATERIALIZED VIEWS`.
    MaterializedViews,
    /// `SHOW SOURCES`.
    Sources,
    /// `SHOW SINKS`.
    Sinks,
    /// `SHOW INDEXES [FROM relation]`.
    Indexes(Option<String>),
    /// `SHOW COLUMNS FROM relation`.
    Columns(String),
    /// `SHOW CREATE TABLE|SOURCE|VIEW|MATERIALIZED VIEW|INDEX|SINK name`.
    Create(ObjectKind, String),
    /// A run-time parameter, in lower case.
    Variable(String),
    /// All run-time parameters.
    All,
}

/// Transaction control; modes (isolation level, read only, deferrable) are read and left out: every read is serializable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionKind {
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`, `END`.
    Commit,
    /// `ROLLBACK`, `ABORT`.
    Rollback,
    /// `SAVEPOINT name`.
    Savepoint(String),
    /// `RELEASE [SAVEPOINT] name`.
    Release(String),
    /// `ROLLBACK TO [SAVEPOINT] name`.
    RollbackTo(String),
    /// `SET TRANSACTION …`, `SET SESSION CHARACTERISTICS AS TRANSACTION …`.
    SetModes,
}

/// What `DISCARD` forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscardKind {
    /// Everything of the session.
    All,
    /// Cached plans.
    Plans,
    /// Sequence values.
    Sequences,
    /// Temporary tables.
    Temp,
}

/// How `COPY` data is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    /// PostgreSQL's text: tab-separated, backslash escapes.
    Text,
    /// RFC 4180.
    Csv,
}

/// Options of `COPY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOptions {
    /// Text (the default) or CSV.
    pub format: CopyFormat,
    /// The first line holds column names.
    pub header: bool,
    /// Between columns: by default a tab in text, a comma in CSV.
    pub delimiter: u8,
    /// What NULL looks like: by default `\N` in text, the empty unquoted string in CSV.
    pub null: String,
}

impl CopyOptions {
    /// PostgreSQL's defaults of a format.
    pub fn of(format: CopyFormat) -> Self {
        let (delimiter, null) = match format {
            CopyFormat::Text => (b'\t', "\\N"),
            CopyFormat::Csv => (b',', ""),
        };
        CopyOptions { format, header: false, delimiter, null: null.to_string() }
    }
}
