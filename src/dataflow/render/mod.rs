//! Plans become timely operators: one file per plan node, straight-line.
//!
//! Every relation is a dataflow of its own that imports the arrangements it reads and serves one arrangement of its rows. An
//! arrangement made on the way is offered to later dataflows under the text of the plan it holds.

mod bag;
mod block;
mod co_group;
pub(crate) mod fragment;
pub(crate) mod history;
mod join;
mod join_condition;
pub(crate) mod map;
mod recompute;
mod reduce;
mod serve;
pub(crate) mod table;
mod temporal;
mod top_k;
mod wanted;
mod windows;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::execution::SessionState;
use differential_dataflow::operators::arrange::{Arranged as ArrangedStream, TraceAgent};
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::Scope;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::{Concatenate, Input, Operator as _};

use super::operator::{Errors, RowStream, at_once};
use super::reading::{self, Spans};
use super::tally::Tally;
use super::trace::{self, Spine};
use crate::model::RowBuf;
use crate::model::codec::RowCodec;
use crate::model::{Changes, RelationId, SqlError, SqlResult, Tick};
use crate::plan::lir::{Arranged, Layout, Node, NodeRef, Operator, Plan, layout_text};

use block::BLOCK_ROWS;
pub(crate) use block::{BlockDecoder, BlockWriter};
pub(crate) use serve::{ERROR_SCHEMA, Served, error_layout};

/// An input handle that carries constants or nothing.
pub(crate) type Clock = timely::dataflow::InputHandle<Tick, CapacityContainerBuilder<Vec<Changes>>>;

/// Rows and bytes an operator keeps.
#[derive(Default)]
pub(crate) struct Gauge(Cell<(usize, usize)>);

impl Gauge {
    pub(crate) fn set(&self, size: (usize, usize)) {
        self.0.set(size);
    }

    pub(crate) fn get(&self) -> (usize, usize) {
        self.0.get()
    }
}

/// Where an operator's size is read from.
pub(crate) enum Meter {
    Trace(TraceAgent<Spine>),
    Gauge(Rc<Gauge>),
}

/// An arrangement dataflows may share.
#[derive(Clone)]
pub(crate) struct SharedTrace {
    pub trace: TraceAgent<Spine>,
    pub codec: RowCodec,
    /// The relation in whose dataflow it lives.
    pub owner: RelationId,
}

/// What this worker holds, and what dataflows may read.
#[derive(Default)]
pub(crate) struct Registry {
    pub served: BTreeMap<RelationId, Served>,
    pub shared: BTreeMap<String, SharedTrace>,
    pub meters: BTreeMap<RelationId, Vec<(String, Meter)>>,
    /// What tables' input came to.
    pub tallies: BTreeMap<RelationId, Rc<Tally>>,
}

impl Registry {
    /// Forgets all that lives in a relation's dataflow.
    pub(crate) fn forget(&mut self, relation: RelationId) {
        self.shared.retain(|_, shared| shared.owner != relation);
        for (id, _) in self.served.extract_if(.., |_, served| served.owner == relation) {
            self.meters.remove(&id);
        }
        self.meters.remove(&relation);
        self.tallies.remove(&relation);
    }
}

/// A rendered arrangement.
#[derive(Clone)]
pub(crate) struct ArrangedRows<'s> {
    pub arranged: ArrangedStream<'s, TraceAgent<Spine>>,
    pub codec: RowCodec,
}

/// Renders one relation's plan into a dataflow.
pub(crate) struct Renderer<'s, 'r> {
    pub scope: Scope<'s, Tick>,
    pub registry: &'r mut Registry,
    pub state: &'r SessionState,
    pub relation: RelationId,
    pub worker: usize,
    pub peers: usize,
    /// Relations whose dataflows this one reads.
    pub uses: BTreeSet<RelationId>,
    /// Inputs without data of their own, to be advanced with every tick.
    pub clocks: Vec<Clock>,
    streams: HashMap<String, RowStream<'s>>,
    arrangements: HashMap<String, ArrangedRows<'s>>,
    errors: Vec<Errors>,
    wanted: wanted::Wanted,
}

impl<'s, 'r> Renderer<'s, 'r> {
    pub(crate) fn new(
        scope: Scope<'s, Tick>,
        registry: &'r mut Registry,
        state: &'r SessionState,
        relation: RelationId,
        worker: (usize, usize),
    ) -> Self {
        Renderer {
            scope,
            registry,
            state,
            relation,
            worker: worker.0,
            peers: worker.1,
            uses: BTreeSet::new(),
            clocks: vec![],
            streams: HashMap::new(),
            arrangements: HashMap::new(),
            errors: vec![],
            wanted: wanted::Wanted::default(),
        }
    }

    /// Renders a view and serves it; the relations it reads, and the inputs to advance.
    pub(crate) fn view(mut self, plan: &Plan) -> SqlResult<(BTreeSet<RelationId>, Vec<Clock>)> {
        self.wanted.note(&plan.root);
        let rows = self.arrange(&plan.root, &plan.layout)?;
        let errors = std::mem::take(&mut self.errors);
        let served = serve::serve(&mut self, rows, Some(errors), plan.layout.clone())?;
        self.registry.served.insert(self.relation, served);
        Ok((self.uses, self.clocks))
    }

    fn keep(&mut self, (rows, errors): (RowStream<'s>, Errors)) -> RowStream<'s> {
        self.errors.push(errors);
        rows
    }

    fn gauge(&mut self, label: String) -> Rc<Gauge> {
        let gauge = Rc::new(Gauge::default());
        self.registry.meters.entry(self.relation).or_default().push((label, Meter::Gauge(Rc::clone(&gauge))));
        gauge
    }

    /// The node's changes.
    fn stream(&mut self, node: &NodeRef) -> SqlResult<RowStream<'s>> {
        if let Some(stream) = self.streams.get(&node.fingerprint) {
            return Ok(stream.clone());
        }
        let stream = self.render(node)?;
        self.streams.insert(node.fingerprint.clone(), stream.clone());
        Ok(stream)
    }

    fn render(&mut self, node: &NodeRef) -> SqlResult<RowStream<'s>> {
        let internal = |e: datafusion::error::DataFusionError| SqlError::internal(e.to_string());
        let label = || node.operator.describe().split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        match &node.operator {
            Operator::Get { relation, name } => {
                let layout = self.registry.served.get(relation).map(|s| s.layout.clone());
                let layout = layout.ok_or_else(|| SqlError::internal(format!("relation {name} is not running")))?;
                let rows = self.arrange(node, &layout)?;
                Ok(self.decode(rows, &layout, node))
            }
            Operator::Constant { rows } => Ok(self.constant(rows)),
            Operator::Map { .. } => {
                let (below, steps) = map::chain(node);
                let input = self.stream(below)?;
                let rendered = map::render(input, below, &steps).map_err(internal)?;
                Ok(self.keep(rendered))
            }
            Operator::Union { inputs } => {
                let streams = inputs.iter().map(|i| self.stream(i)).collect::<SqlResult<Vec<_>>>()?;
                let schema = Arc::clone(&node.schema);
                let union = self.scope.concatenate(streams);
                // Names of columns may differ between inputs; batches are told apart by schema further on.
                let (rows, _) = at_once(union, "Union", move |data: &mut Vec<Changes>, out| {
                    for changes in data.drain(..) {
                        let batch =
                            batch(&schema, changes.batch.columns().to_vec(), changes.diffs.len()).unwrap_or_else(fail);
                        out.rows.push(Changes { batch, diffs: changes.diffs });
                    }
                });
                Ok(rows)
            }
            Operator::Temporal { input, bounds } => {
                let stream = self.stream(input)?;
                let gauge = self.gauge("Temporal".to_string());
                let rendered = temporal::render(stream, &input.schema, bounds, gauge)?;
                Ok(self.keep(rendered))
            }
            Operator::Reduce { input, key, aggregates, always } => {
                let stream = self.stream(input)?;
                let name = label();
                let reduce = reduce::Reduce {
                    key: *key,
                    aggregates,
                    always: always.as_ref(),
                    input: &input.schema,
                    output: &node.schema,
                    worker: self.worker,
                    peers: self.peers,
                    gauge: self.gauge(name.clone()),
                    name,
                };
                let rendered = reduce::render(stream, reduce)?;
                Ok(self.keep(rendered))
            }
            Operator::TopK { input, offset, limit, ties } => {
                let rows = self.arrange(&input.input, &input.layout)?;
                let rendered = top_k::render(rows, &node.schema, *offset, *limit, *ties);
                Ok(self.keep(rendered))
            }
            Operator::Recompute { input, fragment, on_empty, .. } => {
                let rows = self.arrange(&input.input, &input.layout)?;
                let fragment = fragment::Fragment::new(self.state, fragment).map_err(internal)?;
                let owns_empty = *on_empty && trace::route(0, self.peers) == self.worker;
                let rendered = recompute::render(rows, fragment, &input.layout, &node.schema, owns_empty)?;
                Ok(self.keep(rendered))
            }
            Operator::CoGroup { inputs, optional } => {
                let sides = inputs.iter().map(|i| self.side(i)).collect::<SqlResult<Vec<_>>>()?;
                let rendered = co_group::render(sides, optional.clone(), &node.schema, &self.wanted.of(node))?;
                Ok(self.keep(rendered))
            }
            Operator::Join { left, right, kind, condition } => {
                let left_rows = self.arrange(&left.input, &left.layout)?;
                let right_rows = self.arrange(&right.input, &right.layout)?;
                let rendered = match condition {
                    None => join::render(left_rows, right_rows, *kind, &node.schema, &self.wanted.of(node))?,
                    Some(condition) => {
                        join_condition::render(left_rows, right_rows, *kind, Arc::clone(condition), &node.schema)?
                    }
                };
                Ok(self.keep(rendered))
            }
        }
    }

    /// An input of a co-group: the accumulators themselves where it is a grouped aggregate that nobody has arranged.
    fn side(&mut self, input: &Arranged) -> SqlResult<co_group::Side<'s>> {
        let node = &input.input;
        let name = arrangement_name(node, &input.layout);
        let arranged = self.arrangements.contains_key(&name) || self.registry.shared.contains_key(&name);
        let Operator::Reduce { input: below, key, aggregates, always: None } = &node.operator else {
            return Ok(co_group::Side::Arranged(self.arrange(node, &input.layout)?));
        };
        let by_group = input.layout == Layout::new((0..*key).collect(), node.schema.fields().len());
        if arranged || !by_group || self.streams.contains_key(&node.fingerprint) {
            return Ok(co_group::Side::Arranged(self.arrange(node, &input.layout)?));
        }
        let stream = self.stream(below)?;
        let groups = || reduce::Groups::new(&below.schema, *key, aggregates);
        Ok(co_group::Side::Reduced {
            stream: reduce::combine(stream, groups()?),
            groups: Box::new(groups()?),
            codec: RowCodec::new(&input.layout.fields(&node.schema), *key)?,
            gauge: self.gauge("CoGroup".to_string()),
        })
    }

    /// The node's rows arranged so: shared if any dataflow has them already, else arranged here and offered to others.
    pub(crate) fn arrange(&mut self, node: &NodeRef, layout: &Layout) -> SqlResult<ArrangedRows<'s>> {
        let name = arrangement_name(node, layout);
        if let Some(rows) = self.arrangements.get(&name) {
            return Ok(rows.clone());
        }
        let shared = match &node.operator {
            Operator::Get { relation, .. } => match self.registry.served.get(relation) {
                Some(served) if served.layout == *layout => {
                    Some(SharedTrace { trace: served.trace.clone(), codec: served.codec.clone(), owner: served.owner })
                }
                _ => self.registry.shared.get(&name).cloned(),
            },
            _ => self.registry.shared.get(&name).cloned(),
        };
        let rows = match shared {
            Some(mut shared) => {
                self.uses.insert(shared.owner);
                let arranged = shared.trace.import_named(self.scope, "Import");
                ArrangedRows { arranged, codec: shared.codec }
            }
            None => {
                let stream = self.stream(node)?;
                let label = format!(
                    "{} by {}",
                    node.operator.describe().split_whitespace().next().unwrap_or(""),
                    layout_text(layout)
                );
                let rows = self.arrange_stream(stream, layout, &node.schema, &label)?;
                let trace = rows.arranged.trace.clone();
                self.registry.meters.entry(self.relation).or_default().push((label, Meter::Trace(trace.clone())));
                let shared = SharedTrace { trace, codec: rows.codec.clone(), owner: self.relation };
                self.registry.shared.insert(name.clone(), shared);
                rows
            }
        };
        self.arrangements.insert(name, rows.clone());
        Ok(rows)
    }

    /// Encodes and arranges a stream.
    pub(crate) fn arrange_stream(
        &mut self,
        stream: RowStream<'s>,
        layout: &Layout,
        schema: &SchemaRef,
        name: &str,
    ) -> SqlResult<ArrangedRows<'s>> {
        let codec = RowCodec::new(&layout.fields(schema), layout.key.len())?;
        let encoder = codec.clone();
        let columns = layout.columns();
        let encoded = stream.unary::<NoopBuilder<RowBuf>, _, _, _>(Pipeline, "Encode", move |_, _| {
            move |input, output| {
                input.for_each(|capability, data: &mut Vec<Changes>| {
                    let mut rows = RowBuf::default();
                    for changes in data.drain(..) {
                        let arrays: Vec<ArrayRef> =
                            columns.iter().map(|c| Arc::clone(changes.batch.column(*c))).collect();
                        encoder.encode(&arrays, &changes.diffs, &mut rows).unwrap_or_else(fail);
                        if rows.len() >= BLOCK_ROWS {
                            output
                                .session_with_builder(&capability.retain_stamp(0))
                                .give_container(&mut std::mem::take(&mut rows));
                        }
                    }
                    if !rows.is_empty() {
                        output.session_with_builder(&capability.retain_stamp(0)).give_container(&mut rows);
                    }
                });
            }
        });
        Ok(ArrangedRows { arranged: trace::arrange(encoded, name), codec })
    }

    /// Changes of an arrangement, columns back in their own order.
    fn decode(&mut self, rows: ArrangedRows<'s>, layout: &Layout, node: &Node) -> RowStream<'s> {
        let decoder = BlockDecoder::new(rows.codec, layout.positions(), &node.schema, &self.wanted.of(node));
        let (stream, _) = at_once(rows.arranged.stream, "Decode", move |spans: &mut Spans, out| {
            for batch in spans.drain(..).filter_map(|s| s.inner) {
                for slice in reading::slices(&batch) {
                    let (rows, diffs) = (reading::rows(&slice), reading::diffs(&slice));
                    out.rows.push(decoder.decode(rows, diffs).unwrap_or_else(fail));
                }
            }
        });
        stream
    }

    /// Rows sent once. The input stays open and follows the ticks, as every other leaf does.
    fn constant(&mut self, rows: &RecordBatch) -> RowStream<'s> {
        let (mut input, stream) = self.scope.new_input::<Vec<Changes>>();
        if self.worker == 0 && rows.num_rows() > 0 {
            input.send(Changes { batch: rows.clone(), diffs: vec![1; rows.num_rows()] });
        }
        self.clocks.push(input);
        stream
    }
}

/// What an arrangement is known by.
fn arrangement_name(node: &NodeRef, layout: &Layout) -> String {
    format!("{} by {}", node.fingerprint, layout_text(layout))
}

/// A batch of columns, also of none.
pub(crate) fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> SqlResult<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|e| SqlError::internal(e.to_string()))
}

/// An error here breaks an invariant of ours: going on would make numbers wrong.
pub(crate) fn fail<T>(error: SqlError) -> T {
    panic!("a dataflow cannot go on: {error}")
}
