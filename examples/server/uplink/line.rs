//! One line: what waits for it, and how it comes back when it breaks.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use jid::{BareJid, DomainPart, DomainRef};
use tokio::sync::{Notify, watch};
use tower_xmpp::flow::Event;
use tower_xmpp::host::Host;
use tower_xmpp::stanza::{Condition, Form, Stanza};
use tracing::{info, warn};

use super::super::clock::now;
use super::super::random;
use super::pauses::Pauses;
use super::talk::{Broken, Connection};
use super::{Inside, Target};

/// How many bytes of stanzas may wait.
const WAITING: usize = 4 << 20;

/// How many bytes are written in one go.
const CHUNK: usize = 64 * 1024;

/// How many domains are remembered, to tell layers when the line breaks.
const DOMAINS: usize = 1_000;

pub struct Line {
    pub domain: BareJid,
    pub target: Target,
    patience: Duration,
    state: Mutex<State>,
    /// Wakes the writer.
    filled: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// What is being written.
    taken: Vec<Stanza>,
    /// The other server does not want this domain, or not with this secret.
    is_refused: bool,
    /// The domains that have been heard of.
    domains: BTreeSet<DomainPart>,
    /// It has been logged that this line carries what is for another.
    is_crossed: bool,
}

struct Waiting {
    stanza: Stanza,
    size: usize,
    since: Instant,
}

impl Line {
    pub fn new(domain: BareJid, target: Target, patience: Duration) -> Self {
        Self {
            domain,
            target,
            patience,
            state: Mutex::default(),
            filled: Notify::new(),
        }
    }

    pub fn push(&self, stanza: Stanza) -> Result<(), (Stanza, Condition)> {
        let size = stanza.wire_len();
        let mut state = self.state();
        if state.is_refused {
            return Err((stanza, Condition::RemoteServerNotFound));
        }
        if state.bytes + size > WAITING {
            return Err((stanza, Condition::ResourceConstraint));
        }
        state.bytes += size;
        state.waiting.push_back(Waiting {
            stanza,
            size,
            since: Instant::now(),
        });
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for something to write, and takes as much as is written at once.
    pub async fn take(&self, chunk: &mut Vec<u8>) {
        while !self.take_now(chunk) {
            self.filled.notified().await;
        }
    }

    /// What was taken is written.
    pub fn written(&self) {
        self.state().taken.clear();
    }

    fn take_now(&self, chunk: &mut Vec<u8>) -> bool {
        let mut state = self.state();
        while chunk.len() < CHUNK
            && let Some(next) = state.waiting.pop_front()
        {
            state.bytes -= next.size;
            next.stanza.write(chunk, Form::Stream);
            state.taken.push(next.stanza);
        }
        !state.taken.is_empty()
    }

    /// A domain speaks to us over this line.
    pub fn heard_of(&self, domain: &DomainRef) {
        let mut state = self.state();
        if state.domains.len() < DOMAINS && !state.domains.contains(domain) {
            state.domains.insert(domain.to_owned());
        }
    }

    /// What is for another domain of ours comes on this line: said once.
    pub fn crossed(&self, to: &DomainRef) {
        if !std::mem::replace(&mut self.state().is_crossed, true) {
            warn!(
                domain = %self.domain, %to,
                "stanzas for another domain come on this uplink and may overtake \
                 each other (ejabberd: set global_routes: false)"
            );
        }
    }

    /// Connects, talks, and begins anew, until it is over.
    pub async fn run<H: Host>(self: Arc<Self>, inside: Inside<H>, over: watch::Receiver<bool>) {
        let mut pauses = Pauses::default();
        loop {
            let why = match self
                .while_waiting(&inside, &over, Connection::open(&self))
                .await
            {
                None => return,
                Some(Ok(connection)) => {
                    info!(domain = %self.domain, to = %self.target.address, "uplink connected");
                    pauses.connected();
                    self.state().is_refused = false;
                    self.tell(&inside, |domain| Event::LinkBack { domain });
                    let why = connection.talk(&self, &inside, over.clone()).await;
                    for stanza in std::mem::take(&mut self.state().taken) {
                        inside.bounce(now(), &stanza, Condition::RemoteServerTimeout);
                    }
                    if *over.borrow() {
                        return;
                    }
                    self.tell(&inside, |domain| Event::LinkLost { domain });
                    why
                }
                Some(Err(why)) => why,
            };
            if matches!(why, Broken::Refused(_)) {
                self.state().is_refused = true;
                self.bounce(&inside, Condition::RemoteServerNotFound, |_| true);
            }
            let pause = pauses.next(u16::from_be_bytes(random::bytes()));
            warn!(domain = %self.domain, %why, retry_in = ?pause, "uplink disconnected");
            let sleep = tokio::time::sleep(pause);
            if self.while_waiting(&inside, &over, sleep).await.is_none() {
                return;
            }
        }
    }

    /// Does something while the line is down; none if it is over before. What
    /// has waited too long comes back meanwhile.
    async fn while_waiting<H: Host, T>(
        &self,
        inside: &Inside<H>,
        over: &watch::Receiver<bool>,
        what: impl Future<Output = T>,
    ) -> Option<T> {
        let mut over = over.clone();
        let mut seconds = tokio::time::interval(Duration::from_millis(500));
        tokio::pin!(what);
        loop {
            tokio::select! {
                done = &mut what => return Some(done),
                _ = over.wait_for(|is_over| *is_over) => {
                    self.bounce(inside, Condition::RemoteServerTimeout, |_| true);
                    return None;
                }
                _ = seconds.tick() => {
                    let too_long = |waiting: &Waiting| waiting.since.elapsed() >= self.patience;
                    self.bounce(inside, Condition::RemoteServerTimeout, too_long);
                }
            }
        }
    }

    /// Sends back what waits, the oldest first, as long as `such` holds.
    fn bounce<H: Host>(
        &self,
        inside: &Inside<H>,
        condition: Condition,
        such: impl Fn(&Waiting) -> bool,
    ) {
        let mut state = self.state();
        while state.waiting.front().is_some_and(&such) {
            if let Some(waiting) = state.waiting.pop_front() {
                state.bytes -= waiting.size;
                inside.bounce(now(), &waiting.stanza, condition);
            }
        }
    }

    fn tell<H: Host>(&self, inside: &Inside<H>, event: impl Fn(DomainPart) -> Event) {
        let domains = self.state().domains.clone();
        for domain in domains {
            inside.tell(now(), event(domain));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}
