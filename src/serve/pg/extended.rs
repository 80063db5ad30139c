//! The extended query protocol: Parse, Bind, Describe, Execute, Close.
//!
//! A statement is planned anew at every Execute, so that it sees the relations as they are; if its columns are no longer those
//! the client was told, it is refused (`0A000`, as PostgreSQL does).

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;
use pgwire::api::Type;
use pgwire::messages::extendedquery::Bind;

use super::decode;
use super::encode::{PgField, fields};
use super::rows::Rows;
use super::session::{Answer, Session};
use crate::engine::Description;
use crate::model::{SqlError, SqlResult};
use crate::plan::parse::parse;
use crate::plan::statement::Statement;

/// What one session may keep.
const PREPARED_MAX: usize = 10_000;

/// A prepared statement.
pub(super) struct Prepared {
    pub(super) sql: String,
    /// `None`: nothing but space and comments.
    pub(super) statement: Option<Statement>,
    /// What the client sends, per parameter.
    pub(super) parameter_types: Vec<Type>,
    pub(super) description: Description,
}

/// A prepared statement with its parameters, perhaps half read.
pub(super) struct Portal {
    pub(super) prepared: Arc<Prepared>,
    parameters: Vec<ScalarValue>,
    result_formats: Vec<i16>,
    pub(super) reading: Option<Reading>,
    is_done: bool,
}

/// A result between two Executes.
pub(super) struct Reading {
    pub(super) rows: Rows,
    pub(super) fields: Vec<PgField>,
    pub(super) tag: &'static str,
}

/// What an Execute found.
pub(super) enum Executed {
    /// Nothing to run.
    Empty,
    /// Rows to read, from the portal's [`Reading`].
    Rows,
    /// Any other answer.
    Answer(Answer),
}

impl Session {
    /// Parse.
    pub(super) async fn parse(&mut self, name: &str, sql: String, oids: &[u32]) -> SqlResult<()> {
        if !name.is_empty() && self.prepared.contains_key(name) {
            return Err(SqlError::new("42P05", format!("prepared statement \"{name}\" already exists")));
        }
        if self.prepared.len() >= PREPARED_MAX {
            return Err(SqlError::new("53400", format!("a session can have {PREPARED_MAX} prepared statements"))
                .hint("close them with DEALLOCATE"));
        }
        let prepared = self.prepare(sql, oids).await?;
        self.prepared.insert(name.to_owned(), Arc::new(prepared));
        Ok(())
    }

    async fn prepare(&mut self, sql: String, oids: &[u32]) -> SqlResult<Prepared> {
        let mut statements = parse(&sql)?;
        if statements.len() > 1 {
            return Err(SqlError::syntax("cannot insert multiple commands into a prepared statement"));
        }
        let declared: Vec<Option<Type>> = oids.iter().map(|oid| known_type(*oid)).collect();
        let Some(statement) = statements.pop() else {
            let description = Description { parameters: Vec::new(), columns: None };
            return Ok(Prepared { sql, statement: None, parameter_types: Vec::new(), description });
        };
        self.check_transaction(&statement)?;
        let hints: Vec<Option<DataType>> =
            declared.iter().map(|declared| declared.as_ref().and_then(fields::arrow_type)).collect();
        let description = self.describe(&statement, &hints).await.map_err(|error| in_text(error, &statement))?;
        let inferred = description.parameters.iter().map(parameter_type);
        let mut parameter_types: Vec<Type> = inferred
            .enumerate()
            .map(|(index, inferred)| declared.get(index).cloned().flatten().unwrap_or(inferred))
            .collect();
        // Parameters that are declared but not used.
        let unused = declared.into_iter().skip(parameter_types.len());
        parameter_types.extend(unused.map(|declared| declared.unwrap_or(Type::TEXT)));
        Ok(Prepared { sql, statement: Some(statement), parameter_types, description })
    }

    /// A prepared statement by name.
    pub(super) fn prepared(&self, name: &str) -> SqlResult<Arc<Prepared>> {
        self.prepared.get(name).cloned().ok_or_else(|| {
            let message = match name {
                "" => "unnamed prepared statement does not exist".to_owned(),
                name => format!("prepared statement \"{name}\" does not exist"),
            };
            SqlError::new("26000", message)
        })
    }

    /// A portal by name.
    pub(super) fn portal(&self, name: &str) -> SqlResult<&Portal> {
        self.portals.get(name).ok_or_else(|| SqlError::new("34000", format!("portal \"{name}\" does not exist")))
    }

    /// The columns a portal gives, in the formats asked for; `None` without rows. Cursors are portals too.
    pub(super) fn portal_fields(&self, name: &str) -> SqlResult<Option<Vec<PgField>>> {
        if !self.portals.contains_key(name)
            && let Some(columns) = self.cursor_columns(name)
        {
            return fields::result_fields(&columns, &[]).map(Some);
        }
        let portal = self.portal(name)?;
        let columns = portal.prepared.description.columns.as_ref();
        columns.map(|columns| fields::result_fields(columns, &portal.result_formats)).transpose()
    }

    /// Close of a portal or cursor; nothing of that name is fine.
    pub(super) fn close_portal(&mut self, name: &str) {
        if self.portals.remove(name).is_none() {
            self.close_cursor(name);
        }
    }

    /// Bind.
    pub(super) fn bind(&mut self, message: &Bind) -> SqlResult<()> {
        let statement_name = message.statement_name.as_deref().unwrap_or_default();
        let portal_name = message.portal_name.as_deref().unwrap_or_default();
        let prepared = self.prepared(statement_name)?;
        if let Some(statement) = &prepared.statement {
            self.check_transaction(statement)?;
        }
        let (given, wanted) = (message.parameters.len(), prepared.parameter_types.len());
        if given != wanted {
            return Err(SqlError::new(
                "08P01",
                format!(
                    "bind message supplies {given} parameters, but prepared statement \"{statement_name}\" requires {wanted}"
                ),
            ));
        }
        let formats = &message.parameter_format_codes;
        if formats.len() > 1 && formats.len() != given {
            let message = format!("bind message has {} parameter formats but {given} parameters", formats.len());
            return Err(SqlError::new("08P01", message));
        }
        if !portal_name.is_empty() && self.portals.contains_key(portal_name) {
            return Err(SqlError::new("42P03", format!("portal \"{portal_name}\" already exists")));
        }
        let mut parameters = Vec::with_capacity(given);
        for (index, value) in message.parameters.iter().enumerate() {
            let format = formats.get(if formats.len() == 1 { 0 } else { index }).copied().unwrap_or(0);
            let declared = &prepared.parameter_types[index];
            let wanted = prepared.description.parameters.get(index).cloned().unwrap_or(DataType::Utf8);
            parameters.push(decode::parameter(value.as_ref(), format == 1, declared, &wanted, index + 1)?);
        }
        if let Some(columns) = &prepared.description.columns {
            fields::result_fields(columns, &message.result_column_format_codes)?;
        }
        let portal = Portal {
            prepared,
            parameters,
            result_formats: message.result_column_format_codes.clone(),
            reading: None,
            is_done: false,
        };
        self.portals.insert(portal_name.to_owned(), portal);
        Ok(())
    }

    /// The first part of Execute: runs the statement, unless the portal is being read already.
    pub(super) async fn execute(&mut self, name: &str) -> SqlResult<Executed> {
        let portal = self.portal(name)?;
        if portal.reading.is_some() {
            return Ok(Executed::Rows);
        }
        let prepared = portal.prepared.clone();
        let Some(statement) = &prepared.statement else { return Ok(Executed::Empty) };
        if portal.is_done {
            return Err(SqlError::new("55000", format!("portal \"{name}\" cannot be run")));
        }
        let parameters = portal.parameters.clone();
        let formats = portal.result_formats.clone();
        let answer = self.run(statement, &parameters).await.map_err(|error| in_text(error, statement))?;
        let Answer::Rows { rows, tag } = answer else {
            if let Some(portal) = self.portals.get_mut(name) {
                portal.is_done = true;
            }
            return Ok(Executed::Answer(answer));
        };
        let sent = fields::result_fields(&rows.schema, &formats)?;
        if let Some(told) = &prepared.description.columns {
            let told = fields::result_fields(told, &formats)?;
            let same = |(told, sent): (&PgField, &PgField)| told.pg_type == sent.pg_type;
            if told.len() != sent.len() || !told.iter().zip(&sent).all(same) {
                return Err(SqlError::unsupported("cached plan must not change result type")
                    .hint("prepare the statement again"));
            }
        }
        let reading = Reading { rows, fields: sent, tag };
        match self.portals.get_mut(name) {
            Some(portal) => portal.reading = Some(reading),
            None => return Err(SqlError::internal("a portal vanished while it ran")),
        }
        Ok(Executed::Rows)
    }
}

/// An error's place counted from the start of the client's text.
pub(super) fn in_text(mut error: SqlError, statement: &Statement) -> SqlError {
    error.position = error.position.map(|position| position + statement.offset);
    error
}

/// The type a parameter is announced with.
fn parameter_type(data_type: &DataType) -> Type {
    fields::pg_type(&arrow::datatypes::Field::new("", data_type.clone(), true))
}

/// A type the client declared; 0 and `unknown` declare nothing.
fn known_type(oid: u32) -> Option<Type> {
    Type::from_oid(oid).filter(|declared| *declared != Type::UNKNOWN)
}
