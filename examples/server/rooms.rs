//! The chat rooms at rooms.DOMAIN.

use jid::BareJid;
use tower_xmpp::flow::{Envelope, Outcome};
use tower_xmpp::stanza::{Condition, Stanza};

use super::site::Site;

pub struct Rooms {
    domain: BareJid,
}

impl Rooms {
    pub fn new(domain: &BareJid) -> Self {
        let domain = format!("rooms.{domain}");
        Self {
            domain: BareJid::new(&domain).expect("a label before a domain makes a domain"),
        }
    }

    pub fn domain(&self) -> &BareJid {
        &self.domain
    }
}

pub fn serve(_site: &Site, _envelope: &Envelope, stanza: &Stanza) -> Outcome {
    Outcome::refused(stanza, Condition::ServiceUnavailable)
}
