//! What clients are interested in: they say so in their capabilities, as
//! features that end with `+notify` (XEP-0163 §4.3.2, XEP-0115).
//!
//! Deliberately each session is asked for itself: an answer that is used for
//! all who have the same hash would have to be verified (XEP-0115 §5.4), or
//! one client could decide what others hear.

use std::collections::BTreeSet;

use jid::{BareJid, FullJid};
use tower_xmpp::flow::Emit;
use tower_xmpp::stanza::{Element, ElementRef, Stanza, Type, ns};

use super::super::super::random;
use super::super::super::site::Site;

/// How many nodes one client may be interested in.
const INTERESTS: usize = 100;

/// How much a client has told of itself.
#[derive(Default)]
pub struct Asked {
    /// What it was asked about: the node and hash of its presence.
    about: String,
    /// The id of the question, until it is answered.
    id: Option<String>,
}

impl Asked {
    /// The question to a client whose presence names capabilities that it was
    /// not asked about; without addresses yet.
    pub fn ask(&mut self, presence: &Stanza) -> Option<Stanza> {
        let caps = presence.child("c", ns::CAPS)?;
        let about = format!("{}#{}", caps.attr("node")?, caps.attr("ver")?);
        if self.about == about {
            return None;
        }
        let id = random::id();
        let query = Element::new("query", ns::DISCO_INFO).with_attr("node", &*about);
        *self = Self {
            about,
            id: Some(id.clone()),
        };
        Some(Stanza::iq(Type::Get, &id).with_child(query))
    }

    /// Whether this is the answer.
    pub fn awaits(&self, answer: &Stanza) -> bool {
        self.id.is_some() && self.id.as_deref() == answer.id()
    }

    /// Takes the answer, if it is one: what the client is interested in.
    pub fn answered(&mut self, answer: &Stanza) -> Option<BTreeSet<String>> {
        if !self.awaits(answer) {
            return None;
        }
        self.id = None;
        let query = answer.child("query", ns::DISCO_INFO);
        let query = query.filter(|_| !answer.is_error());
        Some(
            query
                .into_iter()
                .flat_map(ElementRef::children)
                .filter_map(|feature| feature.attr("var")?.strip_suffix("+notify"))
                .take(INTERESTS)
                .map(str::to_owned)
                .collect(),
        )
    }
}

/// Asks a client what it is interested in, if that is not known.
pub fn ask(site: &Site, session: &FullJid, presence: &Stanza) -> Option<Emit> {
    let known = site.sessions.get(session)?;
    let question = known.standing().asked.ask(presence)?;
    let question = question
        .with_from(session.to_bare())
        .with_to(session.clone());
    Some(Emit::copy(session.clone(), question))
}

/// Takes the answer; false if it is none to our question, or says nothing.
pub fn answered(site: &Site, session: &FullJid, answer: &Stanza) -> bool {
    let Some(known) = site.sessions.get(session) else {
        return false;
    };
    let mut standing = known.standing();
    let Some(interests) = standing.asked.answered(answer) else {
        return false;
    };
    standing.interests = interests;
    !standing.interests.is_empty()
}

/// The account's available clients that are interested in the node.
pub fn of(site: &Site, account: &BareJid, node: &str) -> Vec<FullJid> {
    site.sessions.which(account, |standing| {
        standing.is_available() && standing.interests.contains(node)
    })
}
