//! Who is connected: every session, and what it told us about itself.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use jid::{BareJid, FullJid, Jid};
use tokio::sync::OnceCell;
use tower_xmpp::host::{Availability, Delivery, Outbox, Undelivered};
use tower_xmpp::stanza::{Form, Stanza};

use super::stream::queue::{Queue, Refused};

/// How many sessions one account may have (RFC 6120 §7.6.2.1).
const PER_ACCOUNT: usize = 64;

#[derive(Default)]
pub struct Sessions {
    maps: RwLock<Maps>,
}

/// Both maps hold the same sessions.
#[derive(Default)]
struct Maps {
    by_jid: HashMap<FullJid, Arc<Session>>,
    by_account: HashMap<BareJid, Vec<Arc<Session>>>,
}

/// A client that has bound a resource.
pub struct Session {
    jid: FullJid,
    queue: Arc<Queue>,
    outbox: Mutex<Outbox>,
    standing: Mutex<Standing>,
    /// Done when all is done that follows from the session's end.
    ended: OnceCell<()>,
}

/// What a session told us about itself.
#[derive(Default)]
pub struct Standing {
    /// The last presence it broadcast, with its priority, while it is available.
    pub available: Option<(Stanza, i8)>,
    /// To whom it sent presence besides (RFC 6121 §4.6).
    pub directed: BTreeSet<Jid>,
    /// It asked for the roster, and so hears of changes (RFC 6121 §2.1.6).
    pub wants_roster: bool,
}

/// The account has as many sessions as it may.
#[derive(Debug)]
pub struct TooMany;

impl Sessions {
    /// Adds a session and writes `first` to it, before anybody can write to
    /// it. One with the same address must have been removed before.
    pub fn add(&self, session: Arc<Session>, first: &Stanza) -> Result<(), TooMany> {
        let mut maps = self.maps.write().unwrap();
        let of_account = maps.by_account.entry(session.jid.to_bare()).or_default();
        if of_account.len() >= PER_ACCOUNT {
            return Err(TooMany);
        }
        // A queue that takes no more ends the stream by itself.
        let _ = session.write(first);
        of_account.push(session.clone());
        maps.by_jid.insert(session.jid.clone(), session);
        Ok(())
    }

    pub fn remove(&self, session: &Session) {
        let mut maps = self.maps.write().unwrap();
        let account = session.jid.to_bare();
        maps.by_jid.remove(&session.jid);
        if let Some(of_account) = maps.by_account.get_mut(&account) {
            of_account.retain(|other| other.jid != session.jid);
            if of_account.is_empty() {
                maps.by_account.remove(&account);
            }
        }
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
        found.iter().map(|session| session.jid.clone()).collect()
    }

    pub fn availability(&self, account: &BareJid) -> Vec<Availability> {
        let of = |session: &Arc<Session>| Availability {
            session: session.jid.clone(),
            priority: session.standing().priority(),
        };
        let maps = self.maps.read().unwrap();
        let of_account = maps.by_account.get(account);
        of_account.map_or(vec![], |sessions| sessions.iter().map(of).collect())
    }
}

impl Session {
    pub fn new(jid: FullJid, queue: Arc<Queue>) -> Arc<Self> {
        Arc::new(Self {
            jid,
            queue,
            outbox: Mutex::new(Outbox::new()),
            standing: Mutex::default(),
            ended: OnceCell::new(),
        })
    }

    pub fn jid(&self) -> &FullJid {
        &self.jid
    }

    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    pub fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap()
    }

    /// Everything for this session comes through here, and waits nowhere else.
    pub fn deliver(&self, delivery: Delivery) -> Result<(), Undelivered> {
        let mut outbox = self.outbox.lock().unwrap();
        outbox.push(delivery);
        while let Some(delivery) = outbox.pop() {
            if self.write(&delivery.stanza).is_err() {
                // The stream is over, and what follows from that under way.
                return Err(Undelivered(Box::new(delivery)));
            }
        }
        Ok(())
    }

    /// See [`OnceCell`]: who comes second waits for who was first.
    pub fn ended(&self) -> &OnceCell<()> {
        &self.ended
    }

    fn write(&self, stanza: &Stanza) -> Result<(), Refused> {
        self.queue.append(|out| stanza.write(out, Form::Stream))
    }
}

impl Standing {
    pub fn is_available(&self) -> bool {
        self.available.is_some()
    }

    pub fn priority(&self) -> Option<i8> {
        self.available.as_ref().map(|(_, priority)| *priority)
    }
}
