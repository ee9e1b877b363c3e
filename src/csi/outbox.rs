use std::collections::VecDeque;
use std::time::Duration;

use jid::FullJid;

use crate::stanza::{Kind, RawXml, Stanza, Time, ns};

use super::{Class, classify};

/// What an outbox needs to know of what it holds.
pub trait Parcel {
    /// The session that it is for. Its server is who delays it.
    fn session(&self) -> &FullJid;
    /// When it came.
    fn at(&self) -> Time;
    /// What it is.
    fn stanza(&self) -> &Stanza;
    /// To stamp it, if it has waited.
    fn stanza_mut(&mut self) -> &mut Stanza;
}

/// How an [`Outbox`] holds.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// What may wait. Default: [`classify`].
    pub classify: fn(&Stanza) -> Class,
    /// How many may wait; one more lets all go out. Default 256.
    pub capacity: usize,
    /// How long the oldest may wait; then all go out. Default an hour.
    pub longest: Duration,
}

/// One session's outbox: the only place where stanzas wait. See the
/// [module](super).
#[derive(Debug)]
pub struct Outbox<T> {
    settings: Settings,
    is_active: bool,
    /// To be written now, in order.
    ready: VecDeque<T>,
    /// What waits for the client to be active, in order: all of it came after
    /// what is ready.
    held: VecDeque<Held<T>>,
}

#[derive(Debug)]
struct Held<T> {
    parcel: T,
    /// The next of its sender replaces it.
    is_replaceable: bool,
}

impl<T: Parcel> Outbox<T> {
    /// An empty outbox of an active client.
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    /// The same, with other settings.
    pub fn with(settings: Settings) -> Self {
        Self {
            settings,
            is_active: true,
            ready: VecDeque::new(),
            held: VecDeque::new(),
        }
    }

    /// Puts a delivery in.
    pub fn push(&mut self, parcel: T) {
        if self.is_active {
            self.ready.push_back(parcel);
            return;
        }
        let class = (self.settings.classify)(parcel.stanza());
        if let Class::Newest = class {
            self.held.retain(|held| !held.is_replaced_by(&parcel));
        }
        let is_replaceable = matches!(class, Class::Newest);
        let may_wait = !matches!(class, Class::Now(_)) && self.held.len() < self.settings.capacity;
        if may_wait {
            self.held.push_back(Held {
                parcel,
                is_replaceable,
            });
        } else {
            self.flush();
            self.ready.push_back(parcel);
        }
    }

    /// Puts a delivery in, and takes the next one out that is to be written now:
    /// the same one, and without making room for it, where nothing waits.
    pub fn exchange(&mut self, parcel: T) -> Option<T> {
        if self.is_active && self.ready.is_empty() {
            return Some(parcel);
        }
        self.push(parcel);
        self.pop()
    }

    /// Takes the next delivery that is to be written now.
    pub fn pop(&mut self) -> Option<T> {
        self.ready.pop_front()
    }

    /// The client says that it is looked at (`<active/>`, XEP-0352 §5.1), or
    /// its session has been resumed (§5.2): all that waits goes out, before
    /// whatever the client asks next is answered.
    pub fn active(&mut self) {
        self.is_active = true;
        self.flush();
    }

    /// The client says that it is not looked at (`<inactive/>`).
    pub fn inactive(&mut self) {
        self.is_active = false;
    }

    /// Time passes: if the oldest has waited too long, all that waits goes out.
    pub fn tick(&mut self, now: Time) {
        let oldest = self.held.front();
        if oldest.is_some_and(|held| now.since(held.parcel.at()) >= self.settings.longest) {
            self.flush();
        }
    }

    /// How many deliveries are to be written. The host bounds it: a client
    /// that does not read is ended, and its outbox goes to
    /// [`expire`](crate::host::expire).
    pub fn len(&self) -> usize {
        self.ready.len()
    }

    /// Whether none is to be written.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// How many deliveries wait for the client to be active. At most
    /// [`Settings::capacity`].
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Everything in here, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let held = self.held.iter().map(|held| &held.parcel);
        self.ready.iter().chain(held)
    }

    /// Takes everything out, in order, because the session is over.
    pub fn drain(&mut self) -> impl Iterator<Item = T> {
        let held = std::mem::take(&mut self.held);
        let ready = std::mem::take(&mut self.ready);
        ready
            .into_iter()
            .chain(held.into_iter().map(|held| held.parcel))
    }

    fn flush(&mut self) {
        for mut held in self.held.drain(..) {
            stamp(&mut held.parcel);
            self.ready.push_back(held.parcel);
        }
    }
}

impl<T: Parcel> Held<T> {
    fn is_replaced_by(&self, newer: &T) -> bool {
        self.is_replaceable && self.parcel.stanza().from() == newer.stanza().from()
    }
}

/// XEP-0203: who delayed it, and when it came. A stamp that it has says when
/// it was written, which matters more.
fn stamp(parcel: &mut impl Parcel) {
    let stanza = parcel.stanza();
    if stanza.kind() == Kind::Iq || stanza.has_child("delay", ns::DELAY) {
        return;
    }
    let delay = RawXml::build("delay", ns::DELAY)
        .attr("from", parcel.session().domain().as_str())
        .attr("stamp", &parcel.at().to_string())
        .finish();
    parcel.stanza_mut().push(delay);
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            classify,
            capacity: 256,
            longest: Duration::from_secs(60 * 60),
        }
    }
}

impl<T: Parcel> Default for Outbox<T> {
    fn default() -> Self {
        Self::new()
    }
}
