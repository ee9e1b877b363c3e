//! Joining and parting by request, as the MUC2 draft has it ("bare JID joining").
//!
//! A session that joins by MUC2-PAM lets the account do so, too, where the room
//! says that it speaks MUC2 (`urn:xmpp:muc:0` in its disco): `<join/>`, and
//! `<part/>` in the end. Any other room gets an ordinary join, as it does where a
//! session joins by presence.
//!
//! The draft does not say that an account which joins by request is shown who
//! is there. Deliberately, then, a room that has answered and shown nobody by the
//! next tick is sent an ordinary join as well, since clients must know: it makes
//! any room tell everything (XEP-0045 §17.3). For the same reason a seat that was
//! lost is taken again by presence.

use crate::stanza::{Condition, Element, ElementRef, Stanza, StanzaError, Type, ns};

use super::refuse::reason;
use super::{Join, Machine, Phase, Question, Turn};

impl Machine {
    /// The account joins for these sessions; the first of them wants it to do
    /// so by request. The room is asked whether it understands that.
    pub(super) fn ask_whether_it_takes_requests(
        &mut self,
        turn: &mut Turn<'_>,
        waiting: Vec<Join>,
    ) {
        let room = self.room();
        let id = turn.new_id();
        let whom = room.clone().into();
        let asks = turn.ask_room(&self.account, whom, &id, Question::Features);
        self.begin_joining(turn, id.clone(), waiting, false, 0);
        if !asks {
            return self.enter_as_it_may(turn, false);
        }
        let question = Stanza::iq(Type::Get, &id)
            .with_from(self.account.clone())
            .with_to(room)
            .with_child(Element::new("query", ns::DISCO_INFO));
        turn.tell_room(question);
    }

    /// The room has said what it is: the join leaves, one way or the other.
    pub(super) fn features_are(&mut self, turn: &mut Turn<'_>, answer: &Stanza) {
        if self.is_answer(answer) {
            self.enter_as_it_may(turn, takes_requests(answer));
        }
    }

    fn enter_as_it_may(&mut self, turn: &mut Turn<'_>, by_request: bool) {
        let room = self.room();
        let id = turn.new_id();
        let whom = room.clone().into();
        if !by_request || !turn.ask_room(&self.account, whom, &id, Question::Join) {
            self.ask_by_presence(turn);
            return self.write_first(turn);
        }
        if let Phase::Joining(joining) = &mut self.phase {
            (joining.id, joining.since) = (id.clone(), turn.at);
        }
        self.by_request = true;
        // A request shows no more than that somebody is there.
        self.shown = Some(turn.pool.keep(&Stanza::presence()));
        let nickname = Element::new("nickname", ns::MUC2).with_text(self.seat.resource().as_str());
        let mut join = Element::new("join", ns::MUC2).with_child(nickname);
        if let Some(password) = &self.password {
            join.push(Element::new("password", ns::MUC2).with_text(password));
        }
        let request = Stanza::iq(Type::Set, &id)
            .with_from(self.account.clone())
            .with_to(room)
            .with_child(join);
        turn.tell_room(request);
        self.write_first(turn);
    }

    /// The room has answered our `<join/>`. Where the self-presence has come
    /// before, nothing is left to be done.
    pub(super) fn join_answered(&mut self, turn: &mut Turn<'_>, answer: &Stanza) {
        if !self.is_answer(answer) {
            return;
        }
        let Some(error) = refused(answer) else {
            // Under another nick, perhaps.
            let given = nickname(answer);
            let given = given.and_then(|nick| self.room().with_resource_str(&nick).ok());
            self.seat = given.unwrap_or_else(|| self.seat.clone());
            if let Phase::Joining(joining) = &mut self.phase {
                joining.answered = true;
            }
            return;
        };
        self.by_request = false;
        match error.condition {
            // What it has said of itself is not so.
            Condition::FeatureNotImplemented | Condition::ServiceUnavailable => {
                self.ask_by_presence(turn);
            }
            _ if self.ask_reserved_nick(turn, &error) => {}
            _ => self.join_failed(turn, &error),
        }
    }

    pub(super) fn ask_by_presence(&mut self, turn: &mut Turn<'_>) {
        let waiting = self.take_waiting();
        self.ask_in(turn, waiting, false, 0);
    }

    /// Whether this answers what was sent to come in.
    fn is_answer(&self, answer: &Stanza) -> bool {
        matches!(&self.phase, Phase::Joining(joining) if answer.id() == Some(&joining.id))
    }

    /// Tells the room that the account goes, in each way in which it came.
    pub(super) fn say_goodbye(&mut self, turn: &mut Turn<'_>) {
        if self.by_request {
            let (room, id) = (self.room(), turn.new_id());
            // Without a place for it, the answer is not missed: what is not
            // answered in time ends the same way.
            let whom = room.clone().into();
            turn.ask_room(&self.account, whom, &id, Question::Part);
            let part = Stanza::iq(Type::Set, &id)
                .with_from(self.account.clone())
                .with_to(room)
                .with_child(Element::new("part", ns::MUC2));
            turn.tell_room(part);
        }
        let unavailable = Stanza::presence()
            .with_type(Type::Unavailable)
            .with_from(self.account.clone())
            .with_to(self.seat.clone())
            .with_id(turn.new_id());
        turn.tell_room(unavailable);
    }

    /// The room has answered our `<part/>`: either way the account is not there.
    /// Its answer to the presence may still be on its way: see `own_gone`.
    pub(super) fn part_answered(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.phase, Phase::Leaving(_)) {
            self.left(turn);
        }
    }
}

/// Whether what a room says of itself has MUC2 in it.
fn takes_requests(answer: &Stanza) -> bool {
    let query = answer.child("query", ns::DISCO_INFO);
    let query = query.filter(|_| !answer.is_error());
    query.is_some_and(|query| {
        query.children().any(|feature| {
            feature.is("feature", ns::DISCO_INFO) && feature.attr("var") == Some(ns::MUC2)
        })
    })
}

fn refused(answer: &Stanza) -> Option<StanzaError> {
    answer.is_error().then(|| reason(answer))
}

/// The nick that the room gave.
fn nickname(answer: &Stanza) -> Option<String> {
    let join = answer.child("join", ns::MUC2)?;
    join.child("nickname", ns::MUC2).map(ElementRef::text)
}
