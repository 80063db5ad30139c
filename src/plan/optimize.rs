//! The optimizer rules we use, chosen one by one.
//!
//! DataFusion's rules assume one evaluation over bounded input. Those that rewrite meaning-preserving algebra stay; left out are
//! `ReplaceDistinctWithAggregate` (it would turn DISTINCT ON into unrelated `first_value`s: lowering keeps rows whole),
//! `PushDownLimit` (a limit below a join or union is no win when every row must be held anyway), and
//! `UnionsToFilter`/`EliminateGroupByConstant` (they change what is unique without saving state). Plans with `now()` also do
//! without `CommonSubexprEliminate`: it would compute `now()` below the filters that give it meaning.

use std::sync::Arc;

use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::common_subexpr_eliminate::CommonSubexprEliminate;
use datafusion::optimizer::decorrelate_lateral_join::DecorrelateLateralJoin;
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::eliminate_cross_join::EliminateCrossJoin;
use datafusion::optimizer::eliminate_duplicated_expr::EliminateDuplicatedExpr;
use datafusion::optimizer::eliminate_filter::EliminateFilter;
use datafusion::optimizer::eliminate_join::EliminateJoin;
use datafusion::optimizer::eliminate_limit::EliminateLimit;
use datafusion::optimizer::eliminate_outer_join::EliminateOuterJoin;
use datafusion::optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion::optimizer::filter_null_join_keys::FilterNullJoinKeys;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::optimize_unions::OptimizeUnions;
use datafusion::optimizer::propagate_empty_relation::PropagateEmptyRelation;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::rewrite_set_comparison::RewriteSetComparison;
use datafusion::optimizer::scalar_subquery_to_join::ScalarSubqueryToJoin;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{Optimizer, OptimizerContext, OptimizerRule};

use super::now::contains_now;

fn rules(timed: bool) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
        Arc::new(RewriteSetComparison::new()),
        Arc::new(OptimizeUnions::new()),
        Arc::new(SimplifyExpressions::new()),
        Arc::new(EliminateJoin::new()),
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
        Arc::new(DecorrelateLateralJoin::new()),
        Arc::new(ExtractEquijoinPredicate::new()),
        Arc::new(EliminateDuplicatedExpr::new()),
        Arc::new(EliminateFilter::new()),
        Arc::new(EliminateCrossJoin::new()),
        Arc::new(EliminateLimit::new()),
        Arc::new(PropagateEmptyRelation::new()),
        Arc::new(FilterNullJoinKeys::default()),
        Arc::new(EliminateOuterJoin::new()),
        Arc::new(PushDownFilter::new()),
    ];
    if !timed {
        rules.push(Arc::new(CommonSubexprEliminate::new()));
    }
    rules.push(Arc::new(OptimizeProjections::new()));
    rules
}

/// Analyses (types, coercions, inlined plain views) and optimises a query's plan for incremental maintenance.
pub fn optimize(state: &SessionState, plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut options: ConfigOptions = state.config_options().as_ref().clone();
    options.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    options.optimizer.filter_null_join_keys = false;
    let analyzed = state.analyzer().execute_and_check(plan, &options, |_, _| {})?;
    let timed = contains_now(&analyzed);
    let context = OptimizerContext::new_with_config_options(Arc::new(options)).with_skip_failing_rules(false);
    Optimizer::with_rules(rules(timed)).optimize(analyzed, &context, |_, _| {})
}
