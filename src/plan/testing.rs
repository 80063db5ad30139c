//! For the tests of this stage: a context with a few relations, and ways through it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as DataFusionStatement;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;

use super::coerce::coerce;
use super::context::session_context;
use super::error::from_datafusion;
use super::now::bind_now;
use super::parse::parse;
use super::statement::StatementKind;
use crate::model::SqlResult;

/// 2026-03-01 12:00:01.500 UTC.
pub(super) const TICK_MS: u64 = 1_772_366_401_500;

/// Tables in SQL, and the query that makes each one's rows.
const RELATIONS: [(&str, &str); 3] = [
    (
        "create table t (id bigint, sku text, qty int, amount numeric(12,2), price double precision, ok boolean, at timestamp,
           seen timestamptz, day date, tags text[], raw bytea)",
        "select column1::bigint, column2::text, column3::int, column4::numeric(12,2), column5::double precision, column6::boolean,
           column7::timestamp, column8::timestamptz, column9::date, column10, column11::bytea
         from (values (1, 'a', 2, 9.99, 0.5, true, '2026-03-01 10:00:00', '2026-03-01 11:59:00+00', '2026-03-01', ['x', 'y'], 'q'),
                      (2, 'b', 0, -1.50, 2.25, false, '2026-03-01 12:30:00', '2026-03-01 12:30:00+00', '2026-03-02', [], 'r'),
                      (3, null, null, null, null, null, null, null, null, null, null))",
    ),
    (
        "create table j (id bigint, doc jsonb)",
        r#"values (1, '{"a": {"b": "x", "n": null}, "qty": 3, "lines": [{"sku": "k", "n": 1}, {"sku": "l", "n": 2.5}], "ok": true}'),
                  (2, '{"a": 7, "lines": []}'), (3, 'no json'), (4, null)"#,
    ),
    ("create table u (id bigint, sku text, qty int)", "values (1, 'a', 10), (4, 'z', 40)"),
];

/// Runs something async; DataFusion wants tokio even for values.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(future)
}

/// A context with the relations in it.
pub(super) fn context() -> SessionContext {
    let context = session_context();
    for (table, rows) in RELATIONS {
        let StatementKind::CreateTable { def, .. } = parse(table).expect("a table").remove(0).kind else {
            panic!("no table")
        };
        let batches = execute(&context, rows).expect("rows");
        let batches = batches.iter().map(|batch| with_schema(batch, &def.schema)).collect();
        let table = MemTable::try_new(Arc::clone(&def.schema), vec![batches]).expect("rows of the table");
        context.register_table(def.name.as_str(), Arc::new(table)).expect("a new name");
    }
    context
}

fn with_schema(batch: &RecordBatch, schema: &SchemaRef) -> RecordBatch {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| arrow::compute::cast(column, field.data_type()).expect("a cast"));
    RecordBatch::try_new(Arc::clone(schema), columns.collect()).expect("a batch")
}

/// The plan of a query, neither bound nor optimised.
pub(super) fn plan(context: &SessionContext, sql: &str) -> SqlResult<LogicalPlan> {
    let StatementKind::Query(query) = parse(sql)?.remove(0).kind else { panic!("no query: {sql}") };
    let statement = DataFusionStatement::Statement(Box::new(SqlStatement::Query(query)));
    wait(context.state().statement_to_plan(statement)).and_then(coerce).map_err(|error| from_datafusion(error, sql))
}

/// The rows of a query at [`TICK_MS`].
pub(super) fn execute(context: &SessionContext, sql: &str) -> SqlResult<Vec<RecordBatch>> {
    let plan = plan(context, sql)?;
    let plan = bind_now(plan, TICK_MS).map_err(|error| from_datafusion(error, sql))?;
    let batches = wait(async { context.execute_logical_plan(plan).await?.collect().await });
    batches.map_err(|error| from_datafusion(error, sql))
}

/// The rows of a query as a table, types in the head; or its error.
pub(super) fn shown(context: &SessionContext, sql: &str) -> String {
    match execute(context, sql) {
        Ok(batches) => {
            let typed = |batch: &RecordBatch| {
                let schema = batch.schema();
                let fields = schema.fields().iter().map(|field| {
                    let name = super::types::postgres_name(field.data_type());
                    field.as_ref().clone().with_name(name)
                });
                let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
                RecordBatch::try_new(schema, batch.columns().to_vec()).expect("the same columns")
            };
            let batches = batches.iter().map(typed).collect::<Vec<_>>();
            let table = pretty_format_batches(&batches).expect("a table").to_string();
            let lines = table.lines().filter(|line| !line.starts_with('+'));
            lines.map(|line| line.trim_matches('|').trim().to_string() + "\n").collect()
        }
        Err(error) => format!("{} {error} at {:?}\n", error.code, error.position),
    }
}
