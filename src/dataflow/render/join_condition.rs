//! Outer, semi, anti and mark joins whose condition says more than that keys are equal.
//!
//! Whether a left row has a partner hangs on every right row of its key, so a touched key is joined anew, before and after the tick,
//! its pairs tested in one vectorised call. One change costs the pairs of its key.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::physical_plan::PhysicalExpr;
use timely::dataflow::channels::pact::Pipeline;

use super::join::{Row, Writer, fetch, keys, of_key, union};
use super::map::{error_row, guarded};
use super::{ArrangedRows, batch, fail};
use crate::dataflow::operator::{Closing, Errors, Out, RowStream, on_tick2};
use crate::dataflow::reading::{Spans, batches, compact, prior};
use crate::dataflow::trace::{Batch, Gather, distinct_words};
use crate::model::codec::RowCodec;
use crate::model::{Diff, RowBuf, SqlResult};
use crate::plan::lir::JoinKind;

/// Pairs tested at once, at most.
const CALL_PAIRS: usize = 1 << 16;

/// Renders it; output rows are as [`super::join`]'s.
pub(crate) fn render<'s>(
    left: ArrangedRows<'s>,
    right: ArrangedRows<'s>,
    kind: JoinKind,
    condition: Arc<dyn PhysicalExpr>,
    output: &SchemaRef,
) -> SqlResult<(RowStream<'s>, Errors)> {
    let pair = left.codec.join(&right.codec)?;
    let fields = pair.columns().iter().enumerate().map(|(at, (t, _))| Field::new(format!("c{at}"), t.clone(), true));
    let mut join = ConditionJoin {
        schema: Arc::new(Schema::new(fields.collect::<Vec<Field>>())),
        writer: Writer::new(&left.codec, &right.codec, kind, output, &vec![true; output.fields().len()])?,
        left: left.codec,
        right: right.codec,
        pair,
        kind,
        condition,
    };
    let (mut left_trace, mut right_trace) = (left.arranged.trace, right.arranged.trace);
    let name = format!("Join {kind:?} if");
    Ok(on_tick2(
        left.arranged.stream,
        Pipeline,
        right.arranged.stream,
        Pipeline,
        &name,
        move |l: Vec<Spans>, r: Vec<Spans>, closing: Closing, out| {
            let (l, r) = (batches(l), batches(r));
            if !l.is_empty() || !r.is_empty() {
                let before = (prior(&mut left_trace, closing.lower), prior(&mut right_trace, closing.lower));
                join.close(&l, &r, &before.0, &before.1, out).unwrap_or_else(fail);
            }
            compact(&mut left_trace, closing.upper);
            compact(&mut right_trace, closing.upper);
        },
    ))
}

struct ConditionJoin {
    left: RowCodec,
    right: RowCodec,
    pair: RowCodec,
    schema: SchemaRef,
    kind: JoinKind,
    condition: Arc<dyn PhysicalExpr>,
    writer: Writer,
}

impl ConditionJoin {
    fn close(
        &mut self,
        left: &[Batch],
        right: &[Batch],
        left_before: &[Batch],
        right_before: &[Batch],
        out: &mut Out,
    ) -> SqlResult<()> {
        let words = union(&distinct_words(left), &distinct_words(right));
        let load = |batches: &[Batch]| {
            let mut gather = Gather::default();
            gather.load(batches, &words);
            gather
        };
        let both = |before: &[Batch], novel: &[Batch]| before.iter().chain(novel).cloned().collect::<Vec<_>>();
        let sides = [
            (load(left_before), load(right_before), -1),
            (load(&both(left_before, left)), load(&both(right_before, right)), 1),
        ];
        let (mut found, mut l, mut r) = (vec![], vec![], vec![]);
        for (left, right, sign) in &sides {
            for at in 0..words.len() {
                fetch(left, at, &mut found, &mut l);
                fetch(right, at, &mut found, &mut r);
                for key in keys(&l, &self.left, &r, &self.right) {
                    let (l, r) = (of_key(&l, &self.left, key), of_key(&r, &self.right, key));
                    self.group(l, r, *sign, out)?;
                }
            }
        }
        self.writer.flush(out);
        Ok(())
    }

    /// The join of one key's rows, counted `sign` times.
    fn group(&mut self, left: &[Row<'_>], right: &[Row<'_>], sign: Diff, out: &mut Out) -> SqlResult<()> {
        let mut right_matched = vec![false; right.len()];
        let rows_at_once = (CALL_PAIRS / right.len().max(1)).max(1);
        for block in left.chunks(rows_at_once) {
            let holds = self.test(block, right, sign, out)?;
            for (at, (row, diff)) in block.iter().enumerate() {
                let mut matched = false;
                for (to, (partner, count)) in right.iter().enumerate() {
                    if holds[at * right.len() + to] {
                        matched = true;
                        right_matched[to] = true;
                        if matches!(self.kind, JoinKind::Left | JoinKind::Full) {
                            self.writer.pair(row, self.right.value(partner), sign * diff * count, out);
                        }
                    }
                }
                let alone = match self.kind {
                    JoinKind::Semi => matched,
                    JoinKind::Mark => true,
                    _ => !matched,
                };
                if alone {
                    self.writer.left(row, matched, sign * diff, out);
                }
            }
        }
        if self.kind == JoinKind::Full {
            for ((row, diff), matched) in right.iter().zip(right_matched) {
                if !matched {
                    self.writer.right(row, &self.right, sign * diff, out);
                }
            }
        }
        Ok(())
    }

    /// For every pair, left row by left row, whether the condition is true. A pair it fails on is an error row and no match.
    fn test(&self, left: &[Row<'_>], right: &[Row<'_>], sign: Diff, out: &mut Out) -> SqlResult<Vec<bool>> {
        let mut rows = RowBuf::default();
        let mut row = vec![];
        for (l, _) in left {
            for (r, _) in right {
                row.clear();
                row.extend_from_slice(l);
                row.extend_from_slice(self.right.value(r));
                rows.push(0, &row, sign);
            }
        }
        let mut holds = Vec::with_capacity(rows.len());
        self.evaluate(&rows, 0, rows.len(), sign, &mut holds, out)?;
        Ok(holds)
    }

    fn evaluate(
        &self,
        rows: &RowBuf,
        from: usize,
        len: usize,
        sign: Diff,
        holds: &mut Vec<bool>,
        out: &mut Out,
    ) -> SqlResult<()> {
        if len == 0 {
            return Ok(());
        }
        let pairs = batch(&self.schema, self.pair.decode((from..from + len).map(|at| rows.row(at)))?, len)?;
        match guarded(|| self.condition.evaluate(&pairs)?.into_array(len)) {
            Ok(mask) => {
                let mask = mask.as_boolean();
                holds.extend((0..len).map(|at| mask.is_valid(at) && mask.value(at)));
                Ok(())
            }
            Err(error) if len == 1 => {
                out.errors.push(error_row(error, &pairs, sign));
                holds.push(false);
                Ok(())
            }
            Err(_) => {
                let half = len / 2;
                self.evaluate(rows, from, half, sign, holds, out)?;
                self.evaluate(rows, from + half, len - half, sign, holds, out)
            }
        }
    }
}
