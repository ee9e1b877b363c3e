//! Clients of contacts on other servers: what they are interested in, as a
//! layer, since their presence passes through here to the account's clients
//! and is nobody's to serve.
//!
//! 1. Who is in the account's roster, hears of its presence, and comes with
//!    capabilities (XEP-0115) is asked for its interests, in the account's name
//!    (XEP-0163 §4.3.2). Occupants of rooms are in no roster.
//! 2. The answer is taken in; the last items of what it is interested in follow
//!    (XEP-0163 §4.3.4).
//! 3. Who is gone, or whose server says so, is forgotten.
//! 4. It stands inside blocking, which ignores who is blocked, and outside
//!    whatever else takes in answers to accounts. If it breaks, presence passes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use jid::{BareJid, Jid};
use tower_xmpp::archive::Contacts;
use tower_xmpp::flow::{Envelope, Original, Outcome, Route};
use tower_xmpp::host::{Host, Place};
use tower_xmpp::middleware::{Fault, Feature, Next, Shell};
use tower_xmpp::stanza::{Kind, Stanza, Type, ns};

use super::super::super::site::Site;
use super::super::onward;
use super::interest::Asked;
use super::notify;

/// How many clients of contacts are known for one account. Who comes when
/// there are so many may fetch, and is not notified.
const CLIENTS: usize = 1_000;

/// By account.
#[derive(Default)]
pub struct Abroad(Mutex<BTreeMap<BareJid, BTreeMap<Jid, Client>>>);

#[derive(Default)]
struct Client {
    asked: Asked,
    interests: BTreeSet<String>,
}

pub struct Watch {
    site: Arc<Site>,
}

/// The layer; what it knows is the site's.
pub fn layer(site: Arc<Site>) -> Shell<Watch> {
    Shell::of(Watch { site })
}

impl Feature for Watch {
    fn name(&self) -> &'static str {
        "pep"
    }

    fn concerns(&self, envelope: &Envelope) -> bool {
        let (Route::ToAccount(account), Some(stanza)) = (&envelope.route, envelope.as_stanza())
        else {
            return false;
        };
        let Some(from) = stanza.from().filter(|from| from.is_full()) else {
            return false;
        };
        let abroad = &self.site.abroad;
        match (stanza.kind(), stanza.type_()) {
            (Kind::Presence, None) => {
                stanza.mentions(ns::CAPS)
                    && self.site.place(from) == Place::Elsewhere
                    && self.site.rosters.listed().has(account, &from.to_bare())
            }
            (Kind::Presence, Some(Type::Unavailable)) | (Kind::Message, Some(Type::Error)) => {
                abroad.knows(account, from)
            }
            (Kind::Iq, _) => stanza.is_response() && abroad.awaits(account, from, stanza),
            _ => false,
        }
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        let (site, abroad) = (&*self.site, &self.site.abroad);
        let (Route::ToAccount(account), Some(stanza)) = (&envelope.route, envelope.as_stanza())
        else {
            return next.run(envelope).await;
        };
        let Some(from) = stanza.from() else {
            return next.run(envelope).await;
        };
        match stanza.kind() {
            Kind::Iq => {
                let mut outcome = Outcome::of(Original::Consumed);
                if let Some(interests) = abroad.answered(account, from, stanza) {
                    for message in notify::last(site, account, &interests, false).await? {
                        let message = message.with_to(from.clone());
                        outcome.emits.push(onward(site, message));
                    }
                }
                Ok(outcome)
            }
            Kind::Presence if stanza.type_().is_none() => {
                let question = match site.rosters.hears(account, &from.to_bare()).await? {
                    true => abroad.ask(account, from, stanza),
                    false => None,
                };
                let mut outcome = next.run(envelope).await?;
                outcome
                    .emits
                    .extend(question.map(|question| onward(site, question)));
                Ok(outcome)
            }
            _ => {
                abroad.gone(account, from);
                next.run(envelope).await
            }
        }
    }
}

impl Abroad {
    /// The contact's clients that are interested in the account's node.
    pub fn interested(&self, account: &BareJid, contact: &BareJid, node: &str) -> Vec<Jid> {
        let known = self.known();
        let clients = known.get(account).into_iter().flatten();
        clients
            .filter(|(jid, client)| jid.to_bare() == *contact && client.interests.contains(node))
            .map(|(jid, _)| jid.clone())
            .collect()
    }

    fn knows(&self, account: &BareJid, client: &Jid) -> bool {
        let known = self.known();
        known.get(account).is_some_and(|of| of.contains_key(client))
    }

    fn awaits(&self, account: &BareJid, client: &Jid, answer: &Stanza) -> bool {
        let known = self.known();
        let client = known.get(account).and_then(|of| of.get(client));
        client.is_some_and(|client| client.asked.awaits(answer))
    }

    fn ask(&self, account: &BareJid, client: &Jid, presence: &Stanza) -> Option<Stanza> {
        let mut known = self.known();
        let of = known.entry(account.clone()).or_default();
        if of.len() >= CLIENTS && !of.contains_key(client) {
            return None;
        }
        let question = of.entry(client.clone()).or_default().asked.ask(presence)?;
        Some(question.with_from(account.clone()).with_to(client.clone()))
    }

    /// What the client is interested in, if this tells.
    fn answered(
        &self,
        account: &BareJid,
        client: &Jid,
        answer: &Stanza,
    ) -> Option<BTreeSet<String>> {
        let mut known = self.known();
        let client = known.get_mut(account)?.get_mut(client)?;
        client.interests = client.asked.answered(answer)?;
        Some(client.interests.clone())
    }

    fn gone(&self, account: &BareJid, client: &Jid) {
        let mut known = self.known();
        if let Some(of) = known.get_mut(account) {
            of.remove(client);
            if of.is_empty() {
                known.remove(account);
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<BareJid, BTreeMap<Jid, Client>>> {
        self.0.lock().unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_clients_elsewhere_is_bounded_by_account() {
        let abroad = Abroad::default();
        let (alice, bob) = ("alice@x", "bob@x");
        let [alice, bob] = [alice, bob].map(|jid| BareJid::new(jid).unwrap());
        let presence = b"<presence><c xmlns='http://jabber.org/protocol/caps' node='n' ver='v'/>\
                         </presence>";
        let presence = Stanza::parse(presence).unwrap();
        let client = |number: usize| Jid::new(&format!("carol@y/{number}")).unwrap();
        for number in 0..=CLIENTS {
            let asked = abroad.ask(&alice, &client(number), &presence);
            assert_eq!(asked.is_some(), number < CLIENTS);
        }
        // Asked once about the same.
        assert!(abroad.ask(&alice, &client(0), &presence).is_none());
        assert!(abroad.ask(&bob, &client(0), &presence).is_some());
        abroad.gone(&alice, &client(0));
        assert!(abroad.ask(&alice, &client(CLIENTS), &presence).is_some());
    }
}
