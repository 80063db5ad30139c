//! What the servers ask of the engine: describe and run one statement, take COPY rows, list relations.
//!
//! Sessions, transactions, cursors and the wire are the servers' business; what a statement means is the engine's.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use tokio::sync::mpsc::Receiver;

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
