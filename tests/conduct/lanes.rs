//! Lanes: order, what has begun, and how it ends.

use std::sync::Mutex;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{Either, join, join_all, select};
use tower_layer::Layer;
use tower_xmpp::flow::{Envelope, Event, Original};
use tower_xmpp::host::{Router, Settings, conduct};
use tower_xmpp::middleware::{Next, from_fn};
use tower_xmpp::stanza::{Condition, Time};

use super::common::house::House;
use super::common::{alice, bob, chat, from_alice, to_alice};
use super::{numbered, session};

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
