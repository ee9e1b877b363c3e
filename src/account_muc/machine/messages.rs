//! What is said, both ways, and errors about it (XEP-0045 §7.4, §7.5, §8.1).

use std::time::Duration;

use jid::{FullJid, Jid};

use crate::flow::bare;
use crate::stanza::{Condition, ElementRef, MessageType, Stanza, Time, ns};

use super::super::muc::{self, Said};
use super::{Machine, Original, Own, Phase, Subject, Turn};

impl Machine {
    /// A session writes to the room or to an occupant.
    ///
    /// * An error of a client never reaches a room: it would expel the account
    ///   (decision 16; XEP-0045 §18.1.2).
    /// * From a session that is in the room, everything goes in the account's
    ///   name, under the session's id (§7.4: the reflection bears it).
    /// * From one that is not, it goes as it came: the room refuses it in its
    ///   own words. A decline does not need a seat in any case (§7.8.2).
    pub(crate) fn session_says(
        &mut self,
        turn: &mut Turn<'_>,
        session: &FullJid,
        message: &Stanza,
    ) {
        turn.original = if message.is_error() {
            Original::TakenIn
        } else if !self.has(session) || muc::is_decline(message) {
            Original::GoesOn
        } else {
            self.remember_sender(session, message, turn.options.limits.sent);
            Original::Becomes(message.clone().with_from(self.account.clone()))
        };
    }

    /// Whether all that comes of a message from the room is that it is heard:
    /// nothing is asked, written or sent because of it.
    pub(crate) fn only_listens(&self, message: &Stanza) -> bool {
        let has_settled = matches!(self.phase, Phase::Joined { settling: None });
        has_settled && !message.is_error() && !muc::is_subject(message)
    }

    /// The room, or an occupant, writes to the account.
    pub(crate) fn room_says(&mut self, turn: &mut Turn<'_>, message: &Stanza) {
        if !self.is_known() {
            turn.original = Original::GoesOn;
            return;
        }
        match message.message_type() {
            MessageType::Error => self.message_refused(turn, message),
            MessageType::Groupchat => self.room_talks(turn, message),
            _ => self.somebody_whispers(turn, message),
        }
    }

    /// Groupchat: for every session in the room, the sender's included, since
    /// the reflection is how it learns that it was heard.
    fn room_talks(&mut self, turn: &mut Turn<'_>, message: &Stanza) {
        let said_at = muc::delayed(self.room_name(), message);
        let settling = self.is_settling();
        let is_old = said_at.is_some() && settling;
        if muc::is_subject(message) {
            return self.subject_is(turn, message, said_at.unwrap_or(turn.at));
        }
        if message.from().is_some_and(Jid::is_bare) {
            self.take_flags(&Said::read(message));
        }
        if is_old {
            return self.was_said(turn, message, said_at.unwrap_or(turn.at));
        }
        // Something live: the room has said all that it says to newcomers.
        let newcomers = settling.then(|| self.newcomers());
        turn.original = Original::Reaches(match newcomers {
            Some(_) => self.settled(),
            None => self.sessions(),
        });
        self.settle(turn);
        self.doubt.heard(turn.at);
        self.heard = Some(turn.at);
        let is_news = match said_at {
            Some(at) => self.keep_old(turn, message, at),
            None => {
                self.keep(turn, message);
                true
            }
        };
        if !is_news {
            // History that came late: everybody who is to have it has it.
            turn.original = Original::TakenIn;
        } else if let Some(newcomers) = newcomers {
            // They get it behind history and subject. Deliberately as a copy,
            // without the archive ID that a layer further in would put on the
            // original: that is with the others before any copy.
            turn.tell_all(newcomers, message.clone());
        }
    }

    /// History that the room sends to the account: for the ring, from where
    /// newcomers get it. Sessions that were here before know it, but for what
    /// was said while the account was out of the room.
    ///
    /// Deliberately: the digest gives history to newcomers only, and then
    /// nobody would ever show what is said during a netsplit.
    fn was_said(&mut self, turn: &mut Turn<'_>, message: &Stanza, at: Time) {
        let is_news = self.keep_old(turn, message, at);
        turn.original = match self.settled() {
            settled if is_news && !settled.is_empty() => Original::Reaches(settled),
            _ => Original::TakenIn,
        };
    }

    /// The subject, which comes after the history (§7.1) and whenever it changes.
    ///
    /// It may be set to what it is. Where the room has just shown us as well, that
    /// was no change: it took what we showed for a join, since it had lost us
    /// without a word, and who is there may have changed, too.
    fn subject_is(&mut self, turn: &mut Turn<'_>, message: &Stanza, at: Time) {
        let is_first = self.is_subject_awaited(turn);
        self.subject_awaited = None;
        let before = self.settled();
        let kept = turn.pool.keep(message);
        let is_news = match (&self.subject, kept.stanza()) {
            (Some(known), Some(new)) => known
                .kept
                .stanza()
                .is_none_or(|known| subject(&known) != subject(&new)),
            (None, Some(new)) => !subject(&new).is_empty(),
            _ => false,
        };
        self.subject = (kept.len() <= turn.options.limits.subject).then_some(Subject { kept, at });
        self.doubt.heard(turn.at);
        if is_first {
            // Newcomers get it with the history before it.
            self.settle(turn);
            if is_news && !before.is_empty() {
                turn.original = Original::Reaches(before);
            }
        } else {
            turn.original = Original::Reaches(self.sessions());
            if !is_news && self.is_joined() && self.was_just_shown(turn) {
                self.lose(turn, 0);
            }
        }
    }

    /// Whether the next subject is what the room says to who has come.
    fn is_subject_awaited(&self, turn: &Turn<'_>) -> bool {
        let patience = turn.options.patience;
        let awaited = self.subject_awaited;
        self.is_settling() || awaited.is_some_and(|since| turn.at.since(since) < patience)
    }

    fn was_just_shown(&self, turn: &Turn<'_>) -> bool {
        /// Longer than a room takes from showing us to telling the subject.
        const ONE_BREATH: Duration = Duration::from_secs(10);
        let shown = self.shown_again;
        shown.is_some_and(|shown| turn.at.since(shown) < ONE_BREATH)
    }

    /// A private message, or one of the room that is not groupchat.
    ///
    /// Every session in the room gets it, as from a room that sends it to each
    /// (§7.2.8). Where none is, it is treated like any other message to the
    /// account. An invitation into this very room is of no use (XEP-0249 §4).
    fn somebody_whispers(&mut self, turn: &mut Turn<'_>, message: &Stanza) {
        self.doubt.heard(turn.at);
        let sessions = self.sessions();
        turn.original = if muc::is_invitation(message) {
            Original::TakenIn
        } else if sessions.is_empty() || muc::is_decline(message) {
            Original::GoesOn
        } else {
            Original::Reaches(sessions)
        };
    }

    /// The room refuses what a session said: that session is told, or all, if
    /// it is not known any more. `not-acceptable` for groupchat means that the
    /// room does not know us (§7.4), `item-not-found` that there is none.
    fn message_refused(&mut self, turn: &mut Turn<'_>, error: &Stanza) {
        let sender = error.id().and_then(|id| {
            let found = self.sent.iter().position(|(sent, _)| **sent == *id)?;
            self.sent.remove(found)
        });
        let to_room = error.from().is_some_and(Jid::is_bare);
        match sender {
            Some((_, session)) => turn.tell(&session, error.clone()),
            None => turn.tell_all(self.sessions(), error.clone()),
        }
        let condition = error.error().map(|error| error.condition);
        let strange = [Condition::NotAcceptable, Condition::ItemNotFound];
        if to_room && condition.is_some_and(|condition| strange.contains(&condition)) {
            self.doubt_it(turn);
        }
    }

    fn remember_sender(&mut self, session: &FullJid, message: &Stanza, limit: usize) {
        let Some(id) = message.id() else {
            return;
        };
        while self.sent.len() >= limit.max(1) {
            self.sent.pop_front();
        }
        self.sent.push_back((id.into(), session.clone()));
    }

    /// Keeps what newcomers are to get.
    fn keep(&mut self, turn: &Turn<'_>, message: &Stanza) {
        if is_talk(message) {
            let limits = &turn.options.limits;
            self.history.push(turn.pool, turn.at, message, limits);
        }
    }

    /// Keeps what was said before. Says whether it is news.
    fn keep_old(&mut self, turn: &Turn<'_>, message: &Stanza, at: Time) -> bool {
        let limits = &turn.options.limits;
        let room = bare(&self.seat);
        !is_talk(message) || self.history.push_old(turn.pool, room, at, message, limits)
    }

    /// The room changes what it is (§10.2.1): 172 and 173, 170 and 171.
    fn take_flags(&mut self, said: &Said) {
        let Some(Own {
            real_jids, logged, ..
        }) = &mut self.own
        else {
            return;
        };
        for code in said.codes() {
            match code {
                170 => *logged = true,
                171 => *logged = false,
                172 => *real_jids = true,
                173 | 174 => *real_jids = false,
                _ => {}
            }
        }
    }
}

/// Whether newcomers are to get it: something that was said.
fn is_talk(message: &Stanza) -> bool {
    message.has_body() || message.mentions(ns::EME)
}

fn subject(message: &Stanza) -> String {
    message
        .child("subject", ns::CLIENT)
        .map(ElementRef::text)
        .unwrap_or_default()
}
