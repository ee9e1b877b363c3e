//! The account's side, whose account joins again while a question is open.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use futures::executor::block_on;
use jid::{BareJid, Jid};
use tower::{Layer, Service, service_fn};
use tower_xmpp::flow::{Envelope, Event, Original, Outcome, Route};
use tower_xmpp::muc_push::{MucPushAccountLayer, Targets};
use tower_xmpp::stanza::{Condition, Element, Stanza, StanzaError, Time, ns};
use tower_xmpp::store::MemoryTargets;

use super::house::ROOM;
use super::town::Sits;

/// What the layer sends when this passes it.
fn sent<S>(stack: &mut S, envelope: Envelope) -> Vec<Stanza>
where
    S: Service<Envelope, Response = Outcome, Error = Infallible>,
{
    let Ok(outcome) = block_on(stack.call(envelope));
    assert!(outcome.incidents.is_empty());
    outcome.emits.into_iter().map(|emit| emit.stanza).collect()
}

/// The account joins, and the room lets it in and is asked.
fn joins<S>(stack: &mut S) -> Stanza
where
    S: Service<Envelope, Response = Outcome, Error = Infallible>,
{
    let alice = alice();
    let seat: Jid = format!("{ROOM}/Alice").parse().unwrap();
    let join = "<presence><x xmlns='http://jabber.org/protocol/muc'/></presence>";
    let join = parse(join).with_from(alice.clone()).with_to(seat);
    let shown = parse(&format!(
        "<presence from='{ROOM}/Alice' to='{alice}'>\
         <x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x></presence>"
    ));
    for (route, presence) in [
        (Route::FromAccount(alice.clone()), join),
        (Route::ToAccount(alice), shown),
    ] {
        assert!(sent(stack, Envelope::stanza(Time::EPOCH, route, presence)).is_empty());
    }
    let asked = sent(stack, Envelope::event(Time::EPOCH, Event::Tick));
    let [asked] = asked.try_into().unwrap();
    asked
}

fn answer(question: &Stanza, answer: Answer) -> Stanza {
    match answer {
        Answer::Yes => {
            let feature = Element::new("feature", ns::DISCO_INFO).with_attr("var", ns::PUSH);
            let query = Element::new("query", ns::DISCO_INFO).with_child(feature);
            question.reply().with_child(query)
        }
        Answer::Error(condition) => {
            let error = question.error_reply(&StanzaError::new(condition));
            error.unwrap()
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Yes,
    Error(Condition),
}

fn alice() -> BareJid {
    "alice@a.example".parse().unwrap()
}

fn parse(xml: &str) -> Stanza {
    Stanza::parse(xml.as_bytes()).unwrap()
}

#[test]
fn of_two_open_questions_to_one_room_only_the_later_counts() {
    for (earlier, is_first) in [
        (Answer::Yes, true),
        (Answer::Yes, false),
        (Answer::Error(Condition::ResourceConstraint), true),
        (Answer::Error(Condition::ItemNotFound), true),
        (Answer::Error(Condition::ItemNotFound), false),
    ] {
        let store = Arc::new(MemoryTargets::default());
        let drawn = AtomicU8::new(0);
        let entropy = move |bytes: &mut [u8]| bytes.fill(drawn.fetch_add(1, Ordering::Relaxed));
        let layer =
            MucPushAccountLayer::open(store.clone(), Arc::new(entropy), Arc::new(Sits(true)));
        let bottom = |_: Envelope| async { Ok::<_, Infallible>(Outcome::of(Original::Routed)) };
        let mut stack = block_on(layer).unwrap().layer(service_fn(bottom));
        let (once, again) = (joins(&mut stack), joins(&mut stack));
        assert_ne!(once.id(), again.id());
        let mut answers = vec![answer(&once, earlier), answer(&again, Answer::Yes)];
        if !is_first {
            answers.reverse();
        }
        let mut told = Vec::new();
        for answer in answers {
            let envelope = Envelope::stanza(Time::EPOCH, Route::ToAccount(alice()), answer);
            told.extend(sent(&mut stack, envelope));
        }
        let case = format!("{earlier:?}, first: {is_first}");
        assert_eq!(told.len(), 1, "{case}: {told:?}");
        let enable = told[0].child("enable", ns::PUSH).unwrap();
        let kept = block_on(store.all()).unwrap();
        assert_eq!(kept.len(), 1, "{case}");
        assert_eq!(kept[0].node.as_deref(), enable.attr("node"), "{case}");
    }
}
