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
mod rewrite;

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{CatalogProviderList, MemoryCatalogProviderList, SchemaProvider};
use datafusion::common::{ParamValues, metadata::ScalarAndMetadata};
use datafusion::execution::session_state::{SessionState as PlanState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use datafusion::sql::parser::Statement as ParsedStatement;
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, Query, SelectItem, SetExpr};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::{PG_CATALOG_TABLES, setup_pg_catalog};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use futures::{StreamExt, TryStreamExt};

use self::live::{LiveRelations, Overlay};
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

/// What is asked.
pub(super) struct Question {
    /// The query as the client wrote it: rewrites go by that.
    text: String,
    /// The names of its columns as PostgreSQL gives them, if the query says.
    names: Option<Vec<String>>,
}

impl Question {
    pub(super) fn new(text: String, query: &Query) -> Self {
        Question { text, names: column_names(query) }
    }

    /// A result's columns under their PostgreSQL names.
    fn named(&self, plan: &LogicalPlan) -> SchemaRef {
        let schema = plan.schema().as_arrow();
        let names = self.names.as_ref().filter(|names| names.len() == schema.fields().len());
        let Some(names) = names else { return Arc::new(schema.clone()) };
        let fields: Vec<Field> =
            schema.fields().iter().zip(names).map(|(field, name)| field.as_ref().clone().with_name(name)).collect();
        Arc::new(Schema::new(fields))
    }
}

/// The names in a select list without stars; the parser has named every expression.
fn column_names(query: &Query) -> Option<Vec<String>> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let name_of = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        SelectItem::UnnamedExpr(SqlExpr::Identifier(name)) => Some(name.value.clone()),
        SelectItem::UnnamedExpr(SqlExpr::CompoundIdentifier(path)) => path.last().map(|name| name.value.clone()),
        _ => None,
    };
    select.projection.iter().map(name_of).collect()
}

/// Answers questions about the schema.
pub(super) struct Catalog {
    database: Arc<dyn Database>,
    rewriter: PostgresCompatibilityParser,
    /// Functions and planners for PostgreSQL's own queries.
    template: PlanState,
    relations: LiveRelations,
    pg_catalog: Arc<dyn SchemaProvider>,
}

impl Catalog {
    pub(super) fn new(database: Arc<dyn Database>) -> SqlResult<Self> {
        let failed = |error: String| SqlError::internal(format!("cannot set up pg_catalog: {error}"));
        let context = session_context();
        setup_pg_catalog(&context, CATALOG, EmptyContextProvider).map_err(|error| failed(error.to_string()))?;
        for function in functions::general() {
            context.register_udf(function);
        }
        let relations = LiveRelations::default();
        let pg_catalog = live::pg_catalog(relations.clone()).map_err(|error| failed(error.to_string()))?;
        Ok(Catalog {
            database,
            rewriter: PostgresCompatibilityParser::new(),
            template: without_checked_arithmetic(context.state()),
            relations,
            pg_catalog,
        })
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
        question: &Question,
        declared: &[Option<DataType>],
    ) -> SqlResult<Description> {
        let (_, plan, _) = self.plan(asker, question).await?;
        let parameters = parameter_types(&plan, declared)?;
        Ok(Description { parameters, columns: Some(question.named(&plan)) })
    }

    /// Runs a query; besides its rows, the run-time parameters that it sets, known once its rows are.
    pub(super) async fn run(
        &self,
        asker: &Asker,
        question: &Question,
        parameters: &[ScalarValue],
    ) -> SqlResult<(Rows, Vec<Assignment>)> {
        let text = question.text.as_str();
        let failed = |error| unplaced(from_datafusion(error, text));
        let (context, plan, assignments) = self.plan(asker, question).await?;
        let values: Vec<ScalarAndMetadata> = parameters.iter().cloned().map(ScalarAndMetadata::from).collect();
        let plan = if values.is_empty() {
            plan
        } else {
            plan.replace_params_with_values(&ParamValues::List(values)).map_err(failed)?
        };
        let schema = question.named(&plan);
        let frame = context.execute_logical_plan(plan).await.map_err(failed)?;
        let target = schema.clone();
        let batches = frame
            .execute_stream()
            .await
            .map_err(failed)?
            .map(move |batch| Ok(RecordBatch::try_new(target.clone(), batch?.columns().to_vec())?));
        if !text.contains("set_config") {
            let stream = RecordBatchStreamAdapter::new(schema.clone(), batches);
            return Ok((Rows::new(schema, Box::pin(stream)), Vec::new()));
        }
        let batches = batches.try_collect().await.map_err(failed)?;
        let assignments = std::mem::take(&mut *assignments.lock().unwrap_or_else(PoisonError::into_inner));
        Ok((Rows::ready(schema, batches), assignments))
    }

    async fn plan(
        &self,
        asker: &Asker,
        question: &Question,
    ) -> SqlResult<(SessionContext, LogicalPlan, Arc<Mutex<Vec<Assignment>>>)> {
        let text = question.text.as_str();
        let failed = |error| unplaced(from_datafusion(error, text));
        let assignments = Arc::new(Mutex::new(Vec::new()));
        let context = self.context(asker, assignments.clone());
        let mut statement = self
            .rewriter
            .parse(text)
            .map_err(|error| SqlError::syntax(error.to_string()))?
            .pop()
            .ok_or_else(|| SqlError::internal("a query that is empty once rewritten"))?;
        rewrite::plannable(&mut statement);
        let statement = ParsedStatement::Statement(Box::new(statement));
        let plan = context.state().statement_to_plan(statement).await.map_err(failed)?;
        Ok((context, plan, assignments))
    }

    /// A context over the relations as they are now.
    fn context(&self, asker: &Asker, assignments: Arc<Mutex<Vec<Assignment>>>) -> SessionContext {
        let live = self.database.context();
        let list = MemoryCatalogProviderList::new();
        if let Some(catalog) = live.catalog(CATALOG) {
            self.relations.show(catalog.clone());
            let overlay = Overlay::new(
                catalog,
                live::completed(self.pg_catalog.clone(), asker.variables.all()),
                information::schema(live.clone()),
            );
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

/// Our rule that checks arithmetic rebuilds expressions without the marks of oid columns, which DataFusion does not allow;
/// catalog queries have no arithmetic to check.
fn without_checked_arithmetic(state: PlanState) -> PlanState {
    let rules =
        state.physical_optimizers().iter().filter(|rule| rule.name() != "checked_arithmetic").cloned().collect();
    SessionStateBuilder::new_from_existing(state).with_physical_optimizer_rules(rules).build()
}

/// Places in a rewritten text mean nothing to the client.
fn unplaced(error: SqlError) -> SqlError {
    SqlError { position: None, ..error }
}
