//! The roster (RFC 6121 §2): the account's contacts, and the subscriptions
//! with them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

use jid::{BareJid, Jid};
use tower_xmpp::flow::{Emit, Outcome};
use tower_xmpp::stanza::{Condition, Element, ElementRef, Stanza, Type, ns};

use super::super::random;
use super::super::site::Site;
use super::presence;
use super::subscription::{Change, Half, Request, Subscription};

/// How many contacts one account may have, people who only ask included.
const CONTACTS: usize = 1_000;

/// How many groups a contact may be in.
const GROUPS: usize = 64;

/// How long a name may be, in bytes (RFC 6121 §2.3.3 leaves it to us).
const NAME: usize = 1_023;

#[derive(Default)]
pub struct Rosters(Mutex<HashMap<BareJid, Roster>>);

type Roster = BTreeMap<BareJid, Item>;

#[derive(Clone, Debug, Default)]
struct Item {
    name: Option<String>,
    groups: BTreeSet<String>,
    subscription: Subscription,
    /// The account put it there, or asked or agreed to something; else it is
    /// only somebody who asks, and not shown (RFC 6121 §3.1.3).
    is_listed: bool,
    /// What they asked with, for clients that come later.
    request: Option<Stanza>,
}

/// What a client wants to become of one contact.
#[derive(Debug, PartialEq)]
enum Wish {
    Set {
        contact: BareJid,
        name: Option<String>,
        groups: BTreeSet<String>,
    },
    Remove(BareJid),
}

/// What a subscription request led to.
pub struct Changed {
    pub change: Change,
    /// What the account's clients are to see, if it looks different now.
    pub push: Option<Element>,
}

/// Answers the account's roster get or set (RFC 6121 §2.1.3, §2.1.5).
pub fn iq(site: &Site, asker: &Jid, stanza: &Stanza, query: ElementRef<'_>) -> Outcome {
    let account = asker.to_bare();
    if stanza.is_type(&Type::Get) {
        if let Ok(session) = asker.try_as_full()
            && let Some(session) = site.sessions.get(session)
        {
            session.standing().wants_roster = true;
        }
        let mut answer = Element::new("query", ns::ROSTER);
        for item in site.rosters.list(&account) {
            answer.push(item);
        }
        return Outcome::answered(stanza.reply().with_child(answer));
    }
    let done = wish(query, &account).and_then(|wish| grant(site, &account, wish));
    match done {
        Ok(emits) => {
            let mut outcome = Outcome::answered(stanza.reply());
            outcome.emits.extend(emits);
            outcome
        }
        Err(condition) => Outcome::refused(stanza, condition),
    }
}

/// Tells all clients that asked for the roster (RFC 6121 §2.1.6).
pub fn push(site: &Site, account: &BareJid, item: Element) -> Emit {
    let clients = site
        .sessions
        .which(account, |standing| standing.wants_roster);
    let query = Element::new("query", ns::ROSTER).with_child(item);
    Emit::broadcast(
        clients,
        Stanza::iq(Type::Set, &random::id()).with_child(query),
    )
}

impl Rosters {
    /// Whether the account lets the other hear of its presence.
    pub fn hears(&self, account: &BareJid, other: &BareJid) -> bool {
        let rosters = self.0.lock().unwrap();
        let item = rosters.get(account).and_then(|roster| roster.get(other));
        item.is_some_and(|item| item.subscription.from == Half::Yes)
    }

    /// The contacts whose subscription is such.
    pub fn contacts(&self, account: &BareJid, such: impl Fn(Subscription) -> bool) -> Vec<BareJid> {
        let rosters = self.0.lock().unwrap();
        let items = rosters.get(account).into_iter().flatten();
        items
            .filter(|(_, item)| such(item.subscription))
            .map(|(contact, _)| contact.clone())
            .collect()
    }

    /// Who asked for the account's presence and has no answer yet.
    pub fn requests(&self, account: &BareJid) -> Vec<Stanza> {
        let rosters = self.0.lock().unwrap();
        let items = rosters.get(account).into_iter().flatten();
        items.filter_map(|(_, item)| item.request.clone()).collect()
    }

    /// A client of the account sends a request to a contact.
    pub fn outbound(
        &self,
        account: &BareJid,
        contact: &BareJid,
        request: Request,
    ) -> Result<Changed, Condition> {
        self.change(account, contact, |item| {
            let change = item.subscription.outbound(request);
            item.is_listed |= change.next != item.subscription;
            change
        })
    }

    /// A contact sends a request to the account.
    pub fn inbound(
        &self,
        account: &BareJid,
        contact: &BareJid,
        request: Request,
        stanza: &Stanza,
    ) -> Result<Changed, Condition> {
        self.change(account, contact, |item| {
            let change = item.subscription.inbound(request);
            if change.pass && request == Request::Subscribe {
                item.request = Some(stanza.clone());
            }
            change
        })
    }

    fn change(
        &self,
        account: &BareJid,
        contact: &BareJid,
        decide: impl FnOnce(&mut Item) -> Change,
    ) -> Result<Changed, Condition> {
        let mut rosters = self.0.lock().unwrap();
        let roster = rosters.entry(account.clone()).or_default();
        let mut item = roster.get(contact).cloned().unwrap_or_default();
        let before = item.is_listed.then(|| item.show(contact).to_xml());
        let change = decide(&mut item);
        item.subscription = change.next;
        if item.subscription.from != Half::Pending {
            item.request = None;
        }
        let shown = item.is_listed.then(|| item.show(contact));
        if item.is_listed || item.subscription != Subscription::default() {
            if roster.len() >= CONTACTS && !roster.contains_key(contact) {
                return Err(Condition::ResourceConstraint);
            }
            roster.insert(contact.clone(), item);
        } else {
            roster.remove(contact);
        }
        let push = shown.filter(|shown| Some(shown.to_xml()) != before);
        Ok(Changed { change, push })
    }

    fn list(&self, account: &BareJid) -> Vec<Element> {
        let rosters = self.0.lock().unwrap();
        let items = rosters.get(account).into_iter().flatten();
        items
            .filter(|(_, item)| item.is_listed)
            .map(|(contact, item)| item.show(contact))
            .collect()
    }

    /// Names a contact and says in which groups it is.
    fn set(
        &self,
        account: &BareJid,
        contact: &BareJid,
        name: Option<String>,
        groups: BTreeSet<String>,
    ) -> Result<Element, Condition> {
        let mut rosters = self.0.lock().unwrap();
        let roster = rosters.entry(account.clone()).or_default();
        if roster.len() >= CONTACTS && !roster.contains_key(contact) {
            return Err(Condition::ResourceConstraint);
        }
        let item = roster.entry(contact.clone()).or_default();
        (item.name, item.groups, item.is_listed) = (name, groups, true);
        Ok(item.show(contact))
    }

    /// Forgets a contact, and returns what the subscription was.
    fn remove(&self, account: &BareJid, contact: &BareJid) -> Result<Subscription, Condition> {
        let mut rosters = self.0.lock().unwrap();
        let roster = rosters.entry(account.clone()).or_default();
        match roster.get(contact) {
            Some(item) if item.is_listed => {}
            _ => return Err(Condition::ItemNotFound),
        }
        let item = roster.remove(contact).unwrap_or_default();
        Ok(item.subscription)
    }
}

impl Item {
    fn show(&self, contact: &BareJid) -> Element {
        let mut shown = Element::new("item", ns::ROSTER)
            .with_attr("jid", contact.as_str())
            .with_attr("subscription", self.subscription.as_str());
        if let Some(name) = &self.name {
            shown.set_attr("name", name);
        }
        if self.subscription.to == Half::Pending {
            shown.set_attr("ask", "subscribe");
        }
        for group in &self.groups {
            shown.push(Element::new("group", ns::ROSTER).with_text(group));
        }
        shown
    }
}

/// Reads a roster set (RFC 6121 §2.1.5, §2.3.3).
fn wish(query: ElementRef<'_>, account: &BareJid) -> Result<Wish, Condition> {
    let mut items = query.children();
    let (Some(item), None) = (items.next(), items.next()) else {
        return Err(Condition::BadRequest);
    };
    let jid = item.attr("jid").filter(|_| item.is("item", ns::ROSTER));
    let jid = Jid::new(jid.ok_or(Condition::BadRequest)?);
    let contact = jid.map_err(|_| Condition::JidMalformed)?.to_bare();
    if item.attr("subscription") == Some("remove") {
        return Ok(Wish::Remove(contact));
    }
    if contact == *account {
        return Err(Condition::NotAllowed);
    }
    let fits = |text: &str| text.len() <= NAME;
    let name = item.attr("name").filter(|name| !name.is_empty());
    let mut groups = BTreeSet::new();
    for group in item
        .children()
        .filter(|child| child.is("group", ns::ROSTER))
    {
        let group = group.text();
        if group.is_empty() || !fits(&group) || groups.len() == GROUPS {
            return Err(Condition::NotAcceptable);
        }
        if !groups.insert(group) {
            return Err(Condition::BadRequest);
        }
    }
    if !name.is_none_or(fits) {
        return Err(Condition::NotAcceptable);
    }
    Ok(Wish::Set {
        contact,
        name: name.map(str::to_owned),
        groups,
    })
}

fn grant(site: &Site, account: &BareJid, wish: Wish) -> Result<Vec<Emit>, Condition> {
    let contact = match wish {
        Wish::Set {
            contact,
            name,
            groups,
        } => {
            let item = site.rosters.set(account, &contact, name, groups)?;
            return Ok(vec![push(site, account, item)]);
        }
        Wish::Remove(contact) => contact,
    };
    let subscription = site.rosters.remove(account, &contact)?;
    let item = Element::new("item", ns::ROSTER)
        .with_attr("jid", contact.as_str())
        .with_attr("subscription", "remove");
    let mut emits = vec![push(site, account, item)];
    // RFC 6121 §2.5.2: with the contact go the subscriptions, both ways.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(text: &str) -> BareJid {
        BareJid::new(text).unwrap()
    }

    fn read(inside: &str) -> Result<Wish, Condition> {
        let query = format!("<query xmlns='jabber:iq:roster'>{inside}</query>");
        let query = Element::parse(query.as_bytes()).unwrap();
        wish(query.view(), &jid("alice@example.org"))
    }

    #[test]
    fn a_contact_is_set_with_its_name_and_groups() {
        let groups = ["a", "b"].map(String::from).into();
        let wish = Wish::Set {
            contact: jid("bob@example.org"),
            name: Some("Bob".into()),
            groups,
        };
        let item = "<item jid='Bob@example.org/x' name='Bob' subscription='both'>\
                    <group>b</group><group>a</group></item>";
        assert_eq!(read(item), Ok(wish));
    }

    #[test]
    fn sets_that_are_none_get_the_error_of_the_rfc() {
        let long = "x".repeat(NAME + 1);
        for (inside, condition) in [
            (String::new(), Condition::BadRequest),
            ("<item/>".into(), Condition::BadRequest),
            ("<x jid='b@x'/>".into(), Condition::BadRequest),
            (
                "<item jid='b@x'/><item jid='c@x'/>".into(),
                Condition::BadRequest,
            ),
            ("<item jid='@'/>".into(), Condition::JidMalformed),
            (
                "<item jid='alice@example.org'/>".into(),
                Condition::NotAllowed,
            ),
            (
                "<item jid='b@x'><group/></item>".into(),
                Condition::NotAcceptable,
            ),
            (
                format!("<item jid='b@x' name='{long}'/>"),
                Condition::NotAcceptable,
            ),
            (
                "<item jid='b@x'><group>a</group><group>a</group></item>".into(),
                Condition::BadRequest,
            ),
        ] {
            assert_eq!(read(&inside), Err(condition), "{inside}");
        }
    }

    #[test]
    fn who_only_asks_is_remembered_and_not_shown() {
        let rosters = Rosters::default();
        let (alice, bob) = (jid("alice@x"), jid("bob@x"));
        let request = Stanza::presence().with_type(Type::Subscribe);
        let changed = rosters
            .inbound(&alice, &bob, Request::Subscribe, &request)
            .unwrap();
        assert!(changed.change.pass && changed.push.is_none());
        assert!(rosters.list(&alice).is_empty());
        assert_eq!(rosters.requests(&alice).len(), 1);

        let changed = rosters.outbound(&alice, &bob, Request::Subscribed).unwrap();
        assert_eq!(changed.push.unwrap().attr("subscription"), Some("from"));
        assert!(rosters.requests(&alice).is_empty());
        assert!(rosters.hears(&alice, &bob));
    }

    #[test]
    fn who_takes_the_question_back_leaves_no_trace() {
        let rosters = Rosters::default();
        let (alice, bob) = (jid("alice@x"), jid("bob@x"));
        for request in [Request::Subscribe, Request::Unsubscribe] {
            rosters
                .inbound(&alice, &bob, request, &Stanza::presence())
                .unwrap();
        }
        assert!(rosters.0.lock().unwrap()[&alice].is_empty());
    }

    #[test]
    fn a_roster_does_not_grow_without_bound() {
        let rosters = Rosters::default();
        let alice = jid("alice@x");
        let ask = |number: usize| {
            let other = jid(&format!("{number}@x"));
            rosters.inbound(&alice, &other, Request::Subscribe, &Stanza::presence())
        };
        for number in 0..CONTACTS {
            assert!(ask(number).is_ok());
        }
        assert_eq!(ask(CONTACTS).err(), Some(Condition::ResourceConstraint));
        let set = rosters.set(&alice, &jid("new@x"), None, BTreeSet::new());
        assert_eq!(set.err(), Some(Condition::ResourceConstraint));
        assert!(ask(0).is_ok());
    }
}
