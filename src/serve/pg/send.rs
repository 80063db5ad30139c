//! Answers on their way out: rows, COPY data, command tags.

use std::io;
use std::sync::atomic::Ordering;

use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::{CopyDone, CopyOutResponse};
use pgwire::messages::response::{CommandComplete, EmptyQueryResponse};

use super::PgCounters;
use super::copy::write;
use super::encode::{self, PgField, Style, fields};
use super::rows::Rows;
use super::wire::Writer;
use crate::model::SqlError;
use crate::plan::statement::CopyOptions;

/// Why a statement's answer ends early.
#[derive(Debug)]
pub(super) enum Failure {
    /// The statement failed; the client is told.
    Sql(SqlError),
    /// The connection is broken, or must end after this error.
    Gone(Option<SqlError>),
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Failure::Sql(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // What could not be encoded is our answer's fault, not the connection's.
            io::ErrorKind::InvalidData => Failure::Sql(SqlError::internal(error.to_string())),
            _ => Failure::Gone(None),
        }
    }
}

/// How reading rows ended.
pub(super) enum Sent {
    /// So many rows, and there may be more.
    Some(usize),
    /// So many rows, and these were the last.
    All(usize),
}

/// Sends rows, at most `rows_max`. With a limit, rows that are still to happen are not waited for once there is one.
pub(super) async fn rows(
    writer: &mut Writer,
    rows: &mut Rows,
    fields: &[PgField],
    style: &Style,
    rows_max: usize,
    counters: &PgCounters,
) -> Result<Sent, Failure> {
    let mut sent = 0;
    while sent < rows_max {
        let batch = if rows.is_live && sent > 0 && rows_max < usize::MAX {
            match rows.next_now(rows_max - sent)? {
                Some(batch) => batch,
                None => return Ok(Sent::Some(sent)),
            }
        } else {
            match rows.next(rows_max - sent).await? {
                Some(batch) => batch,
                None => return Ok(Sent::All(sent)),
            }
        };
        for row in 0..batch.num_rows() {
            encode::data_row(writer.buffer(), &batch, row, fields, style)?;
            writer.relieve().await?;
        }
        sent += batch.num_rows();
        counters.rows_sent.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        if rows.is_live {
            writer.flush().await?;
        }
    }
    Ok(Sent::Some(sent))
}

/// Sends a whole `COPY … TO STDOUT`; returns the number of rows.
pub(super) async fn copy_out(
    writer: &mut Writer,
    rows: &mut Rows,
    options: &CopyOptions,
    style: &Style,
    counters: &PgCounters,
) -> Result<usize, Failure> {
    let columns = rows.schema.fields().len();
    writer.put(PgWireBackendMessage::CopyOutResponse(CopyOutResponse::new(0, columns as i16, vec![0; columns])))?;
    if options.header {
        write::header(writer.buffer(), &rows.schema, options);
    }
    if rows.is_live {
        writer.flush().await?;
    }
    let mut sent = 0;
    while let Some(batch) = rows.next(usize::MAX).await? {
        for row in 0..batch.num_rows() {
            write::row(writer.buffer(), &batch, row, options, style)?;
            writer.relieve().await?;
        }
        sent += batch.num_rows();
        counters.rows_sent.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        if rows.is_live {
            writer.flush().await?;
        }
    }
    writer.put(PgWireBackendMessage::CopyDone(CopyDone::new()))?;
    Ok(sent)
}

/// Sends the columns of a result.
pub(super) fn description(writer: &mut Writer, described: &[PgField]) -> io::Result<()> {
    writer.put(PgWireBackendMessage::RowDescription(fields::row_description(described)))
}

/// Sends a command tag.
pub(super) fn complete(writer: &mut Writer, tag: String) -> io::Result<()> {
    writer.put(PgWireBackendMessage::CommandComplete(CommandComplete::new(tag)))
}

/// Sends the answer to no statement at all.
pub(super) fn empty(writer: &mut Writer) -> io::Result<()> {
    writer.put(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new()))
}
