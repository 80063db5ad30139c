//! The functions whose value is the tick's: `now()` and its kin. DataFusion would fold them while planning; these stay in the
//! plan until [`bind_now`] puts a tick's time in their place.
//!
//! They are *stable*: the optimizer may move and merge them, and evaluating them is an error, which is what keeps it from folding
//! them. `now()` in every spelling (`CURRENT_TIMESTAMP`, `clock_timestamp()` too) is the tick: one query sees one time. Days and
//! times of day are those of UTC.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::types::timestamptz;
use crate::model::Tick;

const MILLISECONDS_PER_DAY: u64 = 86_400_000;

/// Which view of the tick's time a function gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Instant,
    Local,
    Date,
    TimeOfDay,
}

/// A function of the tick alone.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TickTime {
    name: &'static str,
    aliases: Vec<String>,
    part: Part,
    signature: Signature,
}

/// The functions to register in place of DataFusion's.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let function = |name, aliases: &[&str], part| {
        let aliases = aliases.iter().map(ToString::to_string).collect();
        ScalarUDF::new_from_impl(TickTime { name, aliases, part, signature: Signature::nullary(Volatility::Stable) })
    };
    vec![
        function(
            "now",
            &["current_timestamp", "transaction_timestamp", "statement_timestamp", "clock_timestamp"],
            Part::Instant,
        ),
        function("localtimestamp", &[], Part::Local),
        function("current_date", &["today"], Part::Date),
        function("current_time", &["localtime"], Part::TimeOfDay),
    ]
}

impl ScalarUDFImpl for TickTime {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.part.data_type())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("{}() is not bound to a tick", self.name)
    }
}

impl Part {
    fn data_type(self) -> DataType {
        match self {
            Part::Instant => timestamptz(),
            Part::Local => DataType::Timestamp(TimeUnit::Microsecond, None),
            Part::Date => DataType::Date32,
            Part::TimeOfDay => DataType::Time64(TimeUnit::Microsecond),
        }
    }

    fn value(self, tick_ms: Tick) -> ScalarValue {
        let microseconds = i64::try_from(tick_ms).unwrap_or(i64::MAX).saturating_mul(1000);
        match self {
            Part::Instant => ScalarValue::TimestampMicrosecond(Some(microseconds), Some(Arc::from("UTC"))),
            Part::Local => ScalarValue::TimestampMicrosecond(Some(microseconds), None),
            Part::Date => ScalarValue::Date32(Some(i32::try_from(tick_ms / MILLISECONDS_PER_DAY).unwrap_or(i32::MAX))),
            Part::TimeOfDay => {
                let in_day = i64::try_from(tick_ms % MILLISECONDS_PER_DAY).unwrap_or_default();
                ScalarValue::Time64Microsecond(Some(in_day * 1000))
            }
        }
    }
}

/// The tick function an expression calls, itself, not below.
fn tick_time(expr: &Expr) -> Option<&TickTime> {
    match expr {
        Expr::ScalarFunction(call) => call.func.inner().downcast_ref::<TickTime>(),
        _ => None,
    }
}

/// Whether an expression of the plan, or of a subquery in it, depends on the tick's time.
pub fn contains_now(plan: &LogicalPlan) -> bool {
    find(plan, |expr| tick_time(expr).map(|_| ())).is_some()
}

/// Whether this expression depends on the tick's time.
pub fn expression_contains_now(expr: &Expr) -> bool {
    expr.exists(|expr| Ok(tick_time(expr).is_some())).unwrap_or(false)
}

/// The plan as it reads at a tick: each tick function replaced by its value. Names and types of the outputs stay.
pub fn bind_now(plan: LogicalPlan, tick_ms: Tick) -> Result<LogicalPlan> {
    let bound = plan.transform_up_with_subqueries(|plan| {
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(bind(expr, tick_ms)?.update_data(|expr| name.restore(expr)))
        })
    })?;
    Ok(bound.data)
}

/// The expression as it reads at a tick.
pub fn bind_now_expression(expr: Expr, tick_ms: Tick) -> Result<Expr> {
    Ok(bind(expr, tick_ms)?.data)
}

fn bind(expr: Expr, tick_ms: Tick) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| {
        Ok(match tick_time(&expr) {
            Some(function) => Transformed::yes(Expr::Literal(function.part.value(tick_ms), None)),
            None => Transformed::no(expr),
        })
    })
}

/// Name of the first function whose value differs from call to call (`random`, `uuid`, …), subqueries included. Such a function
/// has no place in a view.
pub fn volatile_function(plan: &LogicalPlan) -> Option<String> {
    find(plan, |expr| {
        let (name, volatility) = match expr {
            Expr::ScalarFunction(call) => (call.func.name(), call.func.signature().volatility),
            Expr::AggregateFunction(call) => (call.func.name(), call.func.signature().volatility),
            Expr::WindowFunction(call) => (call.fun.name(), call.fun.signature().volatility),
            _ => return None,
        };
        (volatility == Volatility::Volatile).then(|| name.to_string())
    })
}

/// What `matches` makes of the first expression it accepts, anywhere in the plan.
fn find<T>(plan: &LogicalPlan, matches: impl Fn(&Expr) -> Option<T>) -> Option<T> {
    let mut found = None;
    let walked = plan.apply_with_subqueries(|plan| {
        plan.apply_expressions(|expr| {
            expr.apply(|expr| {
                found = matches(expr);
                Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })
    });
    debug_assert!(walked.is_ok(), "the walk itself never fails");
    found
}
