//! `now()` in a WHERE clause: when does a row enter, when does it leave.
//!
//! `time > now() - INTERVAL '5 minutes'` means the row is there until `time + 5 minutes`. Both ends are computed once per row,
//! in milliseconds, and the row enters and leaves as ticks pass them. Months cannot be moved to the other side like that: `now()`
//! less a month goes back at the end of one, so that rows would come and go; they are refused.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator as Op, cast, lit};

use super::super::interval::measured;
use super::super::lir::{Bound, NodeRef, Operator};
use super::super::now::{expression_contains_now, is_instant};
use super::Lowering;
use crate::model::{SqlError, SqlResult};

/// `now` compared with an expression without it: `now op other`.
struct Comparison {
    op: Op,
    other: Expr,
}

impl Lowering<'_> {
    pub(super) fn temporal(&mut self, node: NodeRef, schema: &DFSchema, predicates: &[&Expr]) -> SqlResult<NodeRef> {
        let mut bounds = vec![];
        for predicate in predicates {
            for comparison in self.comparisons(predicate, schema)? {
                bounds.push(self.bound(comparison, schema)?);
            }
        }
        let (schema, unique) = (Arc::clone(&node.schema), node.unique.clone());
        Ok(self.node(Operator::Temporal { input: node, bounds }, schema, unique))
    }

    fn comparisons(&self, predicate: &Expr, schema: &DFSchema) -> SqlResult<Vec<Comparison>> {
        let refused = || {
            SqlError::unsupported("this condition on now() cannot be kept incremental")
                .detail(format!("in: {predicate}"))
                .hint("compare now(), plus or minus an interval, with a column: event_time > now() - INTERVAL '5 minutes'")
        };
        match predicate {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if matches!(op, Op::Lt | Op::LtEq | Op::Gt | Op::GtEq) => {
                let (timed, op, other) = match (expression_contains_now(left), expression_contains_now(right)) {
                    (true, false) => (left.as_ref(), *op, right.as_ref()),
                    (false, true) => (right.as_ref(), op.swap().ok_or_else(refused)?, left.as_ref()),
                    _ => return Err(refused()),
                };
                let is_interval = matches!(other.get_type(schema), Ok(DataType::Interval(_) | DataType::Duration(_)));
                if moves_months(timed, schema) || is_interval && moves_months(other, schema) {
                    return Err(refused().detail(format!("months differ in length, in: {predicate}")).hint(
                        "use days, as INTERVAL '30 days', or add the months to the column: event_time + INTERVAL '1 month' > now()",
                    ));
                }
                solve(timed, op, other.clone()).map(|c| vec![c]).ok_or_else(refused)
            }
            Expr::Between(between) if !between.negated => {
                let (expr, low, high) = (&between.expr, &between.low, &between.high);
                let lower = expr.as_ref().clone().gt_eq(low.as_ref().clone());
                let upper = expr.as_ref().clone().lt_eq(high.as_ref().clone());
                let mut all = vec![];
                for part in [lower, upper] {
                    if expression_contains_now(&part) {
                        all.extend(self.comparisons(&part, schema)?);
                    }
                }
                let plain = [low, high].iter().filter(|e| !expression_contains_now(e)).count();
                if plain > 0 && !expression_contains_now(expr) { Err(refused()) } else { Ok(all) }
            }
            _ => Err(refused()),
        }
    }

    /// `now op other` as the tick from which, or before which, the row is there.
    fn bound(&self, comparison: Comparison, schema: &DFSchema) -> SqlResult<Bound> {
        // Microseconds since the epoch, rounded to ticks so that the comparison holds for a clock of whole milliseconds.
        let instant = cast(comparison.other, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
        let micros = cast(instant, DataType::Int64);
        let thousand = || lit(1000i64);
        // floor(micros / 1000), also for times before 1970.
        let floor = (micros.clone() - ((micros.clone() % thousand()) + thousand()) % thousand()) / thousand();
        let ceiling = (micros.clone() + (thousand() - ((micros % thousand()) + thousand()) % thousand()) % thousand())
            / thousand();
        let expression = match comparison.op {
            Op::Lt | Op::GtEq => ceiling,
            Op::LtEq | Op::Gt => floor + lit(1i64),
            _ => return Err(SqlError::internal("a bound compares by order")),
        };
        let physical = self.expression(&expression, schema)?;
        Ok(match comparison.op {
            Op::Lt | Op::LtEq => Bound::Upper(physical),
            _ => Bound::Lower(physical),
        })
    }
}

/// Whether an interval in the expression may be of months.
fn moves_months(expr: &Expr, schema: &DFSchema) -> bool {
    let may_have_months = |expr: &Expr| match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) => interval.months != 0,
        Expr::Literal(ScalarValue::IntervalYearMonth(_), _) => true,
        Expr::Column(_) => matches!(expr.get_type(schema), Ok(DataType::Interval(_))),
        _ => false,
    };
    expr.exists(|expr| Ok(may_have_months(expr))).unwrap_or(true)
}

/// Brings `timed op other` to the form `now op …`, moving added and subtracted terms to the other side.
fn solve(timed: &Expr, op: Op, other: Expr) -> Option<Comparison> {
    if let Some(interval) = measured(timed) {
        return solve(interval, op, cast(other, DataType::Duration(TimeUnit::Microsecond)));
    }
    match timed {
        e if is_instant(e) => Some(Comparison { op, other }),
        Expr::Cast(c) => solve(&c.expr, op, other),
        Expr::Alias(a) => solve(&a.expr, op, other),
        Expr::BinaryExpr(BinaryExpr { left, op: Op::Minus, right }) => {
            match (expression_contains_now(left), expression_contains_now(right)) {
                (true, false) => solve(left, op, other + right.as_ref().clone()),
                // x - now < other  ⇔  now > x - other
                (false, true) => solve(right, op.swap()?, left.as_ref().clone() - other),
                _ => None,
            }
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Op::Plus, right }) => {
            match (expression_contains_now(left), expression_contains_now(right)) {
                (true, false) => solve(left, op, other - right.as_ref().clone()),
                (false, true) => solve(right, op, other - left.as_ref().clone()),
                _ => None,
            }
        }
        _ => None,
    }
}
