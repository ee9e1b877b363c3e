//! What a session is told that joins an account which is in the room already.
//!
//! The same that the room would tell it, in the same order (XEP-0045 §7.1):
//! everybody else, itself, history, subject; then live traffic. All of it is
//! one visit to the machine, so nothing of the room's gets in between.

use std::sync::Arc;

use jid::FullJid;

use crate::stanza::{Element, Stanza, Type, ns};

use super::super::muc;
use super::{Join, Machine, Phase, Reply, Turn, Wanted};

impl Machine {
    /// Who is there, and at last the session itself (§7.2.2), with the codes
    /// that hold for it besides those that hold for all.
    pub(super) fn replay(&mut self, turn: &mut Turn<'_>, join: &Join, codes: &[u16]) {
        for other in self.occupants.iter() {
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

    /// Nothing more comes of what the room tells a newcomer: sessions that
    /// have waited for it get history and subject now.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) {
        if !matches!(self.phase, Phase::Joined { settling: Some(_) }) {
            return;
        }
        self.phase = Phase::Joined { settling: None };
        let newcomers: Vec<_> = self
            .sessions
            .iter_mut()
            .filter_map(|(session, here)| Some((session.clone(), here.settling.take()?)))
            .collect();
        for (session, wanted) in newcomers {
            self.replay_talk(turn, &session, wanted);
        }
    }

    /// The sessions that are up to date.
    pub(super) fn settled(&self) -> Arc<[FullJid]> {
        self.sessions
            .iter()
            .filter(|(_, here)| here.settling.is_none())
            .map(|(session, _)| session.clone())
            .collect()
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
