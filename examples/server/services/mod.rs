//! What ends at the server itself: one small file per service, and here the
//! table of who answers what.

mod disco;
pub mod presence;
pub mod private;
pub mod roster;
mod subscription;

use jid::{BareJid, Jid};
use tower_xmpp::flow::{Emit, Envelope, Fate, Outcome, Route};
use tower_xmpp::host::{Host, Place};
use tower_xmpp::stanza::{Condition, Kind, Stanza, Type, ns};

use super::rooms;
use super::site::Site;

/// Whom a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The asker's own account. Clients leave `to` out or write their own
    /// bare JID there, for the same requests.
    Own(BareJid),
    /// Another account, which may not exist.
    Other(BareJid),
    Server,
}

/// Serves what the router passes on.
pub fn serve(site: &Site, envelope: &Envelope) -> Outcome {
    let Some(stanza) = envelope.as_stanza() else {
        return Outcome::of(tower_xmpp::flow::Original::Heard);
    };
    match (&envelope.route, stanza.kind()) {
        (Route::ToRoom(_) | Route::Broadcast(_), _) => rooms::serve(site, envelope, stanza),
        (_, Kind::Iq) => iq(site, stanza),
        (Route::FromSession(session), Kind::Presence) => presence::sent(site, session, stanza),
        (Route::ToAccount(account), Kind::Presence) => presence::received(site, account, stanza),
        _ => Outcome::refused(stanza, Condition::ServiceUnavailable),
    }
}

/// A stanza of the server's own making, on its way to wherever its `to` leads.
/// If that is here, it passes the stack on that side.
pub fn onward(site: &Site, stanza: Stanza) -> Emit {
    let route = match stanza.to().map(|to| site.place(to)) {
        Some(Place::Account(account)) => Route::ToAccount(account),
        Some(Place::Room(room)) => Route::ToRoom(room),
        _ => return Emit::answer(stanza),
    };
    Emit::new_at(route, stanza).with_fate(Fate::Drop)
}

fn iq(site: &Site, stanza: &Stanza) -> Outcome {
    let (Some(asker), Some(payload)) = (stanza.from(), stanza.payload()) else {
        return Outcome::refused(stanza, Condition::BadRequest);
    };
    let whom = whom(site, asker, stanza.to());
    let is_get = stanza.is_type(&Type::Get);
    let answer = match (payload.name(), payload.ns().as_str(), &whom) {
        ("query", ns::DISCO_INFO, _) if is_get => disco::info(site, &whom, asker, payload),
        ("query", ns::DISCO_ITEMS, _) if is_get => disco::items(site, &whom, asker, payload),
        ("query", ns::ROSTER, Whom::Own(_)) => return roster::iq(site, asker, stanza, payload),
        ("query", ns::PRIVATE, Whom::Own(account)) => site.private.iq(account, is_get, payload),
        // XEP-0199 §4.2 and §4.3
        ("ping", ns::PING, Whom::Own(_) | Whom::Server) if is_get => Ok(None),
        // RFC 3921 §3: not offered, yet asked for, and without it some
        // clients do not go on.
        ("session", ns::SESSION, Whom::Own(_) | Whom::Server) if !is_get => Ok(None),
        _ => Err(Condition::ServiceUnavailable),
    };
    match answer {
        Ok(Some(payload)) => Outcome::answered(stanza.reply().with_child(payload)),
        Ok(None) => Outcome::answered(stanza.reply()),
        Err(condition) => Outcome::refused(stanza, condition),
    }
}

fn whom(site: &Site, asker: &Jid, to: Option<&Jid>) -> Whom {
    match to.map(|to| site.place(to)) {
        None => Whom::Own(asker.to_bare()),
        Some(Place::Account(account)) if account == asker.to_bare() => Whom::Own(account),
        Some(Place::Account(account)) => Whom::Other(account),
        Some(_) => Whom::Server,
    }
}
