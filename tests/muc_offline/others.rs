//! The account's side beside layers that have a say of their own.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use jid::{BareJid, FullJid};
use tower::{Layer, Service, service_fn};
use tower_xmpp::flow::{Envelope, Facts, Occupancy, Original, Outcome, Reach, Route};
use tower_xmpp::middleware::Shell;
use tower_xmpp::muc_offline::{
    AccountLimits, MucOfflineAccount, Notify, Registration, Registrations,
};
use tower_xmpp::stanza::{Condition, Stanza, Time};
use tower_xmpp::store::MemoryRegistrations;

use super::house::{ROOM, submit};

const ALICE: &str = "alice@a.example";

/// Whether the account is itself in every room.
struct Everywhere(bool);

impl Occupancy for Everywhere {
    fn known(&self, _: &BareJid, _: &BareJid) -> bool {
        self.0
    }

    fn sessions(&self, _: &BareJid, _: &BareJid) -> Vec<FullJid> {
        Vec::new()
    }
}

/// How often devices were to be woken.
#[derive(Default)]
struct Woken(Mutex<usize>);

impl Notify for Woken {
    fn notify(&self, _: &BareJid, _: &Stanza) {
        *self.0.lock().unwrap() += 1;
    }
}

/// What a room's message to Alice, who registered, comes to: the facts with which
/// it goes on, and how often it wakes. Another layer has set the reach, and one
/// further in may refuse it.
fn comes_to(is_joined: bool, reach: Reach, is_refused: bool) -> (Facts, usize) {
    let (room, alice): (BareJid, BareJid) = (ROOM.parse().unwrap(), ALICE.parse().unwrap());
    let store = Arc::new(MemoryRegistrations::default());
    block_on(store.put(Registration::new(room, alice.clone()))).unwrap();
    let account = block_on(MucOfflineAccount::open(store, AccountLimits::default())).unwrap();
    let woken = Arc::new(Woken::default());
    let account = account
        .occupancy(Arc::new(Everywhere(is_joined)))
        .notify(woken.clone());
    let went_on = Arc::new(Mutex::new(None));
    let seen = went_on.clone();
    let bottom = move |envelope: Envelope| {
        let outcome = match envelope.as_stanza() {
            Some(stanza) if is_refused => Outcome::refused(stanza, Condition::PolicyViolation),
            _ => Outcome::of(Original::Consumed),
        };
        *seen.lock().unwrap() = Some(envelope.facts.clone());
        async { Ok::<_, Infallible>(outcome) }
    };
    let message = format!(
        "<message from='{ROOM}/Bob' to='{ALICE}' type='groupchat' id='m1'><body>hi</body></message>"
    );
    let message = Stanza::parse(message.as_bytes()).unwrap();
    let mut envelope = Envelope::stanza(Time::EPOCH, Route::ToAccount(alice), message);
    envelope.facts.reach = reach;
    let mut stack = Shell::of(account).layer(service_fn(bottom));
    let Ok(_) = block_on(stack.call(envelope));
    let woken = *woken.0.lock().unwrap();
    let went_on = went_on.lock().unwrap().take();
    (went_on.expect("it goes on"), woken)
}

#[test]
fn a_message_for_who_is_away_goes_on_for_nobody_and_wakes() {
    let (facts, woken) = comes_to(false, Reach::Rfc, false);
    assert_eq!(facts.reach, Reach::Only([].into()));
    assert_eq!((facts.wanted, woken), (true, 1));
}

#[test]
fn what_comes_for_an_account_that_is_in_the_room_is_left_alone() {
    let (facts, woken) = comes_to(true, Reach::Rfc, false);
    assert_eq!((facts.reach, facts.wanted, woken), (Reach::Rfc, false, 0));
}

#[test]
fn what_another_layer_has_spoken_for_is_left_alone() {
    let phone: FullJid = "alice@a.example/phone".parse().unwrap();
    let reach = Reach::Only([phone].into());
    let (facts, woken) = comes_to(false, reach.clone(), false);
    assert_eq!(facts.reach, reach);
    assert_eq!((facts.wanted, woken), (false, 0));
}

#[test]
fn what_is_refused_further_in_wakes_nobody() {
    assert_eq!(comes_to(false, Reach::Rfc, true).1, 0);
}

#[test]
fn only_the_session_that_asked_learns_from_the_answer() {
    let (room, alice): (BareJid, BareJid) = (ROOM.parse().unwrap(), ALICE.parse().unwrap());
    for (session, known) in [("desk", 0), ("phone", 1)] {
        let store = Arc::new(MemoryRegistrations::default());
        let account = MucOfflineAccount::open(store.clone(), AccountLimits::default());
        let bottom = |_: Envelope| async { Ok::<_, Infallible>(Outcome::of(Original::Routed)) };
        let mut stack = Shell::of(block_on(account).unwrap()).layer(service_fn(bottom));
        let mut passes = |route: Route, stanza: Stanza| {
            let envelope = Envelope::stanza(Time::EPOCH, route, stanza);
            let Ok(_) = block_on(stack.call(envelope));
        };
        let phone = alice.with_resource_str("phone").unwrap();
        let request = Stanza::parse(submit("Alice", Some("1")).as_bytes()).unwrap();
        let request = request.with_from(phone.clone());
        passes(Route::FromSession(phone), request);
        let answer = Stanza::iq("result".into(), "r").with_from(room.clone());
        let answer = answer.with_to(alice.with_resource_str(session).unwrap());
        passes(Route::ToAccount(alice.clone()), answer);
        assert_eq!(block_on(store.all()).unwrap().len(), known, "{session}");
    }
}
