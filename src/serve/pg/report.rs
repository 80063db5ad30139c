//! Errors and notices as messages.

use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::{ErrorResponse, NoticeResponse};

use crate::model::SqlError;

/// How grave an error is for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The statement failed.
    Error,
    /// The connection ends.
    Fatal,
}

/// Something the client should know that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) severity: &'static str,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Notice {
    pub(crate) fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Notice { severity: "WARNING", code, message: message.into() }
    }
}

/// An ErrorResponse. `sql` is the text that the error's position counts in.
pub(crate) fn error(error: &SqlError, severity: Severity, sql: &str) -> PgWireBackendMessage {
    let name = match severity {
        Severity::Error => "ERROR",
        Severity::Fatal => "FATAL",
    };
    let mut fields = head(name, error.code, &error.message);
    fields.extend(error.detail.clone().map(|detail| (b'D', detail)));
    fields.extend(error.hint.clone().map(|hint| (b'H', hint)));
    if let Some(position) = error.position.filter(|_| !sql.is_empty()) {
        fields.push((b'P', character_position(sql, position).to_string()));
    }
    PgWireBackendMessage::ErrorResponse(ErrorResponse::new(fields))
}

/// A NoticeResponse.
pub(crate) fn notice(notice: &Notice) -> PgWireBackendMessage {
    let fields = head(notice.severity, notice.code, &notice.message);
    PgWireBackendMessage::NoticeResponse(NoticeResponse::new(fields))
}

/// Severity (translated and not), code, message. A zero byte would end a field early.
fn head(severity: &str, code: &str, message: &str) -> Vec<(u8, String)> {
    let message = message.replace('\0', "\u{fffd}");
    vec![(b'S', severity.to_owned()), (b'V', severity.to_owned()), (b'C', code.to_owned()), (b'M', message)]
}

/// PostgreSQL counts characters, from 1.
fn character_position(sql: &str, byte: usize) -> usize {
    sql.char_indices().take_while(|(index, _)| *index < byte).count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let sql = "select 'é', x";
        assert_eq!(character_position(sql, 0), 1);
        assert_eq!(character_position(sql, sql.find('x').unwrap()), 13);
        assert_eq!(character_position(sql, 99), sql.chars().count() + 1);
    }
}
