//! One client's connection: messages in, statements run, answers out.
//!
//! While a statement runs, four things can end it: its own end, a cancel request, `statement_timeout`, and the client hanging
//! up. All of them drop the statement's future, and with it the query or subscription behind it.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pgwire::messages::copy::CopyInResponse;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    BindComplete, CloseComplete, Describe, Execute, ParseComplete, PortalSuspended, TARGET_TYPE_BYTE_PORTAL,
    TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::ReadyForQuery;
use pgwire::messages::startup::ParameterStatus;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use tokio::net::TcpStream;

use super::backends::{Backend, shutting_down};
use super::encode::fields;
use super::extended::{Executed, in_text};
use super::report::{self, Severity};
use super::send::{self, Failure, Sent};
use super::session::{Answer, CopyIn, Session};
use super::startup;
use super::wire::{Reader, Writer};
use super::{Shared, stopped};
use crate::model::{SqlError, error::code};
use crate::plan::parse::parse;

/// Serves one client to the end.
pub(super) async fn serve(socket: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let (read, write) = socket.into_split();
    let (mut reader, mut writer) = (Reader::new(read), Writer::new(write));
    let Some(client) = startup::client(&shared, &mut reader, &mut writer).await? else { return Ok(()) };
    let (session, backend, _connected) = Session::new(client, shared.clone());
    let mut connection =
        Connection { reader, writer, session, backend, shared, told: Vec::new(), skips_to_sync: false };
    connection.told = connection.session.variables.reported();
    connection.ready().await?;
    connection.serve().await
}

struct Connection {
    reader: Reader,
    writer: Writer,
    session: Session,
    backend: Arc<Backend>,
    shared: Arc<Shared>,
    /// Run-time parameters as the client was last told.
    told: Vec<(&'static str, String)>,
    /// After an error in the extended protocol, everything up to the next Sync is passed over.
    skips_to_sync: bool,
}

/// Whether to go on after a message.
enum Next {
    More,
    End,
}

impl Connection {
    async fn serve(&mut self) -> io::Result<()> {
        let mut shutdown = self.shared.shutdown.clone();
        loop {
            let message = tokio::select! {
                message = self.reader.message() => message,
                () = stopped(&mut shutdown) => {
                    self.fatal(&shutting_down()).await?;
                    return Ok(());
                }
            };
            let message = match message {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(()),
                Err(error) => {
                    let error = SqlError::new("08P01", format!("invalid message: {error}"));
                    return self.fatal(&error).await;
                }
            };
            if let Next::End = self.message(message).await? {
                return Ok(());
            }
        }
    }

    async fn message(&mut self, message: PgWireFrontendMessage) -> io::Result<Next> {
        use PgWireFrontendMessage as Message;
        let result = match message {
            Message::Terminate(_) => return Ok(Next::End),
            Message::Sync(_) => {
                self.skips_to_sync = false;
                self.session.end_of_query();
                self.ready().await?;
                return Ok(Next::More);
            }
            _ if self.skips_to_sync => return Ok(Next::More),
            Message::Query(query) => return self.simple(&query.query).await,
            Message::Flush(_) => {
                self.writer.flush().await?;
                return Ok(Next::More);
            }
            // Left over from a COPY that failed.
            Message::CopyData(_) | Message::CopyDone(_) | Message::CopyFail(_) => return Ok(Next::More),
            Message::Parse(message) => {
                let name = message.name.unwrap_or_default();
                let sql = message.query.clone();
                let parsed = self.parse(&name, message.query, &message.type_oids).await;
                return self.outcome(parsed, &sql).await;
            }
            Message::Bind(message) => match self.session.bind(&message) {
                Ok(()) => self.put(PgWireBackendMessage::BindComplete(BindComplete::new())),
                Err(error) => Err(error.into()),
            },
            Message::Describe(message) => self.describe(&message),
            Message::Execute(message) => {
                let portal = message.name.clone().unwrap_or_default();
                let sql =
                    self.session.portal(&portal).map_or_else(|_| String::new(), |portal| portal.prepared.sql.clone());
                let executed = self.execute(&message).await;
                return self.outcome(executed, &sql).await;
            }
            Message::Close(message) => {
                let name = message.name.as_deref().unwrap_or_default();
                match message.target_type {
                    TARGET_TYPE_BYTE_STATEMENT => drop(self.session.prepared.remove(name)),
                    _ => self.session.close_portal(name),
                }
                self.put(PgWireBackendMessage::CloseComplete(CloseComplete::new()))
            }
            _ => Err(SqlError::new("08P01", "unexpected message").into()),
        };
        self.outcome(result, "").await
    }

    fn put(&mut self, message: PgWireBackendMessage) -> Result<(), Failure> {
        Ok(self.writer.put(message)?)
    }

    /// After a message of the extended protocol: an error is sent, and what follows is passed over.
    async fn outcome(&mut self, result: Result<(), Failure>, sql: &str) -> io::Result<Next> {
        match result {
            Ok(()) => {
                self.writer.relieve().await?;
                Ok(Next::More)
            }
            Err(Failure::Sql(error)) => {
                self.failed(&error, sql)?;
                self.skips_to_sync = true;
                self.writer.flush().await?;
                Ok(Next::More)
            }
            Err(Failure::Gone(last_words)) => self.gone(last_words).await,
        }
    }

    async fn gone(&mut self, last_words: Option<SqlError>) -> io::Result<Next> {
        if let Some(error) = last_words {
            self.fatal(&error).await?;
        }
        Ok(Next::End)
    }

    fn failed(&mut self, error: &SqlError, sql: &str) -> io::Result<()> {
        self.shared.counters.errors.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(process = self.backend.process, code = error.code, message = error.message, "statement failed");
        self.session.failed();
        self.notices()?;
        self.writer.put(report::error(error, Severity::Error, sql))
    }

    async fn fatal(&mut self, error: &SqlError) -> io::Result<()> {
        self.writer.put(report::error(error, Severity::Fatal, ""))?;
        self.writer.flush().await
    }

    fn notices(&mut self) -> io::Result<()> {
        for notice in std::mem::take(&mut self.session.notices) {
            self.writer.put(report::notice(&notice))?;
        }
        Ok(())
    }

    async fn ready(&mut self) -> io::Result<()> {
        if self.session.variables.take_changed() {
            let now = self.session.variables.reported();
            for (name, value) in now.iter().filter(|entry| !self.told.contains(entry)) {
                let status = ParameterStatus::new((*name).to_owned(), value.clone());
                self.writer.put(PgWireBackendMessage::ParameterStatus(status))?;
            }
            self.told = now;
        }
        let status = ReadyForQuery::new(self.session.transaction_status());
        self.writer.put(PgWireBackendMessage::ReadyForQuery(status))?;
        self.writer.flush().await
    }

    /// A simple query: parsed as a whole, then run statement by statement until one fails.
    async fn simple(&mut self, sql: &str) -> io::Result<Next> {
        let result = self.simple_statements(sql).await;
        match result {
            Ok(()) => {}
            Err(Failure::Sql(error)) => self.failed(&error, sql)?,
            Err(Failure::Gone(last_words)) => return self.gone(last_words).await,
        }
        self.session.end_of_query();
        self.ready().await?;
        Ok(Next::More)
    }

    async fn simple_statements(&mut self, sql: &str) -> Result<(), Failure> {
        let statements = parse(sql)?;
        if statements.is_empty() {
            return Ok(send::empty(&mut self.writer)?);
        }
        self.session.in_implicit_block = statements.len() > 1;
        for statement in &statements {
            self.shared.counters.statements.fetch_add(1, Ordering::Relaxed);
            let timeout = self.session.variables.statement_timeout();
            let Connection { reader, writer, session, backend, .. } = self;
            let work = async {
                let answer = session.run(statement, &[]).await.map_err(|error| in_text(error, statement))?;
                answer_simply(writer, session, answer).await
            };
            let copy = guarded(reader, backend, timeout, work).await?;
            if let Some(copy) = copy {
                self.copy_in(copy).await?;
            }
        }
        Ok(())
    }

    async fn parse(&mut self, name: &str, sql: String, oids: &[u32]) -> Result<(), Failure> {
        if name.is_empty() {
            self.session.prepared.remove("");
        }
        let timeout = self.session.variables.statement_timeout();
        let Connection { reader, session, backend, .. } = self;
        guarded(reader, backend, timeout, async { Ok(session.parse(name, sql, oids).await?) }).await?;
        self.put(PgWireBackendMessage::ParseComplete(ParseComplete::new()))
    }

    fn describe(&mut self, message: &Describe) -> Result<(), Failure> {
        let name = message.name.as_deref().unwrap_or_default();
        let described = if message.target_type == TARGET_TYPE_BYTE_PORTAL {
            self.session.portal_fields(name)?
        } else {
            let prepared = self.session.prepared(name)?;
            let types = prepared.parameter_types.iter().map(pgwire::api::Type::oid).collect();
            self.put(PgWireBackendMessage::ParameterDescription(ParameterDescription::new(types)))?;
            prepared.description.columns.as_ref().map(|columns| fields::result_fields(columns, &[])).transpose()?
        };
        match described {
            Some(described) => Ok(send::description(&mut self.writer, &described)?),
            None => self.put(PgWireBackendMessage::NoData(NoData::new())),
        }
    }

    async fn execute(&mut self, message: &Execute) -> Result<(), Failure> {
        self.shared.counters.statements.fetch_add(1, Ordering::Relaxed);
        let name = message.name.as_deref().unwrap_or_default();
        let rows_max = usize::try_from(message.max_rows).ok().filter(|rows_max| *rows_max > 0);
        let timeout = self.session.variables.statement_timeout();
        let Connection { reader, writer, session, backend, .. } = self;
        let work = async {
            match session.execute(name).await? {
                Executed::Empty => {
                    send::empty(writer)?;
                    Ok(None)
                }
                Executed::Rows => {
                    send_portal(writer, session, name, rows_max).await?;
                    Ok(None)
                }
                Executed::Answer(answer) => answer_simply(writer, session, answer).await,
            }
        };
        if let Some(copy) = guarded(reader, backend, timeout, work).await? {
            self.copy_in(copy).await?;
        }
        Ok(())
    }

    /// Reads a COPY's input to its end, then takes the rows.
    async fn copy_in(&mut self, mut copy: Box<CopyIn>) -> Result<(), Failure> {
        use PgWireFrontendMessage as Message;
        self.writer.flush().await?;
        loop {
            match self.reader.message().await? {
                Some(Message::CopyData(data)) => copy.read.push(&data.data)?,
                Some(Message::CopyDone(_)) => break,
                Some(Message::CopyFail(fail)) => {
                    let message = format!("COPY from stdin failed: {}", fail.message);
                    return Err(SqlError::new(code::QUERY_CANCELED, message).into());
                }
                // Drivers pipeline a Sync behind the Execute; it counts after the COPY only.
                Some(Message::Flush(_) | Message::Sync(_)) => {}
                Some(_) => {
                    let error = SqlError::new("08P01", "unexpected message type during COPY from stdin");
                    return Err(Failure::Gone(Some(error)));
                }
                None => return Err(Failure::Gone(None)),
            }
        }
        let timeout = self.session.variables.statement_timeout();
        let Connection { reader, session, backend, .. } = self;
        let tag = guarded(reader, backend, timeout, async { Ok(session.copy_in(copy).await?) }).await?;
        Ok(send::complete(&mut self.writer, tag)?)
    }
}

/// Sends an answer whole, its columns first; returns a COPY that waits for input.
async fn answer_simply(
    writer: &mut Writer,
    session: &mut Session,
    answer: Answer,
) -> Result<Option<Box<CopyIn>>, Failure> {
    for notice in std::mem::take(&mut session.notices) {
        writer.put(report::notice(&notice))?;
    }
    let style = session.variables.style();
    let counters = &session.shared.counters;
    match answer {
        Answer::Done(tag) => send::complete(writer, tag)?,
        Answer::Rows { mut rows, tag } => {
            let described = fields::result_fields(&rows.schema, &[])?;
            send::description(writer, &described)?;
            let (Sent::Some(sent) | Sent::All(sent)) =
                send::rows(writer, &mut rows, &described, style, usize::MAX, counters).await?;
            send::complete(writer, format!("{tag} {sent}"))?;
        }
        Answer::CopyOut { mut rows, options } => {
            let sent = send::copy_out(writer, &mut rows, &options, style, counters).await?;
            send::complete(writer, format!("COPY {sent}"))?;
        }
        Answer::CopyIn(copy) => {
            let columns = copy.read.columns();
            let response = CopyInResponse::new(0, columns as i16, vec![0; columns]);
            writer.put(PgWireBackendMessage::CopyInResponse(response))?;
            return Ok(Some(copy));
        }
    }
    Ok(None)
}

/// Sends the next rows of a portal.
async fn send_portal(
    writer: &mut Writer,
    session: &mut Session,
    name: &str,
    rows_max: Option<usize>,
) -> Result<(), Failure> {
    for notice in std::mem::take(&mut session.notices) {
        writer.put(report::notice(&notice))?;
    }
    let style = session.variables.style();
    let counters = &session.shared.counters;
    let Some(reading) = session.portals.get_mut(name).and_then(|portal| portal.reading.as_mut()) else {
        return Err(SqlError::internal("a portal without rows").into());
    };
    let limit = rows_max.unwrap_or(usize::MAX);
    match send::rows(writer, &mut reading.rows, &reading.fields, style, limit, counters).await? {
        Sent::Some(_) => writer.put(PgWireBackendMessage::PortalSuspended(PortalSuspended::new()))?,
        Sent::All(sent) => send::complete(writer, format!("{} {sent}", reading.tag))?,
    }
    Ok(())
}

/// Runs a statement's work until it ends or is ended.
async fn guarded<T>(
    reader: &mut Reader,
    backend: &Backend,
    timeout: Option<Duration>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let stop = backend.begin();
    let expired = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    let result = tokio::select! {
        biased;
        Ok(why) = stop => Err(match why {
            super::backends::Stop::Cancelled => Failure::Sql(why.error()),
            super::backends::Stop::Shutdown => Failure::Gone(Some(why.error())),
        }),
        result = work => result,
        () = expired => {
            Err(SqlError::new(code::QUERY_CANCELED, "canceling statement due to statement timeout").into())
        }
        () = reader.gone() => Err(Failure::Gone(None)),
    };
    backend.end();
    result
}
