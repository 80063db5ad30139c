//! A server for one test, on a port of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use trueup::engine::{Engine, EngineConfig};
use trueup::serve::http::{HttpOptions, HttpState, serve_http};

use crate::harness::run;

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) engine: Engine,
    pub(crate) stop: watch::Sender<bool>,
    ready: watch::Sender<bool>,
    task: JoinHandle<std::io::Result<()>>,
}

pub(crate) fn options() -> HttpOptions {
    HttpOptions { shutdown_grace: Duration::from_millis(500), ..HttpOptions::default() }
}

impl Server {
    /// Starts a server with the usual options on some SQL.
    pub(crate) async fn start(sql: &str) -> Server {
        Server::start_with(options(), sql).await
    }

    pub(crate) async fn start_with(options: HttpOptions, sql: &str) -> Server {
        let config = EngineConfig {
            workers: 2,
            tick_min: Duration::from_millis(1),
            idle_tick: Some(Duration::from_millis(20)),
            ..Default::default()
        };
        let engine = Engine::start(config).expect("the engine starts");
        run(&engine, sql).await;
        Server::serve(options, engine).await
    }

    pub(crate) async fn serve(options: HttpOptions, engine: Engine) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopping) = watch::channel(false);
        let (ready, is_ready) = watch::channel(true);
        let state = HttpState::new(Arc::new(engine.clone()), options, is_ready, vec![], stopping.clone());
        let task = tokio::spawn(serve_http(listener, state, stopping));
        Server { address, engine, stop, ready, task }
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.send_replace(ready);
    }

    /// Stops the server and the engine, and waits until both have.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        let stopped = tokio::time::timeout(Duration::from_secs(5), self.task).await;
        stopped.expect("in time").expect("no panic").expect("no error");
        self.engine.stop().await;
    }
}
