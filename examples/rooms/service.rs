//! The service as a whole: its command line, its start, and its end in order.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::Parser;
use jid::BareJid;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;
use tower::ServiceBuilder;
use tower_xmpp::archive::{Archive, ArchiveLayer};
use tower_xmpp::flow::{Envelope, Event};
use tower_xmpp::host::{Conductor, Router, Settings, conduct};

use super::archives::{self, Doors, Keeping};
use super::away::{self, Switches};
use super::clock;
use super::random;
use super::rooms::Rooms;
use super::site::Site;
use super::storage::{self, Failed, Storage};
use super::uplink::{Target, Uplink};

/// How long a stanza waits for an uplink that is down.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often layers are told that time passes.
const TICK: Duration = Duration::from_secs(5);

/// Chat rooms with archives, as a component of an XMPP server.
#[derive(Clone, Debug, Parser)]
#[command(name = "rooms")]
pub struct Options {
    /// The domain of the rooms, which the server knows as a component's
    #[arg(long, value_name = "DOMAIN")]
    pub domain: BareJid,

    /// The server: component://SECRET@HOST:PORT
    #[arg(long, value_name = "TARGET")]
    pub uplink: Target,

    /// Where persistent rooms and all archives are kept; without it they are
    /// forgotten in the end
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    #[command(flatten)]
    pub archives: Keeping,

    #[command(flatten)]
    pub away: Switches,
}

/// Why there is no service.
#[derive(Debug, thiserror::Error)]
pub enum CannotStart {
    #[error("--domain: {0} is no domain")]
    NoDomain(BareJid),
    #[error(transparent)]
    Storage(#[from] storage::Unusable),
    #[error(transparent)]
    Archives(#[from] archives::Unusable),
    #[error(transparent)]
    Away(#[from] away::Unusable),
    #[error(transparent)]
    Reading(#[from] Failed),
}

/// A service that runs.
pub struct Service {
    site: Arc<Site>,
    storage: Storage,
    conductor: Conductor,
    drivers: JoinSet<()>,
    /// What works for the stores of the layers.
    workers: JoinSet<()>,
    clock: JoinHandle<()>,
    sweep: JoinHandle<()>,
    /// It ends after all else that speaks: the farewell leaves, too.
    uplink: (watch::Sender<bool>, JoinHandle<()>),
}

impl Service {
    /// Connects and serves, in tasks of its own.
    pub async fn start(options: &Options) -> Result<Self, CannotStart> {
        let domain = &options.domain;
        if domain.node().is_some() {
            return Err(CannotStart::NoDomain(domain.clone()));
        }
        let storage = Storage::open(options.data.as_deref())?;
        let site = Arc::new(Site {
            rooms: Rooms::load(domain.clone(), storage.clone()).await?,
            uplink: Uplink::new(&options.uplink, PATIENCE, [domain.clone()]),
            conductor: OnceLock::new(),
        });
        let mut workers = JoinSet::new();
        let data = options.data.as_deref();
        let store = archives::open(data, options.archives, &mut workers)?;
        let archive = |store| {
            let archive = Archive::new(store, Arc::new(random::fill));
            ArchiveLayer::of(archive.rooms(Arc::new(Doors(site.clone()))))
        };
        let away = away::of_rooms(options.away, data, &site, &mut workers).await?;
        let sweep = tokio::spawn(archives::sweep(Some(store.clone()), options.archives));
        // Further layers for rooms go here.
        let stack = ServiceBuilder::new()
            // Stamps what is said, so that whatever goes out bears the stamp.
            .layer(archive(store))
            // Writes to members who are away.
            .option_layer(away.offline)
            // Wakes who believes to be there and is not.
            .option_layer(away.push)
            .service(Router::new(site.clone()));
        let (conductor, parts) = conduct(stack, site.clone(), Settings::default());
        let _ = site.conductor.set(conductor.clone());
        let mut drivers = JoinSet::new();
        for driver in parts {
            drivers.spawn(driver);
        }
        let clock = tokio::spawn(tick(conductor.clone()));
        let (end, is_over) = watch::channel(false);
        let uplink = {
            let (site, conductor) = (site.clone(), conductor.clone());
            tokio::spawn(async move {
                let host = site.clone();
                site.uplink.run(host, conductor, is_over).await;
            })
        };
        Ok(Self {
            site,
            storage,
            conductor,
            drivers,
            workers,
            clock,
            sweep,
            uplink: (end, uplink),
        })
    }

    /// Tells all occupants, writes all that waits, and returns when everything
    /// is over.
    pub async fn shut_down(mut self) {
        self.clock.abort();
        let farewell = self.site.rooms.shut_down(clock::now());
        self.conductor.carry_out(clock::now(), farewell);
        self.conductor.close();
        while self.drivers.join_next().await.is_some() {}
        self.sweep.abort();
        let _ = self.sweep.await;
        // Nobody holds the stores now.
        while self.workers.join_next().await.is_some() {}
        let (end_uplink, uplink) = self.uplink;
        end_uplink.send_replace(true);
        let _ = uplink.await;
        self.storage.close().await;
    }
}

/// Tells the layers that time passes.
async fn tick(conductor: Conductor) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        conductor.post(Envelope::event(clock::now(), Event::Tick));
    }
}
