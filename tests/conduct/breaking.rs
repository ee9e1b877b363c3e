//! What breaks, loops or cannot be addressed.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::join_all;
use tower_layer::Layer;
use tower_xmpp::flow::{Emit, Envelope, Original, Outcome};
use tower_xmpp::host::{Router, Settings, conduct};
use tower_xmpp::middleware::{Next, from_fn};
use tower_xmpp::stanza::{Condition, Stanza, Type};

use super::common::house::House;
use super::common::{alice, bob, from_alice, to_alice};
use super::{numbered, plain, run, session};

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
