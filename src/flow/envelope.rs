use std::ops::{Deref, DerefMut};

use crate::stanza::{Stanza, Time};

use super::{Event, Facts, Route, Trail};

/// One request to the stack: a stanza or an event, and where it stands.
///
/// An envelope is one pointer wide, so that handing it from layer to layer
/// costs nothing; its fields are reached through [`Deref`] as [`Parts`].
///
/// ```
/// use tower_xmpp::flow::{Envelope, Route};
/// use tower_xmpp::stanza::{Stanza, Time};
///
/// let alice = "alice@a.example/phone".parse()?;
/// let envelope = Envelope::stanza(Time::from_secs(0), Route::FromSession(alice), Stanza::message());
/// assert!(envelope.as_stanza().is_some());
/// # Ok::<(), jid::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Envelope(Box<Parts>);

/// The fields of an [`Envelope`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Parts {
    /// When the host took the stanza in: the only clock that layers have.
    pub at: Time,
    /// The stanza or the event.
    pub what: What,
    /// Where it stands: from whom to whom, seen from this server.
    pub route: Route,
    /// Which layers it is the work of; empty for what came from outside.
    pub trail: Trail,
    /// What outer layers found out for inner ones.
    pub facts: Facts,
}

/// What an [`Envelope`] carries.
#[derive(Clone, Debug)]
pub enum What {
    /// A message, a presence or an IQ.
    Stanza(Stanza),
    /// Something that happened without a stanza.
    Event(Event),
}

impl Envelope {
    /// An envelope for a stanza that came from outside.
    pub fn stanza(at: Time, route: Route, stanza: Stanza) -> Self {
        Self::new(at, route, What::Stanza(stanza))
    }

    /// An envelope for an event; its route is [`Event::route`].
    pub fn event(at: Time, event: Event) -> Self {
        Self::new(at, event.route(), What::Event(event))
    }

    fn new(at: Time, route: Route, what: What) -> Self {
        Self(Box::new(Parts {
            at,
            what,
            route,
            trail: Trail::default(),
            facts: Facts::default(),
        }))
    }

    /// The stanza, unless this is an event.
    pub fn as_stanza(&self) -> Option<&Stanza> {
        match &self.0.what {
            What::Stanza(stanza) => Some(stanza),
            What::Event(_) => None,
        }
    }

    /// The stanza to change, unless this is an event.
    pub fn as_stanza_mut(&mut self) -> Option<&mut Stanza> {
        match &mut self.0.what {
            What::Stanza(stanza) => Some(stanza),
            What::Event(_) => None,
        }
    }

    /// The event, unless this is a stanza.
    pub fn as_event(&self) -> Option<&Event> {
        match &self.0.what {
            What::Event(event) => Some(event),
            What::Stanza(_) => None,
        }
    }

    /// Takes the envelope apart.
    pub fn into_parts(self) -> Parts {
        *self.0
    }
}

impl Deref for Envelope {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl DerefMut for Envelope {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.0
    }
}
