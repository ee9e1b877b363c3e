//! What a session is told that joins an account which is in the room already.
//!
//! The same that the room would tell it, in the same order (XEP-0045 §7.1):
//! everybody else, itself, history, subject; then live traffic. All of it is
//! one visit to the machine, so nothing of the room's gets in between.

use jid::FullJid;

use crate::stanza::{Element, Stanza, Type, ns};

use super::super::muc;
use super::super::pool::Kept;
use super::{Join, Machine, Reply, Turn, Wanted};

impl Machine {
    /// Who is there, and at last the session itself (§7.2.2), with the codes
    /// that hold for it besides those that hold for all.
    pub(super) fn replay(&mut self, turn: &mut Turn<'_>, join: &Join, codes: &[u16]) {
        // Who has not been shown again yet is told of when that is done.
        let unseen = |other: &Kept| self.unseen.get(other.nick()).is_some();
        for other in self.occupants.iter().filter(|other| !unseen(other)) {
            if let Some(presence) = other.stanza() {
                turn.tell(&join.session, presence);
            }
        }
        let Some(own) = &self.own else {
            return;
        };
        let mut all = vec![];
        all.extend(own.real_jids.then_some(muc::REAL_JIDS_VISIBLE));
        all.push(muc::SELF);
        all.extend(own.logged.then_some(muc::LOGGED));
        all.extend(codes);
        if join.occupant != self.seat && !all.contains(&muc::NICK_ASSIGNED) {
            all.push(muc::NICK_ASSIGNED);
        }
        if let Some(presence) = own.presence.stanza() {
            // Between 303 and the presence that follows, the nick is new and
            // the presence old.
            let presence = presence.with_from(self.seat.clone());
            let mut presence = muc::with_codes(presence, &all);
            if let Reply::Presence(id) = &join.reply {
                presence.set_id(id.clone());
            }
            turn.tell(&join.session, presence);
        }
        if let Reply::Request(request) = &join.reply {
            turn.tell(&join.session, self.joined_result(request));
        }
    }

    /// What was said, as much as the session wants, and what it is about.
    pub(super) fn replay_talk(&self, turn: &mut Turn<'_>, session: &FullJid, wanted: Wanted) {
        for message in self.history.replay(self.room_name(), wanted) {
            turn.tell(session, message);
        }
        turn.tell(session, self.subject_again());
    }

    /// The subject, which is always sent (§7.2.15), even if none was ever set.
    fn subject_again(&self) -> Stanza {
        let room = self.room_name();
        let kept = self
            .subject
            .as_ref()
            .and_then(|subject| Some((subject.kept.stanza()?, subject.at)));
        match kept {
            Some((subject, _)) if muc::delayed(room, &subject).is_some() => subject,
            Some((subject, at)) => subject.with_child(muc::delay(room, at)),
            None => Stanza::message()
                .with_type(Type::Groupchat)
                .with_from(self.room())
                .with_text_child("subject", ""),
        }
    }

    /// The result of a MUC2-PAM `<join/>`: under which nick it is.
    fn joined_result(&self, request: &Stanza) -> Stanza {
        let nickname = Element::new("nickname", ns::MUC2).with_text(self.seat.resource().as_str());
        let join = Element::new("join", ns::MUC2)
            .with_attr("room", self.room().to_string())
            .with_child(nickname);
        request
            .reply()
            .with_from(self.account.clone())
            .with_child(join)
    }
}
