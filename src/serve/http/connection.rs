//! Accepting connections and ending them: limits on their number and on slow headers, a bounded graceful stop.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::{HttpState, app};

/// How long a client may take to send the head of a request, also of the next one on the same connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves until `shutdown` turns true (or its sender is gone). Then nobody is let in any more, idle connections are closed, and
/// requests under way may finish within the grace period.
///
/// # Errors
/// None: what goes wrong with one client is logged.
pub async fn serve_http(
    listener: TcpListener,
    state: HttpState,
    mut shutdown: watch::Receiver<bool>,
) -> io::Result<()> {
    let grace = state.0.options.shutdown_grace;
    let places = Arc::new(Semaphore::new(state.0.options.connections_max));
    let app = app(state);
    let mut connections = JoinSet::new();
    loop {
        let accept = async {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        tokio::select! {
            (place, accepted) = accept => match accepted {
                Ok((socket, _)) => {
                    let connection = serve_one(socket, app.clone(), shutdown.clone());
                    connections.spawn(async move {
                        if let Err(error) = connection.await {
                            tracing::debug!(%error, "an HTTP connection ended");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    // Out of file descriptors: clients that leave give some back.
                    tracing::warn!(%error, "cannot accept an HTTP client");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "an HTTP connection died of a bug");
                }
            }
            () = stopped(&mut shutdown) => break,
        }
    }
    drop(listener);
    let all_gone = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, all_gone).await.is_err() {
        connections.shutdown().await;
    }
    Ok(())
}

async fn serve_one(socket: TcpStream, app: Router, mut shutdown: watch::Receiver<bool>) -> hyper::Result<()> {
    // Events are small and must not wait for more; where it can't be set they come later.
    let _ = socket.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(app));
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = stopped(&mut shutdown) => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// Resolves when the server is to stop.
pub(super) async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // An error means that whoever could say so has gone.
    let _ = shutdown.wait_for(|stop| *stop).await;
}
