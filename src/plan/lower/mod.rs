//! From DataFusion's optimised logical plan to ours: every implementation is chosen here.
//!
//! Guarantee: column `i` of the node made for a logical plan is column `i` of that plan's schema. What cannot be kept
//! incremental is refused by name, with what to write instead.

mod aggregate;
mod join;
mod known;
mod select;
mod temporal;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::empty::EmptyExec;

use super::error::from_datafusion;
use super::fragment::{leaf_schema, physical_plan};
use super::lir::{Arranged, Layout, Node, NodeRef, Operator, Plan, Step};
use super::overflow::checked;
use crate::model::{RelationId, SqlError, SqlResult};

/// A physical expression.
pub(super) type ExprRef = Arc<dyn PhysicalExpr>;

/// What lowering knows of a relation.
#[derive(Clone, Debug)]
pub struct RelationInfo {
    /// Its id.
    pub id: RelationId,
    /// Its name.
    pub name: String,
    /// Its columns.
    pub schema: SchemaRef,
    /// The arrangement it is kept in.
    pub layout: Layout,
    /// Sets of columns no two rows agree on.
    pub unique: Vec<Vec<usize>>,
}

/// Finds relations by the name a scan carries.
pub trait Relations {
    /// The relation, or `None` if there is no such one.
    fn relation(&self, name: &str) -> Option<RelationInfo>;
}

/// Lowers an optimised query to the plan of a view called `name`, whose columns are `columns` (names) in order.
pub fn lower(
    state: &SessionState,
    relations: &dyn Relations,
    name: &str,
    columns: &[String],
    query: &LogicalPlan,
    sql: &str,
) -> SqlResult<Plan> {
    if let Some(function) = super::now::volatile_function(query) {
        return Err(SqlError::unsupported(format!("function {function}() cannot be used in a view"))
            .detail("its value changes from one evaluation to the next, so the view would have no one answer")
            .hint("store the value in a table column when the row is written"));
    }
    let mut lowering = Lowering { state, relations, sql, nodes: HashMap::new(), warnings: vec![] };
    let root = lowering.plan(query)?;
    let fields = root.schema.fields().iter().zip(columns).map(|(f, n)| f.as_ref().clone().with_name(n));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let width = schema.fields().len();
    let layout = match root.unique.iter().min_by_key(|u| u.len()) {
        Some(key) if !key.is_empty() => Layout::new(key.clone(), width),
        // What joins windows with other relations mostly does so by their groups.
        _ => Layout::new(known::window_group(&root).unwrap_or_else(|| (0..width).collect()), width),
    };
    // A bare copy of a relation is served as that relation is.
    let layout = match &root.operator {
        Operator::Get { name, .. } => relations.relation(name).map_or(layout, |r| r.layout),
        _ => layout,
    };
    Ok(Plan { name: name.to_string(), root, layout, schema, warnings: lowering.warnings })
}

struct Lowering<'a> {
    state: &'a SessionState,
    relations: &'a dyn Relations,
    sql: &'a str,
    nodes: HashMap<String, NodeRef>,
    warnings: Vec<String>,
}

impl Lowering<'_> {
    fn error(&self, error: DataFusionError) -> SqlError {
        from_datafusion(error, self.sql)
    }

    /// The node for `operator`; an equal one made before is shared.
    fn node(&mut self, operator: Operator, schema: SchemaRef, unique: Vec<Vec<usize>>) -> NodeRef {
        let node = Node::new(operator, &schema, unique);
        self.nodes.entry(node.fingerprint.clone()).or_insert_with(|| Arc::new(node)).clone()
    }

    /// A batch operator per group; refused if DataFusion has no plan for it.
    fn recompute(&self, input: Arranged, fragment: LogicalPlan, on_empty: bool, label: String) -> SqlResult<Operator> {
        let no_rows = leaf_schema(&fragment).map(|schema| Arc::new(EmptyExec::new(Arc::clone(schema))));
        no_rows.and_then(|leaf| physical_plan(self.state, &fragment, leaf)).map_err(|e| self.error(e))?;
        Ok(Operator::Recompute { input, fragment, on_empty, label })
    }

    fn plan(&mut self, plan: &LogicalPlan) -> SqlResult<NodeRef> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Projection(projection) => {
                let input = self.plan(&projection.input)?;
                self.project(input, projection.input.schema(), &projection.expr)
            }
            LogicalPlan::Filter(filter) => self.filter(filter),
            LogicalPlan::SubqueryAlias(alias) => self.plan(&alias.input),
            LogicalPlan::Union(union) => {
                let inputs = union.inputs.iter().map(|i| self.plan(i)).collect::<SqlResult<Vec<_>>>()?;
                let schema = Arc::clone(union.schema.inner());
                let inputs: Vec<NodeRef> = inputs.into_iter().map(|i| self.conform(i, &schema)).collect();
                let unique = self.unique_in_union(&inputs);
                Ok(self.node(Operator::Union { inputs }, schema, unique))
            }
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let input = self.plan(input)?;
                Ok(self.distinct(input))
            }
            LogicalPlan::Distinct(Distinct::On(on)) => self.distinct_on(on),
            // A view is a set of rows: an order without a limit says nothing about which.
            LogicalPlan::Sort(sort) => match sort.fetch {
                None => self.plan(&sort.input),
                Some(limit) => self.top_k(&sort.input, &sort.expr, 0, Some(limit)),
            },
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Unnest(unnest) => self.unnest(unnest),
            LogicalPlan::Values(values) => self.values(values),
            LogicalPlan::EmptyRelation(empty) => self.empty(empty),
            LogicalPlan::Subquery(subquery) => self.plan(&subquery.subquery),
            LogicalPlan::RecursiveQuery(_) => {
                Err(SqlError::unsupported("WITH RECURSIVE cannot be kept incremental yet")
                    .hint("unroll the recursion to a fixed depth with joins"))
            }
            other => Err(SqlError::unsupported(format!("{} cannot be used in a view", other.display()))),
        }
    }

    /// The same rows under `schema`'s types, if an input's differ only in name they pass as they are.
    fn conform(&mut self, input: NodeRef, schema: &SchemaRef) -> NodeRef {
        let same = |(a, b): (&Arc<Field>, &Arc<Field>)| a.data_type() == b.data_type();
        if input.schema.fields().iter().zip(schema.fields()).all(same) {
            return input;
        }
        let expressions = schema
            .fields()
            .iter()
            .enumerate()
            .map(|(i, field)| {
                let column = column(&input, i);
                Arc::new(datafusion::physical_expr::expressions::CastExpr::new(column, field.data_type().clone(), None))
                    as ExprRef
            })
            .collect();
        self.map_project(input, expressions, schema)
    }

    fn expression(&self, expression: &Expr, schema: &DFSchema) -> SqlResult<ExprRef> {
        self.refuse_subquery(expression)?;
        if super::now::expression_contains_now(expression) {
            return Err(SqlError::unsupported("now() can only be compared with a column in a WHERE clause")
                .detail("a view that computes with now() would change every instant")
                .hint("filter with WHERE event_time > now() - INTERVAL '5 minutes', and compute ages where the view is read"));
        }
        let physical = self.state.create_physical_expr(expression.clone(), schema);
        physical.and_then(checked).map_err(|e| self.error(e))
    }

    fn refuse_subquery(&self, expression: &Expr) -> SqlResult<()> {
        use datafusion::common::tree_node::TreeNode;
        let is_subquery = |e: &Expr| {
            Ok(matches!(
                e,
                Expr::ScalarSubquery(_)
                    | Expr::Exists(_)
                    | Expr::InSubquery(_)
                    | Expr::SetComparison(_)
                    | Expr::OuterReferenceColumn(..)
            ))
        };
        if expression.exists(is_subquery).map_err(|e| self.error(e))? {
            return Err(SqlError::unsupported("this subquery cannot be turned into a join")
                .detail(format!("in: {expression}"))
                .hint("write it as a JOIN, or correlate it by equality only"));
        }
        Ok(())
    }

    /// A step added to `input`, fused with the steps it already ends in.
    fn map(&mut self, input: NodeRef, step: Step, schema: SchemaRef, unique: Vec<Vec<usize>>) -> NodeRef {
        self.node(Operator::Map { input, steps: vec![step] }, schema, unique)
    }

    fn map_filter(&mut self, input: NodeRef, predicate: ExprRef) -> NodeRef {
        let (schema, unique) = (Arc::clone(&input.schema), input.unique.clone());
        self.map(input, Step::Filter(predicate), schema, unique)
    }

    /// Projects to `expressions`, naming the columns as `names` does.
    fn map_project(&mut self, input: NodeRef, expressions: Vec<ExprRef>, names: &SchemaRef) -> NodeRef {
        let is_column = |(i, e): (usize, &ExprRef)| column_index(e) == Some(i);
        if expressions.len() == input.schema.fields().len() && expressions.iter().enumerate().all(is_column) {
            return input;
        }
        let fields = expressions.iter().enumerate().map(|(i, e)| {
            let name = names.fields().get(i).map_or_else(|| format!("c{i}"), |f| f.name().clone());
            Field::new(name, data_type(e, &input.schema), true)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let unique = known::unique_after(&input, &expressions);
        self.map(input, Step::Project(expressions, Arc::clone(&schema)), schema, unique)
    }

    fn project(&mut self, input: NodeRef, schema: &DFSchema, expressions: &[Expr]) -> SqlResult<NodeRef> {
        let physical = expressions.iter().map(|e| self.expression(e, schema)).collect::<SqlResult<Vec<_>>>()?;
        let names = expressions.iter().map(|e| Field::new(e.schema_name().to_string(), DataType::Null, true));
        Ok(self.map_project(input, physical, &Arc::new(Schema::new(names.collect::<Vec<_>>()))))
    }

    /// `input` with columns appended for those expressions that are not plain columns; where each expression now stands.
    fn with_columns(&mut self, input: NodeRef, expressions: &[ExprRef]) -> (NodeRef, Vec<usize>) {
        let width = input.schema.fields().len();
        let mut all: Vec<ExprRef> = (0..width).map(|i| column(&input, i)).collect();
        let mut positions = vec![];
        for expression in expressions {
            let existing = column_index(expression)
                .or_else(|| all[width..].iter().position(|e| e == expression).map(|p| width + p));
            positions.push(existing.unwrap_or(all.len()));
            if existing.is_none() {
                all.push(Arc::clone(expression));
            }
        }
        let names = Arc::clone(&input.schema);
        (self.map_project(input, all, &names), positions)
    }

    /// Only the first `width` columns of `input`.
    fn first_columns(&mut self, input: NodeRef, width: usize) -> NodeRef {
        let expressions = (0..width).map(|i| column(&input, i)).collect();
        let names = Arc::clone(&input.schema);
        self.map_project(input, expressions, &names)
    }

    /// Columns `columns` of a node whose rows come out in a layout's order, back in `input`'s order.
    fn restore(&mut self, node: NodeRef, layout: &Layout, width: usize) -> NodeRef {
        let positions = layout.positions();
        let expressions = (0..width).map(|i| column(&node, positions[i])).collect();
        let names = Arc::clone(&node.schema);
        let names = Arc::new(Schema::new((0..width).map(|i| names.field(positions[i]).clone()).collect::<Vec<_>>()));
        self.map_project(node, expressions, &names)
    }
}

/// Column `index` of a node's rows.
fn column(node: &NodeRef, index: usize) -> ExprRef {
    Arc::new(Column::new(node.schema.field(index).name(), index))
}

/// The position, if the expression is a plain column.
fn column_index(expression: &ExprRef) -> Option<usize> {
    expression.downcast_ref::<Column>().map(|c| c.index())
}

fn data_type(expression: &ExprRef, schema: &Schema) -> DataType {
    expression.data_type(schema).unwrap_or(DataType::Null)
}

/// The schema of rows that come out in a layout's order.
fn layout_schema(layout: &Layout, schema: &SchemaRef) -> SchemaRef {
    Arc::new(Schema::new(layout.columns().iter().map(|c| schema.field(*c).clone()).collect::<Vec<_>>()))
}

fn ascending() -> SortOptions {
    SortOptions::default()
}
