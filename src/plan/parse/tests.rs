//! What each statement becomes, and where and why wrong ones are refused.

mod ddl;
mod rows;
mod session;

use expect_test::Expect;

use super::*;
use crate::model::TableDef;
use crate::plan::statement::{CursorOf, ExplainOf};
use crate::plan::types::postgres_name;

/// One line per statement; a refusal as `line:column code message`, then its detail and hint.
fn check(sql: &str, expected: Expect) {
    let shown = match parse(sql) {
        Ok(statements) => statements.iter().map(|statement| show(&statement.kind) + "\n").collect(),
        Err(error) => refusal(sql, &error),
    };
    expected.assert_eq(&shown);
}

/// Several texts, one after the other.
fn check_all(texts: &[&str], expected: Expect) {
    let shown = texts.iter().map(|sql| match parse(sql) {
        Ok(statements) => statements.iter().map(|statement| show(&statement.kind) + "\n").collect(),
        Err(error) => format!("{sql}\n  {}", refusal(sql, &error).trim_end().replace('\n', "\n  ") + "\n"),
    });
    expected.assert_eq(&shown.collect::<String>());
}

fn refusal(sql: &str, error: &SqlError) -> String {
    let (line, column) = line_column(sql, error.position.expect("a position"));
    format!("{line}:{column} {} {error}\n", error.code)
}

fn show(kind: &StatementKind) -> String {
    match kind {
        StatementKind::CreateTable { def, if_not_exists } => format!("{} if_not_exists={if_not_exists}", table(def)),
        StatementKind::CreateView { name, columns, query, materialized, or_replace, if_not_exists } => format!(
            "view {name} {columns:?} materialized={materialized} or_replace={or_replace} if_not_exists={if_not_exists} as {query}"
        ),
        StatementKind::Query(query) => format!("query {query}"),
        StatementKind::Insert(statement) => format!("insert: {statement}"),
        StatementKind::Update(statement) => format!("update: {statement}"),
        StatementKind::Delete(statement) => format!("delete: {statement}"),
        StatementKind::Other(statement) => format!("other: {statement}"),
        StatementKind::CopyTo { query, options } => format!("copy to, {query}, {options:?}"),
        StatementKind::Declare { name, of: CursorOf::Query(query), hold } => {
            format!("declare {name} hold={hold} {query}")
        }
        StatementKind::Explain { of: ExplainOf::Query(query), verbose } => format!("explain verbose={verbose} {query}"),
        other => format!("{other:?}"),
    }
    .replace('\u{1f}', "#")
}

fn table(def: &TableDef) -> String {
    let columns = def.schema.fields().iter().map(|field| {
        let not_null = if field.is_nullable() { "" } else { " not null" };
        format!("{} {}{not_null}", field.name(), postgres_name(field.data_type()))
    });
    format!(
        "{} ({}) key={:?} version={:?} {:?} append_only={} {:?}",
        def.name,
        columns.collect::<Vec<_>>().join(", "),
        def.primary_key,
        def.version,
        def.on_conflict,
        def.append_only,
        def.connector,
    )
}
