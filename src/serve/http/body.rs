//! Bodies of requests: read within limits of size, time and memory, and decompressed within the same.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Shared;
use super::error::ApiError;
use crate::model::SqlError;
use crate::model::error::code;

/// Bytes decompressed between two looks at the limits.
const PIECE_BYTES: usize = 64 << 10;
/// How long a refused client is listened to.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(250);

/// A body, and the memory it is accounted for as long as this lives.
pub(super) struct Held {
    pub(super) bytes: Bytes,
    /// For its drop.
    pub(super) reservation: Reservation,
}

/// A share of the memory all bodies have.
pub(super) struct Reservation {
    in_flight: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Reservation {
    fn new(in_flight: &Arc<Semaphore>) -> Reservation {
        Reservation { in_flight: Arc::clone(in_flight), permit: None, bytes: 0 }
    }

    /// Accounts for `more` bytes; refused when all bodies together would be too much.
    fn grow(&mut self, more: usize) -> Result<(), ApiError> {
        let had = self.bytes.div_ceil(1024);
        self.bytes += more;
        let wanted = (self.bytes.div_ceil(1024) - had) as u32;
        let permit = Arc::clone(&self.in_flight).try_acquire_many_owned(wanted).map_err(|_| {
            let message = "too much is being sent at once: the engine has not taken it in yet";
            ApiError::busy(StatusCode::TOO_MANY_REQUESTS, message)
        })?;
        match &mut self.permit {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        Ok(())
    }
}

/// Takes in what a client still sends after it has been refused, for a moment: closing a connection with unread input makes the
/// client's system throw the answer away.
pub(super) async fn drain(mut body: Body) {
    let drained = async { while let Some(Ok(_)) = body.frame().await {} };
    // Whoever goes on sending has had its chance.
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, drained).await;
}

/// Reads a body, decompressed if it says that it is gzip.
pub(super) async fn read(shared: &Shared, headers: &HeaderMap, body: &mut Body) -> Result<Held, ApiError> {
    let is_gzip = match headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("").trim()) {
        None | Some("" | "identity") => false,
        Some(encoding) if encoding.eq_ignore_ascii_case("gzip") => true,
        Some(other) => {
            let message = format!("content encoding \"{other}\" is not read; send gzip or none");
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, SqlError::unsupported(message)));
        }
    };
    let limit = shared.options.body_bytes_max;
    let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large(limit, ""));
    }
    let mut reservation = Reservation::new(&shared.in_flight);
    let bytes = tokio::time::timeout(shared.options.body_timeout, collect(body, limit, &mut reservation)).await;
    let bytes = bytes.map_err(|_| {
        let message = format!("the body took more than {} s", shared.options.body_timeout.as_secs_f64());
        ApiError::new(StatusCode::REQUEST_TIMEOUT, SqlError::new(code::QUERY_CANCELED, message))
    })??;
    if !is_gzip {
        return Ok(Held { bytes, reservation });
    }
    let work = tokio::task::spawn_blocking(move || decompress(&bytes, limit, reservation));
    work.await.map_err(|e| ApiError::from(SqlError::internal(e.to_string())))?
}

fn too_large(limit: usize, what: &str) -> ApiError {
    ApiError::too_large(format!("the body{what} is larger than {limit} bytes; send it in parts"))
}

async fn collect(body: &mut Body, limit: usize, reservation: &mut Reservation) -> Result<Bytes, ApiError> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let cut = |e: axum::Error| {
            ApiError::new(StatusCode::BAD_REQUEST, SqlError::new("08P01", format!("the body ended early: {e}")))
        };
        let Ok(data) = frame.map_err(cut)?.into_data() else { continue };
        if all.len() + data.len() > limit {
            return Err(too_large(limit, ""));
        }
        reservation.grow(data.len())?;
        all.extend_from_slice(&data);
    }
    Ok(all.freeze())
}

fn decompress(compressed: &[u8], limit: usize, mut reservation: Reservation) -> Result<Held, ApiError> {
    let mut decoder = MultiGzDecoder::new(compressed);
    let mut all = Vec::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = decoder.read(&mut piece).map_err(|e| {
            let error = SqlError::new(code::BAD_COPY_FILE_FORMAT, format!("the body is not gzip: {e}"));
            ApiError::new(StatusCode::BAD_REQUEST, error)
        })?;
        if count == 0 {
            return Ok(Held { bytes: all.into(), reservation });
        }
        if all.len() + count > limit {
            return Err(too_large(limit, ", decompressed,"));
        }
        reservation.grow(count)?;
        all.extend_from_slice(&piece[..count]);
    }
}
