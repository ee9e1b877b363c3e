//! A service of rooms as the library sees it: all addresses of its domain are
//! rooms or in rooms, and nobody has a session here.

use std::sync::OnceLock;

use jid::{BareJid, Jid};
use tower_xmpp::flow::{Envelope, Original, Outcome, PassId, Snapshot};
use tower_xmpp::host::{Availability, Conductor, Delivery, Host, Place, Undelivered};
use tower_xmpp::stanza::{Stanza, Time};
use tracing::{error, warn};

use super::rooms::Rooms;
use super::storage::Failed;
use super::uplink::{self, Uplink};

pub struct Site {
    pub rooms: Rooms,
    /// The way to everybody.
    pub uplink: Uplink,
    /// Where what cannot be sent comes back in; set once.
    pub conductor: OnceLock<Conductor>,
}

impl Site {
    fn post(&self, envelope: Envelope) {
        if let Some(conductor) = self.conductor.get() {
            conductor.post(envelope);
        }
    }
}

impl Host for Site {
    type Error = Failed;

    fn place(&self, jid: &Jid) -> Place {
        match jid.domain() == self.rooms.domain().domain() {
            true => Place::Room(jid.to_bare()),
            false => Place::Elsewhere,
        }
    }

    fn sessions(&self, _: &BareJid) -> Vec<Availability> {
        Vec::new()
    }

    fn deliver(&self, delivery: Delivery) -> Result<(), Undelivered> {
        Err(Undelivered(Box::new(delivery)))
    }

    fn send(&self, at: Time, stanza: Stanza) {
        if let Err((stanza, condition)) = self.uplink.send(stanza)
            && let Some(bounced) = uplink::bounce(self, at, &stanza, condition)
        {
            self.post(bounced);
        }
    }

    async fn serve(&self, envelope: Envelope) -> Result<Outcome, Failed> {
        let Some(stanza) = envelope.as_stanza() else {
            return Ok(Outcome::of(Original::Heard));
        };
        let served = self.rooms.serve(&envelope, stanza).await?;
        for event in served.events {
            self.post(Envelope::event(envelope.at, event));
        }
        Ok(served.outcome)
    }

    fn broadcast(&self, room: &Snapshot, stanza: &Stanza) {
        self.rooms.keep(room, stanza);
    }

    fn ended(&self, pass: PassId, outcome: &Outcome) {
        for incident in &outcome.incidents {
            warn!(
                pass = pass.0,
                ?incident,
                "a layer broke and was stepped over"
            );
        }
    }

    fn broke(&self, pass: PassId, what: &(dyn std::error::Error + Send + Sync)) {
        error!(pass = pass.0, %what, "a pass broke off");
    }
}
