//! Requests through the room (XEP-0045 §17.4; digest section 9).
//!
//! A room relays requests between occupants, and its answer finds the account
//! again. So a session's request goes in the account's name under an id of our
//! own, and the answer comes back to the session under its own.

use jid::FullJid;

use crate::stanza::{Condition, ErrorType, Stanza, StanzaError, Type, ns};

use super::super::muc;
use super::reserved::reserved_nick;
use super::selfping::Answer;
use super::{Asked, Machine, Original, Question, Turn};

/// Requests that an account answers for its owner; the rest nobody can, since
/// a request cannot be given to several clients.
const OF_THE_ACCOUNT: [&str; 5] = [
    ns::VCARD,
    ns::VCARD4,
    ns::PUBSUB,
    ns::DISCO_INFO,
    ns::DISCO_ITEMS,
];

impl Machine {
    /// A session sends an IQ to the room or an occupant.
    pub(crate) fn session_asks(&mut self, turn: &mut Turn<'_>, session: &FullJid, iq: &Stanza) {
        let to = iq.to().and_then(|to| to.try_as_full().ok());
        match to {
            // We give no session a request of an occupant, so none answers one.
            Some(_) if !iq.is_request() => turn.original = Original::TakenIn,
            Some(_) if is_ping(iq) && !self.has(session) => self.not_joined(turn, session, iq),
            Some(occupant) if is_ping(iq) && *occupant == self.seat => {
                self.session_pings(turn, session, iq);
            }
            Some(_) if self.has(session) => self.relay(turn, session, iq),
            // Roles hang on the seat, which is the account's (§5.1).
            None if self.has(session) && iq.is_request() && muc::is_about_roles(iq) => {
                self.relay(turn, session, iq);
            }
            // Everything else hangs on the account's address (§5.2), and a
            // session's has it, too.
            _ => turn.original = Original::GoesOn,
        }
    }

    fn relay(&self, turn: &mut Turn<'_>, session: &FullJid, iq: &Stanza) {
        let (Some(to), Some(theirs)) = (iq.to(), iq.id()) else {
            turn.original = Original::GoesOn;
            return;
        };
        let id = turn.new_id();
        let asked = Asked::Session {
            session: session.clone(),
            id: theirs.to_owned(),
        };
        if turn.ask(&self.account, to.clone(), &id, asked).is_err() {
            let full = StanzaError::from(Condition::ResourceConstraint)
                .with_type(ErrorType::Wait)
                .with_by(self.account.clone());
            if let Some(refusal) = iq.error_reply(&full) {
                turn.tell(session, refusal);
            }
            return;
        }
        let relayed = iq.clone().with_from(self.account.clone()).with_id(id);
        turn.original = Original::Becomes(relayed);
    }

    /// The room answers what the layer asked it; `None` if it did not in time.
    pub(crate) fn room_answers(
        &mut self,
        turn: &mut Turn<'_>,
        question: Question,
        answer: Option<&Stanza>,
    ) {
        match (question, answer) {
            (Question::SelfPing, answer) => {
                let answer = answer.map_or(Answer::Unknown, Answer::read);
                self.ping_answered(turn, answer);
            }
            (Question::ReservedNick, answer) => {
                let nick = answer.and_then(reserved_nick);
                self.reserved_nick_is(turn, nick.as_deref());
            }
            (Question::Features, Some(answer)) => self.features_are(turn, answer),
            (Question::Join, Some(answer)) => self.join_answered(turn, answer),
            (Question::Part, Some(_)) => self.part_answered(turn),
            // What is under way then has a time of its own.
            (Question::Features | Question::Join | Question::Part, None) => {}
        }
    }

    /// An occupant asks the account something, through the room.
    pub(crate) fn occupant_asks(&mut self, turn: &mut Turn<'_>, iq: &Stanza) {
        if self.is_known() && is_ping(iq) {
            // Our own ping as well, from a room that does not answer it
            // itself (XEP-0410 §3.2).
            turn.tell_room(iq.reply().with_from(self.account.clone()));
        } else if OF_THE_ACCOUNT.iter().any(|ns| iq.mentions(ns)) {
            turn.original = Original::GoesOn;
        } else if let Some(refusal) =
            iq.error_reply(&StanzaError::from(Condition::ServiceUnavailable))
        {
            turn.tell_room(refusal.with_from(self.account.clone()));
        }
    }
}

/// The answer to what a session asked, as it is to see it.
pub(crate) fn answer_for(session: &FullJid, id: &str, answer: &Stanza) -> Stanza {
    answer.clone().with_to(session.clone()).with_id(id)
}

/// A request that nobody has answered in time.
pub(crate) fn unanswered(session: &FullJid, id: &str) -> Stanza {
    let error = StanzaError::from(Condition::RemoteServerTimeout).with_type(ErrorType::Wait);
    Stanza::iq(Type::Error, id)
        .with_from(session.to_bare())
        .with_to(session.clone())
        .with_child(error.to_element())
}

pub(super) fn is_ping(iq: &Stanza) -> bool {
    iq.is_type(&Type::Get) && iq.has_child("ping", ns::PING)
}
