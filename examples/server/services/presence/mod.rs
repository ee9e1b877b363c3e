//! Presence (RFC 6121 §4) and subscriptions (§3): who hears what of whom.
//!
//! What a client broadcasts becomes one stanza per contact, and each of them
//! passes the stack on the contact's side.

mod asking;
mod coming;

use jid::{BareJid, FullJid};
use tower_xmpp::flow::{Drop, Outcome};
use tower_xmpp::stanza::{Stanza, Type};

use super::super::site::Site;
use super::super::storage::Failed;
use super::roster::subscription::Request;

pub use asking::{ask, tell};
pub use coming::{gone, hears, is_heard, show, unblocked};

/// To how many addresses a session may show itself besides its contacts.
const DIRECTED: usize = 1_000;

/// A session sends presence to nobody in particular, or about a subscription.
pub async fn sent(site: &Site, session: &FullJid, stanza: &Stanza) -> Result<Outcome, Failed> {
    match (stanza.type_(), stanza.to()) {
        (None, None) => coming::available(site, session, stanza).await,
        (Some(Type::Unavailable), None) => coming::unavailable(site, session, stanza).await,
        (Some(type_), Some(to)) => match Request::of(type_) {
            Some(request) => asking::outbound(site, session, to.to_bare(), request, stanza).await,
            // A probe: what there is to know a client is told unasked.
            None => Ok(Outcome::dropped(Drop::NobodyMeant)),
        },
        _ => Ok(Outcome::dropped(Drop::NobodyMeant)),
    }
}

/// A subscription request or a probe arrives for an account.
pub async fn received(site: &Site, account: &BareJid, stanza: &Stanza) -> Result<Outcome, Failed> {
    let (Some(type_), Some(from)) = (stanza.type_(), stanza.from()) else {
        return Ok(Outcome::dropped(Drop::NobodyMeant));
    };
    match Request::of(type_) {
        Some(request) => asking::inbound(site, account, from.to_bare(), request, stanza).await,
        None if *type_ == Type::Probe => coming::probe(site, account, from).await,
        None => Ok(Outcome::dropped(Drop::NobodyMeant)),
    }
}

/// Notes to whom a session has shown itself in particular, since they must
/// hear when it goes (RFC 6121 §4.6.3).
pub fn directed(site: &Site, session: &FullJid, presence: &Stanza) {
    let (Some(session), Some(to)) = (site.sessions.get(session), presence.to()) else {
        return;
    };
    let mut standing = session.standing();
    match presence.type_() {
        None if standing.directed.len() < DIRECTED => {
            standing.directed.insert(to.clone());
        }
        Some(Type::Unavailable) => {
            standing.directed.remove(to);
        }
        _ => {}
    }
}
