//! What PostgreSQL reads otherwise than DataFusion, where types decide: doubles meet decimals as doubles, intervals compare by length,
//! parts of times have fractions, timestamps need no seconds.
//!
//! DataFusion compares `score > 1.5` as decimals of 15 places, which fails on NaN and infinities, overflows and rounds. Here the
//! decimal side is cast to DOUBLE PRECISION: in comparisons, BETWEEN, IN lists, CASE, COALESCE and their kin. Arithmetic is
//! DataFusion's, which does so already; so is UNION, which does not.
//!
//! DataFusion compares intervals by months, then days, then time: 18 times 24 hours are less than ten days. Here comparisons, BETWEEN and IN
//! lists are of lengths ([`super::interval`]). Sorting, grouping, `min` and `max` stay DataFusion's: right among differences of timestamps.
//!
//! `extract(second …)` has its fraction, and `extract(epoch …)` of an interval; DataFusion's are whole.
//!
//! Texts that are read as timestamps may leave out the seconds, `'2026-11-11 20:00'`; Arrow wants them.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, cast, lit};

use super::interval::{INTERVAL, length};

/// Functions whose arguments are brought to one type.
const ONE_TYPE: [&str; 6] = ["coalesce", "nullif", "nvl", "ifnull", "greatest", "least"];

/// The plan as PostgreSQL reads it.
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

/// One expression, what is in it being done already.
fn unify(mut expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if let Some(whole) = with_fraction(&expr, schema) {
        return Ok(Transformed::yes(whole));
    }
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

/// A part of a time with its fraction: `extract(second FROM t)`, and `extract(epoch FROM interval)`. DataFusion's are whole.
fn with_fraction(expr: &Expr, schema: &DFSchema) -> Option<Expr> {
    let Expr::ScalarFunction(call) = expr else { return None };
    let [Expr::Literal(part, _), from] = call.args.as_slice() else { return None };
    if call.name() != "date_part" {
        return None;
    }
    let part = part.try_as_str().flatten()?.to_lowercase();
    let microseconds = match (part.as_str(), from.get_type(schema).ok()?) {
        ("second" | "seconds", _) => call.func.call(vec![lit("microsecond"), from.clone()]),
        ("epoch", DataType::Interval(_) | DataType::Duration(_)) => length(from.clone()),
        _ => return None,
    };
    Some(cast(microseconds, DataType::Float64) / lit(1e6))
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
