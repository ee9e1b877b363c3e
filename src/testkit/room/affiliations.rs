//! Long-lived relations of users to a room (XEP-0045 §5.2), and the nicks
//! they registered (§7.10).

use std::collections::BTreeMap;

use jid::BareJid;

use crate::flow::{Affiliation, Member};

use super::SavedUser;

/// The affiliation lists of one room, by bare JID. Nobody stands in it with
/// the affiliation none.
#[derive(Clone, Debug, Default)]
pub(super) struct Affiliations(BTreeMap<BareJid, Entry>);

/// What the room knows about one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) affiliation: Affiliation,
    /// The nick that nobody else may take.
    pub(super) nick: Option<String>,
    /// Why it is so.
    pub(super) reason: Option<String>,
}

impl Affiliations {
    pub(super) fn of(&self, user: &BareJid) -> Affiliation {
        self.0
            .get(user)
            .map_or(Affiliation::None, |entry| entry.affiliation)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// All who have this affiliation, by address.
    pub(super) fn list(&self, wanted: Affiliation) -> impl Iterator<Item = (&BareJid, &Entry)> {
        self.0
            .iter()
            .filter(move |(_, entry)| entry.affiliation == wanted)
    }

    /// Changes an affiliation. An outcast loses its nick (§9.1), and so does
    /// who has no affiliation any more.
    pub(super) fn set(&mut self, user: &BareJid, affiliation: Affiliation, reason: Option<String>) {
        if affiliation == Affiliation::None {
            self.0.remove(user);
            return;
        }
        let nick = self
            .nick_of(user)
            .filter(|_| affiliation != Affiliation::Outcast)
            .map(str::to_owned);
        let entry = Entry {
            affiliation,
            nick,
            reason,
        };
        self.0.insert(user.clone(), entry);
    }

    /// The nick that the user has registered.
    pub(super) fn nick_of(&self, user: &BareJid) -> Option<&str> {
        self.0.get(user)?.nick.as_deref()
    }

    /// Who has registered this nick.
    pub(super) fn owner_of_nick(&self, nick: &str) -> Option<&BareJid> {
        self.0
            .iter()
            .find(|(_, entry)| entry.nick.as_deref() == Some(nick))
            .map(|(user, _)| user)
    }

    /// Registers a nick for somebody who has an affiliation, or forgets it.
    pub(super) fn set_nick(&mut self, user: &BareJid, nick: Option<String>) {
        if let Some(entry) = self.0.get_mut(user) {
            entry.nick = nick;
        }
    }

    /// For a file: sorted by address.
    pub(super) fn saved(&self) -> Vec<SavedUser> {
        self.0
            .iter()
            .map(|(jid, entry)| SavedUser {
                jid: jid.clone(),
                affiliation: entry.affiliation,
                nick: entry.nick.clone(),
                reason: entry.reason.clone(),
            })
            .collect()
    }

    /// From a file.
    pub(super) fn restored(users: Vec<SavedUser>) -> Self {
        let entry = |user: SavedUser| {
            let entry = Entry {
                affiliation: user.affiliation,
                nick: user.nick,
                reason: user.reason,
            };
            (user.jid, entry)
        };
        Affiliations(
            users
                .into_iter()
                .filter(|user| user.affiliation != Affiliation::None)
                .map(entry)
                .collect(),
        )
    }

    /// For a snapshot: sorted by address.
    pub(super) fn members(&self) -> Vec<Member> {
        self.0
            .iter()
            .map(|(jid, entry)| Member {
                jid: jid.clone(),
                affiliation: entry.affiliation,
                nick: entry.nick.clone(),
            })
            .collect()
    }
}
