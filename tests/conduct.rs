//! Lanes, the hop budget, and what becomes of a pass whose caller has gone.

mod common;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use common::house::House;
use common::{alice, bob, chat, from_alice, to_alice};
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{Either, join, join_all, select};
use jid::FullJid;
use tower_layer::Layer;
use tower_xmpp::flow::{
    Emit, Envelope, Event, Fate, Original, Outcome, Reach, Route, Snapshot, Target,
};
use tower_xmpp::host::{Conductor, Router, Settings, conduct, expire};
use tower_xmpp::middleware::{Next, from_fn};
use tower_xmpp::stanza::{Condition, Stanza, Time, Type};

/// Sets up a stack of one layer over the house, lets `enter` use it, and runs
/// until everything that entered is through.
fn run<L>(layer: L, house: &Arc<House>, settings: Settings, enter: impl FnOnce(&Conductor))
where
    L: Layer<Router<House>>,
    L::Service: tower_service::Service<Envelope, Response = Outcome, Error = Infallible>
        + Clone
        + Send
        + Unpin
        + 'static,
    <L::Service as tower_service::Service<Envelope>>::Future: Send,
{
    let stack = layer.layer(Router::new(house.clone()));
    let (conductor, drivers) = conduct(stack, house.clone(), settings);
    enter(&conductor);
    conductor.close();
    futures::executor::block_on(join_all(drivers));
}

fn plain() -> tower_layer::Identity {
    tower_layer::Identity::new()
}

fn session(jid: &str) -> FullJid {
    jid.parse().unwrap()
}

fn numbered(number: usize) -> Stanza {
    chat().with_to(alice()).with_id(format!("m{number}"))
}

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
fn stanzas_of_one_lane_keep_their_order_although_the_first_waits() {
    let house = House::of(&[alice()]);
    let (open, gate) = oneshot::channel::<()>();
    let gate = Mutex::new(Some(gate));
    let slow_first = from_fn("slow", move |envelope: Envelope, next: Next| {
        let wait = gate.lock().unwrap().take();
        async move {
            if let Some(gate) = wait {
                gate.await?;
            }
            next.run(envelope).await
        }
    });
    let stack = slow_first.layer(Router::new(house.clone()));
    let (conductor, drivers) = conduct(stack, house.clone(), Settings::default());
    for number in 0..5 {
        conductor.post(to_alice(numbered(number)));
    }
    conductor.close();
    let mut drivers = join_all(drivers);
    assert!((&mut drivers).now_or_never().is_none(), "the first waits");
    assert!(house.ids().is_empty(), "nobody overtakes it");
    open.send(()).unwrap();
    futures::executor::block_on(drivers);
    assert_eq!(house.ids(), ["m0", "m1", "m2", "m3", "m4"]);
}

#[test]
fn a_pass_that_has_begun_is_finished_though_nobody_waits_for_it() {
    let house = House::of(&[alice()]);
    let (open, gate) = oneshot::channel::<()>();
    let gate = Mutex::new(Some(gate));
    let slow = from_fn("slow", move |envelope: Envelope, next: Next| {
        let gate = gate.lock().unwrap().take();
        async move {
            gate.expect("one pass").await?;
            next.run(envelope).await
        }
    });
    let (conductor, drivers) = conduct(
        slow.layer(Router::new(house.clone())),
        house.clone(),
        Settings::default(),
    );
    let ticket = conductor.enter(to_alice(numbered(1)));
    let mut drivers = join_all(drivers);
    assert!((&mut drivers).now_or_never().is_none());
    drop(ticket);
    conductor.close();
    open.send(()).unwrap();
    futures::executor::block_on(drivers);
    assert_eq!(house.ids(), ["m1"]);
}

#[test]
fn what_breaks_is_told_to_the_sender_and_an_iq_is_always_answered() {
    let house = House::of(&[alice()]);
    let failing = tower::layer::layer_fn(|_: Router<House>| {
        tower::service_fn(|_: Envelope| async { Err::<Outcome, _>("the disk is full") })
    });
    let panicking = tower::layer::layer_fn(|_: Router<House>| {
        tower::service_fn(|envelope: Envelope| async move {
            assert!(envelope.as_stanza().is_none(), "out of luck");
            Ok::<_, Infallible>(Outcome::of(Original::Heard))
        })
    });
    let ping = Stanza::iq(Type::Get, "p1")
        .with_from(alice())
        .with_to(bob());
    let (conductor, drivers) = conduct(
        failing.layer(Router::new(house.clone())),
        house.clone(),
        Settings::default(),
    );
    conductor.post(from_alice(ping.clone()));
    conductor.close();
    futures::executor::block_on(join_all(drivers));
    let (conductor, drivers) = conduct(
        panicking.layer(Router::new(house.clone())),
        house.clone(),
        Settings::default(),
    );
    conductor.post(from_alice(ping));
    conductor.close();
    futures::executor::block_on(join_all(drivers));

    let delivered = house.delivered.lock().unwrap();
    assert_eq!(delivered.len(), 2);
    for delivery in &*delivered {
        let error = delivery.stanza.error().expect("an error");
        assert_eq!(error.condition, Condition::ResourceConstraint);
        assert_eq!(error.type_, tower_xmpp::stanza::ErrorType::Wait);
        assert_eq!(delivery.stanza.id(), Some("p1"));
    }
    let broke = house.broke.lock().unwrap();
    assert_eq!(broke[0], "the disk is full");
    assert!(broke[1].contains("out of luck"), "{}", broke[1]);
}

#[test]
fn a_lane_that_is_full_refuses_stanzas_but_never_an_event() {
    let house = House::of(&[alice()]);
    let mut settings = Settings::default();
    settings.lane_capacity = 2;
    let stuck = from_fn("stuck", |_: Envelope, _: Next| std::future::pending());
    let (conductor, drivers) = conduct(
        stuck.layer(Router::new(house.clone())),
        house.clone(),
        settings,
    );
    // One runs, two wait, two are refused.
    let mut tickets: Vec<_> = (0..5)
        .map(|number| conductor.enter(from_alice(numbered(number).with_to(bob()))))
        .collect();
    let resumed = Event::SessionResumed { session: alice() };
    let event = conductor.enter(Envelope::event(Time::from_secs(1), resumed));
    let mut drivers = join_all(drivers);
    assert!((&mut drivers).now_or_never().is_none());
    let refused: Vec<_> = tickets
        .iter_mut()
        .filter_map(futures::FutureExt::now_or_never)
        .map(|outcome| outcome.map(|outcome| outcome.original))
        .collect();
    let bounced = Original::Bounced(Condition::ResourceConstraint);
    assert_eq!(refused, [Ok(bounced.clone()), Ok(bounced)]);
    assert_eq!(house.ids(), ["m3", "m4"], "their sender is told");
    assert!(event.now_or_never().is_none(), "the event waits its turn");
}

#[test]
fn a_loop_ends_at_the_hop_budget() {
    let house = House::of(&[alice()]);
    let rounds = Arc::new(Mutex::new(0));
    let counted = rounds.clone();
    // Answers every message with another one to the same account, under a
    // name that changes nothing: it is taken for the host's, so the guard
    // does not see it.
    let echo = from_fn("echo", move |envelope: Envelope, next: Next| {
        *counted.lock().unwrap() += 1;
        async move {
            let again = envelope.as_stanza().expect("a stanza").clone();
            let route = envelope.route.clone();
            let mut emit = Emit::new_at(route, again);
            emit.by = Some("host");
            Ok(next.run(envelope).await?.with(emit))
        }
    });
    run(echo, &house, Settings::default(), |conductor| {
        conductor.post(to_alice(numbered(1)));
    });
    assert_eq!(*rounds.lock().unwrap(), 17, "one, and sixteen that follow");
}

#[test]
fn an_emit_that_breaks_the_host_takes_nothing_else_with_it() {
    let (carol, dave) = (session("carol@a.example/x"), session("dave@a.example/x"));
    let house = Arc::new(House {
        sessions: vec![carol.clone(), dave.clone()],
        cursed: Some(dave.clone()),
        ..House::default()
    });
    // In front of the original, as carbons are.
    let copies = from_fn("copies", move |envelope: Envelope, next: Next| {
        let (stanza, dave) = (envelope.as_stanza().cloned(), dave.clone());
        async move {
            let mut outcome = next.run(envelope).await?;
            outcome
                .emits
                .splice(0..0, stanza.map(|stanza| Emit::copy(dave, stanza)));
            Ok(outcome)
        }
    });
    let mut ticket = None;
    run(copies, &house, Settings::default(), |conductor| {
        let message = numbered(1).with_to(carol.clone());
        ticket = Some(conductor.enter(from_alice(message)));
    });
    assert_eq!(house.ids(), ["m1"], "carol has it");
    let broke = house.broke.lock().unwrap().clone();
    assert!(
        broke.iter().all(|what| what.contains("cursed")),
        "{broke:?}"
    );
    assert_eq!(broke.len(), 2, "one copy on each pass");
    assert!(ticket.unwrap().now_or_never().unwrap().is_ok());
}

#[test]
fn an_address_that_is_none_is_not_the_own_account() {
    for kind in ["message", "presence", "iq type='get' id='q'"] {
        let house = House::of(&[alice()]);
        let name = kind.split(' ').next().unwrap();
        let xml = format!(
            "<{kind} from='{}' to='@@'><x xmlns='urn:x'/></{name}>",
            alice()
        );
        let stanza = Stanza::parse(xml.as_bytes()).unwrap();
        run(plain(), &house, Settings::default(), |conductor| {
            conductor.post(from_alice(stanza));
        });
        let delivered = house.delivered.lock().unwrap();
        let [answer] = delivered.as_slice() else {
            panic!("{kind}: {delivered:?}");
        };
        let error = answer.stanza.error().expect(kind);
        assert_eq!(error.condition, Condition::JidMalformed, "{kind}");
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
fn whoever_holds_a_ticket_is_told_that_the_driver_is_gone() {
    let house = House::of(&[alice()]);
    let stack = Router::new(house.clone());
    let (conductor, drivers) = conduct(stack, house, Settings::default());
    let early = conductor.enter(from_alice(chat()));
    drop(drivers);
    let late = conductor.enter(from_alice(chat()));
    assert!(early.now_or_never().expect("it is told").is_err());
    assert!(late.now_or_never().expect("it is told").is_err());
}

#[test]
fn a_driver_that_lets_others_run_says_that_it_has_more_to_do() {
    let house = House::of(&[]);
    let stack = Router::new(house.clone());
    let (conductor, mut drivers) = conduct(stack, house, Settings::default());
    let mut driver = drivers.remove(0);
    for number in 0..1_000 {
        conductor.post(from_alice(numbered(number)));
    }
    let mut turns = 0;
    while driver.has_waiting() {
        assert!((&mut driver).now_or_never().is_none());
        turns += 1;
    }
    assert!(turns > 1, "it has done all at once");
    conductor.close();
    assert!((&mut driver).now_or_never().is_some(), "something was left");
}

#[test]
fn closing_finishes_what_has_entered_and_lets_nothing_more_in() {
    let house = House::of(&[session("carol@a.example/x")]);
    let mut settings = Settings::default();
    settings.shards = 3;
    let (conductor, drivers) = conduct(Router::new(house.clone()), house.clone(), settings);
    for number in 0..20 {
        let to_carol = numbered(number).with_to(session("carol@a.example/x"));
        conductor.post(from_alice(to_carol));
    }
    conductor.close();
    let late = conductor.enter(from_alice(numbered(99)));
    let (_, late) = futures::executor::block_on(join(join_all(drivers), late));
    assert!(late.is_err());
    let wanted: Vec<_> = (0..20).map(|number| format!("m{number}")).collect();
    assert_eq!(
        house.ids(),
        wanted,
        "each two passes, on two shards, in order"
    );
}

#[test]
fn who_waits_until_it_is_idle_is_told_after_all_that_followed() {
    let house = House::of(&[session("carol@a.example/x")]);
    let mut settings = Settings::default();
    settings.shards = 3;
    let (conductor, drivers) = conduct(Router::new(house.clone()), house.clone(), settings);
    let mut drivers = join_all(drivers);
    for number in 0..20 {
        let to_carol = numbered(number).with_to(session("carol@a.example/x"));
        conductor.post(from_alice(to_carol));
    }
    let mut idle = std::pin::pin!(conductor.idle());
    assert!(
        (&mut idle).now_or_never().is_none(),
        "nothing has moved yet"
    );
    let ended = futures::executor::block_on(select(idle, &mut drivers));
    assert!(matches!(ended, Either::Left(_)), "the drivers go on");
    assert_eq!(house.ids().len(), 20);
    assert!(conductor.idle().now_or_never().is_some());
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
