//! The run: one thread sends what is due, another waits for ticks and charges them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int64Type};
use hdrhistogram::Histogram;

use super::load::Load;
use super::report::{Busy, Freshness, Outcome, Second};
use super::schedule::due_times;
use super::{Options, resources};
use crate::engine::{Engine, TickReport};
use crate::model::{InputBatch, RelationId, SqlError, SqlResult};

/// Events looked at between two looks at the clock.
const PORTION: u64 = 8192;
/// The sender's shortest sleep: events due within it are sent together, on time to that much.
const SLEEP_MIN: Duration = Duration::from_micros(500);
/// How often something is told.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Longest latency told apart: an hour, in microseconds.
const LATENCY_MAX_US: u64 = 3_600_000_000;

/// Rows handed to the engine.
struct Sent {
    table: usize,
    /// Positions in the table's order.
    rows: std::ops::Range<usize>,
    /// Rows sent up to and with these.
    total: usize,
    /// When, in nanoseconds after the start.
    at: u64,
}

/// What a run measures.
struct Meter {
    freshness: Histogram<u64>,
    ticks: Histogram<u64>,
    second: Histogram<u64>,
    seconds: Vec<Second>,
    /// Rows seen in published ticks, all and measured.
    visible: usize,
    measured: usize,
    last_visible: Duration,
}

/// Times a run needs at every event.
struct Timing {
    start: Instant,
    warm_up: Duration,
    /// Per event, in nanoseconds after the start; `None`: an event is due when it is sent.
    due: Option<Vec<u64>>,
}

/// Runs the load through the engine.
pub(super) async fn drive(
    engine: &Engine,
    load: &Arc<Load>,
    options: &Options,
    tell: &mut (impl FnMut(&str) + Send),
) -> SqlResult<Outcome> {
    let length = options.warm_up + options.duration;
    let due = options.rate.map(|_| due_times(options.curve, load.events, length));
    let ids = load.tables.iter().map(|t| engine.relation(&t.name)).collect::<SqlResult<Vec<RelationId>>>()?;
    let ticks = engine.observe().await?;
    resources::reset_peak();
    let (resident, cpu) = (resources::resident_bytes(), resources::cpu_seconds());
    let timing = Arc::new(Timing { start: Instant::now(), warm_up: options.warm_up, due });
    let (sent_sender, sent) = flume::unbounded();
    let sender = {
        let (engine, load, timing) = (engine.clone(), Arc::clone(load), Arc::clone(&timing));
        std::thread::Builder::new()
            .name("bench-sender".to_string())
            .spawn(move || send_all(&engine, &load, &ids, &timing, &sent_sender))
            .map_err(|e| SqlError::internal(format!("cannot start the sender: {e}")))?
    };
    let stall = options.stall.map(|time| {
        let (engine, at) = (engine.clone(), options.warm_up + options.duration / 2);
        tokio::spawn(async move {
            tokio::time::sleep(at).await;
            engine.stall(time).await
        })
    });
    let meter = measure(load, &timing, &ticks, &sent, tell).await?;
    sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    if let Some(stall) = stall {
        stall.await.map_err(|e| SqlError::internal(e.to_string()))??;
    }
    let measured = meter.last_visible.saturating_sub(options.warm_up).as_secs_f64();
    Ok(Outcome {
        workers: options.workers,
        events: load.events,
        measured_events: meter.measured,
        seconds: measured,
        events_per_second: if measured > 0.0 { meter.measured as f64 / measured } else { 0.0 },
        offered_per_second: options.rate.map(|_| load.events as f64 / length.as_secs_f64()),
        freshness: Freshness::of(&meter.freshness),
        ticks: Freshness::of(&meter.ticks),
        peak_bytes: resources::peak_bytes(),
        grown_bytes: resources::peak_bytes().saturating_sub(resident),
        cpu_seconds: resources::cpu_seconds() - cpu,
        busiest: busiest(engine).await?,
        timeline: meter.seconds,
        checked_views: None,
        checked_orders: None,
    })
}

/// All operators, the busiest first.
async fn busiest(engine: &Engine) -> SqlResult<Vec<Busy>> {
    let sql = "SELECT relation, operator, ms, CAST(ms AS DOUBLE PRECISION) / SUM(ms) OVER () AS share, updates
        FROM (SELECT relation, operator, SUM(busy_ms) AS ms, SUM(updates) AS updates FROM trueup.operators GROUP BY relation, operator) AS sums
        ORDER BY ms DESC, relation, operator";
    let rows = engine.query(sql).await?;
    let texts = |column: usize| rows.column(column).as_string::<i32>();
    let ints = |column: usize| rows.column(column).as_primitive::<Int64Type>();
    let shares = rows.column(3).as_primitive::<Float64Type>();
    let busy = |at: usize| Busy {
        relation: texts(0).value(at).to_string(),
        operator: texts(1).value(at).to_string(),
        busy_ms: ints(2).value(at),
        share: shares.value(at),
        updates: ints(4).value(at),
    };
    Ok((0..rows.num_rows()).map(busy).collect())
}

/// Sends every event when it is due, in portions; a full channel makes it late, not the event.
fn send_all(
    engine: &Engine,
    load: &Load,
    ids: &[RelationId],
    timing: &Timing,
    sent: &flume::Sender<Sent>,
) -> SqlResult<()> {
    // Per table: the batch at hand, the rows before it, the next row.
    let mut cursors = vec![(0, 0, 0); load.tables.len()];
    let (mut next, mut total) = (0_u64, 0);
    while next < load.events as u64 {
        let now = timing.start.elapsed();
        let until = match &timing.due {
            None => next + PORTION,
            Some(due) => {
                let ready = &due[next as usize..(next + PORTION).min(load.events as u64) as usize];
                next + ready.partition_point(|due| *due <= now.as_nanos() as u64) as u64
            }
        };
        for (table, (batch, before, row)) in cursors.iter_mut().enumerate() {
            let source = &load.tables[table];
            let end = *row + source.order[*row..].partition_point(|number| *number < until);
            while *row < end {
                let rows = &source.batches[*batch];
                let (from, size) = (*row - *before, rows.rows.num_rows());
                let count = (end - *row).min(size - from);
                total += count;
                let at = timing.start.elapsed().as_nanos() as u64;
                // Told first: no tick with these rows can be published before.
                let told = sent.send(Sent { table, rows: *row..*row + count, total, at });
                told.map_err(|_| SqlError::internal("the run has ended"))?;
                let ops = rows.ops.as_ref().map(|ops| ops[from..from + count].to_vec());
                engine.send(InputBatch::of_rows(ids[table], rows.rows.slice(from, count), ops))?;
                *row += count;
                if from + count == size {
                    *batch += 1;
                    *before += size;
                }
            }
        }
        next = until;
        if let Some(due) = timing.due.as_ref().and_then(|due| due.get(next as usize)) {
            let wait = Duration::from_nanos(*due).saturating_sub(timing.start.elapsed());
            if !wait.is_zero() {
                std::thread::sleep(wait.max(SLEEP_MIN));
            }
        }
    }
    Ok(())
}

/// Charges ticks as they are published until all events are visible.
async fn measure(
    load: &Load,
    timing: &Timing,
    ticks: &flume::Receiver<TickReport>,
    sent: &flume::Receiver<Sent>,
    tell: &mut (impl FnMut(&str) + Send),
) -> SqlResult<Meter> {
    let histogram =
        || Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).map_err(|e| SqlError::internal(format!("histogram: {e}")));
    let mut meter = Meter {
        freshness: histogram()?,
        ticks: histogram()?,
        second: histogram()?,
        seconds: vec![],
        visible: 0,
        measured: 0,
        last_visible: Duration::ZERO,
    };
    let mut waiting: VecDeque<Sent> = VecDeque::new();
    let mut next_tell = timing.start + TELL_EVERY;
    while meter.visible < load.events {
        match tokio::time::timeout_at(next_tell.into(), ticks.recv_async()).await {
            Ok(Ok(report)) => {
                waiting.extend(sent.try_iter());
                meter.tick(&report, &mut waiting, load, timing);
            }
            Ok(Err(_)) => return Err(SqlError::internal("the engine has stopped")),
            Err(_) => {}
        }
        if Instant::now() >= next_tell {
            waiting.extend(sent.try_iter());
            let sent_rows = waiting.back().map_or(meter.visible, |last| last.total);
            let second = meter.second(timing.start.elapsed(), sent_rows);
            tell(&second.to_string());
            meter.seconds.push(second);
            next_tell += TELL_EVERY;
        }
    }
    Ok(meter)
}

impl Meter {
    fn tick(&mut self, report: &TickReport, waiting: &mut VecDeque<Sent>, load: &Load, timing: &Timing) {
        let at = report.published.saturating_duration_since(timing.start);
        self.visible += report.rows;
        if report.rows > 0 && at >= timing.warm_up {
            self.ticks.saturating_record(report.took.as_micros() as u64);
        }
        while waiting.front().is_some_and(|first| first.total <= self.visible) {
            let Some(rows) = waiting.pop_front() else { break };
            for number in &load.tables[rows.table].order[rows.rows] {
                let due = timing.due.as_ref().map_or(rows.at, |due| due[*number as usize]);
                let late_us = (at.as_nanos() as u64).saturating_sub(due) / 1000;
                self.second.saturating_record(late_us);
                if due >= timing.warm_up.as_nanos() as u64 {
                    self.measured += 1;
                    self.freshness.saturating_record(late_us);
                }
            }
            self.last_visible = at;
        }
    }

    /// What happened since the last call.
    fn second(&mut self, at: Duration, sent: usize) -> Second {
        let ago = self.seconds.last().map_or((0, 0), |last| (last.sent, last.visible));
        let second = Second {
            at_seconds: at.as_secs_f64(),
            sent,
            visible: self.visible,
            sent_now: sent - ago.0.min(sent),
            visible_now: self.visible - ago.1,
            freshness: Freshness::of(&self.second),
            resident_bytes: resources::resident_bytes(),
        };
        self.second.reset();
        second
    }
}
