//! POSTs to one URL, over one connection that is kept as long as the receiver keeps it.
//!
//! TLS is rustls with the system's certificates, or those of `ca_file`. No redirects, no proxies, no HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::SinkDef;
use super::alerts::Message;
use crate::model::error::code;
use crate::model::{SqlError, SqlResult};

/// An answer's body is read this far, so that the connection can be used again.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What a receiver answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// `Retry-After` in seconds; dates are not read.
    pub(super) retry_after: Option<Duration>,
    /// The beginning of what it says.
    pub(super) text: String,
}

type Sender = SendRequest<Full<Bytes>>;

pub(super) struct Client {
    def: SinkDef,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    connection: Option<Sender>,
}

impl Client {
    pub(super) fn new(def: &SinkDef) -> SqlResult<Client> {
        let host = def.url.host().unwrap_or_default().trim_matches(['[', ']']).to_string();
        let is_https = def.url.scheme_str() == Some("https");
        let port = def.url.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let tls = if is_https {
            let name = ServerName::try_from(host.clone())
                .map_err(|e| SqlError::new(code::INVALID_PARAMETER_VALUE, format!("host \"{host}\": {e}")))?;
            Some((TlsConnector::from(Arc::new(tls_config(def)?)), name))
        } else {
            None
        };
        Ok(Client { def: def.clone(), host, port, tls, connection: None })
    }

    /// Sends one message and waits for the answer.
    ///
    /// # Errors
    /// Why there is no answer, for people.
    pub(super) async fn post(&mut self, message: &Message) -> Result<Answer, String> {
        let sent = tokio::time::timeout(self.def.timeout, self.try_post(message)).await;
        let answer = sent.unwrap_or_else(|_| Err(format!("no answer within {} ms", self.def.timeout.as_millis())));
        if answer.is_err() {
            self.connection = None;
        }
        answer
    }

    async fn try_post(&mut self, message: &Message) -> Result<Answer, String> {
        // Taken: a connection on which something fails, or whose use is given up, is not used again.
        if let Some(mut kept) = self.connection.take()
            && kept.ready().await.is_ok()
            && let Ok(answer) = exchange(&mut kept, self.request(message)?).await
        {
            self.connection = Some(kept);
            return Ok(answer);
        }
        // The receiver may have closed the old one meanwhile.
        let mut new = self.connect().await?;
        let answer = exchange(&mut new, self.request(message)?).await?;
        self.connection = Some(new);
        Ok(answer)
    }

    async fn connect(&self) -> Result<Sender, String> {
        let place = format!("{}:{}", self.host, self.port);
        let unreachable = |e: std::io::Error| format!("can't reach {place}: {e}");
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(unreachable)?;
        // Messages are small and each is waited for.
        socket.set_nodelay(true).map_err(unreachable)?;
        match &self.tls {
            None => speak(socket).await,
            Some((connector, name)) => speak(connector.connect(name.clone(), socket).await.map_err(unreachable)?).await,
        }
    }

    fn request(&self, message: &Message) -> Result<Request<Full<Bytes>>, String> {
        let path = self.def.url.path_and_query().map_or("/", |path| path.as_str());
        let host = self.def.url.authority().map_or(self.host.as_str(), |a| a.as_str().rsplit('@').next().unwrap_or(""));
        let mut request = Request::post(path)
            .header(HOST, host)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("trueup/", env!("CARGO_PKG_VERSION")))
            .header("trueup-dedupe-key", message.dedupe_key())
            .header("idempotency-key", message.idempotency_key());
        for (name, value) in &self.def.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(message.body.clone())).map_err(|e| e.to_string())
    }
}

/// Where a client sends, without what is secret in it.
pub(super) fn shown(url: &Uri) -> String {
    format!("{}://{}{}", url.scheme_str().unwrap_or(""), url.host().unwrap_or(""), url.path())
}

async fn speak(
    socket: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
) -> Result<Sender, String> {
    let (sender, connection) = handshake(TokioIo::new(socket)).await.map_err(|e| e.to_string())?;
    // It ends when the sender is dropped or the receiver closes; what goes wrong shows in the exchange.
    tokio::spawn(connection);
    Ok(sender)
}

async fn exchange(connection: &mut Sender, request: Request<Full<Bytes>>) -> Result<Answer, String> {
    let response = connection.send_request(request).await.map_err(|e| e.to_string())?;
    let status = response.status();
    let seconds = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(|v| v.trim().parse().ok());
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&body.to_bytes()).chars().take(200).collect();
    Ok(Answer { status, retry_after: seconds.map(Duration::from_secs), text })
}

fn tls_config(def: &SinkDef) -> SqlResult<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match &def.ca_file {
        Some(path) => {
            let refused = |e: &dyn std::fmt::Display| {
                SqlError::new(code::IO_ERROR, format!("certificates of \"{}\": {e}", path.display()))
            };
            let certificates = CertificateDer::pem_file_iter(path).map_err(|e| refused(&e))?;
            for certificate in certificates {
                roots.add(certificate.map_err(|e| refused(&e))?).map_err(|e| refused(&e))?;
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    if roots.is_empty() {
        return Err(SqlError::new(code::IO_ERROR, "no certificates to trust were found")
            .hint("name a file of them with the option \"ca_file\""));
    }
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| SqlError::internal(e.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
