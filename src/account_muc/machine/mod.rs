//! One account in one room: a pure machine, without lock, clock or async.
//!
//! ```text
//!            a session, a bookmark                    self-presence (110)
//!   ┌─────┐  or <join/> asks           ┌─────────┐  ─────────────────────►  ┌────────┐
//!   │ Out │ ─────────────────────────► │ Joining │                          │ Joined │
//!   └─────┘ ◄───────────────────────── └─────────┘   a session asks:        └────────┘
//!     ▲ ▲    any error, no answer;       │     ▲     local replay            │ │    │
//!     │ │    once it has been in:        │     │                             │ │    │
//!     │ │    an error "never"            │     │                             │ │    │
//!     │ │                  once it has   │     │ due (tick, paced),          │ │    │
//!     │ │                  been in:      │     │ or a session asks           │ │    │
//!     │ │                  error "later",▼     │                             │ │    │
//!     │ │                  no answer  ┌──────────┐   332, 333, or the room   │ │    │
//!     │ │                             │   Lost   │ ◄─────────────────────────┘ │    │
//!     │ │                             └──────────┘   does not know us          │    │
//!     │ │                                                                      │    │
//!     │ │ kicked, banned, members-only, destroyed, or gone without a code      │    │
//!     │ └──────────────────────────────────────────────────────────────────────┘    │
//!     │                               ┌─────────┐   the last session leaves,         │
//!     └────────────────────────────── │ Leaving │ ◄─ <part/>, a bookmark, ───────────┘
//!        unavailable, or no answer    └─────────┘   the host
//! ```
//!
//! `Out` is forgotten by the layer after a while. `Lost` is a seat that the account
//! means to have: sessions stay in the room, and are told only what changed once
//! it is back. A restart begins in `Lost`, or in `Leaving`. What leads out of
//! `Joined` for good leads out of `Joining` and `Lost` as well. Who asks to join
//! while the account leaves waits in `Leaving`, and a bookmark that wants it back
//! does so, too: then `Out` is passed through.
//!
//! `Joined` begins with a while of settling, until the room has sent its subject:
//! see `settling`.
//!
//! Who sends what is said by methods named after what happened; each takes a
//! [`Turn`], which carries time, options and chance in, and [`Command`]s out.
//! One thought per file:
//!
//! | File | What happens in it |
//! |---|---|
//! | `sessions` | which sessions are in |
//! | `join` | sessions ask to join, and the account asks the room |
//! | `request` | the account joins and parts by request (MUC2) |
//! | `admit` | the room lets the account in |
//! | `settling` | what the room says to who has come, until it has said all |
//! | `refuse` | the room does not let the account in |
//! | `reserved` | a room that wants its members under their registered nicks |
//! | `replay` | what a session that joins is told locally |
//! | `occupants`, `history` | what is kept for that |
//! | `presence` | what occupants show, ours included |
//! | `nick` | nicks change |
//! | `leave` | sessions and the account go, or are made to |
//! | `messages` | what is said, both ways; errors about it |
//! | `iq` | requests through the room |
//! | `selfping` | is the account still there? (XEP-0410) |
//! | `bookmark` | what a bookmark wants (XEP-0402) |
//! | `time` | ticks and restarts |

mod admit;
mod bookmark;
mod history;
mod iq;
mod join;
mod leave;
mod messages;
mod nick;
mod occupants;
mod presence;
mod refuse;
mod replay;
mod request;
mod reserved;
mod selfping;
mod sessions;
mod settling;
mod time;
mod turn;

use std::collections::VecDeque;
use std::sync::Arc;

use jid::{BareJid, FullJid};

use crate::flow::bare;
use crate::stanza::Time;

use super::pool::Kept;
use super::port::{Seat, SeatState};
use history::History;
use join::Joining;
use leave::Leaving;
use nick::NickChange;
use occupants::Occupants;
use selfping::Doubt;
use sessions::{Here, Sessions};

pub(super) use history::Wanted;
pub(super) use iq::{answer_for, unanswered};
pub(super) use join::{Join, Reply};
pub(super) use leave::Exit;
pub(super) use presence::{ghost, priority, shown};
pub(super) use turn::{Asked, Command, Original, Question, Turn};

/// One account in one room.
#[derive(Debug)]
pub(super) struct Machine {
    account: BareJid,
    /// The occupant JID: ours, or the one we ask for.
    seat: FullJid,
    phase: Phase,
    /// What the room asks for (XEP-0045 §7.2.6).
    password: Option<String>,
    /// A bookmark wants the account here.
    autojoin: bool,
    /// The account came by MUC2's `<join/>`.
    by_request: bool,
    /// The sessions that have joined the account here.
    sessions: Sessions,
    /// Everybody else, as the sessions know it.
    occupants: Occupants,
    /// Those of them whom the room has not shown again since the account asked
    /// to come back; see `settling`.
    unseen: Occupants,
    own: Option<Own>,
    subject: Option<Subject>,
    /// Since when the subject is awaited that a room sends to who has come. What
    /// is taken for something live may come before it, and ends the settling.
    subject_awaited: Option<Time>,
    /// When the room last showed the account, but for letting it in.
    shown_again: Option<Time>,
    history: History,
    /// What the room shows of us: the presence last sent.
    shown: Option<Kept>,
    /// When something live was said last.
    heard: Option<Time>,
    doubt: Doubt,
    /// Ids of messages on their way to the room, and who sent them.
    sent: VecDeque<(Box<str>, FullJid)>,
    /// Asked of the room, and not answered yet: one for each session at most.
    nick_changes: Vec<NickChange>,
    /// The last session has left of its own will, but the account not yet.
    wants_out: bool,
    /// Since when no session is here.
    deserted: Option<Time>,
    /// How many stanzas of sessions are on their way to this machine, and
    /// since when.
    handed: (usize, Time),
    /// Grows with each presence of a session: the latest one counts.
    clock: u64,
    /// When the table looks again whether something is due here.
    pub(super) alarm: Option<Time>,
}

/// Where the account stands with the room.
#[derive(Debug)]
enum Phase {
    Out,
    Joining(Box<Joining>),
    Joined {
        /// Since when history and subject are awaited, if they still are.
        settling: Option<Time>,
    },
    Lost {
        /// When to try again.
        due: Time,
        /// How often that has failed.
        tries: u32,
        /// Sessions that asked to join when that last failed.
        waiting: Vec<Join>,
    },
    Leaving(Box<Leaving>),
}

/// What the room says about us.
#[derive(Debug, PartialEq, Eq)]
struct Own {
    presence: Kept,
    affiliation: Box<str>,
    /// Real JIDs are visible (100).
    real_jids: bool,
    /// The room is logged publicly (170).
    logged: bool,
}

#[derive(Debug)]
struct Subject {
    kept: Kept,
    at: Time,
}

impl Machine {
    /// A machine that is `Out`; `seat` is what it will ask for.
    pub(super) fn new(account: BareJid, seat: FullJid) -> Self {
        Self {
            account,
            seat,
            phase: Phase::Out,
            password: None,
            autojoin: false,
            by_request: false,
            sessions: Sessions::default(),
            occupants: Occupants::default(),
            unseen: Occupants::default(),
            own: None,
            subject: None,
            subject_awaited: None,
            shown_again: None,
            history: History::default(),
            shown: None,
            heard: None,
            doubt: Doubt::default(),
            sent: VecDeque::new(),
            nick_changes: Vec::new(),
            wants_out: false,
            deserted: None,
            handed: (0, Time::EPOCH),
            clock: 0,
            alarm: None,
        }
    }

    /// Whose it is.
    pub(super) fn account(&self) -> &BareJid {
        &self.account
    }

    /// The room.
    pub(super) fn room(&self) -> BareJid {
        self.seat.to_bare()
    }

    /// Its name, without an allocation.
    pub(super) fn room_name(&self) -> &str {
        bare(&self.seat)
    }

    /// Whether the account is in the room, or means to be.
    pub(super) fn is_known(&self) -> bool {
        !matches!(self.phase, Phase::Out | Phase::Leaving(_))
    }

    /// Whether this machine can be forgotten.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Out) && self.handed.0 == 0
    }

    /// The sessions in the room.
    pub(super) fn sessions(&self) -> Arc<[FullJid]> {
        self.sessions.names()
    }

    /// Whether this session is in the room.
    pub(super) fn has(&self, session: &FullJid) -> bool {
        self.sessions.has(session)
    }

    /// Whether this session is in the room, or waits to be.
    pub(super) fn concerns_session(&self, session: &FullJid) -> bool {
        self.has(session) || self.is_waiting(session)
    }

    /// A session's stanza is on its way here: until it has come, the machine
    /// is not forgotten, so that what the session sends next takes the same way.
    pub(super) fn hand_over(&mut self, at: Time) {
        self.handed = (self.handed.0 + 1, at);
    }

    /// It has come.
    pub(super) fn taken_over(&mut self) {
        self.handed.0 = self.handed.0.saturating_sub(1);
    }

    /// What the store is to know; `None` for nothing.
    pub(super) fn record(&self) -> Option<Seat> {
        let state = match &self.phase {
            Phase::Out => return None,
            Phase::Joining(joining) if !joining.resync => SeatState::Joining,
            Phase::Joining(_) | Phase::Joined { .. } | Phase::Lost { .. } => SeatState::Joined,
            Phase::Leaving(_) => SeatState::Leaving,
        };
        let mut seat = Seat::new(self.account.clone(), self.seat.clone());
        seat.state = state;
        seat.password = self.password.clone();
        seat.autojoin = self.autojoin;
        seat.by_request = self.by_request;
        seat.heard = self.heard;
        Some(seat)
    }

    fn is_joined(&self) -> bool {
        matches!(self.phase, Phase::Joined { .. })
    }

    fn affiliation(&self) -> &str {
        self.own.as_ref().map_or("none", |own| &*own.affiliation)
    }
}
