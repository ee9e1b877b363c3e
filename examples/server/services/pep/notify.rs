//! Who is told of what is published.

use std::collections::BTreeSet;

use jid::{BareJid, FullJid};
use tower_xmpp::flow::Emit;
use tower_xmpp::stanza::{Element, ElementRef, Stanza, Type, ns};

use super::super::super::site::Site;
use super::super::super::storage::Failed;
use super::super::{onward, presence};
use super::node::{Access, SendsLast};
use super::{interest, shelf};

/// The event of items that were published, or retracted where there is no
/// payload.
pub fn items<'a>(
    node: &str,
    items: impl IntoIterator<Item = (&'a str, Option<Element>)>,
) -> Element {
    let mut event = Element::new("items", ns::PUBSUB_EVENT).with_attr("node", node);
    for (id, payload) in items {
        let name = if payload.is_some() { "item" } else { "retract" };
        let item = Element::new(name, ns::PUBSUB_EVENT).with_attr("id", id);
        event.push(payload.into_iter().fold(item, Element::with_child));
    }
    event
}

/// Tells all who are interested and may know.
pub async fn all(
    site: &Site,
    account: &BareJid,
    node: &str,
    access: Access,
    event: Element,
) -> Result<Vec<Emit>, Failed> {
    let message = message(account, event);
    let own = interest::of(site, account, node);
    let mut emits = vec![Emit::broadcast(own, message.clone())];
    if access != Access::Whitelist {
        for contact in presence::unblocked(site, account, presence::is_heard).await? {
            for session in interest::of(site, &contact, node) {
                emits.push(onward(site, message.clone().with_to(session)));
            }
            for client in site.abroad.interested(account, &contact, node) {
                emits.push(onward(site, message.clone().with_to(client)));
            }
        }
    }
    Ok(emits)
}

/// The last items of what a client that came is interested in.
pub async fn welcome(site: &Site, session: &FullJid) -> Result<Vec<Emit>, Failed> {
    let Some(known) = site.sessions.get(session) else {
        return Ok(vec![]);
    };
    let interests = known.standing().interests.clone();
    let account = session.to_bare();
    let mut publishers = presence::unblocked(site, &account, presence::hears).await?;
    publishers.retain(|contact| site.accounts.exists(contact));
    publishers.insert(0, account.clone());
    let mut emits = vec![];
    for publisher in publishers {
        let is_own = publisher == account;
        if !is_own && !site.rosters.hears(&publisher, &account).await? {
            continue;
        }
        for message in last(site, &publisher, &interests, is_own).await? {
            let message = message.with_to(session.clone());
            emits.push(match is_own {
                true => Emit::copy(session.clone(), message),
                false => onward(site, message),
            });
        }
    }
    Ok(emits)
}

/// The events of the last items of those nodes in which somebody is
/// interested, who is of the account itself or hears of its presence.
pub async fn last(
    site: &Site,
    publisher: &BareJid,
    interests: &BTreeSet<String>,
    is_own: bool,
) -> Result<Vec<Stanza>, Failed> {
    let (of, interests) = (publisher.clone(), interests.clone());
    let last = site.storage.run(move |db| {
        let mut last = vec![];
        for node in shelf::nodes(db, &of)? {
            let config = shelf::node(db, &of, &node)?;
            let is_sent = config.is_some_and(|config| {
                config.sends_last == SendsLast::OnSubscriptionAndPresence
                    && (is_own || config.access != Access::Whitelist)
            });
            if is_sent && interests.contains(&node) {
                let newest = shelf::items(db, &of, &node)?.into_iter().next();
                last.extend(newest.map(|item| (node, item)));
            }
        }
        Ok(last)
    });
    let event = |(node, item): &(String, shelf::Item)| {
        let payload = item.xml.first_child().map(ElementRef::to_element);
        message(publisher, items(node, [(&*item.id, payload)]))
    };
    Ok(last.await?.iter().map(event).collect())
}

fn message(account: &BareJid, event: Element) -> Stanza {
    Stanza::message()
        .with_type(Type::Headline)
        .with_from(account.clone())
        .with_child(Element::new("event", ns::PUBSUB_EVENT).with_child(event))
}
