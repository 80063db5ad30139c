//! Baseline 1: the four views written by hand in Rust on typed differential dataflow, as its users write them.
//!
//! One `reduce` over all that is known of an order, then three counts of differences that carry the sums. Unlike tables with keys,
//! it counts on a payment never moving to another order. Input is spread over the workers before the clock starts; nothing but
//! the reads at the end goes through a lock.

use std::sync::{Arc, Barrier, Mutex};

use differential_dataflow::VecCollection;
use differential_dataflow::input::InputSession;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::cursor::cursor_list;
use differential_dataflow::trace::implementations::{ValBuilder, ValSpine};
use differential_dataflow::trace::{Cursor, TraceReader};
use serde::{Deserialize, Serialize};
use timely::dataflow::operators::probe::Handle;
use timely::progress::Antichain;

use crate::flashsale::measure::{Meter, Run};
use crate::flashsale::{Digest, Event, generate, status};

/// What is known of an order. Ordered by id, then version: the last of an id counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Fact {
    Order { version: i32, sku: i32, channel: i16, amount: i64, minute: i32 },
    Payment { id: i64, version: i32, amount: i64 },
    Refund { id: i64, version: i32, amount: i64 },
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct State {
    sku: i32,
    channel: i16,
    minute: i32,
    ordered: i64,
    paid: i64,
    refunded: i64,
    status: u8,
}

type Group = (i32, i32);
/// Orders, ordered, paid, refunded.
type Sums = (isize, (isize, (isize, isize)));
type States = TraceAgent<ValSpine<i64, State, u64, isize>>;
type Groups = TraceAgent<ValSpine<Group, Sums, u64, isize>>;

fn fact(event: &Event) -> (i64, Fact) {
    match *event {
        Event::Order { id, version, sku, channel, amount, minute } => {
            (id, Fact::Order { version, sku, channel, amount, minute })
        }
        Event::Payment { id, version, order_id, amount } => (order_id, Fact::Payment { id, version, amount }),
        Event::Refund { id, version, order_id, amount } => (order_id, Fact::Refund { id, version, amount }),
    }
}

/// The amounts of the newest versions.
#[derive(Default)]
struct Newest {
    sum: i64,
    last: Option<(i64, i64)>,
}

impl Newest {
    fn add(&mut self, id: i64, amount: i64) {
        if let Some((last, replaced)) = self.last
            && last == id
        {
            self.sum -= replaced;
        }
        self.sum += amount;
        self.last = Some((id, amount));
    }
}

fn state(facts: &[(&Fact, isize)]) -> Option<State> {
    let (mut order, mut paid, mut refunded) = (None, Newest::default(), Newest::default());
    for (fact, _) in facts {
        match fact {
            Fact::Order { sku, channel, amount, minute, .. } => order = Some((*sku, *channel, *amount, *minute)),
            Fact::Payment { id, amount, .. } => paid.add(*id, *amount),
            Fact::Refund { id, amount, .. } => refunded.add(*id, *amount),
        }
    }
    let (paid, refunded) = (paid.sum, refunded.sum);
    order.map(|(sku, channel, ordered, minute)| {
        let status = status(ordered, paid, refunded) as u8;
        State { sku, channel, minute, ordered, paid, refunded, status }
    })
}

fn order_state<'s>(facts: VecCollection<'s, u64, (i64, Fact), isize>) -> Arranged<'s, States> {
    facts.arrange_by_key_named("Facts").reduce_abelian::<_, ValBuilder<_, _, _, _>, ValSpine<_, _, _, _>, _, _>(
        "Order state",
        |_, facts, out| out.extend(state(facts).map(|state| (state, 1))),
        |output, key, updates| {
            output.clear();
            output.extend(updates.drain(..).map(|(value, time, diff)| ((*key, value), time, diff)));
        },
    )
}

fn sums<'s>(
    states: VecCollection<'s, u64, State, isize>,
    group: impl Fn(&State) -> i32 + 'static,
) -> Arranged<'s, Groups> {
    let exploded = states.explode(move |s| {
        let sums: Sums = (1, (s.ordered as isize, (s.paid as isize, s.refunded as isize)));
        Some(((group(&s), s.minute), sums))
    });
    exploded.arrange_by_self_named("Groups").reduce_abelian::<_, ValBuilder<_, _, _, _>, ValSpine<_, _, _, _>, _, _>(
        "Sums",
        |_, group, out| out.push((group[0].1, 1)),
        |output, key, updates| {
            output.clear();
            output.extend(updates.drain(..).map(|(value, time, diff)| ((*key, value), time, diff)));
        },
    )
}

/// Rows held, each as `row` writes it.
fn digest<K, V, Tr>(trace: &mut Tr, upper: u64, row: impl Fn(&K, &V) -> Vec<i64>) -> Digest
where
    Tr: TraceReader<Time = u64>,
    Tr::Batch: differential_dataflow::trace::Navigable,
    for<'a> differential_dataflow::trace::BatchCursor<Tr>:
        Cursor<Key<'a> = &'a K, Val<'a> = &'a V, Time = u64, Diff = isize>,
    K: Clone + 'static,
    V: Clone + 'static,
{
    let batches = trace.batches_through(Antichain::from_elem(upper).borrow()).expect("all ticks are closed");
    let (mut cursor, storage) = cursor_list(batches);
    let mut digest = Digest::default();
    for ((key, value), updates) in cursor.to_vec(&storage, |k| k.clone(), |v| v.clone()) {
        match updates.iter().map(|(_, diff)| diff).sum::<isize>() {
            0 => {}
            1 => digest.add(&row(&key, &value)),
            count => panic!("a row is held {count} times"),
        }
    }
    digest
}

fn group_row((group, minute): &Group, (orders, (ordered, (paid, refunded))): &Sums) -> Vec<i64> {
    vec![(*group).into(), (*minute).into(), *orders as i64, *ordered as i64, *paid as i64, *refunded as i64]
}

fn state_row(id: &i64, s: &State) -> Vec<i64> {
    let (sku, channel, minute) = (s.sku.into(), s.channel.into(), s.minute.into());
    vec![*id, sku, channel, minute, s.ordered, s.paid, s.refunded, s.status.into()]
}

/// Runs the workload.
pub fn run(orders: u64, orders_per_tick: u64, workers: usize) -> Run {
    let ticks = Arc::new(generate(orders, orders_per_tick));
    let events = ticks.iter().map(Vec::len).sum();
    let answers = Arc::new(Mutex::new(vec![Digest::default(); 4]));
    let result = Arc::new(Mutex::new(None));
    let meter = Mutex::new(Some(Meter::start()));
    let measured = Barrier::new(workers);
    let (all_answers, the_run) = (Arc::clone(&answers), Arc::clone(&result));
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let (index, peers) = (worker.index(), worker.peers());
        let mut input: InputSession<u64, (i64, Fact), isize> = InputSession::new();
        let probe = Handle::new();
        let (mut states, mut groups) = worker.dataflow(|scope| {
            let states = order_state(input.to_collection(scope));
            let rows = states.clone().as_collection(|_, state| state.clone());
            let groups = [
                sums(rows.clone(), |s| s.sku),
                sums(rows.clone(), |s| s.channel.into()),
                sums(rows.clone(), |s| s.status.into()),
            ];
            rows.probe_with(&probe);
            let traces = groups.each_ref().map(|g| g.trace.clone());
            groups.into_iter().for_each(|g| drop(g.as_collection(|_, _| ()).probe_with(&probe)));
            (states.trace, traces)
        });
        // Worker 0 keeps the time; all go through the ticks in step.
        let mut meter = if index == 0 { meter.lock().expect("no worker panics here").take() } else { None };
        for (tick, events) in (1u64..).zip(ticks.iter()) {
            let mut work = || {
                events.iter().skip(index).step_by(peers).for_each(|e| input.insert(fact(e)));
                input.advance_to(tick);
                input.flush();
                let frontier = Antichain::from_elem(tick);
                worker.step_while(|| probe.less_than(&tick));
                states.set_logical_compaction(frontier.borrow());
                states.set_physical_compaction(frontier.borrow());
                for trace in &mut groups {
                    trace.set_logical_compaction(frontier.borrow());
                    trace.set_physical_compaction(frontier.borrow());
                }
            };
            match &mut meter {
                Some(meter) => meter.tick(work),
                None => work(),
            }
        }
        if let Some(meter) = meter {
            *the_run.lock().expect("one worker") = Some(meter.stop("typed", workers, orders, events));
        }
        // Reading out takes memory that is not the run's.
        measured.wait();
        let upper = ticks.len() as u64;
        let mut mine = vec![digest(&mut states, upper, state_row)];
        mine.extend(groups.iter_mut().map(|g| digest(g, upper, group_row)));
        let mut all = all_answers.lock().expect("no worker panics here");
        all.iter_mut().zip(mine).for_each(|(all, mine)| all.merge(mine));
    });
    drop(guards.expect("workers start"));
    let mut run: Run = result.lock().expect("workers are done").take().expect("worker 0 has run");
    run.answers = std::mem::take(&mut *answers.lock().expect("workers are done"));
    run
}
