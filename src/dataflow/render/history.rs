//! A table's history: every row that arrived and was no mere duplicate, with what it did, in a relation of its own.
//!
//! Its rows are laid out as the table's, with arrival number, tick and outcome behind. So a row is kept as the bytes it came in, at
//! the worker of its key, and joins by the table's key share the arrangement. It keeps everything: a row's bytes and
//! some 30 more, for ever.

use std::sync::Arc;

use arrow::array::{Int64Array, StringArray};
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::table::{self, Effect, Event};
use super::{ArrangedRows, Meter, Renderer};
use crate::dataflow::operator::Batched;
use crate::dataflow::trace;
use crate::model::codec::RowCodec;
use crate::model::{HISTORY_COLUMNS, RelationId, RowBuf, SqlResult, TableDef, Tick};
use crate::plan::lir::Layout;

/// The operator that keeps a history; it lives in its table's dataflow.
pub(crate) const ARRANGEMENT: &str = "History";

/// The arrangement of a table's history: as the table's, [`HISTORY_COLUMNS`] behind.
pub(crate) fn layout(def: &TableDef) -> Layout {
    let (mut layout, added) = (table::layout(def), HISTORY_COLUMNS.len());
    layout.key.iter_mut().chain(layout.rest.iter_mut().map(|(column, _)| column)).for_each(|column| *column += added);
    layout.rest.extend((0..added).map(|column| (column, Default::default())));
    layout
}

/// Serves what was logged as a relation of its own.
pub(super) fn serve<'s>(
    renderer: &mut Renderer<'s, '_>,
    def: &TableDef,
    relation: RelationId,
    logged: Stream<'s, Tick, RowBuf>,
) -> SqlResult<()> {
    let layout = layout(def);
    let schema = super::map::relaxed(&def.history_schema());
    let codec = RowCodec::new(&layout.fields(&schema), layout.key.len())?;
    let arranged = trace::arrange_local(logged, ARRANGEMENT);
    let meter = (ARRANGEMENT.to_string(), Meter::Trace(arranged.trace.clone()));
    let served = super::serve::serve(renderer, ArrangedRows { arranged, codec }, None, layout)?;
    renderer.registry.meters.insert(relation, vec![meter]);
    renderer.registry.served.insert(relation, served);
    Ok(())
}

/// Rows that the operator puts out.
#[derive(Clone)]
pub(super) enum Part {
    /// Changes of the table.
    Changes(RowBuf),
    /// Rows of its history.
    Logged(RowBuf),
}

impl Batched for Part {
    fn rows(&self) -> usize {
        match self {
            Part::Changes(rows) => rows.len(),
            Part::Logged(_) => 0,
        }
    }
}

/// Changes and logged rows, apart.
pub(super) fn split<'s>(parts: Stream<'s, Tick, Vec<Part>>) -> (Stream<'s, Tick, RowBuf>, Stream<'s, Tick, RowBuf>) {
    let mut builder = OperatorBuilder::new("Split".to_string(), parts.scope());
    let mut parts = builder.new_input(parts, Pipeline);
    let (changes, change_stream) = builder.new_output();
    let (logged, logged_stream) = builder.new_output();
    let mut changes = OutputBuilder::<_, NoopBuilder<RowBuf>>::from(changes);
    let mut logged = OutputBuilder::<_, NoopBuilder<RowBuf>>::from(logged);
    builder.build(move |_capabilities| {
        move |_frontiers| {
            let (mut changes, mut logged) = (changes.activate(), logged.activate());
            parts.for_each(|capability, data| {
                for part in data.drain(..) {
                    let (output, at, mut rows) = match part {
                        Part::Changes(rows) => (&mut changes, 0, rows),
                        Part::Logged(rows) => (&mut logged, 1, rows),
                    };
                    output.session_with_builder(&capability.retain_stamp(at)).give_container(&mut rows);
                }
            });
        }
    });
    (change_stream, logged_stream)
}

/// Rows of one tick that were no mere duplicates, and what each did, for the table's history; `None`: it has none.
pub(super) type Log<'a> = Option<Vec<(Event<'a>, Effect)>>;

/// Makes rows of a history.
pub(super) struct Suffix {
    /// Of the columns behind the table's.
    codec: RowCodec,
}

impl Suffix {
    pub(super) fn new(def: &TableDef) -> SqlResult<Suffix> {
        let mut fields = layout(def).fields(&def.history_schema());
        let behind = fields.split_off(fields.len() - HISTORY_COLUMNS.len());
        Ok(Suffix { codec: RowCodec::new(&behind, 0)? })
    }

    /// The logged rows of a tick. A codec encodes columns one after the other, so what is behind the table's can be appended.
    pub(super) fn rows(&self, log: &[(Event<'_>, Effect)], tick: Tick) -> SqlResult<RowBuf> {
        let arrivals = Int64Array::from_iter_values(log.iter().map(|(event, _)| event.sequence as i64));
        let ticks = Int64Array::from_value(tick as i64, log.len());
        let outcomes = StringArray::from_iter_values(log.iter().map(|(_, effect)| outcome(*effect)));
        let (mut suffixes, ones) = (RowBuf::default(), vec![1; log.len()]);
        self.codec.encode(&[Arc::new(arrivals), Arc::new(ticks), Arc::new(outcomes)], &ones, &mut suffixes)?;
        let bytes = log.iter().map(|(event, _)| event.row.len()).sum::<usize>() + suffixes.bytes.len();
        let mut rows = RowBuf::with_capacity(log.len(), bytes);
        for (at, (event, _)) in log.iter().enumerate() {
            rows.bytes.extend_from_slice(event.row);
            rows.bytes.extend_from_slice(suffixes.row(at));
            rows.seal(event.word, 1);
        }
        Ok(rows)
    }
}

/// What a history says of an effect.
fn outcome(effect: Effect) -> &'static str {
    match effect {
        Effect::Nothing => "duplicate",
        Effect::Insert => "inserted",
        Effect::Correction => "corrected",
        Effect::Delete => "deleted",
        Effect::Stale => "stale",
        Effect::Conflict => "conflict",
    }
}
