//! Rewrites of catalog queries that `datafusion-pg-catalog` leaves to do.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, ArrayElemTypeDef, CastKind, DataType as SqlType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, ObjectName, Query, SelectItem, SetExpr, Statement,
    Value, visit_expressions_mut,
};
use datafusion::sql::sqlparser::parser::Parser;

use crate::plan::parse::DIALECT;

/// The aggregates of catalog queries.
const AGGREGATES: &[&str] = &["array_agg", "bool_and", "bool_or", "count", "max", "min", "string_agg", "sum"];

/// Makes of a statement what DataFusion can plan.
pub(super) fn plannable(statement: &mut Statement) {
    let _ = visit_expressions_mut(statement, |expression| {
        if is_array_subquery(expression) {
            // psql fills columns about roles and storage options with it, of which there are none.
            *expression = null_of(SqlType::Array(ArrayElemTypeDef::SquareBracket(Box::new(SqlType::Text), None)));
            return ControlFlow::<()>::Continue(());
        }
        if is_about_nothing(expression) {
            *expression = null_of(SqlType::Text);
            return ControlFlow::<()>::Continue(());
        }
        if let Some(nothing) = comment(expression) {
            *expression = nothing;
            return ControlFlow::<()>::Continue(());
        }
        if let Some(member) = in_search_path(expression) {
            *expression = member;
            return ControlFlow::<()>::Continue(());
        }
        match expression {
            Expr::Subquery(query) => aggregate(query),
            // Patterns of catalog queries do not use the escape character they name.
            Expr::Like { escape_char, .. } | Expr::ILike { escape_char, .. } => *escape_char = None,
            Expr::Function(function) => {
                if let Some(lookup) = oid_lookup(function) {
                    *expression = lookup;
                }
            }
            Expr::BinaryOp { left, right, .. } if is_procedure_column(left) => {
                if let Some(name) = procedure_name(right) {
                    **right = name;
                }
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                if let [AccessExpr::Dot(Expr::Identifier(field))] = &access_chain[..] {
                    let name = Expr::value(Value::SingleQuotedString(field.value.clone()));
                    *expression = call("get_field", vec![root.as_ref().clone(), name]);
                }
            }
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
}

/// `ARRAY(SELECT …)`.
fn is_array_subquery(expression: &Expr) -> bool {
    matches!(
        expression,
        Expr::Function(function)
            if matches!(function.args, FunctionArguments::Subquery(_))
                && function.name.to_string().eq_ignore_ascii_case("array")
    )
}

/// A scalar subquery over a table that is always empty here: there are no defaults and no sequences.
fn is_about_nothing(expression: &Expr) -> bool {
    let Expr::Subquery(query) = expression else { return false };
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    select.from.iter().any(|from| {
        let name = from.relation.to_string();
        ["pg_attrdef", "pg_sequence"].iter().any(|empty| name.contains(empty))
    })
}

/// A comment on an object or a column, of which there are none; their arguments may be more than DataFusion can plan. The NULL is
/// spelled so that a result may have it beside another without a name.
fn comment(expression: &Expr) -> Option<Expr> {
    const COMMENTS: &[&str] = &["col_description", "obj_description", "shobj_description"];
    let Expr::Function(function) = expression else { return None };
    let name = function.name.0.last()?.to_string().to_lowercase();
    let text = Expr::value(Value::SingleQuotedString(name.clone()));
    COMMENTS.contains(&name.as_str()).then(|| call("nullif", vec![text.clone(), text]))
}

/// `schema IN (SELECT … the parts of search_path …)`, as Grafana finds out which names need no schema: here that is `public`.
fn in_search_path(expression: &Expr) -> Option<Expr> {
    let Expr::InSubquery { expr, subquery, negated } = expression else { return None };
    let is_search_path = subquery.to_string().to_lowercase().contains("current_setting('search_path')");
    let public = Expr::value(Value::SingleQuotedString("public".to_owned()));
    is_search_path.then(|| Expr::InList { expr: expr.clone(), list: vec![public], negated: *negated })
}

fn null_of(data_type: SqlType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(Expr::value(Value::Null)), data_type, array: false, format: None }
}

/// A scalar subquery looked up by a key gives one row, but DataFusion wants to see that it does.
fn aggregate(query: &mut Query) {
    if query.limit_clause.is_some() {
        return;
    }
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
    if is_grouped || select.distinct.is_some() || select.from.is_empty() {
        return;
    }
    let [SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }] = &mut select.projection[..]
    else {
        return;
    };
    let is_aggregate = match value {
        Expr::Function(function) => AGGREGATES.contains(&function.name.to_string().to_lowercase().as_str()),
        _ => false,
    };
    if !is_aggregate {
        *value = call("first_value", vec![value.clone()]);
    }
}

/// `to_regclass(name)` and `to_regtype(name)` as lookups of the oid.
fn oid_lookup(function: &Function) -> Option<Expr> {
    let FunctionArguments::List(arguments) = &function.args else { return None };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(name))] = &arguments.args[..] else { return None };
    let query = match function.name.to_string().to_lowercase().as_str() {
        "to_regtype" => format!("(SELECT oid FROM pg_catalog.pg_type WHERE typname = {name} LIMIT 1)"),
        "to_regclass" => format!(
            "(SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON c.relnamespace = n.oid \
             WHERE n.nspname = 'public' AND c.relname = {name} LIMIT 1)"
        ),
        _ => return None,
    };
    Parser::new(&DIALECT).try_with_sql(&query).ok()?.parse_expr().ok()
}

/// The columns of `pg_type` that name functions; they hold the names.
fn is_procedure_column(expression: &Expr) -> bool {
    const COLUMNS: &[&str] = &["typinput", "typoutput", "typreceive", "typsend"];
    let name = match expression {
        Expr::Identifier(name) => name,
        Expr::CompoundIdentifier(path) => match path.last() {
            Some(name) => name,
            None => return false,
        },
        _ => return false,
    };
    COLUMNS.contains(&name.value.as_str())
}

/// `'name'::regproc`, after it became a lookup of the oid: back to the name.
fn procedure_name(expression: &Expr) -> Option<Expr> {
    let Expr::Subquery(query) = expression else { return None };
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    if !select.from.first()?.relation.to_string().ends_with("pg_proc") {
        return None;
    }
    match select.selection.as_ref()? {
        Expr::BinaryOp { left, right, .. } if left.to_string() == "proname" => {
            let Expr::Value(value) = right.as_ref() else { return None };
            let name = value.value.clone().into_string()?;
            let bare = name.strip_prefix("pg_catalog.").unwrap_or(&name).to_owned();
            Some(Expr::value(Value::SingleQuotedString(bare)))
        }
        _ => None,
    }
}

fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments.into_iter().map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
