//! This server as the library sees it: whose address is this, who is
//! connected, where does a stanza go. What it does is in the stack.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use jid::{BareJid, FullJid, Jid};
use tower_xmpp::flow::{Envelope, Incident, Original, Outcome, PassId, Snapshot};
use tower_xmpp::host::{Availability, Conductor, Delivery, Host, Place, Undelivered};
use tower_xmpp::stanza::{Condition, Stanza, Time, Type};
use tracing::{debug, error};

use super::accounts::Accounts;
use super::blocking::Lists;
use super::complaints::Complaints;
use super::figures;
use super::rooms::Rooms;
use super::services::offline::{self, Offline};
use super::services::pep::{Bookmarked, abroad::Abroad};
use super::services::{self, private::Private, roster::Rosters};
use super::sessions::Sessions;
use super::storage::{Failed, Storage};
use super::uplink::{self, Uplink};

pub struct Site {
    pub accounts: Arc<Accounts>,
    pub sessions: Sessions,
    pub rosters: Rosters,
    pub private: Private,
    pub bookmarks: Arc<Bookmarked>,
    pub abroad: Abroad,
    pub offline: Offline,
    pub rooms: Rooms,
    pub blocks: Lists,
    pub storage: Storage,
    /// The way to other domains, if there is one.
    pub uplink: Option<Uplink>,
    complaints: Complaints,
    /// Where what cannot be sent comes back in.
    conductor: OnceLock<Conductor>,
}

impl Site {
    pub async fn new(accounts: Accounts, storage: Storage) -> Result<Self, Failed> {
        let rooms = BareJid::new(&format!("rooms.{}", accounts.domain()));
        let rooms = rooms.expect("a label before a domain makes a domain");
        Ok(Self {
            rooms: Rooms::load(rooms, storage.clone()).await?,
            blocks: Lists::load(storage.clone()).await?,
            accounts: Arc::new(accounts),
            sessions: Sessions::default(),
            rosters: Rosters::load(storage.clone()).await?,
            private: Private::new(storage.clone()),
            bookmarks: Arc::new(Bookmarked::new(storage.clone())),
            abroad: Abroad::default(),
            offline: Offline::new(storage.clone()),
            storage,
            uplink: None,
            complaints: Complaints::default(),
            conductor: OnceLock::new(),
        })
    }

    /// The domains that are served.
    pub fn domains(&self) -> [BareJid; 2] {
        [self.domain().clone(), self.rooms.domain().clone()]
    }

    /// Tells the site which stack it has; to be called once.
    pub fn conducted_by(&self, conductor: Conductor) {
        let _ = self.conductor.set(conductor);
    }

    /// Lets something enter that did not come through an entrance.
    pub fn post(&self, envelope: Envelope) {
        if let Some(conductor) = self.conductor.get() {
            conductor.post(envelope);
        }
    }

    pub fn domain(&self) -> &BareJid {
        self.accounts.domain()
    }

    /// Logs what layers could not do, each failure once.
    fn complain(&self, pass: PassId, incidents: &[Incident]) {
        for incident in incidents {
            let Incident {
                layer,
                panicked,
                what,
                ..
            } = incident;
            if self
                .complaints
                .is_news(&format!("{layer}: {what}"), Instant::now())
            {
                error!(pass = pass.0, layer, panicked, %what, "layer failed and was bypassed");
            }
        }
    }
}

impl Host for Site {
    type Error = Failed;

    /// Asked about every stanza, so the resource is cut off a copy: `to_bare` would
    /// format the address anew.
    fn place(&self, jid: &Jid) -> Place {
        if jid.domain() == self.domain().domain() {
            match jid.node() {
                Some(_) => Place::Account(jid.clone().into_bare()),
                None => Place::Server(jid.domain().to_owned()),
            }
        } else if jid.domain() == self.rooms.domain().domain() {
            Place::Room(jid.clone().into_bare())
        } else {
            Place::Elsewhere
        }
    }

    fn sessions(&self, account: &BareJid) -> Vec<Availability> {
        self.sessions.availability(account)
    }

    fn deliver(&self, delivery: Delivery) -> Result<(), Undelivered> {
        match self.sessions.get(&delivery.session) {
            Some(session) => session.deliver(delivery),
            None => Err(Undelivered(Box::new(delivery))),
        }
    }

    /// Through the uplink, or back to the sender.
    fn send(&self, at: Time, stanza: Stanza) {
        let sent = match &self.uplink {
            Some(uplink) => uplink.send(stanza),
            None => Err((stanza, Condition::RemoteServerNotFound)),
        };
        if let Err((stanza, condition)) = sent
            && let Some(bounced) = uplink::bounce(self, at, &stanza, condition)
        {
            self.post(bounced);
        }
    }

    async fn serve(&self, envelope: Envelope) -> Result<Outcome, Failed> {
        services::serve(self, &envelope).await
    }

    async fn keep_offline(
        &self,
        account: &BareJid,
        at: Time,
        stanza: &Stanza,
    ) -> Result<bool, Failed> {
        offline::keep(self, account, at, stanza).await
    }

    fn directed(&self, session: &FullJid, presence: &Stanza) {
        services::presence::directed(self, session, presence);
    }

    fn broadcast(&self, room: &Snapshot, stanza: &Stanza) {
        self.rooms.keep(room, stanza);
    }

    fn began(&self, pass: PassId, envelope: &Envelope) {
        let Some(stanza) = envelope.as_stanza() else {
            return;
        };
        debug!(
            pass = pass.0,
            route = %envelope.route,
            kind = stanza.kind().as_str(),
            type_ = stanza.type_().map(Type::as_str),
            from = stanza.from().map(Jid::as_str),
            to = stanza.to().map(Jid::as_str),
            "stanza received"
        );
    }

    fn ended(&self, pass: PassId, outcome: &Outcome) {
        figures::passed(&outcome.original);
        match &outcome.original {
            Original::Heard => {}
            original => debug!(
                pass = pass.0,
                ?original,
                emits = outcome.emits.len(),
                "stanza routed"
            ),
        }
        self.complain(pass, &outcome.incidents);
    }

    fn settled(&self, pass: PassId, incidents: &[Incident]) {
        self.complain(pass, incidents);
    }

    fn broke(&self, pass: PassId, what: &(dyn std::error::Error + Send + Sync)) {
        error!(pass = pass.0, error = %what, "processing a stanza failed");
    }
}
