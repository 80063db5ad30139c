//! Values of different types meet as in PostgreSQL: doubles and decimals as doubles, intervals by their length.
//!
//! DataFusion compares `score > 1.5` as decimals of 15 places, which fails on NaN and infinities, overflows and rounds. Here the
//! decimal side is cast to DOUBLE PRECISION: in comparisons, BETWEEN, IN lists, CASE, COALESCE and their kin. Arithmetic is
//! DataFusion's, which does so already; so is UNION, which does not.
//!
//! DataFusion compares intervals by months, then days, then time: 18 times 24 hours are less than ten days. Here comparisons, BETWEEN and IN
//! lists are of lengths ([`super::interval`]). Sorting, grouping, `min` and `max` stay DataFusion's: right among differences of timestamps.
//!
//! Texts that are read as timestamps may leave out the seconds, `'2026-11-11 20:00'`; Arrow wants them.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, cast};

use super::interval::{INTERVAL, length};

/// Functions whose arguments are brought to one type.
const ONE_TYPE: [&str; 6] = ["coalesce", "nullif", "nvl", "ifnull", "greatest", "least"];

/// The plan with decimals cast wherever they meet a double, and intervals compared by length.
pub fn coerce(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| {
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
        }
        let names = NamePreserver::new(&plan);
        let plan = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(expr.transform_up(|expr| unify(expr, &schema))?.update_data(|expr| name.restore(expr)))
        })?;
        // Types of columns above follow from those below.
        plan.map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(rewritten.data)
}

/// Casts decimals among the expressions that `expr` brings to one type, if a double is among them.
fn unify(mut expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let of = |data_type: fn(&DataType) -> bool| move |e: &Expr| e.get_type(schema).is_ok_and(|t| data_type(&t));
    let is_interval = |t: &DataType| matches!(t, DataType::Interval(_));
    let is_length = |t: &DataType| matches!(t, DataType::Interval(_) | DataType::Duration(_));
    let is_timestamp = |t: &DataType| matches!(t, DataType::Timestamp(..));
    let is_comparison = matches!(expr, Expr::BinaryExpr(_) | Expr::Between(_) | Expr::InList(_));
    let mut changed = false;
    if let Expr::Cast(Cast { expr: inner, field }) | Expr::TryCast(TryCast { expr: inner, field }) = &mut expr
        && is_timestamp(field.data_type())
    {
        changed |= complete(inner);
    }
    for mut group in groups(&mut expr) {
        if group.iter().any(|e| of(is_timestamp)(e)) {
            for part in &mut group {
                changed |= complete(part);
            }
        }
        if is_comparison && group.iter().any(|e| of(is_interval)(e)) {
            for part in group {
                let value = std::mem::take(part);
                *part = length(if of(is_length)(&value) { value } else { cast(value, INTERVAL) });
            }
            changed = true;
            continue;
        }
        if !group.iter().any(|e| of(DataType::is_floating)(e)) {
            continue;
        }
        for part in group.into_iter().filter(|e| of(DataType::is_decimal)(e)) {
            *part = cast(std::mem::take(part), DataType::Float64);
            changed = true;
        }
    }
    Ok(if changed { Transformed::yes(expr) } else { Transformed::no(expr) })
}

/// Gives a literal text that ends with the minutes of a timestamp its seconds; says whether it did.
fn complete(expr: &mut Expr) -> bool {
    let Expr::Literal(ScalarValue::Utf8(Some(text)), _) = expr else { return false };
    let (Some(minutes), Some(zone)) = (text.get(..16), text.get(16..)) else { return false };
    let is_time = |at: usize, c: char| match at {
        4 | 7 => c == '-',
        10 => c == ' ' || c == 'T',
        13 => c == ':',
        _ => c.is_ascii_digit(),
    };
    if !minutes.char_indices().all(|(at, c)| is_time(at, c))
        || !(zone.is_empty() || zone.starts_with(['+', '-', 'Z', ' ']))
    {
        return false;
    }
    *text = format!("{minutes}:00{zone}");
    true
}

/// The parts of an expression that must be of one type, each set by itself.
fn groups(expr: &mut Expr) -> Vec<Vec<&mut Expr>> {
    match expr {
        Expr::BinaryExpr(binary) if binary.op.supports_propagation() => {
            vec![vec![binary.left.as_mut(), binary.right.as_mut()]]
        }
        Expr::Between(between) => {
            vec![vec![between.expr.as_mut(), between.low.as_mut(), between.high.as_mut()]]
        }
        Expr::InList(list) => vec![std::iter::once(list.expr.as_mut()).chain(&mut list.list).collect()],
        Expr::ScalarFunction(call) if ONE_TYPE.contains(&call.func.name()) => vec![call.args.iter_mut().collect()],
        Expr::Case(case) => {
            let (mut whens, mut thens): (Vec<_>, Vec<_>) =
                case.when_then_expr.iter_mut().map(|(when, then)| (when.as_mut(), then.as_mut())).unzip();
            thens.extend(case.else_expr.as_deref_mut());
            whens.extend(case.expr.as_deref_mut());
            vec![whens, thens]
        }
        _ => vec![],
    }
}
