//! From a new connection to the first ReadyForQuery, or a cancel request.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use bytes::BufMut;
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, SecretKey, Startup,
};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage, SslNegotiationMetaMessage};

use super::Shared;
use super::backends::Connected;
use super::report::{self, Severity};
use super::variables::Variables;
use super::wire::{Reader, Writer};
use crate::model::{SqlError, SqlResult};

/// How long a client may take to say who it is.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(30);

/// A client that is in.
pub(super) struct Client {
    pub(super) connected: Connected,
    pub(super) user: String,
    pub(super) variables: Variables,
}

/// Lets a client in; `None` when there is no one to serve: a cancel request, a refusal, a hang-up.
pub(super) async fn client(shared: &Shared, reader: &mut Reader, writer: &mut Writer) -> io::Result<Option<Client>> {
    let Ok(startup) = tokio::time::timeout(STARTUP_TIMEOUT, first_packet(shared, reader, writer)).await else {
        return Ok(None);
    };
    let Some(startup) = startup? else { return Ok(None) };
    match admit(shared, startup, writer).await? {
        Ok(client) => {
            reader.started();
            Ok(Some(client))
        }
        Err(error) => {
            writer.put(report::error(&error, Severity::Fatal, ""))?;
            writer.flush().await?;
            Ok(None)
        }
    }
}

async fn first_packet(shared: &Shared, reader: &mut Reader, writer: &mut Writer) -> io::Result<Option<Startup>> {
    loop {
        match reader.message().await? {
            Some(PgWireFrontendMessage::SslNegotiation(SslNegotiationMetaMessage::None)) => {
                reader.expect_encryption_request(false);
            }
            Some(PgWireFrontendMessage::SslNegotiation(_)) => {
                writer.buffer().put_u8(b'N');
                writer.flush().await?;
            }
            Some(PgWireFrontendMessage::CancelRequest(request)) => {
                shared.backends.cancel(request.pid, &request.secret_key);
                return Ok(None);
            }
            Some(PgWireFrontendMessage::Startup(startup)) => return Ok(Some(startup)),
            Some(_) | None => return Ok(None),
        }
    }
}

async fn admit(shared: &Shared, startup: Startup, writer: &mut Writer) -> io::Result<SqlResult<Client>> {
    let connected = match shared.backends.connect() {
        Ok(connected) => connected,
        Err(error) => return Ok(Err(error)),
    };
    let user = startup.parameters.get("user").cloned().unwrap_or_default();
    let variables = match chosen(&user, &startup.parameters) {
        Ok(variables) => variables,
        Err(error) => return Ok(Err(error)),
    };
    let unknown_options: Vec<String> =
        startup.parameters.keys().filter(|name| name.starts_with("_pq_.")).cloned().collect();
    if startup.protocol_number_minor > 0 || !unknown_options.is_empty() {
        writer.put(PgWireBackendMessage::NegotiateProtocolVersion(NegotiateProtocolVersion::new(
            Startup::PROTOCOL_VERSION_3_0,
            unknown_options,
        )))?;
    }
    writer.put(PgWireBackendMessage::Authentication(Authentication::Ok))?;
    for (name, value) in variables.reported() {
        writer.put(PgWireBackendMessage::ParameterStatus(ParameterStatus::new(name.to_owned(), value)))?;
    }
    let backend = &connected.backend;
    let key = BackendKeyData::new(backend.process, SecretKey::I32(backend.secret));
    writer.put(PgWireBackendMessage::BackendKeyData(key))?;
    Ok(Ok(Client { connected, user, variables }))
}

/// The run-time parameters a client asks for at start-up, by name or as `options='-c name=value'`.
fn chosen(user: &str, parameters: &BTreeMap<String, String>) -> SqlResult<Variables> {
    if user.is_empty() {
        return Err(SqlError::new("28000", "no PostgreSQL user name specified in startup packet"));
    }
    let mut variables = Variables::new(user);
    for (name, value) in parameters {
        match name.as_str() {
            "user" | "database" => {}
            "replication" if matches!(value.as_str(), "off" | "false" | "no" | "0") => {}
            "replication" => return Err(SqlError::unsupported("replication connections are not supported")),
            "options" => {
                for (name, value) in command_line(value) {
                    variables.set_initial(&name, &value)?;
                }
            }
            name if name.starts_with("_pq_.") => {}
            name => variables.set_initial(name, value)?,
        }
    }
    Ok(variables)
}

/// `-c name=value` and `--name=value`; a backslash keeps a space.
fn command_line(options: &str) -> Vec<(String, String)> {
    let mut words = vec![String::new()];
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => words.last_mut().into_iter().for_each(|word| word.extend(characters.next())),
            ' ' => words.push(String::new()),
            _ => words.last_mut().into_iter().for_each(|word| word.push(character)),
        }
    }
    words
        .iter()
        .filter_map(|word| word.strip_prefix("--").or(word.strip_prefix("-c")).unwrap_or(word).split_once('='))
        .map(|(name, value)| (name.replace('-', "_"), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_in_both_spellings() {
        let options = command_line("-c statement_timeout=5s --search-path=a\\ b -cgeqo=off");
        let wanted = [("statement_timeout", "5s"), ("search_path", "a b"), ("geqo", "off")];
        assert_eq!(options, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
