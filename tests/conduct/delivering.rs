//! Who gets what: sessions that have gone, reaches, fates, broadcasts.

use std::sync::{Arc, Mutex};

use futures::FutureExt;
use jid::FullJid;
use tower_xmpp::flow::{Emit, Envelope, Fate, Original, Reach, Route, Snapshot, Target};
use tower_xmpp::host::{Settings, expire};
use tower_xmpp::middleware::{Next, from_fn};
use tower_xmpp::stanza::{Stanza, Time, Type};

use super::common::house::House;
use super::common::{alice, bob, chat, from_alice};
use super::{numbered, plain, run, session};

#[test]
fn a_message_between_two_local_users_passes_on_both_sides() {
    let carol = session("carol@a.example/x");
    let house = House::of(std::slice::from_ref(&carol));
    let routes = Arc::new(Mutex::new(Vec::new()));
    let seen = routes.clone();
    let watch = from_fn("watch", move |envelope: Envelope, next: Next| {
        seen.lock().unwrap().push(envelope.route.to_string());
        next.run(envelope)
    });
    run(watch, &house, Settings::default(), |conductor| {
        conductor.post(from_alice(chat().with_to(carol)));
    });
    assert_eq!(
        *routes.lock().unwrap(),
        [
            "from session alice@a.example/phone",
            "to account carol@a.example"
        ]
    );
    let delivered = house.delivered.lock().unwrap();
    assert_eq!(delivered[0].fate, Fate::Reroute);
    assert_eq!(delivered[0].stanza.from(), Some(&alice().into()));
}

#[test]
fn a_session_that_vanished_meanwhile_was_never_there() {
    let (old, new) = (
        session("carol@a.example/old"),
        session("carol@a.example/new"),
    );
    let house = Arc::new(House {
        sessions: vec![old.clone()],
        vanished: vec![old.clone()],
        keeps_offline: true,
        ..House::default()
    });
    let to_bare = || chat().with_to(old.to_bare());
    let tickets = Mutex::new(Vec::new());
    run(plain(), &house, Settings::default(), |conductor| {
        let route = Route::ToAccount(old.to_bare());
        let envelope = Envelope::stanza(Time::from_secs(1), route, to_bare());
        tickets.lock().unwrap().push(conductor.enter(envelope));
    });
    let ticket = tickets.into_inner().unwrap().pop().unwrap();
    let outcome = ticket.now_or_never().unwrap().unwrap();
    assert_eq!(outcome.original, Original::Stored);

    let house = Arc::new(House {
        sessions: vec![old.clone(), new.clone()],
        vanished: vec![old.clone()],
        ..House::default()
    });
    run(plain(), &house, Settings::default(), |conductor| {
        let route = Route::ToAccount(old.to_bare());
        conductor.post(Envelope::stanza(Time::from_secs(1), route, to_bare()));
    });
    assert_eq!(house.delivered.lock().unwrap()[0].session, new);
}

#[test]
fn a_reach_of_which_everybody_has_vanished_is_as_none() {
    let old = session("carol@a.example/old");
    for reach_all in [false, true] {
        let house = Arc::new(House {
            vanished: vec![old.clone()],
            keeps_offline: true,
            ..House::default()
        });
        let named = [old.clone()].into();
        let reach = match reach_all {
            false => Reach::Besides(named),
            true => Reach::Only(named),
        };
        let ticket = Mutex::new(None);
        run(plain(), &house, Settings::default(), |conductor| {
            let route = Route::ToAccount(old.to_bare());
            let mut envelope =
                Envelope::stanza(Time::from_secs(1), route, chat().with_to(old.to_bare()));
            envelope.facts.reach = reach;
            *ticket.lock().unwrap() = Some(conductor.enter(envelope));
        });
        let ticket = ticket.into_inner().unwrap().unwrap();
        let outcome = ticket.now_or_never().unwrap().unwrap();
        // Who named all recipients wants nobody else instead.
        let wanted = match reach_all {
            false => Original::Stored,
            true => Original::Delivered([].into()),
        };
        assert_eq!(outcome.original, wanted);
    }
}

#[test]
fn what_a_layer_sends_anew_keeps_its_fate_and_its_reach() {
    let [one, two] = ["one", "two"].map(|name| session(&format!("carol@a.example/{name}")));
    let house = House::of(&[one.clone(), two.clone()]);
    let reach = two.clone();
    let sends = from_fn("sends", move |envelope: Envelope, next: Next| {
        let is_first = matches!(envelope.route, Route::FromSession(_));
        let emit = is_first.then(|| {
            let route = Route::ToAccount(reach.to_bare());
            let stanza = numbered(7).with_to(reach.to_bare());
            let mut emit = Emit::new_at(route, stanza).with_fate(Fate::Drop);
            emit.target = Target::Session(reach.clone());
            emit
        });
        async move {
            let mut outcome = next.run(envelope).await?;
            outcome.emits.extend(emit);
            Ok(outcome)
        }
    });
    run(sends, &house, Settings::default(), |conductor| {
        conductor.post(from_alice(chat()));
    });
    let delivered = house.delivered.lock().unwrap();
    let [delivery] = delivered.as_slice() else {
        panic!("{delivered:?}");
    };
    assert_eq!((&delivery.session, delivery.fate), (&two, Fate::Drop));
}

#[test]
fn unacknowledged_stanzas_meet_their_fates() {
    let carol = session("carol@a.example/new");
    let house = House::of(&[carol.clone(), alice()]);
    let dead = session("carol@a.example/dead");
    let unacked = |stanza: Stanza| {
        let house = House::of(std::slice::from_ref(&dead));
        run(plain(), &house, Settings::default(), |conductor| {
            let route = Route::ToAccount(dead.to_bare());
            let stanza = stanza.with_from(alice()).with_to(dead.clone());
            conductor.post(Envelope::stanza(Time::from_secs(1), route, stanza));
        });
        house.delivered.lock().unwrap().pop().expect("delivered")
    };
    let body = |type_: Type, id: &str| {
        Stanza::message()
            .with_type(type_)
            .with_id(id)
            .with_text_child("body", "hi")
    };
    let dropped = unacked(body(Type::Groupchat, "dropped"));
    let rerouted = unacked(body(Type::Chat, "rerouted"));
    let nowhere = unacked(body(Type::Normal, "nowhere"));
    let asked = unacked(Stanza::iq(Type::Get, "asked"));
    let emits = expire([dropped, rerouted, nowhere, asked]);
    run(plain(), &house, Settings::default(), |conductor| {
        conductor.carry_out(Time::from_secs(2), emits);
    });
    let delivered = house.delivered.lock().unwrap();
    let mut became: Vec<_> = delivered
        .iter()
        .map(|delivery| {
            let stanza = &delivery.stanza;
            let what = if stanza.is_error() {
                "error"
            } else {
                "original"
            };
            let id = stanza.id().unwrap_or_default();
            format!("{id}: {what} to {}", delivery.session)
        })
        .collect();
    became.sort();
    assert_eq!(
        became,
        [
            "asked: error to alice@a.example/phone",
            // RFC 6121 §8.5.3.2.1: normal to a session that is gone.
            "nowhere: error to alice@a.example/phone",
            "rerouted: original to carol@a.example/new",
        ]
    );
}

#[test]
fn what_a_room_broadcasts_passes_once_and_then_once_per_local_recipient() {
    let (carol, dave) = (session("carol@a.example/x"), session("dave@a.example/y"));
    let house = House::of(&[carol.clone(), dave.clone()]);
    let routes = Arc::new(Mutex::new(Vec::new()));
    let seen = routes.clone();
    let watch = from_fn("watch", move |envelope: Envelope, next: Next| {
        seen.lock().unwrap().push(envelope.route.to_string());
        next.run(envelope)
    });
    let snapshot = Snapshot {
        room: "room@rooms.a.example".parse().unwrap(),
        occupants: Vec::new(),
        members: Vec::new(),
        members_only: false,
        revision: 1,
    };
    let said = Stanza::message()
        .with_type(Type::Groupchat)
        .with_from("room@rooms.a.example/nick".parse::<FullJid>().unwrap());
    let audience = [carol.clone().into(), bob(), dave.clone().into()];
    let emit = Emit::room_broadcast(snapshot.into(), audience, said);
    run(watch, &house, Settings::default(), |conductor| {
        conductor.carry_out(Time::from_secs(0), vec![emit]);
    });
    assert_eq!(
        *routes.lock().unwrap(),
        [
            "broadcast by room@rooms.a.example",
            "to account carol@a.example",
            "to account dave@a.example"
        ]
    );
    let delivered = house.delivered.lock().unwrap();
    let to: Vec<_> = delivered
        .iter()
        .map(|one| one.stanza.to().cloned())
        .collect();
    assert_eq!(to, [Some(carol.into()), Some(dave.into())]);
    let sent = house.sent.lock().unwrap();
    assert_eq!((sent.len(), sent[0].to()), (1, Some(&bob())));
    assert_eq!(house.heard.lock().unwrap()[..], ["room@rooms.a.example"]);
}
