//! `CREATE TABLE` and `CREATE SOURCE`: columns and clauses in, a [`TableDef`] out, or the reason why not, with its place.
//!
//! Rules, beyond PostgreSQL's: key and version columns become NOT NULL; the version column is no key column and has an ordered
//! type; a table without a key takes no conflict clauses; an append-only table with a key keeps the first row of each key
//! (`ON CONFLICT DO NOTHING`), since nothing may replace it.
//!
//! `WITH (history = 'name')` on a table with a key makes a second relation of that name, read-only: one row per row that arrived
//! for the table and was no mere duplicate, in all its versions, with [`HISTORY_COLUMNS`] before the table's columns. It is in
//! memory and grows with everything that arrives, whatever the table itself forgets.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::{Reader, check_own_schema};
use crate::model::error::code;
use crate::model::{ConnectorDef, Encode, HISTORY_COLUMNS, OnConflict, SqlError, SqlResult, TableDef};
use crate::plan::statement::StatementKind;
use crate::plan::types::{arrow_type, is_version_type, postgres_name};

/// As in PostgreSQL.
const COLUMNS_MAX: usize = 1600;
/// Columns that `SUBSCRIBE` puts before a relation's own.
pub(crate) const SYSTEM_COLUMNS: [&str; 2] = ["trueup_tick", "trueup_diff"];

/// A column as written.
struct Column {
    name: String,
    data_type: DataType,
    nullable: Option<bool>,
}

/// What has been read of a definition. Each clause keeps the place it was written at.
#[derive(Default)]
struct Draft {
    columns: Vec<Column>,
    primary_key: Option<(Vec<(String, usize)>, usize)>,
    on_conflict: Option<(OnConflict, usize)>,
    version: Option<(String, usize)>,
    append_only: Option<usize>,
    options: BTreeMap<String, String>,
    with: Option<usize>,
    history: Option<String>,
    encode: Option<(Encode, usize)>,
}

/// Reads what comes after `CREATE TABLE` or `CREATE SOURCE`.
pub(super) fn create(reader: &mut Reader, is_source: bool) -> SqlResult<StatementKind> {
    let if_not_exists = reader.accept("if not exists");
    let what = if is_source { "a source's name" } else { "a table's name" };
    let name = reader.new_relation(what)?;
    if reader.at("as") {
        return Err(SqlError::unsupported("CREATE TABLE … AS is not supported")
            .hint("use CREATE MATERIALIZED VIEW … AS")
            .at(reader.here()));
    }
    let start = reader.here();
    let mut draft = Draft::default();
    if *reader.peek() == Token::LParen && reader.parser.peek_nth_token_ref(1).token == Token::RParen {
        return Err(SqlError::new(code::INVALID_DEFINITION, "a table needs at least one column").at(start));
    }
    reader.list(|reader| draft.element(reader, &name))?;
    if draft.columns.is_empty() {
        return Err(SqlError::new(code::INVALID_DEFINITION, "a table needs at least one column").at(start));
    }
    while *reader.peek() != Token::EOF {
        draft.clause(reader)?;
    }
    if is_source {
        draft.append_only.get_or_insert(start);
        if !draft.options.contains_key("connector") {
            return Err(missing_connector(reader.here()));
        }
    }
    Ok(StatementKind::CreateTable { def: draft.finish(name)?, if_not_exists })
}

/// Refusal of options without `connector`.
pub(super) fn missing_connector(position: usize) -> SqlError {
    SqlError::new(code::INVALID_DEFINITION, "option \"connector\" is missing")
        .hint("write WITH (connector = '…', …)")
        .at(position)
}

fn invalid(message: impl Into<String>, position: usize) -> SqlError {
    SqlError::new(code::INVALID_DEFINITION, message).at(position)
}

impl Draft {
    /// One element between the parentheses: a column or a table constraint.
    fn element(&mut self, reader: &mut Reader, table: &str) -> SqlResult<()> {
        if reader.accept("constraint") {
            reader.name("a constraint's name")?;
            if !reader.at("primary key") {
                return Err(refused_constraint(reader));
            }
        }
        if reader.at("primary key") {
            let start = reader.here();
            reader.accept("primary key");
            let mut columns: Vec<(String, usize)> = Vec::new();
            reader.list(|reader| {
                let start = reader.here();
                let name = reader.name("a column name")?;
                if columns.iter().any(|(other, _)| *other == name) {
                    let message = format!("column \"{name}\" appears twice in primary key constraint");
                    return Err(SqlError::new(code::DUPLICATE_COLUMN, message).at(start));
                }
                columns.push((name, start));
                Ok(())
            })?;
            return self.key(columns, start, table);
        }
        let is_constraint =
            ["unique (", "foreign key", "check (", "exclude"].iter().any(|words| at_constraint(reader, words));
        if is_constraint || reader.at("watermark for") || reader.at("like") {
            return Err(refused_constraint(reader));
        }
        self.column(reader, table)
    }

    fn key(&mut self, columns: Vec<(String, usize)>, position: usize, table: &str) -> SqlResult<()> {
        if self.primary_key.replace((columns, position)).is_some() {
            return Err(invalid(format!("multiple primary keys for table \"{table}\" are not allowed"), position));
        }
        Ok(())
    }

    fn column(&mut self, reader: &mut Reader, table: &str) -> SqlResult<()> {
        let start = reader.here();
        let name = reader.name("a column name")?;
        if SYSTEM_COLUMNS.contains(&name.as_str()) {
            let message = format!("column name \"{name}\" conflicts with a system column name");
            return Err(SqlError::new(code::DUPLICATE_COLUMN, message).at(start));
        }
        if self.columns.iter().any(|column| column.name == name) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(SqlError::new(code::DUPLICATE_COLUMN, message).at(start));
        }
        if self.columns.len() == COLUMNS_MAX {
            let message = format!("tables can have at most {COLUMNS_MAX} columns");
            return Err(SqlError::new(code::PROGRAM_LIMIT_EXCEEDED, message).at(start));
        }
        let data_type = column_type(reader)?;
        let mut column = Column { name, data_type, nullable: None };
        loop {
            let here = reader.here();
            if reader.accept("constraint") {
                reader.name("a constraint's name")?;
            }
            let nullable = if reader.accept("not null") {
                false
            } else if reader.accept("null") {
                true
            } else if reader.accept("primary key") {
                self.key(vec![(column.name.clone(), start)], here, table)?;
                continue;
            } else if matches!(reader.peek(), Token::Comma | Token::RParen) {
                break;
            } else {
                return Err(refused_constraint(reader));
            };
            if column.nullable.replace(nullable).is_some_and(|before| before != nullable) {
                let message = format!(
                    "conflicting NULL/NOT NULL declarations for column \"{}\" of table \"{table}\"",
                    column.name
                );
                return Err(SqlError::syntax(message).at(here));
            }
        }
        self.columns.push(column);
        Ok(())
    }

    /// One clause behind the parentheses.
    fn clause(&mut self, reader: &mut Reader) -> SqlResult<()> {
        let start = reader.here();
        let is_repeated = if reader.accept("on conflict") {
            self.on_conflict.replace((on_conflict(reader)?, start)).is_some()
        } else if reader.accept("with version column") {
            let has_parenthesis = reader.accept_token(&Token::LParen);
            let column = (reader.here(), reader.name("a column name")?);
            if has_parenthesis {
                reader.expect_token(&Token::RParen)?;
            }
            self.version.replace((column.1, column.0)).is_some()
        } else if reader.accept("append only") {
            self.append_only.replace(start).is_some()
        } else if reader.accept("with") {
            reader.options(&mut self.options)?;
            self.history = self.options.remove("history");
            if !self.options.contains_key("connector") && (self.history.is_none() || !self.options.is_empty()) {
                return Err(missing_connector(start));
            }
            self.with.replace(start).is_some()
        } else if reader.accept("format") {
            let encode = self.format(reader)?;
            self.encode.replace((encode, start)).is_some()
        } else {
            let expected =
                "ON CONFLICT, WITH VERSION COLUMN, APPEND ONLY, WITH (…), FORMAT or the end of the statement";
            return Err(reader.unexpected(expected));
        };
        if is_repeated {
            return Err(SqlError::syntax("conflicting or redundant options").at(start));
        }
        Ok(())
    }

    /// `PLAIN ENCODE JSON|CSV [(…)]`.
    fn format(&mut self, reader: &mut Reader) -> SqlResult<Encode> {
        let start = reader.here();
        let format = reader.name("PLAIN")?;
        if format != "plain" {
            return Err(SqlError::unsupported(format!("FORMAT {} is not supported", format.to_uppercase()))
                .hint("use FORMAT PLAIN; keys, versions and deletes are declared on the table")
                .at(start));
        }
        reader.expect("encode")?;
        let start = reader.here();
        let encode = match reader.name("JSON or CSV")?.as_str() {
            "json" => Encode::Json,
            "csv" => Encode::Csv,
            other => {
                return Err(SqlError::unsupported(format!("ENCODE {} is not supported", other.to_uppercase()))
                    .hint("use ENCODE JSON or ENCODE CSV")
                    .at(start));
            }
        };
        if *reader.peek() == Token::LParen {
            reader.options(&mut self.options)?;
        }
        Ok(encode)
    }

    /// Checks the whole and makes the definition.
    fn finish(mut self, name: String) -> SqlResult<TableDef> {
        let key = self.primary_key.take().map_or(Vec::new(), |(columns, _)| columns);
        let primary_key = key.iter().map(|(column, at)| self.position(column, *at)).collect::<SqlResult<Vec<_>>>()?;
        let version = self.version.take().map(|(column, at)| self.version(&column, at, &primary_key)).transpose()?;
        for &position in &primary_key {
            let column = &self.columns[position];
            if column.nullable == Some(true) {
                let at = key.iter().find(|(key, _)| *key == column.name).map_or(0, |(_, at)| *at);
                let message = format!(
                    "conflicting NULL/NOT NULL declarations for column \"{}\" of table \"{name}\"",
                    column.name
                );
                return Err(SqlError::syntax(message).at(at));
            }
        }
        let on_conflict = self.conflict(!primary_key.is_empty(), version)?;
        let history = self.history(&name, !primary_key.is_empty())?;
        let connector = self.connector()?;
        let fields = self.columns.into_iter().enumerate().map(|(position, column)| {
            let required = primary_key.contains(&position) || version.is_some_and(|(version, _)| version == position);
            Field::new(column.name, column.data_type, !required && column.nullable != Some(false))
        });
        Ok(TableDef {
            name,
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            primary_key,
            version: version.map(|(position, _)| position),
            on_conflict,
            append_only: self.append_only.is_some(),
            history,
            connector,
        })
    }

    /// Position of a column that a clause names.
    fn position(&self, column: &str, at: usize) -> SqlResult<usize> {
        self.columns.iter().position(|other| other.name == column).ok_or_else(|| {
            let columns = self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
            SqlError::new(code::UNDEFINED_COLUMN, format!("column \"{column}\" named in key does not exist"))
                .hint(format!("the columns are {columns}"))
                .at(at)
        })
    }

    /// The version column's position, and where it is named.
    fn version(&self, column: &str, at: usize, primary_key: &[usize]) -> SqlResult<(usize, usize)> {
        let position = self
            .position(column, at)
            .map_err(|error| SqlError { message: format!("version column \"{column}\" does not exist"), ..error })?;
        let declared = &self.columns[position];
        if primary_key.is_empty() {
            return Err(invalid("WITH VERSION COLUMN needs a PRIMARY KEY", at)
                .detail("versions order the rows of one key")
                .hint("add PRIMARY KEY (…)"));
        }
        if primary_key.contains(&position) {
            return Err(invalid(format!("version column \"{column}\" cannot be part of the primary key"), at)
                .detail("rows of other versions would be rows of other keys, and none would replace another"));
        }
        if !is_version_type(&declared.data_type) {
            let message = format!("version column \"{column}\" has type {}", postgres_name(&declared.data_type));
            return Err(SqlError::new(code::DATATYPE_MISMATCH, message)
                .hint("use a number, a date or time, TEXT or BYTEA: a type whose values have an order")
                .at(at));
        }
        if declared.nullable == Some(true) {
            return Err(invalid(format!("version column \"{column}\" cannot be NULL"), at).hint("declare it NOT NULL"));
        }
        Ok((position, at))
    }

    /// What a write with a stored key does; refuses clauses that contradict each other.
    fn conflict(&self, has_key: bool, version: Option<(usize, usize)>) -> SqlResult<OnConflict> {
        if let Some((_, at)) = self.on_conflict.filter(|_| !has_key) {
            return Err(invalid("ON CONFLICT needs a PRIMARY KEY", at).hint("add PRIMARY KEY (…)"));
        }
        let asked = self.on_conflict.map(|(on_conflict, _)| on_conflict);
        if let (Some((_, at)), Some(OnConflict::DoNothing)) = (version, asked) {
            return Err(invalid("ON CONFLICT DO NOTHING contradicts WITH VERSION COLUMN", at)
                .detail("one keeps the first row of a key, the other the newest"));
        }
        if self.append_only.is_none() || !has_key {
            return Ok(asked.unwrap_or_default());
        }
        let replaces = version.map(|(_, at)| at).or(self.on_conflict.map(|(_, at)| at));
        match (asked, replaces) {
            (Some(OnConflict::DoNothing), _) | (None, None) => Ok(OnConflict::DoNothing),
            (_, at) => Err(invalid("an append-only table cannot replace rows", at.unwrap_or(0))
                .hint("use CREATE TABLE without APPEND ONLY, or ON CONFLICT DO NOTHING")),
        }
    }

    /// The history's name, if there may be one.
    fn history(&mut self, table: &str, has_key: bool) -> SqlResult<Option<String>> {
        let (Some(history), Some(at)) = (self.history.take(), self.with) else { return Ok(None) };
        if !has_key {
            return Err(invalid("option \"history\" needs a PRIMARY KEY", at)
                .detail("a table without a key keeps all its rows")
                .hint(format!("add PRIMARY KEY (…), or read \"{table}\" itself")));
        }
        if history.is_empty() || history == table {
            let message = format!("a history needs a name of its own, not \"{history}\"");
            return Err(invalid(message, at).hint(format!("write history = '{table}_history'")));
        }
        check_own_schema(&history).map_err(|error| error.at(at))?;
        if let Some(column) = self.columns.iter().find(|column| HISTORY_COLUMNS.contains(&column.name.as_str())) {
            let message = format!("column name \"{}\" conflicts with a column of the table's history", column.name);
            return Err(SqlError::new(code::DUPLICATE_COLUMN, message).hint("give it another name").at(at));
        }
        Ok(Some(history))
    }

    fn connector(&mut self) -> SqlResult<Option<ConnectorDef>> {
        let encode = self.encode.map(|(encode, _)| encode);
        match (self.options.remove("connector"), self.encode) {
            (Some(name), _) => Ok(Some(ConnectorDef { name, options: std::mem::take(&mut self.options), encode })),
            (None, Some((_, at))) => Err(missing_connector(at)),
            (None, None) => Ok(None),
        }
    }
}

/// What follows `ON CONFLICT`.
fn on_conflict(reader: &mut Reader) -> SqlResult<OnConflict> {
    let choices = [
        ("overwrite", OnConflict::Overwrite),
        ("do update full", OnConflict::Overwrite),
        ("do nothing", OnConflict::DoNothing),
        ("do update if not null", OnConflict::UpdateIfNotNull),
    ];
    let chosen = choices.into_iter().find(|(words, _)| reader.accept(words));
    chosen
        .map(|(_, on_conflict)| on_conflict)
        .ok_or_else(|| reader.unexpected("OVERWRITE, DO NOTHING or DO UPDATE IF NOT NULL"))
}

/// Whether a table constraint rather than a column of that name begins here.
fn at_constraint(reader: &Reader, words: &str) -> bool {
    match words.strip_suffix(" (") {
        Some(word) => reader.at(word) && reader.parser.peek_nth_token_ref(1).token == Token::LParen,
        None => reader.at(words),
    }
}

/// Refuses a column or table constraint by name.
fn refused_constraint(reader: &Reader) -> SqlError {
    let refusals = [
        ("default", "DEFAULT", "write the value in the INSERT, or COALESCE(column, value) in a view"),
        ("unique", "UNIQUE", "declare the key with PRIMARY KEY"),
        ("check", "CHECK", "filter in a view"),
        ("references", "REFERENCES", "leave it out: events may arrive before what they refer to"),
        ("foreign", "FOREIGN KEY", "leave it out: events may arrive before what they refer to"),
        ("generated", "GENERATED", "compute the column in a view"),
        ("as", "a computed column", "compute the column in a view"),
        ("collate", "COLLATE", "leave it out: text is ordered by its bytes"),
        ("exclude", "EXCLUDE", "leave it out"),
        ("like", "LIKE", "write the columns"),
        ("watermark", "WATERMARK", "leave it out: nothing is dropped for being late"),
    ];
    match refusals.into_iter().find(|(word, _, _)| reader.at(word)) {
        Some((_, name, hint)) => {
            SqlError::unsupported(format!("{name} is not supported in CREATE TABLE")).hint(hint).at(reader.here())
        }
        None => reader.unexpected("NOT NULL, PRIMARY KEY, \",\" or \")\""),
    }
}

/// A column's type: PostgreSQL's, or `STRUCT<name type, …>`, and arrays of either.
fn column_type(reader: &mut Reader) -> SqlResult<DataType> {
    let start = reader.here();
    match any_type(reader)? {
        (data_type, false) => Ok(data_type),
        (_, true) => Err(SqlError::syntax("unmatched \">\" after a type").at(start)),
    }
}

/// A type. The tokenizer reads `>>` as one token: true says that this type's end closed the enclosing struct too.
fn any_type(reader: &mut Reader) -> SqlResult<(DataType, bool)> {
    let start = reader.here();
    if !matches!(reader.peek(), Token::Word(_)) {
        return Err(reader.unexpected("a type"));
    }
    let is_struct = reader.at("struct") && reader.parser.peek_nth_token_ref(1).token == Token::Lt;
    if !is_struct {
        let sql_type = reader.parser.parse_data_type().map_err(|error| reader.refused(error))?;
        return arrow_type(&sql_type).map(|data_type| (data_type, false)).map_err(|error| error.at(start));
    }
    reader.accept("struct");
    let (mut data_type, closed_outer) = struct_type(reader)?;
    while !closed_outer && reader.accept_token(&Token::LBracket) {
        reader.expect_token(&Token::RBracket)?;
        data_type = DataType::List(Arc::new(Field::new_list_field(data_type, true)));
    }
    Ok((data_type, closed_outer))
}

/// `<name type, …>`; the flag as in [`any_type`].
fn struct_type(reader: &mut Reader) -> SqlResult<(DataType, bool)> {
    reader.expect_token(&Token::Lt)?;
    let mut fields: Vec<Field> = Vec::new();
    loop {
        let start = reader.here();
        let name = reader.name("a field's name")?;
        if fields.iter().any(|field| *field.name() == name) {
            return Err(
                SqlError::new(code::DUPLICATE_COLUMN, format!("field \"{name}\" specified more than once")).at(start)
            );
        }
        let (data_type, closed) = any_type(reader)?;
        fields.push(Field::new(name, data_type, true));
        if closed {
            return Ok((DataType::Struct(fields.into()), false));
        }
        if reader.accept_token(&Token::ShiftRight) {
            return Ok((DataType::Struct(fields.into()), true));
        }
        if !reader.accept_token(&Token::Comma) {
            reader.expect_token(&Token::Gt)?;
            return Ok((DataType::Struct(fields.into()), false));
        }
    }
}
