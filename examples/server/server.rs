//! The server as a whole: starts, accepts connections, and ends in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tower_xmpp::flow::Event;
use tower_xmpp::host::{Conductor, Settings, conduct};
use tracing::{Instrument, info, info_span, warn};

use super::accounts::Accounts;
use super::entrance::Entrance;
use super::options::Options;
use super::site::Site;
use super::stack::stack;
use super::storage::{Failed, Storage, Unusable};
use super::stream;

/// How often layers are told that time passes.
const TICK: Duration = Duration::from_secs(5);

/// How long connections may take to end when the server does.
const GRACE: Duration = Duration::from_secs(10);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum CannotStart {
    #[error("cannot listen: {0}")]
    Listening(#[from] io::Error),
    #[error(transparent)]
    Storage(#[from] Unusable),
    #[error(transparent)]
    Reading(#[from] Failed),
}

/// A server that runs.
pub struct Server {
    address: SocketAddr,
    site: Arc<Site>,
    shutdown: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    conductor: Conductor,
    drivers: JoinSet<()>,
}

impl Server {
    /// Listens and serves, in tasks of its own.
    pub async fn start(options: &Options) -> Result<Self, CannotStart> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;

        let storage = Storage::open(options.data.as_deref())?;
        let domain = options.domain.clone();
        let accounts = Accounts::load(domain, &storage, &options.accounts).await?;
        let site = Arc::new(Site::new(accounts, storage));
        let (conductor, parts) = conduct(stack(site.clone()), site.clone(), Settings::default());
        site.conducted_by(conductor.clone());
        let mut drivers = JoinSet::new();
        for driver in parts {
            drivers.spawn(driver);
        }

        let (shutdown, is_over) = watch::channel(false);
        let entrance = Arc::new(Entrance::new(
            site.clone(),
            conductor.clone(),
            options.limits,
            is_over,
        ));
        info!(%address, domain = %options.domain, "listening");
        Ok(Self {
            address,
            site,
            shutdown,
            accepting: tokio::spawn(accept(listener, entrance)),
            conductor,
            drivers,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who may log in.
    pub fn accounts(&self) -> &Accounts {
        &self.site.accounts
    }

    /// Ends every stream with `system-shutdown`, writes all that waits, and
    /// returns when everything is over.
    pub async fn shut_down(mut self) {
        info!("shutting down");
        self.shutdown.send_replace(true);
        let _ = self.accepting.await;
        // The sessions have ended; what follows from it is finished.
        self.conductor.close();
        while self.drivers.join_next().await.is_some() {}
        self.site.storage.close().await;
        info!("all is said");
    }
}

/// Accepts until the server ends, then waits for the connections to end.
async fn accept(listener: TcpListener, entrance: Arc<Entrance>) {
    let mut streams = JoinSet::new();
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            () = entrance.shutting_down() => break,
            _ = ticks.tick() => entrance.hear(Event::Tick).await,
            Some(_) = streams.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    let is_full = streams.len() >= entrance.limits().max_streams;
                    let span = info_span!("client", %peer);
                    let stream = stream::serve(entrance.clone(), socket, is_full);
                    streams.spawn(stream.instrument(span));
                }
                // Out of file descriptors, most likely: others may go away.
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    let all_ended = async { while streams.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all_ended).await.is_err() {
        warn!("some connections did not end in time");
    }
}
