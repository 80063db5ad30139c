//! Statements about the session: parameters, transactions, cursors' end, `SHOW`, `EXPLAIN`, `FLUSH`.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::Reader;
use crate::model::error::code;
use crate::model::{SqlError, SqlResult};
use crate::plan::statement::{DiscardKind, ExplainOf, ObjectKind, ShowKind, StatementKind, TransactionKind};

/// Reads a session statement; `None`, and nothing read, if none begins here.
pub(super) fn statement(reader: &mut Reader) -> SqlResult<Option<StatementKind>> {
    let kind = if reader.accept("explain") {
        explain(reader)?
    } else if reader.accept("describe") || reader.accept("desc") {
        StatementKind::Describe { relation: reader.relation("a relation's name")? }
    } else if reader.accept("show") {
        StatementKind::Show(show(reader)?)
    } else if reader.accept("set") {
        set(reader)?
    } else if reader.accept("reset") {
        StatementKind::Reset(if reader.accept("all") { None } else { Some(parameter(reader)?) })
    } else if reader.accept("close") {
        StatementKind::Close(name_or_all(reader, "a cursor's name")?)
    } else if reader.accept("deallocate") {
        reader.accept("prepare");
        StatementKind::Deallocate(name_or_all(reader, "a prepared statement's name")?)
    } else if reader.accept("discard") {
        StatementKind::Discard(discard(reader)?)
    } else if reader.accept("flush") {
        StatementKind::Flush
    } else {
        return Ok(transaction(reader)?.map(StatementKind::Transaction));
    };
    Ok(Some(kind))
}

/// A name, or `ALL` (`None`).
fn name_or_all(reader: &mut Reader, what: &str) -> SqlResult<Option<String>> {
    if reader.accept("all") { Ok(None) } else { reader.name(what).map(Some) }
}

fn discard(reader: &mut Reader) -> SqlResult<DiscardKind> {
    let kinds = [
        ("all", DiscardKind::All),
        ("plans", DiscardKind::Plans),
        ("sequences", DiscardKind::Sequences),
        ("temporary", DiscardKind::Temp),
        ("temp", DiscardKind::Temp),
    ];
    let found = kinds.into_iter().find(|(word, _)| reader.accept(word));
    found.map(|(_, kind)| kind).ok_or_else(|| reader.unexpected("ALL, PLANS, SEQUENCES or TEMP"))
}

/// Reads the kind of object a statement names.
pub(super) fn object_kind(reader: &mut Reader) -> Option<ObjectKind> {
    let kinds = [
        ("table", ObjectKind::Table),
        ("source", ObjectKind::Source),
        ("view", ObjectKind::View),
        ("materialized view", ObjectKind::MaterializedView),
        ("index", ObjectKind::Index),
        ("sink", ObjectKind::Sink),
    ];
    kinds.into_iter().find(|(words, _)| reader.accept(words)).map(|(_, kind)| kind)
}

fn explain(reader: &mut Reader) -> SqlResult<StatementKind> {
    let mut verbose = false;
    let start = reader.here();
    if *reader.peek() == Token::LParen && !explains_parenthesized_query(reader) {
        let mut options = BTreeMap::new();
        explain_options(reader, &mut options)?;
        if let Some(option) = options.keys().find(|option| !matches!(option.as_str(), "verbose" | "format" | "costs")) {
            return Err(SqlError::unsupported(format!("EXPLAIN option \"{option}\" is not supported")).at(start));
        }
        if let Some(format) = options.get("format").filter(|format| !format.eq_ignore_ascii_case("text")) {
            return Err(SqlError::unsupported(format!("EXPLAIN format \"{format}\" is not supported")).at(start));
        }
        verbose = options.get("verbose").is_some_and(|value| is_true(value));
    } else if reader.at("analyze") {
        return Err(SqlError::unsupported("EXPLAIN ANALYZE is not supported")
            .hint("a running view's rows and bytes are in trueup.operators")
            .at(start));
    }
    verbose |= reader.accept("verbose");
    if reader.at_query() && !reader.at("table") {
        return Ok(StatementKind::Explain { of: ExplainOf::Query(reader.query()?), verbose });
    }
    if reader.at("create") {
        let start = reader.here();
        reader.accept("create");
        return match super::create::create(reader)? {
            StatementKind::CreateView { query, .. } => {
                Ok(StatementKind::Explain { of: ExplainOf::Query(query), verbose })
            }
            _ => Err(SqlError::unsupported("only queries and views can be explained").at(start)),
        };
    }
    let is_dml = ["insert", "update", "delete"].iter().any(|word| reader.at(word));
    if is_dml {
        return Err(SqlError::unsupported("only queries and views can be explained").at(reader.here()));
    }
    if !reader.accept("materialized view") {
        reader.accept("view");
    }
    Ok(StatementKind::Explain { of: ExplainOf::View(reader.relation("a query or a view's name")?), verbose })
}

/// `EXPLAIN (SELECT …)` rather than `EXPLAIN (VERBOSE) …`.
fn explains_parenthesized_query(reader: &Reader) -> bool {
    let Token::Word(word) = &reader.parser.peek_nth_token_ref(1).token else { return true };
    ["select", "with", "values", "table"].iter().any(|begin| word.value.eq_ignore_ascii_case(begin))
}

/// `EXPLAIN`'s options are written `(name value, …)`, without `=`.
fn explain_options(reader: &mut Reader, options: &mut BTreeMap<String, String>) -> SqlResult<()> {
    reader.list(|reader| {
        let name = reader.name("an option's name")?;
        let has_value = !matches!(reader.peek(), Token::Comma | Token::RParen);
        let value = if has_value { reader.value("an option's value")? } else { "true".to_string() };
        options.insert(name, value);
        Ok(())
    })?;
    Ok(())
}

/// PostgreSQL's words for true.
pub(super) fn is_true(value: &str) -> bool {
    ["true", "on", "yes", "1", "t", "y"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Reads an option's boolean; `position` is the option's.
pub(super) fn boolean(option: &str, value: &str, position: usize) -> SqlResult<bool> {
    let is_false = ["false", "off", "no", "0", "f", "n"].iter().any(|word| value.eq_ignore_ascii_case(word));
    if is_true(value) || is_false {
        return Ok(!is_false);
    }
    let message = format!("{option} requires a Boolean value");
    Err(SqlError::new(code::INVALID_PARAMETER_VALUE, message)
        .hint(format!("write {option} = true or false"))
        .at(position))
}

fn show(reader: &mut Reader) -> SqlResult<ShowKind> {
    let plain = [
        ("tables", ShowKind::Tables),
        ("views", ShowKind::Views),
        ("materialized views", ShowKind::MaterializedViews),
        ("sources", ShowKind::Sources),
        ("sinks", ShowKind::Sinks),
        ("all", ShowKind::All),
        ("transaction isolation level", ShowKind::Variable("transaction_isolation".to_string())),
        ("session authorization", ShowKind::Variable("session_authorization".to_string())),
        ("time zone", ShowKind::Variable("timezone".to_string())),
    ];
    if let Some((_, kind)) = plain.into_iter().find(|(words, _)| reader.accept(words)) {
        return Ok(kind);
    }
    if reader.accept("indexes") || reader.accept("indices") {
        let has_relation = reader.accept("from") || reader.accept("on");
        return Ok(ShowKind::Indexes(if has_relation { Some(reader.relation("a relation's name")?) } else { None }));
    }
    if reader.accept("columns") {
        reader.expect("from")?;
        return reader.relation("a relation's name").map(ShowKind::Columns);
    }
    if reader.accept("create") {
        let kind = object_kind(reader).ok_or_else(|| reader.unexpected("TABLE, SOURCE, VIEW, INDEX or SINK"))?;
        return Ok(ShowKind::Create(kind, reader.relation("a relation's name")?));
    }
    parameter(reader).map(ShowKind::Variable)
}

/// The name of a run-time parameter, in lower case.
fn parameter(reader: &mut Reader) -> SqlResult<String> {
    if reader.accept("time zone") {
        return Ok("timezone".to_string());
    }
    if reader.accept("session authorization") {
        return Ok("session_authorization".to_string());
    }
    let mut name = reader.name("a parameter's name")?;
    while reader.accept_token(&Token::Period) {
        name = format!("{name}.{}", reader.name("a parameter's name")?);
    }
    Ok(name.to_lowercase())
}

fn set(reader: &mut Reader) -> SqlResult<StatementKind> {
    if reader.accept("transaction") || reader.accept("session characteristics as transaction") {
        modes(reader)?;
        return Ok(StatementKind::Transaction(TransactionKind::SetModes));
    }
    let local = reader.accept("local");
    if !local && !reader.at("session authorization") {
        reader.accept("session");
    }
    let (name, needs_equals) = if reader.accept("names") {
        ("client_encoding".to_string(), false)
    } else {
        let is_bare = reader.at("time zone") || reader.at("session authorization") || reader.at("role");
        (parameter(reader)?, !is_bare)
    };
    let has_equals = reader.accept_token(&Token::Eq) || reader.accept("to");
    if needs_equals && !has_equals {
        return Err(reader.unexpected("\"=\" or TO"));
    }
    if reader.accept("default") {
        return Ok(StatementKind::Set { name, value: None, local });
    }
    let mut values = vec![set_value(reader)?];
    while reader.accept_token(&Token::Comma) {
        values.push(set_value(reader)?);
    }
    Ok(StatementKind::Set { name, value: Some(values.join(", ")), local })
}

/// A parameter's value; `INTERVAL '…' HOUR TO MINUTE` (a time zone) is its string.
fn set_value(reader: &mut Reader) -> SqlResult<String> {
    if !reader.accept("interval") {
        return reader.value("a value");
    }
    let value = reader.value("a value")?;
    reader.accept("hour to minute");
    Ok(value)
}

/// Transaction control; `None`, and nothing read, if there is none here.
fn transaction(reader: &mut Reader) -> SqlResult<Option<TransactionKind>> {
    let kind = if reader.accept("start transaction") {
        modes(reader)?;
        TransactionKind::Begin
    } else if reader.accept("begin") {
        work(reader);
        modes(reader)?;
        TransactionKind::Begin
    } else if reader.accept("savepoint") {
        TransactionKind::Savepoint(reader.name("a savepoint's name")?)
    } else if reader.accept("release") {
        reader.accept("savepoint");
        TransactionKind::Release(reader.name("a savepoint's name")?)
    } else if reader.accept("commit") || reader.accept("end") {
        work(reader);
        chain(reader)?;
        TransactionKind::Commit
    } else if reader.accept("rollback") || reader.accept("abort") {
        work(reader);
        if reader.accept("to") {
            reader.accept("savepoint");
            TransactionKind::RollbackTo(reader.name("a savepoint's name")?)
        } else {
            chain(reader)?;
            TransactionKind::Rollback
        }
    } else {
        return Ok(None);
    };
    Ok(Some(kind))
}

/// `WORK` and `TRANSACTION` mean nothing.
fn work(reader: &mut Reader) {
    if !reader.accept("work") {
        reader.accept("transaction");
    }
}

/// `AND NO CHAIN` is the default; `AND CHAIN` is refused.
fn chain(reader: &mut Reader) -> SqlResult<()> {
    let start = reader.here();
    if reader.accept("and chain") {
        return Err(SqlError::unsupported("AND CHAIN is not supported").hint("write BEGIN afterwards").at(start));
    }
    reader.accept("and no chain");
    Ok(())
}

/// Transaction modes, with or without commas.
fn modes(reader: &mut Reader) -> SqlResult<()> {
    const MODES: [&str; 8] = [
        "isolation level serializable",
        "isolation level repeatable read",
        "isolation level read committed",
        "isolation level read uncommitted",
        "read only",
        "read write",
        "deferrable",
        "not deferrable",
    ];
    let mut after_comma = false;
    while after_comma || *reader.peek() != Token::EOF {
        if !MODES.iter().any(|mode| reader.accept(mode)) {
            return Err(reader.unexpected("a transaction mode"));
        }
        after_comma = reader.accept_token(&Token::Comma);
    }
    Ok(())
}
