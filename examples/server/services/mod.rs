//! What ends at the server itself: one small file per service, and here the
//! table of who answers what.

mod disco;
pub mod offline;
pub mod pep;
pub mod presence;
pub mod private;
pub mod roster;

use jid::{BareJid, FullJid, Jid};
use tower_xmpp::flow::{Emit, Envelope, Fate, Original, Outcome, Route};
use tower_xmpp::host::{Host, Place};
use tower_xmpp::stanza::{Condition, Element, Kind, Stanza, StanzaError, Type, ns};

use super::site::Site;
use super::storage::Failed;

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

/// What a request got: a result, and what is to be sent besides.
#[derive(Default)]
pub struct Answer {
    pub payload: Option<Element>,
    pub emits: Vec<Emit>,
}

/// Why a request got no result.
pub enum Denied {
    /// The asker is told.
    Refused(Box<StanzaError>),
    /// Something of ours is broken.
    Broken(Failed),
}

/// Serves what the router passes on.
pub async fn serve(site: &Site, envelope: &Envelope) -> Result<Outcome, Failed> {
    let Some(stanza) = envelope.as_stanza() else {
        return Ok(Outcome::of(Original::Heard));
    };
    match (&envelope.route, stanza.kind()) {
        (Route::ToRoom(_) | Route::Broadcast(_), _) => {
            let served = site.rooms.serve(envelope, stanza).await?;
            for event in served.events {
                site.post(Envelope::event(envelope.at, event));
            }
            Ok(served.outcome)
        }
        (Route::FromSession(session), Kind::Iq) if stanza.is_response() => {
            answered(site, session, stanza).await
        }
        (_, Kind::Iq) => iq(site, stanza).await,
        (Route::FromSession(session), Kind::Presence) => {
            presence::sent(site, session, stanza).await
        }
        (Route::ToAccount(account), Kind::Presence) => {
            presence::received(site, account, stanza).await
        }
        _ => Ok(Outcome::refused(stanza, Condition::ServiceUnavailable)),
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

async fn iq(site: &Site, stanza: &Stanza) -> Result<Outcome, Failed> {
    let (Some(asker), Some(payload)) = (stanza.from(), stanza.payload()) else {
        return Ok(Outcome::refused(stanza, Condition::BadRequest));
    };
    let whom = whom(site, asker, stanza.to());
    let is_get = stanza.is_type(&Type::Get);
    let answer = match (payload.name(), payload.ns().as_str(), &whom) {
        ("query", ns::DISCO_INFO, _) if is_get => disco::info(site, &whom, asker, payload).await,
        ("query", ns::DISCO_ITEMS, _) if is_get => disco::items(site, &whom, asker, payload).await,
        ("query", ns::ROSTER, Whom::Own(_)) => roster::iq(site, asker, stanza, payload).await,
        ("query", ns::PRIVATE, Whom::Own(account)) => {
            pep::legacy::private(site, account, is_get, payload).await
        }
        ("pubsub", ns::PUBSUB, Whom::Own(account) | Whom::Other(account)) if is_get => {
            pep::get(site, account, asker, payload).await
        }
        ("pubsub", ns::PUBSUB, Whom::Own(account)) => pep::set(site, account, payload).await,
        ("pubsub", pep::OWNER, Whom::Own(account)) => {
            pep::owner(site, account, is_get, payload).await
        }
        ("pubsub", ns::PUBSUB | pep::OWNER, Whom::Other(_)) => Err(Condition::Forbidden.into()),
        // XEP-0199 §4.2 to §4.4: for an account, the server answers.
        ("ping", ns::PING, _) if is_get => disco::ping(site, &whom, asker).await,
        // RFC 3921 §3: not offered, yet asked for, and without it some
        // clients do not go on.
        ("session", ns::SESSION, Whom::Own(_) | Whom::Server) if !is_get => Ok(Answer::default()),
        _ => Err(Condition::ServiceUnavailable.into()),
    };
    match answer {
        Ok(Answer { payload, emits }) => {
            let mut reply = stanza.reply();
            if let Some(payload) = payload {
                reply.push(payload);
            }
            let mut outcome = Outcome::answered(reply);
            outcome.emits.extend(emits);
            Ok(outcome)
        }
        Err(Denied::Refused(error)) => Ok(Outcome::refused(stanza, *error)),
        Err(Denied::Broken(failed)) => Err(failed),
    }
}

/// A client answers what it was asked in its account's name.
async fn answered(site: &Site, session: &FullJid, answer: &Stanza) -> Result<Outcome, Failed> {
    let mut outcome = Outcome::of(Original::Consumed);
    if pep::interest::answered(site, session, answer) {
        outcome.emits = pep::welcome(site, session).await?;
    }
    Ok(outcome)
}

fn whom(site: &Site, asker: &Jid, to: Option<&Jid>) -> Whom {
    match to.map(|to| site.place(to)) {
        None => Whom::Own(asker.to_bare()),
        Some(Place::Account(account)) if account == asker.to_bare() => Whom::Own(account),
        Some(Place::Account(account)) => Whom::Other(account),
        Some(_) => Whom::Server,
    }
}

impl Answer {
    pub fn of(payload: Element) -> Self {
        Self {
            payload: Some(payload),
            emits: vec![],
        }
    }
}

impl From<Condition> for Denied {
    fn from(condition: Condition) -> Self {
        Self::from(StanzaError::from(condition))
    }
}

impl From<StanzaError> for Denied {
    fn from(error: StanzaError) -> Self {
        Self::Refused(Box::new(error))
    }
}

impl From<Failed> for Denied {
    fn from(failed: Failed) -> Self {
        Self::Broken(failed)
    }
}
