//! Subscriptions are asked for, granted, refused and ended (RFC 6121 §3).

use jid::{BareJid, FullJid};
use tower_xmpp::flow::{Drop, Emit, Original, Outcome};
use tower_xmpp::stanza::{Stanza, Type};

use super::super::super::sessions::Standing;
use super::super::super::site::Site;
use super::super::super::storage::Failed;
use super::super::roster::subscription::{Request, Tell};
use super::super::{onward, roster};
use super::{gone, show};

/// A client asks or answers a contact.
pub async fn outbound(
    site: &Site,
    session: &FullJid,
    contact: BareJid,
    request: Request,
    stanza: &Stanza,
) -> Result<Outcome, Failed> {
    let account = session.to_bare();
    if contact == account {
        return Ok(Outcome::dropped(Drop::NobodyMeant));
    }
    let changed = match site.rosters.outbound(&account, &contact, request).await? {
        Ok(changed) => changed,
        Err(condition) => return Ok(Outcome::refused(stanza, condition)),
    };
    let mut outcome = Outcome::of(Original::Routed);
    let emits = &mut outcome.emits;
    if changed.change.pass {
        // §3.1.2: it is the account that asks, not the client.
        let stanza = stanza.clone().with_from(account.clone());
        emits.push(onward(site, stanza.with_to(contact.clone())));
    }
    let push = changed
        .push
        .map(|update| roster::push(site, &account, update));
    emits.extend(push);
    emits.extend(tell(site, &account, &contact, changed.change.tell));
    Ok(outcome)
}

/// A contact asks or answers the account.
pub async fn inbound(
    site: &Site,
    account: &BareJid,
    contact: BareJid,
    request: Request,
    stanza: &Stanza,
) -> Result<Outcome, Failed> {
    // §8.5.1: nobody is told which accounts do not exist.
    if !site.accounts.exists(account) || contact == *account {
        return Ok(Outcome::dropped(Drop::NobodyMeant));
    }
    let changed = site.rosters.inbound(account, &contact, request, stanza);
    let changed = match changed.await? {
        Ok(changed) => changed,
        Err(condition) => return Ok(Outcome::refused(stanza, condition)),
    };
    let mut outcome = Outcome::of(Original::Consumed);
    let emits = &mut outcome.emits;
    if changed.change.pass {
        // A question is for whoever is there (§3.1.3), the rest for clients
        // that see the roster (§3.1.6, §3.2.3, §3.3.3).
        let clients = match request {
            Request::Subscribe => site.sessions.which(account, Standing::is_available),
            _ => site.sessions.which(account, |it| it.wants_roster),
        };
        emits.push(Emit::broadcast(clients, stanza.clone()));
    }
    let push = changed
        .push
        .map(|update| roster::push(site, account, update));
    emits.extend(push);
    emits.extend(tell(site, account, &contact, changed.change.tell));
    Ok(outcome)
}

/// A subscription request in the account's name.
pub fn ask(site: &Site, account: &BareJid, contact: &BareJid, request: Request) -> Emit {
    let stanza = Stanza::presence()
        .with_type(request.as_type())
        .with_from(account.clone())
        .with_to(contact.clone());
    onward(site, stanza)
}

/// Tells a contact what a change of its subscription calls for.
pub fn tell(site: &Site, account: &BareJid, contact: &BareJid, what: Tell) -> Vec<Emit> {
    match what {
        Tell::Nothing => vec![],
        Tell::Subscribed => vec![ask(site, account, contact, Request::Subscribed)],
        Tell::Available => show(site, account, contact),
        Tell::Unavailable => gone(site, account, contact),
    }
}

impl Request {
    pub fn of(type_: &Type) -> Option<Self> {
        Some(match type_ {
            Type::Subscribe => Self::Subscribe,
            Type::Subscribed => Self::Subscribed,
            Type::Unsubscribe => Self::Unsubscribe,
            Type::Unsubscribed => Self::Unsubscribed,
            _ => return None,
        })
    }

    fn as_type(self) -> Type {
        match self {
            Self::Subscribe => Type::Subscribe,
            Self::Subscribed => Type::Subscribed,
            Self::Unsubscribe => Type::Unsubscribe,
            Self::Unsubscribed => Type::Unsubscribed,
        }
    }
}
