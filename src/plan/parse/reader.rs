//! A cursor over the tokens of one statement: words, names, lists and options, and the way into sqlparser's own parser.
//! Every error it makes carries a byte offset in the statement's text.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName, Query, SetExpr, Statement as SqlStatement};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::normal::normalize;
use super::{DIALECT, lower_first};
use crate::model::error::code;
use crate::model::{SqlError, SqlResult};
use crate::plan::place::offset_of;

/// How deep expressions and queries may nest.
const NESTING_MAX: usize = 100;
/// A near-by token longer than this is cut in messages, in characters.
const NEAR_MAX: usize = 60;
/// Schemas besides `public`: all of the system's.
const SYSTEM_SCHEMAS: [&str; 3] = ["trueup", "pg_catalog", "information_schema"];

/// Tokens of one statement, and how far they are read.
pub(super) struct Reader<'a> {
    text: &'a str,
    pub(super) parser: Parser<'static>,
}

impl<'a> Reader<'a> {
    /// `tokens` are those of `text`, their places relative to it.
    pub(super) fn new(text: &'a str, tokens: Vec<TokenWithSpan>) -> Self {
        let parser = Parser::new(&DIALECT).with_recursion_limit(NESTING_MAX).with_tokens_with_locations(tokens);
        Reader { text, parser }
    }

    /// Byte offset of the next token; the text's length at its end.
    pub(super) fn here(&self) -> usize {
        offset_of(self.text, self.parser.peek_token_ref().span.start).unwrap_or(self.text.len())
    }

    /// Byte offset of a place in sqlparser's tree.
    pub(super) fn offset_of(&self, location: Location) -> Option<usize> {
        offset_of(self.text, location)
    }

    /// The next token.
    pub(super) fn peek(&self) -> &Token {
        &self.parser.peek_token_ref().token
    }

    /// Whether the next tokens are these unquoted words.
    pub(super) fn at(&self, words: &str) -> bool {
        words.split(' ').enumerate().all(|(nth, word)| is_word(&self.parser.peek_nth_token_ref(nth).token, word))
    }

    /// Reads these unquoted words if they come next.
    pub(super) fn accept(&mut self, words: &str) -> bool {
        let found = self.at(words);
        if found {
            words.split(' ').for_each(|_| self.parser.advance_token());
        }
        found
    }

    /// Reads these unquoted words.
    pub(super) fn expect(&mut self, words: &str) -> SqlResult<()> {
        for word in words.split(' ') {
            if !self.accept(word) {
                return Err(self.unexpected(&words.to_uppercase()));
            }
        }
        Ok(())
    }

    /// Reads this token if it comes next.
    pub(super) fn accept_token(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    /// Reads this token.
    pub(super) fn expect_token(&mut self, token: &Token) -> SqlResult<()> {
        if self.accept_token(token) { Ok(()) } else { Err(self.unexpected(&format!("\"{token}\""))) }
    }

    /// Refuses anything left.
    pub(super) fn finish(&mut self) -> SqlResult<()> {
        if *self.peek() == Token::EOF { Ok(()) } else { Err(self.unexpected("the end of the statement")) }
    }

    /// Whether a query begins here.
    pub(super) fn at_query(&self) -> bool {
        *self.peek() == Token::LParen || ["select", "with", "values", "table"].iter().any(|word| self.at(word))
    }

    /// One query, by sqlparser. Data-modifying bodies are refused.
    pub(super) fn query(&mut self) -> SqlResult<Box<Query>> {
        let start = self.here();
        let mut query = self.parser.parse_query().map_err(|error| self.refused(error))?;
        match query.body.as_ref() {
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                let message = "data-modifying statements inside a query are not supported";
                Err(SqlError::unsupported(message).hint("write INSERT INTO t WITH … SELECT …").at(start))
            }
            _ => {
                normalize(query.as_mut()).map_err(|error| error.at(start))?;
                Ok(query)
            }
        }
    }

    /// One whole statement, by sqlparser.
    pub(super) fn sql_statement(&mut self) -> SqlResult<SqlStatement> {
        self.parser.parse_statement().map_err(|error| self.refused(error))
    }

    /// An error of sqlparser, in PostgreSQL's words.
    pub(super) fn refused(&self, error: ParserError) -> SqlError {
        let message = match error {
            ParserError::RecursionLimitExceeded => {
                return SqlError::new(code::PROGRAM_LIMIT_EXCEEDED, "statement is nested too deeply").at(0);
            }
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        };
        let (message, location) = split_location(&message);
        let expected = message.strip_prefix("Expected: ").and_then(|rest| rest.rsplit_once(", found: "));
        match (expected, location) {
            (Some((expected, _)), location) => {
                self.unexpected_at(location.and_then(|location| self.index_of(location)), expected)
            }
            (None, location) => {
                let position = location.and_then(|location| offset_of(self.text, location));
                SqlError::syntax(lower_first(message)).at(position.unwrap_or(self.here()))
            }
        }
    }

    /// The next token is wrong: `expected` should be there.
    pub(super) fn unexpected(&self, expected: &str) -> SqlError {
        self.unexpected_at(self.index_of(self.parser.peek_token_ref().span.start), expected)
    }

    /// The token of this index (`None`: the end) is wrong.
    fn unexpected_at(&self, index: Option<usize>, expected: &str) -> SqlError {
        let span = index.map(|index| self.parser.token_at(index).span);
        let place = span.and_then(|span| Some((offset_of(self.text, span.start)?, offset_of(self.text, span.end)?)));
        let error = match place {
            Some((start, end)) => {
                let near = self.text[start..end].chars().take(NEAR_MAX).collect::<String>();
                SqlError::syntax(format!("syntax error at or near \"{near}\"")).at(start)
            }
            None => SqlError::syntax("syntax error at end of input").at(self.text.len()),
        };
        error.detail(format!("expected {expected}"))
    }

    /// Index of the token that begins here.
    fn index_of(&self, location: Location) -> Option<usize> {
        (0..)
            .map(|index| (index, self.parser.token_at(index)))
            .take_while(|(_, token)| token.token != Token::EOF)
            .find(|(_, token)| token.span.start == location)
            .map(|(index, _)| index)
    }

    /// A name that stands alone: a column, a cursor. Unquoted: folded to lower case.
    pub(super) fn name(&mut self, what: &str) -> SqlResult<String> {
        match self.peek() {
            Token::Word(word) if word.quote_style.is_some() && word.value.is_empty() => {
                Err(SqlError::syntax("zero-length delimited identifier").at(self.here()))
            }
            Token::Word(word) => {
                let name =
                    if word.quote_style.is_some() { word.value.clone() } else { word.value.to_ascii_lowercase() };
                self.parser.advance_token();
                Ok(name)
            }
            _ => Err(self.unexpected(what)),
        }
    }

    /// The name of a relation, index or sink, as [`StatementKind`](crate::plan::statement::StatementKind) holds them.
    pub(super) fn relation(&mut self, what: &str) -> SqlResult<String> {
        let start = self.here();
        let mut parts = vec![self.name(what)?];
        while self.accept_token(&Token::Period) {
            parts.push(self.name(what)?);
        }
        qualified(parts).map_err(|error| error.at(start))
    }

    /// The name of something about to be made: outside the system's schemas.
    pub(super) fn new_relation(&mut self, what: &str) -> SqlResult<String> {
        let start = self.here();
        let name = self.relation(what)?;
        check_own_schema(&name).map_err(|error| error.at(start))?;
        Ok(name)
    }

    /// `( item, … )`, at least one.
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> SqlResult<T>) -> SqlResult<Vec<T>> {
        self.expect_token(&Token::LParen)?;
        let mut items = vec![item(self)?];
        while self.accept_token(&Token::Comma) {
            items.push(item(self)?);
        }
        if !self.accept_token(&Token::RParen) {
            return Err(self.unexpected("\",\" or \")\""));
        }
        Ok(items)
    }

    /// `( column, … )`, each once.
    pub(super) fn columns(&mut self) -> SqlResult<Vec<String>> {
        let mut seen: Vec<String> = Vec::new();
        self.list(|reader| {
            let start = reader.here();
            let name = reader.name("a column name")?;
            if seen.contains(&name) {
                let message = format!("column \"{name}\" specified more than once");
                return Err(SqlError::new(code::DUPLICATE_COLUMN, message).at(start));
            }
            seen.push(name.clone());
            Ok(name)
        })
    }

    /// `( key = 'value', … )` into `options`; keys in lower case, each once. A key alone is `true`.
    pub(super) fn options(&mut self, options: &mut BTreeMap<String, String>) -> SqlResult<()> {
        self.list(|reader| {
            let start = reader.here();
            let mut key = reader.name("an option's name")?;
            while reader.accept_token(&Token::Period) {
                key = format!("{key}.{}", reader.name("an option's name")?);
            }
            let key = key.to_lowercase();
            let value =
                if reader.accept_token(&Token::Eq) { reader.value("an option's value")? } else { "true".to_string() };
            if options.insert(key.clone(), value).is_some() {
                return Err(SqlError::syntax(format!("option \"{key}\" is given twice")).at(start));
            }
            Ok(())
        })?;
        Ok(())
    }

    /// A literal or a bare word, as text without its quotes.
    pub(super) fn value(&mut self, what: &str) -> SqlResult<String> {
        let sign = if self.accept_token(&Token::Minus) { "-" } else { "" };
        let value = match self.peek() {
            Token::Number(number, _) => format!("{sign}{number}"),
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) if sign.is_empty() => text.clone(),
            Token::DollarQuotedString(text) if sign.is_empty() => text.value.clone(),
            Token::Word(word) if sign.is_empty() => word.value.clone(),
            _ => return Err(self.unexpected(what)),
        };
        self.parser.advance_token();
        Ok(value)
    }
}

/// Whether a token is this unquoted word.
fn is_word(token: &Token, expected: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
}

/// sqlparser appends ` at Line: 1, Column: 2` to a message that has a place.
fn split_location(message: &str) -> (&str, Option<Location>) {
    let parsed = message.rsplit_once(" at Line: ").and_then(|(before, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((before, Location { line: line.parse().ok()?, column: column.parse().ok()? }))
    });
    parsed.map_or((message, None), |(before, location)| (before, Some(location)))
}

/// An identifier as PostgreSQL reads it.
pub(super) fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_ascii_lowercase() }
}

/// A name in sqlparser's tree, as statements hold it.
pub(crate) fn relation_name(name: &ObjectName) -> SqlResult<String> {
    let parts = name.0.iter().map(|part| part.as_ident().map(folded)).collect::<Option<Vec<_>>>();
    qualified(parts.ok_or_else(|| SqlError::syntax(format!("improper relation name: {name}")))?)
}

/// `[[trueup.]schema.]name` with `public` and the database left out.
fn qualified(mut parts: Vec<String>) -> SqlResult<String> {
    if parts.len() == 3 {
        let database = parts.remove(0);
        if database != "trueup" {
            let message = format!("cross-database references are not implemented: \"{database}.{}\"", parts.join("."));
            return Err(SqlError::unsupported(message));
        }
    }
    match parts.as_slice() {
        [name] => Ok(name.clone()),
        [schema, name] if schema == "public" => Ok(name.clone()),
        [schema, name] if SYSTEM_SCHEMAS.contains(&schema.as_str()) => Ok(format!("{schema}.{name}")),
        [schema, _] => Err(SqlError::new(code::INVALID_SCHEMA_NAME, format!("schema \"{schema}\" does not exist"))
            .hint("everything of yours is in the schema \"public\"")),
        _ => Err(SqlError::syntax(format!("improper qualified name (too many dotted names): {}", parts.join(".")))),
    }
}

/// Refuses names in the system's schemas.
pub(super) fn check_own_schema(name: &str) -> SqlResult<()> {
    let is_system =
        SYSTEM_SCHEMAS.iter().any(|schema| name.strip_prefix(schema).is_some_and(|rest| rest.starts_with('.')));
    if is_system {
        let message = format!("permission denied to create \"{name}\"");
        return Err(SqlError::new(code::INSUFFICIENT_PRIVILEGE, message)
            .detail("system catalog modifications are currently disallowed"));
    }
    Ok(())
}
