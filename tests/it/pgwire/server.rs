//! A server for one test, on a port of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use trueup::engine::{Database, Engine, EngineConfig};
use trueup::model::SqlResult;
use trueup::serve::pg::{PgCounters, PgOptions, serve_pg};

/// The database under test.
fn database() -> Arc<dyn Database> {
    let config = EngineConfig { workers: 2, tick_min: Duration::from_millis(1), ..Default::default() };
    Arc::new(Engine::start(config).expect("the engine starts"))
}

/// A running server.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) counters: Arc<PgCounters>,
    shutdown: watch::Sender<bool>,
    task: JoinHandle<SqlResult<()>>,
}

impl Server {
    /// Starts a server with the usual options.
    pub(super) async fn start() -> Server {
        Server::start_with(PgOptions { shutdown_grace: Duration::from_millis(300), ..PgOptions::default() }).await
    }

    pub(super) async fn start_with(options: PgOptions) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (shutdown, stopped) = watch::channel(false);
        let counters = Arc::new(PgCounters::default());
        let task = tokio::spawn(serve_pg(listener, database(), options, counters.clone(), stopped));
        Server { address, counters, shutdown, task }
    }

    /// How clients find the server.
    pub(super) fn url(&self) -> String {
        format!("host=127.0.0.1 port={} user=tester dbname=trueup connect_timeout=5", self.address.port())
    }

    /// A connected client.
    pub(super) async fn connect(&self) -> Client {
        self.try_connect().await.expect("a connection")
    }

    pub(super) async fn try_connect(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Tells the server to stop and waits until it has.
    pub(super) async fn stop(self) {
        // It may have stopped already.
        let _ = self.shutdown.send(true);
        tokio::time::timeout(Duration::from_secs(5), self.task)
            .await
            .expect("in time")
            .expect("no panic")
            .expect("no error");
    }

    /// Tells the server to stop.
    pub(super) fn begin_stop(&self) {
        self.shutdown.send(true).expect("the server runs");
    }
}

/// The rows of a simple query as text; NULL is `None`.
pub(super) async fn rows(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
            }
            _ => None,
        })
        .collect()
}

/// The only value of a simple query.
pub(super) async fn value(client: &Client, sql: &str) -> String {
    rows(client, sql).await.remove(0).remove(0).expect("a value")
}

/// The SQLSTATE a simple query fails with.
pub(super) async fn failure(client: &Client, sql: &str) -> String {
    match client.simple_query(sql).await {
        Ok(_) => panic!("{sql}: succeeded"),
        Err(error) => error.code().unwrap_or_else(|| panic!("{sql}: {error}")).code().to_owned(),
    }
}
