//! Arranging a stream of rows, and looking at what a trace holds.

use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::operators::arrange::Arranged;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::TraceReader;
use timely::communication::Pull;
use timely::dataflow::Stream;
use timely::dataflow::channels::Message;
use timely::dataflow::channels::pact::{DistributorPact, ParallelizationContract, Pipeline};
use timely::logging::TimelyLogger;
use timely::worker::Worker;

use crate::model::{RowBuf, RunSlice, Tick};

use super::batcher::{OpenTick, RowBatcher};
use super::exchange::RowDistributor;
use super::{Spine, Trace};

/// Arranges rows, each at the worker that owns its order word.
pub(crate) fn arrange<'scope>(rows: Stream<'scope, Tick, RowBuf>, name: &str) -> Arranged<'scope, Trace> {
    arrange_by(rows, DistributorPact(RowDistributor::new), name)
}

/// Arranges rows where they are: for rows already at their owners.
pub(crate) fn arrange_local<'scope>(rows: Stream<'scope, Tick, RowBuf>, name: &str) -> Arranged<'scope, Trace> {
    arrange_by(rows, Pipeline, name)
}

fn arrange_by<'scope, P>(rows: Stream<'scope, Tick, RowBuf>, pact: P, name: &str) -> Arranged<'scope, Trace>
where
    P: ParallelizationContract<Tick, RowBuf>,
{
    let open = Rc::new(OpenTick::default());
    let pact = Observed { pact, open: Rc::clone(&open) };
    arrange_core::<_, _, RowBatcher, Spine>(rows, pact, name, move |_logger, _operator| RowBatcher::new(open))
}

/// What the trace holds below tick `upper`: per batch, slices of runs in order.
///
/// The slices never change and may be read by any thread; they keep the rows in memory. Panics where the trace can no
/// longer tell ticks below `upper` from later ones: no reader may have compacted past `upper`.
pub(crate) fn snapshot(trace: &Trace, upper: Tick) -> Vec<Vec<RunSlice>> {
    let mut parts = Vec::new();
    trace.map_spans(|span| {
        let Some(batch) = &span.inner else { return };
        if span.upper().iter().any(|tick| *tick <= upper) {
            parts.push(batch.chunks.iter().map(|chunk| chunk.slice.clone()).collect());
        } else {
            let starts_later = span.lower().iter().all(|tick| *tick >= upper);
            assert!(starts_later, "a batch spans tick {upper}: what it held before is gone");
        }
    });
    parts
}

/// Rows and heap bytes a trace holds. Rows that cancel across batches count until merging drops them; runs shared with
/// merges under way count once each time they are referred to.
pub(crate) fn size(trace: &Trace) -> (usize, usize) {
    let (mut rows, mut bytes) = (0, 0);
    trace.map_spans(|span| {
        let Some(batch) = &span.inner else { return };
        let mut last = None;
        for chunk in &batch.chunks {
            rows += chunk.slice.len();
            let run = Arc::as_ptr(&chunk.slice.run);
            if last != Some(run) {
                bytes += chunk.slice.run.heap_bytes();
            }
            last = Some(run);
        }
    });
    (rows, bytes)
}

/// A pact that tells the arrangement's batcher which tick the rows it receives are of.
struct Observed<P> {
    pact: P,
    open: Rc<OpenTick>,
}

impl<P: ParallelizationContract<Tick, RowBuf>> ParallelizationContract<Tick, RowBuf> for Observed<P> {
    type Pusher = P::Pusher;
    type Puller = ObservedPuller<P::Puller>;

    fn connect(
        self,
        worker: &Worker,
        identifier: usize,
        address: Rc<[usize]>,
        logging: Option<TimelyLogger>,
    ) -> (Self::Pusher, Self::Puller) {
        let (pusher, puller) = self.pact.connect(worker, identifier, address, logging);
        (pusher, ObservedPuller { puller, open: self.open })
    }
}

struct ObservedPuller<P> {
    puller: P,
    open: Rc<OpenTick>,
}

impl<P: Pull<Message<Tick, RowBuf>>> Pull<Message<Tick, RowBuf>> for ObservedPuller<P> {
    fn pull(&mut self) -> &mut Option<Message<Tick, RowBuf>> {
        let pulled = self.puller.pull();
        if let Some(message) = pulled {
            self.open.observe(&message.stamp);
        }
        pulled
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use timely::container::NoopBuilder;
    use timely::dataflow::InputHandle;
    use timely::dataflow::operators::probe::{Handle, Probe};
    use timely::dataflow::operators::{Input, Operator};
    use timely::progress::Antichain;

    use super::super::testing::{Row, random_rows, reference};
    use super::*;
    use crate::model::snapshot::consolidate;

    const TICKS: usize = 12;

    /// What one worker of several saw: per tick, its rows of the trace and the change its batches brought.
    type Seen = Vec<Mutex<Vec<RowBuf>>>;

    fn input_of(worker: usize, tick: usize) -> RowBuf {
        let mut random = ChaCha8Rng::seed_from_u64((worker * 1000 + tick) as u64);
        let count = if tick % 7 == 3 { 0 } else { random.random_range(0..1500) };
        random_rows(&mut random, count, 1000)
    }

    fn rows_of(parts: Vec<Vec<RunSlice>>) -> RowBuf {
        let mut rows = RowBuf::default();
        consolidate(parts, 100).for_each(|block| rows.append(&block));
        rows
    }

    fn run(workers: usize, exchange: bool) -> (Seen, Seen) {
        let fresh = || (0..TICKS).map(|_| Mutex::new(Vec::new())).collect::<Seen>();
        let seen = Arc::new((fresh(), fresh()));
        let shared = Arc::clone(&seen);
        let run = move |worker: &mut Worker| {
            let mut input: InputHandle<Tick, NoopBuilder<RowBuf>> = InputHandle::new_with_builder();
            let (probe, changes) = (Handle::new(), Arc::clone(&shared));
            let mut trace = worker.dataflow(|scope| {
                let rows = scope.input_from(&mut input);
                let arranged = if exchange { arrange(rows, "rows") } else { arrange_local(rows, "rows") };
                let batches = arranged.stream.unary::<NoopBuilder<RowBuf>, _, _, _>(Pipeline, "watch", |_, _| {
                    move |input, _output: &mut _| {
                        input.for_each(|time, spans| {
                            for batch in spans.drain(..).filter_map(|span| span.inner) {
                                let part = batch.chunks.iter().map(|chunk| chunk.slice.clone()).collect();
                                let tick = time.stamp().elements()[0] as usize / 10;
                                changes.1[tick].lock().unwrap().push(rows_of(vec![part]));
                            }
                        });
                    }
                });
                batches.probe_with(&probe);
                arranged.trace
            });
            for tick in 0..TICKS {
                let rows = input_of(worker.index(), tick);
                for (word, row, diff) in rows.iter() {
                    let mut one = RowBuf::default();
                    one.push(word, row, diff);
                    input.send_batch(&mut one);
                }
                let upper = (tick as Tick + 1) * 10;
                input.advance_to(upper);
                worker.step_while(|| probe.less_than(&upper));
                shared.0[tick].lock().unwrap().push(rows_of(snapshot(&trace, upper)));
                let (rows, bytes) = size(&trace);
                assert!(bytes >= rows * 20);
                let frontier = Antichain::from_elem(upper);
                trace.set_logical_compaction(frontier.borrow());
                trace.set_physical_compaction(frontier.borrow());
            }
        };
        timely::execute(timely::Config::process(workers), run)
            .unwrap()
            .join()
            .into_iter()
            .for_each(|done| done.unwrap());
        Arc::into_inner(seen).unwrap()
    }

    fn total(seen: &Mutex<Vec<RowBuf>>) -> Vec<Row> {
        reference(&seen.lock().unwrap().iter().collect::<Vec<_>>())
    }

    #[test]
    fn arrangements_hold_the_sum_of_all_ticks() {
        for (workers, exchange) in [(1, true), (1, false), (2, true), (2, false), (3, true)] {
            let (snapshots, changes) = run(workers, exchange);
            let mut inputs = Vec::new();
            for tick in 0..TICKS {
                let now: Vec<RowBuf> = (0..workers).map(|worker| input_of(worker, tick)).collect();
                assert_eq!(total(&changes[tick]), reference(&now.iter().collect::<Vec<_>>()), "changes of tick {tick}");
                inputs.extend(now);
                assert_eq!(total(&snapshots[tick]), reference(&inputs.iter().collect::<Vec<_>>()), "tick {tick}");
                if exchange {
                    let mut owners = BTreeMap::new();
                    for (worker, rows) in snapshots[tick].lock().unwrap().iter().enumerate() {
                        for word in &rows.words {
                            assert_eq!(*owners.entry(*word).or_insert(worker), worker, "one owner per word");
                        }
                    }
                }
            }
        }
    }
}
