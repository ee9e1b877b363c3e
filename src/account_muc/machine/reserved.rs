//! A room that lets its members in under their registered nicks only
//! (XEP-0045 §7.2, §7.12).
//!
//! It refuses another nick with `not-acceptable`. Then it is asked, once for
//! each join, which nick is registered. If there is one, the account joins
//! under it, and sessions that wanted another are told so with 210; otherwise
//! they get what the room said.

use crate::stanza::{Condition, Element, Stanza, StanzaError, Type, ns};

use super::{Machine, Phase, Question, Turn};

/// The node that knows registered nicks (§7.12).
const NODE: &str = "x-roomuser-item";

impl Machine {
    /// Asks which nick is registered, if that can help. Says whether it did.
    pub(super) fn ask_reserved_nick(&mut self, turn: &mut Turn<'_>, error: &StanzaError) -> bool {
        let room = self.room();
        let Phase::Joining(joining) = &mut self.phase else {
            return false;
        };
        if error.condition != Condition::NotAcceptable || joining.refused.is_some() {
            return false;
        }
        let id = turn.new_id();
        let whom = room.clone().into();
        if !turn.ask_room(&self.account, whom, &id, Question::ReservedNick) {
            return false;
        }
        joining.refused = Some(error.clone());
        let query = Element::new("query", ns::DISCO_INFO).with_attr("node", NODE);
        let question = Stanza::iq(Type::Get, &id)
            .with_from(self.account.clone())
            .with_to(room)
            .with_child(query);
        turn.tell_room(question);
        true
    }

    /// The room has said which nick is registered, or has not.
    pub(super) fn reserved_nick_is(&mut self, turn: &mut Turn<'_>, nick: Option<&str>) {
        let seat = nick.and_then(|nick| self.room().with_resource_str(nick).ok());
        let Phase::Joining(joining) = &mut self.phase else {
            return;
        };
        let Some(error) = joining.refused.clone() else {
            return;
        };
        let waiting = std::mem::take(&mut joining.waiting);
        let (resync, tries) = (joining.resync, joining.tries);
        match seat.filter(|seat| *seat != self.seat) {
            Some(seat) => {
                self.seat = seat;
                self.ask_in(turn, waiting, resync, tries);
                if let Phase::Joining(again) = &mut self.phase {
                    again.refused = Some(error);
                }
                self.write_first(turn);
            }
            None => {
                joining.waiting = waiting;
                self.join_failed(turn, &error);
            }
        }
    }
}

/// The registered nick in a room's answer.
pub(super) fn reserved_nick(answer: &Stanza) -> Option<String> {
    if answer.is_error() {
        return None;
    }
    let query = answer.child("query", ns::DISCO_INFO)?;
    let identity = query.child("identity", ns::DISCO_INFO)?;
    identity.attr("name").map(str::to_owned)
}
