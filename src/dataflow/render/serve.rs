//! The end of a relation's dataflow: what it serves.
//!
//! Rows are an arrangement that snapshots are taken from; errors are a second one, of the rows of `trueup.errors`. A tap keeps a tick's
//! batches for subscribers until the worker takes them; the last of them says when a tick has passed through.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use differential_dataflow::operators::arrange::TraceAgent;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{Exchange, Pipeline};

use super::{ArrangedRows, Renderer};
use crate::dataflow::operator::{Batched, ErrorChange, Errors, Out, at_end, on_tick};
use crate::dataflow::reading::{Spans, batches};
use crate::dataflow::trace::{Batch, Spine};
use crate::model::bytes::hash_bytes;
use crate::model::codec::RowCodec;
use crate::model::{Changes, Diff, RelationId, SqlResult, Tick};
use crate::plan::lir::Layout;

/// Batches of the latest tick.
pub(crate) type Tap = Rc<RefCell<Vec<Batch>>>;

/// What a relation's dataflow serves on this worker.
pub(crate) struct Served {
    /// The relation in whose dataflow it lives: itself, or the table whose history it is.
    pub owner: RelationId,
    pub trace: TraceAgent<Spine>,
    pub codec: RowCodec,
    pub layout: Layout,
    pub tap: Tap,
    /// Rows that came and went so far.
    pub changes: u64,
    /// Errors; a history has none.
    pub errors: Option<ServedErrors>,
    /// All ticks before this one have passed.
    pub reached: Rc<Cell<Tick>>,
}

/// Rows of `trueup.errors` that are a relation's, without the relation's name.
pub(crate) struct ServedErrors {
    pub trace: TraceAgent<Spine>,
    pub tap: Tap,
}

/// The errors a relation serves: tick, position, code, message, payload.
pub(crate) static ERROR_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let tick = Field::new("tick", DataType::UInt64, true);
    Arc::new(Schema::new(vec![tick, text("position"), text("code"), text("message"), text("payload")]))
});

/// The arrangement of [`ERROR_SCHEMA`]: by the whole row.
pub(crate) fn error_layout() -> Layout {
    Layout::new((0..ERROR_SCHEMA.fields().len()).collect(), ERROR_SCHEMA.fields().len())
}

impl Batched for ErrorChange {
    fn rows(&self) -> usize {
        1
    }
}

/// Serves rows and the errors of the operators before them; without operators that err, rows alone.
pub(crate) fn serve<'s>(
    renderer: &mut Renderer<'s, '_>,
    rows: ArrangedRows<'s>,
    errors: Option<Vec<Errors>>,
    layout: Layout,
) -> SqlResult<Served> {
    let (tap, errors, reached) = match errors {
        None => {
            let (tap, reached) = last_tap(rows.arranged.stream);
            (tap, None, reached)
        }
        Some(errors) => {
            let (tap, all) = tap(rows.arranged.stream, errors);
            let route = |e: &ErrorChange| {
                hash_bytes(e.payload.as_bytes()) ^ hash_bytes(e.position.as_deref().unwrap_or("").as_bytes())
            };
            let mut ledger = Ledger::default();
            let (listed, _) = on_tick(
                all,
                Exchange::new(route),
                "Errors",
                move |data: Vec<Vec<ErrorChange>>, closing, out: &mut Out| {
                    ledger.close(data.into_iter().flatten(), closing.upper - 1, out);
                },
            );
            let listed = renderer.arrange_stream(listed, &error_layout(), &ERROR_SCHEMA, "Errors")?;
            let (errors_tap, reached) = last_tap(listed.arranged.stream);
            (tap, Some(ServedErrors { trace: listed.arranged.trace, tap: errors_tap }), reached)
        }
    };
    Ok(Served {
        owner: renderer.relation,
        trace: rows.arranged.trace,
        codec: rows.codec,
        layout,
        tap,
        changes: 0,
        errors,
        reached,
    })
}

/// Keeps a tick's batches, and gathers the errors of the operators before, which are all there once the rows are.
fn tap<'s>(stream: Stream<'s, Tick, Spans>, errors: Vec<Errors>) -> (Tap, Stream<'s, Tick, Vec<ErrorChange>>) {
    let tap = Tap::default();
    let kept = Rc::clone(&tap);
    let (gathered, _) = on_tick(stream, Pipeline, "Tap", move |spans: Vec<Spans>, _, out: &mut Out<ErrorChange>| {
        kept.borrow_mut().extend(batches(spans));
        errors.iter().for_each(|errors| out.rows.append(&mut errors.borrow_mut()));
    });
    (tap, gathered)
}

/// Keeps a tick's batches at the end of a dataflow, and says which ticks have passed.
fn last_tap(stream: Stream<'_, Tick, Spans>) -> (Tap, Rc<Cell<Tick>>) {
    let (tap, reached) = (Tap::default(), Rc::<Cell<Tick>>::default());
    let (kept, passed) = (Rc::clone(&tap), Rc::clone(&reached));
    at_end(stream, "Tap", move |spans, closing| {
        kept.borrow_mut().extend(batches(spans));
        passed.set(closing.upper);
    });
    (tap, reached)
}

/// Which errors stand, and since when: an error that stands twice is listed once, with the tick of its first appearance.
#[derive(Default)]
struct Ledger {
    standing: HashMap<ErrorChange, (Diff, Tick)>,
}

impl Ledger {
    fn close(&mut self, changes: impl Iterator<Item = ErrorChange>, tick: Tick, out: &mut Out) {
        let mut touched: HashMap<ErrorChange, Option<Tick>> = HashMap::new();
        let mut order = vec![];
        for mut change in changes {
            let diff = std::mem::replace(&mut change.diff, 0);
            let entry = self.standing.entry(change.clone()).or_insert((0, tick));
            if !touched.contains_key(&change) {
                touched.insert(change.clone(), (entry.0 > 0).then_some(entry.1));
                order.push(change);
            }
            entry.0 += diff;
        }
        let mut rows = vec![];
        for change in order {
            let before = touched[&change];
            let (count, since) = self.standing[&change];
            if count <= 0 {
                // A count may dip below zero within a tick only; between ticks every retraction has met its row.
                self.standing.remove(&change);
            }
            match (before, count > 0) {
                (None, true) => rows.push((since, change, 1)),
                (Some(since), false) => rows.push((since, change, -1)),
                _ => {}
            }
        }
        if !rows.is_empty() {
            out.rows.push(error_batch(&rows));
        }
    }
}

fn error_batch(rows: &[(Tick, ErrorChange, Diff)]) -> Changes {
    let text = |f: fn(&ErrorChange) -> &str| {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, e, _)| f(e)))) as ArrayRef
    };
    let columns = vec![
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|(t, _, _)| *t))) as ArrayRef,
        Arc::new(StringArray::from_iter(rows.iter().map(|(_, e, _)| e.position.as_deref()))),
        text(|e| &e.code),
        text(|e| &e.message),
        text(|e| &e.payload),
    ];
    let batch = super::batch(&ERROR_SCHEMA, columns, rows.len()).unwrap_or_else(super::fail);
    Changes { batch, diffs: rows.iter().map(|(_, _, d)| *d).collect() }
}
