//! The roster (RFC 6121 §2): the account's contacts, and the subscriptions
//! with them.

mod listed;
mod shelf;
pub mod subscription;
pub mod version;
mod wish;

use std::collections::BTreeSet;
use std::sync::Arc;

use jid::{BareJid, Jid};
use rusqlite::Connection;
use tower_xmpp::flow::Emit;
use tower_xmpp::stanza::{Condition, Element, ElementRef, Stanza, Type, ns};

use super::super::random;
use super::super::site::Site;
use super::super::storage::{Failed, Storage};
use super::{Answer, Denied, presence};
use listed::Listed;
use shelf::Item;
use subscription::{Change, Half, Request, Subscription};
use version::Update;
use wish::Wish;

/// The rosters of all accounts.
pub struct Rosters {
    storage: Storage,
    listed: Arc<Listed>,
}

/// What a subscription request led to.
pub struct Changed {
    pub change: Change,
    /// What the account's clients are to see, if it looks different now.
    pub push: Option<Update>,
}

/// Answers the account's roster get or set (RFC 6121 §2.1.3, §2.1.5).
pub async fn iq(
    site: &Site,
    asker: &Jid,
    stanza: &Stanza,
    query: ElementRef<'_>,
) -> Result<Answer, Denied> {
    let account = asker.to_bare();
    if stanza.is_type(&Type::Get) {
        if let Ok(session) = asker.try_as_full()
            && let Some(session) = site.sessions.get(session)
        {
            session.standing().wants_roster = true;
        }
        let items = site.rosters.list(&account).await?;
        let version = version::of(&items);
        if version::is_known(query, &version) {
            return Ok(Answer::default());
        }
        let mut roster = Element::new("query", ns::ROSTER).with_attr("ver", &version);
        for item in &items {
            roster.push(item.show());
        }
        return Ok(Answer::of(roster));
    }
    let emits = match wish::read(query, &account)? {
        Wish::Set {
            contact,
            name,
            groups,
        } => {
            let set = site.rosters.set(&account, contact, name, groups);
            vec![push(site, &account, set.await??)]
        }
        Wish::Remove(contact) => remove(site, &account, contact).await?,
    };
    Ok(Answer {
        emits,
        ..Answer::default()
    })
}

/// Tells all clients that asked for the roster (RFC 6121 §2.1.6).
pub fn push(site: &Site, account: &BareJid, update: Update) -> Emit {
    let clients = site
        .sessions
        .which(account, |standing| standing.wants_roster);
    let query = Element::new("query", ns::ROSTER)
        .with_attr("ver", &update.version)
        .with_child(update.item);
    Emit::broadcast(
        clients,
        Stanza::iq(Type::Set, &random::id()).with_child(query),
    )
}

/// RFC 6121 §2.5.2: with the contact go the subscriptions, both ways.
async fn remove(site: &Site, account: &BareJid, contact: BareJid) -> Result<Vec<Emit>, Denied> {
    let (subscription, update) = site.rosters.remove(account, &contact).await??;
    let mut emits = vec![push(site, account, update)];
    for (half, request) in [
        (subscription.to, Request::Unsubscribe),
        (subscription.from, Request::Unsubscribed),
    ] {
        if half != Half::No {
            let change = subscription.outbound(request);
            emits.push(presence::ask(site, account, &contact, request));
            emits.extend(presence::tell(site, account, &contact, change.tell));
        }
    }
    Ok(emits)
}

impl Rosters {
    pub async fn load(storage: Storage) -> Result<Self, Failed> {
        let listed = Arc::new(storage.run(Listed::read).await?);
        Ok(Self { storage, listed })
    }

    /// Who is in whose roster, for the archive.
    pub fn listed(&self) -> Arc<Listed> {
        self.listed.clone()
    }

    /// Whether the account lets the other hear of its presence.
    pub async fn hears(&self, account: &BareJid, other: &BareJid) -> Result<bool, Failed> {
        let (account, other) = (account.clone(), other.clone());
        let item = self.storage.run(move |db| shelf::get(db, &account, &other));
        let item = item.await?;
        Ok(item.is_some_and(|item| item.subscription.from == Half::Yes))
    }

    /// The contacts whose subscription is such.
    pub async fn contacts(
        &self,
        account: &BareJid,
        such: impl Fn(Subscription) -> bool + Send + 'static,
    ) -> Result<Vec<BareJid>, Failed> {
        let account = account.clone();
        let subscriptions = self
            .storage
            .run(move |db| shelf::subscriptions(db, &account));
        let found = subscriptions.await?.into_iter();
        Ok(found
            .filter(|(_, subscription)| such(*subscription))
            .map(|(contact, _)| contact)
            .collect())
    }

    /// Who asked for the account's presence and has no answer yet.
    pub async fn requests(&self, account: &BareJid) -> Result<Vec<Stanza>, Failed> {
        let account = account.clone();
        self.storage
            .run(move |db| shelf::requests(db, &account))
            .await
    }

    /// A client of the account sends a request to a contact.
    pub async fn outbound(
        &self,
        account: &BareJid,
        contact: &BareJid,
        request: Request,
    ) -> Result<Result<Changed, Condition>, Failed> {
        self.change(account, contact, move |item| {
            let change = item.subscription.outbound(request);
            item.is_listed |= change.next != item.subscription;
            change
        })
        .await
    }

    /// A contact sends a request to the account.
    pub async fn inbound(
        &self,
        account: &BareJid,
        contact: &BareJid,
        request: Request,
        stanza: &Stanza,
    ) -> Result<Result<Changed, Condition>, Failed> {
        let stanza = stanza.clone();
        self.change(account, contact, move |item| {
            let change = item.subscription.inbound(request);
            if change.pass && request == Request::Subscribe {
                item.request = Some(stanza);
            }
            change
        })
        .await
    }

    async fn change(
        &self,
        account: &BareJid,
        contact: &BareJid,
        decide: impl FnOnce(&mut Item) -> Change + Send + 'static,
    ) -> Result<Result<Changed, Condition>, Failed> {
        let (account, contact) = (account.clone(), contact.clone());
        let listed = self.listed();
        let job = self.storage.run(move |db| {
            let known = shelf::get(db, &account, &contact)?;
            let is_new = known.is_none();
            let mut item = known.unwrap_or_else(|| Item::new(contact));
            let before = item.is_listed.then(|| item.show().to_xml());
            let change = decide(&mut item);
            item.subscription = change.next;
            if item.subscription.from != Half::Pending {
                item.request = None;
            }
            listed.note(&account, &item.contact, item.is_listed);
            if !item.is_listed && item.subscription == Subscription::default() {
                shelf::remove(db, &account, &item.contact)?;
            } else if is_new && shelf::is_full(db, &account)? {
                return Ok(Err(Condition::ResourceConstraint));
            } else {
                shelf::put(db, &account, &item)?;
            }
            let shown = item.is_listed.then(|| item.show());
            let push = shown
                .filter(|shown| Some(shown.to_xml()) != before)
                .map(|shown| update(db, &account, shown))
                .transpose()?;
            Ok(Ok(Changed { change, push }))
        });
        job.await
    }

    async fn list(&self, account: &BareJid) -> Result<Vec<Item>, Failed> {
        let account = account.clone();
        let job = self.storage.run(move |db| shelf::listed(db, &account));
        job.await
    }

    /// Names a contact and says in which groups it is.
    async fn set(
        &self,
        account: &BareJid,
        contact: BareJid,
        name: Option<String>,
        groups: BTreeSet<String>,
    ) -> Result<Result<Update, Condition>, Failed> {
        let (account, listed) = (account.clone(), self.listed());
        let job = self.storage.run(move |db| {
            let known = shelf::get(db, &account, &contact)?;
            if known.is_none() && shelf::is_full(db, &account)? {
                return Ok(Err(Condition::ResourceConstraint));
            }
            let mut item = known.unwrap_or_else(|| Item::new(contact));
            (item.name, item.groups, item.is_listed) = (name, groups, true);
            shelf::put(db, &account, &item)?;
            listed.note(&account, &item.contact, true);
            update(db, &account, item.show()).map(Ok)
        });
        job.await
    }

    /// Forgets a contact, and returns what the subscription was.
    async fn remove(
        &self,
        account: &BareJid,
        contact: &BareJid,
    ) -> Result<Result<(Subscription, Update), Condition>, Failed> {
        let (account, contact) = (account.clone(), contact.clone());
        let listed = self.listed();
        let job = self.storage.run(move |db| {
            let known = shelf::get(db, &account, &contact)?;
            let Some(item) = known.filter(|item| item.is_listed) else {
                return Ok(Err(Condition::ItemNotFound));
            };
            shelf::remove(db, &account, &contact)?;
            listed.note(&account, &contact, false);
            let gone = Element::new("item", ns::ROSTER)
                .with_attr("jid", contact.as_str())
                .with_attr("subscription", "remove");
            Ok(Ok((item.subscription, update(db, &account, gone)?)))
        });
        job.await
    }
}

/// What clients are told of a contact that has just changed.
fn update(db: &Connection, account: &BareJid, item: Element) -> rusqlite::Result<Update> {
    let version = version::of(&shelf::listed(db, account)?);
    Ok(Update { item, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(text: &str) -> BareJid {
        BareJid::new(text).unwrap()
    }

    async fn rosters() -> Rosters {
        Rosters::load(Storage::open(None).unwrap()).await.unwrap()
    }

    async fn asks(rosters: &Rosters, who: &str, request: Request) -> Result<Changed, Condition> {
        let stanza = Stanza::presence().with_type(Type::Subscribe);
        let (alice, who) = (jid("alice@x"), jid(who));
        let asked = rosters.inbound(&alice, &who, request, &stanza);
        asked.await.unwrap()
    }

    #[tokio::test]
    async fn who_only_asks_is_remembered_and_not_shown() {
        let rosters = rosters().await;
        let (alice, bob) = (jid("alice@x"), jid("bob@x"));
        let changed = asks(&rosters, "bob@x", Request::Subscribe).await.unwrap();
        assert!(changed.change.pass && changed.push.is_none());
        assert!(rosters.list(&alice).await.unwrap().is_empty());
        assert_eq!(rosters.requests(&alice).await.unwrap().len(), 1);

        let changed = rosters.outbound(&alice, &bob, Request::Subscribed).await;
        let push = changed.unwrap().unwrap().push.unwrap();
        assert_eq!(push.item.attr("subscription"), Some("from"));
        assert!(rosters.requests(&alice).await.unwrap().is_empty());
        assert!(rosters.hears(&alice, &bob).await.unwrap());
    }

    #[tokio::test]
    async fn who_takes_the_question_back_leaves_no_trace() {
        let rosters = rosters().await;
        for request in [Request::Subscribe, Request::Unsubscribe] {
            asks(&rosters, "bob@x", request).await.unwrap();
        }
        let all = rosters.contacts(&jid("alice@x"), |_| true).await;
        assert!(all.unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_archive_knows_at_once_who_is_in_the_roster_and_after_a_restart() {
        use tower_xmpp::archive::Contacts;

        let rosters = rosters().await;
        let (alice, bob, carol) = (jid("alice@x"), jid("bob@x"), jid("carol@x"));
        let set = async |who: &BareJid| {
            let set = rosters.set(&alice, who.clone(), None, BTreeSet::new());
            set.await.unwrap().unwrap()
        };
        set(&bob).await;
        set(&carol).await;
        asks(&rosters, "stranger@x", Request::Subscribe)
            .await
            .unwrap();
        rosters.remove(&alice, &carol).await.unwrap().unwrap();
        let again = Rosters::load(rosters.storage.clone()).await.unwrap();
        for listed in [rosters.listed(), again.listed()] {
            assert!(listed.has(&alice, &bob));
            for (account, contact) in [
                (&alice, &carol),
                (&alice, &jid("stranger@x")),
                (&bob, &alice),
            ] {
                assert!(!listed.has(account, contact), "{account} {contact}");
            }
        }
    }

    #[tokio::test]
    async fn a_roster_does_not_grow_without_bound() {
        let rosters = rosters().await;
        let alice = jid("alice@x");
        for number in 0..shelf::CONTACTS {
            let who = format!("{number}@x");
            let asked = asks(&rosters, &who, Request::Subscribe).await;
            assert!(asked.is_ok());
        }
        let refused = Some(Condition::ResourceConstraint);
        let asked = asks(&rosters, "one-more@x", Request::Subscribe).await;
        assert_eq!(asked.err(), refused);
        let set = rosters.set(&alice, jid("new@x"), None, BTreeSet::new());
        assert_eq!(set.await.unwrap().err(), refused);
        assert!(asks(&rosters, "0@x", Request::Subscribe).await.is_ok());
    }

    #[tokio::test]
    async fn a_contact_keeps_its_groups_while_its_subscription_changes() {
        let rosters = rosters().await;
        let (alice, bob) = (jid("alice@x"), jid("bob@x"));
        let groups = BTreeSet::from(["b".to_owned(), "a".to_owned()]);
        let set = rosters.set(&alice, bob.clone(), Some("Bob".into()), groups);
        set.await.unwrap().unwrap();
        let asked = rosters.outbound(&alice, &bob, Request::Subscribe).await;
        assert!(asked.unwrap().is_ok());
        let list = rosters.list(&alice).await.unwrap();
        assert_eq!(
            list[0].show().to_xml(),
            "<item xmlns='jabber:iq:roster' ask='subscribe' jid='bob@x' name='Bob' \
             subscription='none'><group>a</group><group>b</group></item>"
        );
        rosters.remove(&alice, &bob).await.unwrap().unwrap();
        assert!(rosters.list(&alice).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_version_names_one_roster_whatever_led_to_it() {
        let rosters = rosters().await;
        let alice = jid("alice@x");
        let version = async || version::of(&rosters.list(&alice).await.unwrap());
        let set = async |who: &str, name: &str| {
            let set = rosters.set(&alice, jid(who), Some(name.into()), BTreeSet::new());
            set.await.unwrap().unwrap().version
        };
        let empty = version().await;
        let bob = set("bob@x", "Bob").await;
        let both = set("carol@x", "Carol").await;
        let renamed = set("carol@x", "Caroline").await;
        let all: BTreeSet<_> = [&empty, &bob, &both, &renamed].into();
        assert_eq!(all.len(), 4);
        assert_eq!(renamed, version().await);

        let removed = rosters.remove(&alice, &jid("carol@x")).await;
        assert_eq!(removed.unwrap().unwrap().1.version, bob);
        // Who only asks is not in the roster yet.
        asks(&rosters, "dave@x", Request::Subscribe).await.unwrap();
        assert_eq!(version().await, bob);
    }
}
