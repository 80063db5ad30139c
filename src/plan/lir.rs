//! The plan: operators with every decision made, as data. `plan::lower` writes it, `dataflow::render` obeys it, `plan::explain` prints it.
//!
//! Columns are positions, never names: node `n` yields rows of `n.schema`, and expressions refer to their input by index. Nodes
//! are shared (`Arc`): equal sub-plans of one view are one node, rendered once. Each stateful operator says what it keeps.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{ScalarValue, UnnestOptions};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::unnest::ListUnnest;

use crate::model::RelationId;

/// A shared plan node.
pub type NodeRef = Arc<Node>;

/// One operator, its output schema, and what is known of its rows.
#[derive(Debug)]
pub struct Node {
    /// What it does.
    pub operator: Operator,
    /// Its rows; every field nullable.
    pub schema: SchemaRef,
    /// Sets of columns no two present rows agree on; at most one row in all if a set is empty.
    pub unique: Vec<Vec<usize>>,
    /// Text of the whole sub-plan: equal texts are equal plans over rows of equal types, whatever their columns are called.
    pub fingerprint: String,
}

impl Node {
    /// A node whose rows have the fields of `schema`, all of them nullable.
    pub fn new(operator: Operator, schema: &Schema, unique: Vec<Vec<usize>>) -> Node {
        let plain = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true).with_metadata(HashMap::new());
        let schema = Arc::new(Schema::new(schema.fields().iter().map(plain).collect::<Vec<_>>()));
        let mut fingerprint = operator.identity();
        write!(fingerprint, " yields {}", types_text(&schema)).expect("writing to a string");
        for input in operator.inputs() {
            write!(fingerprint, "\n({})", input.fingerprint).expect("writing to a string");
        }
        Node { operator, schema, unique, fingerprint }
    }
}

/// How rows are laid out in an arrangement: the key columns first, then the others in their sort order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Columns rows are grouped by.
    pub key: Vec<usize>,
    /// The other columns, in the order rows sort by within a key.
    pub rest: Vec<(usize, SortOptions)>,
}

impl Layout {
    /// `key` first, then every other column of `width` ascending.
    pub fn new(key: Vec<usize>, width: usize) -> Self {
        let rest = (0..width).filter(|c| !key.contains(c)).map(|c| (c, SortOptions::default())).collect();
        Layout { key, rest }
    }

    /// All columns in layout order.
    pub fn columns(&self) -> Vec<usize> {
        self.key.iter().copied().chain(self.rest.iter().map(|(c, _)| *c)).collect()
    }

    /// Where each column of the row stands in the layout.
    pub fn positions(&self) -> Vec<usize> {
        let columns = self.columns();
        let mut positions = vec![0; columns.len()];
        for (at, column) in columns.into_iter().enumerate() {
            positions[column] = at;
        }
        positions
    }

    /// Types and sort options of the columns in layout order, as the row codec wants them.
    pub fn fields(&self, schema: &SchemaRef) -> Vec<(DataType, SortOptions)> {
        let of = |c: usize| schema.field(c).data_type().clone();
        self.key
            .iter()
            .map(|c| (of(*c), SortOptions::default()))
            .chain(self.rest.iter().map(|(c, o)| (of(*c), *o)))
            .collect()
    }
}

/// One vectorised step of a stateless stretch.
#[derive(Debug)]
pub enum Step {
    /// Keeps rows for which the expression is true.
    Filter(Arc<dyn PhysicalExpr>),
    /// Computes new columns from the old; the schema is that of the result.
    Project(Vec<Arc<dyn PhysicalExpr>>, SchemaRef),
    /// Expands list and struct columns.
    Unnest {
        /// List columns to expand, and how deep.
        lists: Vec<ListUnnest>,
        /// Struct columns to flatten.
        structs: Vec<usize>,
        /// Rows after expansion.
        schema: SchemaRef,
        /// What an empty list yields.
        options: UnnestOptions,
    },
}

/// What a join yields for rows of the left input. A right join is a left join with its inputs swapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// Pairs of rows with equal keys.
    Inner,
    /// Pairs, and left rows without a partner extended by NULLs.
    Left,
    /// As `Left`, and right rows without a partner too.
    Full,
    /// Left rows that have a partner.
    Semi,
    /// Left rows that have none.
    Anti,
    /// Left rows with a flag that says whether they have a partner.
    Mark,
}

/// An input with the arrangement it is read through.
#[derive(Debug)]
pub struct Arranged {
    /// Whose rows.
    pub input: NodeRef,
    /// How they are arranged.
    pub layout: Layout,
}

/// An aggregate kept by adding and subtracting, or from an ordered multiset of its argument's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregateKind {
    /// `count(*)`: rows.
    CountRows,
    /// `count(x)`: rows whose argument is not NULL.
    Count,
    /// `count(DISTINCT x)`.
    CountDistinct,
    /// `sum(x)`.
    Sum,
    /// `avg(x)`.
    Average,
    /// `var_samp`, `var_pop`, `stddev_samp`, `stddev_pop`: of `population`, with the root taken if `root`.
    Variance {
        /// Divide by n, not n − 1.
        population: bool,
        /// Standard deviation.
        root: bool,
    },
    /// `bool_and(x)`.
    And,
    /// `bool_or(x)`.
    Or,
    /// `min(x)`.
    Min,
    /// `max(x)`.
    Max,
}

/// One aggregate of a [`Operator::Reduce`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregate {
    /// Which.
    pub kind: AggregateKind,
    /// Input column of its argument; unused by `CountRows`.
    pub column: usize,
    /// Result type.
    pub result: DataType,
}

/// When a row of a temporal filter is there: from `lower` until before `upper`, both milliseconds since the epoch.
#[derive(Debug)]
pub enum Bound {
    /// Visible from this tick on (an Int64 expression; NULL: never).
    Lower(Arc<dyn PhysicalExpr>),
    /// Visible before this tick (an Int64 expression; NULL: never).
    Upper(Arc<dyn PhysicalExpr>),
}

/// The operators.
#[derive(Debug)]
pub enum Operator {
    /// A relation's rows, from its shared arrangement. Keeps nothing.
    Get {
        /// Which.
        relation: RelationId,
        /// Its name, for people.
        name: String,
    },
    /// Rows that never change. Keeps nothing.
    Constant {
        /// The rows.
        rows: RecordBatch,
    },
    /// A fused stateless stretch. Keeps nothing.
    Map {
        /// Input.
        input: NodeRef,
        /// What to do, in order.
        steps: Vec<Step>,
    },
    /// All rows of all inputs. Keeps nothing.
    Union {
        /// Inputs of one schema.
        inputs: Vec<NodeRef>,
    },
    /// Rows appear and leave as time passes. Keeps the rows whose time is still to come.
    Temporal {
        /// Input.
        input: NodeRef,
        /// All must hold.
        bounds: Vec<Bound>,
    },
    /// Equi-join. Keeps both inputs arranged by the key; one change costs the partners it meets.
    /// Yields key, left rest, right rest (`Inner`, `Left`, `Full`), then `left matched`/`right matched` flags for outer kinds.
    Join {
        /// Left input.
        left: Arranged,
        /// Right input.
        right: Arranged,
        /// Which rows it yields.
        kind: JoinKind,
        /// A further condition over left row and right row (layout order: key, left rest, right rest); outer kinds only.
        condition: Option<Arc<dyn PhysicalExpr>>,
    },
    /// Joins of many inputs on one key, all but the first unique on it. Keeps the inputs arranged by the key, a grouped aggregate as
    /// its accumulators only; one change costs a look-up in every input. Yields key, every input's rest, a flag per optional input.
    CoGroup {
        /// Inputs, the driving one first.
        inputs: Vec<Arranged>,
        /// Inputs that may have no row for a key.
        optional: Vec<bool>,
    },
    /// Grouped aggregates by algebra: input columns `0..key` are the group. Keeps one accumulator row per group; `min`, `max` and
    /// DISTINCT keep their values as an ordered multiset. One change costs the same in a hot group as in a cold one.
    Reduce {
        /// Input.
        input: NodeRef,
        /// Number of leading group columns.
        key: usize,
        /// The aggregates, in output order after the group columns.
        aggregates: Vec<Aggregate>,
        /// Groups that exist even without rows: one row of group columns each (global aggregates, empty grouping sets).
        always: Option<RecordBatch>,
    },
    /// The first rows of each group in layout order. Keeps the input arranged; one change costs the rows it displaces.
    TopK {
        /// Input, keyed by the group, rest in sort order.
        input: Arranged,
        /// Rows to skip.
        offset: usize,
        /// Rows to yield after those; `None`: all.
        limit: Option<usize>,
        /// Also the rows that equal the last one in so many of the first columns behind the group: all rows of the last rank.
        ties: Option<usize>,
    },
    /// Any batch operator per group. Keeps the input arranged by group; one change costs a recomputation of its group.
    Recompute {
        /// Input, keyed by the group.
        input: Arranged,
        /// The batch operator over a [`crate::plan::fragment::Rows`] leaf.
        fragment: LogicalPlan,
        /// Runs once on no rows at the beginning (a global aggregate yields a row for them).
        on_empty: bool,
        /// What it is, for people.
        label: String,
    },
}

/// A view, ready to render.
#[derive(Debug)]
pub struct Plan {
    /// The view's name.
    pub name: String,
    /// Its rows.
    pub root: NodeRef,
    /// The arrangement it is served from.
    pub layout: Layout,
    /// Names of the output columns, with their types.
    pub schema: SchemaRef,
    /// Things the author should know.
    pub warnings: Vec<String>,
}

impl Operator {
    /// The inputs, left to right.
    pub fn inputs(&self) -> Vec<&NodeRef> {
        match self {
            Operator::Get { .. } | Operator::Constant { .. } => vec![],
            Operator::Map { input, .. } | Operator::Temporal { input, .. } | Operator::Reduce { input, .. } => {
                vec![input]
            }
            Operator::TopK { input, .. } | Operator::Recompute { input, .. } => vec![&input.input],
            Operator::Union { inputs } => inputs.iter().collect(),
            Operator::CoGroup { inputs, .. } => inputs.iter().map(|i| &i.input).collect(),
            Operator::Join { left, right, .. } => vec![&left.input, &right.input],
        }
    }

    /// Text that differs where operators differ: what [`Operator::describe`] prints for people leaves out types and more.
    fn identity(&self) -> String {
        let details = match self {
            Operator::Get { relation, .. } => format!("{relation:?}"),
            Operator::Constant { rows } => rows_identity(rows),
            Operator::Map { steps, .. } => list(steps.iter().map(step_identity)),
            Operator::Temporal { bounds, .. } => format!("{bounds:?}"),
            Operator::Join { condition, .. } => format!("{condition:?}"),
            Operator::Reduce { aggregates, always, .. } => {
                format!("{aggregates:?} {:?}", always.as_ref().map(rows_identity))
            }
            Operator::Recompute { fragment, on_empty, .. } => {
                let leaves = fragment.inputs().into_iter().map(|leaf| format!("{:?}", leaf.schema()));
                format!("{:?} over {} {on_empty}", fragment.expressions(), list(leaves))
            }
            // All there is to them is in their line.
            Operator::Union { .. } | Operator::CoGroup { .. } | Operator::TopK { .. } => String::new(),
        };
        format!("{} {details}", self.describe())
    }

    /// The operator's own line, without its inputs.
    pub fn describe(&self) -> String {
        let mut line = String::new();
        match self {
            Operator::Get { name, .. } => write!(line, "Get {name}"),
            Operator::Constant { rows } => write!(line, "Constant {} rows {}", rows.num_rows(), constant_text(rows)),
            Operator::Map { steps, .. } => write!(line, "Map {}", list(steps.iter().map(step_text))),
            Operator::Union { .. } => write!(line, "Union"),
            Operator::Temporal { bounds, .. } => {
                write!(line, "Temporal {}", list(bounds.iter().map(bound_text)))
            }
            Operator::Join { left, right, kind, condition } => {
                let condition = condition.as_ref().map(|c| format!(" if {c}")).unwrap_or_default();
                write!(line, "Join {kind:?} {} = {}{condition}", layout_text(&left.layout), layout_text(&right.layout))
            }
            Operator::CoGroup { inputs, optional } => {
                let each = inputs
                    .iter()
                    .zip(optional)
                    .map(|(i, o)| format!("{}{}", layout_text(&i.layout), if *o { "?" } else { "" }));
                write!(line, "CoGroup {}", each.collect::<Vec<_>>().join(" = "))
            }
            Operator::Reduce { key, aggregates, always, .. } => {
                let all = aggregates.iter().map(|a| format!("{:?}(#{}) {}", a.kind, a.column, a.result));
                let always = if always.is_some() { " always" } else { "" };
                write!(line, "Reduce by {key} columns{always}: {}", list(all))
            }
            Operator::TopK { input, offset, limit, ties } => {
                let limit = limit.map_or("all".into(), |l| l.to_string());
                let ties = ties.map_or(String::new(), |columns| format!(" with ties in {columns}"));
                write!(line, "TopK {} offset {offset} limit {limit}{ties}", layout_text(&input.layout))
            }
            Operator::Recompute { input, label, .. } => {
                write!(line, "Recompute {}: {label}", layout_text(&input.layout))
            }
        }
        .expect("writing to a string");
        line
    }

    /// What it keeps in memory, or nothing.
    pub fn keeps(&self) -> Option<&'static str> {
        match self {
            Operator::Get { .. } | Operator::Constant { .. } | Operator::Map { .. } | Operator::Union { .. } => None,
            Operator::Temporal { .. } => Some("rows whose time is still to come"),
            Operator::Join { .. } => Some("both inputs, arranged by key (shared where already arranged)"),
            Operator::CoGroup { .. } => Some("its inputs, arranged by key; aggregates as accumulators"),
            Operator::Reduce { .. } => Some("one accumulator row per group; values of min/max/DISTINCT"),
            Operator::TopK { .. } | Operator::Recompute { .. } => Some("its input, arranged by group"),
        }
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn constant_text(rows: &RecordBatch) -> String {
    let shown = rows.slice(0, rows.num_rows().min(1000));
    let text = arrow::util::pretty::pretty_format_batches(&[shown]).map(|t| t.to_string()).unwrap_or_default();
    let lines =
        text.lines().filter(|l| l.starts_with('|')).skip(1).map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join(" ")
}

/// All values with their types.
fn rows_identity(rows: &RecordBatch) -> String {
    let values = rows.columns().iter().flat_map(|column| {
        (0..rows.num_rows()).map(move |row| format!("{:?}", ScalarValue::try_from_array(column, row)))
    });
    format!("{} of {} {}", rows.num_rows(), types_text(&rows.schema()), list(values))
}

fn types_text(schema: &Schema) -> String {
    list(schema.fields().iter().map(|field| field.data_type().to_string()))
}

fn step_identity(step: &Step) -> String {
    match step {
        Step::Filter(predicate) => format!("filter {predicate:?}"),
        Step::Project(expressions, schema) => format!("project {expressions:?} to {}", types_text(schema)),
        Step::Unnest { .. } => format!("{step:?}"),
    }
}

fn step_text(step: &Step) -> String {
    match step {
        Step::Filter(predicate) => format!("filter {predicate}"),
        Step::Project(expressions, _) => format!("project {}", list(expressions.iter().map(|e| e.to_string()))),
        Step::Unnest { lists, structs, .. } => {
            let lists = lists.iter().map(|l| format!("#{} depth {}", l.index_in_input_schema, l.depth));
            format!("unnest {}", list(lists.chain(structs.iter().map(|s| format!("#{s}")))))
        }
    }
}

fn bound_text(bound: &Bound) -> String {
    match bound {
        Bound::Lower(e) => format!("from {e}"),
        Bound::Upper(e) => format!("until {e}"),
    }
}

/// `(key columns | other columns in order)`, descending ones marked.
pub fn layout_text(layout: &Layout) -> String {
    let key = layout.key.iter().map(|c| format!("#{c}")).collect::<Vec<_>>().join(" ");
    let rest = layout.rest.iter().map(|(c, o)| {
        format!(
            "#{c}{}{}",
            if o.descending { " desc" } else { "" },
            if o.nulls_first == SortOptions::default().nulls_first { "" } else { " nulls last" }
        )
    });
    format!("({key} | {})", rest.collect::<Vec<_>>().join(" "))
}
