//! The two halves of a client's connection: messages in, messages out.
//!
//! Guarantees: [`Writer`] holds whole messages only, so that a statement cancelled between two awaits leaves the stream
//! well-formed; [`Reader::gone`] notices a client that hangs up while its statement runs. The output buffer is bounded as long
//! as writers call [`Writer::relieve`] between rows.

use std::io;

use bytes::BytesMut;
use pgwire::error::PgWireError;
use pgwire::messages::{DecodeContext, PgWireBackendMessage, PgWireFrontendMessage, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Output is sent when this much has gathered.
const SEND_BYTES: usize = 64 * 1024;
/// Input read ahead while a statement runs.
const READ_AHEAD_BYTES_MAX: usize = 1024 * 1024;

/// What the client sends.
pub(crate) struct Reader {
    half: OwnedReadHalf,
    buffer: BytesMut,
    context: DecodeContext,
}

impl Reader {
    pub(crate) fn new(half: OwnedReadHalf) -> Self {
        Reader { half, buffer: BytesMut::new(), context: DecodeContext::new(ProtocolVersion::PROTOCOL3_0) }
    }

    /// From now on, ordinary messages: the start-up packet is read.
    pub(crate) fn started(&mut self) {
        self.context.awaiting_frontend_ssl = false;
        self.context.awaiting_frontend_startup = false;
    }

    /// Before start-up: whether an encryption request may come next, or only the start-up packet itself.
    pub(crate) fn expect_encryption_request(&mut self, expected: bool) {
        self.context.awaiting_frontend_ssl = expected;
    }

    /// The next message; `None` when the client has gone.
    pub(crate) async fn message(&mut self) -> io::Result<Option<PgWireFrontendMessage>> {
        loop {
            if let Some(message) = self.decode()? {
                return Ok(Some(message));
            }
            if self.half.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn decode(&mut self) -> io::Result<Option<PgWireFrontendMessage>> {
        PgWireFrontendMessage::decode(&mut self.buffer, &self.context).map_err(to_io)
    }

    /// Returns once the client has hung up; until then reads ahead what it sends, up to a bound.
    pub(crate) async fn gone(&mut self) {
        while self.buffer.len() < READ_AHEAD_BYTES_MAX {
            match self.half.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        std::future::pending().await
    }
}

/// What the client gets.
pub(crate) struct Writer {
    half: OwnedWriteHalf,
    buffer: BytesMut,
}

impl Writer {
    pub(crate) fn new(half: OwnedWriteHalf) -> Self {
        Writer { half, buffer: BytesMut::with_capacity(8 * 1024) }
    }

    /// Appends a message; it is sent by a later flush.
    pub(crate) fn put(&mut self, message: PgWireBackendMessage) -> io::Result<()> {
        let start = self.buffer.len();
        message.encode(&mut self.buffer).map_err(|error| {
            self.buffer.truncate(start);
            to_io(error)
        })
    }

    /// Where rows are written; whole messages only.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Sends what has gathered if it is much.
    pub(crate) async fn relieve(&mut self) -> io::Result<()> {
        if self.buffer.len() >= SEND_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Sends everything.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        while !self.buffer.is_empty() {
            if self.half.write_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

fn to_io(error: PgWireError) -> io::Error {
    match error {
        PgWireError::IoError(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}
