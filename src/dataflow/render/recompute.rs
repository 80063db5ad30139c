//! Any batch operator per group: the touched groups are computed before and after the tick, many at a time in one vectorised call,
//! and what differs is the output.
//!
//! If a call fails, its groups are halved until the failing one stands alone: it yields an error row and no rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt64Array};
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use timely::dataflow::channels::pact::Pipeline;

use super::fragment::Fragment;
use super::join::{Row, fetch, keys, of_key};
use super::map::{error_row, guarded};
use super::{ArrangedRows, BlockDecoder, batch, fail};
use crate::dataflow::operator::{Closing, Errors, Out, RowStream, on_tick};
use crate::dataflow::reading::{Spans, batches, compact, diffs, prior, rows};
use crate::dataflow::trace::sort::sort_rows;
use crate::dataflow::trace::{Batch, Gather, distinct_words};
use crate::model::codec::RowCodec;
use crate::model::{Diff, RowBuf, SqlError, SqlResult};
use crate::plan::lir::Layout;

/// Rows handed to the batch operator at once, about.
const CALL_ROWS: usize = 1 << 16;

/// Renders it.
pub(crate) fn render<'s>(
    input: ArrangedRows<'s>,
    fragment: Fragment,
    layout: &Layout,
    output: &SchemaRef,
    owns_empty: bool,
) -> SqlResult<(RowStream<'s>, Errors)> {
    let fields: Vec<_> = output.fields().iter().map(|f| (f.data_type().clone(), Default::default())).collect();
    let result = RowCodec::new(&fields, 0)?;
    let mut trace = input.arranged.trace;
    let mut recompute = Recompute {
        codec: input.codec,
        positions: layout.positions(),
        fragment,
        answers: BlockDecoder::whole(result.clone(), output),
        result,
        output: Arc::clone(output),
        owns_empty,
    };
    Ok(on_tick(input.arranged.stream, Pipeline, "Recompute", move |data: Vec<Spans>, closing: Closing, out| {
        let novel = batches(data);
        if !novel.is_empty() || (owns_empty && closing.lower == 0) {
            let before = prior(&mut trace, closing.lower);
            recompute.close(&novel, &before, closing, out).unwrap_or_else(fail);
        }
        compact(&mut trace, closing.upper);
    }))
}

struct Recompute {
    codec: RowCodec,
    positions: Vec<usize>,
    fragment: Fragment,
    /// Output rows as bytes.
    result: RowCodec,
    answers: BlockDecoder,
    output: SchemaRef,
    /// Without rows there is an answer too, and it is this worker's to give.
    owns_empty: bool,
}

/// A group's rows, sorted, each with its count.
type Group<'a> = Vec<Row<'a>>;

impl Recompute {
    fn close(&mut self, novel: &[Batch], before: &[Batch], closing: Closing, out: &mut Out) -> SqlResult<()> {
        let words = distinct_words(novel);
        let (mut changed, mut stored) = (Gather::default(), Gather::default());
        changed.load(novel, &words);
        stored.load(before, &words);
        let (mut found, mut changes, mut held) = (vec![], vec![], vec![]);
        let (mut old, mut new, mut pending) = (vec![], vec![], 0);
        let mut result = RowBuf::default();
        for at in 0..words.len() {
            fetch(&changed, at, &mut found, &mut changes);
            fetch(&stored, at, &mut found, &mut held);
            for key in keys(&changes, &self.codec, &[], &self.codec) {
                let group: Group<'_> = of_key(&held, &self.codec, key).to_vec();
                let after = added(&group, of_key(&changes, &self.codec, key));
                pending += group.len() + after.len();
                old.push(group);
                new.push(after);
            }
            if pending >= CALL_ROWS {
                self.call(&old, -1, &mut result, out)?;
                self.call(&new, 1, &mut result, out)?;
                (old, new, pending) = (vec![], vec![], 0);
            }
        }
        if words.is_empty() {
            new.push(vec![]);
        }
        if closing.lower > 0 || !self.owns_empty {
            self.call(&old, -1, &mut result, out)?;
        }
        self.call(&new, 1, &mut result, out)?;
        self.emit(result, out)
    }

    /// The operator's answer over some groups, as rows counted `sign` times.
    fn call(&mut self, groups: &[Group<'_>], sign: Diff, result: &mut RowBuf, out: &mut Out) -> SqlResult<()> {
        let input = self.input(groups)?;
        if groups.is_empty() || (input.num_rows() == 0 && !self.owns_empty) {
            return Ok(());
        }
        match guarded(|| self.fragment.run(vec![input.clone()])) {
            Ok(batches) => {
                for answer in batches {
                    let columns = answer.columns().iter().zip(self.output.fields()).map(|(c, f)| {
                        if c.data_type() == f.data_type() {
                            Ok(Arc::clone(c))
                        } else {
                            arrow::compute::cast(c, f.data_type())
                        }
                    });
                    let columns =
                        columns.collect::<Result<Vec<ArrayRef>, _>>().map_err(|e| SqlError::internal(e.to_string()))?;
                    self.result.encode(&columns, &vec![sign; answer.num_rows()], result)?;
                }
                Ok(())
            }
            Err(error) if groups.len() == 1 => {
                let input = if input.num_rows() == 0 { RecordBatch::new_empty(input.schema()) } else { input };
                out.errors.push(error_row(strip(error), &input, sign));
                Ok(())
            }
            Err(_) => {
                let (a, b) = groups.split_at(groups.len() / 2);
                self.call(a, sign, result, out)?;
                self.call(b, sign, result, out)
            }
        }
    }

    /// The groups' rows as the fragment's input, equal rows repeated.
    fn input(&self, groups: &[Group<'_>]) -> SqlResult<RecordBatch> {
        let all: Vec<Row<'_>> = groups.iter().flatten().copied().collect();
        let columns = self.codec.decode(all.iter().map(|(row, _)| *row))?;
        let width = self.fragment.input.fields().len();
        let mut columns: Vec<ArrayRef> = self.positions[..width].iter().map(|p| Arc::clone(&columns[*p])).collect();
        let mut rows = all.len();
        if all.iter().any(|(_, count)| *count != 1) {
            let indices = all
                .iter()
                .enumerate()
                .flat_map(|(at, (_, count))| std::iter::repeat_n(at as u64, usize::try_from(*count).unwrap_or(0)));
            let indices = UInt64Array::from_iter_values(indices);
            rows = indices.len();
            let take =
                |c: &ArrayRef| arrow::compute::take(c, &indices, None).map_err(|e| SqlError::internal(e.to_string()));
            columns = columns.iter().map(take).collect::<SqlResult<_>>()?;
        }
        batch(&self.fragment.input, columns, rows)
    }

    /// What is left when old and new answers are added up.
    fn emit(&self, result: RowBuf, out: &mut Out) -> SqlResult<()> {
        for chunk in sort_rows(&result) {
            let slice = &chunk.slice;
            out.rows.push(self.answers.decode(rows(slice), diffs(slice))?);
        }
        Ok(())
    }
}

/// Sorted rows with sorted changes added.
fn added<'a>(rows: &[Row<'a>], changes: &[Row<'a>]) -> Group<'a> {
    let mut all: Group<'a> = rows.iter().chain(changes).copied().collect();
    all.sort_by(|a, b| a.0.cmp(b.0));
    all.dedup_by(|next, kept| {
        let equal = next.0 == kept.0;
        if equal {
            kept.1 += next.1;
        }
        equal
    });
    all.retain(|(_, diff)| *diff != 0);
    all
}

/// The error itself, without the names of the operators it passed.
fn strip(error: DataFusionError) -> DataFusionError {
    match error {
        DataFusionError::Context(_, inner) => strip(*inner),
        other => other,
    }
}
