//! What is known of a column from how it is made: that it is never NULL, that its values are unique.
//!
//! `'web:' || order_id` differs wherever `order_id` does, and differs from every `'shop:' || id`: a union of such columns, each unique
//! in its own input, is unique. So orders of many channels still meet their payments by one look-up, and are served by their id.
//! Only the operator `||` is looked through: unlike `concat`, it keeps NULL apart from the empty text.

use arrow::datatypes::DataType;
use datafusion::logical_expr::{LogicalPlan, Operator as Op};
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Literal};

use super::super::lir::{Arranged, JoinKind, NodeRef, Operator, Step};
use super::{ExprRef, Lowering, column_index, data_type};

impl Lowering<'_> {
    /// Whether an expression over a node's rows comes from NOT NULL columns of relations by nothing that makes NULLs.
    pub(super) fn never_null_value(&self, node: &NodeRef, expression: &ExprRef) -> bool {
        if let Some(column) = column_index(expression) {
            return self.never_null(node, column);
        }
        if let Some(literal) = expression.downcast_ref::<Literal>() {
            return !literal.value().is_null();
        }
        match concatenation(expression) {
            Some(text) => self.never_null_value(node, text.left()) && self.never_null_value(node, text.right()),
            None => integer_as_text(expression, node).is_some_and(|inner| self.never_null_value(node, inner)),
        }
    }

    fn never_null(&self, node: &NodeRef, column: usize) -> bool {
        match &node.operator {
            Operator::Get { name, .. } => {
                self.relations.relation(name).is_some_and(|r| !r.schema.field(column).is_nullable())
            }
            Operator::Map { input, steps } => match steps.as_slice() {
                [Step::Filter(_)] => self.never_null(input, column),
                [Step::Project(expressions, _)] => self.never_null_value(input, &expressions[column]),
                _ => false,
            },
            Operator::Join { left, kind, .. } if *kind != JoinKind::Full => self.never_null_in(left, column),
            Operator::CoGroup { inputs, .. } => self.never_null_in(&inputs[0], column),
            Operator::Reduce { input, key, always: None, .. } if column < *key => self.never_null(input, column),
            _ => false,
        }
    }

    /// The same of a column of rows that come out in an arrangement's order.
    fn never_null_in(&self, arranged: &Arranged, column: usize) -> bool {
        arranged.layout.columns().get(column).is_some_and(|c| self.never_null(&arranged.input, *c))
    }

    /// Columns no two rows of a union agree on: unique and never NULL in every input, behind texts of which none begins another.
    pub(super) fn unique_in_union(&self, inputs: &[NodeRef]) -> Vec<Vec<usize>> {
        let Some((first, others)) = inputs.split_first() else { return vec![] };
        let is_unique = |input: &NodeRef, column: usize| input.unique.iter().any(|set| set == &[column]);
        let candidates = first.unique.iter().filter_map(|set| match set.as_slice() {
            [column] if others.iter().all(|input| is_unique(input, *column)) => Some(*column),
            _ => None,
        });
        let is_known =
            |column: &usize| are_apart(inputs, *column) && inputs.iter().all(|input| self.never_null(input, *column));
        candidates.filter(is_known).map(|column| vec![column]).collect()
    }
}

/// Columns whose equal values stand for one group of a window that made the rows: a group is on one worker, and recomputed as a whole.
pub(super) fn window_group(node: &NodeRef) -> Option<Vec<usize>> {
    match &node.operator {
        Operator::Map { input, steps } => {
            let group = window_group(input)?;
            match steps.as_slice() {
                [Step::Filter(_)] => Some(group),
                [Step::Project(expressions, _)] => {
                    let place = |column: &usize| expressions.iter().position(|e| column_index(e) == Some(*column));
                    group.iter().map(place).collect()
                }
                _ => None,
            }
        }
        Operator::Recompute { input, fragment: LogicalPlan::Window(_), .. } => {
            Some(input.layout.key.clone()).filter(|key| !key.is_empty())
        }
        _ => None,
    }
}

/// What is unique of the rows of a projection: the input's sets where all their columns are there, as they are or as texts made of them.
pub(super) fn unique_after(input: &NodeRef, expressions: &[ExprRef]) -> Vec<Vec<usize>> {
    let told_apart = |e: &ExprRef| (column_index(e).is_some(), injective_column(e, input));
    let from: Vec<(bool, Option<usize>)> = expressions.iter().map(told_apart).collect();
    // A column may be there both ways, and either may be what a join asks for.
    let places = |set: &Vec<usize>, as_they_are: bool| -> Option<Vec<usize>> {
        let place = |c: &usize| {
            let wanted = from.iter().position(|f| *f == (as_they_are, Some(*c)));
            wanted.or_else(|| from.iter().position(|f| *f == (!as_they_are, Some(*c))))
        };
        set.iter().map(place).collect()
    };
    let mut unique: Vec<Vec<usize>> = vec![];
    for set in input.unique.iter().flat_map(|set| [places(set, true), places(set, false)]).flatten() {
        if !unique.contains(&set) {
            unique.push(set);
        }
    }
    unique
}

/// The input column an expression tells apart: its values differ where the column's do.
fn injective_column(expression: &ExprRef, input: &NodeRef) -> Option<usize> {
    if let Some(column) = column_index(expression) {
        return Some(column);
    }
    if let Some(inner) = integer_as_text(expression, input) {
        return injective_column(inner, input);
    }
    let text = concatenation(expression)?;
    literal_text(text.left())?;
    injective_column(text.right(), input)
}

fn are_apart(inputs: &[NodeRef], column: usize) -> bool {
    let prefixes: Option<Vec<String>> = inputs.iter().map(|input| prefix(input, column)).collect();
    let Some(prefixes) = prefixes else { return false };
    let apart = |(at, a): (usize, &String)| prefixes[at + 1..].iter().all(|b| !a.starts_with(b) && !b.starts_with(a));
    prefixes.iter().enumerate().all(apart)
}

/// The text every value of the column begins with, if an expression below puts it there. NULLs aside.
fn prefix(node: &NodeRef, column: usize) -> Option<String> {
    match &node.operator {
        Operator::Map { input, steps } => match steps.as_slice() {
            [Step::Filter(_)] => prefix(input, column),
            [Step::Project(expressions, _)] => {
                let mut expression = &expressions[column];
                while let Some(text) = concatenation(expression) {
                    expression = text.left();
                }
                match column_index(expression) {
                    Some(below) => prefix(input, below),
                    None => literal_text(expression),
                }
            }
            _ => None,
        },
        Operator::Reduce { input, key, always: None, .. } if column < *key => prefix(input, column),
        Operator::Join { left, .. } => prefix_in(left, column),
        Operator::CoGroup { inputs, .. } => prefix_in(&inputs[0], column),
        _ => None,
    }
}

fn prefix_in(arranged: &Arranged, column: usize) -> Option<String> {
    prefix(&arranged.input, *arranged.layout.columns().get(column)?)
}

fn concatenation(expression: &ExprRef) -> Option<&BinaryExpr> {
    expression.downcast_ref::<BinaryExpr>().filter(|e| *e.op() == Op::StringConcat)
}

/// What is cast, if it is an integer and becomes text.
fn integer_as_text<'a>(expression: &'a ExprRef, input: &NodeRef) -> Option<&'a ExprRef> {
    let cast = expression.downcast_ref::<CastExpr>()?;
    let is_text = matches!(cast.cast_type(), DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8);
    (is_text && data_type(cast.expr(), &input.schema).is_integer()).then(|| cast.expr())
}

fn literal_text(expression: &ExprRef) -> Option<String> {
    let literal = expression.downcast_ref::<Literal>()?;
    literal.value().try_as_str().flatten().map(ToString::to_string)
}
