//! What a host of the world answers by itself: little, so that a test sees
//! the layers and not the server.

use jid::{FullJid, Jid};

use crate::flow::{Emit, Envelope, Fate, Original, Outcome, Route};
use crate::stanza::{Condition, Element, Kind, Stanza, Type, ns};

use super::state::{Seat, State};

/// * `disco#info` of the server and of accounts, an empty roster, pings;
/// * presence without `to` sets the session's priority; there are no rosters,
///   so it reaches nobody, or the own sessions if the world says so;
///   unavailable presence follows directed presence (RFC 6121 §4.6.3);
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
    let mut directed = Vec::new();
    let mut before = None;
    if let Some(seat) = state.seat(session) {
        before = seat.priority;
        seat.priority = (!unavailable).then_some(priority.unwrap_or(0));
        seat.presence = (!unavailable).then(|| presence.clone());
        if unavailable {
            directed = std::mem::take(&mut seat.directed);
        }
    }
    if state.own_presence {
        let emits = own_presence(state, session, presence, before.is_none());
        outcome = emits.into_iter().fold(outcome, Outcome::with);
    }
    for to in directed {
        let also = presence.clone().with_to(to);
        let route = Route::FromSession(session.clone());
        outcome = outcome.with(Emit::new_at(route, also));
    }
    if before.is_none_or(|before| before < 0) && priority.unwrap_or(0) >= 0 && !unavailable {
        let kept = kept_for(state, session);
        outcome = kept.into_iter().fold(outcome, Outcome::with);
    }
    outcome
}

/// RFC 6121 §4.2.2, §4.4.2, §4.5.2: the account's available sessions hear it,
/// the sending one included; a session that was not available before hears
/// of the others.
fn own_presence(state: &State, session: &FullJid, presence: &Stanza, is_first: bool) -> Vec<Emit> {
    let Some(host) = state.host_of(session.domain().as_str()) else {
        return Vec::new();
    };
    let account = session.to_bare();
    let others = |seat: &&Seat| seat.session.to_bare() == account && seat.presence.is_some();
    let present: Vec<_> = state.hosts[host].seats.iter().filter(others).collect();
    let hearers: Vec<_> = present.iter().map(|seat| seat.session.clone()).collect();
    let mut emits = vec![Emit::broadcast(hearers, presence.clone())];
    let others = present.into_iter().filter(|seat| seat.session != *session);
    let known = others.filter_map(|seat| seat.presence.clone());
    let welcome = known.map(|presence| {
        let presence = presence.with_to(session.clone());
        Emit::copy(session.clone(), presence)
    });
    emits.extend(welcome.filter(|_| is_first));
    emits
}

/// XEP-0160 §3: what waited comes with the first presence that is not
/// negative, and says since when it waited (XEP-0203).
fn kept_for(state: &mut State, session: &FullJid) -> Vec<Emit> {
    let account = session.to_bare();
    let Some(offline) = &mut state.offline else {
        return Vec::new();
    };
    let kept = offline.extract_if(.., |kept| kept.account == account);
    kept.map(|kept| {
        let delay = Element::new("delay", ns::DELAY)
            .with_attr("from", account.domain().as_str())
            .with_attr("stamp", kept.at.to_string());
        Emit::copy(session.clone(), kept.stanza.with_child(delay)).with_fate(Fate::Reroute)
    })
    .collect()
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
