//! What occupants show, ours included (XEP-0045 §7.2.2, §7.7).

use jid::{BareJid, FullJid};

use crate::stanza::{Element, Kind, Stanza, Type, ns};

use super::super::muc::{self, Said};
use super::super::pool::Kept;
use super::{Machine, Phase, Turn};

impl Machine {
    /// A session sends presence to an occupant JID of the room, and does not
    /// ask to join by it.
    pub(crate) fn session_shows(
        &mut self,
        turn: &mut Turn<'_>,
        session: &FullJid,
        occupant: &FullJid,
        presence: &Stanza,
    ) {
        let Some(here) = self.sessions.get_mut(session) else {
            // Who waits has not been told yet; what it shows now is late.
            if !self.is_waiting(session) {
                let stray = stray(occupant, presence.id());
                turn.tell(session, stray);
            }
            return;
        };
        self.clock += 1;
        here.presence = turn.pool.keep(&shown(presence));
        here.priority = priority(presence);
        here.latest = self.clock;
        if *occupant == self.seat {
            self.show(turn);
        } else {
            self.ask_nick(turn, Some(session), occupant.clone(), presence.id());
        }
    }

    /// What the account shows: the best of its sessions, which is the one of
    /// the highest priority and then the latest; away for long, without any.
    pub(super) fn aggregate(&self, turn: &Turn<'_>) -> Kept {
        self.sessions
            .iter()
            .map(|(_, here)| here)
            .max_by_key(|here| (here.priority, here.latest))
            .map_or_else(
                || {
                    let away = Stanza::presence().with_text_child("show", "xa");
                    turn.pool.keep(&away)
                },
                |here| here.presence.clone(),
            )
    }

    /// Tells the room what the account shows, if that has changed.
    pub(super) fn show(&mut self, turn: &mut Turn<'_>) {
        if !self.is_joined() {
            return;
        }
        let best = self.aggregate(turn);
        if self.shown.as_ref() == Some(&best) {
            return;
        }
        let presence = read(&best)
            .with_from(self.account.clone())
            .with_to(self.seat.clone())
            .with_id(turn.new_id());
        self.shown = Some(best);
        turn.tell_room(presence);
    }

    /// The room, or an occupant, sends presence to the account.
    pub(crate) fn room_shows(&mut self, turn: &mut Turn<'_>, presence: &Stanza) {
        if matches!(self.phase, Phase::Out) {
            return ghost(&self.account, turn, presence);
        }
        let occupant = presence.from().and_then(|from| from.try_as_full().ok());
        let Some(occupant) = occupant.cloned() else {
            // The room's own: its avatar, say.
            if matches!(presence.type_(), None | Some(Type::Unavailable)) {
                turn.tell_all(self.sessions(), presence.clone());
            }
            return;
        };
        match presence.type_() {
            None => self.is_there(turn, occupant, presence),
            Some(Type::Unavailable) => self.is_gone(turn, &occupant, presence),
            Some(Type::Error) => self.presence_refused(turn, presence),
            // Nobody subscribes to an occupant's account through a room.
            Some(_) => {}
        }
    }

    fn is_there(&mut self, turn: &mut Turn<'_>, occupant: FullJid, presence: &Stanza) {
        let said = Said::read(presence);
        let is_own = said.has(muc::SELF) || (occupant == self.seat && !self.is_entering());
        match &self.phase {
            Phase::Joining(_) if is_own => self.let_in(turn, occupant, presence, &said),
            Phase::Leaving(_) | Phase::Out => {}
            Phase::Joined { .. } | Phase::Lost { .. } if is_own => {
                self.doubt.heard(turn.at);
                self.shown_again = Some(turn.at);
                let seat = self.seat.clone();
                let news = self.take_own(turn, occupant, presence, &said, false);
                if self.seat != seat {
                    turn.store();
                }
                if news {
                    let to_all = super::join::without_id(presence.clone());
                    turn.tell_all(self.sessions(), to_all);
                }
            }
            Phase::Joining(_) | Phase::Joined { .. } | Phase::Lost { .. } => {
                self.doubt.heard(turn.at);
                let kept = turn.pool.keep(&cut(presence, turn.options.limits.presence));
                self.occupant_shown(turn, presence, kept);
            }
        }
    }

    fn is_gone(&mut self, turn: &mut Turn<'_>, occupant: &FullJid, presence: &Stanza) {
        let said = Said::read(presence);
        let is_own = said.has(muc::SELF) || (*occupant == self.seat && !self.is_entering());
        if said.has(muc::NICK_CHANGED) && !matches!(self.phase, Phase::Leaving(_)) {
            self.renamed(turn, presence, is_own, &said);
        } else if is_own {
            self.own_gone(turn, presence, &said);
        } else if self.is_known() {
            self.forget_occupant(occupant.resource().as_str());
            turn.tell_all(self.sessions(), presence.clone());
        }
    }

    /// An error for a presence of ours: for a join, for another nick, or for
    /// what we showed, which means that the room may not know us (§7.2.18).
    fn presence_refused(&mut self, turn: &mut Turn<'_>, error: &Stanza) {
        let answered = self.join_refused(turn, error) || self.nick_refused(turn, error);
        if !answered && self.is_joined() {
            self.doubt_it(turn);
        }
    }

    pub(super) fn forget_occupant(&mut self, nick: &str) {
        self.occupants.remove(nick);
        self.unseen.remove(nick);
    }
}

/// A room that the account is not in believes that it is: it is told
/// otherwise. Anything else from such a room is nobody's (case 35).
pub(crate) fn ghost(account: &BareJid, turn: &mut Turn<'_>, presence: &Stanza) {
    let available = presence.type_().is_none();
    let Some(occupant) = presence.from().filter(|from| from.is_full()) else {
        return;
    };
    if available && Said::read(presence).has(muc::SELF) {
        let leave = Stanza::presence()
            .with_type(Type::Unavailable)
            .with_from(account.clone())
            .with_to(occupant.clone())
            .with_id(turn.new_id());
        turn.tell_room(leave);
    }
}

/// A session that is not in the room behaves as if it were. It is told so in
/// the words that make it come back (§7.2.18).
fn stray(occupant: &FullJid, id: Option<&str>) -> Stanza {
    let codes = [muc::SELF, muc::KICKED, muc::TECHNICAL];
    let mut stray = muc::gone(occupant, "none", &codes);
    stray.set_id(id.map(str::to_owned));
    stray
}

/// What a presence shows, without what concerns one client or one join.
///
/// Deliberately without capabilities (XEP-0115) even on join: they are a
/// client's, and several share the seat.
pub(crate) fn shown(presence: &Stanza) -> Stanza {
    debug_assert_eq!(presence.kind(), Kind::Presence);
    let mut shown = presence.clone();
    shown.set_from(None);
    shown.set_to(None);
    shown.set_id(None);
    shown.remove_children(|child| {
        child.is("x", ns::MUC) || child.is("c", ns::CAPS) || child.is("priority", ns::CLIENT)
    });
    shown
}

/// The presence that was kept.
pub(super) fn read(kept: &Kept) -> Stanza {
    kept.stanza().unwrap_or_else(Stanza::presence)
}

/// The priority of a presence; 0, if there is none or it is no number.
pub(crate) fn priority(presence: &Stanza) -> i8 {
    presence
        .child("priority", ns::CLIENT)
        .and_then(|priority| priority.text().trim().parse().ok())
        .unwrap_or(0)
}

/// A presence that is longer than what is kept of one loses what the occupant
/// put into it, and keeps what the room says.
fn cut(presence: &Stanza, limit: usize) -> Stanza {
    if presence.wire_len() <= limit {
        return presence.clone();
    }
    let mut cut = presence.clone();
    cut.remove_children(|child| {
        !child.is("x", ns::MUC_USER) && !child.is("occupant-id", ns::OCCUPANT_ID)
    });
    if cut.wire_len() > limit {
        cut.remove_children(|_| true);
        let item = Element::new("item", ns::MUC_USER)
            .with_attr("affiliation", "none")
            .with_attr("role", "participant");
        cut.push(Element::new("x", ns::MUC_USER).with_child(item));
    }
    cut
}
