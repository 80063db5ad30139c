//! Reading arrangements: the batches before a tick, the rows of a batch, and letting traces merge.

use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::trace::{Span, TraceReader};
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator as _;
use timely::progress::Antichain;

use super::trace::{Batch, Spine};
use crate::model::{Diff, RowBuf, RunSlice, Tick};

/// What an arrangement sends: its batches.
pub(crate) type Spans = Vec<Span<Tick, Batch>>;

/// What the trace held before tick `lower`.
pub(crate) fn prior(trace: &mut TraceAgent<Spine>, lower: Tick) -> Vec<Batch> {
    if lower == 0 {
        return vec![];
    }
    let spans = trace.spans_through(Antichain::from_elem(lower).borrow());
    let spans = spans.expect("a reader holds its trace's compaction back to what it has not read");
    spans.into_iter().filter_map(|s| s.inner).collect()
}

/// Lets the trace merge everything before `upper`.
pub(crate) fn compact(trace: &mut TraceAgent<Spine>, upper: Tick) {
    let frontier = if upper == Tick::MAX { Antichain::new() } else { Antichain::from_elem(upper) };
    trace.set_logical_compaction(frontier.borrow());
    trace.set_physical_compaction(frontier.borrow());
}

/// The batches among the messages of a tick.
pub(crate) fn batches(messages: Vec<Spans>) -> Vec<Batch> {
    messages.into_iter().flatten().filter_map(|s| s.inner).collect()
}

/// A batch's runs, in order.
pub(crate) fn slices(batch: &Batch) -> Vec<RunSlice> {
    batch.chunks.iter().map(|c| c.slice.clone()).collect()
}

/// Rows of a slice.
pub(crate) fn rows(slice: &RunSlice) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
    slice.range().map(|at| slice.run.row(at))
}

/// Counts of a slice's rows.
pub(crate) fn diffs(slice: &RunSlice) -> Vec<Diff> {
    slice.range().map(|at| slice.run.diff(at)).collect()
}

/// Buffers handed on one by one.
pub(crate) fn flatten<'s>(buffers: Stream<'s, Tick, Vec<RowBuf>>) -> Stream<'s, Tick, RowBuf> {
    buffers.unary::<NoopBuilder<RowBuf>, _, _, _>(Pipeline, "Flatten", move |_, _| {
        move |input, output| {
            input.for_each(|capability, data: &mut Vec<RowBuf>| {
                for mut buffer in data.drain(..).filter(|b| !b.is_empty()) {
                    output.session_with_builder(&capability.retain_stamp(0)).give_container(&mut buffer);
                }
            });
        }
    })
}
