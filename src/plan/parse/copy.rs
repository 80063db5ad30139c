//! `COPY`, `SUBSCRIBE`, `DECLARE` and `FETCH`: rows in and out in bulk, and without end.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::Query;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::DIALECT;
use super::reader::Reader;
use super::session::boolean;
use crate::model::error::code;
use crate::model::{SqlError, SqlResult};
use crate::plan::statement::{CopyFormat, CopyOptions, CursorOf, StatementKind, Subscribe};

/// Reads what comes after `COPY`.
pub(super) fn copy(reader: &mut Reader) -> SqlResult<StatementKind> {
    if reader.accept_token(&Token::LParen) {
        if reader.accept("subscribe") {
            let subscribe = subscribe(reader)?;
            reader.expect_token(&Token::RParen)?;
            to_stdout(reader)?;
            return Ok(StatementKind::CopySubscribe { subscribe, options: options(reader)? });
        }
        let query = reader.query()?;
        reader.expect_token(&Token::RParen)?;
        to_stdout(reader)?;
        return Ok(StatementKind::CopyTo { query, options: options(reader)? });
    }
    let table = reader.relation("a table's name")?;
    let columns = if *reader.peek() == Token::LParen { reader.columns()? } else { Vec::new() };
    if reader.at("to") {
        to_stdout(reader)?;
        return Ok(StatementKind::CopyTo { query: select(&columns, &table)?, options: options(reader)? });
    }
    if !reader.accept("from") {
        return Err(reader.unexpected("FROM or TO"));
    }
    endpoint(reader, "stdin", "\\copy … FROM 'file' in psql, or CREATE TABLE … WITH (connector = 'file')")?;
    Ok(StatementKind::CopyFrom { table, columns, options: options(reader)? })
}

fn to_stdout(reader: &mut Reader) -> SqlResult<()> {
    reader.expect("to")?;
    endpoint(reader, "stdout", "\\copy … TO 'file' in psql")
}

/// `STDIN` or `STDOUT`; files and programs of the server's machine are refused.
fn endpoint(reader: &mut Reader, word: &str, instead: &str) -> SqlResult<()> {
    if matches!(reader.peek(), Token::SingleQuotedString(_)) || reader.at("program") {
        return Err(SqlError::unsupported("COPY with files or programs of the server is not supported")
            .hint(format!("use {instead}"))
            .at(reader.here()));
    }
    reader.expect(word)
}

/// `SELECT columns FROM table`, for `COPY table TO STDOUT`.
fn select(columns: &[String], relation: &str) -> SqlResult<Box<Query>> {
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let columns = columns.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ");
    let relation = relation.splitn(2, '.').map(quote).collect::<Vec<_>>().join(".");
    let sql = format!("SELECT {} FROM {relation}", if columns.is_empty() { "*" } else { &columns });
    let parsed = Parser::new(&DIALECT).try_with_sql(&sql).and_then(|mut parser| parser.parse_query());
    parsed.map_err(|error| SqlError::internal(format!("cannot read own query {sql}: {error}")))
}

/// Both of PostgreSQL's notations: `WITH (FORMAT csv, HEADER true, …)` and the older `CSV HEADER DELIMITER ','`.
fn options(reader: &mut Reader) -> SqlResult<CopyOptions> {
    reader.accept("with");
    let mut given = Given::default();
    if reader.accept_token(&Token::LParen) {
        loop {
            let start = reader.here();
            let name = reader.name("an option of COPY")?;
            let has_value = !matches!(reader.peek(), Token::Comma | Token::RParen);
            let value = if has_value { reader.value("an option's value")? } else { "true".to_string() };
            given.take(&name, &value, start)?;
            if !reader.accept_token(&Token::Comma) {
                break;
            }
        }
        reader.expect_token(&Token::RParen)?;
        return given.finish();
    }
    while *reader.peek() != Token::EOF {
        let start = reader.here();
        if reader.accept("csv") {
            given.take("format", "csv", start)?;
        } else if reader.accept("binary") {
            given.take("format", "binary", start)?;
        } else if reader.accept("header") {
            given.take("header", "true", start)?;
        } else {
            let known =
                ["delimiter", "null", "quote", "escape", "encoding"].into_iter().find(|word| reader.accept(word));
            let name = known.ok_or_else(|| reader.unexpected("an option of COPY"))?;
            reader.accept("as");
            let value = reader.value("a string")?;
            given.take(name, &value, start)?;
        }
    }
    given.finish()
}

/// Options of `COPY` as they come, in any order.
#[derive(Default)]
struct Given {
    format: Option<CopyFormat>,
    header: Option<(bool, usize)>,
    delimiter: Option<(u8, usize)>,
    null: Option<String>,
}

impl Given {
    fn take(&mut self, name: &str, value: &str, position: usize) -> SqlResult<()> {
        let invalid = |message: String| Err(SqlError::new(code::INVALID_PARAMETER_VALUE, message).at(position));
        let already = match name {
            "format" => match value.to_ascii_lowercase().as_str() {
                "text" => self.format.replace(CopyFormat::Text).is_some(),
                "csv" => self.format.replace(CopyFormat::Csv).is_some(),
                "binary" => {
                    return Err(SqlError::unsupported("COPY in binary format is not supported")
                        .hint("use FORMAT text or FORMAT csv")
                        .at(position));
                }
                other => return invalid(format!("COPY format \"{other}\" not recognized")),
            },
            "header" if value.eq_ignore_ascii_case("match") => self.header.replace((true, position)).is_some(),
            "header" => self.header.replace((boolean("header", value, position)?, position)).is_some(),
            "delimiter" => match value.as_bytes() {
                [b'\n' | b'\r'] => return invalid("COPY delimiter cannot be newline or carriage return".to_string()),
                [byte] => self.delimiter.replace((*byte, position)).is_some(),
                _ => return invalid("COPY delimiter must be a single one-byte character".to_string()),
            },
            "null" => self.null.replace(value.to_string()).is_some(),
            "quote" | "escape" if value == "\"" => false,
            "encoding" if ["utf8", "utf-8", "unicode"].iter().any(|utf8| value.eq_ignore_ascii_case(utf8)) => false,
            "freeze" if !boolean("freeze", value, position)? => false,
            _ => {
                return Err(
                    SqlError::unsupported(format!("COPY option \"{name}\" = '{value}' is not supported")).at(position)
                );
            }
        };
        if already {
            return Err(SqlError::syntax("conflicting or redundant options").at(position));
        }
        Ok(())
    }

    fn finish(self) -> SqlResult<CopyOptions> {
        let mut options = CopyOptions::of(self.format.unwrap_or(CopyFormat::Text));
        if let Some((header, _)) = self.header {
            options.header = header;
        }
        if let Some((delimiter, position)) = self.delimiter {
            let is_special = delimiter.is_ascii_alphanumeric() || b"\\.".contains(&delimiter);
            if options.format == CopyFormat::Text && is_special || delimiter == b'"' {
                let message = format!("COPY delimiter cannot be \"{}\"", char::from(delimiter));
                return Err(SqlError::new(code::INVALID_PARAMETER_VALUE, message).at(position));
            }
            options.delimiter = delimiter;
        }
        options.null = self.null.unwrap_or(options.null);
        Ok(options)
    }
}

/// Reads what comes after `SUBSCRIBE`.
pub(super) fn subscribe(reader: &mut Reader) -> SqlResult<Subscribe> {
    reader.accept("to");
    if reader.at_query() {
        return Err(SqlError::unsupported("SUBSCRIBE to a query is not supported")
            .hint("create a materialized view of the query and subscribe to it")
            .at(reader.here()));
    }
    let mut subscribe = Subscribe { relation: reader.relation("a relation's name")?, snapshot: true, progress: false };
    let start = reader.here();
    if reader.accept("as of") || reader.accept("up to") {
        return Err(SqlError::unsupported("SUBSCRIBE at a given time is not supported").at(start));
    }
    if reader.accept("with") {
        let has_parenthesis = reader.accept_token(&Token::LParen);
        loop {
            let start = reader.here();
            let name = reader.name("snapshot or progress")?;
            let has_value = reader.accept_token(&Token::Eq);
            let value = if has_value { reader.value("true or false")? } else { "true".to_string() };
            match name.as_str() {
                "snapshot" => subscribe.snapshot = boolean(&name, &value, start)?,
                "progress" => subscribe.progress = boolean(&name, &value, start)?,
                _ => {
                    return Err(SqlError::syntax(format!("unrecognized SUBSCRIBE option \"{name}\""))
                        .hint("the options are snapshot and progress")
                        .at(start));
                }
            }
            if !reader.accept_token(&Token::Comma) {
                break;
            }
        }
        if has_parenthesis {
            reader.expect_token(&Token::RParen)?;
        }
    }
    Ok(subscribe)
}

/// Reads what comes after `DECLARE`.
pub(super) fn declare(reader: &mut Reader) -> SqlResult<StatementKind> {
    let name = reader.name("a cursor's name")?;
    while !reader.accept("cursor") {
        let start = reader.here();
        if reader.accept("binary") || reader.accept("scroll") {
            return Err(SqlError::unsupported("only forward cursors with text or requested formats are supported")
                .hint("leave out BINARY and SCROLL")
                .at(start));
        }
        if !(reader.accept("no scroll") || reader.accept("insensitive") || reader.accept("asensitive")) {
            return Err(reader.unexpected("CURSOR"));
        }
    }
    let hold = reader.accept("with hold");
    if !hold {
        reader.accept("without hold");
    }
    reader.expect("for")?;
    let of = if reader.accept("subscribe") {
        CursorOf::Subscribe(subscribe(reader)?)
    } else if reader.at_query() {
        CursorOf::Query(reader.query()?)
    } else {
        return Err(reader.unexpected("a query or SUBSCRIBE"));
    };
    Ok(StatementKind::Declare { name, of, hold })
}

/// Reads what comes after `FETCH`.
pub(super) fn fetch(reader: &mut Reader) -> SqlResult<StatementKind> {
    let start = reader.here();
    let backward = ["backward", "prior", "first", "last", "absolute", "relative"];
    let names_cursor = matches!(reader.parser.peek_nth_token_ref(1).token, Token::EOF);
    if !names_cursor && (*reader.peek() == Token::Minus || backward.iter().any(|word| reader.at(word))) {
        return Err(SqlError::new("55000", "cursor can only scan forward").at(start));
    }
    if !names_cursor {
        reader.accept("forward");
    }
    let count = if let Token::Number(number, _) = reader.peek() {
        let count =
            number.parse().map_err(|_| SqlError::syntax(format!("\"{number}\" is no number of rows")).at(start))?;
        reader.parser.advance_token();
        Some(count)
    } else if !names_cursor && reader.accept("all") {
        None
    } else {
        if !names_cursor {
            reader.accept("next");
        }
        Some(1)
    };
    if !reader.accept("from") {
        reader.accept("in");
    }
    let name = reader.name("a cursor's name")?;
    let mut timeout_ms = None;
    if reader.accept("with") {
        let start = reader.here();
        let mut options = BTreeMap::new();
        reader.options(&mut options)?;
        timeout_ms = options.remove("timeout").map(|text| milliseconds(&text, start)).transpose()?;
        if let Some(other) = options.keys().next() {
            let message = format!("unrecognized FETCH option \"{other}\"");
            return Err(SqlError::syntax(message).hint("the only option is timeout").at(start));
        }
    }
    Ok(StatementKind::Fetch { name, count, timeout_ms })
}

/// A duration such as `'1s'`, `'250 ms'`, `'2 minutes'`; a bare number is milliseconds, as in PostgreSQL's settings.
fn milliseconds(text: &str, position: usize) -> SqlResult<u64> {
    let text = text.trim();
    let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "ms" | "millisecond" | "milliseconds" => 1.0,
        "s" | "sec" | "second" | "seconds" => 1e3,
        "m" | "min" | "minute" | "minutes" => 60e3,
        "h" | "hour" | "hours" => 3600e3,
        _ => f64::NAN,
    };
    let value = number.parse::<f64>().unwrap_or(f64::NAN) * factor;
    if !(0.0..=1e12).contains(&value) {
        let message = format!("invalid value for option timeout: \"{text}\"");
        return Err(SqlError::new(code::INVALID_PARAMETER_VALUE, message)
            .hint("write '500ms', '1s' or '2min'")
            .at(position));
    }
    Ok(value as u64)
}
