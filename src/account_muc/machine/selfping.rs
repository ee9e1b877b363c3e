//! Is the account still in the room? (XEP-0410)
//!
//! A room can lose an occupant without a word: a link broke, a server
//! restarted. Whatever the room sends to the account proves that it is there;
//! where nothing comes, or there is a reason to doubt, it is asked.

use std::time::Duration;

use jid::FullJid;

use crate::stanza::{Condition, Element, Stanza, StanzaError, Time, Type, ns};

use super::super::options::Options;
use super::{Machine, Phase, Question, Turn};

/// When the room was heard, and who wants to know.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    heard: Option<Time>,
    /// When the room is to be asked, if there is a reason.
    due: Option<Time>,
    /// It has been asked and has not answered yet.
    asking: bool,
    /// How often it was asked in vain.
    tries: u32,
    /// Self-pings of sessions that await what comes of it, one each.
    waiting: Vec<(FullJid, Stanza)>,
}

/// What an answer to our ping says (§3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The account is in the room.
    Joined,
    /// It is not.
    NotJoined,
    /// Nobody knows: the room was not reached. To be asked again.
    Unknown,
}

impl Answer {
    /// Reads an answer.
    pub(super) fn read(answer: &Stanza) -> Self {
        let Some(error) = answer.error() else {
            return Answer::Joined;
        };
        match error.condition {
            Condition::ServiceUnavailable
            | Condition::FeatureNotImplemented
            | Condition::ItemNotFound => Answer::Joined,
            Condition::RemoteServerNotFound | Condition::RemoteServerTimeout => Answer::Unknown,
            _ => Answer::NotJoined,
        }
    }
}

impl Machine {
    /// A session that is in the room asks whether it is, by a ping to the own nick.
    pub(super) fn session_pings(&mut self, turn: &mut Turn<'_>, session: &FullJid, ping: &Stanza) {
        let is_fresh = self
            .doubt
            .heard
            .is_some_and(|heard| turn.at.since(heard) < turn.options.trust);
        if self.is_joined() && is_fresh && self.doubt.due.is_none() {
            return turn.tell(session, ping.reply());
        }
        // One ping of ours answers them all.
        self.doubt.forget(session);
        self.doubt.waiting.push((session.clone(), ping.clone()));
        self.ping(turn);
    }

    /// The room's answer to a session that is not in it (§3.1).
    pub(super) fn not_joined(&self, turn: &mut Turn<'_>, session: &FullJid, ping: &Stanza) {
        let error = StanzaError::from(Condition::NotAcceptable).with_by(self.room());
        if let Some(refusal) = ping.error_reply(&error) {
            turn.tell(session, refusal);
        }
    }

    /// Something suggests that the room does not know us: it is asked now.
    pub(crate) fn doubt_it(&mut self, turn: &mut Turn<'_>) {
        self.doubt.heard = None;
        self.ping(turn);
    }

    /// The link to the room broke: the room is asked a little later, when both
    /// servers have found each other again.
    pub(crate) fn link_lost(&mut self, turn: &Turn<'_>) {
        if self.is_joined() {
            self.doubt.due = Some(turn.at + turn.options.settle);
        }
    }

    /// The link is back. What the room said meanwhile may be lost, who has
    /// gone above all, so that to be in the room is not enough to know.
    pub(crate) fn link_back(&mut self, turn: &mut Turn<'_>) {
        if self.is_joined() {
            self.lose(turn, 0);
            if let Phase::Lost { due, .. } = &mut self.phase {
                *due = turn.at + turn.options.settle;
            }
        }
    }

    /// When the room is to be asked, unless its nick is just being changed (§4).
    pub(super) fn ping_due(&self, options: &Options) -> Option<Time> {
        if !self.is_joined() || self.doubt.asking || !self.nick_changes.is_empty() {
            return None;
        }
        let silent = self.doubt.heard.map(|heard| heard + options.silence);
        self.doubt.due.into_iter().chain(silent).min()
    }

    /// Asks the room, unless it has been asked.
    pub(super) fn ping(&mut self, turn: &mut Turn<'_>) {
        if !self.is_joined() || self.doubt.asking {
            return;
        }
        let id = turn.new_id();
        let seat = self.seat.clone();
        self.doubt.due = None;
        let whom = seat.clone().into();
        if !turn.ask_room(&self.account, whom, &id, Question::SelfPing) {
            self.doubt.due = Some(turn.at + turn.options.first_pause);
            return;
        }
        self.doubt.asking = true;
        let ping = Stanza::iq(Type::Get, &id)
            .with_from(self.account.clone())
            .with_to(seat)
            .with_child(Element::new("ping", ns::PING));
        turn.tell_room(ping);
    }

    /// The room has answered our ping, or has not in time.
    pub(super) fn ping_answered(&mut self, turn: &mut Turn<'_>, answer: Answer) {
        if !std::mem::take(&mut self.doubt.asking) || !self.is_joined() {
            return;
        }
        match answer {
            Answer::Joined => {
                self.doubt.heard(turn.at);
                self.answer_pings(turn, true);
            }
            Answer::NotJoined => self.lose(turn, 0),
            Answer::Unknown => {
                // Nobody is told "not joined" because a link is down.
                let pause = pause(turn, self.doubt.tries);
                self.doubt.tries = self.doubt.tries.saturating_add(1);
                self.doubt.due = Some(turn.at + pause);
                self.answer_pings(turn, true);
            }
        }
    }

    /// The room has lost us: the seat is to be taken again.
    pub(super) fn lose(&mut self, turn: &mut Turn<'_>, tries: u32) {
        let wait = match tries {
            0 => Duration::ZERO,
            tries => pause(turn, tries - 1),
        };
        self.doubt.asking = false;
        self.doubt.due = None;
        self.give_up_nicks(turn);
        let waiting = self.take_waiting();
        self.phase = Phase::Lost {
            due: turn.at + wait,
            tries,
            waiting,
        };
    }

    /// Answers the sessions that asked whether they are in the room.
    pub(super) fn answer_pings(&mut self, turn: &mut Turn<'_>, joined: bool) {
        for (session, ping) in std::mem::take(&mut self.doubt.waiting) {
            if joined {
                turn.tell(&session, ping.reply());
            } else {
                self.not_joined(turn, &session, &ping);
            }
        }
    }
}

impl Doubt {
    /// The room has been heard: it knows us.
    pub(super) fn heard(&mut self, at: Time) {
        (self.heard, self.tries) = (Some(at), 0);
    }

    /// A session does not want to know any more.
    pub(super) fn forget(&mut self, session: &FullJid) {
        self.waiting.retain(|(asker, _)| asker != session);
    }

    pub(super) fn clear(&mut self) {
        *self = Doubt::default();
    }
}

/// The pause after so many failures: twice as long each time.
fn pause(turn: &Turn<'_>, failures: u32) -> Duration {
    let options = turn.options;
    options
        .first_pause
        .saturating_mul(2_u32.saturating_pow(failures.min(16)))
        .min(options.longest_pause)
}

#[cfg(test)]
mod tests {
    use super::super::iq::is_ping;
    use super::*;

    #[test]
    fn answers_to_a_self_ping_mean_what_xep_0410_says() {
        let answer = |condition: &str| {
            let error = format!(
                "<iq type='error' id='p'><error type='cancel'>\
                 <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
            );
            Answer::read(&Stanza::parse(error.as_bytes()).unwrap())
        };
        assert_eq!(Answer::read(&Stanza::iq(Type::Result, "p")), Answer::Joined);
        for joined in [
            "service-unavailable",
            "feature-not-implemented",
            "item-not-found",
        ] {
            assert_eq!(answer(joined), Answer::Joined, "{joined}");
        }
        for unknown in ["remote-server-not-found", "remote-server-timeout"] {
            assert_eq!(answer(unknown), Answer::Unknown, "{unknown}");
        }
        for out in ["not-acceptable", "not-allowed", "bad-request", "forbidden"] {
            assert_eq!(answer(out), Answer::NotJoined, "{out}");
        }
    }

    #[test]
    fn a_ping_is_a_get_with_a_ping() {
        let iq = Stanza::iq(Type::Get, "p").with_child(Element::new("ping", ns::PING));
        assert!(is_ping(&iq));
        assert!(!is_ping(&iq.with_type(Type::Set)));
    }
}
