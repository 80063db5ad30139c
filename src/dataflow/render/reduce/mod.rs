//! Grouped aggregates by algebra.
//!
//! Each worker adds up the changes of a container per group before the exchange, so that a hot group sends one row a container,
//! not one an event. Its owner adds them to the group's accumulators and, once the tick is complete, replaces the group's row if
//! it has changed. Cost of a change: a hash look-up, and for `min`, `max` and DISTINCT a step in an ordered map.

mod float_sum;
mod groups;
mod state;

use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{DistributorPact, Pipeline};
use timely::dataflow::operators::Operator as _;

use super::map::keep;
use super::{Gauge, fail};
use crate::dataflow::operator::{Closing, ErrorChange, Errors, Out, RowStream, on_tick};
use crate::dataflow::trace::{RowDistributor, route};
use crate::model::error::code;
use crate::model::{Changes, Diff, RowBuf, SqlResult, Tick};
use crate::plan::lir::Aggregate;
pub(crate) use groups::Groups;

/// What a reduce is made of.
pub(crate) struct Reduce<'a> {
    pub key: usize,
    pub aggregates: &'a [Aggregate],
    pub always: Option<&'a RecordBatch>,
    pub input: &'a SchemaRef,
    pub output: &'a SchemaRef,
    pub worker: usize,
    pub peers: usize,
    pub gauge: Rc<Gauge>,
    /// The operator's.
    pub name: String,
}

/// Containers sent without looking for equal groups, after one in which hardly any were equal.
const APART: usize = 15;

/// Per container and group, the sum of its changes, ready to be exchanged. Where nearly every row is of a group of its own (payments
/// by order) looking for groups costs more than it saves: most containers are then sent on row by row.
pub(crate) fn combine<'s>(input: RowStream<'s>, mut local: Groups) -> Stream<'s, Tick, RowBuf> {
    let mut apart = 0usize;
    input.unary::<NoopBuilder<RowBuf>, _, _, _>(Pipeline, "Combine", move |_, _| {
        move |input, output| {
            input.for_each(|capability, data: &mut Vec<Changes>| {
                let mut count = 0;
                for changes in data.drain(..) {
                    count += changes.diffs.len();
                    local.update(&changes, apart > 0).unwrap_or_else(fail);
                }
                let distinct = local.len() * 4 > count * 3;
                apart = if apart == 0 && distinct { APART } else { apart.saturating_sub(1) };
                let mut rows = RowBuf::default();
                local.drain(&mut rows);
                if !rows.is_empty() {
                    output.session_with_builder(&capability.retain_stamp(0)).give_container(&mut rows);
                }
            });
        }
    })
}

/// Renders it.
pub(crate) fn render<'s>(input: RowStream<'s>, reduce: Reduce<'_>) -> SqlResult<(RowStream<'s>, Errors)> {
    let combined = combine(input, Groups::new(reduce.input, reduce.key, reduce.aggregates)?);
    let mut owned = Owned::new(&reduce)?;
    Ok(on_tick(combined, DistributorPact(RowDistributor::new), &reduce.name, move |data, closing, out| {
        owned.close(data, closing, out).unwrap_or_else(fail);
    }))
}

/// The groups this worker owns.
struct Owned {
    groups: Groups,
    output: SchemaRef,
    /// Groups that exist without rows.
    pinned: Vec<u32>,
    touched: Vec<u32>,
    marks: Vec<bool>,
    gauge: Rc<Gauge>,
}

impl Owned {
    fn new(reduce: &Reduce<'_>) -> SqlResult<Owned> {
        let mut groups = Groups::new(reduce.input, reduce.key, reduce.aggregates)?;
        let mut pinned = vec![];
        if let Some(always) = reduce.always {
            let mut keys = RowBuf::default();
            groups.codec.encode_keys(always.columns(), always.num_rows(), &mut keys)?;
            for (word, key, _) in keys.iter() {
                if route(word, reduce.peers) == reduce.worker {
                    pinned.push(groups.slot(word, key));
                }
            }
        }
        Ok(Owned {
            groups,
            output: Arc::clone(reduce.output),
            pinned,
            touched: vec![],
            marks: vec![],
            gauge: Rc::clone(&reduce.gauge),
        })
    }

    fn close(&mut self, data: Vec<RowBuf>, closing: Closing, out: &mut Out) -> SqlResult<()> {
        self.touched.clear();
        if closing.lower == 0 {
            self.touched.extend(&self.pinned);
            self.marks.resize(self.groups.rows.len(), false);
            self.pinned.iter().for_each(|s| self.marks[*s as usize] = true);
        }
        let mut slots = vec![];
        for (word, row, _) in data.iter().flat_map(|d| d.iter()) {
            let key_len = self.groups.codec.key(row).len();
            let slot = self.groups.slot(word, &row[..key_len]);
            slots.push(slot);
            if self.marks.len() <= slot as usize {
                self.marks.resize(slot as usize + 1, false);
            }
            if !std::mem::replace(&mut self.marks[slot as usize], true) {
                self.touched.push(slot);
            }
        }
        if self.touched.is_empty() {
            return Ok(());
        }
        let keys = self.groups.keys(&self.touched)?;
        let (before, before_failed) = self.results(&keys, closing.lower == 0)?;
        for ((_, row, _), slot) in data.iter().flat_map(|d| d.iter()).zip(slots) {
            self.groups.merge(slot, row);
        }
        let (after, after_failed) = self.results(&keys, false)?;
        self.emit(before, before_failed, after, after_failed, out)?;
        for slot in std::mem::take(&mut self.touched) {
            self.marks[slot as usize] = false;
            if !self.pinned.contains(&slot) {
                self.groups.release_if_empty(slot);
            }
        }
        self.gauge.set(self.groups.size());
        Ok(())
    }

    /// The touched groups' rows as they stand, which of them exist, and which failed.
    fn results(&self, keys: &[ArrayRef], nothing: bool) -> SqlResult<(Changes, Vec<bool>)> {
        let exists: Vec<i64> = self
            .touched
            .iter()
            .map(|s| i64::from(!nothing && (self.groups.rows[*s as usize] > 0 || self.pinned.contains(s))))
            .collect();
        let mut failed = vec![false; self.touched.len()];
        let columns = [keys.to_vec(), self.groups.aggregates(&self.touched, &mut failed)?].concat();
        let options = RecordBatchOptions::new().with_row_count(Some(self.touched.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.output), columns, &options)
            .map_err(|e| crate::model::SqlError::internal(e.to_string()))?;
        Ok((Changes { batch, diffs: exists }, failed))
    }

    /// Replaces the rows that changed.
    fn emit(
        &self,
        before: Changes,
        before_failed: Vec<bool>,
        after: Changes,
        after_failed: Vec<bool>,
        out: &mut Out,
    ) -> SqlResult<()> {
        let internal = |e: arrow::error::ArrowError| crate::model::SqlError::internal(e.to_string());
        let mut changed: Vec<bool> = before.diffs.iter().zip(&after.diffs).map(|(a, b)| a != b).collect();
        for (a, b) in before.batch.columns().iter().zip(after.batch.columns()).skip(self.groups.codec.key_columns()) {
            let distinct = arrow::compute::kernels::cmp::distinct(a, b).map_err(internal)?;
            changed.iter_mut().zip(distinct.values().iter()).for_each(|(c, d)| *c |= d);
        }
        for (changes, failed, sign) in [(before, before_failed, -1), (after, after_failed, 1)] {
            let there: Vec<bool> = failed.iter().zip(&changes.diffs).map(|(f, d)| *f && *d == 1).collect();
            report_failed(changes.batch.columns(), &there, sign, out);
            let shown = |at: usize| changed[at] && changes.diffs[at] == 1 && !failed[at];
            let mask = BooleanArray::from_iter((0..changed.len()).map(|at| Some(shown(at))));
            let mut kept = keep(&changes, &mask).map_err(internal)?;
            kept.diffs.iter_mut().for_each(|d| *d = sign);
            if !kept.diffs.is_empty() {
                out.rows.push(kept);
            }
        }
        Ok(())
    }
}

/// Lists the groups whose aggregates are out of range.
pub(crate) fn report_failed<R>(columns: &[ArrayRef], failed: &[bool], sign: Diff, out: &mut Out<R>) {
    for at in (0..failed.len()).filter(|at| failed[*at]) {
        let text = |c: &ArrayRef| arrow::util::display::array_value_to_string(c, at).unwrap_or_default();
        out.errors.push(ErrorChange {
            position: None,
            code: code::NUMERIC_VALUE_OUT_OF_RANGE.to_string(),
            message: "an aggregate is out of its type's range".to_string(),
            payload: format!("({})", columns.iter().map(text).collect::<Vec<_>>().join(", ")),
            diff: sign,
        });
    }
}
