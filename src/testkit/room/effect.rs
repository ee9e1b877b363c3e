//! What a room wants done, as data.

use std::sync::Arc;

use jid::{BareJid, Jid};

use crate::flow::{Emit, Event, Snapshot};
use crate::stanza::{Element, Kind, Stanza, StanzaError, Time, ns};

use super::Settings;

/// One thing that the host has to do, in the order of the list.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Effect {
    /// One stanza goes to many occupants: a pass at
    /// [`Route::Broadcast`](crate::flow::Route::Broadcast).
    Broadcast(Broadcast),
    /// One stanza goes to one address: a pass at
    /// [`Route::FromRoom`](crate::flow::Route::FromRoom).
    Send {
        /// The room, or the service itself.
        room: BareJid,
        /// The real JID, the same as the stanza's `to`.
        to: Jid,
        /// The stanza, with `from` and `to`.
        stanza: Stanza,
    },
    /// The stack is to be told, before anything that follows.
    Event(Event),
}

/// A stanza for many occupants.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Broadcast {
    /// The room as it was when it broadcast.
    pub snapshot: Arc<Snapshot>,
    /// The stanza, with `from` and without `to`.
    pub stanza: Stanza,
    /// The real JIDs it goes to: full ones, or an account's bare one.
    pub recipients: Arc<[Jid]>,
    /// Whose message it is, unless it is the room's own.
    pub author: Option<BareJid>,
    /// Under this key the stanza stands in the room's history; the stamped
    /// one takes its place through [`Rooms::keep`](super::Rooms::keep).
    pub history: Option<HistoryKey>,
}

/// Names one message in the history of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HistoryKey(pub(super) u64);

impl Broadcast {
    /// The pass that it is.
    pub fn into_emit(self) -> Emit {
        let emit = Emit::room_broadcast(self.snapshot, self.recipients, self.stanza);
        match self.author {
            Some(author) => emit.written_by(author),
            None => emit,
        }
    }
}

/// One stanza being handled: when, under which rules, and what came of it.
pub(super) struct Turn<'a> {
    pub(super) at: Time,
    pub(super) settings: &'a Settings,
    pub(super) effects: Vec<Effect>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(at: Time, settings: &'a Settings) -> Self {
        Turn {
            at,
            settings,
            effects: Vec::new(),
        }
    }

    /// Sends `stanza`, which has its `from`, to one address.
    pub(super) fn send(&mut self, room: &BareJid, to: &Jid, stanza: Stanza) {
        self.effects.push(Effect::Send {
            room: room.clone(),
            to: to.clone(),
            stanza: stanza.with_to(to.clone()),
        });
    }

    /// Answers with an error, unless the stanza is one (RFC 6120 §8.3.1). To a
    /// presence it bears an empty `<x/>`, as all such examples of XEP-0045 §7
    /// do: there are clients that heed no refusal of a join without it.
    pub(super) fn refuse(
        &mut self,
        room: &BareJid,
        stanza: &Stanza,
        refusal: impl Into<StanzaError>,
    ) {
        let error = refusal.into().with_by(room.clone());
        if let (Some(to), Some(mut reply)) = (stanza.from(), stanza.error_reply(&error)) {
            if stanza.kind() == Kind::Presence {
                reply.push(Element::new("x", ns::MUC));
            }
            self.send(room, to, reply);
        }
    }

    pub(super) fn event(&mut self, event: Event) {
        self.effects.push(Effect::Event(event));
    }
}
