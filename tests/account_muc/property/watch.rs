//! What goes between the layer and the room, and what is made to go wrong there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jid::BareJid;
use tower::ServiceBuilder;
use tower_xmpp::account_muc::{AccountMuc, AccountMucLayer};
use tower_xmpp::flow::{Drop, Envelope, Occupancy, Outcome, Reach, Route, What};
use tower_xmpp::middleware::{Shell, from_fn};
use tower_xmpp::stanza::{Kind, Stanza, Time, Type, ns};
use tower_xmpp::store::MemorySeats;
use tower_xmpp::testkit::{Layers, World};

use super::super::house::ROOM;
use super::RESOURCES;

/// What goes between the layer and the room.
#[derive(Default)]
pub struct Watch {
    /// Since when an account's join awaits its answer, and under which id.
    pub in_flight: Mutex<BTreeMap<BareJid, (Time, Option<String>)>>,
    /// How many there were.
    pub joins: Mutex<usize>,
    pub violations: Mutex<Vec<String>>,
}

/// What goes wrong on purpose, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    Nothing,
    /// Joins leave in the session's name.
    JoinsAsSession,
    /// Each join leaves twice.
    JoinsTwice,
    /// Clients' errors reach the room.
    LetsErrorsThrough,
    /// What the room says reaches every session.
    TellsEverybody,
    /// An occupant who leaves is not shown to leave.
    HidesWhoLeaves,
    /// The room never hears that the account leaves, nor that it is not there.
    NeverLeaves,
}

impl Watch {
    /// On its way to the room, or anywhere.
    fn goes(&self, at: Time, stanza: &Stanza, rooms: &AccountMuc) {
        let to_room = stanza.to().is_some_and(|to| to.to_bare().as_str() == ROOM);
        let Some(from) = stanza.from().filter(|_| to_room) else {
            return;
        };
        // From an account that has no seat there it is any stranger's.
        if stanza.is_error() && rooms.known(&from.to_bare(), &ROOM.parse().unwrap()) {
            self.violated("an error goes to the room", stanza);
        }
        let by_request = stanza.is_type(&Type::Set) && stanza.has_child("join", ns::MUC2);
        let by_presence = stanza.kind() == Kind::Presence && stanza.has_child("x", ns::MUC);
        if stanza.kind() == Kind::Presence && stanza.is_type(&Type::Unavailable) {
            self.in_flight.lock().unwrap().remove(&from.to_bare());
        } else if by_presence || by_request {
            if from.is_full() {
                self.violated("a session joins", stanza);
            }
            let join = (at, stanza.id().map(str::to_owned));
            let before = self.in_flight.lock().unwrap().insert(from.to_bare(), join);
            *self.joins.lock().unwrap() += 1;
            if before.is_some_and(|(before, _)| at.since(before) < Duration::from_secs(60)) {
                self.violated("two joins are in flight", stanza);
            }
        }
    }

    /// Comes from the room.
    fn comes(&self, account: &BareJid, stanza: &Stanza) {
        let from_room = stanza
            .from()
            .is_some_and(|it| it.to_bare().as_str() == ROOM);
        let is_answer = [110, 301, 307, 332]
            .into_iter()
            .any(|code| stanza.has_muc_status(code));
        let mut in_flight = self.in_flight.lock().unwrap();
        let is_result = stanza.is_response()
            && in_flight
                .get(account)
                .is_some_and(|(_, id)| id.as_deref() == stanza.id());
        let shows = stanza.kind() == Kind::Presence && (stanza.is_error() || is_answer);
        if from_room && (shows || is_result) {
            in_flight.remove(account);
        }
    }

    fn violated(&self, rule: &str, stanza: &Stanza) {
        let violation = format!("{rule}: {}", stanza.to_xml());
        self.violations.lock().unwrap().push(violation);
    }
}

pub fn layer(w: &World, store: &Arc<MemorySeats>) -> AccountMucLayer {
    Shell::of(AccountMuc::new(store.clone(), Arc::new(w.entropy())))
}

/// The layer with the watch around it, and what is planted.
pub fn watched(layer: AccountMucLayer, watch: &Arc<Watch>, plant: Plant) -> impl Layers {
    let (outside, inside) = (watch.clone(), watch.clone());
    let rooms = layer.feature().clone();
    let comes = from_fn("comes", move |envelope, next| {
        let mut hidden = false;
        if let (Route::ToAccount(account), Some(stanza)) = (&envelope.route, envelope.as_stanza()) {
            outside.comes(account, stanza);
            hidden = plant == Plant::HidesWhoLeaves && is_gone(stanza);
        }
        async move {
            match hidden {
                true => Ok(Outcome::dropped(Drop::Filtered)),
                false => next.run(envelope).await,
            }
        }
    });
    let goes = from_fn("goes", move |mut envelope, next| {
        let hidden = spoil(plant, &mut envelope);
        let is_outward = matches!(
            envelope.route,
            Route::FromAccount(_) | Route::FromSession(_)
        );
        if let Some(stanza) = envelope.as_stanza().filter(|_| is_outward && !hidden) {
            inside.goes(envelope.at, stanza, &rooms);
            if plant == Plant::JoinsTwice {
                inside.goes(envelope.at, stanza, &rooms);
            }
        }
        async move {
            match hidden {
                true => Ok(Outcome::dropped(Drop::Filtered)),
                false => next.run(envelope).await,
            }
        }
    });
    ServiceBuilder::new().layer(comes).layer(layer).layer(goes)
}

fn is_gone(presence: &Stanza) -> bool {
    presence.is_type(&Type::Unavailable)
        && [110, 303]
            .into_iter()
            .all(|code| !presence.has_muc_status(code))
}

/// Does what is planted. Says whether the stanza is to vanish.
fn spoil(plant: Plant, envelope: &mut Envelope) -> bool {
    let Some(stanza) = envelope.as_stanza() else {
        return false;
    };
    let to_room = stanza.to().is_some_and(|to| to.to_bare().as_str() == ROOM);
    let Some(from) = stanza.from().cloned() else {
        return false;
    };
    let stanza = stanza.clone();
    match plant {
        Plant::NeverLeaves => {
            let is_talk = matches!(envelope.route, Route::ToAccount(_)) && stanza.has_body();
            (to_room && stanza.is_type(&Type::Unavailable))
                || (is_talk && envelope.facts.reach == Reach::Rfc)
        }
        Plant::JoinsAsSession if to_room && stanza.has_child("x", ns::MUC) => {
            let session = from.to_bare().with_resource_str("phone").unwrap();
            envelope.what = What::Stanza(stanza.with_from(session));
            false
        }
        Plant::LetsErrorsThrough if to_room && stanza.has_body() => {
            envelope.what = What::Stanza(stanza.with_type(Type::Error));
            false
        }
        Plant::TellsEverybody if matches!(envelope.facts.reach, Reach::Only(_)) => {
            let account = envelope.route.owner_bare().unwrap();
            let all = RESOURCES.map(|resource| account.with_resource_str(resource).unwrap());
            envelope.facts.reach = Reach::Only(all.into());
            false
        }
        _ => false,
    }
}
