//! `CREATE` and `DROP`: what is made, and what goes. Tables and sources are in [`super::table`].

use std::collections::{BTreeMap, HashSet};

use datafusion::sql::sqlparser::ast::{CreateTableOptions, CreateView, Ident, SetExpr, Statement as SqlStatement};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::normal::normalize;
use super::reader::{Reader, check_own_schema, relation_name};
use super::{session, table};
use crate::model::error::code;
use crate::model::{SqlError, SqlResult};
use crate::plan::statement::{ObjectKind, StatementKind};

/// Reads what comes after `CREATE`.
pub(super) fn create(reader: &mut Reader) -> SqlResult<StatementKind> {
    let start = reader.here();
    if reader.accept("table") {
        table::create(reader, false)
    } else if reader.accept("source") {
        table::create(reader, true)
    } else if reader.accept("sink") {
        sink(reader)
    } else if reader.accept("index") {
        index(reader)
    } else if reader.at("unique index") {
        Err(SqlError::unsupported("unique indexes are not supported")
            .hint("declare the key with PRIMARY KEY in CREATE TABLE")
            .at(start))
    } else if ["temp", "temporary", "local", "global"].iter().any(|word| reader.at(word)) {
        Err(SqlError::unsupported("temporary relations are not supported").at(start))
    } else if reader.at("or replace table") {
        Err(SqlError::unsupported("CREATE OR REPLACE TABLE is not supported").hint("DROP TABLE first").at(start))
    } else {
        let statement = reader.parser.parse_create().map_err(|error| reader.refused(error))?;
        match statement {
            SqlStatement::CreateView(view) => self::view(reader, view, start),
            other => Ok(StatementKind::Other(Box::new(other))),
        }
    }
}

/// A view as sqlparser read it; `start` is behind `CREATE`.
fn view(reader: &Reader, mut view: CreateView, start: usize) -> SqlResult<StatementKind> {
    let refuse = |what: &str| Err(SqlError::unsupported(format!("{what} is not supported in CREATE VIEW")).at(start));
    let name = relation_name(&view.name)
        .and_then(|name| check_own_schema(&name).map(|()| name))
        .map_err(|error| error.at(reader.offset(view.name.0.first().and_then(|part| part.as_ident()))))?;
    if view.options != CreateTableOptions::None || view.with_no_schema_binding {
        return refuse("WITH");
    }
    if view.secure || view.or_alter || view.copy_grants || view.params.is_some() || view.to.is_some() {
        return refuse("this option");
    }
    if matches!(view.query.body.as_ref(), SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_)) {
        return refuse("a data-modifying statement");
    }
    normalize(view.query.as_mut()).map_err(|error| error.at(start))?;
    let mut columns = Vec::new();
    let mut seen = HashSet::new();
    for column in &view.columns {
        let name = super::reader::folded(&column.name);
        if column.data_type.is_some() || column.options.is_some() {
            return refuse("a column type");
        }
        if !seen.insert(name.clone()) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(SqlError::new(code::DUPLICATE_COLUMN, message).at(reader.offset(Some(&column.name))));
        }
        columns.push(name);
    }
    Ok(StatementKind::CreateView {
        name,
        columns,
        query: view.query,
        materialized: view.materialized,
        or_replace: view.or_replace,
        if_not_exists: view.if_not_exists,
    })
}

fn index(reader: &mut Reader) -> SqlResult<StatementKind> {
    reader.accept("concurrently");
    let if_not_exists = reader.accept("if not exists");
    let name = if !if_not_exists && reader.at("on") { None } else { Some(reader.new_relation("an index's name")?) };
    reader.expect("on")?;
    let relation = reader.relation("a relation's name")?;
    if reader.accept("using") && !reader.accept("btree") && !reader.accept("hash") {
        return Err(SqlError::unsupported("only btree and hash indexes are supported").at(reader.here()));
    }
    let mut columns: Vec<String> = Vec::new();
    reader.list(|reader| {
        let start = reader.here();
        if matches!(reader.peek(), Token::RParen | Token::EOF) {
            return Err(reader.unexpected("a column name"));
        }
        let is_name =
            matches!(reader.peek(), Token::Word(_)) && reader.parser.peek_nth_token_ref(1).token != Token::LParen;
        if !is_name {
            return Err(SqlError::unsupported("indexes on expressions are not supported")
                .hint("compute the expression in a view and index its column")
                .at(start));
        }
        let column = reader.name("a column name")?;
        if !reader.accept("asc") {
            reader.accept("desc");
        }
        if !reader.accept("nulls first") {
            reader.accept("nulls last");
        }
        if columns.contains(&column) {
            let message = format!("column \"{column}\" specified more than once");
            return Err(SqlError::new(code::DUPLICATE_COLUMN, message).at(start));
        }
        columns.push(column);
        Ok(())
    })?;
    let start = reader.here();
    if reader.accept("where") || reader.accept("include") || reader.accept("with") || reader.accept("distributed") {
        return Err(SqlError::unsupported("an index has columns only").hint("index a view that filters").at(start));
    }
    Ok(StatementKind::CreateIndex { name, relation, columns, if_not_exists })
}

fn sink(reader: &mut Reader) -> SqlResult<StatementKind> {
    let if_not_exists = reader.accept("if not exists");
    let name = reader.new_relation("a sink's name")?;
    let start = reader.here();
    if reader.accept("as") {
        return Err(SqlError::unsupported("CREATE SINK … AS is not supported")
            .hint("create a materialized view of the query, then CREATE SINK … FROM it")
            .at(start));
    }
    reader.expect("from")?;
    let from = reader.relation("a relation's name")?;
    let mut options = BTreeMap::new();
    reader.expect("with")?;
    let start = reader.here();
    reader.options(&mut options)?;
    if !options.contains_key("connector") {
        return Err(table::missing_connector(start));
    }
    if reader.accept("format") {
        let format = reader.name("a format")?;
        reader.expect("encode")?;
        let encode = reader.name("an encoding")?;
        options.extend([("format".to_string(), format), ("encode".to_string(), encode)]);
        if *reader.peek() == Token::LParen {
            reader.options(&mut options)?;
        }
    }
    Ok(StatementKind::CreateSink { name, from, options, if_not_exists })
}

/// Reads what comes after `DROP`.
pub(super) fn drop(reader: &mut Reader) -> SqlResult<StatementKind> {
    let Some(kind) = session::object_kind(reader) else {
        let statement = reader.parser.parse_drop().map_err(|error| reader.refused(error))?;
        return Ok(StatementKind::Other(Box::new(statement)));
    };
    if kind == ObjectKind::Index {
        reader.accept("concurrently");
    }
    let if_exists = reader.accept("if exists");
    let mut names = vec![reader.relation("a name")?];
    while reader.accept_token(&Token::Comma) {
        names.push(reader.relation("a name")?);
    }
    let cascade = reader.accept("cascade");
    if !cascade {
        reader.accept("restrict");
    }
    Ok(StatementKind::Drop { kind, names, if_exists, cascade })
}

impl Reader<'_> {
    /// Where an identifier of sqlparser's tree stands; the statement's start if unknown.
    fn offset(&self, ident: Option<&Ident>) -> usize {
        ident.and_then(|ident| self.offset_of(ident.span.start)).unwrap_or(0)
    }
}
