//! Presence (RFC 6121 §4) and subscriptions (§3): who hears what of whom.
//!
//! What a client broadcasts becomes one stanza per contact, and each of them
//! passes the stack on the contact's side.

use jid::{BareJid, FullJid, Jid};
use tower_xmpp::flow::{Drop, Emit, Original, Outcome};
use tower_xmpp::stanza::{Stanza, Type, ns};

use super::super::sessions::{Session, Standing};
use super::super::site::Site;
use super::subscription::{Half, Request, Tell};
use super::{onward, roster};

/// To how many addresses a session may show itself besides its contacts.
const DIRECTED: usize = 1_000;

/// A session sends presence to nobody in particular, or about a subscription.
pub fn sent(site: &Site, session: &FullJid, stanza: &Stanza) -> Outcome {
    match (stanza.type_(), stanza.to()) {
        (None, None) => available(site, session, stanza),
        (Some(Type::Unavailable), None) => unavailable(site, session, stanza),
        (Some(type_), Some(to)) => match Request::of(type_) {
            Some(request) => outbound(site, session, to.to_bare(), request, stanza),
            // A probe: what there is to know a client is told unasked.
            None => Outcome::dropped(Drop::NobodyMeant),
        },
        _ => Outcome::dropped(Drop::NobodyMeant),
    }
}

/// A subscription request or a probe arrives for an account.
pub fn received(site: &Site, account: &BareJid, stanza: &Stanza) -> Outcome {
    let (Some(type_), Some(from)) = (stanza.type_(), stanza.from()) else {
        return Outcome::dropped(Drop::NobodyMeant);
    };
    match Request::of(type_) {
        Some(request) => inbound(site, account, from.to_bare(), request, stanza),
        None if *type_ == Type::Probe => probe(site, account, from),
        None => Outcome::dropped(Drop::NobodyMeant),
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

/// RFC 6121 §4.2.2 and §4.4.2
fn available(site: &Site, session: &FullJid, stanza: &Stanza) -> Outcome {
    let Some(known) = site.sessions.get(session) else {
        return Outcome::dropped(Drop::SenderGone);
    };
    let account = session.to_bare();
    let now = (stanza.clone(), priority(stanza));
    let is_first = known.standing().available.replace(now).is_none();

    let mut outcome = Outcome::of(Original::Routed);
    let emits = &mut outcome.emits;
    let own = site.sessions.which(&account, Standing::is_available);
    emits.push(Emit::broadcast(own, stanza.clone()));
    for contact in site.rosters.contacts(&account, |it| it.from == Half::Yes) {
        emits.push(onward(site, stanza.clone().with_to(contact)));
    }
    if is_first {
        emits.extend(welcome(site, session, &account));
    }
    outcome
}

/// What a client hears that has just become available: of the account's other
/// clients, of its contacts, and of those who would like to be.
fn welcome(site: &Site, session: &FullJid, account: &BareJid) -> Vec<Emit> {
    let mut emits = vec![];
    for other in site.sessions.of(account) {
        if other.jid() != session
            && let Some((presence, _)) = &other.standing().available
        {
            let presence = presence.clone().with_to(session.clone());
            emits.push(Emit::copy(session.clone(), presence));
        }
    }
    for contact in site.rosters.contacts(account, |it| it.to == Half::Yes) {
        let probe = Stanza::presence()
            .with_type(Type::Probe)
            .with_from(session.clone())
            .with_to(contact);
        emits.push(onward(site, probe));
    }
    for request in site.rosters.requests(account) {
        emits.push(Emit::copy(session.clone(), request));
    }
    emits
}

/// RFC 6121 §4.5.2, and §4.6.3 for those it had shown itself to besides.
fn unavailable(site: &Site, session: &FullJid, stanza: &Stanza) -> Outcome {
    let Some(known) = site.sessions.get(session) else {
        return Outcome::dropped(Drop::SenderGone);
    };
    let account = session.to_bare();
    let (was_available, directed) = {
        let mut standing = known.standing();
        let directed = std::mem::take(&mut standing.directed);
        (standing.available.take().is_some(), directed)
    };

    let mut outcome = Outcome::of(Original::Routed);
    let emits = &mut outcome.emits;
    if was_available {
        let own = site.sessions.which(&account, Standing::is_available);
        emits.push(Emit::broadcast(own, stanza.clone()));
        for contact in site.rosters.contacts(&account, |it| it.from == Half::Yes) {
            emits.push(onward(site, stanza.clone().with_to(contact)));
        }
    }
    for other in directed {
        let is_told = was_available && site.rosters.hears(&account, &other.to_bare());
        if !is_told {
            emits.push(onward(site, stanza.clone().with_to(other)));
        }
    }
    outcome
}

/// RFC 6121 §4.3.2
fn probe(site: &Site, account: &BareJid, asker: &Jid) -> Outcome {
    let outcome = Outcome::of(Original::Consumed);
    let is_own = asker.to_bare() == *account;
    if !is_own && !site.rosters.hears(account, &asker.to_bare()) {
        let asker = asker.to_bare();
        return outcome.with(ask(site, account, &asker, Request::Unsubscribed));
    }
    let present = show(site, account, asker);
    if present.is_empty() {
        let gone = Stanza::presence()
            .with_type(Type::Unavailable)
            .with_from(account.clone())
            .with_to(asker.clone());
        return outcome.with(onward(site, gone));
    }
    present.into_iter().fold(outcome, Outcome::with)
}

/// A client asks or answers a contact (RFC 6121 §3).
fn outbound(
    site: &Site,
    session: &FullJid,
    contact: BareJid,
    request: Request,
    stanza: &Stanza,
) -> Outcome {
    let account = session.to_bare();
    if contact == account {
        return Outcome::dropped(Drop::NobodyMeant);
    }
    let changed = match site.rosters.outbound(&account, &contact, request) {
        Ok(changed) => changed,
        Err(condition) => return Outcome::refused(stanza, condition),
    };
    let mut outcome = Outcome::of(Original::Routed);
    if changed.change.pass {
        // §3.1.2: it is the account that asks, not the client.
        let stanza = stanza.clone().with_from(account.clone());
        outcome
            .emits
            .push(onward(site, stanza.with_to(contact.clone())));
    }
    let push = changed.push.map(|item| roster::push(site, &account, item));
    outcome.emits.extend(push);
    outcome
        .emits
        .extend(tell(site, &account, &contact, changed.change.tell));
    outcome
}

/// A contact asks or answers the account (RFC 6121 §3).
fn inbound(
    site: &Site,
    account: &BareJid,
    contact: BareJid,
    request: Request,
    stanza: &Stanza,
) -> Outcome {
    // §8.5.1: nobody is told which accounts do not exist.
    if !site.accounts.exists(account) || contact == *account {
        return Outcome::dropped(Drop::NobodyMeant);
    }
    let changed = match site.rosters.inbound(account, &contact, request, stanza) {
        Ok(changed) => changed,
        Err(condition) => return Outcome::refused(stanza, condition),
    };
    let mut outcome = Outcome::of(Original::Consumed);
    if changed.change.pass {
        let clients = site.sessions.which(account, Standing::is_available);
        outcome.emits.push(Emit::broadcast(clients, stanza.clone()));
    }
    let push = changed.push.map(|item| roster::push(site, account, item));
    outcome.emits.extend(push);
    outcome
        .emits
        .extend(tell(site, account, &contact, changed.change.tell));
    outcome
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
        Tell::Unavailable => {
            let sessions = site.sessions.which(account, Standing::is_available);
            let gone = |session: FullJid| {
                Stanza::presence()
                    .with_type(Type::Unavailable)
                    .with_from(session)
                    .with_to(contact.clone())
            };
            sessions
                .into_iter()
                .map(|session| onward(site, gone(session)))
                .collect()
        }
    }
}

/// The presence of each available client of the account.
fn show(site: &Site, account: &BareJid, to: &Jid) -> Vec<Emit> {
    let presence = |session: &Session| {
        let standing = session.standing();
        let (presence, _) = standing.available.as_ref()?;
        Some(presence.clone().with_to(to.clone()))
    };
    let sessions = site.sessions.of(account);
    let shown = sessions.iter().filter_map(|session| presence(session));
    shown.map(|presence| onward(site, presence)).collect()
}

/// RFC 6121 §4.7.2.3: from -128 to 127; what is absent, or no such number,
/// is 0.
fn priority(presence: &Stanza) -> i8 {
    let priority = presence.child("priority", ns::CLIENT);
    priority.map_or(0, |priority| priority.text().trim().parse().unwrap_or(0))
}

impl Request {
    fn of(type_: &Type) -> Option<Self> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_that_is_no_number_of_its_kind_is_zero() {
        for (text, expected) in [("5", 5), (" -1 ", -1), ("128", 0), ("high", 0), ("", 0)] {
            let presence = Stanza::presence().with_text_child("priority", text);
            assert_eq!(priority(&presence), expected, "{text:?}");
        }
        assert_eq!(priority(&Stanza::presence()), 0);
    }
}
