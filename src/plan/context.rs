//! The one DataFusion context in which views are planned and ad-hoc queries run: PostgreSQL's dialect, types and function names,
//! UTC, one partition.
//!
//! Differences from DataFusion's defaults, all towards PostgreSQL: `1.5` is NUMERIC; casts map types as [`super::types`] does;
//! JSON operators, `now()` and `AT TIME ZONE` are ours; lateral `unnest` is planned ([`super::lateral`]); integer arithmetic fails
//! rather than wraps ([`super::overflow`]).
//! No relation is registered here, nor `information_schema`; nor `trueup_tick()`, which belongs to who knows the tick.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef};
use datafusion::common::config::Dialect;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SessionStateBuilder, SessionStateDefaults};
use datafusion::logical_expr::planner::{ExprPlanner, TypePlanner};
use datafusion::optimizer::analyzer::function_rewrite::ApplyFunctionRewrites;
use datafusion::optimizer::{Analyzer, AnalyzerRule};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::sqlparser::ast::DataType as SqlType;
use datafusion_pg_catalog::pg_catalog::oid_type_planner::PgOidTypePlanner;

use super::{frames, functions, interval, json, lateral, now, overflow, timezone, types};
use crate::model::error::code;

/// The database's name.
pub const CATALOG: &str = "trueup";
/// The schema of users' relations.
pub const SCHEMA: &str = "public";
/// Rows per batch of ad-hoc queries.
const BATCH_ROWS: usize = 8192;

/// A fresh context. Contexts share nothing that can change.
pub fn session_context() -> SessionContext {
    let mut planners: Vec<Arc<dyn ExprPlanner>> =
        vec![Arc::new(json::JsonOperators::default()), Arc::new(interval::IntervalOperators)];
    planners.extend(SessionStateDefaults::default_expr_planners());
    let mut analyzer_rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> = vec![Arc::new(lateral::UnnestLateral)];
    analyzer_rules.extend(Analyzer::new().rules);
    // Behind the rule that adds casts.
    analyzer_rules.push(Arc::new(frames::FramesAnew));
    analyzer_rules.push(Arc::new(ApplyFunctionRewrites::new(vec![Arc::new(functions::PostgresCasts)])));
    let state = SessionStateBuilder::new()
        .with_config(session_config())
        .with_default_features()
        .with_expr_planners(planners)
        .with_type_planner(Arc::new(PostgresTypes))
        .with_analyzer_rules(analyzer_rules)
        .with_physical_optimizer_rule(Arc::new(overflow::CheckedArithmetic))
        .build();
    let context = SessionContext::new_with_state(state);
    let options = context.copied_config().options().as_ref().clone();
    context.register_udf(timezone::function());
    for function in now::functions().into_iter().chain(json::functions()).chain(functions::scalar(&options)) {
        context.register_udf(function);
    }
    for function in functions::aggregate() {
        context.register_udaf(function);
    }
    context
}

fn session_config() -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(BATCH_ROWS)
        .with_information_schema(false)
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(true);
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".to_string());
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.sql_parser.enable_ident_normalization = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.collect_spans = true;
    // On two nested unnests it makes a plan with an ambiguous column; queries over such plain views would be refused.
    options.optimizer.enable_leaf_expression_pushdown = false;
    config
}

/// The types of casts and typed literals in queries: [`types::arrow_type`]; then PostgreSQL's object identifiers; then
/// DataFusion's own.
#[derive(Debug)]
struct PostgresTypes;

impl TypePlanner for PostgresTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        match types::arrow_type(sql_type) {
            Ok(data_type) => Ok(Some(Arc::new(Field::new("", data_type, true)))),
            Err(error) if error.code == code::UNDEFINED_OBJECT => match PgOidTypePlanner.plan_type_field(sql_type)? {
                Some(field) => Ok(Some(field)),
                None => Err(DataFusionError::External(Box::new(error))),
            },
            Err(error) => Err(DataFusionError::External(Box::new(error))),
        }
    }
}

#[cfg(test)]
mod tests;
