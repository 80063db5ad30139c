//! The order a case's input takes: as written, or dealt anew within what its tables allow.

use std::collections::{BTreeMap, VecDeque};

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::bind::{BoundCase, BoundGiven, BoundStep, Freedom};

/// How likely a versioned row comes twice.
const DUPLICATE_SHARE: f64 = 0.3;

/// One thing a run does. Numbers are positions in the case's steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Sends all rows of a `GIVEN`, bad ones too.
    SendAll(usize),
    /// Sends one row.
    Send(usize, usize),
    /// Closes a tick at this time.
    Tick(u64),
    /// Runs a statement at this time.
    Statement(usize, u64),
    Expect(usize),
}

/// The steps as written.
pub(super) fn straight(case: &BoundCase, start_ms: u64) -> Vec<Action> {
    let (mut actions, mut now, mut open) = (vec![], start_ms, true);
    for (at, step) in case.steps.iter().enumerate() {
        match step {
            BoundStep::Given(_) => actions.push(Action::SendAll(at)),
            BoundStep::Now(time) => now = *time,
            BoundStep::Tick => actions.push(Action::Tick(now)),
            BoundStep::Statement(..) => {
                if open {
                    actions.push(Action::Tick(now));
                }
                actions.push(Action::Statement(at, now));
            }
            BoundStep::Expect(_) => {
                if open {
                    actions.push(Action::Tick(now));
                }
                actions.push(Action::Expect(at));
            }
        }
        open = match step {
            BoundStep::Given(_) | BoundStep::Now(_) => true,
            BoundStep::Expect(_) | BoundStep::Tick | BoundStep::Statement(..) => false,
        };
    }
    timed(actions)
}

/// The same input in another order and cut, then the last `EXPECT`s.
pub(super) fn dealt(case: &BoundCase, start_ms: u64, random: &mut ChaCha8Rng) -> Vec<Action> {
    let now = case.steps.iter().rev().find_map(|s| if let BoundStep::Now(time) = s { Some(*time) } else { None });
    let now = now.unwrap_or(start_ms);
    let cut = match random.random_range(0..4) {
        0 => 0.0,
        1 => 1.0,
        _ => random.random_range(0.0..1.0),
    };
    let freedoms = freedoms(case);
    let (mut actions, mut segment, mut last_input) = (vec![], vec![], 0);
    for (at, step) in case.steps.iter().enumerate() {
        match step {
            BoundStep::Given(given) => segment.push((at, given)),
            BoundStep::Statement(..) => {
                deal(&mut actions, &segment, &freedoms, (cut, now), random);
                segment.clear();
                actions.extend([Action::Tick(now), Action::Statement(at, now)]);
            }
            BoundStep::Now(_) => {}
            BoundStep::Tick | BoundStep::Expect(_) => continue,
        }
        last_input = at;
    }
    deal(&mut actions, &segment, &freedoms, (cut, now), random);
    actions.push(Action::Tick(now));
    let checks = case.steps.iter().enumerate().skip(last_input);
    actions.extend(checks.filter(|(_, s)| matches!(s, BoundStep::Expect(_))).map(|(at, _)| Action::Expect(at)));
    timed(actions)
}

/// What dealing may do per relation: what all of its `GIVEN`s allow.
fn freedoms(case: &BoundCase) -> BTreeMap<&str, Freedom> {
    let mut all: BTreeMap<&str, Freedom> = BTreeMap::new();
    for step in &case.steps {
        if let BoundStep::Given(given) = step {
            let freedom = all.entry(&given.relation).or_insert(given.freedom);
            if given.freedom == Freedom::Ordered {
                *freedom = Freedom::Ordered;
            }
        }
    }
    all
}

/// Appends a segment's rows in a random order, with ticks between.
fn deal(
    actions: &mut Vec<Action>,
    segment: &[(usize, &BoundGiven)],
    freedoms: &BTreeMap<&str, Freedom>,
    (cut, now): (f64, u64),
    random: &mut ChaCha8Rng,
) {
    let mut queues: Vec<VecDeque<Action>> = vec![];
    let mut ordered: BTreeMap<&str, VecDeque<Action>> = BTreeMap::new();
    for (at, given) in segment {
        let rows = (0..given.input.rows.num_rows()).map(|row| Action::Send(*at, row));
        match freedoms[given.relation.as_str()] {
            Freedom::Ordered => {
                let queue = ordered.entry(&given.relation).or_default();
                if given.input.bad.is_empty() { queue.extend(rows) } else { queue.push_back(Action::SendAll(*at)) }
            }
            Freedom::Bag => queues.extend(rows.map(|row| VecDeque::from([row]))),
            Freedom::Versioned => {
                for row in rows {
                    let copies = if random.random_bool(DUPLICATE_SHARE) { 2 } else { 1 };
                    queues.extend((0..copies).map(|_| VecDeque::from([row])));
                }
            }
        }
    }
    queues.extend(ordered.into_values());
    let mut turns: Vec<usize> = queues.iter().enumerate().flat_map(|(at, q)| vec![at; q.len()]).collect();
    turns.shuffle(random);
    for (at, turn) in turns.into_iter().enumerate() {
        if at > 0 && random.random_bool(cut) {
            actions.push(Action::Tick(now));
        }
        actions.extend(queues[turn].pop_front());
    }
}

/// Sets the clock of ticks that share a time so that the last of them is at that time, those before it a millisecond each earlier.
fn timed(mut actions: Vec<Action>) -> Vec<Action> {
    let mut later: Option<(u64, u64)> = None;
    for action in actions.iter_mut().rev() {
        if let Action::Tick(time) | Action::Statement(_, time) = action {
            let back = later.filter(|(now, _)| now == time).map_or(0, |(_, back)| back + 1);
            later = Some((*time, back));
            *time = time.saturating_sub(back);
        }
    }
    actions
}
