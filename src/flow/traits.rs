//! The few questions that features ask about each other's subject. They are
//! asked through traits of the flow, built with the stack, since features do
//! not import each other.

use async_trait::async_trait;
use jid::{BareJid, FullJid};

use crate::stanza::{Element, Stanza, Time};

use super::Emit;

/// What a port of the host's own may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Who is in which room: answered by account_muc, by a small presence
/// tracker where it is absent, or by the host.
pub trait Occupancy: Send + Sync {
    /// Whether the account has anything to do with the room, so that its
    /// messages to the bare JID are welcome.
    fn known(&self, account: &BareJid, room: &BareJid) -> bool;

    /// The account's sessions that are in the room.
    fn sessions(&self, account: &BareJid, room: &BareJid) -> Vec<FullJid>;
}

/// The seats that accounts themselves have in rooms: kept by account_muc,
/// asked by muc_push, which is the first to hear that a room has lost one.
#[async_trait]
pub trait Seats: Occupancy {
    /// There is reason to doubt that the account is still in the room: it is
    /// asked (XEP-0410), unless it has just been, and joined again if it does
    /// not know the account. Returns what is to be sent for that, in the
    /// account's lane.
    async fn doubt(&self, at: Time, account: &BareJid, room: &BareJid) -> Vec<Emit>;
}

/// Who speaks IM-NG (XEP-0409): answered by fork, asked by archive, since a
/// message that is marked to be for one session alone is archived nowhere.
pub trait ImNg: Send + Sync {
    /// Whether a session of the account does.
    fn is_spoken_by(&self, account: &BareJid) -> bool;
}

/// The account's bookmarked rooms (XEP-0402), wherever the host keeps them.
#[async_trait]
pub trait Bookmarks: Send + Sync {
    /// All bookmarks of the account.
    async fn list(&self, account: &BareJid) -> Result<Vec<Bookmark>, BoxError>;

    /// Has `listener` called for every later change, of every account. It
    /// does not block.
    fn subscribe(&self, listener: Box<dyn Fn(BookmarkChange) + Send + Sync>);
}

/// A bookmarked room (XEP-0402 §3).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Bookmark {
    /// The room.
    pub room: BareJid,
    /// What the user calls it.
    pub name: Option<String>,
    /// Whether it is to be joined at login.
    pub autojoin: bool,
    /// The nick to join with. Where the bookmark names none, a host that knows the
    /// account's own (XEP-0172) puts that here (XEP-0402 §3).
    pub nick: Option<String>,
    /// The password to join with.
    pub password: Option<String>,
    /// What other software keeps there, untouched.
    pub extensions: Vec<Element>,
}

/// A bookmark was set or retracted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BookmarkChange {
    /// It is new or changed.
    Set {
        /// Whose.
        account: BareJid,
        /// What it says now.
        bookmark: Bookmark,
    },
    /// A client has published it as it was. Whoever hears of that joins, if it
    /// has autojoin (XEP-0402 §4): somebody wants to be there.
    Again {
        /// Whose.
        account: BareJid,
        /// What it says.
        bookmark: Bookmark,
    },
    /// It is gone.
    Retracted {
        /// Whose.
        account: BareJid,
        /// Which.
        room: BareJid,
    },
}

/// What was said in a room, where the host keeps it.
#[async_trait]
pub trait RoomHistory: Send + Sync {
    /// The newest `limit` messages after `since`, oldest first, as broadcast.
    async fn newest(&self, room: &BareJid, since: Option<Time>, limit: usize) -> Vec<Stanza>;
}

impl Bookmark {
    /// A bookmark that joins nothing by itself.
    pub fn new(room: BareJid) -> Self {
        Self {
            room,
            name: None,
            autojoin: false,
            nick: None,
            password: None,
            extensions: Vec::new(),
        }
    }
}
