//! The room lets the account in, and with it the sessions that wait (XEP-0045
//! §7.2.2): when its own presence comes, which stands after everybody else's.

use jid::FullJid;

use crate::stanza::Stanza;

use super::super::muc::{self, Said};
use super::join::without_id;
use super::{Here, Join, Machine, Own, Phase, Turn};

impl Machine {
    /// The account's own presence while it joins: it is in.
    pub(super) fn let_in(&mut self, turn: &mut Turn<'_>, seat: FullJid, own: &Stanza, said: &Said) {
        let settling = Phase::Joined {
            settling: Some(turn.at),
        };
        let Phase::Joining(joining) = std::mem::replace(&mut self.phase, settling) else {
            return;
        };
        self.subject_awaited = Some(turn.at);
        self.shown_again = None;
        let news = self.take_own(turn, seat, own, said, true);
        self.doubt.heard(turn.at);
        // Sessions that were here before have heard who came and who changed.
        // Who has gone, they learn when the room has said all.
        if news {
            // That the room is new (201) is told to who made it, if anybody.
            let own = muc::without_code(without_id(own.clone()), muc::CREATED);
            turn.tell_all(self.sessions(), own);
        }
        turn.store();
        if said.has(muc::CREATED) && joining.waiting.is_empty() {
            // Created by nobody who could be asked how it is to be: by a
            // bookmark, or because the account came back into one that had
            // vanished. It would stay locked (§10.1.2). Whoever creates a room
            // by a session is told 201, and configures it.
            let id = turn.new_id();
            turn.tell_room(muc::instant(&self.account, &self.room(), &id));
        }
        let codes: Vec<u16> = [muc::CREATED, muc::NICK_ASSIGNED]
            .into_iter()
            .filter(|code| said.has(*code))
            .collect();
        for (position, waiting) in joining.waiting.into_iter().enumerate() {
            // The room was created by the one whose join left (201).
            let keep = |code: &u16| *code != muc::CREATED || position == 0;
            let codes: Vec<u16> = codes.iter().copied().filter(keep).collect();
            self.seat_session(turn, waiting, &codes);
        }
        self.answer_pings(turn, true);
        self.mark_deserted(turn);
        if joining.moved {
            self.lose(turn, 0);
        }
        if self.wants_out {
            self.leave_if_done(turn);
        }
        self.show(turn);
    }

    /// A session is in the room from now on, and told all that it must know.
    pub(super) fn seat_session(&mut self, turn: &mut Turn<'_>, join: Join, codes: &[u16]) {
        let Phase::Joined { settling } = self.phase else {
            return;
        };
        self.clock += 1;
        self.deserted = None;
        let here = Here {
            presence: turn.pool.keep(&join.presence),
            priority: join.priority,
            latest: self.clock,
            settling: settling.map(|_| join.history),
        };
        self.sessions.put(join.session.clone(), here);
        self.replay(turn, &join, codes);
        if settling.is_none() {
            self.replay_talk(turn, &join.session, join.history);
        }
    }

    /// The room has made the account another occupant than the one that joins.
    pub(super) fn has_moved(&mut self) {
        if let Phase::Joining(joining) = &mut self.phase {
            joining.moved = true;
        }
    }

    /// Takes in what the room says about us. Says whether it is news.
    pub(super) fn take_own(
        &mut self,
        turn: &Turn<'_>,
        seat: FullJid,
        own: &Stanza,
        said: &Said,
        joins: bool,
    ) -> bool {
        // Whoever had the nick before has it no more.
        self.forget_occupant(seat.resource().as_str());
        // Codes are added when a session is told.
        let presence = turn.pool.keep(&muc::with_codes(own.clone(), &[]));
        let known = self.own.as_ref();
        // The flags come with the self-presence of a join, and change by
        // messages afterwards (§10.2.1).
        let flag = |code, known: Option<bool>| match known {
            Some(known) if !joins => known || said.has(code),
            _ => said.has(code),
        };
        let own = Own {
            presence,
            affiliation: said.affiliation.as_deref().unwrap_or("none").into(),
            real_jids: flag(muc::REAL_JIDS_VISIBLE, known.map(|own| own.real_jids)),
            logged: flag(muc::LOGGED, known.map(|own| own.logged)),
        };
        let news = self.seat != seat || known != Some(&own);
        self.own = Some(own);
        self.seat = seat;
        news
    }
}
