//! The PostgreSQL protocol, version 3.0, over the messages of the `pgwire` crate.
//!
//! Guarantees: simple and extended queries, prepared statements, portals, cursors, COPY in both directions, cancel requests,
//! `statement_timeout`, `pg_catalog` and `information_schema` behave as PostgreSQL's documentation says, as far as psql, libpq
//! drivers, JDBC and `sqllogictest` use them; errors carry PostgreSQL's SQLSTATE, detail, hint and position.
//!
//! Non-guarantees:
//! - Transactions are accepted, but every statement is applied at once: ROLLBACK does not undo it (and says so in a warning),
//!   and each statement of a block reads its own tick. What a block does guarantee: cursors live in it, and after an error it
//!   takes no further statement.
//! - Everybody is trusted: no passwords, no TLS (an SSLRequest is answered `N`). Bind to a private address.
//! - Any database name is accepted; there is one database, `trueup`.
//! - Time zones other than UTC change how `timestamptz` is shown, not what `date_trunc` and casts compute.
//!
//! Modules: `wire` moves messages, `startup` and `backends` get a client in and cancel its statements, `connection` and
//! `extended` speak the two query protocols, `session` is what statements mean to a session, `catalog` answers questions about
//! the schema, `encode`, `decode` and `copy` turn values into bytes and back.

mod backends;
mod catalog;
mod connection;
mod copy;
mod decode;
mod encode;
mod extended;
mod report;
mod rows;
mod send;
mod session;
mod startup;
mod variables;
mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use datafusion::error::DataFusionError;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::backends::Backends;
use self::catalog::Catalog;
use crate::engine::Database;
use crate::model::{SqlError, SqlResult};
use crate::plan::error::from_datafusion;

/// What an operator may choose about the server.
#[derive(Clone, Debug)]
pub struct PgOptions {
    /// Clients at a time; further ones are refused with SQLSTATE 53300.
    pub connections_max: usize,
    /// How long running statements may take to finish when the server stops.
    pub shutdown_grace: Duration,
}

impl Default for PgOptions {
    fn default() -> Self {
        PgOptions { connections_max: 1_000, shutdown_grace: Duration::from_secs(5) }
    }
}

/// Counters of the server, for `/metrics`.
#[derive(Debug, Default)]
pub struct PgCounters {
    /// Clients connected now.
    pub connections: AtomicU64,
    /// Statements run.
    pub statements: AtomicU64,
    /// Statements that failed.
    pub errors: AtomicU64,
    /// Rows sent.
    pub rows_sent: AtomicU64,
}

/// What all connections share.
struct Shared {
    database: Arc<dyn Database>,
    catalog: Catalog,
    backends: Arc<Backends>,
    counters: Arc<PgCounters>,
    shutdown: watch::Receiver<bool>,
}

/// Serves clients until `shutdown` turns true (or its sender is gone): then no one is let in any more, idle clients are told
/// and disconnected, and running statements may finish within the grace period.
pub async fn serve_pg(
    listener: TcpListener,
    database: Arc<dyn Database>,
    options: PgOptions,
    counters: Arc<PgCounters>,
    mut shutdown: watch::Receiver<bool>,
) -> SqlResult<()> {
    let backends = Arc::new(Backends::new(options.connections_max, counters.clone()));
    let shared = Arc::new(Shared {
        catalog: Catalog::new(database.clone())?,
        database,
        backends: backends.clone(),
        counters,
        shutdown: shutdown.clone(),
    });
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, address)) => {
                    let shared = shared.clone();
                    clients.spawn(async move {
                        if let Err(error) = connection::serve(socket, shared).await {
                            tracing::debug!(%address, %error, "client connection ended");
                        }
                    });
                }
                Err(error) => {
                    // Out of file descriptors: clients that leave give some back.
                    tracing::warn!(%error, "cannot accept a client");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(ended) = clients.join_next(), if !clients.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a client's connection died of a bug");
                }
            }
            () = stopped(&mut shutdown) => break,
        }
    }
    drop(listener);
    let all_gone = async { while clients.join_next().await.is_some() {} };
    if tokio::time::timeout(options.shutdown_grace, all_gone).await.is_err() {
        backends.stop_all();
        let last_words = async { while clients.join_next().await.is_some() {} };
        // A client that does not even read its error is cut off.
        let _ = tokio::time::timeout(Duration::from_secs(1), last_words).await;
    }
    Ok(())
}

/// Resolves when the server is to stop.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // An error means that whoever could say so has gone.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// What running a query may fail with, in PostgreSQL's terms; without a place, which planning has found if there is one.
fn query_error(error: DataFusionError) -> SqlError {
    from_datafusion(error, "")
}
