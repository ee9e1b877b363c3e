//! Blocking (XEP-0191) as a layer of this server's own: what a capability
//! that is not in the library looks like beside those that are.
//!
//! 1. **Out**: what an account sends to whom it blocks comes back with
//!    `not-acceptable` and `<blocked/>` (§3.2).
//! 2. **In**: from whom it blocks, presence is ignored, messages and requests
//!    are refused with `service-unavailable`, as if nobody were there. What
//!    cannot be refused, and what a room says to all, is dropped: an error
//!    would tell the room that its occupant is gone.
//! 3. **An account never blocks itself**, even if it blocks its own domain.
//! 4. Whoever is blocked sees the account's clients go, and come back when it
//!    is blocked no more (§3.3, §3.4). Clients that asked for the list hear
//!    of each change.
//!
//! It stands outside archive and fork: what is refused is neither kept nor
//! copied. If it breaks, stanzas pass: it shields from noise, not from harm.

mod lists;

use std::borrow::Cow;
use std::sync::Arc;

use jid::{BareJid, Jid};
use tower_xmpp::flow::{Drop, Emit, Entity, Envelope, Outcome, Route};
use tower_xmpp::middleware::{Fault, Feature, Next, Shell};
use tower_xmpp::stanza::{
    Condition, Element, ElementRef, Kind, MessageType, Stanza, StanzaError, Type, ns,
};

use super::random;
use super::services::presence;
use super::site::Site;
use lists::Change;
pub use lists::Lists;

/// The application condition of rule 1 (XEP-0191 §3.2).
const ERRORS: &str = "urn:xmpp:blocking:errors";

pub struct Blocking {
    site: Arc<Site>,
}

/// The layer; the lists are the site's.
pub fn layer(site: Arc<Site>) -> Shell<Blocking> {
    Shell::of(Blocking { site })
}

impl Feature for Blocking {
    fn name(&self) -> &'static str {
        "blocking"
    }

    fn concerns(&self, envelope: &Envelope) -> bool {
        envelope.as_stanza().is_some_and(|stanza| {
            is_command(envelope, stanza) || self.blocked(envelope, stanza).is_some()
        })
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        let Some(stanza) = envelope.as_stanza() else {
            return next.run(envelope).await;
        };
        if is_command(&envelope, stanza) {
            return self.command(stanza).await;
        }
        Ok(match self.blocked(&envelope, stanza) {
            None => return next.run(envelope).await,
            Some(Way::Out) => Outcome::refused(stanza, blocked_by_you()),
            Some(Way::In) => refuse(stanza),
        })
    }

    fn announces(&self, entity: &Entity) -> Vec<Cow<'static, str>> {
        match entity {
            Entity::Server(_) => vec![ns::BLOCKING.into()],
            _ => vec![],
        }
    }
}

/// Which way a blocked stanza goes, seen from the account that blocks.
#[derive(Clone, Copy)]
enum Way {
    Out,
    In,
}

impl Blocking {
    fn blocked(&self, envelope: &Envelope, stanza: &Stanza) -> Option<Way> {
        let (account, other, way) = match &envelope.route {
            Route::FromSession(session) => (&**session, stanza.to()?, Way::Out),
            Route::ToAccount(account) => (&**account, stanza.from()?, Way::In),
            _ => return None,
        };
        self.site.blocks.is_blocked(account, other).then_some(way)
    }

    /// `blocklist`, `block` or `unblock`, of the account for itself.
    async fn command(&self, stanza: &Stanza) -> Result<Outcome, Fault> {
        let (Some(asker), Some(payload)) = (stanza.from(), stanza.payload()) else {
            return Ok(Outcome::refused(stanza, Condition::BadRequest));
        };
        let account = asker.to_bare();
        let is_get = stanza.is_type(&Type::Get);
        let change = match (payload.name(), is_get) {
            ("blocklist", true) => {
                if let Ok(session) = asker.try_as_full()
                    && let Some(session) = self.site.sessions.get(session)
                {
                    session.standing().wants_blocks = true;
                }
                let list = items("blocklist", &self.site.blocks.of(&account));
                return Ok(Outcome::answered(stanza.reply().with_child(list)));
            }
            ("block", false) => read(payload).and_then(|jids| match jids.is_empty() {
                true => Err(Condition::BadRequest),
                false => Ok(Change::Block(jids)),
            }),
            ("unblock", false) => read(payload).map(|jids| match jids.is_empty() {
                true => Change::UnblockAll,
                false => Change::Unblock(jids),
            }),
            _ => Err(Condition::BadRequest),
        };
        let change = match change {
            Ok(change) => change,
            Err(condition) => return Ok(Outcome::refused(stanza, condition)),
        };
        match self.site.blocks.change(&account, change.clone()).await {
            Ok(Ok(changed)) => {
                let mut outcome = Outcome::answered(stanza.reply());
                outcome.emits.push(self.push(&account, &change));
                outcome
                    .emits
                    .extend(self.shown(&account, &change, &changed).await?);
                Ok(outcome)
            }
            Ok(Err(condition)) => Ok(Outcome::refused(stanza, condition)),
            // Not stepped over: nobody else knows these requests.
            Err(_) => Ok(Outcome::refused(stanza, Condition::InternalServerError)),
        }
    }

    /// Tells the account's clients that asked for the list.
    fn push(&self, account: &BareJid, change: &Change) -> Emit {
        let payload = match change {
            Change::Block(jids) => items("block", jids),
            Change::Unblock(jids) => items("unblock", jids),
            Change::UnblockAll => items("unblock", &[]),
        };
        let clients = self.site.sessions.which(account, |it| it.wants_blocks);
        let push = Stanza::iq(Type::Set, &random::id()).with_child(payload);
        Emit::broadcast(clients, push)
    }

    /// Contacts that hear of the account see it go, or come back.
    async fn shown(
        &self,
        account: &BareJid,
        change: &Change,
        changed: &[Jid],
    ) -> Result<Vec<Emit>, Fault> {
        let show = match change {
            Change::Block(_) => presence::gone,
            Change::Unblock(_) | Change::UnblockAll => presence::show,
        };
        let contacts = self.site.rosters.contacts(account, presence::is_heard);
        let concerned = contacts.await?.into_iter().filter(|contact| {
            changed.iter().any(|jid| lists::covers(jid, contact))
                && (matches!(change, Change::Block(_))
                    || !self.site.blocks.is_blocked(account, contact))
        });
        Ok(concerned
            .flat_map(|contact| show(&self.site, account, &contact))
            .collect())
    }
}

fn is_command(envelope: &Envelope, stanza: &Stanza) -> bool {
    let Route::FromSession(session) = &envelope.route else {
        return false;
    };
    stanza.is_request()
        && stanza.mentions(ns::BLOCKING)
        && stanza.to().is_none_or(|to| *to == session.to_bare())
        && stanza
            .payload()
            .is_some_and(|payload| payload.has_ns(ns::BLOCKING))
}

fn blocked_by_you() -> StanzaError {
    StanzaError::from(Condition::NotAcceptable)
        .with_type(tower_xmpp::stanza::ErrorType::Cancel)
        .with_application(Element::new("blocked", ERRORS))
}

/// Rule 2.
fn refuse(stanza: &Stanza) -> Outcome {
    let is_for_all = stanza.kind() == Kind::Message
        && matches!(
            stanza.message_type(),
            MessageType::Groupchat | MessageType::Headline
        );
    if stanza.kind() == Kind::Presence || is_for_all {
        return Outcome::dropped(Drop::Filtered);
    }
    Outcome::refused(stanza, Condition::ServiceUnavailable)
}

fn read(payload: ElementRef<'_>) -> Result<Vec<Jid>, Condition> {
    payload
        .children()
        .map(|item| {
            let jid = item.attr("jid").filter(|_| item.is("item", ns::BLOCKING));
            Jid::new(jid.ok_or(Condition::BadRequest)?).map_err(|_| Condition::JidMalformed)
        })
        .collect()
}

fn items(name: &str, jids: &[Jid]) -> Element {
    let mut list = Element::new(name, ns::BLOCKING);
    for jid in jids {
        list.push(Element::new("item", ns::BLOCKING).with_attr("jid", jid.as_str()));
    }
    list
}
