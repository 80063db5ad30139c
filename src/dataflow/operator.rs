//! Shapes of operators: at once per container, or once per tick.
//!
//! Exactly one tick is in flight: the coordinator feeds tick `t` only after every worker has finished those before. So whatever an
//! operator has received when its input frontier moves belongs to the tick that has just been completed, and rows carry no times.
//! Messages of a tick are stamped with the frontier before it, not with the tick: frontiers step from tick to tick at once.
//! The assumption is asserted where a frontier moves.

use std::cell::RefCell;
use std::rc::Rc;

use timely::Container;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{DistributorPact, ParallelizationContract, Pipeline};
use timely::dataflow::channels::pushers::Output;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::frontier::MutableAntichain;
use timely::progress::operate::FrontierInterest;

use super::profile::Yielded;
use super::reading::Spans;
use super::trace::RowDistributor;
use crate::model::{Changes, Diff, RowBuf, Tick};

/// Rows on an edge.
pub(crate) type RowStream<'s> = Stream<'s, Tick, Vec<Changes>>;

/// Errors of an operator that wait to be listed. They go no way of their own through the dataflow: once rows of an operator have passed a
/// tick everywhere behind it, its errors of the tick are here.
pub(crate) type Errors = Rc<RefCell<Vec<ErrorChange>>>;

/// An error row that appears (+1) or leaves (−1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub(crate) struct ErrorChange {
    /// Where the bad row came from, if it came from outside.
    pub position: Option<String>,
    /// SQLSTATE.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// The row.
    pub payload: String,
    /// Signed count.
    pub diff: Diff,
}

/// What an operator yields: rows in batches of `R`, and errors.
pub(crate) struct Out<R = Changes> {
    pub rows: Vec<R>,
    pub errors: Vec<ErrorChange>,
}

impl<R> Default for Out<R> {
    fn default() -> Self {
        Out { rows: vec![], errors: vec![] }
    }
}

/// What operators hand on in batches.
pub(crate) trait Batched: Clone + 'static {
    /// Rows in a batch.
    fn rows(&self) -> usize;
}

impl Batched for Changes {
    fn rows(&self) -> usize {
        self.diffs.len()
    }
}

impl Batched for RowBuf {
    fn rows(&self) -> usize {
        self.len()
    }
}

/// Handles each container as it comes.
pub(crate) fn at_once<'s, C: Container>(
    input: Stream<'s, Tick, C>,
    name: &str,
    mut logic: impl FnMut(&mut C, &mut Out) + 'static,
) -> (RowStream<'s>, Errors) {
    let scope = input.scope();
    let mut builder = OperatorBuilder::new(name.to_string(), scope);
    let yielded = Yielded::new(&scope, builder.global());
    let mut input = builder.new_input(input, Pipeline);
    let (rows, row_stream) = builder.new_output();
    let mut rows = OutputBuilder::<_, CapacityContainerBuilder<Vec<Changes>>>::from(rows);
    // What has no tick to wait for need not hear of ticks.
    builder.set_notify_for(0, FrontierInterest::Never);
    let errors = Errors::default();
    let failed = Rc::clone(&errors);
    builder.build(move |_capabilities| {
        let mut out = Out::default();
        move |_frontiers| {
            let mut rows = rows.activate();
            input.for_each(|capability, data| {
                logic(data, &mut out);
                yielded.count(&out.rows);
                if !out.rows.is_empty() {
                    rows.session(&capability.retain_stamp(0)).give_iterator(out.rows.drain(..));
                }
                failed.borrow_mut().append(&mut out.errors);
            });
        }
    });
    (row_stream, errors)
}

/// The tick being closed, as operators see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closing {
    /// Everything before this was handled.
    pub lower: Tick,
    /// Everything before this is complete now.
    pub upper: Tick,
}

/// Follows an operator's input frontiers and says when a tick is complete.
#[derive(Default)]
struct TickGate {
    upper: Tick,
}

impl TickGate {
    /// What the frontiers close, if they moved. A closed input stands at the end of time.
    fn advance(&mut self, frontiers: &[MutableAntichain<Tick>]) -> Option<Closing> {
        let upper =
            frontiers.iter().map(|f| f.frontier().first().copied().unwrap_or(Tick::MAX)).min().unwrap_or(Tick::MAX);
        assert!(upper >= self.upper, "a frontier went back from {} to {upper}", self.upper);
        let lower = std::mem::replace(&mut self.upper, upper);
        (upper > lower).then_some(Closing { lower, upper })
    }
}

/// Handles everything a tick brought, once it is complete, also if it brought nothing.
pub(crate) fn on_tick<'s, C: Container + Default, P: ParallelizationContract<Tick, C>, R: Batched>(
    input: Stream<'s, Tick, C>,
    pact: P,
    name: &str,
    mut logic: impl FnMut(Vec<C>, Closing, &mut Out<R>) + 'static,
) -> (Stream<'s, Tick, Vec<R>>, Errors) {
    let scope = input.scope();
    let mut builder = OperatorBuilder::new(name.to_string(), scope);
    let yielded = Yielded::new(&scope, builder.global());
    let mut input = builder.new_input(input, pact);
    let (rows, row_stream) = builder.new_output();
    let errors = Errors::default();
    let mut emitter = Emitter::new(rows, Rc::clone(&errors), yielded);
    builder.build(move |capabilities| {
        emitter.hold(capabilities);
        let mut gate = TickGate::default();
        let mut pending: Vec<C> = vec![];
        move |frontiers| {
            input.for_each(|_capability, data| pending.push(std::mem::take(data)));
            if let Some(closing) = gate.advance(frontiers) {
                emitter.emit(closing.upper, |out| logic(std::mem::take(&mut pending), closing, out));
            }
        }
    });
    (row_stream, errors)
}

/// [`on_tick`] at the end of a dataflow: nothing is put out.
pub(crate) fn at_end<C: Container + Default>(
    input: Stream<'_, Tick, C>,
    name: &str,
    mut logic: impl FnMut(Vec<C>, Closing) + 'static,
) {
    let mut builder = OperatorBuilder::new(name.to_string(), input.scope());
    let mut input = builder.new_input(input, Pipeline);
    builder.build(move |_capabilities| {
        let mut gate = TickGate::default();
        let mut pending: Vec<C> = vec![];
        move |frontiers| {
            input.for_each(|_capability, data| pending.push(std::mem::take(data)));
            if let Some(closing) = gate.advance(frontiers) {
                logic(std::mem::take(&mut pending), closing);
            }
        }
    });
}

/// [`on_tick`] for two inputs.
pub(crate) fn on_tick2<'s, C1, C2, P1, P2, R>(
    left: Stream<'s, Tick, C1>,
    left_pact: P1,
    right: Stream<'s, Tick, C2>,
    right_pact: P2,
    name: &str,
    mut logic: impl FnMut(Vec<C1>, Vec<C2>, Closing, &mut Out<R>) + 'static,
) -> (Stream<'s, Tick, Vec<R>>, Errors)
where
    R: Batched,
    C1: Container + Default,
    C2: Container + Default,
    P1: ParallelizationContract<Tick, C1>,
    P2: ParallelizationContract<Tick, C2>,
{
    let scope = left.scope();
    let mut builder = OperatorBuilder::new(name.to_string(), scope);
    let yielded = Yielded::new(&scope, builder.global());
    let mut left = builder.new_input(left, left_pact);
    let mut right = builder.new_input(right, right_pact);
    let (rows, row_stream) = builder.new_output();
    let errors = Errors::default();
    let mut emitter = Emitter::new(rows, Rc::clone(&errors), yielded);
    builder.build(move |capabilities| {
        emitter.hold(capabilities);
        let mut gate = TickGate::default();
        let (mut lefts, mut rights) = (vec![], vec![]);
        move |frontiers| {
            left.for_each(|_capability, data| lefts.push(std::mem::take(data)));
            right.for_each(|_capability, data| rights.push(std::mem::take(data)));
            if let Some(closing) = gate.advance(frontiers) {
                emitter.emit(closing.upper, |out| {
                    logic(std::mem::take(&mut lefts), std::mem::take(&mut rights), closing, out)
                });
            }
        }
    });
    (row_stream, errors)
}

/// [`on_tick`] for any number of inputs of two kinds: arrangements where they are, and buffers exchanged by word.
pub(crate) fn on_tick_many<'s>(
    arranged: Vec<Stream<'s, Tick, Spans>>,
    exchanged: Vec<Stream<'s, Tick, RowBuf>>,
    name: &str,
    mut logic: impl FnMut(Vec<Vec<Spans>>, Vec<Vec<RowBuf>>, Closing, &mut Out) + 'static,
) -> (RowStream<'s>, Errors) {
    let scope =
        arranged.first().map(Stream::scope).or(exchanged.first().map(Stream::scope)).expect("an operator has an input");
    let mut builder = OperatorBuilder::new(name.to_string(), scope);
    let yielded = Yielded::new(&scope, builder.global());
    let mut arranged: Vec<_> = arranged.into_iter().map(|s| builder.new_input(s, Pipeline)).collect();
    let mut exchanged: Vec<_> =
        exchanged.into_iter().map(|s| builder.new_input(s, DistributorPact(RowDistributor::new))).collect();
    let (rows, row_stream) = builder.new_output();
    let errors = Errors::default();
    let mut emitter = Emitter::new(rows, Rc::clone(&errors), yielded);
    builder.build(move |capabilities| {
        emitter.hold(capabilities);
        let mut gate = TickGate::default();
        let (mut spans, mut rows) = (vec![vec![]; arranged.len()], vec![vec![]; exchanged.len()]);
        move |frontiers| {
            for (input, pending) in arranged.iter_mut().zip(&mut spans) {
                input.for_each(|_capability, data| pending.push(std::mem::take(data)));
            }
            for (input, pending) in exchanged.iter_mut().zip(&mut rows) {
                input.for_each(|_capability, data| pending.push(std::mem::take(data)));
            }
            if let Some(closing) = gate.advance(frontiers) {
                let spans = spans.iter_mut().map(std::mem::take).collect();
                let rows = rows.iter_mut().map(std::mem::take).collect();
                emitter.emit(closing.upper, |out| logic(spans, rows, closing, out));
            }
        }
    });
    (row_stream, errors)
}

/// A row output with a capability that follows the open tick, so that an operator may speak at any tick.
struct Emitter<R: Batched> {
    rows: OutputBuilder<Tick, CapacityContainerBuilder<Vec<R>>>,
    errors: Errors,
    held: Vec<Capability<Tick>>,
    out: Out<R>,
    yielded: Yielded,
}

impl<R: Batched> Emitter<R> {
    fn new(rows: Output<Tick, Vec<R>>, errors: Errors, yielded: Yielded) -> Self {
        Emitter { rows: OutputBuilder::from(rows), errors, held: vec![], out: Out::default(), yielded }
    }

    fn hold(&mut self, capabilities: Vec<Capability<Tick>>) {
        self.held = capabilities;
    }

    fn emit(&mut self, upper: Tick, logic: impl FnOnce(&mut Out<R>)) {
        logic(&mut self.out);
        self.yielded.count(&self.out.rows);
        if !self.out.rows.is_empty() {
            self.rows.activate().session(&self.held[0]).give_iterator(self.out.rows.drain(..));
        }
        self.errors.borrow_mut().append(&mut self.out.errors);
        if upper == Tick::MAX {
            self.held.clear();
        } else {
            self.held.iter_mut().for_each(|c| c.downgrade(&upper));
        }
    }
}
