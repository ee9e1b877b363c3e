use std::sync::Arc;

use jid::{BareJid, FullJid, Jid};

use crate::stanza::Stanza;

use super::{Holders, Route, Snapshot, Trail};

/// One thing to send besides the original.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Emit {
    /// What it is, and so how much of the stack it passes.
    pub kind: EmitKind,
    /// Where it goes.
    pub target: Target,
    /// What becomes of it if the session it went to dies before acknowledging it.
    pub fate: Fate,
    /// Who else has what this is a copy of: whoever gets the copy has it, too.
    pub holders: Option<Holders>,
    /// The stanza.
    pub stanza: Stanza,
    /// Which layers it is the work of. The shell fills this in.
    pub trail: Trail,
    /// The layer that made it. The shell fills this in.
    pub by: Option<&'static str>,
}

/// How much of the stack an [`Emit`] passes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EmitKind {
    /// A copy of something that passed already: straight to delivery.
    Copy,
    /// The answer to the requester: straight to delivery; no archive, no fork.
    /// Only the answer of a room or account of ours to another account of ours
    /// passes the stack, on the other account's side, as one from elsewhere would.
    Answer,
    /// A stanza in its own right: it passes the whole stack at this route.
    New(Route),
}

/// Where an [`Emit`] goes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Target {
    /// To this session of ours. The stanza's `to` stays as it is. What passes
    /// the stack starts with this [`Reach`](super::Reach).
    Session(FullJid),
    /// To each of these sessions, with `to` rewritten to theirs. A broadcast is
    /// one emit. What passes the stack starts with this
    /// [`Reach`](super::Reach), and its `to` stays as it is.
    Sessions(Arc<[FullJid]>),
    /// To each of these addresses, wherever they lead, with `to` rewritten to
    /// theirs. A broadcast of a room is one emit.
    Audience {
        /// Real JIDs.
        to: Arc<[Jid]>,
        /// Whose message it is; see [`Facts::author`](super::Facts::author).
        author: Option<Arc<BareJid>>,
    },
    /// Wherever the stanza's `to` leads.
    Routing,
}

/// What becomes of a delivery whose session dies before acknowledging it
/// (XEP-0198 §4). Where several sessions have one original, it meets its fate
/// when the last of them has died: see [`Holders`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fate {
    /// It is routed again as if the session had never been: to another
    /// resource, to offline storage, or back as an error. For originals.
    Reroute,
    /// It comes back to its sender as an error. For IQ requests.
    Bounce,
    /// It is forgotten. For copies, room traffic and presence.
    Drop,
}

impl Emit {
    /// A copy for one session. It is dropped if the session dies unacked:
    /// others have the message, and a bounce of a copy must never reach the
    /// original sender (XEP-0280 §10.3).
    pub fn copy(session: FullJid, stanza: Stanza) -> Self {
        Self::new(EmitKind::Copy, Target::Session(session), Fate::Drop, stanza)
    }

    /// The same stanza for many sessions.
    pub fn broadcast(sessions: impl Into<Arc<[FullJid]>>, stanza: Stanza) -> Self {
        Self::new(
            EmitKind::Copy,
            Target::Sessions(sessions.into()),
            Fate::Drop,
            stanza,
        )
    }

    /// An answer, addressed by its `to`.
    pub fn answer(stanza: Stanza) -> Self {
        Self::new(EmitKind::Answer, Target::Routing, Fate::Drop, stanza)
    }

    /// A new stanza that passes the whole stack at `route`, with the fate of
    /// an original.
    pub fn new_at(route: Route, stanza: Stanza) -> Self {
        let fate = Fate::of_original(&stanza);
        Self::new(EmitKind::New(route), Target::Routing, fate, stanza)
    }

    /// What one of our rooms broadcasts: it passes the whole stack once, at
    /// [`Route::Broadcast`], and then once more for each of the audience that
    /// is an account of ours.
    pub fn room_broadcast(
        snapshot: Arc<Snapshot>,
        audience: impl Into<Arc<[Jid]>>,
        stanza: Stanza,
    ) -> Self {
        Self::new(
            EmitKind::New(Route::Broadcast(snapshot)),
            Target::Audience {
                to: audience.into(),
                author: None,
            },
            Fate::Drop,
            stanza,
        )
    }

    /// The same, and who wrote what the room broadcasts: a real bare JID.
    #[must_use]
    pub fn written_by(mut self, writer: BareJid) -> Self {
        if let Target::Audience { author, .. } = &mut self.target {
            *author = Some(writer.into());
        }
        self
    }

    /// The same with another fate.
    #[must_use]
    pub fn with_fate(mut self, fate: Fate) -> Self {
        self.fate = fate;
        self
    }

    fn new(kind: EmitKind, target: Target, fate: Fate, stanza: Stanza) -> Self {
        Self {
            kind,
            target,
            fate,
            holders: None,
            stanza,
            trail: Trail::default(),
            by: None,
        }
    }
}

impl Fate {
    /// The fate of an original that reaches a session.
    ///
    /// A message is routed again unless it is an error, a headline or
    /// groupchat (an error about room traffic would expel the account from
    /// the room); an IQ request bounces, so that its sender need not wait;
    /// everything else has no use later.
    pub fn of_original(stanza: &Stanza) -> Self {
        use crate::stanza::{Kind, MessageType};
        match stanza.kind() {
            Kind::Message => match stanza.message_type() {
                MessageType::Chat | MessageType::Normal => Fate::Reroute,
                _ => Fate::Drop,
            },
            Kind::Iq if stanza.is_request() => Fate::Bounce,
            _ => Fate::Drop,
        }
    }
}
