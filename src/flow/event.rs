use jid::{BareJid, DomainPart, FullJid, Jid};

use super::{Affiliation, Route};

/// What happens without a stanza.
///
/// The host tells the stack; every shell hands every event on, so each layer
/// of a stack hears each event once. Events about a session are sent before
/// anything is synthesised for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A session has been bound (RFC 6120 §7).
    SessionBound {
        /// The new session.
        session: FullJid,
        /// Namespaces of what was switched on before or while it was bound,
        /// inline in Bind 2 (XEP-0386) or as a stream feature.
        enabled: Vec<String>,
    },
    /// A session has lost its connection and may come back (XEP-0198 §5).
    SessionHibernating {
        /// The session.
        session: FullJid,
    },
    /// A hibernating session is back, with all its state.
    SessionResumed {
        /// The session.
        session: FullJid,
    },
    /// A session is over; its state goes with it.
    SessionEnded {
        /// The session.
        session: FullJid,
        /// How it ended.
        how: End,
    },
    /// The client is in use again (XEP-0352).
    ClientActive {
        /// The session.
        session: FullJid,
    },
    /// The client is not looked at (XEP-0352).
    ClientInactive {
        /// The session.
        session: FullJid,
    },
    /// The connection to another domain broke.
    LinkLost {
        /// The other domain.
        domain: DomainPart,
    },
    /// The connection to another domain is back.
    LinkBack {
        /// The other domain.
        domain: DomainPart,
    },
    /// One of our rooms came to life; its occupants are unknown to it.
    RoomStarted {
        /// The room.
        room: BareJid,
    },
    /// One of our rooms is gone for good (XEP-0045 §10.9).
    RoomDestroyed {
        /// The room.
        room: BareJid,
    },
    /// One of our rooms changed somebody's affiliation.
    AffiliationChanged {
        /// The room.
        room: BareJid,
        /// Whose.
        user: BareJid,
        /// To what.
        affiliation: Affiliation,
    },
    /// A moderator of one of our rooms has removed somebody, who may come back
    /// (XEP-0045 §8.2, status 307).
    OccupantKicked {
        /// The room.
        room: BareJid,
        /// Whom, by real bare JID.
        user: BareJid,
    },
    /// One of our accounts is gone for good.
    AccountRemoved {
        /// The account.
        account: BareJid,
    },
    /// There is reason to doubt that the account is still in a room.
    SeatSuspect {
        /// The account.
        account: BareJid,
        /// The room.
        room: BareJid,
    },
    /// Time passes: the only timer. The host sends it every few seconds.
    Tick,
    /// Every layer is asked what it announces for an entity; the answer is in
    /// [`Outcome::announced`](super::Outcome::announced).
    Describe(Entity),
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The client closed its stream.
    Clean,
    /// The connection broke and the session could not be resumed.
    Lost,
    /// The time for resuming is over.
    Expired,
}

/// An address that can be asked what it is (XEP-0030).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Entity {
    /// A domain of this server.
    Server(DomainPart),
    /// One of our accounts.
    Account(BareJid),
    /// A domain of ours on which rooms live.
    RoomService(DomainPart),
    /// One of our rooms.
    Room(BareJid),
}

impl Event {
    /// Where an event stands: with the account or room it is about.
    pub fn route(&self) -> Route {
        match self {
            Event::SessionBound { session, .. }
            | Event::SessionHibernating { session }
            | Event::SessionResumed { session }
            | Event::SessionEnded { session, .. }
            | Event::ClientActive { session }
            | Event::ClientInactive { session } => Route::FromSession(session.clone()),
            Event::AccountRemoved { account } | Event::SeatSuspect { account, .. } => {
                Route::ToAccount(account.clone())
            }
            Event::RoomStarted { room }
            | Event::RoomDestroyed { room }
            | Event::AffiliationChanged { room, .. }
            | Event::OccupantKicked { room, .. } => Route::ToRoom(room.clone()),
            Event::LinkLost { .. } | Event::LinkBack { .. } | Event::Tick | Event::Describe(_) => {
                Route::Host
            }
        }
    }

    /// Whether it ends something. Layers that are switched off for an account
    /// still hear of ends, so that switching off cannot leak state.
    pub fn is_end(&self) -> bool {
        matches!(
            self,
            Event::SessionEnded { .. } | Event::AccountRemoved { .. } | Event::RoomDestroyed { .. }
        )
    }
}

impl Entity {
    /// The address.
    pub fn jid(&self) -> Jid {
        match self {
            Entity::Server(domain) | Entity::RoomService(domain) => {
                Jid::from_parts(None, domain, None)
            }
            Entity::Account(jid) | Entity::Room(jid) => jid.clone().into(),
        }
    }
}
