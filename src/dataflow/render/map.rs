//! Stateless stretches: filter, project and unnest, vectorised, fused into one operator.
//!
//! An expression error on one row fails the whole batch it is in; the batch is then halved until the bad rows stand alone. They
//! become error rows with the row's count, so that retracting the row retracts the error.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::{FilterBuilder, filter_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::unnest::UnnestExec;

use super::fragment::{Slot, run_plan};
use crate::dataflow::operator::{ErrorChange, Errors, Out, RowStream, at_once};
use crate::model::{Changes, Diff};
use crate::plan::error::from_datafusion;
use crate::plan::lir::{Node, NodeRef, Operator, Step};

/// A step ready to run on this worker.
enum Ready {
    Filter(Arc<dyn PhysicalExpr>),
    Project(Vec<Arc<dyn PhysicalExpr>>, SchemaRef),
    Unnest { slot: Arc<Slot>, plan: Arc<UnnestExec>, context: Arc<TaskContext>, schema: SchemaRef },
}

/// The steps of a chain of maps, first to last, and the node below them.
pub(crate) fn chain(node: &NodeRef) -> (&NodeRef, Vec<&Step>) {
    let (mut node, mut chain) = (node, vec![]);
    while let Operator::Map { input, steps } = &node.operator {
        chain.push(steps.iter());
        node = input;
    }
    (node, chain.into_iter().rev().flatten().collect())
}

/// Renders a chain of steps as one operator.
pub(crate) fn render<'s>(input: RowStream<'s>, below: &Node, steps: &[&Step]) -> Result<(RowStream<'s>, Errors)> {
    let mut schema = Arc::clone(&below.schema);
    let mut ready = vec![];
    for step in steps {
        ready.push(match step {
            Step::Filter(predicate) => Ready::Filter(Arc::clone(predicate)),
            Step::Project(expressions, result) => {
                schema = Arc::clone(result);
                Ready::Project(expressions.clone(), Arc::clone(result))
            }
            Step::Unnest { lists, structs, schema: result, options } => {
                let slot = Slot::new(with_diff(&schema));
                let plan =
                    UnnestExec::new(slot.leaf()?, lists.clone(), structs.clone(), with_diff(result), options.clone())?;
                schema = relaxed(result);
                let context = Arc::new(TaskContext::default());
                Ready::Unnest { slot, plan: Arc::new(plan), context, schema: Arc::clone(&schema) }
            }
        });
    }
    Ok(at_once(input, "Map", move |data: &mut Vec<Changes>, out| {
        for changes in data.drain(..) {
            apply(&ready, changes, out);
        }
    }))
}

/// Runs the steps over one batch; on an error, over its halves.
fn apply(steps: &[Ready], changes: Changes, out: &mut Out) {
    match guarded(|| run(steps, changes.clone())) {
        Ok(result) if result.diffs.is_empty() => {}
        Ok(result) => out.rows.push(result),
        Err(error) if changes.diffs.len() <= 1 => {
            if let Some(diff) = changes.diffs.first() {
                out.errors.push(error_row(error, &changes.batch, *diff));
            }
        }
        Err(_) => {
            let half = changes.diffs.len() / 2;
            let rest = changes.diffs.len() - half;
            let part = |from: usize, len: usize| Changes {
                batch: changes.batch.slice(from, len),
                diffs: changes.diffs[from..from + len].to_vec(),
            };
            apply(steps, part(0, half), out);
            apply(steps, part(half, rest), out);
        }
    }
}

/// Runs library code over rows. A panic there is an error of these rows, not the end of the server.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(DataFusionError::Execution(format!("a function failed on this row: {text}")))
    })
}

fn run(steps: &[Ready], changes: Changes) -> Result<Changes> {
    let Changes { mut batch, mut diffs } = changes;
    for step in steps {
        if diffs.is_empty() {
            break;
        }
        match step {
            Ready::Filter(predicate) => {
                let mask = predicate.evaluate(&batch)?.into_array(batch.num_rows())?;
                let mask = true_mask(mask.as_boolean());
                let kept = mask.true_count();
                if kept == diffs.len() {
                    continue;
                }
                diffs = diffs
                    .into_iter()
                    .zip(mask.iter())
                    .filter_map(|(d, keep)| (keep == Some(true)).then_some(d))
                    .collect();
                batch = filter_record_batch(&batch, &mask)?;
            }
            Ready::Project(expressions, schema) => batch = project(&batch, expressions, schema)?,
            Ready::Unnest { slot, plan, context, schema } => {
                slot.fill(vec![append_diffs(&batch, &diffs)?]);
                let result = run_plan(Arc::clone(plan) as _, context)?;
                let joined = arrow::compute::concat_batches(&with_diff(schema), &result)?;
                let last = joined.num_columns() - 1;
                diffs = joined.column(last).as_primitive::<Int64Type>().values().to_vec();
                batch = RecordBatch::try_new(Arc::clone(schema), joined.columns()[..last].to_vec())?;
            }
        }
    }
    Ok(Changes { batch, diffs })
}

/// True where the predicate is true; NULL counts as false.
fn true_mask(mask: &BooleanArray) -> BooleanArray {
    match mask.nulls() {
        Some(_) => arrow::compute::prep_null_mask_filter(mask),
        None => mask.clone(),
    }
}

/// Evaluates expressions over a batch into the columns of `schema`.
pub(crate) fn project(
    batch: &RecordBatch,
    expressions: &[Arc<dyn PhysicalExpr>],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let columns = expressions.iter().map(|e| e.evaluate(batch)?.into_array(rows)).collect::<Result<Vec<ArrayRef>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

fn with_diff(schema: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<_> = relaxed(schema).fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("__diff", DataType::Int64, false)));
    Arc::new(Schema::new(fields))
}

/// The schema with every field nullable.
pub(crate) fn relaxed(schema: &SchemaRef) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>()))
}

fn append_diffs(batch: &RecordBatch, diffs: &[Diff]) -> Result<RecordBatch, ArrowError> {
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(Int64Array::from(diffs.to_vec())));
    RecordBatch::try_new(with_diff(&batch.schema()), columns)
}

/// The error row of a failed evaluation over the single row of `batch`.
pub(crate) fn error_row(error: DataFusionError, batch: &RecordBatch, diff: Diff) -> ErrorChange {
    let error = from_datafusion(error, "");
    ErrorChange { position: None, code: error.code.to_string(), message: error.message, payload: payload(batch), diff }
}

/// The first row as a JSON object, cut to 4 KiB.
pub(crate) fn payload(batch: &RecordBatch) -> String {
    let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
    let first = batch.slice(0, batch.num_rows().min(1));
    let text = match writer.write(&first).and_then(|()| writer.finish()) {
        Ok(()) => String::from_utf8_lossy(&writer.into_inner()).trim_end().to_string(),
        Err(_) => format!("{:?}", first.columns()),
    };
    match text.char_indices().find(|(at, c)| at + c.len_utf8() > 4096) {
        Some((cut, _)) => text[..cut].to_string(),
        None => text,
    }
}

/// Rows picked by a mask, with their counts.
pub(crate) fn keep(changes: &Changes, mask: &BooleanArray) -> Result<Changes, ArrowError> {
    let filter = FilterBuilder::new(mask).optimize().build();
    let columns = changes.batch.columns().iter().map(|c| filter.filter(c)).collect::<Result<Vec<_>, _>>()?;
    let diffs =
        changes.diffs.iter().zip(mask.iter()).filter_map(|(d, k)| (k == Some(true)).then_some(*d)).collect::<Vec<_>>();
    let options = RecordBatchOptions::new().with_row_count(Some(diffs.len()));
    Ok(Changes { batch: RecordBatch::try_new_with_options(changes.batch.schema(), columns, &options)?, diffs })
}
