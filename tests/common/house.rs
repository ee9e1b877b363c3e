//! A small host, for the tests of the conductor itself.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use jid::{BareJid, FullJid, Jid};
use tower_xmpp::flow::{Envelope, Outcome, PassId, Snapshot};
use tower_xmpp::host::{Availability, Delivery, Host, Place, Undelivered};
use tower_xmpp::stanza::{Condition, Stanza, Time};

/// A host of `a.example` with the sessions it is given.
#[derive(Default)]
pub struct House {
    pub sessions: Vec<FullJid>,
    pub vanished: Vec<FullJid>,
    /// Who is delivered to in vain, and loudly.
    pub cursed: Option<FullJid>,
    pub keeps_offline: bool,
    pub delivered: Mutex<Vec<Delivery>>,
    pub sent: Mutex<Vec<Stanza>>,
    pub broke: Mutex<Vec<String>>,
    /// Rooms that broadcast something.
    pub heard: Mutex<Vec<String>>,
}

impl Host for House {
    type Error = Infallible;

    fn place(&self, jid: &Jid) -> Place {
        match (jid.domain().as_str(), jid.node()) {
            ("a.example", Some(_)) => Place::Account(jid.to_bare()),
            ("a.example", None) => Place::Server(jid.domain().to_owned()),
            _ => Place::Elsewhere,
        }
    }

    fn sessions(&self, account: &BareJid) -> Vec<Availability> {
        let of_account = |session: &&FullJid| session.to_bare() == *account;
        self.sessions
            .iter()
            .filter(of_account)
            .map(|session| Availability {
                session: session.clone(),
                priority: Some(0),
            })
            .collect()
    }

    fn deliver(&self, delivery: Delivery) -> Result<(), Undelivered> {
        assert!(self.cursed.as_ref() != Some(&delivery.session), "cursed");
        if self.vanished.contains(&delivery.session) {
            return Err(Undelivered(Box::new(delivery)));
        }
        self.delivered.lock().unwrap().push(delivery);
        Ok(())
    }

    fn send(&self, _: Time, stanza: Stanza) {
        self.sent.lock().unwrap().push(stanza);
    }

    async fn serve(&self, envelope: Envelope) -> Result<Outcome, Infallible> {
        let stanza = envelope.as_stanza().expect("events are heard, not served");
        Ok(Outcome::refused(stanza, Condition::ServiceUnavailable))
    }

    async fn keep_offline(&self, _: &BareJid, _: Time, _: &Stanza) -> Result<bool, Infallible> {
        Ok(self.keeps_offline)
    }

    fn broadcast(&self, room: &Snapshot, _: &Stanza) {
        self.heard.lock().unwrap().push(room.room.to_string());
    }

    fn broke(&self, _: PassId, what: &(dyn std::error::Error + Send + Sync)) {
        self.broke.lock().unwrap().push(what.to_string());
    }
}

impl House {
    pub fn of(sessions: &[FullJid]) -> Arc<Self> {
        Arc::new(Self {
            sessions: sessions.to_vec(),
            ..Self::default()
        })
    }

    /// Ids of what was delivered, in order.
    pub fn ids(&self) -> Vec<String> {
        let delivered = self.delivered.lock().unwrap();
        let id = |delivery: &Delivery| delivery.stanza.id().unwrap_or_default().to_owned();
        delivered.iter().map(id).collect()
    }
}
