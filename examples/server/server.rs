//! The server as a whole: starts, accepts connections, and ends in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tower_xmpp::host::{Conductor, Driver, Settings, conduct};
use tracing::{Instrument, info, info_span, warn};

use super::accounts::Accounts;
use super::archives;
use super::away;
use super::census::{Census, Counted};
use super::clock;
use super::entrance::Entrance;
use super::figures;
use super::options::Options;
use super::seats;
use super::site::Site;
use super::stack::stack;
use super::storage::{self, Failed, Storage};
use super::stream::{batch, tcp, websocket};
use super::tls;
use super::uplink::Uplink;

/// How often it is looked whose time is over.
const SECOND: Duration = Duration::from_secs(1);

/// How often layers are told that time passes, in seconds.
const TICK: u32 = 5;

/// How long it may take until all occupants of rooms are told of the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long connections may take to end when the server does.
const GRACE: Duration = Duration::from_secs(10);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum CannotStart {
    #[error("cannot listen: {0}")]
    Listening(#[from] io::Error),
    #[error(transparent)]
    Storage(#[from] storage::Unusable),
    #[error(transparent)]
    Archives(#[from] archives::Unusable),
    #[error(transparent)]
    Reading(#[from] Failed),
    #[error(transparent)]
    Seats(#[from] seats::Unusable),
    #[error(transparent)]
    Away(#[from] away::Unusable),
    #[error(transparent)]
    Tls(#[from] tls::Unusable),
    #[error("cannot count: {0}")]
    Figures(#[from] metrics_exporter_prometheus::BuildError),
}

/// A server that runs.
pub struct Server {
    address: SocketAddr,
    websocket: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    site: Arc<Site>,
    shutdown: watch::Sender<bool>,
    accepting: JoinSet<()>,
    clock: JoinHandle<()>,
    /// It ends after all else that speaks: what the end leads to leaves, too.
    uplink: (watch::Sender<bool>, JoinHandle<()>),
    entrance: Arc<Entrance>,
    conductor: Conductor,
    drivers: JoinSet<()>,
    /// What works for the stores of the layers.
    workers: JoinSet<()>,
}

impl Server {
    /// Listens and serves, in tasks of its own. If it cannot, every file has been
    /// closed when this returns.
    pub async fn start(options: &Options) -> Result<Self, CannotStart> {
        let storage = Storage::open(options.data.as_deref())?;
        let mut workers = JoinSet::new();
        let started = Self::start_with(options, storage.clone(), &mut workers).await;
        if started.is_err() {
            storage.close().await;
            while workers.join_next().await.is_some() {}
        }
        started
    }

    async fn start_with(
        options: &Options,
        storage: Storage,
        workers: &mut JoinSet<()>,
    ) -> Result<Self, CannotStart> {
        let tls = match (&options.tls_cert, &options.tls_key) {
            (Some(certificate), Some(key)) => Some(tls::acceptor(certificate, key)?),
            _ => None,
        };
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let websockets = match options.websocket {
            Some(address) => Some(TcpListener::bind(address).await?),
            None => None,
        };
        let figures = match options.metrics {
            Some(address) => Some((TcpListener::bind(address).await?, figures::count()?)),
            None => None,
        };
        let metrics = figures.as_ref().map(|(listener, _)| listener.local_addr());
        let metrics = metrics.transpose()?;
        let websocket = websockets
            .as_ref()
            .map(TcpListener::local_addr)
            .transpose()?;

        let domain = options.domain.clone();
        let accounts = Accounts::load(domain, &storage, &options.accounts).await?;
        let mut site = Site::new(accounts, storage).await?;
        let uplink = |target| Uplink::new(target, options.uplink_patience, site.domains());
        site.uplink = options.uplink.as_ref().map(uplink);
        let site = Arc::new(site);
        let rooms = match options.account_rooms {
            true => {
                let bookmarks = site.bookmarks.clone();
                Some(seats::layer(options.data.as_deref(), bookmarks, workers).await?)
            }
            false => None,
        };
        let store = match options.no_archive {
            true => None,
            false => Some(archives::open(
                options.data.as_deref(),
                options.archives,
                workers,
            )?),
        };
        let sweep = archives::sweep(store.clone(), options.archives);
        let (switches, data) = (options.away, options.data.as_deref());
        let bookmarks = site.bookmarks.clone();
        let of_accounts =
            away::of_accounts(switches, data, bookmarks, rooms.as_ref(), workers).await?;
        let of_rooms = away::of_rooms(switches, data, &site, workers).await?;
        let (stack, archive) = stack(site.clone(), rooms, store, of_accounts, of_rooms);
        // What is acknowledged is safe, its recipient's archive included.
        let mut settings = Settings::default();
        settings.to_the_end = true;
        let (conductor, parts) = conduct(stack, site.clone(), settings);
        site.conducted_by(conductor.clone());
        let mut drivers = JoinSet::new();
        for driver in parts {
            drivers.spawn(batch::drive(driver, Driver::has_waiting));
        }

        let (shutdown, is_over) = watch::channel(false);
        let entrance = Arc::new(Entrance::new(
            site.clone(),
            conductor.clone(),
            archive,
            options.limits,
            is_over,
        ));
        let census = Census::new(options.limits);
        let mut accepting = JoinSet::new();
        let waiting = entrance.clone();
        accepting.spawn(async move {
            tokio::select! {
                () = waiting.shutting_down() => {}
                () = sweep => {}
            }
        });
        if let Some((listener, handle)) = figures {
            let (entrance, census) = (entrance.clone(), census.clone());
            accepting.spawn(figures::show(listener, handle, entrance, census));
        }
        if let Some(listener) = websockets {
            let entry = websocket::Entry {
                entrance: entrance.clone(),
                tls: tls
                    .clone()
                    .filter(|_| websocket.is_some_and(|it| options.requires_tls(it))),
            };
            let serve = move |socket, counted| entry.clone().serve(socket, counted);
            accepting.spawn(accept(listener, entrance.clone(), census.clone(), serve));
        }
        let entry = tcp::Entry {
            entrance: entrance.clone(),
            tls,
            is_tls_required: options.requires_tls(address),
        };
        let serve = move |socket, counted| entry.clone().serve(socket, counted);
        accepting.spawn(accept(listener, entrance.clone(), census, serve));
        let (end_uplink, uplink_is_over) = watch::channel(false);
        let uplink = {
            let (site, conductor) = (site.clone(), conductor.clone());
            tokio::spawn(async move {
                if let Some(uplink) = &site.uplink {
                    uplink.run(site.clone(), conductor, uplink_is_over).await;
                }
            })
        };
        let (websocket_at, metrics_at) = (
            websocket.map(tracing::field::display),
            metrics.map(tracing::field::display),
        );
        info!(
            %address,
            websocket = websocket_at,
            metrics = metrics_at,
            domain = %options.domain,
            tls = options.tls_cert.is_some(),
            data = options.data.as_deref().map(tracing::field::debug),
            "listening"
        );
        Ok(Self {
            address,
            websocket,
            metrics,
            site,
            shutdown,
            accepting,
            clock: tokio::spawn(tick(entrance.clone())),
            uplink: (end_uplink, uplink),
            entrance,
            conductor,
            drivers,
            workers: std::mem::take(workers),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for clients over WebSocket.
    pub fn websocket(&self) -> Option<SocketAddr> {
        self.websocket
    }

    /// Where it shows figures.
    pub fn metrics(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// Who may log in.
    pub fn accounts(&self) -> &Accounts {
        &self.site.accounts
    }

    /// Ends every room with 332, then every stream with `system-shutdown`,
    /// writes all that waits, and returns when everything is over.
    pub async fn shut_down(mut self) {
        info!("shutting down");
        let farewell = self.site.rooms.shut_down(clock::now());
        self.conductor.carry_out(clock::now(), farewell);
        // Occupants hear from their rooms before their streams end; who goes on
        // talking meanwhile does not hold that up for long.
        let _ = tokio::time::timeout(FAREWELL, self.conductor.idle()).await;
        self.shutdown.send_replace(true);
        while self.accepting.join_next().await.is_some() {}
        self.clock.abort();
        let _ = self.clock.await;
        self.entrance.expire_all_sessions().await;
        // The sessions have ended; what follows from it is finished.
        self.conductor.close();
        while self.drivers.join_next().await.is_some() {}
        drop(self.entrance);
        // Nobody holds the stores now.
        while self.workers.join_next().await.is_some() {}
        let (end_uplink, uplink) = self.uplink;
        end_uplink.send_replace(true);
        let _ = uplink.await;
        self.site.storage.close().await;
        info!("stopped");
    }
}

/// Tells whom it concerns that time passes.
async fn tick(entrance: Arc<Entrance>) {
    let mut seconds = tokio::time::interval(SECOND);
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for second in (0..TICK).cycle() {
        seconds.tick().await;
        entrance.expire_sessions(Instant::now()).await;
        if second == 0 {
            entrance.tick().await;
        }
    }
}

/// Accepts until the server ends, then waits for the connections to end.
async fn accept<F, Serve>(
    listener: TcpListener,
    entrance: Arc<Entrance>,
    census: Arc<Census>,
    serve: F,
) where
    F: Fn(TcpStream, Counted) -> Serve,
    Serve: Future<Output = ()> + Send + 'static,
{
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            () = entrance.shutting_down() => break,
            Some(_) = streams.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    let Some(counted) = census.add(peer.ip()) else { continue };
                    let stream = serve(socket, counted);
                    streams.spawn(stream.instrument(info_span!("client", %peer)));
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
        warn!("some connections did not close in time, aborted");
    }
}
