//! Rows on their way to a client: a stream of batches that may be read a few rows at a time.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{FutureExt, StreamExt};

use super::query_error;
use crate::engine::{Subscription, SubscriptionMessage};
use crate::model::{SqlError, SqlResult};

/// A result being read.
pub(crate) struct Rows {
    pub(crate) schema: SchemaRef,
    stream: SendableRecordBatchStream,
    rest: Option<RecordBatch>,
    /// The result grows as time passes: rows are sent as soon as they come, and there is no end to wait for.
    pub(crate) is_live: bool,
}

impl Rows {
    pub(crate) fn new(schema: SchemaRef, stream: SendableRecordBatchStream) -> Self {
        Rows { schema, stream, rest: None, is_live: false }
    }

    /// Rows that are there already.
    pub(crate) fn ready(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        let stream = futures::stream::iter(batches.into_iter().map(Ok));
        Rows::new(schema.clone(), Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }

    /// The changes of a subscription: `trueup_tick`, `trueup_diff`, then the view's columns. A progress row has a null diff.
    pub(crate) fn subscription(subscription: Subscription) -> Self {
        let Subscription { schema: view, progress, receiver } = subscription;
        let schema = change_schema(&view);
        let target = schema.clone();
        let stream = futures::stream::unfold(receiver, |mut receiver| async move {
            let message = receiver.recv().await?;
            Some((message, receiver))
        });
        let batches = stream.map(move |message| change_batches(&target, message, progress)).flat_map(|batches| {
            futures::stream::iter(match batches {
                Ok(batches) => batches.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(datafusion::error::DataFusionError::External(Box::new(error)))],
            })
        });
        let stream = Box::pin(RecordBatchStreamAdapter::new(schema.clone(), batches));
        Rows { schema, stream, rest: None, is_live: true }
    }

    /// The next rows, at most `rows_max`; `None` at the end.
    pub(crate) async fn next(&mut self, rows_max: usize) -> SqlResult<Option<RecordBatch>> {
        loop {
            let batch = match self.rest.take() {
                Some(batch) => batch,
                None => match self.stream.next().await {
                    Some(batch) => batch.map_err(query_error)?,
                    None => return Ok(None),
                },
            };
            if batch.num_rows() > rows_max {
                self.rest = Some(batch.slice(rows_max, batch.num_rows() - rows_max));
                return Ok(Some(batch.slice(0, rows_max)));
            }
            if batch.num_rows() > 0 {
                return Ok(Some(batch));
            }
        }
    }

    /// The next rows if they are there without waiting.
    pub(crate) fn next_now(&mut self, rows_max: usize) -> SqlResult<Option<RecordBatch>> {
        self.next(rows_max).now_or_never().unwrap_or(Ok(None))
    }
}

/// The columns a subscription shows.
pub(crate) fn change_schema(view: &Schema) -> SchemaRef {
    let mut fields = vec![
        Arc::new(Field::new("trueup_tick", DataType::Int64, false)),
        Arc::new(Field::new("trueup_diff", DataType::Int64, true)),
    ];
    fields.extend(view.fields().iter().map(|field| Arc::new(field.as_ref().clone().with_nullable(true))));
    Arc::new(Schema::new(fields))
}

fn change_batches(schema: &SchemaRef, message: SubscriptionMessage, progress: bool) -> SqlResult<Vec<RecordBatch>> {
    let tick = i64::try_from(message.tick).map_err(|_| SqlError::internal("a tick past the year 292 million"))?;
    let mut batches = Vec::with_capacity(message.changes.len() + 1);
    for changes in message.changes {
        let rows = changes.batch.num_rows();
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from(vec![tick; rows])), Arc::new(Int64Array::from(changes.diffs))];
        columns.extend(changes.batch.columns().iter().cloned());
        batches.push(batch_of(schema, columns)?);
    }
    if progress {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![tick]))];
        columns.extend(schema.fields()[1..].iter().map(|field| new_null_array(field.data_type(), 1)));
        batches.push(batch_of(schema, columns)?);
    }
    Ok(batches)
}

fn batch_of(schema: &SchemaRef, columns: Vec<ArrayRef>) -> SqlResult<RecordBatch> {
    RecordBatch::try_new(schema.clone(), columns).map_err(|error| SqlError::internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Changes;

    fn numbers(values: Vec<i64>) -> RecordBatch {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(values))]).unwrap()
    }

    #[tokio::test]
    async fn results_can_be_read_in_small_pieces() {
        let batches = vec![numbers(vec![1, 2, 3]), numbers(vec![]), numbers(vec![4])];
        let mut rows = Rows::ready(batches[0].schema(), batches);
        let mut sizes = Vec::new();
        while let Some(batch) = rows.next(2).await.unwrap() {
            sizes.push(batch.num_rows());
        }
        assert_eq!(sizes, [2, 1, 1]);
    }

    #[tokio::test]
    async fn subscriptions_show_tick_and_diff_and_progress_when_asked() {
        let view = numbers(vec![]).schema();
        let (sender, receiver) = tokio::sync::mpsc::channel(4);
        let changes = vec![Changes { batch: numbers(vec![7, 8]), diffs: vec![1, -1] }];
        sender.send(SubscriptionMessage { tick: 5, changes }).await.unwrap();
        let mut rows = Rows::subscription(Subscription { schema: view, progress: true, receiver });
        let first = rows.next(10).await.unwrap().unwrap();
        assert_eq!(first.schema().field(0).name(), "trueup_tick");
        assert_eq!(first.num_rows(), 2);
        let progress = rows.next_now(10).unwrap().unwrap();
        assert_eq!((progress.num_rows(), progress.column(1).null_count(), progress.column(2).null_count()), (1, 1, 1));
        assert!(rows.next_now(10).unwrap().is_none());
    }
}
