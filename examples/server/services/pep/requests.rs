//! What is asked of nodes: to show, to change, to be something else.

use jid::{BareJid, Jid};
use tower_xmpp::stanza::{Condition, Element, ElementRef, StanzaError, ns};

use super::super::super::random;
use super::super::super::site::Site;
use super::super::super::storage::Failed;
use super::super::{Answer, Denied};
use super::node::{Access, Config, error};
use super::shelf::{self, Item};
use super::{OWNER, notify};

/// How many items one request may name.
const NAMED: usize = 100;

/// Shows items of a node (XEP-0060 §6.5).
pub async fn get(
    site: &Site,
    account: &BareJid,
    asker: &Jid,
    pubsub: ElementRef<'_>,
) -> Result<Answer, Denied> {
    let wanted = pubsub
        .child("items", ns::PUBSUB)
        .ok_or(Condition::FeatureNotImplemented)?;
    let name = named(wanted)?;
    let (of, node) = (account.clone(), name.clone());
    let found = site.storage.run(move |db| {
        let config = shelf::node(db, &of, &node)?;
        let items = shelf::items(db, &of, &node)?;
        Ok(config.map(|config| (config, items)))
    });
    let found = found.await?;
    let access = found.as_ref().map(|(config, _)| config.access);
    may_see(site, account, asker, access).await?;
    let (_, mut items) = found.ok_or(Condition::ItemNotFound)?;

    let ids: Vec<_> = wanted
        .children()
        .filter_map(|item| item.attr("id"))
        .collect();
    let most = wanted.attr("max_items").map(str::parse::<usize>);
    if ids.len() > NAMED || matches!(most, Some(Err(_))) {
        return Err(Condition::BadRequest.into());
    }
    if !ids.is_empty() {
        items.retain(|item| ids.contains(&item.id.as_str()));
    }
    if let Some(Ok(most)) = most {
        items.truncate(most);
    }
    let mut shown = Element::new("items", ns::PUBSUB).with_attr("node", name);
    for item in items.into_iter().rev() {
        shown.push(item.xml);
    }
    Ok(Answer::of(
        Element::new("pubsub", ns::PUBSUB).with_child(shown),
    ))
}

/// The account publishes, retracts, or makes a node.
pub async fn set(site: &Site, account: &BareJid, pubsub: ElementRef<'_>) -> Result<Answer, Denied> {
    let part = |name| pubsub.child(name, ns::PUBSUB);
    if let Some(publish) = part("publish") {
        return self::publish(site, account, publish, part("publish-options")).await;
    }
    if let Some(retract) = part("retract") {
        return self::retract(site, account, retract).await;
    }
    if let Some(create) = part("create") {
        let name = named(create)?;
        let config = match part("configure").and_then(form) {
            Some(form) => Config::default()
                .with(form)
                .ok_or(Condition::NotAcceptable)?,
            None => Config::default(),
        };
        let of = account.clone();
        let made = site
            .storage
            .run(move |db| match shelf::node(db, &of, &name)? {
                Some(_) => Ok(Err(StanzaError::from(Condition::Conflict))),
                None => shelf::configure(db, &of, &name, &config),
            });
        made.await??;
        return Ok(Answer::default());
    }
    Err(Condition::FeatureNotImplemented.into())
}

/// The account configures, empties or deletes a node (XEP-0060 §8).
pub async fn owner(
    site: &Site,
    account: &BareJid,
    is_get: bool,
    pubsub: ElementRef<'_>,
) -> Result<Answer, Denied> {
    let what = pubsub.first_child().ok_or(Condition::BadRequest)?;
    let name = named(what)?;
    let (of, node) = (account.clone(), name.clone());
    let known = site.storage.run(move |db| shelf::node(db, &of, &node));
    let known = known.await?.ok_or(Condition::ItemNotFound)?;
    let (of, node) = (account.clone(), name.clone());
    match (what.name(), is_get) {
        ("configure", true) => {
            let configure = Element::new("configure", OWNER)
                .with_attr("node", name)
                .with_child(known.form());
            Ok(Answer::of(
                Element::new("pubsub", OWNER).with_child(configure),
            ))
        }
        ("configure", false) => {
            let form = form(what).ok_or(Condition::BadRequest)?;
            if form.attr("type") != Some("cancel") {
                let config = known.with(form).ok_or(Condition::NotAcceptable)?;
                let put = site.bookmarks.watch(account, &name, move |db| {
                    shelf::configure(db, &of, &node, &config)
                });
                put.await??;
            }
            Ok(Answer::default())
        }
        (kind @ ("delete" | "purge"), false) => {
            let is_delete = kind == "delete";
            let cleared = site.bookmarks.watch(account, &name, move |db| {
                shelf::clear(db, &of, &node, is_delete)
            });
            cleared.await?;
            let event = Element::new(kind, ns::PUBSUB_EVENT).with_attr("node", &*name);
            Ok(Answer {
                payload: None,
                emits: notify::all(site, account, &name, known.access, event).await?,
            })
        }
        _ => Err(Condition::FeatureNotImplemented.into()),
    }
}

/// The names of the account's nodes.
pub async fn names(site: &Site, account: &BareJid) -> Result<Vec<String>, Failed> {
    let account = account.clone();
    let names = site.storage.run(move |db| shelf::nodes(db, &account));
    names.await
}

async fn publish(
    site: &Site,
    account: &BareJid,
    publish: ElementRef<'_>,
    options: Option<ElementRef<'_>>,
) -> Result<Answer, Denied> {
    let name = named(publish)?;
    let mut items = publish.children();
    let (Some(item), None) = (items.next(), items.next()) else {
        return Err(Condition::BadRequest.into());
    };
    let mut payload = item.children();
    let (Some(payload), None) = (payload.next(), payload.next()) else {
        return Err(error(Condition::BadRequest, "invalid-payload").into());
    };
    let id = item.attr("id").filter(|id| !id.is_empty());
    let id = id.map_or_else(random::id, str::to_owned);
    let xml = Element::new("item", ns::PUBSUB)
        .with_attr("id", &*id)
        .with_child(payload.to_element());
    let item = Item {
        id: id.clone(),
        xml,
    };
    let form = options.and_then(form).map(ElementRef::to_element);
    let (of, node) = (account.clone(), name.clone());
    let is_done = |done: &Result<_, _>| done.is_ok().then(|| id.clone());
    let watched = &site.bookmarks;
    let published = watched.watch_publishing(account, &name, is_done, move |db| {
        shelf::publish(db, &of, &node, &item, |config| match &form {
            Some(form) => config.with(form.view()),
            None => Some(config),
        })
    });
    let config = published.await??;

    let event = notify::items(&name, [(&*id, Some(payload.to_element()))]);
    let published = Element::new("publish", ns::PUBSUB)
        .with_attr("node", &*name)
        .with_child(Element::new("item", ns::PUBSUB).with_attr("id", id));
    Ok(Answer {
        payload: Some(Element::new("pubsub", ns::PUBSUB).with_child(published)),
        emits: notify::all(site, account, &name, config.access, event).await?,
    })
}

async fn retract(
    site: &Site,
    account: &BareJid,
    retract: ElementRef<'_>,
) -> Result<Answer, Denied> {
    let name = named(retract)?;
    let item = retract.child("item", ns::PUBSUB);
    let id = item.and_then(|item| item.attr("id")).map(str::to_owned);
    let id = id.ok_or_else(|| error(Condition::BadRequest, "item-required"))?;
    let (of, node, item) = (account.clone(), name.clone(), id.clone());
    let retracted = site.bookmarks.watch(account, &name, move |db| {
        let config = shelf::node(db, &of, &node)?;
        let was_there = shelf::retract(db, &of, &node, &item)?;
        Ok(config.filter(|_| was_there))
    });
    let config = retracted.await?.ok_or(Condition::ItemNotFound)?;
    let is_told = matches!(retract.attr("notify"), Some("1" | "true"));
    if !is_told && !config.notifies_retractions {
        return Ok(Answer::default());
    }
    let event = notify::items(&name, [(&*id, None)]);
    Ok(Answer {
        payload: None,
        emits: notify::all(site, account, &name, config.access, event).await?,
    })
}

/// Rule 3. A node that is not there is as secret as any other.
async fn may_see(
    site: &Site,
    account: &BareJid,
    asker: &Jid,
    access: Option<Access>,
) -> Result<(), Denied> {
    let who = asker.to_bare();
    if who == *account || access == Some(Access::Open) {
        return Ok(());
    }
    if !site.rosters.hears(account, &who).await? {
        let more = "presence-subscription-required";
        return Err(error(Condition::NotAuthorized, more).into());
    }
    match access {
        Some(Access::Whitelist) => Err(error(Condition::NotAllowed, "closed-node").into()),
        _ => Ok(()),
    }
}

fn named(element: ElementRef<'_>) -> Result<String, Denied> {
    let node = element.attr("node").filter(|node| !node.is_empty());
    node.map(str::to_owned)
        .ok_or_else(|| error(Condition::BadRequest, "nodeid-required").into())
}

fn form(around: ElementRef<'_>) -> Option<ElementRef<'_>> {
    around.child("x", ns::DATA_FORMS)
}
