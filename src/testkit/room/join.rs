//! Coming in, and being there: available presence (XEP-0045 §7.2, §7.6, §7.7).

use jid::{FullJid, Jid};

use crate::flow::Affiliation;
use crate::stanza::{ElementRef, Stanza, Type, ns};

use super::effect::Turn;
use super::history::{Wanted, delay};
use super::occupants::Occupant;
use super::presence::{Notice, cleaned, unavailable};
use super::state::Room;
use super::{OwnPresence, Refusal, StrayPresence};

/// What an available presence to a nick means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    /// The sender is there under that nick: a new status (§7.7).
    Update,
    /// The same with `<x/>`: it has lost its view of the room (§17.3).
    Resync,
    /// The sender is there under another nick (§7.6). With `<x/>`, too: some
    /// clients send it with every presence to a room.
    Rename,
    /// The sender is not there.
    Enter,
    /// The sender is not there, but believes it is (§7.2.18).
    Stray,
}

fn arrival(current: Option<&str>, wanted: &str, has_x: bool, stray: StrayPresence) -> Arrival {
    match current {
        Some(current) if current != wanted => Arrival::Rename,
        Some(_) if has_x => Arrival::Resync,
        Some(_) => Arrival::Update,
        None if has_x || stray == StrayPresence::Joins => Arrival::Enter,
        None => Arrival::Stray,
    }
}

impl Room {
    pub(super) fn presence(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        stanza: &Stanza,
    ) -> Result<(), Refusal> {
        match stanza.type_() {
            None => self.available(turn, from, stanza),
            Some(Type::Unavailable) => {
                self.leave(turn, from, stanza);
                Ok(())
            }
            Some(Type::Error) => {
                self.bounced(turn, from, stanza);
                Ok(())
            }
            // A room is nobody's contact; a probe finds out nothing that the
            // sender has not been told.
            Some(_) => Ok(()),
        }
    }

    fn available(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        stanza: &Stanza,
    ) -> Result<(), Refusal> {
        let nick = nick_of(stanza)?;
        if stanza.wire_len() > turn.settings.limits.presence {
            return Err(Refusal::TooLarge);
        }
        let current = self.occupants.by_jid(from).map(Occupant::nick);
        let has_x = stanza.has_child("x", ns::MUC);
        let wanted = nick.resource().as_str();
        match arrival(current, wanted, has_x, turn.settings.stray) {
            Arrival::Update => self.update(turn, from, stanza),
            Arrival::Resync => self.resync(turn, from, stanza),
            Arrival::Rename => self.rename(turn, from, stanza, nick)?,
            Arrival::Enter => self.enter(turn, from, stanza, nick)?,
            Arrival::Stray => self.kick_stray(turn, from, nick),
        }
        Ok(())
    }

    fn enter(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        stanza: &Stanza,
        wanted: FullJid,
    ) -> Result<(), Refusal> {
        let affiliation = self.affiliation_of(from);
        self.admit(affiliation, stanza)?;
        let (nick, assigned) = self.nick_for(turn, from, wanted)?;
        self.has_space(turn, affiliation, nick.resource().as_str())?;

        let created = std::mem::take(&mut self.created);
        let role = self.default_role(affiliation);
        self.occupants
            .seat(nick, role, from.clone(), cleaned(stanza));
        self.changed();

        let codes: Vec<u16> = [(created, 201), (assigned, 210)]
            .into_iter()
            .filter_map(|(is, code)| is.then_some(code))
            .collect();
        self.announce(turn, from);
        self.flood(turn, from, stanza, &codes);
        Ok(())
    }

    /// Who may enter: the doors of §7.2.5 to §7.2.7 and §7.2.10, in the order
    /// that tells a stranger least.
    fn admit(&self, affiliation: Affiliation, stanza: &Stanza) -> Result<(), Refusal> {
        let config = &self.lasting.config;
        if affiliation == Affiliation::Outcast {
            return Err(Refusal::Banned);
        }
        if self.locked && affiliation != Affiliation::Owner {
            return Err(Refusal::Locked);
        }
        if config.members_only && affiliation == Affiliation::None {
            return Err(Refusal::MembersOnly);
        }
        let given = stanza
            .child("x", ns::MUC)
            .and_then(|x| x.child("password", ns::MUC))
            .map(ElementRef::text);
        if config.password.is_some() && config.password != given {
            return Err(Refusal::WrongPassword);
        }
        Ok(())
    }

    /// Is there a seat left? Admins and owners may enter a room that is full
    /// by its configuration (§7.2.9).
    pub(super) fn has_space(
        &self,
        turn: &Turn<'_>,
        affiliation: Affiliation,
        nick: &str,
    ) -> Result<(), Refusal> {
        let limits = &turn.settings.limits;
        if let Some(occupant) = self.occupants.by_nick(nick) {
            return if occupant.sessions.len() < limits.sessions {
                Ok(())
            } else {
                Err(Refusal::TooMuch)
            };
        }
        let most = if affiliation >= Affiliation::Admin {
            limits.occupants
        } else {
            self.lasting.config.max_users.min(limits.occupants)
        };
        if self.occupants.len() < most {
            Ok(())
        } else {
            Err(Refusal::RoomFull)
        }
    }

    /// Everything again, for somebody who asks. The others hear of it only if
    /// it shows something new.
    fn resync(&mut self, turn: &mut Turn<'_>, from: &Jid, stanza: &Stanza) {
        let shown = cleaned(stanza);
        let same = self
            .occupants
            .by_jid(from)
            .and_then(|occupant| occupant.session(from))
            .is_some_and(|session| session.presence.to_xml() == shown.to_xml());
        self.occupants.update(from, shown);
        if !same {
            self.announce(turn, from);
        }
        self.flood(turn, from, stanza, &[]);
    }

    /// Everything a newcomer hears (§7.1): who is there, itself, what was
    /// said, and what it is about; live traffic follows.
    fn flood(&self, turn: &mut Turn<'_>, to: &Jid, stanza: &Stanza, codes: &[u16]) {
        let Some(own) = self.occupants.by_jid(to) else {
            return;
        };
        let own_first = turn.settings.own_presence == OwnPresence::First;
        if !own_first {
            self.show_others(turn, to, own);
        }
        let Some(primary) = own.primary() else {
            return;
        };
        let mut codes = codes.to_vec();
        let config = &self.lasting.config;
        codes.extend(config.non_anonymous.then_some(100));
        codes.extend(config.logged.then_some(170));
        let mut shown = primary.presence.clone();
        shown.set_id(stanza.id().map(str::to_owned));
        self.tell_own(turn, own, to, &shown, &Notice::codes(codes));
        if own_first {
            self.show_others(turn, to, own);
        }
        let wanted = Wanted::read(stanza.child("x", ns::MUC), turn.at, config.history);
        for message in self.lasting.history.replay(&self.address, wanted) {
            turn.send(&self.address, to, message);
        }
        self.send_subject(turn, to);
    }

    fn show_others(&self, turn: &mut Turn<'_>, to: &Jid, own: &Occupant) {
        for other in self.occupants.iter().filter(|other| other.jid != own.jid) {
            self.tell_one(turn, to, other);
        }
    }

    /// The subject, always; empty if none was ever set (§7.2.15).
    fn send_subject(&self, turn: &mut Turn<'_>, to: &Jid) {
        let stanza = match &self.lasting.subject {
            Some(subject) => subject
                .stanza
                .clone()
                .with_child(delay(&self.address, subject.at)),
            None => Stanza::message()
                .with_type(Type::Groupchat)
                .with_from(self.address.clone())
                .with_text_child("subject", ""),
        };
        turn.send(&self.address, to, stanza);
    }

    /// A session's new status (§7.7). Of several sessions under one nick the
    /// others see one.
    fn update(&mut self, turn: &mut Turn<'_>, from: &Jid, stanza: &Stanza) {
        self.occupants.update(from, cleaned(stanza));
        self.announce_to_all(turn, from);
    }

    /// After a session's presence changed: everybody else is told if it is
    /// what the occupant shows now. Sessions under one nick are one occupant.
    fn announce(&mut self, turn: &mut Turn<'_>, session: &Jid) {
        let Some(occupant) = self.occupants.by_jid(session).cloned() else {
            return;
        };
        let Some(primary) = occupant.primary() else {
            return;
        };
        if primary.jid != *session {
            return;
        }
        let notice = Notice::default();
        self.tell_others(turn, &occupant, &primary.presence, &notice);
        for other in &occupant.sessions {
            if other.jid != *session {
                self.tell_own(turn, &occupant, &other.jid, &primary.presence, &notice);
            }
        }
    }

    /// The same, and the session itself is told what it shows.
    pub(super) fn announce_to_all(&mut self, turn: &mut Turn<'_>, session: &Jid) {
        self.announce(turn, session);
        if let Some(occupant) = self.occupants.by_jid(session)
            && let Some(primary) = occupant.primary()
        {
            let notice = Notice::default();
            self.tell_own(turn, occupant, session, &primary.presence, &notice);
        }
    }

    /// Tells a client that it is not in the room, in the words that make it
    /// come back (§7.2.18).
    fn kick_stray(&self, turn: &mut Turn<'_>, from: &Jid, nick: FullJid) {
        let stranger = Occupant {
            jid: nick,
            user: from.to_bare(),
            role: super::Role::None,
            sessions: Vec::new(),
        };
        let notice = Notice::codes([307, 333]);
        self.tell_own(turn, &stranger, from, &unavailable(), &notice);
    }
}

/// The occupant JID in `to`.
fn nick_of(stanza: &Stanza) -> Result<FullJid, Refusal> {
    stanza
        .to()
        .and_then(|to| to.try_as_full().ok())
        .cloned()
        .ok_or(Refusal::NickMissing)
}
