//! Who is in a room: nicks, and the sessions behind each.

use std::collections::BTreeMap;

use jid::{BareJid, FullJid, Jid};

use crate::stanza::Stanza;

/// What an occupant may do while it is in the room (XEP-0045 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Not in the room.
    None,
    /// Listens.
    Visitor,
    /// Speaks.
    Participant,
    /// Keeps order.
    Moderator,
}

/// One nick in the room, with all sessions that share it.
#[derive(Clone, Debug)]
pub(super) struct Occupant {
    /// The room's address with the nick.
    pub(super) jid: FullJid,
    /// The user's real bare JID.
    pub(super) user: BareJid,
    pub(super) role: Role,
    /// Never empty while the occupant is in the room.
    pub(super) sessions: Vec<Session>,
}

/// One real JID in the room: a client's full JID, or the bare JID of an
/// account that joined for all its clients.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Unique in the room's life; names the session in relayed requests.
    pub(super) number: u64,
    pub(super) jid: Jid,
    /// The last available presence, without what a room must not repeat.
    pub(super) presence: Stanza,
    pub(super) priority: i8,
    /// Grows with each presence, so that the newest can be told.
    pub(super) freshness: u64,
}

/// All occupants of a room. A nick belongs to one user, a real JID sits under
/// one nick; both ways of looking up always agree.
#[derive(Debug, Default)]
pub(super) struct Occupants {
    by_nick: BTreeMap<String, Occupant>,
    nicks: BTreeMap<Jid, String>,
    counter: u64,
}

impl Role {
    /// The word of the `role` attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::None => "none",
            Role::Visitor => "visitor",
            Role::Participant => "participant",
            Role::Moderator => "moderator",
        }
    }

    /// Reads the `role` attribute; `None` for a word XEP-0045 does not know.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "none" => Role::None,
            "visitor" => Role::Visitor,
            "participant" => Role::Participant,
            "moderator" => Role::Moderator,
            _ => return None,
        })
    }
}

impl Occupant {
    pub(super) fn nick(&self) -> &str {
        self.jid.resource().as_str()
    }

    /// The session whose presence the others see: the one with the highest
    /// priority, among equals the newest.
    pub(super) fn primary(&self) -> Option<&Session> {
        self.sessions
            .iter()
            .max_by_key(|session| (session.priority, session.freshness))
    }

    pub(super) fn session(&self, jid: &Jid) -> Option<&Session> {
        self.sessions.iter().find(|session| session.jid == *jid)
    }
}

impl Occupants {
    /// Nicks in the room.
    pub(super) fn len(&self) -> usize {
        self.by_nick.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_nick.is_empty()
    }

    /// By nick.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Occupant> {
        self.by_nick.values()
    }

    /// Every session's real JID, nick by nick.
    pub(super) fn real_jids(&self) -> impl Iterator<Item = &Jid> {
        self.iter()
            .flat_map(|occupant| occupant.sessions.iter().map(|session| &session.jid))
    }

    pub(super) fn by_nick(&self, nick: &str) -> Option<&Occupant> {
        self.by_nick.get(nick)
    }

    /// Under whose nick this real JID sits.
    pub(super) fn by_jid(&self, jid: &Jid) -> Option<&Occupant> {
        self.by_nick.get(self.nicks.get(jid)?)
    }

    /// The occupants that are this user.
    pub(super) fn by_user(&self, user: &BareJid) -> impl Iterator<Item = &Occupant> {
        self.iter().filter(move |occupant| occupant.user == *user)
    }

    pub(super) fn by_session(&self, number: u64) -> Option<(&Occupant, &Session)> {
        self.iter().find_map(|occupant| {
            let session = occupant.sessions.iter().find(|s| s.number == number)?;
            Some((occupant, session))
        })
    }

    /// Seats a session that is not in the room under a nick that is free or
    /// its user's own.
    pub(super) fn seat(&mut self, nick: FullJid, role: Role, jid: Jid, presence: Stanza) {
        let freshness = self.count();
        let session = Session {
            number: freshness,
            priority: priority(&presence),
            jid,
            presence,
            freshness,
        };
        self.place(nick, role, session);
    }

    /// Takes a session out of the room; its nick goes with the last one. What
    /// comes back is the occupant as it was.
    pub(super) fn unseat(&mut self, jid: &Jid) -> Option<Occupant> {
        let nick = self.nicks.remove(jid)?;
        let occupant = self.by_nick.get_mut(&nick)?;
        let before = occupant.clone();
        occupant.sessions.retain(|session| session.jid != *jid);
        if occupant.sessions.is_empty() {
            self.by_nick.remove(&nick);
        }
        Some(before)
    }

    /// Takes an occupant with all its sessions out of the room.
    pub(super) fn remove(&mut self, nick: &str) -> Option<Occupant> {
        let occupant = self.by_nick.remove(nick)?;
        for session in &occupant.sessions {
            self.nicks.remove(&session.jid);
        }
        Some(occupant)
    }

    /// Moves a session to another nick that is free or its user's own, and
    /// says who it was before.
    pub(super) fn move_to(&mut self, nick: FullJid, jid: &Jid) -> Option<Occupant> {
        let before = self.unseat(jid)?;
        let session = before.session(jid)?.clone();
        self.place(nick, before.role, session);
        Some(before)
    }

    /// A session's new presence.
    pub(super) fn update(&mut self, jid: &Jid, presence: Stanza) {
        let freshness = self.count();
        let session = self
            .nicks
            .get(jid)
            .and_then(|nick| self.by_nick.get_mut(nick))
            .and_then(|occupant| occupant.sessions.iter_mut().find(|s| s.jid == *jid));
        if let Some(session) = session {
            session.priority = priority(&presence);
            session.presence = presence;
            session.freshness = freshness;
        }
    }

    pub(super) fn set_role(&mut self, nick: &str, role: Role) {
        if let Some(occupant) = self.by_nick.get_mut(nick) {
            occupant.role = role;
        }
    }

    /// Nobody is there any more. Numbers go on, so that no answer to an old
    /// request finds a new session.
    pub(super) fn clear(&mut self) {
        self.by_nick.clear();
        self.nicks.clear();
    }

    fn place(&mut self, nick: FullJid, role: Role, session: Session) {
        let key = nick.resource().as_str().to_owned();
        self.nicks.insert(session.jid.clone(), key.clone());
        self.by_nick
            .entry(key)
            .or_insert_with(|| Occupant {
                jid: nick,
                user: session.jid.to_bare(),
                role,
                sessions: Vec::new(),
            })
            .sessions
            .push(session);
    }

    fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }
}

fn priority(presence: &Stanza) -> i8 {
    presence
        .child("priority", crate::stanza::ns::CLIENT)
        .and_then(|priority| priority.text().trim().parse().ok())
        .unwrap_or(0)
}
