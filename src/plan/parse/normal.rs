//! Rewrites a query's tree where PostgreSQL and DataFusion mean the same but write it differently. Meaning never changes. What DataFusion
//! would read otherwise than PostgreSQL, without a word, is refused.
//!
//! - Unnamed result columns get PostgreSQL's names (`count`, `?column?`, the type of a cast, …). A name that is taken already gets
//!   a hidden mark behind it, since DataFusion wants names to differ; [`output_name`] takes it off again.
//! - `TABLE t` is `SELECT * FROM t`.
//! - `a IS DISTINCT FROM b AND c` is `(a IS DISTINCT FROM b) AND c`; sqlparser reads on to the end.
//! - Columns of `FULL` and `RIGHT JOIN … USING` are one ([`super::using`]).
//! - `unnest`, `generate_series` and `jsonb_array_elements` in `FROM` name their column as PostgreSQL does; with `LATERAL` too.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, DataType, Distinct, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    ObjectName, OrderByKind, Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier, Subscript, TableAlias,
    TableAliasColumnDef, TableFactor, TrimWhereField, UnaryOperator, Value, VisitMut, VisitorMut,
};

use super::reader::folded;
use super::using::merge_columns;
use crate::model::{SqlError, SqlResult};
use crate::plan::types::{arrow_type, short_name};

/// Between a result column's name and what makes it differ from its namesakes. No SQL text contains it in a name.
const MARK: char = '\u{1f}';

/// A result column's name as PostgreSQL would call it; several columns may have the same.
pub fn output_name(name: &str) -> &str {
    name.split(MARK).next().unwrap_or(name)
}

/// Rewrites a query, or a statement with queries in it.
///
/// # Errors
/// What would be read otherwise than PostgreSQL reads it.
pub(super) fn normalize(tree: &mut impl VisitMut) -> SqlResult<()> {
    match tree.visit(&mut Normalizer) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Normalizer;

impl VisitorMut for Normalizer {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        let before = selected(&query.body);
        if let Err(error) = body(&mut query.body) {
            return ControlFlow::Break(error);
        }
        order_by_names(query, &before);
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        table_function(factor);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        if let Expr::SimilarTo { .. } = expr {
            return ControlFlow::Break(
                SqlError::unsupported("SIMILAR TO is not supported").hint("write ~ '^(…)$' with a regular expression"),
            );
        }
        if binds_too_loosely(expr) {
            *expr = by_precedence(expr);
        }
        if let Some(same) = same_function(expr) {
            *expr = same;
        }
        ControlFlow::Continue(())
    }
}

/// Whether an operand goes on with an AND or OR that belongs further up.
fn binds_too_loosely(expr: &Expr) -> bool {
    let is = |expr: &Expr, wanted: fn(&BinaryOperator) -> bool| matches!(expr, Expr::BinaryOp { op, .. } if wanted(op));
    let is_either = |op: &BinaryOperator| matches!(op, BinaryOperator::And | BinaryOperator::Or);
    match expr {
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) => is(right, is_either),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => is(expr, is_either),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            [left, right].iter().any(|side| is(side, |op| *op == BinaryOperator::Or))
        }
        _ => false,
    }
}

/// Operands joined by AND and OR, put together again as they bind. What is in parentheses is an operand.
fn by_precedence(expr: &Expr) -> Expr {
    let (mut operands, mut operators) = (vec![], vec![]);
    flatten(expr, &mut operands, &mut operators);
    let mut operands = operands.into_iter();
    let mut all = operands.next().expect("an expression has an operand");
    let mut any = vec![];
    for (op, operand) in operators.into_iter().zip(operands) {
        if op == BinaryOperator::And {
            all = binary(all, op, operand);
        } else {
            any.push(std::mem::replace(&mut all, operand));
        }
    }
    any.push(all);
    any.into_iter().reduce(|left, right| binary(left, BinaryOperator::Or, right)).expect("one was just put in")
}

fn flatten(expr: &Expr, operands: &mut Vec<Expr>, operators: &mut Vec<BinaryOperator>) {
    let at = operands.len();
    match expr {
        Expr::BinaryOp { left, op: op @ (BinaryOperator::And | BinaryOperator::Or), right } => {
            flatten(left, operands, operators);
            operators.push(op.clone());
            flatten(right, operands, operators);
        }
        Expr::IsDistinctFrom(left, right) => {
            flatten(right, operands, operators);
            operands[at] = Expr::IsDistinctFrom(left.clone(), Box::new(operands[at].clone()));
        }
        Expr::IsNotDistinctFrom(left, right) => {
            flatten(right, operands, operators);
            operands[at] = Expr::IsNotDistinctFrom(left.clone(), Box::new(operands[at].clone()));
        }
        Expr::UnaryOp { op: op @ UnaryOperator::Not, expr } => {
            flatten(expr, operands, operators);
            operands[at] = Expr::UnaryOp { op: *op, expr: Box::new(operands[at].clone()) };
        }
        other => operands.push(other.clone()),
    }
}

/// What DataFusion has for an expression of PostgreSQL's that it does not know.
fn same_function(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::AtTimeZone { timestamp, time_zone } => {
            Some(call("timezone", vec![time_zone.as_ref().clone(), timestamp.as_ref().clone()]))
        }
        Expr::Function(function) => {
            let FunctionArguments::List(list) = &function.args else { return None };
            match list.args.as_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))] if is_json_elements(&function.name) => {
                    Some(call("unnest", vec![json_array(array.clone())]))
                }
                [
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(left)),
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(right)),
                ] if last_name(&function.name) == "mod" => {
                    let side = |expr: &Expr| Expr::Nested(Box::new(expr.clone()));
                    let modulo = binary(side(left), BinaryOperator::Modulo, side(right));
                    Some(Expr::Nested(Box::new(modulo)))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// The expressions of a `SELECT DISTINCT`, as they were written.
fn selected(body: &SetExpr) -> Vec<String> {
    match body {
        SetExpr::Select(select) if matches!(select.distinct, Some(Distinct::Distinct)) => {
            let expressions = select.projection.iter().map(|item| match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr.to_string(),
                _ => String::new(),
            });
            expressions.collect()
        }
        _ => Vec::new(),
    }
}

/// `SELECT DISTINCT f(a) … ORDER BY f(a)` orders by the result's column: DataFusion finds it by its name only.
fn order_by_names(query: &mut Query, selected: &[String]) {
    let (SetExpr::Select(select), Some(order_by)) = (query.body.as_ref(), query.order_by.as_mut()) else { return };
    let OrderByKind::Expressions(orders) = &mut order_by.kind else { return };
    for order in orders {
        let Some(position) = selected.iter().position(|expr| *expr == order.expr.to_string()) else { continue };
        if let SelectItem::ExprWithAlias { alias, .. } = &select.projection[position] {
            order.expr = Expr::Identifier(alias.clone());
        }
    }
}

/// The selects of a query body, each named on its own.
fn body(set: &mut SetExpr) -> SqlResult<()> {
    match set {
        SetExpr::Select(select) => {
            merge_columns(select)?;
            name_columns(select);
        }
        SetExpr::SetOperation {
            op: op @ (SetOperator::Except | SetOperator::Intersect),
            set_quantifier: SetQuantifier::All,
            ..
        } => {
            // DataFusion's keep or drop a row with all its copies.
            return Err(SqlError::unsupported(format!("{op} ALL is not supported"))
                .hint("number the copies of a row with row_number() OVER (PARTITION BY its columns) on both sides, and leave out ALL"));
        }
        SetExpr::SetOperation { left, right, .. } => {
            body(left)?;
            body(right)?;
        }
        SetExpr::Table(table) => {
            let parts = table.schema_name.iter().chain(&table.table_name).map(|part| format!("\"{}\"", quoted(part)));
            if let Some(query) = select_all(&parts.collect::<Vec<_>>().join(".")) {
                *set = *query.body;
            }
        }
        _ => {}
    }
    Ok(())
}

/// A name inside double quotes; sqlparser keeps neither quotes nor case rules for `TABLE`'s.
fn quoted(name: &str) -> String {
    name.to_ascii_lowercase().replace('"', "\"\"")
}

fn select_all(table: &str) -> Option<Box<Query>> {
    use datafusion::sql::sqlparser::parser::Parser;
    let sql = format!("SELECT * FROM {table}");
    Parser::new(&super::DIALECT).try_with_sql(&sql).and_then(|mut parser| parser.parse_query()).ok()
}

/// Gives every result column that is no plain column a name, and every name once.
fn name_columns(select: &mut Select) {
    let columns = select.projection.iter().filter_map(|item| match item {
        SelectItem::UnnamedExpr(expr) => plain_column(expr).map(|(_, name)| name),
        _ => None,
    });
    let columns = columns.collect::<HashSet<_>>();
    let mut kept: Vec<(String, String)> = Vec::new();
    let mut taken = HashSet::new();
    for item in &mut select.projection {
        let name = match item {
            SelectItem::UnnamedExpr(expr) => match plain_column(expr) {
                None => column_name(expr).0,
                Some((qualifier, name)) => {
                    let is_same = |(other, column): &(String, String)| {
                        *column == name && (*other == qualifier || other.is_empty() || qualifier.is_empty())
                    };
                    if !kept.iter().any(is_same) {
                        kept.push((qualifier, name));
                        continue;
                    }
                    name
                }
            },
            SelectItem::ExprWithAlias { alias, .. } => folded(alias),
            _ => continue,
        };
        rename(item, &name, &columns, &mut taken);
    }
}

/// Qualifier (empty if none) and name of a plain column.
fn plain_column(expr: &Expr) -> Option<(String, String)> {
    match expr {
        Expr::Identifier(ident) => Some((String::new(), folded(ident))),
        Expr::CompoundIdentifier(parts) => {
            let (name, qualifier) = parts.split_last()?;
            Some((qualifier.iter().map(folded).collect::<Vec<_>>().join("."), folded(name)))
        }
        _ => None,
    }
}

/// Names a result column, with a mark behind the name if a plain column or an earlier item has it.
fn rename(item: &mut SelectItem, name: &str, columns: &HashSet<String>, taken: &mut HashSet<String>) {
    let mut unique = name.to_string();
    for number in 1.. {
        if !columns.contains(&unique) && taken.insert(unique.clone()) {
            break;
        }
        unique = format!("{name}{MARK}{number}");
    }
    match item {
        SelectItem::UnnamedExpr(expr) => {
            let expr = std::mem::replace(expr, Expr::Identifier(Ident::new("")));
            *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', unique) };
        }
        SelectItem::ExprWithAlias { alias, .. } if unique != name => *alias = Ident::with_quote('"', unique),
        _ => {}
    }
}

/// PostgreSQL's name of an unnamed result column (its `FigureColname`), and whether it outranks a cast's type.
fn column_name(expr: &Expr) -> (String, bool) {
    let strong = |name: &str| (name.to_string(), true);
    let weak = |name: &str| (name.to_string(), false);
    match expr {
        Expr::Identifier(ident) => (folded(ident), true),
        Expr::CompoundIdentifier(parts) => (parts.last().map(folded).unwrap_or_default(), true),
        Expr::CompoundFieldAccess { root, access_chain } => accessed(root, access_chain),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => column_name(inner),
        Expr::Function(call) => {
            if is_json_elements(&call.name) {
                strong("value")
            } else {
                (last_name(&call.name), true)
            }
        }
        Expr::Cast { expr, data_type, .. } => match column_name(expr) {
            (name, true) => (name, true),
            (_, false) => weak(&type_name(data_type)),
        },
        Expr::Case { else_result, .. } => match else_result.as_deref().map(column_name) {
            Some((name, true)) => (name, true),
            _ => weak("case"),
        },
        Expr::TypedString(typed) => weak(&type_name(&typed.data_type)),
        Expr::Interval(_) => weak("interval"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Exists { .. } => strong("exists"),
        Expr::Subquery(query) => subquery_name(query),
        Expr::Array(_) => strong("array"),
        Expr::Tuple(_) => strong("row"),
        Expr::Extract { .. } => strong("extract"),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::Position { .. } => strong("position"),
        Expr::Substring { .. } => strong("substring"),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::Trim { trim_where: Some(TrimWhereField::Leading), .. } => strong("ltrim"),
        Expr::Trim { trim_where: Some(TrimWhereField::Trailing), .. } => strong("rtrim"),
        Expr::Trim { .. } => strong("btrim"),
        Expr::Value(value) if matches!(value.value, Value::Boolean(_)) => weak("bool"),
        _ => weak("?column?"),
    }
}

/// `a.b[1].c` is `c`, `a[1]` is `a`.
fn accessed(root: &Expr, chain: &[AccessExpr]) -> (String, bool) {
    let field = chain.iter().rev().find_map(|access| match access {
        AccessExpr::Dot(Expr::Identifier(field)) => Some(folded(field)),
        AccessExpr::Subscript(Subscript::Index { index: Expr::Value(value) }) => match &value.value {
            Value::SingleQuotedString(field) => Some(field.clone()),
            _ => None,
        },
        _ => None,
    });
    field.map_or_else(|| column_name(root), |field| (field, true))
}

fn subquery_name(query: &Query) -> (String, bool) {
    let mut body = query.body.as_ref();
    while let SetExpr::SetOperation { left, .. } = body {
        body = left;
    }
    match body {
        SetExpr::Select(select) => match select.projection.first() {
            Some(SelectItem::UnnamedExpr(expr)) => column_name(expr),
            Some(SelectItem::ExprWithAlias { alias, .. }) => (folded(alias), true),
            _ => ("?column?".to_string(), false),
        },
        _ => ("?column?".to_string(), false),
    }
}

fn type_name(data_type: &DataType) -> String {
    arrow_type(data_type).map_or_else(|_| data_type.to_string().to_lowercase(), |found| short_name(&found).to_string())
}

/// A function's name without its schema.
fn last_name(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(folded).unwrap_or_default()
}

/// Whether this is `json[b]_array_elements`.
fn is_json_elements(name: &ObjectName) -> bool {
    matches!(last_name(name).as_str(), "json_array_elements" | "jsonb_array_elements")
}

fn json_array(argument: Expr) -> Expr {
    call("json_get_array", vec![argument])
}

pub(super) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

pub(super) fn call(function: &str, arguments: Vec<Expr>) -> Expr {
    use datafusion::sql::sqlparser::ast::{Function, FunctionArgumentList};
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(function)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.into_iter().map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// Functions in `FROM`.
fn table_function(factor: &mut TableFactor) {
    let (name, arguments, alias, with_ordinality) = match factor {
        TableFactor::UNNEST { alias, array_exprs, .. } => {
            if array_exprs.len() == 1 {
                name_column(alias, "unnest", "unnest");
            }
            return;
        }
        TableFactor::Function { name, args, alias, .. } => (&*name, &*args, alias, false),
        TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } => {
            (&*name, &args.args, alias, *with_ordinality)
        }
        _ => return,
    };
    let function = last_name(name);
    if function == "generate_series" {
        name_column(alias, &function, &function);
        return;
    }
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = arguments.as_slice() else { return };
    let (array, column) = if is_json_elements(name) {
        (json_array(argument.clone()), "value")
    } else if function == "unnest" {
        (argument.clone(), "unnest")
    } else {
        return;
    };
    let mut alias = alias.take();
    name_column(&mut alias, &function, column);
    *factor = TableFactor::UNNEST {
        alias,
        array_exprs: vec![array],
        with_offset: false,
        with_offset_alias: None,
        with_ordinality,
    };
}

/// One column, named as its relation unless said otherwise; JSON elements are `value` whatever their relation is called.
fn name_column(alias: &mut Option<TableAlias>, relation: &str, column: &str) {
    let alias = alias.get_or_insert_with(|| TableAlias {
        explicit: true,
        name: Ident::new(relation),
        columns: Vec::new(),
        at: None,
    });
    if alias.columns.is_empty() {
        let name = if column == "value" { Ident::new(column) } else { alias.name.clone() };
        alias.columns.push(TableAliasColumnDef { name, data_type: None });
    }
}
