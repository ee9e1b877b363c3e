//! Who has to wait: what is slow for one account is slow for that account alone.

mod common;

use std::sync::Mutex;

use common::house::House;
use common::{alice, chat};
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{OptionFuture, join_all};
use jid::FullJid;
use tower_layer::Layer;
use tower_xmpp::flow::{Envelope, Route};
use tower_xmpp::host::{Router, Settings, conduct};
use tower_xmpp::middleware::{Next, from_fn};
use tower_xmpp::stanza::Time;

fn carol() -> FullJid {
    "carol@a.example/x".parse().unwrap()
}

fn to(session: &FullJid, id: &str) -> Envelope {
    let stanza = chat().with_to(session.clone()).with_id(id);
    let route = Route::ToAccount(session.to_bare());
    Envelope::stanza(Time::from_secs(1), route, stanza)
}

#[test]
fn a_slow_account_does_not_delay_another() {
    let house = House::of(&[alice(), carol()]);
    let slow_for_alice = from_fn("slow", |envelope: Envelope, next: Next| async move {
        if envelope.route.owner_bare() == Some(alice().to_bare()) {
            std::future::pending::<()>().await;
        }
        next.run(envelope).await
    });
    let stack = slow_for_alice.layer(Router::new(house.clone()));
    let (conductor, drivers) = conduct(stack, house.clone(), Settings::default());
    conductor.post(to(&alice(), "m1"));
    conductor.post(to(&carol(), "c1"));
    let _ = join_all(drivers).now_or_never();
    assert_eq!(house.ids(), ["c1"]);
}

#[test]
fn what_was_waited_for_goes_on_while_more_keeps_coming() {
    let house = House::of(&[alice(), carol()]);
    let (open, gate) = oneshot::channel::<()>();
    let (open, gate) = (Mutex::new(Some(open)), Mutex::new(Some(gate)));
    let waits = from_fn("waits", move |envelope: Envelope, next: Next| {
        let is_alice = envelope.route.owner_bare() == Some(alice().to_bare());
        let gate = gate.lock().unwrap().take_if(|_| is_alice);
        let open = open.lock().unwrap().take_if(|_| !is_alice);
        async move {
            drop(open);
            let _ = OptionFuture::from(gate).await;
            next.run(envelope).await
        }
    });
    let stack = waits.layer(Router::new(house.clone()));
    let (conductor, drivers) = conduct(stack, house.clone(), Settings::default());
    conductor.post(to(&alice(), "m1"));
    for _ in 0..200 {
        conductor.post(to(&carol(), "c"));
    }
    conductor.close();
    futures::executor::block_on(join_all(drivers));
    let place = house.ids().iter().position(|id| id == "m1");
    assert!(place.is_some_and(|place| place < 50), "{place:?}");
}
