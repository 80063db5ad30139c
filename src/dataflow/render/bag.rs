//! Bags: tables without a key, where equal rows count.
//!
//! Inserts pass on into the arrangement. A delete takes one equal row away, if there is one: two sessions may delete the same row at
//! the same time, and a count below zero would be wrong in every view. So what a tick takes away is held against what it brings
//! and what is stored; only then is anything looked up.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use differential_dataflow::operators::arrange::TraceAgent;
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{DistributorPact, Pipeline};
use timely::dataflow::operators::Operator as _;

use super::join::fetch;
use super::table::{Ask, TableRows, error_of};
use super::{ArrangedRows, fail};
use crate::dataflow::operator::{Closing, Errors, Out, on_tick2};
use crate::dataflow::reading::{compact, flatten, prior};
use crate::dataflow::tally::Tally;
use crate::dataflow::trace::sort::sort_rows;
use crate::dataflow::trace::{self, Batch, Gather, RowDistributor, Spine};
use crate::model::codec::RowCodec;
use crate::model::{BadRow, Diff, RowBuf, SqlResult, Tick};
use crate::plan::lir::Layout;

/// Arranges a bag's rows; bad rows are errors for good.
pub(super) fn arrange<'s>(
    rows: Stream<'s, Tick, Vec<TableRows>>,
    bad: Stream<'s, Tick, Vec<(BadRow, u64)>>,
    layout: &Layout,
    schema: &SchemaRef,
    tally: Rc<Tally>,
) -> SqlResult<(ArrangedRows<'s>, Errors)> {
    let codec = RowCodec::new(&layout.fields(schema), layout.key.len())?;
    let (columns, encoder) = (layout.columns(), codec.clone());
    let encoded = rows.unary::<NoopBuilder<RowBuf>, _, _, _>(Pipeline, "EncodeBag", move |_, _| {
        move |input, output| {
            input.for_each(|capability, data: &mut Vec<TableRows>| {
                let mut buffer = RowBuf::default();
                for rows in data.drain(..) {
                    encode(&encoder, &columns, &rows, &mut buffer).unwrap_or_else(fail);
                }
                output.session_with_builder(&capability.retain_stamp(0)).give_container(&mut buffer);
            });
        }
    });
    let trace: Rc<RefCell<Option<TraceAgent<Spine>>>> = Rc::default();
    let stored = Rc::clone(&trace);
    let (changes, errors) = on_tick2(
        encoded,
        DistributorPact(RowDistributor::new),
        bad,
        Pipeline,
        "Bag",
        move |rows: Vec<RowBuf>, bad: Vec<Vec<(BadRow, u64)>>, closing: Closing, out: &mut Out<RowBuf>| {
            out.errors.extend(bad.into_iter().flatten().map(|(row, _)| error_of(row)));
            let mut stored = stored.borrow_mut();
            let trace = stored.as_mut().expect("a bag is arranged before its first tick");
            let inserts: Diff = rows.iter().flat_map(|buffer| &buffer.diffs).map(|diff| (*diff).max(0)).sum();
            if rows.iter().any(|buffer| buffer.diffs.iter().any(|diff| *diff < 0)) {
                out.rows.push(checked(&rows, &prior(trace, closing.lower)));
            } else {
                out.rows.extend(rows);
            }
            let net: Diff = out.rows.iter().flat_map(|buffer| &buffer.diffs).sum();
            let mut counts = tally.counts.get();
            counts.rows += net;
            counts.deletes += inserts.abs_diff(net);
            tally.counts.set(counts);
            compact(trace, closing.upper);
        },
    );
    let arranged = trace::arrange_local(flatten(changes), "Table");
    *trace.borrow_mut() = Some(arranged.trace.clone());
    Ok((ArrangedRows { arranged, codec }, errors))
}

fn encode(codec: &RowCodec, columns: &[usize], rows: &TableRows, out: &mut RowBuf) -> SqlResult<()> {
    let arrays: Vec<ArrayRef> = columns.iter().map(|c| Arc::clone(rows.batch.column(*c))).collect();
    let sign = |ask: &Ask| if matches!(ask, Ask::Delete | Ask::ForceDelete) { -1 } else { 1 };
    let diffs: Vec<Diff> = match rows.asks.as_slice() {
        [] => vec![1; rows.batch.num_rows()],
        asks => asks.iter().map(sign).collect(),
    };
    codec.encode(&arrays, &diffs, out)
}

/// A tick's changes added up, no row's count brought below zero.
fn checked(rows: &[RowBuf], stored: &[Batch]) -> RowBuf {
    let mut all = RowBuf::default();
    rows.iter().for_each(|buffer| all.append(buffer));
    let sorted = sort_rows(&all);
    let changes = || {
        let slices = sorted.iter().map(|chunk| &chunk.slice);
        slices.flat_map(|s| s.range().map(|at| (s.run.word(at), s.run.row(at), s.run.diff(at))))
    };
    let mut words: Vec<u64> = changes().filter(|(_, _, diff)| *diff < 0).map(|(word, _, _)| word).collect();
    words.dedup();
    let mut gather = Gather::default();
    gather.load(stored, &words);
    let (mut found, mut held, mut out) = (vec![], vec![], RowBuf::default());
    let mut fetched = None;
    for (word, row, diff) in changes() {
        if diff > 0 {
            out.push(word, row, diff);
            continue;
        }
        let at = words.partition_point(|w| *w < word);
        if fetched.replace(at) != Some(at) {
            fetch(&gather, at, &mut found, &mut held);
        }
        let count = held.binary_search_by(|(r, _)| (*r).cmp(row)).map_or(0, |at| held[at].1);
        let taken = diff.max(-count);
        if taken != 0 {
            out.push(word, row, taken);
        }
    }
    out
}
