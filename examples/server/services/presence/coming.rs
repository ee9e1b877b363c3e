//! Clients come, show how they are, and go (RFC 6121 §4.2 to §4.5).

use jid::{BareJid, FullJid, Jid};
use tower_xmpp::flow::{Drop, Emit, Original, Outcome, Settled, Settling};
use tower_xmpp::stanza::{Stanza, Type, ns};
use tracing::warn;

use super::super::super::sessions::{Session, Standing};
use super::super::super::site::Site;
use super::super::super::storage::Failed;
use super::super::roster::subscription::{Half, Request, Subscription};
use super::super::{onward, pep};
use super::ask;

/// RFC 6121 §4.2.2 and §4.4.2
pub async fn available(site: &Site, session: &FullJid, stanza: &Stanza) -> Result<Outcome, Failed> {
    let account = session.to_bare();
    let contacts = unblocked(site, &account, is_heard).await?;
    let Some(known) = site.sessions.get(session) else {
        return Ok(Outcome::dropped(Drop::SenderGone));
    };
    let priority = priority(stanza);
    let before = known.standing().show(stanza, priority);

    let mut outcome = Outcome::of(Original::Routed);
    let emits = &mut outcome.emits;
    let own = site.sessions.which(&account, Standing::is_available);
    emits.push(Emit::broadcast(own, stanza.clone()));
    for contact in contacts {
        emits.push(onward(site, stanza.clone().with_to(contact)));
    }
    if before.is_none() {
        emits.extend(welcome(site, session, &account).await?);
    }
    emits.extend(pep::interest::ask(site, session, stanza));
    // XEP-0160 §3: what has waited goes to the first who takes messages.
    if priority >= 0 && before.is_none_or(|before| before < 0) {
        let offline = site.offline.clone();
        outcome.settling.push(Settling::new(async move {
            if let Err(error) = offline.hand_over(&known).await {
                warn!(session = %known.jid(), %error, "offline messages not delivered");
            }
            Settled::default()
        }));
    }
    Ok(outcome)
}

/// What a client hears that has just become available: of the account's other
/// clients, of its contacts, and of those who would like to be.
async fn welcome(site: &Site, session: &FullJid, account: &BareJid) -> Result<Vec<Emit>, Failed> {
    let mut emits = vec![];
    for other in site.sessions.of(account) {
        if other.jid() != session
            && let Some((presence, _)) = &other.standing().available
        {
            let presence = presence.clone().with_to(session.clone());
            emits.push(Emit::copy(session.clone(), presence));
        }
    }
    for contact in unblocked(site, account, hears).await? {
        let probe = Stanza::presence()
            .with_type(Type::Probe)
            .with_from(session.clone())
            .with_to(contact);
        emits.push(onward(site, probe));
    }
    for request in site.rosters.requests(account).await? {
        emits.push(Emit::copy(session.clone(), request));
    }
    Ok(emits)
}

/// RFC 6121 §4.5.2, and §4.6.3 for those it had shown itself to besides.
pub async fn unavailable(
    site: &Site,
    session: &FullJid,
    stanza: &Stanza,
) -> Result<Outcome, Failed> {
    let account = session.to_bare();
    let contacts = unblocked(site, &account, is_heard).await?;
    let Some(known) = site.sessions.get(session) else {
        return Ok(Outcome::dropped(Drop::SenderGone));
    };
    let (was_available, directed) = {
        let mut standing = known.standing();
        let directed = std::mem::take(&mut standing.directed);
        (standing.available.take().is_some(), directed)
    };

    let mut outcome = Outcome::of(Original::Routed);
    let emits = &mut outcome.emits;
    for other in directed {
        let is_told = was_available && contacts.contains(&other.to_bare());
        if !is_told && !site.blocks.is_blocked(&account, &other) {
            emits.push(onward(site, stanza.clone().with_to(other)));
        }
    }
    if was_available {
        // The client that goes is told, too.
        let mut own = site.sessions.which(&account, Standing::is_available);
        own.push(session.clone());
        emits.push(Emit::broadcast(own, stanza.clone()));
        for contact in contacts {
            emits.push(onward(site, stanza.clone().with_to(contact)));
        }
    }
    Ok(outcome)
}

/// RFC 6121 §4.3.2
pub async fn probe(site: &Site, account: &BareJid, asker: &Jid) -> Result<Outcome, Failed> {
    let outcome = Outcome::of(Original::Consumed);
    let who = asker.to_bare();
    if who != *account && !site.rosters.hears(account, &who).await? {
        return Ok(outcome.with(ask(site, account, &who, Request::Unsubscribed)));
    }
    let present = show(site, account, asker);
    if present.is_empty() {
        let gone = Stanza::presence()
            .with_type(Type::Unavailable)
            .with_from(account.clone())
            .with_to(asker.clone());
        return Ok(outcome.with(onward(site, gone)));
    }
    Ok(present.into_iter().fold(outcome, Outcome::with))
}

/// The presence of each available client of the account.
pub fn show(site: &Site, account: &BareJid, to: &Jid) -> Vec<Emit> {
    let presence = |session: &Session| {
        let standing = session.standing();
        let (presence, _) = standing.available.as_ref()?;
        Some(presence.clone().with_to(to.clone()))
    };
    let sessions = site.sessions.of(account);
    let shown = sessions.iter().filter_map(|session| presence(session));
    shown.map(|presence| onward(site, presence)).collect()
}

/// That each available client of the account is gone.
pub fn gone(site: &Site, account: &BareJid, to: &Jid) -> Vec<Emit> {
    let sessions = site.sessions.which(account, Standing::is_available);
    let gone = |session: FullJid| {
        Stanza::presence()
            .with_type(Type::Unavailable)
            .with_from(session)
            .with_to(to.clone())
    };
    sessions
        .into_iter()
        .map(|session| onward(site, gone(session)))
        .collect()
}

/// XEP-0191 §3.2: to whom is blocked the server says nothing by itself.
pub async fn unblocked(
    site: &Site,
    account: &BareJid,
    such: fn(Subscription) -> bool,
) -> Result<Vec<BareJid>, Failed> {
    let mut contacts = site.rosters.contacts(account, such).await?;
    contacts.retain(|contact| !site.blocks.is_blocked(account, contact));
    Ok(contacts)
}

/// Whether the account hears of the contact.
pub fn hears(subscription: Subscription) -> bool {
    subscription.to == Half::Yes
}

/// Whether the contact hears of the account.
pub fn is_heard(subscription: Subscription) -> bool {
    subscription.from == Half::Yes
}

/// RFC 6121 §4.7.2.3: from -128 to 127; what is absent, or no such number,
/// is 0.
fn priority(presence: &Stanza) -> i8 {
    let priority = presence.child("priority", ns::CLIENT);
    priority.map_or(0, |priority| priority.text().trim().parse().unwrap_or(0))
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
