//! A room with Bob in it, who owns it, and Alice with a phone; everybody can
//! be told by the room.

use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use tower::ServiceBuilder;
use tower_xmpp::flow::Route;
use tower_xmpp::middleware::{Shell, from_fn};
use tower_xmpp::muc_push::{Limits, MucPushRoom, Settings, Target, Targets};
use tower_xmpp::stanza::{Condition, Stanza};
use tower_xmpp::store::MemoryTargets;
use tower_xmpp::testkit::{Got, Session, World, xml};

pub const ROOM: &str = "tea@muc.example";
pub const PERSISTENT: (&str, &str) = ("muc#roomconfig_persistentroom", "1");
pub const SECRET: &str = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
    <value>http://jabber.org/protocol/pubsub#publish-options</value></field>\
    <field var='secret'><value>s3cret</value></field></x>";

pub struct House {
    pub w: World,
    pub store: Arc<MemoryTargets>,
    pub bob: Session,
    pub alice: Session,
    /// What the room asked anybody.
    pub sent: Sent,
}

pub type Sent = Arc<Mutex<Vec<Stanza>>>;

impl House {
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    pub fn with(settings: Settings) -> Self {
        let w = World::new();
        let store = Arc::new(MemoryTargets::default());
        let sent = Sent::default();
        let seen = sent.clone();
        let spy = from_fn("spy", move |envelope, next| {
            if let (Route::FromRoom { .. }, Some(stanza)) = (&envelope.route, envelope.as_stanza())
                && stanza.is_request()
            {
                seen.lock().unwrap().push(stanza.clone());
            }
            next.run(envelope)
        });
        let push = layer(&w, &store, settings);
        w.host("muc.example", ServiceBuilder::new().layer(push).layer(spy));
        w.rooms("muc.example").host("a.example", ());
        let bob = w.session("bob@a.example/x");
        let alice = w.session("alice@a.example/phone");
        let house = Self {
            w,
            store,
            bob,
            alice,
            sent,
        };
        house.bob.joins("tea@muc.example/Bob");
        house.bob.configures(ROOM, [PERSISTENT]);
        house
    }

    /// Bob makes somebody something to the room, or nothing in particular.
    pub fn affiliates(&self, account: &str, affiliation: &str) {
        self.bob.asks(xml!(
            "<iq type='set' id='a' to='{ROOM}'>\
             <query xmlns='http://jabber.org/protocol/muc#admin'>\
             <item affiliation='{affiliation}' jid='{account}'/></query></iq>"
        ));
        self.bob.take_all();
    }

    /// Alice enters with her phone, asks to be notified, and loses her seat
    /// without knowing it.
    pub fn alice_sleeps(&self) {
        self.alice_enters();
        self.enables(&self.alice, "alice@a.example/phone", "n1");
        self.crash();
    }

    pub fn alice_enters(&self) {
        self.alice.joins("tea@muc.example/Alice");
        self.bob.take_all();
    }

    /// The rooms forget who is there; Bob comes back.
    pub fn crash(&self) {
        self.w.restart_rooms("muc.example");
        self.bob.joins("tea@muc.example/Bob");
    }

    pub fn enables(&self, who: &Session, jid: &str, node: &str) {
        who.asks(enable(ROOM, jid, node, ""));
    }

    pub fn says(&self, id: &str) {
        self.says_all(id, "<body>hi</body>");
    }

    pub fn says_all(&self, id: &str, inside: &str) {
        self.bob.send(xml!(
            "<message to='{ROOM}' type='groupchat' id='{id}'>{inside}</message>"
        ));
        self.bob
            .expect(xml!("<message type='groupchat' id='{id}'/>"));
    }

    pub fn targets(&self) -> Vec<Target> {
        self.w.settle();
        block_on(self.store.all()).expect("memory does not fail")
    }
}

pub fn layer(w: &World, store: &Arc<MemoryTargets>, settings: Settings) -> Shell<MucPushRoom> {
    let opened = block_on(MucPushRoom::open(
        store.clone(),
        Arc::new(w.entropy()),
        Limits::default(),
    ));
    let feature = opened.expect("memory does not fail");
    Shell::of(feature.settings(settings).doors(w.doors("muc.example")))
}

pub fn enable(to: &str, jid: &str, node: &str, options: &str) -> String {
    format!(
        "<iq type='set' id='e' to='{to}'>\
         <enable xmlns='urn:xmpp:push:0' jid='{jid}' node='{node}'>{options}</enable></iq>"
    )
}

/// The next that comes is a notification of this node.
#[track_caller]
pub fn notified(session: &Session, node: &str) -> Got {
    session.expect(xml!(
        "<iq type='set' from='{ROOM}' id='$id'>\
         <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{node}'><item>\
         <notification xmlns='urn:xmpp:push:0'/></item></publish></pubsub></iq>"
    ))
}

pub fn answers(session: &Session, notification: &Got) {
    session.send(notification.stanza.reply());
}

pub fn refuses(session: &Session, notification: &Got, condition: Condition) {
    let error = notification.stanza.error_reply(&condition.into());
    session.send(error.expect("a request can be refused"));
}

pub fn refused(condition: Condition) -> String {
    format!(
        "<iq type='error'><error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
        condition = condition.as_str()
    )
}
