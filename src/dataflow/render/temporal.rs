//! Rows that enter and leave as time passes.
//!
//! A row's visible span is computed once, when its change arrives. Changes whose time has come pass; the others wait, ordered by
//! the tick that releases them. A change of a row waiting to enter meets it there and cancels it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::physical_plan::PhysicalExpr;
use timely::dataflow::channels::pact::Pipeline;

use super::map::{error_row, guarded};
use super::{Gauge, fail};
use crate::dataflow::operator::{Closing, Errors, Out, RowStream, on_tick};
use crate::model::RowBuf;
use crate::model::codec::RowCodec;
use crate::model::{Changes, Diff, SqlResult, Tick};
use crate::plan::lir::Bound;

/// Renders a temporal filter.
pub(crate) fn render<'s>(
    input: RowStream<'s>,
    schema: &SchemaRef,
    bounds: &[Bound],
    gauge: Rc<Gauge>,
) -> SqlResult<(RowStream<'s>, Errors)> {
    let fields: Vec<_> = schema.fields().iter().map(|f| (f.data_type().clone(), Default::default())).collect();
    let split = |lower: bool| {
        let pick = |b: &Bound| match b {
            Bound::Lower(e) if lower => Some(Arc::clone(e)),
            Bound::Upper(e) if !lower => Some(Arc::clone(e)),
            _ => None,
        };
        bounds.iter().filter_map(pick).collect::<Vec<_>>()
    };
    let mut waiting = Waiting {
        codec: RowCodec::new(&fields, 0)?,
        schema: Arc::clone(schema),
        lowers: split(true),
        uppers: split(false),
        agenda: BTreeMap::new(),
        rows: 0,
        bytes: 0,
    };
    Ok(on_tick(input, Pipeline, "Temporal", move |data, closing, out| {
        waiting.close(data, closing, out).unwrap_or_else(fail);
        gauge.set((waiting.rows, waiting.bytes));
    }))
}

struct Waiting {
    codec: RowCodec,
    schema: SchemaRef,
    lowers: Vec<Arc<dyn PhysicalExpr>>,
    uppers: Vec<Arc<dyn PhysicalExpr>>,
    /// Changes by the tick that releases them.
    agenda: BTreeMap<Tick, BTreeMap<Box<[u8]>, Diff>>,
    rows: usize,
    bytes: usize,
}

impl Waiting {
    fn close(&mut self, data: Vec<Vec<Changes>>, closing: Closing, out: &mut Out) -> SqlResult<()> {
        let now = closing.upper - 1;
        let mut encoded = RowBuf::default();
        for changes in data.into_iter().flatten() {
            let rows = changes.diffs.len();
            let (from, until) = match (
                self.limits(&self.lowers, &changes, Ordering::Latest),
                self.limits(&self.uppers, &changes, Ordering::Earliest),
            ) {
                (Ok(from), Ok(until)) => (from, until),
                (Err(_), _) | (_, Err(_)) if rows > 1 => {
                    let halves = [(0, rows / 2), (rows / 2, rows - rows / 2)];
                    let parts = halves.map(|(at, len)| Changes {
                        batch: changes.batch.slice(at, len),
                        diffs: changes.diffs[at..at + len].to_vec(),
                    });
                    self.close(vec![parts.to_vec()], closing, out)?;
                    continue;
                }
                (Err(error), _) | (_, Err(error)) => {
                    out.errors.push(error_row(error, &changes.batch, changes.diffs[0]));
                    continue;
                }
            };
            encoded.clear();
            self.codec.encode(changes.batch.columns(), &changes.diffs, &mut encoded)?;
            for (at, (_, row, diff)) in encoded.iter().enumerate() {
                let (Some(from), Some(until)) = (from[at], until[at]) else { continue };
                if from >= until {
                    continue;
                }
                self.schedule(from, row, diff);
                self.schedule(until, row, -diff);
            }
        }
        let mut due: BTreeMap<Box<[u8]>, Diff> = BTreeMap::new();
        while let Some(entry) = self.agenda.first_entry().filter(|e| *e.key() <= now) {
            for (row, diff) in entry.remove() {
                self.rows -= 1;
                self.bytes -= row.len() + ENTRY_BYTES;
                *due.entry(row).or_default() += diff;
            }
        }
        due.retain(|_, diff| *diff != 0);
        if !due.is_empty() {
            let columns = self.codec.decode(due.keys().map(|r| &**r))?;
            let batch = super::batch(&self.schema, columns, due.len())?;
            out.rows.push(Changes { batch, diffs: due.into_values().collect() });
        }
        Ok(())
    }

    fn schedule(&mut self, tick: Tick, row: &[u8], diff: Diff) {
        if tick == Tick::MAX {
            return;
        }
        let rows = self.agenda.entry(tick).or_default();
        match rows.get_mut(row) {
            Some(held) if *held + diff == 0 => {
                rows.remove(row);
                self.rows -= 1;
                self.bytes -= row.len() + ENTRY_BYTES;
                if rows.is_empty() {
                    self.agenda.remove(&tick);
                }
            }
            Some(held) => *held += diff,
            None => {
                rows.insert(row.into(), diff);
                self.rows += 1;
                self.bytes += row.len() + ENTRY_BYTES;
            }
        }
    }

    /// Per row the tightest of the bounds; `None` where one is NULL: the row is never visible.
    fn limits(
        &self,
        bounds: &[Arc<dyn PhysicalExpr>],
        changes: &Changes,
        order: Ordering,
    ) -> datafusion::error::Result<Vec<Option<Tick>>> {
        let rows = changes.diffs.len();
        let mut limits = vec![
            Some(match order {
                Ordering::Latest => 0,
                Ordering::Earliest => Tick::MAX,
            });
            rows
        ];
        for bound in bounds {
            let array: ArrayRef = guarded(|| bound.evaluate(&changes.batch)?.into_array(rows))?;
            let values = array.as_primitive::<Int64Type>();
            for (at, limit) in limits.iter_mut().enumerate() {
                let value = values.is_valid(at).then(|| Tick::try_from(values.value(at)).unwrap_or(0));
                *limit = match (*limit, value, order) {
                    (Some(a), Some(b), Ordering::Latest) => Some(a.max(b)),
                    (Some(a), Some(b), Ordering::Earliest) => Some(a.min(b)),
                    _ => None,
                };
            }
        }
        Ok(limits)
    }
}

/// Which of several bounds is the tightest.
#[derive(Clone, Copy)]
enum Ordering {
    Latest,
    Earliest,
}

/// About what an agenda entry takes besides the row.
const ENTRY_BYTES: usize = 48;
