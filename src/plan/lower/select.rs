//! Scans, filters, limits, DISTINCT ON, windows, UNNEST and constants.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt8Array};
use arrow::compute::SortOptions;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{Sort as SortExpr, WindowFunction};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    BinaryExpr, DistinctOn, EmptyRelation, Expr, FetchType, Filter, Limit, LogicalPlan, Operator as Op, SkipType,
    TableScan, Unnest, Values, Window, WindowFunctionDefinition,
};
use datafusion::physical_plan::unnest::ListUnnest;

use super::super::lir::{Arranged, Layout, NodeRef, Operator, Step};
use super::{Lowering, ascending, column, layout_schema};
use crate::model::{SqlError, SqlResult, error::code};

impl Lowering<'_> {
    pub(super) fn scan(&mut self, scan: &TableScan) -> SqlResult<NodeRef> {
        let name = match scan.table_name.schema() {
            Some(schema) if schema != "public" => format!("{schema}.{}", scan.table_name.table()),
            _ => scan.table_name.table().to_string(),
        };
        let relation = self.relations.relation(&name).ok_or_else(|| {
            SqlError::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" cannot be kept up to date"))
                .hint("the system's relations are read when they are asked: query them, or make a plain view of them")
        })?;
        let get = Operator::Get { relation: relation.id, name: relation.name.clone() };
        let mut node = self.node(get, Arc::clone(&relation.schema), relation.unique.clone());
        // Relations take filters as hints only: each stands above the scan as well, where `now()` is understood too.
        if let Some(projection) = &scan.projection {
            let expressions = projection.iter().map(|i| column(&node, *i)).collect();
            let names = Schema::new(projection.iter().map(|i| relation.schema.field(*i).clone()).collect::<Vec<_>>());
            node = self.map_project(node, expressions, &Arc::new(names));
        }
        match scan.fetch {
            None => Ok(node),
            Some(limit) => Ok(self.first_rows(node, vec![], vec![], 0, (Some(limit), false))),
        }
    }

    pub(super) fn filter(&mut self, filter: &Filter) -> SqlResult<NodeRef> {
        let parts = split_conjunction(&filter.predicate);
        let (timed, plain): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|e| super::super::now::expression_contains_now(e));
        let mut node = match self.bounded_window(&filter.input, &plain)? {
            Some(node) => node,
            None => self.plan(&filter.input)?,
        };
        if let Some(predicate) = conjunction(plain.into_iter().cloned()) {
            let predicate = self.expression(&predicate, filter.input.schema())?;
            node = self.map_filter(node, predicate);
        }
        if timed.is_empty() {
            return Ok(node);
        }
        self.temporal(node, filter.input.schema(), &timed)
    }

    pub(super) fn limit(&mut self, limit: &Limit) -> SqlResult<NodeRef> {
        let (skip, fetch) = match (limit.get_skip_type(), limit.get_fetch_type()) {
            (Ok(SkipType::Literal(skip)), Ok(FetchType::Literal(fetch))) => (skip, fetch),
            _ => {
                return Err(SqlError::unsupported("LIMIT and OFFSET in a view must be constants")
                    .hint("compare ROW_NUMBER() OVER (ORDER BY …) with the number of rows wanted"));
            }
        };
        if skip == 0 && fetch.is_none() {
            return self.plan(&limit.input);
        }
        self.first_of(&limit.input, skip, fetch)
    }

    /// The first rows of a plan in the order it sorts them, which columns added for the order may hide below a projection.
    fn first_of(&mut self, plan: &LogicalPlan, skip: usize, fetch: Option<usize>) -> SqlResult<NodeRef> {
        match plan {
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => self.top_k(&sort.input, &sort.expr, skip, fetch),
            LogicalPlan::Projection(projection) if is_sorted(&projection.input) => {
                let node = self.first_of(&projection.input, skip, fetch)?;
                self.project(node, projection.input.schema(), &projection.expr)
            }
            LogicalPlan::SubqueryAlias(alias) if is_sorted(&alias.input) => self.first_of(&alias.input, skip, fetch),
            unordered => self.top_k(unordered, &[], skip, fetch),
        }
    }

    pub(super) fn top_k(
        &mut self,
        input: &LogicalPlan,
        order: &[SortExpr],
        offset: usize,
        limit: Option<usize>,
    ) -> SqlResult<NodeRef> {
        let schema = Arc::clone(input.schema());
        let node = self.plan(input)?;
        let width = node.schema.fields().len();
        let (node, order) = self.order_columns(node, &schema, order)?;
        let node = self.first_rows(node, vec![], order, offset, (limit, false));
        Ok(self.first_columns(node, width))
    }

    /// Sort expressions as columns of the node, with their options.
    fn order_columns(
        &mut self,
        node: NodeRef,
        schema: &DFSchema,
        order: &[SortExpr],
    ) -> SqlResult<(NodeRef, Vec<(usize, SortOptions)>)> {
        let expressions = order.iter().map(|s| self.expression(&s.expr, schema)).collect::<SqlResult<Vec<_>>>()?;
        let (node, columns) = self.with_columns(node, &expressions);
        let options = order.iter().map(|s| SortOptions { descending: !s.asc, nulls_first: s.nulls_first });
        Ok((node, columns.into_iter().zip(options).collect()))
    }

    /// The first rows per group, with those that tie with the last one or without. Else ties are broken by the remaining columns, so
    /// the outcome is the same on every run.
    fn first_rows(
        &mut self,
        node: NodeRef,
        group: Vec<usize>,
        order: Vec<(usize, SortOptions)>,
        offset: usize,
        (limit, with_ties): (Option<usize>, bool),
    ) -> NodeRef {
        let width = node.schema.fields().len();
        let mut rest: Vec<(usize, SortOptions)> = vec![];
        for (column, options) in order {
            if !group.contains(&column) && rest.iter().all(|(c, _)| *c != column) {
                rest.push((column, options));
            }
        }
        let ties = with_ties.then_some(rest.len());
        for column in 0..width {
            if !group.contains(&column) && rest.iter().all(|(c, _)| *c != column) {
                rest.push((column, ascending()));
            }
        }
        let layout = Layout { key: group, rest };
        let schema = layout_schema(&layout, &node.schema);
        let positions = layout.positions();
        let mut unique: Vec<Vec<usize>> =
            node.unique.iter().map(|u| u.iter().map(|c| positions[*c]).collect()).collect();
        if limit == Some(1) && ties.is_none() {
            unique.push((0..layout.key.len()).collect());
        }
        let operator = Operator::TopK { input: Arranged { input: node, layout: layout.clone() }, offset, limit, ties };
        let node = self.node(operator, schema, unique);
        self.restore(node, &layout, width)
    }

    pub(super) fn distinct_on(&mut self, on: &DistinctOn) -> SqlResult<NodeRef> {
        let schema = Arc::clone(on.input.schema());
        let node = self.plan(&on.input)?;
        let keys = on.on_expr.iter().map(|e| self.expression(e, &schema)).collect::<SqlResult<Vec<_>>>()?;
        let (node, group) = self.with_columns(node, &keys);
        let (node, order) = self.order_columns(node, &schema, on.sort_expr.as_deref().unwrap_or(&[]))?;
        let node = self.first_rows(node, group, order, 0, (Some(1), false));
        self.project(node, &schema, &on.select_expr)
    }

    /// `ROW_NUMBER() … <= n` keeps the first n rows per partition, `RANK() … <= n` also those that tie with the last: the window then
    /// runs over those only.
    fn bounded_window(&mut self, input: &LogicalPlan, predicates: &[&Expr]) -> SqlResult<Option<NodeRef>> {
        // Projections of plain columns and aliases may stand between the filter and the window.
        let (LogicalPlan::Window(window), wrappers) = unwrap_projections(input) else { return Ok(None) };
        let [expression] = window.window_expr.as_slice() else { return Ok(None) };
        let Some(function) = window_function(expression) else { return Ok(None) };
        let WindowFunctionDefinition::WindowUDF(numbering) = &function.fun else { return Ok(None) };
        let ranked = match numbering.name() {
            "row_number" => false,
            "rank" => true,
            _ => return Ok(None),
        };
        let position = window.schema.fields().len() - 1;
        let Some(bound) = predicates.iter().find_map(|p| upper_bound(p, input.schema(), position, &wrappers)) else {
            return Ok(None);
        };
        let schema = Arc::clone(window.input.schema());
        let node = self.plan(&window.input)?;
        let width = node.schema.fields().len();
        let keys =
            function.params.partition_by.iter().map(|e| self.expression(e, &schema)).collect::<SqlResult<Vec<_>>>()?;
        let (node, group) = self.with_columns(node, &keys);
        let (node, order) = self.order_columns(node, &schema, &function.params.order_by)?;
        let node = self.first_rows(node, group, order, 0, (Some(bound), ranked));
        let node = self.first_columns(node, width);
        let mut node = self.window_over(node, window)?;
        for wrapper in wrappers.iter().rev() {
            if let LogicalPlan::Projection(projection) = wrapper {
                node = self.project(node, projection.input.schema(), &projection.expr)?;
            }
        }
        Ok(Some(node))
    }

    pub(super) fn window(&mut self, window: &Window) -> SqlResult<NodeRef> {
        let node = self.plan(&window.input)?;
        self.window_over(node, window)
    }

    fn window_over(&mut self, node: NodeRef, window: &Window) -> SqlResult<NodeRef> {
        let schema = Arc::clone(window.input.schema());
        let mut partition: Option<Vec<Expr>> = None;
        for expression in &window.window_expr {
            let Some(function) = window_function(expression) else {
                return Err(SqlError::internal(format!("not a window function: {expression}")));
            };
            let mine = &function.params.partition_by;
            partition = Some(match partition {
                None => mine.clone(),
                Some(shared) => shared.into_iter().filter(|e| mine.contains(e)).collect(),
            });
        }
        let partition = partition.unwrap_or_default();
        if partition.is_empty() {
            self.warnings.push("a window without PARTITION BY is recomputed whole on every change".to_string());
        }
        let keys = partition.iter().map(|e| self.expression(e, &schema)).collect::<SqlResult<Vec<_>>>()?;
        // The fragment computes partition expressions itself; the node only needs them to group by.
        let width = node.schema.fields().len();
        let (node, group) = self.with_columns(node, &keys);
        let full = node.schema.fields().len();
        let layout = Layout::new(group, full);
        let leaf = extend_schema(&schema, &node.schema, width).map_err(|e| self.error(e))?;
        let plan = LogicalPlan::Window(
            Window::try_new(
                window.window_expr.clone(),
                Arc::new(crate::plan::fragment::rows(&leaf).map_err(|e| self.error(e))?),
            )
            .map_err(|e| self.error(e))?,
        );
        let unique = node.unique.clone();
        let out = Arc::clone(plan.schema().inner());
        let label = window.window_expr.iter().map(|e| e.to_string()).collect::<Vec<_>>().join(", ");
        let operator = self.recompute(Arranged { input: node, layout }, plan, false, label)?;
        let node = self.node(operator, out, unique);
        // Drop the appended key columns: input columns, then the functions.
        let functions = window.window_expr.len();
        let expressions = (0..width).chain(full..full + functions).map(|i| column(&node, i)).collect();
        let names: SchemaRef = Arc::clone(window.schema.inner());
        Ok(self.map_project(node, expressions, &names))
    }

    pub(super) fn unnest(&mut self, unnest: &Unnest) -> SqlResult<NodeRef> {
        let node = self.plan(&unnest.input)?;
        let lists = unnest
            .list_type_columns
            .iter()
            .map(|(index, list)| ListUnnest { index_in_input_schema: *index, depth: list.depth })
            .collect();
        // The executor finds columns that stay by name: they keep the names they have in the input.
        let is_unnested = |column: &usize| {
            unnest.list_type_columns.iter().any(|(index, _)| index == column)
                || unnest.struct_type_columns.contains(column)
        };
        let named = |(field, from): (&Arc<Field>, &usize)| match is_unnested(from) {
            true => Arc::clone(field),
            false => Arc::new(field.as_ref().clone().with_name(node.schema.field(*from).name())),
        };
        let fields = unnest.schema.fields().iter().zip(&unnest.dependency_indices).map(named);
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let step = Step::Unnest {
            lists,
            structs: unnest.struct_type_columns.clone(),
            schema: Arc::clone(&schema),
            options: unnest.options.clone(),
        };
        Ok(self.map(node, step, schema, vec![]))
    }

    pub(super) fn values(&mut self, values: &Values) -> SqlResult<NodeRef> {
        let schema = Arc::clone(values.schema.inner());
        let one = one_row();
        let empty = DFSchema::empty();
        let mut columns: Vec<Vec<ScalarValue>> = vec![vec![]; schema.fields().len()];
        for row in &values.values {
            for (at, expression) in row.iter().enumerate() {
                let physical = self.expression(expression, &empty)?;
                let value = physical
                    .evaluate(&one)
                    .and_then(|v| v.into_array(1))
                    .and_then(|a| ScalarValue::try_from_array(&a, 0));
                let value = value.and_then(|v| v.cast_to(schema.field(at).data_type())).map_err(|e| self.error(e))?;
                columns[at].push(value);
            }
        }
        let arrays = columns
            .into_iter()
            .map(ScalarValue::iter_to_array)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| self.error(e))?;
        self.constant(schema, arrays, values.values.len())
    }

    pub(super) fn empty(&mut self, empty: &EmptyRelation) -> SqlResult<NodeRef> {
        let schema = Arc::clone(empty.schema.inner());
        let rows = usize::from(empty.produce_one_row);
        let arrays = schema.fields().iter().map(|f| arrow::array::new_null_array(f.data_type(), rows)).collect();
        self.constant(schema, arrays, rows)
    }

    fn constant(&mut self, schema: SchemaRef, arrays: Vec<ArrayRef>, rows: usize) -> SqlResult<NodeRef> {
        let fields = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>();
        let schema = Arc::new(Schema::new(fields));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)
            .map_err(|e| SqlError::internal(e.to_string()))?;
        let unique = if rows <= 1 { vec![vec![]] } else { vec![] };
        Ok(self.node(Operator::Constant { rows: batch }, schema, unique))
    }
}

/// A batch of one row without meaning, to evaluate constants over.
pub(super) fn one_row() -> RecordBatch {
    let schema = Arc::new(Schema::new(vec![Field::new("row", arrow::datatypes::DataType::UInt8, false)]));
    RecordBatch::try_new(schema, vec![Arc::new(UInt8Array::from(vec![0]))]).expect("one column of one row")
}

/// Whether rows come out of the plan in an order that was asked for.
fn is_sorted(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(sort) => sort.fetch.is_none(),
        LogicalPlan::Projection(projection) => is_sorted(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_sorted(&alias.input),
        _ => false,
    }
}

fn window_function(expression: &Expr) -> Option<&WindowFunction> {
    match expression {
        Expr::WindowFunction(function) => Some(function),
        Expr::Alias(alias) => window_function(&alias.expr),
        _ => None,
    }
}

fn unwrap_projections(plan: &LogicalPlan) -> (&LogicalPlan, Vec<&LogicalPlan>) {
    let (mut plan, mut wrappers) = (plan, vec![]);
    loop {
        match plan {
            LogicalPlan::Projection(projection) => {
                wrappers.push(plan);
                plan = &projection.input;
            }
            LogicalPlan::SubqueryAlias(alias) => {
                wrappers.push(plan);
                plan = &alias.input;
            }
            _ => return (plan, wrappers),
        }
    }
}

/// `n` if the predicate says `column <= n`, where the column is the window's output column `position`, seen through `wrappers`.
fn upper_bound(predicate: &Expr, schema: &DFSchema, position: usize, wrappers: &[&LogicalPlan]) -> Option<usize> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = predicate else { return None };
    let (column, literal, op) = match (left.as_ref(), right.as_ref()) {
        (Expr::Column(c), Expr::Literal(v, _)) => (c, v, *op),
        (Expr::Literal(v, _), Expr::Column(c)) => (c, v, op.swap()?),
        _ => return None,
    };
    let mut index = schema.maybe_index_of_column(column)?;
    for wrapper in wrappers {
        if let LogicalPlan::Projection(projection) = wrapper {
            let mut expression = &projection.expr[index];
            while let Expr::Alias(alias) = expression {
                expression = &alias.expr;
            }
            let Expr::Column(inner) = expression else { return None };
            index = projection.input.schema().maybe_index_of_column(inner)?;
        }
    }
    let value = match literal {
        ScalarValue::UInt64(Some(v)) => i64::try_from(*v).ok()?,
        ScalarValue::Int64(Some(v)) => *v,
        ScalarValue::Int32(Some(v)) => i64::from(*v),
        _ => return None,
    };
    let bound = match op {
        Op::LtEq | Op::Eq => value,
        Op::Lt => value - 1,
        _ => return None,
    };
    (index == position).then(|| usize::try_from(bound.max(0)).unwrap_or(0))
}

/// `schema` followed by the columns `from..` of `full`, unqualified.
fn extend_schema(schema: &DFSchema, full: &SchemaRef, from: usize) -> datafusion::error::Result<DFSchema> {
    let known = schema.iter().map(|(q, f)| (q.cloned(), Arc::clone(f)));
    let appended = (from..full.fields().len())
        .map(|i| (None, Arc::new(full.field(i).clone().with_name(format!("__partition_{i}")))));
    DFSchema::new_with_metadata(known.chain(appended).collect(), Default::default())
}
