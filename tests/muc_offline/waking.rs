//! Which devices are woken by what a room writes to their account: the host's own
//! push service, as small as it can be, asks the filter that a client gave it.

use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use jid::BareJid;
use tower::ServiceBuilder;
use tower_xmpp::flow::{Outcome, Route};
use tower_xmpp::middleware::{Fault, Shell, from_fn};
use tower_xmpp::muc_offline::{
    AccountLimits, Limits, MucOfflineAccount, Notify, PushFilter, Settings,
};
use tower_xmpp::stanza::{Condition, Stanza, ns};
use tower_xmpp::store::MemoryRegistrations;
use tower_xmpp::testkit::{Session, World, xml};

use super::house::{ROOM, layer, refused, submit};

/// Alice's device, and what woke it.
#[derive(Default)]
struct Device {
    filter: Mutex<Option<PushFilter>>,
    woken: Mutex<Vec<String>>,
}

impl Device {
    /// Answers `<enable/>` (XEP-0357 §5).
    fn enable(&self, request: &Stanza) -> Option<Outcome> {
        let enable = request.child("enable", ns::PUSH)?;
        Some(match PushFilter::read(enable) {
            Ok(filter) => {
                *self.filter.lock().unwrap() = filter;
                Outcome::answered(request.reply())
            }
            Err(condition) => Outcome::refused(request, condition),
        })
    }
}

impl Notify for Device {
    fn notify(&self, _: &BareJid, message: &Stanza) {
        let filter = self.filter.lock().unwrap();
        if filter.as_ref().is_none_or(|it| it.decide(message).wakes()) {
            let body = message.body_text().unwrap_or_default();
            self.woken.lock().unwrap().push(body);
        }
    }
}

struct House {
    w: World,
    device: Arc<Device>,
    bob: Session,
    alice: Session,
}

impl House {
    /// Alice has registered with the room and is away.
    fn new() -> Self {
        let w = World::new();
        let rooms = Arc::new(MemoryRegistrations::default());
        let rooms = layer(rooms, Settings::default(), Limits::default());
        w.host("muc.example", rooms).rooms("muc.example");
        let device = Arc::new(Device::default());
        let service = device.clone();
        let service = from_fn("push", move |envelope, next| {
            let request = envelope.as_stanza();
            let request = request.filter(|_| matches!(envelope.route, Route::FromSession(_)));
            let answer = request.and_then(|request| service.enable(request));
            async move {
                match answer {
                    Some(outcome) => Ok::<_, Fault>(outcome),
                    None => next.run(envelope).await,
                }
            }
        });
        let store = Arc::new(MemoryRegistrations::default());
        let account = block_on(MucOfflineAccount::open(store, AccountLimits::default()));
        let account = account.expect("memory does not fail");
        let account = Shell::of(account.notify(device.clone()));
        let stack = ServiceBuilder::new().layer(account).layer(service);
        w.host("a.example", stack);
        let bob = w.session("bob@a.example/x");
        bob.joins("tea@muc.example/Bob");
        let alice = w.session("alice@a.example/phone");
        alice.asks(submit("Alice", Some("1")));
        Self {
            w,
            device,
            bob,
            alice,
        }
    }

    /// What wakes the device when Bob has said all this.
    fn wakes(&self, said: &[&str]) -> Vec<String> {
        for body in said {
            // Without an id nothing can be taken for what has come before.
            self.bob.send(xml!(
                "<message to='{ROOM}' type='groupchat'><body>{body}</body></message>"
            ));
            self.bob.expect("<message type='groupchat'/>");
        }
        std::mem::take(&mut self.device.woken.lock().unwrap())
    }
}

fn enable(room: &str) -> String {
    format!(
        "<iq type='set' id='e'><enable xmlns='urn:xmpp:push:0' jid='push.example' node='phone'>\
         <groupchat xmlns='tigase:push:filter:groupchat:0'>{room}</groupchat></enable></iq>"
    )
}

#[test]
fn a_device_is_woken_by_what_its_filter_lets_through() {
    let house = House::new();
    let said = ["hi all", "hi Alice"];
    assert_eq!(house.wakes(&said), said, "without a filter");
    for (room, woken) in [
        (format!("<room jid='{ROOM}' allow='always'/>"), &said[..]),
        (
            format!("<room jid='{ROOM}' allow='mentioned' nick='Alice'/>"),
            &said[1..],
        ),
        (format!("<room jid='{ROOM}' allow='never'/>"), &[]),
        (
            "<room jid='milk@muc.example' allow='always'/>".to_owned(),
            &[],
        ),
    ] {
        house.alice.asks(enable(&room));
        assert_eq!(house.wakes(&said), woken, "{room}");
    }
    house.w.finish();
}

#[test]
fn a_filter_that_is_not_understood_is_refused_and_the_former_stays() {
    let house = House::new();
    house
        .alice
        .asks(enable(&format!("<room jid='{ROOM}' allow='never'/>")));
    let mentioned = format!("<room jid='{ROOM}' allow='mentioned'/>");
    house.alice.send(xml!("{}", enable(&mentioned)));
    house.alice.expect(refused(Condition::BadRequest));
    assert!(house.wakes(&["hi"]).is_empty());
    house.w.finish();
}
