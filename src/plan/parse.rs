//! SQL text to [`Statement`]s. PostgreSQL's own grammar is sqlparser's business; the streaming statements, which sqlparser does
//! not know, are read here from its tokens, and so are the session statements, to have them in one shape.
//!
//! Guarantees: a refused text names the byte offset in the input, and whole statements are parsed before any is returned.
//! Not checked here: that relations, columns of relations and functions exist.

mod copy;
mod create;
mod normal;
mod reader;
mod session;
mod table;
#[cfg(test)]
mod tests;
mod using;

use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

pub use self::normal::output_name;
use self::reader::Reader;
pub(crate) use self::table::SYSTEM_COLUMNS;
pub use super::place::line_column;
use super::place::offset_of;
use super::statement::{Statement, StatementKind};
use crate::model::{SqlError, SqlResult};

/// The one dialect of everything that reads SQL here.
pub(crate) static DIALECT: PostgreSqlDialect = PostgreSqlDialect {};

/// Parses statements separated by semicolons. An error's `position` is a byte offset in `sql`.
pub fn parse(sql: &str) -> SqlResult<Vec<Statement>> {
    let tokens = Tokenizer::new(&DIALECT, sql).tokenize_with_location().map_err(|error| {
        let position = offset_of(sql, error.location).unwrap_or(sql.len());
        SqlError::syntax(untokenized(&error.message)).at(position)
    })?;
    tokens
        .split(|token| token.token == Token::SemiColon)
        .filter_map(|tokens| trim(tokens))
        .map(|tokens| parse_one(sql, tokens))
        .collect()
}

/// What the tokenizer stumbled over, in PostgreSQL's words.
fn untokenized(message: &str) -> String {
    if message.contains("close delimiter") {
        "unterminated quoted identifier".to_string()
    } else if message.contains("multi-line comment") {
        "unterminated /* comment".to_string()
    } else {
        lower_first(message)
    }
}

/// `tokens` without space and comments at both ends; `None` if nothing is left.
fn trim(tokens: &[TokenWithSpan]) -> Option<&[TokenWithSpan]> {
    let is_content = |token: &TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
    let first = tokens.iter().position(is_content)?;
    let last = tokens.iter().rposition(is_content)?;
    Some(&tokens[first..=last])
}

/// Parses the tokens of one statement. `tokens` is not empty.
fn parse_one(sql: &str, tokens: &[TokenWithSpan]) -> SqlResult<Statement> {
    let (start, end) = (tokens[0].span.start, tokens[tokens.len() - 1].span.end);
    let offset = offset_of(sql, start).unwrap_or(0);
    let text = &sql[offset..offset_of(sql, end).unwrap_or(sql.len())];
    let tokens = tokens.iter().map(|token| relative_to(token, start)).collect();
    let mut reader = Reader::new(text, tokens);
    let kind = statement(&mut reader).map_err(|error| {
        let position = error.position.unwrap_or(0) + offset;
        error.at(position)
    })?;
    Ok(Statement { kind, text: text.to_string(), offset })
}

/// A token of the input with its place counted from the start of its statement.
fn relative_to(token: &TokenWithSpan, start: Location) -> TokenWithSpan {
    let shift = |location: Location| Location {
        line: location.line + 1 - start.line,
        column: if location.line == start.line { location.column + 1 - start.column } else { location.column },
    };
    TokenWithSpan::at(token.token.clone(), shift(token.span.start), shift(token.span.end))
}

/// Reads one whole statement.
fn statement(reader: &mut Reader) -> SqlResult<StatementKind> {
    let kind = if reader.at_query() {
        StatementKind::Query(reader.query()?)
    } else if reader.accept("create") {
        create::create(reader)?
    } else if reader.accept("drop") {
        create::drop(reader)?
    } else if reader.accept("copy") {
        copy::copy(reader)?
    } else if reader.accept("subscribe") {
        StatementKind::Subscribe(copy::subscribe(reader)?)
    } else if reader.accept("declare") {
        copy::declare(reader)?
    } else if reader.accept("fetch") {
        copy::fetch(reader)?
    } else if let Some(kind) = session::statement(reader)? {
        kind
    } else {
        by_sqlparser(reader)?
    };
    reader.finish()?;
    Ok(kind)
}

/// Whatever sqlparser reads: DML, and what this server does not do.
fn by_sqlparser(reader: &mut Reader) -> SqlResult<StatementKind> {
    let start = reader.here();
    let mut statement = Box::new(reader.sql_statement()?);
    normal::normalize(statement.as_mut()).map_err(|error| error.at(start))?;
    Ok(match statement.as_ref() {
        SqlStatement::Insert(_) => StatementKind::Insert(statement),
        SqlStatement::Update(_) => StatementKind::Update(statement),
        SqlStatement::Delete(_) => StatementKind::Delete(statement),
        _ => StatementKind::Other(statement),
    })
}

/// PostgreSQL begins its messages in lower case.
fn lower_first(message: &str) -> String {
    let mut characters = message.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}
