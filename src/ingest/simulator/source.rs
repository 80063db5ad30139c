//! The `simulator` connector: one stream of a world, delivered when it is due.

use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::batches::input_batch;
use super::stream::{Event, StreamSet};
use super::world::World;
use crate::connect::PassEnd;
use crate::ingest::driver::{BATCH_ROWS_MAX, Outbox, Source, SourceError};
use crate::ingest::options::SimulatorOptions;
use crate::model::{RelationId, SqlError, TableDef};

/// Events of a world between two looks whether to stop.
const STRETCH_EVENTS: usize = 4 * BATCH_ROWS_MAX;

pub(in crate::ingest) struct SimulatorSource {
    table: TableDef,
    relation: RelationId,
    world: World,
    /// What to add to the time since the process's first simulator to get the world's; `None`: everything is due.
    start_ms: Option<i64>,
    waiting: Vec<Event>,
}

/// When the first simulator of this process began: all its worlds begin then, so that their streams fit together.
fn beginning() -> (Instant, i64) {
    static BEGINNING: OnceLock<(Instant, i64)> = OnceLock::new();
    *BEGINNING.get_or_init(|| {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (Instant::now(), since_epoch.as_millis() as i64)
    })
}

impl SimulatorSource {
    pub(in crate::ingest) fn new(table: &TableDef, relation: RelationId, options: SimulatorOptions) -> SimulatorSource {
        let mut config = options.world;
        if options.paced && !options.start_given {
            config.start_ms = beginning().1;
        }
        SimulatorSource {
            table: table.clone(),
            relation,
            start_ms: options.paced.then_some(config.start_ms),
            world: World::of(config, StreamSet::from_iter([options.stream])),
            waiting: Vec::new(),
        }
    }

    fn send(&mut self, outbox: &mut Outbox) -> Result<ControlFlow<()>, SourceError> {
        if self.waiting.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        let batch = input_batch(&self.table, self.relation, &self.waiting)
            .map_err(|error| SqlError::internal(format!("simulator: {error}")))?;
        self.waiting.clear();
        Ok(outbox.send_batch(batch))
    }
}

impl Source for SimulatorSource {
    fn pass(&mut self, outbox: &mut Outbox) -> Result<PassEnd, SourceError> {
        let now_ms = match self.start_ms {
            Some(start_ms) => start_ms + beginning().0.elapsed().as_millis() as i64,
            None => i64::MAX,
        };
        let mut taken = 0;
        while let Some(event) = self.world.next_until(now_ms) {
            taken += 1;
            self.waiting.push(event);
            let full = self.waiting.len() >= BATCH_ROWS_MAX;
            if full && self.send(outbox)?.is_break() || taken % STRETCH_EVENTS == 0 && outbox.stopping() {
                return Ok(PassEnd::Stopped);
            }
        }
        if self.send(outbox)?.is_break() {
            return Ok(PassEnd::Stopped);
        }
        Ok(if self.world.is_over() { PassEnd::Finished } else { PassEnd::Idle })
    }
}
