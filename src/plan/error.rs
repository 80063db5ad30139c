//! DataFusion's refusals in PostgreSQL's terms: SQLSTATE, wording, hint, and the place in the statement.
//!
//! The place comes from DataFusion's own diagnostics and spans where it has them, else from the first occurrence of the name at
//! fault. Wording is PostgreSQL's where DataFusion's error is understood; where not, DataFusion's text stands, under the SQLSTATE
//! of its kind. A [`SqlError`] carried through DataFusion comes out as it went in.

use std::str::FromStr;

use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion::common::utils::datafusion_strsim::levenshtein;
use datafusion::common::{Column, DataFusionError, SchemaError, Span};
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::Location;

use super::context::{CATALOG, SCHEMA};
use super::place::{find_identifier, offset_of};
use super::types::postgres_name;
use crate::model::SqlError;
use crate::model::error::code;

/// Two relations, or two WITH queries, of one name in a query.
const DUPLICATE_ALIAS: &str = "42712";

/// The same error for a user. `sql` is the text the error's spans count in ([`Statement::text`](super::statement::Statement)).
pub fn from_datafusion(error: DataFusionError, sql: &str) -> SqlError {
    translate(&error, sql, None)
}

/// Unwraps context, diagnostics and sharing; `place` is the innermost diagnostic's so far.
fn translate(error: &DataFusionError, sql: &str, place: Option<usize>) -> SqlError {
    match error {
        DataFusionError::Context(_, inner) => translate(inner, sql, place),
        DataFusionError::Shared(inner) => translate(inner, sql, place),
        DataFusionError::Diagnostic(diagnostic, inner) => {
            translate(inner, sql, diagnostic.span.and_then(|span| span_offset(sql, span)).or(place))
        }
        DataFusionError::Collection(errors) if !errors.is_empty() => translate(&errors[0], sql, place),
        DataFusionError::External(inner) => {
            if let Some(inner) = inner.downcast_ref::<SqlError>() {
                let named = || find_identifier(sql, between(&inner.message, "\"", "\"")?);
                let position = inner.position.or(place).or_else(named);
                return SqlError { position, ..inner.clone() };
            }
            if let Some(inner) = inner.downcast_ref::<DataFusionError>() {
                return translate(inner, sql, place);
            }
            if let Some(inner) = inner.downcast_ref::<ArrowError>() {
                return at_literal(arrow(inner), sql);
            }
            match inner.to_string() {
                message if message.starts_with("regex parse error") => execution(&message),
                message => SqlError::internal(message),
            }
        }
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            ArrowError::ExternalError(external) => match external.downcast_ref::<DataFusionError>() {
                Some(inner) => translate(inner, sql, place),
                None => at_literal(arrow(inner), sql),
            },
            inner => at_literal(arrow(inner), sql),
        },
        leaf => placed(leaf_error(leaf), sql, place),
    }
}

/// An error and the identifier at fault, if one is known.
type Named = (SqlError, Option<(String, Option<Span>)>);

fn placed((error, named): Named, sql: &str, place: Option<usize>) -> SqlError {
    let (identifier, span) = named.unzip();
    let spanned = span.flatten().and_then(|span| span_offset(sql, span));
    let position = place.or(spanned).or_else(|| identifier.and_then(|name| find_identifier(sql, &name)));
    SqlError { position: error.position.or(position), ..error }
}

fn span_offset(sql: &str, span: Span) -> Option<usize> {
    offset_of(sql, Location { line: span.start.line, column: span.start.column })
}

fn leaf_error(error: &DataFusionError) -> Named {
    match error {
        DataFusionError::SchemaError(inner, _) => schema(inner),
        DataFusionError::Plan(message) => plan(first_line(message)),
        DataFusionError::Execution(message) => (execution(first_line(message)), None),
        DataFusionError::NotImplemented(message) => (unsupported(first_line(message)), None),
        DataFusionError::SQL(inner, _) => {
            let message = match inner.as_ref() {
                ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
                ParserError::RecursionLimitExceeded => "statement is nested too deeply",
            };
            (SqlError::syntax(lower_first(message)), None)
        }
        DataFusionError::ResourcesExhausted(message) => {
            (SqlError::new(code::PROGRAM_LIMIT_EXCEEDED, lower_first(first_line(message))), None)
        }
        DataFusionError::Configuration(message) => {
            (SqlError::new(code::INVALID_PARAMETER_VALUE, lower_first(first_line(message))), None)
        }
        DataFusionError::IoError(inner) => (SqlError::new(code::IO_ERROR, inner.to_string()), None),
        other => (SqlError::internal(other.strip_backtrace()), None),
    }
}

/// Not done, in words that do not name DataFusion's inner types.
fn unsupported(message: &str) -> SqlError {
    let subqueries = ["Exists(", "InSubquery(", "ScalarSubquery(", "SetComparison(", "OuterReferenceColumn("];
    match between(message, "hysical plan does not support logical expression ", "") {
        Some(rest) if subqueries.iter().any(|kind| rest.starts_with(kind)) => {
            SqlError::unsupported("a subquery of this form is not supported here")
                .hint("write it as a join, or move EXISTS and IN into WHERE")
        }
        _ if message.contains("Conflicting ordering requirements") => {
            SqlError::unsupported("aggregates with different ORDER BY in one SELECT are not supported")
                .hint("aggregate each in a subquery of its own and join them")
        }
        _ => SqlError::unsupported(lower_first(message)),
    }
}

fn schema(error: &SchemaError) -> Named {
    let duplicate = |name: &str| {
        let error = SqlError::new(code::DUPLICATE_COLUMN, format!("column \"{name}\" specified more than once"));
        (error.hint("give each column its own name with AS"), Some((name.to_string(), None)))
    };
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            (undefined_column(field, valid_fields), Some((field.name.clone(), field.spans.first())))
        }
        SchemaError::AmbiguousReference { field } => {
            let message = format!("column reference \"{}\" is ambiguous", field.name);
            let error =
                SqlError::new(code::AMBIGUOUS_COLUMN, message).hint("write the relation before it: relation.column");
            (error, Some((field.name.clone(), field.spans.first())))
        }
        SchemaError::DuplicateUnqualifiedField { name } => duplicate(name),
        SchemaError::DuplicateQualifiedField { qualifier, .. } => {
            let name = qualifier.table();
            let error = SqlError::new(DUPLICATE_ALIAS, format!("table name \"{name}\" specified more than once"));
            (error.hint("give each table its own alias"), Some((name.to_string(), None)))
        }
    }
}

fn undefined_column(field: &Column, valid_fields: &[Column]) -> SqlError {
    let relation = field.relation.as_ref().map(|relation| relation.table());
    let is_of = |valid: &Column| valid.relation.as_ref().map(|relation| relation.table()) == relation;
    if let Some(relation) = relation.filter(|_| !valid_fields.is_empty() && !valid_fields.iter().any(is_of)) {
        let message = format!("missing FROM-clause entry for table \"{relation}\"");
        return SqlError::new(code::UNDEFINED_TABLE, message);
    }
    let message = match relation {
        Some(relation) => format!("column {relation}.{} does not exist", field.name),
        None => format!("column \"{}\" does not exist", field.name),
    };
    let error = SqlError::new(code::UNDEFINED_COLUMN, message);
    let distance = |valid: &&Column| levenshtein(&valid.name.to_lowercase(), &field.name.to_lowercase());
    let longest_distance = field.name.chars().count().div_ceil(2);
    match valid_fields.iter().min_by_key(distance).filter(|nearest| distance(nearest) <= longest_distance) {
        Some(nearest) => {
            let name = quoted_if_needed(&nearest.name);
            let name =
                nearest.relation.as_ref().map_or(name.clone(), |relation| format!("{}.{name}", relation.table()));
            error.hint(format!("did you mean {name}?"))
        }
        None if valid_fields.is_empty() => error,
        None => {
            let names = valid_fields.iter().map(|valid| valid.name.as_str()).collect::<Vec<_>>().join(", ");
            error.hint(format!("there are {names}"))
        }
    }
}

/// A name as one has to write it.
fn quoted_if_needed(name: &str) -> String {
    let is_plain = |character: char| character.is_lowercase() || character.is_ascii_digit() || "_$".contains(character);
    let is_quoted = name.starts_with(|first: char| first.is_ascii_digit()) || !name.chars().all(is_plain);
    if is_quoted { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_string() }
}

/// Messages of the planner, by their text: DataFusion has no kinds for them.
fn plan(message: &str) -> Named {
    if let Some(name) = between(message, "table function '", "' not found") {
        return undefined_function(name, None);
    }
    if let Some(name) = between(message, "table '", "' not found") {
        let name = name.strip_prefix(CATALOG).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
        let name = name.strip_prefix(SCHEMA).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
        let error = SqlError::new(code::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"));
        return (error, Some((name.rsplit('.').next().unwrap_or(name).to_string(), None)));
    }
    if let Some(name) = between(message, "Invalid function '", "'") {
        return undefined_function(name, between(message, "Did you mean '", "'"));
    }
    if let Some(name) = between(message, "Failed to coerce arguments to satisfy a call to '", "'")
        .or_else(|| between(message, "Function '", "'"))
    {
        return wrong_arguments(name, message);
    }
    if message.contains("logical boolean operation") {
        return (SqlError::new(code::DATATYPE_MISMATCH, "argument of AND, OR and NOT must be type boolean"), None);
    }
    if let Some(operation) = operator(message) {
        let error = SqlError::new(code::UNDEFINED_FUNCTION, format!("operator does not exist: {operation}"));
        return (error.hint("you might need to add explicit type casts"), None);
    }
    if let Some(expression) = between(message, "must be in GROUP BY or an aggregate function: ", "")
        .map(|rest| between(rest, "\"", "\"").unwrap_or(rest))
    {
        let message =
            format!("column \"{expression}\" must appear in the GROUP BY clause or be used in an aggregate function");
        let column = expression.rsplit('.').next().unwrap_or(expression).to_string();
        return (SqlError::new(code::GROUPING_ERROR, message), Some((column, None)));
    }
    (planning_error(message), None)
}

/// A function called with arguments it has no form for; DataFusion may or may not say of which types they were.
fn wrong_arguments(name: &str, message: &str) -> Named {
    let call = between(message, "argument types '", "'").and_then(|call| between(call, "(", "")).map(|types| {
        let types = types.trim_end_matches(')').split(", ").map(type_name).collect::<Vec<_>>().join(", ");
        format!("function {name}({types}) does not exist")
    });
    let message = call.unwrap_or_else(|| format!("function {name} does not take these arguments"));
    let hint = "no function matches the given name and argument types; you might need to add explicit type casts";
    (SqlError::new(code::UNDEFINED_FUNCTION, message).hint(hint), Some((name.to_string(), None)))
}

/// PostgreSQL's name of an Arrow type's name, without digits and scale; the name itself if it is none.
fn type_name(arrow_name: &str) -> String {
    let name = DataType::from_str(arrow_name).map_or_else(|_| arrow_name.to_string(), |found| postgres_name(&found));
    name.split('(').next().unwrap_or(&name).to_string()
}

fn undefined_function(name: &str, nearest: Option<&str>) -> Named {
    let error = SqlError::new(code::UNDEFINED_FUNCTION, format!("function {name} does not exist"));
    let error = match nearest {
        Some(nearest) => error.hint(format!("did you mean {nearest}?")),
        None => error,
    };
    (error, Some((name.to_string(), None)))
}

/// The rest of the planner's messages: SQLSTATE by a word they have, text as it is unless PostgreSQL's is better.
fn planning_error(message: &str) -> SqlError {
    const INDETERMINATE_DATATYPE: &str = "42P18";
    const INVALID_COLUMN_REFERENCE: &str = "42P10";
    const WINDOWING_ERROR: &str = "42P20";
    const DISTINCT_ORDER: &str = "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
    if let Some(operator) = message.strip_suffix(" queries have different number of columns") {
        return SqlError::syntax(format!("each {operator} query must have the same number of columns"));
    }
    let known = [
        ("Order by column out of bounds", INVALID_COLUMN_REFERENCE, Some("ORDER BY position is not in select list")),
        ("GROUP BY", code::GROUPING_ERROR, None),
        ("not allowed in the WHERE", code::GROUPING_ERROR, Some("aggregate functions are not allowed in WHERE")),
        (
            "Aggregate function calls cannot be nested",
            code::GROUPING_ERROR,
            Some("aggregate function calls cannot be nested"),
        ),
        ("Window function calls cannot be nested", WINDOWING_ERROR, Some("window function calls cannot be nested")),
        (
            "require unique expression names",
            code::DUPLICATE_COLUMN,
            Some("two columns of the result have the same name"),
        ),
        (
            "different number of columns",
            code::SYNTAX_ERROR,
            Some("each UNION query must have the same number of columns"),
        ),
        ("only return one column", code::SYNTAX_ERROR, Some("subquery must return only one column")),
        ("specified more than once", DUPLICATE_ALIAS, None),
        ("DISTINCT ON", INVALID_COLUMN_REFERENCE, None),
        ("SELECT DISTINCT, ORDER BY", INVALID_COLUMN_REFERENCE, Some(DISTINCT_ORDER)),
        ("Placeholder", INDETERMINATE_DATATYPE, None),
        ("placeholder", INDETERMINATE_DATATYPE, None),
        ("schema", code::INVALID_SCHEMA_NAME, None),
    ];
    match known.into_iter().find(|(part, _, _)| message.contains(part)) {
        Some((_, code, instead)) => {
            let error = SqlError::new(code, instead.map_or_else(|| lower_first(message), str::to_string));
            if code == code::DUPLICATE_COLUMN { error.hint("give each column its own name with AS") } else { error }
        }
        None => SqlError::syntax(lower_first(message)),
    }
}

/// `text = bigint`, of a message about an operator and two types.
fn operator(message: &str) -> Option<String> {
    let operation = ["comparison operation ", "boolean operation ", "regex operation ", " for operation "]
        .iter()
        .filter(|_| message.starts_with("Cannot infer common argument type"))
        .find_map(|prefix| between(message, prefix, ""))
        .or_else(|| between(message, "Cannot coerce arithmetic expression ", " to valid types"))?;
    let words = operation.split(' ').collect::<Vec<_>>();
    let is_operator = |word: &&str| word.chars().all(|character| "=<>!+-*/%|&^#~".contains(character));
    let at = words.iter().position(is_operator)?;
    Some(format!("{} {} {}", type_name(&words[..at].join(" ")), words[at], type_name(&words[at + 1..].join(" "))))
}

/// Messages of running expressions.
fn execution(message: &str) -> SqlError {
    const CARDINALITY_VIOLATION: &str = "21000";
    const INVALID_REGULAR_EXPRESSION: &str = "2201B";
    const UNDEFINED_PARAMETER: &str = "42P02";
    let lower = message.to_lowercase();
    if lower.contains("divide by zero") || lower.contains("division by zero") {
        SqlError::new(code::DIVISION_BY_ZERO, "division by zero")
    } else if lower.contains("overflow") {
        SqlError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, lower_first(message))
    } else if lower.contains("more than one row") {
        SqlError::new(CARDINALITY_VIOLATION, "more than one row returned by a subquery used as an expression")
    } else if lower.contains("regular expression") || lower.contains("regex parse error") {
        let reason = between(message, "error: ", "").unwrap_or(message);
        SqlError::new(INVALID_REGULAR_EXPRESSION, format!("invalid regular expression: {reason}"))
    } else if let Some(parameter) = between(message, "laceholder '", "' was not provided a value") {
        SqlError::new(UNDEFINED_PARAMETER, format!("there is no parameter {parameter}"))
    } else if lower.contains("cannot cast") || lower.contains("error parsing") || lower.contains("invalid timestamp") {
        cast(message)
    } else {
        SqlError::new(code::DATA_EXCEPTION, lower_first(message))
    }
}

/// Arrow's errors: those of evaluating an expression on rows.
pub fn arrow(error: &ArrowError) -> SqlError {
    match error {
        ArrowError::DivideByZero => SqlError::new(code::DIVISION_BY_ZERO, "division by zero"),
        ArrowError::ArithmeticOverflow(message) => {
            SqlError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, out_of_range(message))
        }
        ArrowError::CastError(message) | ArrowError::ParseError(message) => cast(message),
        ArrowError::InvalidArgumentError(message) if message.contains("too large to store") => {
            SqlError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow").detail(message.clone())
        }
        ArrowError::InvalidArgumentError(message) if message.contains("too small to store") => {
            SqlError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow").detail(message.clone())
        }
        ArrowError::NotYetImplemented(message) => SqlError::unsupported(lower_first(message)),
        ArrowError::ComputeError(message) | ArrowError::InvalidArgumentError(message) => execution(message),
        ArrowError::IoError(message, _) => SqlError::new(code::IO_ERROR, message.clone()),
        ArrowError::CsvError(message) | ArrowError::JsonError(message) => {
            SqlError::new(code::INVALID_TEXT_REPRESENTATION, lower_first(message))
        }
        other => execution(&other.to_string()),
    }
}

/// `Overflow happened on: 2147483647 + 1`.
fn out_of_range(message: &str) -> String {
    let operation = message.strip_prefix("Overflow happened on: ");
    operation.map_or_else(|| lower_first(message), |operation| format!("value out of range: {operation}"))
}

/// A value that is none of the wanted type, or none in its range.
fn cast(message: &str) -> SqlError {
    let value = between(message, "Cannot cast string '", "' to value of ");
    if let Some(value) = value.or_else(|| between(message, "Cannot cast value '", "' to value of ")) {
        let wanted = between(message, "' to value of ", " type").unwrap_or("its");
        let message = format!("invalid input syntax for type {}: \"{value}\"", type_name(wanted));
        return SqlError::new(code::INVALID_TEXT_REPRESENTATION, message);
    }
    if let Some(rest) = between(message, "Error parsing timestamp from '", "") {
        let (value, reason) = rest.split_once("': ").unwrap_or((rest, ""));
        let message = format!("invalid input syntax for type timestamp: \"{}\"", value.trim_end_matches('\''));
        let error = SqlError::new(code::INVALID_TEXT_REPRESENTATION, message);
        return if reason.is_empty() { error } else { error.detail(reason) };
    }
    if let Some((value, wanted)) =
        between(message, "Can't cast value ", "").and_then(|rest| rest.split_once(" to type "))
    {
        let message = format!("{} out of range", type_name(wanted.trim_end_matches('.')));
        return SqlError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, message).detail(format!("the value is {value}"));
    }
    if message.to_lowercase().contains("overflow") {
        return SqlError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, lower_first(message));
    }
    SqlError::new(code::INVALID_TEXT_REPRESENTATION, lower_first(message))
}

/// Places an error about a value on the one literal that has it.
fn at_literal(error: SqlError, sql: &str) -> SqlError {
    let Some(value) = between(&error.message, ": \"", "").and_then(|rest| rest.strip_suffix('"')) else { return error };
    let mut found = sql.match_indices(&format!("'{value}'")).map(|(offset, _)| offset).collect::<Vec<_>>();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => error.at(only),
        _ => error,
    }
}

/// What stands between two texts; to the end if `after` is empty.
fn between<'a>(message: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let start = message.find(before)? + before.len();
    let rest = &message[start..];
    if after.is_empty() { Some(rest) } else { rest.find(after).map(|end| &rest[..end]) }
}

/// DataFusion adds lists of candidates and backtraces below the first line; but its suggestion stands there too.
fn first_line(message: &str) -> &str {
    if message.contains("\nDid you mean '") {
        return message;
    }
    message.lines().next().unwrap_or(message).trim_end()
}

/// PostgreSQL begins its messages in lower case; names and acronyms keep theirs.
fn lower_first(message: &str) -> String {
    let mut characters = message.chars();
    let (Some(first), second) = (characters.next(), characters.next()) else { return String::new() };
    if second.is_some_and(char::is_uppercase) {
        return message.to_string();
    }
    first.to_lowercase().chain(message.chars().skip(1)).collect()
}

#[cfg(test)]
mod tests;
