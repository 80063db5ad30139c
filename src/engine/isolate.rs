//! Threads of their own for ad-hoc queries.
//!
//! A query computes on a pool that all engines of the process share, and hands its batches over one by one. So whoever asked only ever
//! waits: cancelling, timeouts and other connections do not depend on how long a batch takes to compute. Dropping what [`run`]
//! returned stops the query where it next yields, which DataFusion's operators do every hundred batches or so.
//!
//! Not guaranteed: that a single long step (one call of a function, the sorting of what is in memory) is interrupted; it goes on, on
//! a thread of the pool, to its end. Nor a limit on memory.

use std::future::Future;
use std::sync::OnceLock;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::model::{SqlError, SqlResult};

/// Batches that wait to be fetched.
const BATCHES_AHEAD: usize = 2;
/// Threads of the pool at least: one long step must not stop every other query.
const THREADS_MIN: usize = 4;

fn pool() -> SqlResult<&'static Runtime> {
    static POOL: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let start = || {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let threads = cores.max(THREADS_MIN);
        let built = Builder::new_multi_thread().worker_threads(threads).thread_name("query").enable_all().build();
        built.map_err(|e| format!("cannot start threads for queries: {e}"))
    };
    POOL.get_or_init(start).as_ref().map_err(|e| SqlError::internal(e.as_str()))
}

/// Prepares a query and reads its rows on the pool; returns when it is prepared, with its columns and rows.
pub(super) async fn run(
    prepare: impl Future<Output = SqlResult<SendableRecordBatchStream>> + Send + 'static,
) -> SqlResult<(SchemaRef, SendableRecordBatchStream)> {
    let (prepared, schema) = oneshot::channel::<SqlResult<SchemaRef>>();
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
    // Dropping the set ends its task.
    let mut task = JoinSet::new();
    task.spawn_on(
        async move {
            let mut stream = match prepare.await {
                Ok(stream) => stream,
                Err(error) => return drop(prepared.send(Err(error))),
            };
            if prepared.send(Ok(stream.schema())).is_err() {
                return;
            }
            while let Some(batch) = stream.next().await {
                if sender.send(Some(batch)).await.is_err() {
                    return;
                }
            }
            // Tells an end from a task that broke off; nobody may be left to hear it.
            sender.send(None).await.ok();
        },
        pool()?.handle(),
    );
    let broken = || SqlError::internal("a query broke off");
    let schema = schema.await.map_err(|_| broken())??;
    let rows = futures::stream::unfold(Some((receiver, task)), next);
    Ok((schema.clone(), Box::pin(RecordBatchStreamAdapter::new(schema, rows))))
}

/// `None` marks the end.
type Batches = mpsc::Receiver<Option<DataFusionResult<RecordBatch>>>;

/// The next batch, and what is left to read it from.
async fn next(
    left: Option<(Batches, JoinSet<()>)>,
) -> Option<(DataFusionResult<RecordBatch>, Option<(Batches, JoinSet<()>)>)> {
    let (mut batches, task) = left?;
    match batches.recv().await {
        Some(Some(Ok(batch))) => Some((Ok(batch), Some((batches, task)))),
        Some(Some(Err(error))) => Some((Err(error), None)),
        Some(None) => None,
        None => Some((Err(DataFusionError::Internal("a query broke off".to_string())), None)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    /// Tells when it is dropped.
    struct Guard(flume::Sender<()>);

    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.send(()).ok();
        }
    }

    fn endless(guard: Guard) -> SendableRecordBatchStream {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int32, true)]));
        let batch = RecordBatch::new_empty(Arc::clone(&schema));
        let batches = futures::stream::repeat_with(move || {
            let Guard(_) = &guard;
            Ok(batch.clone())
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }

    #[tokio::test]
    async fn dropping_the_rows_or_the_wait_for_them_ends_the_query() {
        let (sender, dropped) = flume::bounded(2);
        let guard = Guard(sender.clone());
        let (_, mut rows) = run(async { Ok(endless(guard)) }).await.expect("a stream");
        for _ in 0..10 {
            rows.next().await.expect("a batch").expect("a good one");
        }
        assert!(dropped.is_empty());
        drop(rows);
        dropped.recv_timeout(Duration::from_secs(5)).expect("the query has ended");

        let guard = Guard(sender);
        let preparing = run(async {
            futures::future::pending::<()>().await;
            Ok(endless(guard))
        });
        tokio::time::timeout(Duration::from_millis(50), preparing).await.err().expect("never prepared");
        dropped.recv_timeout(Duration::from_secs(5)).expect("the query has ended");
    }

    #[tokio::test]
    async fn a_query_that_breaks_off_is_an_error_not_an_end() {
        let refused = run(async { Err(SqlError::syntax("no")) }).await.err().expect("refused");
        assert_eq!(refused.message, "no");
        let schema = Arc::new(Schema::empty());
        let failing = futures::stream::iter([Err(DataFusionError::Execution("bad".to_string()))]);
        let stream: SendableRecordBatchStream = Box::pin(RecordBatchStreamAdapter::new(schema, failing));
        let (_, mut rows) = run(async { Ok(stream) }).await.expect("a stream");
        let error = rows.next().await.expect("an error").expect_err("not a batch");
        assert!(error.to_string().contains("bad"), "{error}");
    }
}
