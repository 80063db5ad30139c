//! What statements mean to a session: transactions, variables, cursors, COPY; the rest goes to the database.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{Ident, ObjectNamePart, Query, Statement as SqlStatement};

use super::Shared;
use super::backends::Backend;
use super::catalog::{Asker, Question};
use super::copy::read::CopyRead;
use super::extended::{Portal, Prepared};
use super::report::Notice;
use super::rows::{Rows, change_schema};
use super::startup::Client;
use super::variables::Variables;
use crate::engine::{Database, Description, Outcome, SessionState, Transaction};
use crate::model::{SqlError, SqlResult};
use crate::plan::statement::{
    CopyOptions, CursorOf, DiscardKind, ShowKind, Statement, StatementKind, Subscribe, TransactionKind,
};

mod cursors;
mod prepared;

use cursors::Cursors;

/// What a statement answers with.
pub(super) enum Answer {
    /// Rows; their number is appended to the tag.
    Rows { rows: Rows, tag: &'static str },
    /// Done; the whole tag.
    Done(String),
    /// `COPY … FROM STDIN`: input is awaited.
    CopyIn(Box<CopyIn>),
    /// `COPY … TO STDOUT`.
    CopyOut { rows: Rows, options: CopyOptions },
}

/// A COPY that waits for its input.
pub(super) struct CopyIn {
    pub(super) table: String,
    pub(super) columns: Vec<String>,
    pub(super) read: CopyRead,
}

/// One client's state.
pub(super) struct Session {
    pub(super) state: SessionState,
    pub(super) variables: Variables,
    pub(super) prepared: HashMap<String, Arc<Prepared>>,
    pub(super) portals: HashMap<String, Portal>,
    pub(super) notices: Vec<Notice>,
    /// Several statements in one simple query form a block of their own.
    pub(super) in_implicit_block: bool,
    cursors: Cursors,
    changed_in_transaction: bool,
    /// The version of the variables that `state` has.
    told_variables: Option<u64>,
    pub(super) shared: Arc<Shared>,
}

impl Session {
    pub(super) fn new(client: Client, shared: Arc<Shared>) -> (Self, Arc<Backend>, super::backends::Connected) {
        let Client { connected, user, variables } = client;
        let backend = connected.backend.clone();
        let state = SessionState { user, process: backend.process, ..SessionState::default() };
        let session = Session {
            state,
            variables,
            prepared: HashMap::new(),
            portals: HashMap::new(),
            notices: Vec::new(),
            in_implicit_block: false,
            cursors: Cursors::default(),
            changed_in_transaction: false,
            told_variables: None,
            shared,
        };
        (session, backend, connected)
    }

    fn database(&self) -> &Arc<dyn Database> {
        &self.shared.database
    }

    /// Refuses whatever does not end a failed transaction.
    pub(super) fn check_transaction(&self, statement: &Statement) -> SqlResult<()> {
        let ends = matches!(
            &statement.kind,
            StatementKind::Transaction(
                TransactionKind::Commit | TransactionKind::Rollback | TransactionKind::RollbackTo(_)
            )
        );
        if self.state.transaction == Transaction::Failed && !ends {
            return Err(SqlError::new(
                "25P02",
                "current transaction is aborted, commands ignored until end of transaction block",
            ));
        }
        Ok(())
    }

    /// A statement failed: an open block takes no further ones.
    pub(super) fn failed(&mut self) {
        if self.state.transaction == Transaction::Open {
            self.state.transaction = Transaction::Failed;
        }
    }

    /// Parameters and result columns of a statement.
    pub(super) async fn describe(
        &mut self,
        statement: &Statement,
        parameter_types: &[Option<DataType>],
    ) -> SqlResult<Description> {
        let nothing = Description { parameters: Vec::new(), columns: None };
        if let Some(question) = self.catalog_question(statement) {
            let asker = self.asker();
            return self.shared.catalog.describe(&asker, &question, parameter_types).await;
        }
        Ok(match &statement.kind {
            StatementKind::Transaction(_)
            | StatementKind::Set { .. }
            | StatementKind::Reset(_)
            | StatementKind::Discard(_)
            | StatementKind::Deallocate(_)
            | StatementKind::Close(_)
            | StatementKind::CopySubscribe { .. } => nothing,
            // Known before the client sends its data.
            StatementKind::CopyFrom { table, columns, .. } => {
                self.database().table_schema(table, columns)?;
                nothing
            }
            StatementKind::Show(ShowKind::Variable(name)) => {
                self.variables.get(name)?;
                Description { columns: Some(text_schema(&[name])), ..nothing }
            }
            StatementKind::Show(ShowKind::All) => {
                Description { columns: Some(text_schema(&["name", "setting"])), ..nothing }
            }
            StatementKind::Fetch { name, .. } => {
                Description { columns: Some(self.cursors.get(name)?.schema.clone()), ..nothing }
            }
            StatementKind::Declare { of: CursorOf::Subscribe(_), .. } => nothing,
            StatementKind::Other(other) => match other.as_ref() {
                SqlStatement::Execute { name: Some(name), .. } => {
                    let [ObjectNamePart::Identifier(name)] = &name.0[..] else { return Ok(nothing) };
                    let columns = self.prepared(&folded(name))?.description.columns.clone();
                    Description { columns, ..nothing }
                }
                SqlStatement::Prepare { .. } | SqlStatement::UNLISTEN { .. } => nothing,
                _ => self.database().describe(statement, parameter_types).await?,
            },
            StatementKind::Declare { of: CursorOf::Query(query), .. } | StatementKind::CopyTo { query, .. } => {
                let inner = inner_query(statement, query);
                let described = Box::pin(self.describe(&inner, parameter_types)).await?;
                Description { columns: None, ..described }
            }
            StatementKind::Subscribe(_) => {
                let described = self.database().describe(statement, parameter_types).await?;
                Description { columns: described.columns.map(|view| change_schema(&view)), ..described }
            }
            _ => self.database().describe(statement, parameter_types).await?,
        })
    }

    /// Runs a statement up to its answer; rows are still to be read.
    pub(super) async fn run(&mut self, statement: &Statement, parameters: &[ScalarValue]) -> SqlResult<Answer> {
        self.check_transaction(statement)?;
        match &statement.kind {
            StatementKind::Transaction(kind) => Ok(Answer::Done(self.transaction(kind)?)),
            StatementKind::Set { name, value, local } => {
                if *local && self.state.transaction == Transaction::Idle && !self.in_implicit_block {
                    self.notices.push(Notice::warning("25P01", "SET LOCAL can only be used in transaction blocks"));
                }
                self.variables.set(name, value.as_deref(), *local)?;
                Ok(done("SET"))
            }
            StatementKind::Reset(name) => {
                match name {
                    Some(name) => self.variables.set(name, None, false)?,
                    None => self.variables.reset_all(),
                }
                Ok(done("RESET"))
            }
            StatementKind::Show(ShowKind::Variable(name)) => {
                let value = self.variables.get(name)?.to_owned();
                text_rows(&[name], vec![vec![value]], "SHOW")
            }
            StatementKind::Show(ShowKind::All) => {
                let (names, values) = self.variables.all().clone().into_iter().unzip();
                text_rows(&["name", "setting"], vec![names, values], "SHOW")
            }
            StatementKind::Discard(kind) => self.discard(*kind),
            StatementKind::Deallocate(name) => self.deallocate(name.as_deref()),
            StatementKind::Declare { name, of, hold } => self.declare(statement, name, of, *hold, parameters).await,
            StatementKind::Fetch { name, count, timeout_ms } => {
                let rows = self.cursors.fetch(name, *count, *timeout_ms).await?;
                Ok(Answer::Rows { rows, tag: "FETCH" })
            }
            StatementKind::Close(name) => {
                self.cursors.close(name.as_deref())?;
                Ok(done(if name.is_some() { "CLOSE CURSOR" } else { "CLOSE CURSOR ALL" }))
            }
            StatementKind::CopyFrom { table, columns, options } => {
                let schema = self.database().table_schema(table, columns)?;
                let read = CopyRead::new(table, schema, options.clone());
                let copy = CopyIn { table: table.clone(), columns: columns.clone(), read };
                Ok(Answer::CopyIn(Box::new(copy)))
            }
            StatementKind::CopyTo { query, options } => {
                let rows = self.query(&inner_query(statement, query), parameters).await?;
                Ok(Answer::CopyOut { rows, options: options.clone() })
            }
            StatementKind::CopySubscribe { subscribe, options } => {
                let rows = self.subscribe(statement, subscribe).await?;
                Ok(Answer::CopyOut { rows, options: options.clone() })
            }
            StatementKind::Other(other) => self.other(other, statement, parameters).await,
            _ => self.engine(statement, parameters).await,
        }
    }

    /// Session statements that keep sqlparser's shape.
    async fn other(
        &mut self,
        other: &SqlStatement,
        statement: &Statement,
        parameters: &[ScalarValue],
    ) -> SqlResult<Answer> {
        match other {
            SqlStatement::Prepare { name, data_types, statement } => {
                self.prepare_by_name(&folded(name), data_types, statement).await
            }
            SqlStatement::Execute { name: Some(name), parameters: arguments, immediate: false, .. } => {
                let [ObjectNamePart::Identifier(name)] = &name.0[..] else {
                    return Err(SqlError::syntax("a prepared statement has a simple name"));
                };
                self.execute_by_name(&folded(name), arguments).await
            }
            // Drivers send it when they hand a connection back; nothing was ever listened to.
            SqlStatement::UNLISTEN { .. } => Ok(done("UNLISTEN")),
            _ => self.engine(statement, parameters).await,
        }
    }

    /// Takes the rows of a COPY, once all of them have come.
    pub(super) async fn copy_in(&mut self, copy: Box<CopyIn>) -> SqlResult<String> {
        let rows = copy.read.finish()?;
        let count = self.database().copy_in(&copy.table, &copy.columns, rows).await?;
        self.changed();
        Ok(format!("COPY {count}"))
    }

    async fn engine(&mut self, statement: &Statement, parameters: &[ScalarValue]) -> SqlResult<Answer> {
        if let Some(question) = self.catalog_question(statement) {
            let rows = self.catalog(&question, parameters).await?;
            return Ok(Answer::Rows { rows, tag: "SELECT" });
        }
        let tag = match &statement.kind {
            StatementKind::Query(_) | StatementKind::Subscribe(_) => "SELECT",
            StatementKind::Show(_) | StatementKind::Describe { .. } => "SHOW",
            StatementKind::Explain { .. } => "EXPLAIN",
            StatementKind::Insert(_) => "INSERT 0",
            StatementKind::Update(_) => "UPDATE",
            StatementKind::Delete(_) => "DELETE",
            _ => "SELECT",
        };
        if self.told_variables != Some(self.variables.version()) {
            self.state.variables.clone_from(self.variables.all());
            self.told_variables = Some(self.variables.version());
        }
        let database = self.database().clone();
        match database.execute(&mut self.state, statement, parameters).await? {
            Outcome::Rows { schema, stream } => Ok(Answer::Rows { rows: Rows::new(schema, stream), tag }),
            Outcome::Subscription(subscription) => {
                Ok(Answer::Rows { rows: Rows::subscription(subscription), tag: "SUBSCRIBE" })
            }
            Outcome::Done { tag, rows } => {
                self.changed();
                Ok(Answer::Done(match rows {
                    Some(rows) => format!("{tag} {rows}"),
                    None => tag,
                }))
            }
        }
    }

    /// The rows of a query, from whoever answers it.
    async fn query(&mut self, statement: &Statement, parameters: &[ScalarValue]) -> SqlResult<Rows> {
        match self.engine(statement, parameters).await? {
            Answer::Rows { rows, .. } => Ok(rows),
            _ => Err(SqlError::internal("a query that gives no rows")),
        }
    }

    /// A query that the catalog answers.
    fn catalog_question(&self, statement: &Statement) -> Option<Question> {
        let StatementKind::Query(query) = &statement.kind else { return None };
        // Rewrites go by how psql writes its queries; one inside another statement has no text of its own.
        let first = statement.text.split(|character: char| !character.is_alphabetic()).next().unwrap_or_default();
        let is_whole = ["", "select", "with", "values", "table"].iter().any(|word| first.eq_ignore_ascii_case(word));
        let text = if is_whole { statement.text.clone() } else { query.to_string() };
        self.shared.catalog.answers(&text).then(|| Question::new(text, query))
    }

    async fn catalog(&mut self, question: &Question, parameters: &[ScalarValue]) -> SqlResult<Rows> {
        let shared = self.shared.clone();
        let (rows, assignments) = shared.catalog.run(&self.asker(), question, parameters).await?;
        for (name, value, local) in assignments {
            self.variables.set(&name, Some(&value), local)?;
        }
        Ok(rows)
    }

    /// The columns of a cursor.
    pub(super) fn cursor_columns(&self, name: &str) -> Option<SchemaRef> {
        self.cursors.get(name).ok().map(|rows| rows.schema.clone())
    }

    /// Closes a cursor if there is one.
    pub(super) fn close_cursor(&mut self, name: &str) {
        // That there is none is what the caller wants.
        let _ = self.cursors.close(Some(name));
    }

    fn asker(&self) -> Asker {
        let SessionState { user, process, .. } = &self.state;
        Asker { user: user.clone(), process: *process, variables: self.variables.clone() }
    }

    async fn subscribe(&mut self, outer: &Statement, subscribe: &Subscribe) -> SqlResult<Rows> {
        let kind = StatementKind::Subscribe(subscribe.clone());
        let statement = Statement { kind, text: outer.text.clone(), offset: outer.offset };
        self.query(&statement, &[]).await
    }

    async fn declare(
        &mut self,
        statement: &Statement,
        name: &str,
        of: &CursorOf,
        hold: bool,
        parameters: &[ScalarValue],
    ) -> SqlResult<Answer> {
        if !hold && self.state.transaction == Transaction::Idle && !self.in_implicit_block {
            return Err(SqlError::new("25P01", "DECLARE CURSOR can only be used in transaction blocks")
                .hint("begin one with BEGIN, or declare the cursor WITH HOLD"));
        }
        self.cursors.check_free(name)?;
        let rows = match of {
            CursorOf::Query(query) => self.query(&inner_query(statement, query), parameters).await?,
            CursorOf::Subscribe(subscribe) => self.subscribe(statement, subscribe).await?,
        };
        self.cursors.declare(name, rows, hold)?;
        Ok(done("DECLARE CURSOR"))
    }

    fn transaction(&mut self, kind: &TransactionKind) -> SqlResult<String> {
        let in_block = self.state.transaction != Transaction::Idle;
        let tag = match kind {
            TransactionKind::Begin if in_block => {
                self.notices.push(Notice::warning("25001", "there is already a transaction in progress"));
                "BEGIN"
            }
            TransactionKind::Begin => {
                self.state.transaction = Transaction::Open;
                self.changed_in_transaction = false;
                self.variables.begin();
                "BEGIN"
            }
            TransactionKind::Commit | TransactionKind::Rollback if !in_block => {
                self.notices.push(Notice::warning("25P01", "there is no transaction in progress"));
                if *kind == TransactionKind::Commit { "COMMIT" } else { "ROLLBACK" }
            }
            TransactionKind::Commit if self.state.transaction == Transaction::Open => {
                self.end_transaction(true);
                "COMMIT"
            }
            TransactionKind::Commit | TransactionKind::Rollback => {
                self.end_transaction(false);
                "ROLLBACK"
            }
            TransactionKind::Savepoint(_) | TransactionKind::Release(_) | TransactionKind::RollbackTo(_)
                if !in_block =>
            {
                return Err(SqlError::new("25P01", "savepoints can only be used in transaction blocks"));
            }
            TransactionKind::Savepoint(_) => "SAVEPOINT",
            TransactionKind::Release(_) => "RELEASE",
            TransactionKind::RollbackTo(_) => {
                self.state.transaction = Transaction::Open;
                self.warn_not_undone();
                "ROLLBACK"
            }
            TransactionKind::SetModes => "SET",
        };
        Ok(tag.to_owned())
    }

    fn end_transaction(&mut self, committed: bool) {
        if !committed {
            self.warn_not_undone();
        }
        self.state.transaction = Transaction::Idle;
        self.changed_in_transaction = false;
        self.variables.finish(committed);
        self.cursors.end_transaction();
        self.portals.clear();
    }

    fn warn_not_undone(&mut self) {
        if self.changed_in_transaction {
            let message = "changes made in this transaction stay: each statement was applied when it ran";
            self.notices.push(Notice::warning("01000", message));
        }
    }

    fn changed(&mut self) {
        self.changed_in_transaction |= self.state.transaction == Transaction::Open;
    }

    /// The end of a query's implicit transaction: what lived in it goes.
    pub(super) fn end_of_query(&mut self) {
        self.in_implicit_block = false;
        if self.state.transaction == Transaction::Idle {
            self.portals.clear();
            self.cursors.end_transaction();
        }
    }

    fn discard(&mut self, kind: DiscardKind) -> SqlResult<Answer> {
        let tag = match kind {
            DiscardKind::All => {
                if self.state.transaction != Transaction::Idle {
                    return Err(SqlError::new("25001", "DISCARD ALL cannot run inside a transaction block"));
                }
                self.cursors.close(None)?;
                self.prepared.clear();
                self.portals.clear();
                self.variables.reset_all();
                "DISCARD ALL"
            }
            DiscardKind::Plans => "DISCARD PLANS",
            DiscardKind::Sequences => "DISCARD SEQUENCES",
            DiscardKind::Temp => "DISCARD TEMP",
        };
        Ok(done(tag))
    }

    fn deallocate(&mut self, name: Option<&str>) -> SqlResult<Answer> {
        let Some(name) = name else {
            self.prepared.clear();
            return Ok(done("DEALLOCATE ALL"));
        };
        if self.prepared.remove(name).is_none() {
            return Err(SqlError::new("26000", format!("prepared statement \"{name}\" does not exist")));
        }
        Ok(done("DEALLOCATE"))
    }

    /// One byte of ReadyForQuery.
    pub(super) fn transaction_status(&self) -> pgwire::messages::response::TransactionStatus {
        use pgwire::messages::response::TransactionStatus;
        match self.state.transaction {
            Transaction::Idle => TransactionStatus::Idle,
            Transaction::Open => TransactionStatus::Transaction,
            Transaction::Failed => TransactionStatus::Error,
        }
    }
}

fn done(tag: &str) -> Answer {
    Answer::Done(tag.to_owned())
}

/// A query inside another statement; its places still count in the outer text.
fn inner_query(outer: &Statement, query: &Query) -> Statement {
    Statement { kind: StatementKind::Query(Box::new(query.clone())), text: outer.text.clone(), offset: outer.offset }
}

/// A name as PostgreSQL folds it.
fn folded(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

fn text_schema(names: &[impl AsRef<str>]) -> SchemaRef {
    Arc::new(Schema::new(names.iter().map(|name| Field::new(name.as_ref(), DataType::Utf8, false)).collect::<Vec<_>>()))
}

fn text_rows(names: &[impl AsRef<str>], columns: Vec<Vec<String>>, tag: &'static str) -> SqlResult<Answer> {
    let schema = text_schema(names);
    let columns = columns.into_iter().map(|values| Arc::new(StringArray::from(values)) as ArrayRef).collect();
    let batch = RecordBatch::try_new(schema.clone(), columns).map_err(|error| SqlError::internal(error.to_string()))?;
    Ok(Answer::Rows { rows: Rows::ready(schema, vec![batch]), tag })
}
