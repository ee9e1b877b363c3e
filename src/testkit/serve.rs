//! What a host of the world answers by itself: little, so that a test sees
//! the layers and not the server.

use jid::{FullJid, Jid};

use crate::flow::{Emit, Envelope, Original, Outcome, Route};
use crate::stanza::{Condition, Element, Kind, Stanza, Type, ns};

use super::state::State;

/// * `disco#info` of the server and of accounts, an empty roster, pings;
/// * presence without `to` sets the session's priority; it reaches nobody,
///   since there are no rosters, but unavailable presence follows directed
///   presence (RFC 6121 §4.6.3);
/// * subscriptions are passed on to the contact's sessions;
/// * everything else is refused with `service-unavailable`.
pub(super) fn serve(state: &mut State, host: usize, envelope: &Envelope) -> Outcome {
    let Some(stanza) = envelope.as_stanza() else {
        return Outcome::of(Original::Heard);
    };
    match (stanza.kind(), &envelope.route) {
        (_, Route::ToRoom(_)) => state.serve_room(host, envelope, stanza),
        (Kind::Iq, _) if stanza.is_request() => answer(&envelope.route, stanza),
        (Kind::Iq, _) => Outcome::of(Original::Consumed),
        (Kind::Presence, Route::FromSession(session)) if stanza.to().is_none() => {
            broadcast(state, session, stanza)
        }
        (Kind::Presence, Route::FromSession(_) | Route::FromAccount(_)) => {
            subscription(state, host, stanza)
        }
        (Kind::Presence, Route::ToAccount(account)) if !stanza.is_type(&Type::Probe) => {
            let account = Jid::from(account.clone());
            let sessions = state.hosts[host].availability(&account);
            sessions
                .into_iter()
                .filter(|known| known.priority.is_some())
                .map(|known| Emit::copy(known.session, stanza.clone()))
                .fold(Outcome::of(Original::Consumed), Outcome::with)
        }
        (Kind::Presence, _) => Outcome::of(Original::Consumed),
        (Kind::Message, _) => Outcome::refused(stanza, Condition::ServiceUnavailable),
    }
}

fn answer(route: &Route, request: &Stanza) -> Outcome {
    let is_get = request.is_type(&Type::Get);
    let payload = match request.payload() {
        Some(query) if query.is("query", ns::DISCO_INFO) && is_get => Some(info(route, request)),
        Some(query) if query.is("query", ns::DISCO_ITEMS) && is_get => {
            Some(Element::new("query", ns::DISCO_ITEMS))
        }
        Some(query) if query.is("query", ns::ROSTER) && is_get => {
            Some(Element::new("query", ns::ROSTER))
        }
        Some(ping) if ping.is("ping", ns::PING) && is_get => None,
        _ => return Outcome::refused(request, Condition::ServiceUnavailable),
    };
    let mut reply = request.reply();
    if let Some(payload) = payload {
        reply.push(payload);
    }
    Outcome::answered(reply)
}

fn info(route: &Route, request: &Stanza) -> Element {
    let account = match (request.to(), route) {
        (Some(to), _) => to.node().is_some(),
        (None, route) => route.session().is_some(),
    };
    let (category, type_) = if account {
        ("account", "registered")
    } else {
        ("server", "im")
    };
    Element::new("query", ns::DISCO_INFO)
        .with_child(
            Element::new("identity", ns::DISCO_INFO)
                .with_attr("category", category)
                .with_attr("type", type_),
        )
        .with_child(Element::new("feature", ns::DISCO_INFO).with_attr("var", ns::DISCO_INFO))
}

fn broadcast(state: &mut State, session: &FullJid, presence: &Stanza) -> Outcome {
    let mut outcome = Outcome::of(Original::Consumed);
    let unavailable = match presence.type_() {
        None => false,
        Some(Type::Unavailable) => true,
        Some(_) => return outcome,
    };
    let priority = presence
        .child("priority", ns::CLIENT)
        .and_then(|priority| priority.text().trim().parse().ok());
    if let Some(seat) = state.seat(session) {
        seat.priority = (!unavailable).then_some(priority.unwrap_or(0));
        if unavailable {
            for to in std::mem::take(&mut seat.directed) {
                let also = presence.clone().with_to(to);
                let route = Route::FromSession(session.clone());
                outcome = outcome.with(Emit::new_at(route, also));
            }
        }
    }
    outcome
}

fn subscription(state: &mut State, host: usize, presence: &Stanza) -> Outcome {
    let Some(to) = presence.to().map(Jid::to_bare) else {
        return Outcome::of(Original::Consumed);
    };
    // RFC 6121 §3.1.2: from and to the bare JIDs.
    let mut presence = presence.clone().with_to(to.clone());
    presence.set_from(presence.from().map(|from| from.to_bare().into()));
    let outcome = Outcome::of(Original::Routed);
    if to.domain() == &*state.hosts[host].domain {
        return outcome.with(Emit::new_at(Route::ToAccount(to), presence));
    }
    state.send(host, presence);
    outcome
}
