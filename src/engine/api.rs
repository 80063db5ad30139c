//! What the servers ask of the engine: describe and run one statement, take COPY rows, list relations.
//!
//! Sessions, transactions, cursors and the wire are the servers' business; what a statement means is the engine's.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use bytes::Bytes;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::Query;
use tokio::sync::mpsc::Receiver;

use super::follow::{Followed, Follower};
use super::status::Status;
use crate::model::{Changes, SqlResult, Tick};
use crate::plan::statement::Statement;

/// The running database as its servers see it.
#[async_trait]
pub trait Database: Send + Sync + 'static {
    /// A DataFusion context whose default catalog and schema (`trueup`.`public`) list the live relations (and the schema
    /// `trueup` the system relations); for planning, `pg_catalog` and `information_schema`. All relations read through one
    /// returned context are read at one published tick.
    fn context(&self) -> SessionContext;

    /// Result columns and parameter types, without running anything. `parameter_types[i]` is what the client declared for
    /// `$i+1`, if it did. The answer has one type for every parameter used.
    async fn describe(&self, statement: &Statement, parameter_types: &[Option<DataType>]) -> SqlResult<Description>;

    /// Runs one statement. A SELECT sees all relations at one published tick; DML returns once every view read afterwards
    /// shows it. Dropping the future or the returned stream stops the work.
    async fn execute(
        &self,
        session: &mut SessionState,
        statement: &Statement,
        parameters: &[ScalarValue],
    ) -> SqlResult<Outcome>;

    /// Rows of a query and the tick they are of.
    async fn query(&self, query: &Query, parameters: &[ScalarValue], sql: &str) -> SqlResult<Answer>;

    /// Rows of a plan made of [`Database::context`]'s relations, and the tick they are of.
    async fn read(&self, plan: LogicalPlan) -> SqlResult<Answer>;

    /// Decodes rows as connectors' are and writes them; returns once they are visible. Without `partial` one bad row refuses all;
    /// with it the good rows are taken and the bad ones are listed in `trueup.errors`.
    async fn post_rows(&self, table: &str, body: Bytes, shape: RowsShape, partial: bool) -> SqlResult<Posted>;

    /// All relations queries may name, the system's last.
    fn relations(&self) -> Vec<RelationSummary>;

    /// How the engine is doing; `full` with what takes asking the workers.
    async fn status(&self, full: bool) -> SqlResult<Status>;

    /// A relation to follow by a [`Follower`].
    fn followed(&self, name: &str) -> SqlResult<Followed>;

    /// Opens a feed that follows nothing yet.
    async fn follow(&self) -> SqlResult<Follower>;

    /// Takes the rows of one `COPY … FROM STDIN`, all or none, at one tick; returns their number once they are visible.
    /// `rows` has the schema that [`Database::table_schema`] gave for the same columns.
    async fn copy_in(&self, table: &str, columns: &[String], rows: RecordBatch) -> SqlResult<u64>;

    /// The columns of a table that COPY may fill: `columns` in their order, or all when empty.
    fn table_schema(&self, table: &str, columns: &[String]) -> SqlResult<SchemaRef>;
}

/// What a statement takes and gives.
#[derive(Clone, Debug)]
pub struct Description {
    /// One type per parameter, in order.
    pub parameters: Vec<DataType>,
    /// Result columns; `None` for statements that return no rows.
    pub columns: Option<SchemaRef>,
}

/// A query's rows.
pub struct Answer {
    /// The tick all relations were read at.
    pub tick: Tick,
    /// Columns.
    pub schema: SchemaRef,
    /// The rows; dropping it stops the query.
    pub stream: SendableRecordBatchStream,
}

/// How rows stand in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsShape {
    /// One JSON object per line.
    Lines,
    /// One JSON array of objects, or one object.
    Json,
}

/// What became of rows sent in.
#[derive(Clone, Debug, Default)]
pub struct Posted {
    /// Rows taken.
    pub accepted: u64,
    /// The tick that shows them; `None` when none were taken.
    pub tick: Option<Tick>,
    /// Rows that could not be read, the first few.
    pub rejected: Vec<RejectedRow>,
    /// How many there were in all.
    pub rejected_total: u64,
}

/// A row that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RejectedRow {
    /// Which row of the text, from 1.
    pub row: u64,
    /// The line it begins on, from 1.
    pub line: u64,
    /// SQLSTATE.
    pub code: String,
    /// What is wrong, naming the column.
    pub message: String,
}

/// A relation as lists show it.
#[derive(Clone, Debug)]
pub struct RelationSummary {
    /// Its name; system relations' begins with `trueup.`.
    pub name: String,
    /// `table`, `source`, `view`, `materialized view`, `system`.
    pub kind: &'static str,
    /// Its columns.
    pub schema: SchemaRef,
    /// The columns that tell its rows apart, where known.
    pub key: Vec<usize>,
    /// What it is made of.
    pub depends_on: Vec<String>,
    /// Whether it is kept up to date and can be followed.
    pub is_kept: bool,
}

/// What running a statement gave.
pub enum Outcome {
    /// Rows.
    Rows {
        /// Their columns.
        schema: SchemaRef,
        /// The rows; dropping it stops the query.
        stream: SendableRecordBatchStream,
    },
    /// Done, nothing to show.
    Done {
        /// Command tag without a count, e.g. `INSERT 0`, `UPDATE`, `CREATE TABLE`.
        tag: String,
        /// Count to append to the tag.
        rows: Option<u64>,
    },
    /// `SUBSCRIBE`: changes until the receiver is dropped.
    Subscription(Subscription),
}

/// A view's changes, tick by tick.
#[derive(Debug)]
pub struct Subscription {
    /// The view's columns.
    pub schema: SchemaRef,
    /// Whether the statement asked for a row per finished tick.
    pub progress: bool,
    /// One message per tick, in order; dropping it ends the subscription.
    pub receiver: Receiver<SubscriptionMessage>,
}

/// All that changed in the view at one tick.
#[derive(Clone, Debug)]
pub struct SubscriptionMessage {
    /// The tick, now finished.
    pub tick: Tick,
    /// Its changes; empty when the view did not change.
    pub changes: Vec<Changes>,
}

/// Where a session stands in its transaction block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Transaction {
    /// Outside a block.
    #[default]
    Idle,
    /// Inside a block.
    Open,
    /// Inside a block in which a statement failed: only its end is accepted.
    Failed,
}

/// What the server knows about a client that statements may depend on.
#[derive(Clone, Debug, Default)]
pub struct SessionState {
    /// Run-time parameters, names in lower case.
    pub variables: BTreeMap<String, String>,
    /// User name given at start-up.
    pub user: String,
    /// Transaction block.
    pub transaction: Transaction,
    /// The server process number the client may cancel by.
    pub process: i32,
}
