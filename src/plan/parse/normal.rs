//! Rewrites a query's tree where PostgreSQL and DataFusion mean the same but write it differently. Meaning never changes.
//!
//! - Unnamed result columns get PostgreSQL's names (`count`, `?column?`, the type of a cast, …). A name that is taken already gets
//!   a hidden mark behind it, since DataFusion wants names to differ; [`output_name`] takes it off again.
//! - `TABLE t` is `SELECT * FROM t`.
//! - `unnest`, `generate_series` and `jsonb_array_elements` in `FROM` name their column as PostgreSQL does; with `LATERAL` too.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, Select,
    SelectItem, SetExpr, Subscript, TableAlias, TableAliasColumnDef, TableFactor, TrimWhereField, Value, VisitMut,
    VisitorMut,
};

use super::reader::folded;
use crate::plan::types::{arrow_type, short_name};

/// Between a result column's name and what makes it differ from its namesakes. No SQL text contains it in a name.
const MARK: char = '\u{1f}';

/// A result column's name as PostgreSQL would call it; several columns may have the same.
pub fn output_name(name: &str) -> &str {
    name.split(MARK).next().unwrap_or(name)
}

/// Rewrites a query, or a statement with queries in it.
pub(super) fn normalize(tree: &mut impl VisitMut) {
    let ControlFlow::<()>::Continue(()) = tree.visit(&mut Normalizer) else { return };
}

struct Normalizer;

impl VisitorMut for Normalizer {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        body(&mut query.body);
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        table_function(factor);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(call) = expr
            && is_json_elements(&call.name)
            && let FunctionArguments::List(list) = &call.args
            && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = list.args.as_slice()
        {
            *expr = unnested(json_array(argument.clone()));
        }
        ControlFlow::Continue(())
    }
}

/// The selects of a query body, each named on its own.
fn body(set: &mut SetExpr) {
    match set {
        SetExpr::Select(select) => name_columns(select),
        SetExpr::SetOperation { left, right, .. } => {
            body(left);
            body(right);
        }
        SetExpr::Table(table) => {
            let parts = table.schema_name.iter().chain(&table.table_name).map(|part| format!("\"{}\"", quoted(part)));
            if let Some(query) = select_all(&parts.collect::<Vec<_>>().join(".")) {
                *set = *query.body;
            }
        }
        _ => {}
    }
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
    let mut taken = HashSet::new();
    let is_taken_by_column = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(folded(ident)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(folded),
        _ => None,
    };
    let columns = select.projection.iter().filter_map(is_taken_by_column).collect::<HashSet<_>>();
    for item in &mut select.projection {
        let (name, expr) = match item {
            SelectItem::UnnamedExpr(expr @ (Expr::Identifier(_) | Expr::CompoundIdentifier(_))) => {
                if taken.insert(expr.to_string()) {
                    continue;
                }
                (column_name(expr).0, expr)
            }
            SelectItem::UnnamedExpr(expr) => (column_name(expr).0, expr),
            SelectItem::ExprWithAlias { expr, alias } => {
                let name = folded(alias);
                if !columns.contains(&name) && taken.insert(name.clone()) {
                    continue;
                }
                (name, expr)
            }
            _ => continue,
        };
        let mut unique = name.clone();
        for number in 1.. {
            if !columns.contains(&unique) && taken.insert(unique.clone()) {
                break;
            }
            unique = format!("{name}{MARK}{number}");
        }
        let expr = std::mem::replace(expr, Expr::Identifier(Ident::new("")));
        *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', unique) };
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
            let name = call.name.0.last().and_then(|part| part.as_ident()).map(folded).unwrap_or_default();
            if is_json_elements(&call.name) { strong("value") } else { (name, true) }
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

/// Whether this is `json[b]_array_elements`.
fn is_json_elements(name: &ObjectName) -> bool {
    let names = ["json_array_elements", "jsonb_array_elements"];
    let last = name.0.last().and_then(|part| part.as_ident());
    last.is_some_and(|ident| names.iter().any(|name| folded(ident) == *name))
}

fn json_array(argument: Expr) -> Expr {
    call("json_get_array", argument)
}

fn unnested(array: Expr) -> Expr {
    call("unnest", array)
}

fn call(function: &str, argument: Expr) -> Expr {
    use datafusion::sql::sqlparser::ast::{Function, FunctionArgumentList};
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(function)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))],
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
    let function = name.0.last().and_then(|part| part.as_ident()).map(folded).unwrap_or_default();
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
