//! What goes into a machine and what comes out of it.

use std::sync::{Arc, Mutex};

use jid::{BareJid, FullJid, Jid};

use crate::flow::Entropy;
use crate::middleware::{Pending, PendingFull};
use crate::stanza::{Stanza, Time};

use super::super::lock;
use super::super::options::Options;
use super::super::pool::Pool;

/// One event's visit to a machine.
pub(crate) struct Turn<'a> {
    pub(crate) at: Time,
    pub(crate) options: &'a Options,
    pub(crate) entropy: &'a dyn Entropy,
    pub(crate) pool: &'a Pool,
    pub(crate) pending: &'a Mutex<Pending<Asked>>,
    /// What becomes of the stanza that is the event, if it is one.
    pub(crate) original: Original,
    /// What is to be done, in this order.
    pub(crate) commands: Vec<Command>,
}

/// What becomes of the stanza that a machine was given.
#[derive(Debug, Default)]
pub(crate) enum Original {
    /// It ends here.
    #[default]
    TakenIn,
    /// It goes on as it came.
    GoesOn,
    /// It goes on for these sessions; for nobody, if there are none.
    Reaches(Arc<[FullJid]>),
    /// This goes on in its place: what the session sent, in the account's name.
    Becomes(Stanza),
}

/// What a machine wants done.
#[derive(Debug)]
pub(crate) enum Command {
    /// Keep the record, before anything that follows.
    Store,
    /// To the room or an occupant, from the account.
    ToRoom(Stanza),
    /// To one session; the stanza is addressed.
    ToSession(FullJid, Stanza),
    /// To several, addressed to each.
    ToSessions(Arc<[FullJid]>, Stanza),
}

/// Who awaits the answer to a request that was sent in the account's name.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// A session asked an occupant.
    Session {
        /// Who.
        session: FullJid,
        /// Its id for the request.
        id: String,
    },
    /// The layer asked a room.
    Room {
        /// Which.
        room: BareJid,
        /// What.
        question: Question,
    },
}

/// What the layer asks a room in the account's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Is the account still there?
    SelfPing,
    /// Under which nick is it registered?
    ReservedNick,
    /// Does the room speak MUC2?
    Features,
    /// May the account come in? MUC2's `<join/>`.
    Join,
    /// The account goes: MUC2's `<part/>`.
    Part,
}

impl Turn<'_> {
    /// An id that nobody can guess, for what is sent in the account's name.
    pub(super) fn new_id(&self) -> String {
        self.entropy.token(16)
    }

    pub(super) fn store(&mut self) {
        self.commands.push(Command::Store);
    }

    pub(super) fn tell_room(&mut self, stanza: Stanza) {
        self.commands.push(Command::ToRoom(stanza));
    }

    pub(super) fn tell(&mut self, session: &FullJid, stanza: Stanza) {
        let stanza = stanza.with_to(session.clone());
        self.commands
            .push(Command::ToSession(session.clone(), stanza));
    }

    pub(super) fn tell_all(&mut self, sessions: Arc<[FullJid]>, stanza: Stanza) {
        if !sessions.is_empty() {
            self.commands.push(Command::ToSessions(sessions, stanza));
        }
    }

    /// Remembers what a room is asked. It is asked only if that could be done.
    pub(super) fn ask_room(
        &mut self,
        account: &BareJid,
        whom: Jid,
        id: &str,
        question: Question,
    ) -> bool {
        let room = whom.to_bare();
        self.ask(account, whom, id, Asked::Room { room, question })
            .is_ok()
    }

    /// Remembers who awaits the answer to a request.
    pub(super) fn ask(
        &mut self,
        account: &BareJid,
        whom: Jid,
        id: &str,
        asked: Asked,
    ) -> Result<(), PendingFull> {
        lock(self.pending).ask(self.at, account, whom, id, asked)
    }
}
