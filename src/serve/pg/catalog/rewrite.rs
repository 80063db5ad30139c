//! Rewrites of catalog queries that `datafusion-pg-catalog` leaves to do.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, ArrayElemTypeDef, CastKind, DataType as SqlType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, ObjectName, Query, SelectItem, SetExpr, Statement,
    Value, visit_expressions_mut,
};

/// Makes of a statement what DataFusion can plan.
pub(super) fn plannable(statement: &mut Statement) {
    let _ = visit_expressions_mut(statement, |expression| {
        if is_array_subquery(expression) {
            // psql fills columns about roles and storage options with it, of which there are none.
            *expression = null_texts();
            return ControlFlow::<()>::Continue(());
        }
        match expression {
            Expr::Subquery(query) => aggregate(query),
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

fn null_texts() -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::value(Value::Null)),
        data_type: SqlType::Array(ArrayElemTypeDef::SquareBracket(Box::new(SqlType::Text), None)),
        array: false,
        format: None,
    }
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
    if !matches!(value, Expr::Function(_)) {
        *value = call("first_value", vec![value.clone()]);
    }
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
