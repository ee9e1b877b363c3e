//! Service discovery (XEP-0030) of the server and its accounts, and whether they
//! are there (XEP-0199). What layers announce is not listed here: the stack adds
//! it on the way out.

use jid::Jid;
use tower_xmpp::stanza::{Condition, Element, ElementRef, ns};

use super::super::site::Site;
use super::{Answer, Denied, Whom, pep};

/// What the server's own services announce, in the name of the server.
const SERVER: [&str; 5] = [
    ns::DISCO_INFO,
    ns::DISCO_ITEMS,
    ns::PING,
    ns::PRIVATE,
    // XEP-0160 §4
    "msgoffline",
];

/// The same in the name of an account.
const ACCOUNT: [&str; 3] = [ns::DISCO_INFO, ns::DISCO_ITEMS, ns::PING];

pub async fn info(
    site: &Site,
    whom: &Whom,
    asker: &Jid,
    query: ElementRef<'_>,
) -> Result<Answer, Denied> {
    may_ask(site, whom, asker, query).await?;
    let (identity, features) = match whom {
        Whom::Server => (("server", "im"), &SERVER[..]),
        Whom::Own(_) | Whom::Other(_) => (("account", "registered"), &ACCOUNT[..]),
    };
    let identity = Element::new("identity", ns::DISCO_INFO)
        .with_attr("category", identity.0)
        .with_attr("type", identity.1);
    let mut answer = Element::new("query", ns::DISCO_INFO).with_child(identity);
    let mut features = features.to_vec();
    if *whom != Whom::Server {
        // XEP-0163 §6.1
        let pep = Element::new("identity", ns::DISCO_INFO)
            .with_attr("category", "pubsub")
            .with_attr("type", "pep");
        answer.push(pep);
        features.extend(pep::FEATURES);
    }
    for feature in features {
        answer.push(Element::new("feature", ns::DISCO_INFO).with_attr("var", feature));
    }
    Ok(Answer::of(answer))
}

pub async fn items(
    site: &Site,
    whom: &Whom,
    asker: &Jid,
    query: ElementRef<'_>,
) -> Result<Answer, Denied> {
    may_ask(site, whom, asker, query).await?;
    let mut answer = Element::new("query", ns::DISCO_ITEMS);
    if *whom == Whom::Server {
        let rooms = Element::new("item", ns::DISCO_ITEMS)
            .with_attr("jid", site.rooms.domain().as_str())
            .with_attr("name", "Chat rooms");
        answer.push(rooms);
    }
    if let Whom::Own(account) = whom {
        for node in pep::names(site, account).await? {
            let item = Element::new("item", ns::DISCO_ITEMS).with_attr("jid", account.as_str());
            answer.push(item.with_attr("node", node));
        }
    }
    Ok(Answer::of(answer))
}

/// Whether the entity is there (XEP-0199), which is what whoever is told that
/// it can be pinged may ask as well.
pub async fn ping(site: &Site, whom: &Whom, asker: &Jid) -> Result<Answer, Denied> {
    may_know(site, whom, asker).await?;
    Ok(Answer::default())
}

/// There are no nodes.
async fn may_ask(
    site: &Site,
    whom: &Whom,
    asker: &Jid,
    query: ElementRef<'_>,
) -> Result<(), Denied> {
    may_know(site, whom, asker).await?;
    match query.attr("node") {
        Some(_) => Err(Condition::ItemNotFound.into()),
        None => Ok(()),
    }
}

/// XEP-0030 §8: whether an account exists is not told to those who do not
/// hear of its presence.
async fn may_know(site: &Site, whom: &Whom, asker: &Jid) -> Result<(), Denied> {
    if let Whom::Other(account) = whom
        && !site.rosters.hears(account, &asker.to_bare()).await?
    {
        return Err(Condition::ServiceUnavailable.into());
    }
    Ok(())
}
