use std::fmt;
use std::sync::Arc;

use jid::{BareJid, FullJid, Jid};

/// Where a stanza stands in this server.
///
/// One pipeline serves all of them, since carbons, stamping and joining each
/// span two directions. A stanza between two local users makes two passes:
/// one [`FromSession`](Route::FromSession), one [`ToAccount`](Route::ToAccount).
///
/// [`host::conduct`](crate::host::conduct) runs one pass at a time in each
/// lane. What a session sends takes the lane of that session; whatever else has
/// an [owner](Route::owner), an account or a room, takes the owner's;
/// [`Host`](Route::Host) has one of its own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Route {
    /// Sent by one of our sessions.
    FromSession(FullJid),
    /// Sent in the name of one of our accounts, by a layer. It is archived like
    /// what a session sends, but not forked: no session has written it, and the
    /// layer that wants them to see it sends them [copies](super::Emit::copy).
    FromAccount(BareJid),
    /// Addressed to one of our accounts or to one of its sessions.
    ToAccount(BareJid),
    /// Addressed to one of our rooms or to one of its occupants.
    ToRoom(BareJid),
    /// Broadcast by one of our rooms, with the snapshot it took while it did.
    Broadcast(Arc<Snapshot>),
    /// Sent by one of our rooms to one address.
    FromRoom {
        /// The room.
        room: BareJid,
        /// Whom it wrote to.
        to: Jid,
    },
    /// Concerns the host as a whole: a tick, a link, a description.
    Host,
}

/// The half of a feature that a pass belongs to; part of the guard's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Side {
    /// The sender's account.
    Sender,
    /// The receiving account.
    Receiver,
    /// The room.
    Room,
    /// Nobody in particular.
    Host,
}

/// A room at the moment of a broadcast.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The room.
    pub room: BareJid,
    /// Real bare JIDs of all present occupants, sorted.
    pub occupants: Vec<BareJid>,
    /// Everybody with an affiliation other than `none`, sorted by address.
    pub members: Vec<Member>,
    /// Whether only members may enter (XEP-0045 §3, members-only room).
    pub members_only: bool,
    /// Grows with every change of occupants or affiliations.
    pub revision: u64,
}

/// One entry of a room's affiliation list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The real bare JID.
    pub jid: BareJid,
    /// What it is to the room.
    pub affiliation: Affiliation,
    /// The nick it registered, if any (XEP-0045 §7.10).
    pub nick: Option<String>,
}

/// The bare part of an address, without an allocation.
#[allow(dead_code, reason = "used by features, which may all be off")]
#[inline]
pub(crate) fn bare(jid: &Jid) -> &str {
    let whole = jid.as_str();
    match jid.resource() {
        Some(resource) => &whole[..whole.len() - resource.as_str().len() - 1],
        None => whole,
    }
}

/// The bare part of an address, cut off a copy of it: a seventh of the work of
/// `Jid::to_bare`, which formats it anew out of its parts.
#[inline]
pub(crate) fn to_bare(jid: &Jid) -> BareJid {
    jid.clone().into_bare()
}

/// A long-lived relation to a room (XEP-0045 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Affiliation {
    /// Banned.
    Outcast,
    /// No relation.
    None,
    /// May enter members-only rooms.
    Member,
    /// Manages members and moderators.
    Admin,
    /// Manages everything.
    Owner,
}

impl Route {
    /// The account or room that the pass acts for; `None` for the host.
    pub fn owner(&self) -> Option<&Jid> {
        match self {
            // `FullJid` derefs to `Jid`; the guard compares bare parts.
            Route::FromSession(session) => Some(session),
            Route::FromAccount(owner) | Route::ToAccount(owner) | Route::ToRoom(owner) => {
                Some(owner)
            }
            Route::Broadcast(snapshot) => Some(&snapshot.room),
            Route::FromRoom { room, .. } => Some(room),
            Route::Host => None,
        }
    }

    /// The owner's bare JID.
    pub fn owner_bare(&self) -> Option<BareJid> {
        self.owner().map(to_bare)
    }

    /// Which half of a feature the pass belongs to.
    pub fn side(&self) -> Side {
        match self {
            Route::FromSession(_) | Route::FromAccount(_) => Side::Sender,
            Route::ToAccount(_) => Side::Receiver,
            Route::ToRoom(_) | Route::Broadcast(_) | Route::FromRoom { .. } => Side::Room,
            Route::Host => Side::Host,
        }
    }

    /// The sending session, if one of ours.
    pub fn session(&self) -> Option<&FullJid> {
        match self {
            Route::FromSession(session) => Some(session),
            _ => None,
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Route::FromSession(session) => write!(f, "from session {session}"),
            Route::FromAccount(account) => write!(f, "from account {account}"),
            Route::ToAccount(account) => write!(f, "to account {account}"),
            Route::ToRoom(room) => write!(f, "to room {room}"),
            Route::Broadcast(snapshot) => write!(f, "broadcast by {}", snapshot.room),
            Route::FromRoom { room, to } => write!(f, "from room {room} to {to}"),
            Route::Host => f.write_str("host"),
        }
    }
}

impl Snapshot {
    /// Whether the account has any occupant in the room, whatever its nick.
    pub fn is_present(&self, account: &BareJid) -> bool {
        self.occupants.binary_search(account).is_ok()
    }

    /// The account's affiliation.
    pub fn affiliation(&self, account: &BareJid) -> Affiliation {
        self.members
            .binary_search_by(|member| member.jid.cmp(account))
            .map_or(Affiliation::None, |found| self.members[found].affiliation)
    }
}

impl Affiliation {
    /// The word of the `affiliation` attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Affiliation::Outcast => "outcast",
            Affiliation::None => "none",
            Affiliation::Member => "member",
            Affiliation::Admin => "admin",
            Affiliation::Owner => "owner",
        }
    }

    /// Reads the `affiliation` attribute; `None` for a word XEP-0045 does not know.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "outcast" => Affiliation::Outcast,
            "none" => Affiliation::None,
            "member" => Affiliation::Member,
            "admin" => Affiliation::Admin,
            "owner" => Affiliation::Owner,
            _ => return None,
        })
    }
}

impl fmt::Display for Affiliation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
