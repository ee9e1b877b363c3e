use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jid::FullJid;
use tower_layer::Layer;
use tower_service::Service;

use crate::flow::{Envelope, Event, Outcome};
use crate::host::{Settings, conduct};
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
    pub fn host<L>(&self, domain: &str, layers: L) -> &Self
    where
        L: Layer<Bottom>,
        L::Service: Service<Envelope, Response = Outcome> + Clone + Send + Unpin + 'static,
        <L::Service as Service<Envelope>>::Future: Send + 'static,
        <L::Service as Service<Envelope>>::Error:
            Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
    {
        let core = &self.inside.core;
        let domain = match jid::DomainPart::new(domain) {
            Ok(domain) => domain.into_owned(),
            Err(error) => panic!("{domain} is not a domain: {error}"),
        };
        let index = core.lock().hosts.len();
        let server = Server::new(core.clone(), index);
        let stack = layers.layer(Bottom::new(server.clone()));
        let (conductor, drivers) = conduct(stack, server, Settings::default());
        let mut state = core.lock();
        assert!(
            state.host_of(domain.as_str()).is_none(),
            "{domain} is hosted already"
        );
        state.hosts.push(HostState {
            domain,
            conductor,
            seats: Vec::new(),
            sending: Default::default(),
        });
        drop(state);
        for driver in drivers {
            self.inside.stacks.add(driver);
        }
        self
    }

    /// A session that is bound and has sent its presence.
    pub fn session(&self, full: &str) -> Session {
        self.bind(full).priority(0)
    }

    /// Several sessions of one account.
    pub fn sessions<const N: usize>(&self, account: &str, resources: [&str; N]) -> [Session; N] {
        resources.map(|resource| self.session(&format!("{account}/{resource}")))
    }

    /// A session that is bound and has sent nothing.
    pub fn bind(&self, full: &str) -> Session {
        self.bind_with(full, &[])
    }

    /// The same, with these namespaces switched on while it was bound.
    pub fn bind_with(&self, full: &str, enabled: &[&str]) -> Session {
        let jid: FullJid = match full.parse() {
            Ok(jid) => jid,
            Err(error) => panic!("{full} is not a full JID: {error}"),
        };
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
        let mut state = self.inside.core.lock();
        let find = |domain| match state.host_of(domain) {
            Some(host) => host,
            None => panic!("nobody hosts {domain}"),
        };
        let (one, other) = (find(one), find(other));
        state.cut(one, other, lasting, down);
        drop(state);
        self
    }

    /// Lets a host hear of an event, such as a room in doubt.
    pub fn event(&self, domain: &str, event: Event) -> &Self {
        let mut state = self.inside.core.lock();
        let Some(host) = state.host_of(domain) else {
            panic!("nobody hosts {domain}");
        };
        state.raise(host, event);
        drop(state);
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

impl Inside {
    #[track_caller]
    pub(super) fn settle(&self) {
        if !self.stacks.settle(&self.core) {
            self.finished.store(true, Ordering::SeqCst);
            let newest = tree::newest(&self.core.lock());
            panic!("the world does not come to rest{}\n{newest}", self.seed());
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
