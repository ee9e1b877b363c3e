//! Who is connected: every session, those that wait for their client to come
//! back among them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, RwLock};

use jid::{BareJid, FullJid};
use tower_xmpp::host::Availability;

pub use super::session::Session;
pub use super::standing::Standing;

/// How many sessions one account may have (RFC 6120 §7.6.2.1).
const PER_ACCOUNT: usize = 64;

/// Of how many ended sessions is known how much of theirs was handled
/// (XEP-0198 §5: what a failed resumption says).
const LAPSED: usize = 10_000;

#[derive(Default)]
pub struct Sessions {
    maps: RwLock<Maps>,
}

/// The maps hold the same sessions.
#[derive(Default)]
struct Maps {
    by_jid: HashMap<FullJid, Arc<Session>>,
    by_account: HashMap<BareJid, Vec<Arc<Session>>>,
    resumable: HashMap<String, Arc<Session>>,
    /// The newest last.
    lapsed: VecDeque<Lapsed>,
}

struct Lapsed {
    id: String,
    account: BareJid,
    handled: Option<u32>,
}

/// What is known of a session that a client would like to resume.
pub enum Found {
    Session(Arc<Session>),
    /// It is over; so many of the client's stanzas were handled, if that is
    /// known.
    Lapsed(Option<u32>),
    Unknown,
}

/// Why a session was not added.
pub enum NotAdded {
    /// This one has the address.
    Taken(Arc<Session>),
    /// The account has as many sessions as it may.
    TooMany,
}

impl Sessions {
    /// Adds a session, unless its address is taken. `announce` tells whom it
    /// concerns, before anybody else can write to the session or end it.
    pub fn add<T>(
        &self,
        session: &Arc<Session>,
        announce: impl FnOnce() -> T,
    ) -> Result<T, NotAdded> {
        let mut maps = self.maps.write().unwrap();
        if let Some(taken) = maps.by_jid.get(session.jid()) {
            return Err(NotAdded::Taken(taken.clone()));
        }
        let of_account = maps.by_account.entry(session.jid().to_bare()).or_default();
        if of_account.len() >= PER_ACCOUNT {
            return Err(NotAdded::TooMany);
        }
        let announced = announce();
        of_account.push(session.clone());
        if let Some(id) = session.resumption_id() {
            maps.resumable.insert(id, session.clone());
        }
        maps.by_jid.insert(session.jid().clone(), session.clone());
        Ok(announced)
    }

    /// The session can be resumed from now on, unless it is over.
    pub fn may_resume(&self, id: String, session: &Arc<Session>) {
        let mut maps = self.maps.write().unwrap();
        let known = maps.by_jid.get(session.jid());
        if known.is_some_and(|known| Arc::ptr_eq(known, session)) {
            maps.resumable.insert(id, session.clone());
        }
    }

    /// Removes a session, and none that merely has its address; with an id by
    /// which it could have been resumed, it is remembered how much of its
    /// client's was handled.
    pub fn remove(&self, session: &Arc<Session>, id: Option<String>, handled: Option<u32>) {
        let mut maps = self.maps.write().unwrap();
        let account = session.jid().to_bare();
        let known = maps.by_jid.get(session.jid());
        if known.is_some_and(|known| Arc::ptr_eq(known, session)) {
            maps.by_jid.remove(session.jid());
        }
        if let Some(of_account) = maps.by_account.get_mut(&account) {
            of_account.retain(|other| !Arc::ptr_eq(other, session));
            if of_account.is_empty() {
                maps.by_account.remove(&account);
            }
        }
        if let Some(id) = id {
            maps.resumable.remove(&id);
            if maps.lapsed.len() == LAPSED {
                maps.lapsed.pop_front();
            }
            maps.lapsed.push_back(Lapsed {
                id,
                account,
                handled,
            });
        }
    }

    /// The session of this account that can be resumed by this id. Those of
    /// others are unknown to it.
    pub fn resumable(&self, account: &BareJid, id: &str) -> Found {
        let maps = self.maps.read().unwrap();
        if let Some(session) = maps.resumable.get(id)
            && session.jid().to_bare() == *account
        {
            return Found::Session(session.clone());
        }
        let mut lapsed = maps.lapsed.iter().rev();
        match lapsed.find(|lapsed| lapsed.id == id && lapsed.account == *account) {
            Some(lapsed) => Found::Lapsed(lapsed.handled),
            None => Found::Unknown,
        }
    }

    /// Those that can be resumed.
    pub fn resumable_sessions(&self) -> Vec<Arc<Session>> {
        let maps = self.maps.read().unwrap();
        let mut found: Vec<_> = maps.resumable.values().cloned().collect();
        found.sort_unstable_by(|one, other| one.jid().cmp(other.jid()));
        found
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Session>> {
        let maps = self.maps.read().unwrap();
        let mut all: Vec<_> = maps.by_jid.values().cloned().collect();
        all.sort_unstable_by(|one, other| one.jid().cmp(other.jid()));
        all
    }

    pub fn get(&self, jid: &FullJid) -> Option<Arc<Session>> {
        self.maps.read().unwrap().by_jid.get(jid).cloned()
    }

    pub fn of(&self, account: &BareJid) -> Vec<Arc<Session>> {
        let maps = self.maps.read().unwrap();
        maps.by_account.get(account).cloned().unwrap_or_default()
    }

    /// Those of the account's sessions for which `wanted` holds.
    pub fn which(&self, account: &BareJid, wanted: impl Fn(&Standing) -> bool) -> Vec<FullJid> {
        let mut found = self.of(account);
        found.retain(|session| wanted(&session.standing()));
        found.iter().map(|session| session.jid().clone()).collect()
    }

    /// Who takes messages in its place: the most available of the account's
    /// other sessions (RFC 6121 §8.5.2.1.1).
    pub fn heir(&self, session: &Session) -> Option<Arc<Session>> {
        let priority = |it: &Arc<Session>| it.standing().priority().filter(|it| *it >= 0);
        let others = self.of(&session.jid().to_bare()).into_iter();
        others
            .filter(|it| it.jid() != session.jid() && priority(it).is_some())
            .max_by_key(priority)
    }

    pub fn availability(&self, account: &BareJid) -> Vec<Availability> {
        let of = |session: &Arc<Session>| Availability {
            session: session.jid().clone(),
            priority: session.standing().priority(),
        };
        let maps = self.maps.read().unwrap();
        let of_account = maps.by_account.get(account);
        of_account.map_or(vec![], |sessions| sessions.iter().map(of).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::framing::Framing;
    use super::super::stream::queue::Queue;
    use super::*;

    fn phone() -> Arc<Session> {
        let queue = Arc::new(Queue::new(1_000, Framing::Tcp));
        Session::new("alice@example.org/phone".parse().unwrap(), queue, None)
    }

    #[test]
    fn an_address_is_had_by_one_session_and_lost_by_that_one_alone() {
        let (sessions, winner, loser) = (Sessions::default(), phone(), phone());
        let has = |session: &Arc<Session>| {
            let [by_jid, by_account] = [
                sessions.get(session.jid()),
                sessions.of(&session.jid().to_bare()).pop(),
            ];
            [by_jid, by_account].map(|found| found.is_some_and(|it| Arc::ptr_eq(&it, session)))
        };
        assert!(sessions.add(&winner, || ()).is_ok());
        let Err(NotAdded::Taken(taken)) = sessions.add(&loser, || panic!("it is announced")) else {
            panic!("two sessions have one address");
        };
        assert!(Arc::ptr_eq(&taken, &winner));
        sessions.remove(&loser, None, None);
        assert_eq!(has(&winner), [true, true]);
        sessions.remove(&winner, None, None);
        assert_eq!(has(&winner), [false, false]);
        assert!(sessions.add(&loser, || ()).is_ok());
        assert_eq!(has(&loser), [true, true]);
    }
}
