//! Adds what a layer announces to the disco#info results that leave through it.

use std::borrow::Cow;

use crate::flow::{EmitKind, Entity, Envelope, Outcome, Route};
use crate::stanza::{Element, Kind, Stanza, Type, ns};

/// Whether [`asked`] is worth a look.
#[inline]
pub(super) fn may_ask(stanza: &Stanza) -> bool {
    stanza.kind() == Kind::Iq && stanza.mentions(ns::DISCO_INFO)
}

/// The entity that a stanza asks about (XEP-0030 §3.1), if it does.
///
/// A question about a node is about something that only its owner knows.
/// Rooms and room services are asked at [`Route::ToRoom`], everything else
/// that is not an account is taken for the server.
pub(super) fn asked(envelope: &Envelope) -> Option<Entity> {
    let stanza = envelope.as_stanza()?;
    if !may_ask(stanza) || stanza.type_() != Some(&Type::Get) {
        return None;
    }
    let query = stanza.child("query", ns::DISCO_INFO)?;
    if query.attr("node").is_some() {
        return None;
    }
    let to = stanza.to();
    match (&envelope.route, to) {
        // From another domain, the server is asked at the address of an
        // account without a name.
        (Route::ToAccount(account), _) => Some(match account.node() {
            Some(_) => Entity::Account(account.clone()),
            None => Entity::Server(account.domain().to_owned()),
        }),
        (Route::ToRoom(room), Some(to)) if to.is_bare() => Some(match room.node() {
            Some(_) => Entity::Room(room.clone()),
            None => Entity::RoomService(room.domain().to_owned()),
        }),
        (Route::FromSession(session), Some(to))
            if to.is_bare() && to.node().is_some() && session.to_bare() == *to =>
        {
            Some(Entity::Account(session.to_bare()))
        }
        (Route::FromSession(session), None) => Some(Entity::Account(session.to_bare())),
        (Route::FromSession(session), Some(to))
            if to.node().is_none() && to.is_bare() && to.domain() == session.domain() =>
        {
            Some(Entity::Server(session.domain().to_owned()))
        }
        _ => None,
    }
}

/// Adds the features to the disco#info result among the answers, each once.
pub(super) fn add(outcome: &mut Outcome, announces: &[Cow<'static, str>]) {
    let answers = outcome
        .emits
        .iter_mut()
        .filter(|emit| matches!(emit.kind, EmitKind::Answer))
        .map(|emit| &mut emit.stanza);
    for answer in answers {
        if answer.type_() != Some(&Type::Result) {
            continue;
        }
        let Some(query) = answer.child("query", ns::DISCO_INFO) else {
            continue;
        };
        let known: Vec<_> = query
            .children()
            .filter_map(|child| child.attr("var"))
            .collect();
        let missing: Vec<_> = announces
            .iter()
            .filter(|feature| !known.contains(&feature.as_ref()))
            .collect();
        if missing.is_empty() {
            continue;
        }
        let mut query = query.to_element();
        for feature in missing {
            query.push(Element::new("feature", ns::DISCO_INFO).with_attr("var", feature.as_ref()));
        }
        answer.remove_child("query", ns::DISCO_INFO);
        answer.push(query);
    }
}
