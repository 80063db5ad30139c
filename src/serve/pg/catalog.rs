//! Questions about the schema and the session: `pg_catalog`, `information_schema`, `version()`, `current_schema()`, ….
//!
//! Queries that ask them are planned here, over the live relations and two more schemas, after the rewrites of
//! `datafusion-pg-catalog` that make psql's and drivers' queries plannable; all other queries go to the database untouched.
//!
//! Guarantees: the list of relations and columns is the live one at every query; an object keeps its oid while the server runs.
//! Non-guarantees: keys, indexes, privileges, functions of our own and relation sizes are not in `pg_catalog`.

mod functions;
mod information;
mod live;

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::DataType;
use datafusion::catalog::{CatalogProviderList, MemoryCatalogProviderList, SchemaProvider};
use datafusion::common::{ParamValues, metadata::ScalarAndMetadata};
use datafusion::execution::session_state::{SessionState as PlanState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use datafusion::sql::parser::Statement as ParsedStatement;
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, CastKind, DataType as SqlType, Expr as SqlExpr, FunctionArguments, Statement as SqlStatement,
    Value as SqlValue, visit_expressions_mut,
};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::{PG_CATALOG_TABLES, setup_pg_catalog};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;

use self::live::Overlay;
use super::rows::Rows;
use super::variables::Variables;
use crate::engine::{Database, Description, parameter_types};
use crate::model::{SqlError, SqlResult};
use crate::plan::context::{CATALOG, session_context};
use crate::plan::error::from_datafusion;
use crate::plan::parse::DIALECT;

/// A run-time parameter set by a query: name, value, local.
pub(super) type Assignment = (String, String, bool);

/// Who asks.
pub(super) struct Asker {
    pub(super) user: String,
    pub(super) process: i32,
    pub(super) variables: Variables,
}

/// Answers questions about the schema.
pub(super) struct Catalog {
    database: Arc<dyn Database>,
    rewriter: PostgresCompatibilityParser,
    /// Functions and planners for PostgreSQL's own queries.
    template: PlanState,
    pg_catalog: Arc<dyn SchemaProvider>,
}

impl Catalog {
    pub(super) fn new(database: Arc<dyn Database>) -> SqlResult<Self> {
        let failed = |error: String| SqlError::internal(format!("cannot set up pg_catalog: {error}"));
        let context = session_context();
        // Optimizer rules lose the marks of oid columns here and there, and then refuse their own work.
        context.state_ref().write().config_mut().options_mut().optimizer.skip_failed_rules = true;
        setup_pg_catalog(&context, CATALOG, EmptyContextProvider).map_err(|error| failed(error.to_string()))?;
        for function in functions::general() {
            context.register_udf(function);
        }
        let pg_catalog = live::pg_catalog(database.clone()).map_err(|error| failed(error.to_string()))?;
        Ok(Catalog { database, rewriter: PostgresCompatibilityParser::new(), template: context.state(), pg_catalog })
    }

    /// Whether a query asks about the schema or the session.
    pub(super) fn answers(&self, text: &str) -> bool {
        let Ok(tokens) = Tokenizer::new(&DIALECT, text).tokenize() else { return false };
        let tokens: Vec<Token> = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
        tokens.iter().enumerate().any(|(index, token)| {
            let Token::Word(word) = token else { return false };
            let name = word.value.to_lowercase();
            let is_called = tokens.get(index + 1) == Some(&Token::LParen);
            let is_member = index > 0 && tokens[index - 1] == Token::Period;
            matches!(
                name.as_str(),
                "pg_catalog" | "information_schema" | "regclass" | "regtype" | "regproc" | "regnamespace"
            ) || (PG_CATALOG_TABLES.contains(&name.as_str()) && !is_member)
                || (is_called && functions::is_about_the_session(&name))
                || (word.quote_style.is_none() && !is_member && functions::is_register(&name))
        })
    }

    /// Parameters and columns of a query.
    pub(super) async fn describe(
        &self,
        asker: &Asker,
        text: &str,
        declared: &[Option<DataType>],
    ) -> SqlResult<Description> {
        let (_, plan, _) = self.plan(asker, text).await?;
        let parameters = parameter_types(&plan, declared)?;
        Ok(Description { parameters, columns: Some(Arc::new(plan.schema().as_arrow().clone())) })
    }

    /// Runs a query; besides its rows, the run-time parameters that it sets, known once its rows are.
    pub(super) async fn run(
        &self,
        asker: &Asker,
        text: &str,
        parameters: &[ScalarValue],
    ) -> SqlResult<(Rows, Vec<Assignment>)> {
        let failed = |error| unplaced(from_datafusion(error, text));
        let (context, plan, assignments) = self.plan(asker, text).await?;
        let values: Vec<ScalarAndMetadata> = parameters.iter().cloned().map(ScalarAndMetadata::from).collect();
        let plan = if values.is_empty() {
            plan
        } else {
            plan.replace_params_with_values(&ParamValues::List(values)).map_err(failed)?
        };
        let schema = Arc::new(plan.schema().as_arrow().clone());
        let frame = context.execute_logical_plan(plan).await.map_err(failed)?;
        let batches = frame.collect().await.map_err(failed)?;
        let assignments = std::mem::take(&mut *assignments.lock().unwrap_or_else(PoisonError::into_inner));
        Ok((Rows::ready(schema, batches), assignments))
    }

    async fn plan(
        &self,
        asker: &Asker,
        text: &str,
    ) -> SqlResult<(SessionContext, LogicalPlan, Arc<Mutex<Vec<Assignment>>>)> {
        let failed = |error| unplaced(from_datafusion(error, text));
        let assignments = Arc::new(Mutex::new(Vec::new()));
        let context = self.context(asker, assignments.clone());
        let mut statement = self
            .rewriter
            .parse(text)
            .map_err(|error| SqlError::syntax(error.to_string()))?
            .pop()
            .ok_or_else(|| SqlError::internal("a query that is empty once rewritten"))?;
        drop_array_subqueries(&mut statement);
        let statement = ParsedStatement::Statement(Box::new(statement));
        let plan = context.state().statement_to_plan(statement).await.map_err(failed)?;
        Ok((context, plan, assignments))
    }

    /// A context over the relations as they are now.
    fn context(&self, asker: &Asker, assignments: Arc<Mutex<Vec<Assignment>>>) -> SessionContext {
        let live = self.database.context();
        let list = MemoryCatalogProviderList::new();
        if let Some(catalog) = live.catalog(CATALOG) {
            let overlay = Overlay::new(catalog, self.pg_catalog.clone(), information::schema(live.clone()));
            list.register_catalog(CATALOG.to_owned(), Arc::new(overlay));
        }
        let state =
            SessionStateBuilder::new_from_existing(self.template.clone()).with_catalog_list(Arc::new(list)).build();
        let context = SessionContext::new_with_state(state);
        for (name, function) in live.state().scalar_functions() {
            if !self.template.scalar_functions().contains_key(name) {
                context.register_udf(function.as_ref().clone());
            }
        }
        for function in functions::of_session(asker, assignments) {
            context.register_udf(function);
        }
        context
    }
}

/// `ARRAY(SELECT …)`, which DataFusion does not plan, becomes NULL: psql fills columns about roles and storage options with
/// it, of which there are none.
fn drop_array_subqueries(statement: &mut SqlStatement) {
    let _ = visit_expressions_mut(statement, |expression| {
        let is_array = matches!(
            expression,
            SqlExpr::Function(function)
                if matches!(function.args, FunctionArguments::Subquery(_))
                    && function.name.to_string().eq_ignore_ascii_case("array")
        );
        if is_array {
            let element = Box::new(SqlType::Text);
            *expression = SqlExpr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(SqlExpr::value(SqlValue::Null)),
                data_type: SqlType::Array(ArrayElemTypeDef::SquareBracket(element, None)),
                array: false,
                format: None,
            };
        }
        ControlFlow::<()>::Continue(())
    });
}

/// Places in a rewritten text mean nothing to the client.
fn unplaced(error: SqlError) -> SqlError {
    SqlError { position: None, ..error }
}
