//! Bookmarks as older clients keep them: one list in private XML (XEP-0048,
//! XEP-0049). There is one truth, the node of XEP-0402; here is a view of it,
//! so that clients of either kind see what the others do (XEP-0402 §8, `#compat`).
//!
//! 1. Who asks for the list gets each bookmark of the node as a `<conference/>`.
//! 2. Who sets the list publishes what is new in it or different, and retracts
//!    what is not in it: all of it or nothing. What the list cannot say, the
//!    `<extensions/>`, stays.
//! 3. What else is in the list, such as `<url/>`, stays in private XML.

use jid::BareJid;
use rusqlite::Connection;
use tower_xmpp::flow::Bookmark;
use tower_xmpp::stanza::{Condition, Element, ElementRef, ns};

use super::super::super::site::Site;
use super::super::{Answer, Denied};
use super::bookmarks::{NODE, read};
use super::node::{Access, Config, MAX_ITEMS, SendsLast};
use super::notify;
use super::shelf::{self, Done, Item};

/// The namespace of the list.
const LIST: &str = "storage:bookmarks";

/// Answers a request for private XML, whatever it is about.
pub async fn private(
    site: &Site,
    account: &BareJid,
    is_get: bool,
    query: ElementRef<'_>,
) -> Result<Answer, Denied> {
    let Some(list) = query.child("storage", LIST) else {
        return site.private.iq(account, is_get, query).await;
    };
    match is_get {
        true => get(site, account, query).await,
        false => set(site, account, list).await,
    }
}

/// Rule 1.
async fn get(site: &Site, account: &BareJid, query: ElementRef<'_>) -> Result<Answer, Denied> {
    let mut list = Element::new("storage", LIST);
    let of = account.clone();
    let items = site.storage.run(move |db| shelf::items(db, &of, NODE));
    for bookmark in items.await?.iter().rev().filter_map(read) {
        list.push(shown(&bookmark));
    }
    let rest = site.private.iq(account, true, query).await?.payload;
    let rest = rest.as_ref().and_then(|rest| rest.child("storage", LIST));
    for other in rest.into_iter().flat_map(ElementRef::children) {
        list.push(other.to_element());
    }
    Ok(Answer::of(
        Element::new("query", ns::PRIVATE).with_child(list),
    ))
}

/// Rules 2 and 3.
async fn set(site: &Site, account: &BareJid, list: ElementRef<'_>) -> Result<Answer, Denied> {
    let (rooms, others): (Vec<_>, Vec<_>) =
        list.children().partition(|it| it.is("conference", LIST));
    let wanted = rooms.into_iter().map(wanted);
    let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
    let rest = others.into_iter().map(ElementRef::to_element);
    let rest = rest.fold(Element::new("storage", LIST), Element::with_child);
    let rest = Element::new("query", ns::PRIVATE).with_child(rest);
    site.private.iq(account, false, rest.view()).await?;

    let of = account.clone();
    let job = move |db: &Connection| {
        db.execute_batch("SAVEPOINT list")?;
        let done = follow(db, &of, wanted)?;
        db.execute_batch(match done {
            Ok(_) => "RELEASE list",
            Err(_) => "ROLLBACK TO list; RELEASE list",
        })?;
        Ok(done)
    };
    let Some((access, changed)) = site.bookmarks.watch(account, NODE, job).await?? else {
        return Ok(Answer::default());
    };
    let items = changed
        .iter()
        .map(|(id, payload)| (id.as_str(), payload.clone()));
    let event = notify::items(NODE, items);
    Ok(Answer {
        payload: None,
        emits: notify::all(site, account, NODE, access, event).await?,
    })
}

/// By their ids: what was published, and what was retracted.
type Changed = Vec<(String, Option<Element>)>;

/// Makes the node what the list says; `None` if it was so before.
fn follow(
    db: &Connection,
    account: &BareJid,
    wanted: Vec<Bookmark>,
) -> Done<Option<(Access, Changed)>> {
    let known = shelf::items(db, account, NODE)?;
    let known: Vec<_> = known.iter().filter_map(read).collect();
    let mut changed = vec![];
    for old in &known {
        if !wanted.iter().any(|new| new.room == old.room) {
            shelf::retract(db, account, NODE, old.room.as_str())?;
            changed.push((old.room.to_string(), None));
        }
    }
    for mut new in wanted {
        if let Some(old) = known.iter().find(|old| old.room == new.room) {
            if shown(old) == shown(&new) {
                continue;
            }
            new.extensions.clone_from(&old.extensions);
        }
        let payload = payload(&new);
        let id = new.room.to_string();
        let xml = Element::new("item", ns::PUBSUB)
            .with_attr("id", &*id)
            .with_child(payload.clone());
        let is_new = shelf::node(db, account, NODE)?.is_none();
        let config = |config| Some(if is_new { closed() } else { config });
        let item = Item {
            id: id.clone(),
            xml,
        };
        if let Err(error) = shelf::publish(db, account, NODE, &item, config)? {
            return Ok(Err(error));
        }
        changed.push((id, Some(payload)));
    }
    let node = shelf::node(db, account, NODE)?.filter(|_| !changed.is_empty());
    Ok(Ok(node.map(|node| (node.access, changed))))
}

/// How clients are to make the node (XEP-0402 §5).
fn closed() -> Config {
    Config {
        access: Access::Whitelist,
        max_items: MAX_ITEMS,
        sends_last: SendsLast::Never,
        ..Config::default()
    }
}

/// A bookmark as the list has it.
fn shown(bookmark: &Bookmark) -> Element {
    let mut shown = conference(bookmark, LIST);
    shown.set_attr("jid", bookmark.room.as_str());
    shown
}

/// The same as the node has it.
fn payload(bookmark: &Bookmark) -> Element {
    let mut payload = conference(bookmark, NODE);
    if !bookmark.extensions.is_empty() {
        let kept = bookmark.extensions.iter().cloned();
        payload.push(kept.fold(Element::new("extensions", NODE), Element::with_child));
    }
    payload
}

fn conference(bookmark: &Bookmark, namespace: &str) -> Element {
    let mut conference = Element::new("conference", namespace);
    conference.set_attr("autojoin", bookmark.autojoin.to_string());
    if let Some(name) = &bookmark.name {
        conference.set_attr("name", name);
    }
    for (name, text) in [("nick", &bookmark.nick), ("password", &bookmark.password)] {
        if let Some(text) = text {
            conference.push(Element::new(name, namespace).with_text(text));
        }
    }
    conference
}

/// Reads a `<conference/>` of the list.
fn wanted(conference: ElementRef<'_>) -> Result<Bookmark, Condition> {
    let room = conference.attr("jid").ok_or(Condition::BadRequest)?;
    let room = BareJid::new(room).map_err(|_| Condition::JidMalformed)?;
    let text = |name| conference.child(name, LIST).map(ElementRef::text);
    let mut bookmark = Bookmark::new(room);
    bookmark.name = conference.attr("name").map(str::to_owned);
    bookmark.autojoin = matches!(conference.attr("autojoin"), Some("true" | "1"));
    bookmark.nick = text("nick").filter(|nick| !nick.is_empty());
    bookmark.password = text("password");
    Ok(bookmark)
}
