use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use jid::FullJid;
use tower_layer::Layer;
use tower_service::Service;

use crate::flow::{BoxError, Envelope, Event, Outcome};
use crate::host::{Conductor, Settings, conduct};
use crate::stanza::Time;

use super::chance::SeededEntropy;
use super::link::WhileDown;
use super::record::Happening;
use super::schedule::Stacks;
use super::server::{Bottom, Server};
use super::state::{Core, HostState, State};
use super::{Session, Slow, tree};

/// Hosts, sessions and the links between them, with a clock that the test
/// moves. See the [module](super).
#[must_use = "a world that is dropped unfinished fails the test"]
pub struct World {
    pub(super) inside: Arc<Inside>,
}

/// What a world shares with its sessions.
pub(super) struct Inside {
    pub(super) core: Arc<Core>,
    stacks: Stacks,
    finished: AtomicBool,
}

/// Time between two ticks, at least.
const TICK: Duration = Duration::from_secs(5);

/// Ticks of one [`World::advance`], at most.
const TICKS: u32 = 20;

impl World {
    /// An empty world, in which everything happens in the order in which the
    /// test does it.
    pub fn new() -> Self {
        Self::of(None)
    }

    /// An empty world in which everything that can happen at the same time
    /// happens in an order that the seed decides. A failure prints the seed.
    pub fn seeded(seed: u64) -> Self {
        Self::of(Some(seed))
    }

    fn of(seed: Option<u64>) -> Self {
        Self {
            inside: Arc::new(Inside {
                core: Core::new(State::new(seed)),
                stacks: Stacks::default(),
                finished: AtomicBool::new(false),
            }),
        }
    }

    /// Adds a host: a domain, and the layers that its stanzas pass. `()` is
    /// no layer; a tuple of layers, or a `tower::ServiceBuilder`, is a stack.
    pub fn host(&self, domain: &str, layers: impl Layers) -> &Self {
        let domain = match jid::DomainPart::new(domain) {
            Ok(domain) => domain.into_owned(),
            Err(error) => panic!("{domain} is not a domain: {error}"),
        };
        let index = self.inside.core.lock().hosts.len();
        let (conductor, driver) = self.inside.conducted(index, layers);
        let mut state = self.inside.core.lock();
        assert!(
            state.host_of(domain.as_str()).is_none(),
            "{domain} is hosted already"
        );
        state.hosts.push(HostState {
            domain,
            conductor,
            is_down: false,
            rooms: None,
            seats: Vec::new(),
            sending: Default::default(),
        });
        drop(state);
        self.inside.stacks.add(driver);
        self
    }

    /// A fault: a host crashes. What was in its memory is gone: its sessions,
    /// what waited in their outboxes, its layers with their state, who was in
    /// its rooms. Nobody is told but the other hosts, which lose their link to
    /// it; what they send waits there. What a port keeps is the test's.
    ///
    /// # Panics
    /// If it is down already.
    #[track_caller]
    pub fn crash(&self, domain: &str) -> &Self {
        self.settle();
        let host = self.inside.host(domain);
        self.inside.core.lock().crash(host);
        // Drops what was under way, which asks for the state.
        self.inside.stacks.replace(host, std::future::pending());
        self
    }

    /// A crashed host starts again, with layers that the test has built from
    /// what their ports kept. Links to it are back; its clients
    /// [bind anew](Session::binds_anew).
    ///
    /// # Panics
    /// If it is not down.
    #[track_caller]
    pub fn start_again(&self, domain: &str, layers: impl Layers) -> &Self {
        let host = self.inside.host(domain);
        let (conductor, driver) = self.inside.conducted(host, layers);
        self.inside.stacks.replace(host, driver);
        self.inside.core.lock().start_again(host, conductor);
        self.settle()
    }

    /// From now on sessions hear the presence of their account's sessions,
    /// their own too, as RFC 6121 §4 has it. By default they do not, so that
    /// tests of other things need not expect it.
    pub fn own_presence(&self) -> &Self {
        self.inside.core.lock().own_presence = true;
        self
    }

    /// From now on hosts keep messages for accounts without a session that
    /// takes them, instead of refusing them (XEP-0160).
    pub fn offline_storage(&self) -> &Self {
        self.inside.core.lock().offline = Some(Vec::new());
        self
    }

    /// A session that is bound and has sent its presence.
    ///
    /// # Panics
    /// If this is no full JID, or no host of the world has its domain.
    #[track_caller]
    pub fn session(&self, full: &str) -> Session {
        self.bind(full).priority(0)
    }

    /// Several sessions of one account.
    pub fn sessions<const N: usize>(&self, account: &str, resources: [&str; N]) -> [Session; N] {
        resources.map(|resource| self.session(&format!("{account}/{resource}")))
    }

    /// A session that is bound and has sent nothing.
    #[track_caller]
    pub fn bind(&self, full: &str) -> Session {
        self.bind_with(full, &[])
    }

    /// The same, with these namespaces switched on while it was bound.
    #[track_caller]
    pub fn bind_with(&self, full: &str, enabled: &[&str]) -> Session {
        let jid: FullJid = match full.parse() {
            Ok(jid) => jid,
            Err(error) => panic!("{full} is not a full JID: {error}"),
        };
        self.inside.host(jid.domain().as_str());
        let session = Session::new(self.inside.clone(), jid);
        session.binds(enabled);
        self.settle();
        session
    }

    /// Runs until nothing moves: what has not arrived now does not arrive.
    pub fn settle(&self) -> &Self {
        self.inside.settle();
        self
    }

    /// Moves the clock. Links come back when their time has come, and hosts
    /// hear a tick every 5 seconds, but no more than 20 in all.
    pub fn advance(&self, time: Duration) -> &Self {
        self.settle();
        let end = self.now() + time;
        let step = TICK.max(time / TICKS);
        let mut next_tick = self.now() + step;
        while self.now() < end {
            let ticks = next_tick <= end;
            let mut state = self.inside.core.lock();
            let next = state
                .sleepers
                .iter()
                .filter_map(|sleeper| sleeper.until)
                .chain(state.next_link_back())
                .chain([next_tick])
                .filter(|time| *time > state.now)
                .fold(end, Time::min);
            state.now = next;
            state.bring_links_back();
            let woken: Vec<_> = state
                .sleepers
                .extract_if(.., |sleeper| {
                    sleeper.until.is_some_and(|until| until <= next)
                })
                .collect();
            if ticks && next == next_tick {
                next_tick = next_tick + step;
                state.tick_outboxes();
                for host in 0..state.hosts.len() {
                    state.raise(host, Event::Tick);
                }
            }
            drop(state);
            for sleeper in woken {
                sleeper.waker.wake();
            }
            self.settle();
        }
        self
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.inside.core.lock().now
    }

    /// Cuts the link between two hosts, in both directions.
    pub fn cut(&self, one: &str, other: &str, lasting: Duration) -> &Self {
        self.cut_with(one, other, lasting, WhileDown::default())
    }

    /// The same, and says what becomes of what is sent meanwhile.
    pub fn cut_with(&self, one: &str, other: &str, lasting: Duration, down: WhileDown) -> &Self {
        let (one, other) = (self.inside.host(one), self.inside.host(other));
        self.inside.core.lock().cut(one, other, lasting, down);
        self
    }

    /// Lets a host hear of an event, such as a room in doubt.
    pub fn event(&self, domain: &str, event: Event) -> &Self {
        let host = self.inside.host(domain);
        self.inside.core.lock().raise(host, event);
        self
    }

    /// A port or layer that waits for up to `turns` other things to happen:
    /// as many as chance says in a seeded world, else all.
    pub fn slow(&self, turns: usize) -> Slow {
        Slow::turns(self.inside.core.clone(), turns)
    }

    /// A port or layer that waits until the clock has moved on by this much.
    pub fn delayed(&self, time: Duration) -> Slow {
        Slow::lasting(self.inside.core.clone(), time)
    }

    /// Randomness for layers, the same in every run with the same seed.
    pub fn entropy(&self) -> SeededEntropy {
        SeededEntropy::new(self.inside.core.lock().chance.next())
    }

    /// Says that this layer broke and was stepped over, as planned.
    ///
    /// # Panics
    /// If it did not break.
    #[track_caller]
    pub fn expect_broken(&self, layer: &str) -> &Self {
        self.settle();
        let mut found = false;
        for entry in &mut self.inside.core.lock().record.entries {
            if let Happening::Broke { expected, .. } = &mut entry.what
                && entry.by == Some(layer)
            {
                (*expected, found) = (true, true);
            }
        }
        assert!(found, "{layer} did not break{}", self.inside.seed());
        self
    }

    /// The end of a test: nothing may be left that no expectation named.
    ///
    /// # Panics
    /// If something is left; the panic shows what led to it, as a tree.
    #[track_caller]
    pub fn finish(self) {
        self.inside.finished.store(true, Ordering::SeqCst);
        self.settle();
        let failure = tree::leftovers(&self.inside.core.lock());
        if let Some(failure) = failure {
            panic!("{failure}{}", self.inside.seed());
        }
    }

    /// Forgets what is left: for tests that look at something else.
    pub fn abandon(self) {
        self.inside.finished.store(true, Ordering::SeqCst);
    }
}

/// What [`World::host`] takes: whatever makes a service over the host's
/// [`Bottom`], as every layer of this crate, a tuple of layers and a
/// `tower::ServiceBuilder` do.
pub trait Layers:
    Layer<
        Bottom,
        Service: Service<
            Envelope,
            Response = Outcome,
            Error: Into<BoxError> + Send + 'static,
            Future: Send + 'static,
        > + Clone
                     + Send
                     + Unpin
                     + 'static,
    >
{
}

impl<L> Layers for L
where
    L: Layer<Bottom>,
    L::Service: Service<Envelope, Response = Outcome> + Clone + Send + Unpin + 'static,
    <L::Service as Service<Envelope>>::Future: Send + 'static,
    <L::Service as Service<Envelope>>::Error: Into<BoxError> + Send + 'static,
{
}

impl Inside {
    /// A stack over a host's bottom, set to work.
    fn conducted<L: Layers>(
        &self,
        host: usize,
        layers: L,
    ) -> (
        Conductor,
        impl Future<Output = ()> + Send + 'static + use<L>,
    ) {
        let server = Server::new(self.core.clone(), host);
        let stack = layers.layer(Bottom::new(server.clone()));
        let (conductor, drivers) = conduct(stack, server, Settings::default());
        let driver = futures::future::join_all(drivers).map(|_| ());
        (conductor, driver)
    }

    #[track_caller]
    pub(super) fn settle(&self) {
        if !self.stacks.settle(&self.core) {
            self.finished.store(true, Ordering::SeqCst);
            let newest = tree::newest(&self.core.lock());
            panic!("the world does not come to rest{}\n{newest}", self.seed());
        }
    }

    /// The host of a domain, which must be one.
    #[track_caller]
    pub(super) fn host(&self, domain: &str) -> usize {
        let host = self.core.lock().host_of(domain);
        match host {
            Some(host) => host,
            None => panic!("nobody hosts {domain}: `World::host` adds a host"),
        }
    }

    /// For the end of a failure's text.
    pub(super) fn seed(&self) -> String {
        match self.core.lock().seed {
            Some(seed) => format!("\nseed: World::seeded({seed})"),
            None => String::new(),
        }
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !self.inside.finished.load(Ordering::SeqCst) && !std::thread::panicking() {
            panic!("a world ends with `finish`: what nobody expected would go unseen");
        }
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&tree::everything(&self.inside.core.lock()))
    }
}
