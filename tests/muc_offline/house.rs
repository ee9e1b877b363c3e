//! A room on muc.example, Bob who talks in it, and Alice's server, which keeps
//! what comes for her account or refuses it.

use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use tower_xmpp::flow::{Original, Outcome, Route};
use tower_xmpp::middleware::Shell;
use tower_xmpp::middleware::{Fault, from_fn};
use tower_xmpp::muc_offline::{
    Limits, MucOfflineRoom, Registration, RegistrationError, Registrations, Settings,
};
use tower_xmpp::stanza::{Condition, MessageType, Stanza, StanzaError};
use tower_xmpp::store::MemoryRegistrations;
use tower_xmpp::testkit::{Session, World, xml};

pub const ROOM: &str = "tea@muc.example";

pub struct House {
    pub w: World,
    pub store: Arc<MemoryRegistrations>,
    pub mail: Mailbox,
    /// Owner of the room, and in it as Bob.
    pub bob: Session,
}

/// What came for bare JIDs of a.example, and what is answered to it.
#[derive(Clone, Default)]
pub struct Mailbox(Arc<Mutex<Post>>);

#[derive(Default)]
struct Post {
    came: Vec<Stanza>,
    refuse: Option<StanzaError>,
}

impl House {
    pub fn new() -> Self {
        Self::with(Settings::default(), Limits::default())
    }

    pub fn with(settings: Settings, limits: Limits) -> Self {
        Self::in_world(World::new(), settings, limits)
    }

    pub fn in_world(w: World, settings: Settings, limits: Limits) -> Self {
        let (store, mail) = (Arc::new(MemoryRegistrations::default()), Mailbox::default());
        w.host("muc.example", layer(store.clone(), settings, limits));
        w.rooms("muc.example");
        let post = mail.clone();
        let keep = from_fn("mailbox", move |envelope, next| {
            let taken = envelope
                .as_stanza()
                .filter(|_| matches!(envelope.route, Route::ToAccount(_)))
                .and_then(|stanza| post.take(stanza));
            async move {
                match taken {
                    Some(outcome) => Ok::<_, Fault>(outcome),
                    None => next.run(envelope).await,
                }
            }
        });
        w.host("a.example", keep);
        let bob = w.session("bob@a.example/x");
        bob.joins("tea@muc.example/Bob");
        let house = Self {
            w,
            store,
            mail,
            bob,
        };
        // Persistent, so that it outlives its occupants.
        house
            .bob
            .configures(ROOM, [("muc#roomconfig_persistentroom", "1")]);
        house
    }

    /// Bob gives somebody an affiliation, or a role.
    pub fn sets(&self, item: &str) {
        self.bob.send(xml!(
            "<iq type='set' id='admin' to='{ROOM}'>\
             <query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query></iq>"
        ));
        let came = self.bob.take_all();
        let done = |stanza: &Stanza| stanza.id() == Some("admin") && !stanza.is_error();
        assert!(came.iter().any(done), "{came:?}");
    }

    /// A session of Alice's registers as Alice, with this value in the field.
    pub fn alice(&self, offline: &str) -> Session {
        let alice = self.w.session("alice@a.example/phone");
        alice.asks(submit("Alice", Some(offline)));
        alice
    }

    /// Bob says something, and hears it himself.
    pub fn says(&self, id: &str) {
        self.says_all(id, &format!("<body>{id}</body>"));
    }

    pub fn says_all(&self, id: &str, inside: &str) {
        self.bob.send(xml!(
            "<message to='{ROOM}' type='groupchat' id='{id}'>{inside}</message>"
        ));
        self.bob
            .expect(xml!("<message type='groupchat' id='{id}'/>"));
    }

    /// Ids of what came for Alice's account since it was asked last.
    pub fn forwarded(&self) -> Vec<String> {
        self.w.settle();
        self.mail.ids("alice@a.example")
    }

    pub fn registrations(&self) -> Vec<Registration> {
        self.w.settle();
        block_on(self.store.all()).expect("memory does not fail")
    }

    pub fn finish(self) {
        let left = self.mail.0.lock().unwrap().came.len();
        assert_eq!(left, 0, "forwarded and not expected");
        self.w.finish();
    }
}

impl Mailbox {
    /// Takes what came for this account, and says with which ids.
    pub fn ids(&self, account: &str) -> Vec<String> {
        let taken = self.stanzas(account);
        let ids = taken
            .iter()
            .map(|stanza| stanza.id().unwrap_or("-").to_owned());
        ids.collect()
    }

    pub fn stanzas(&self, account: &str) -> Vec<Stanza> {
        let came = &mut self.0.lock().unwrap().came;
        let is_for = |stanza: &mut Stanza| stanza.to().is_some_and(|to| to.as_str() == account);
        came.extract_if(.., is_for).collect()
    }

    /// From now on what comes is refused like this.
    pub fn refuse(&self, error: impl Into<Option<StanzaError>>) {
        self.0.lock().unwrap().refuse = error.into();
    }

    fn take(&self, stanza: &Stanza) -> Option<Outcome> {
        let is_mail = stanza.message_type() == MessageType::Groupchat
            && stanza.kind() == tower_xmpp::stanza::Kind::Message
            && stanza.to().is_some_and(jid::Jid::is_bare);
        if !is_mail {
            return None;
        }
        let mut post = self.0.lock().unwrap();
        post.came.push(stanza.clone());
        Some(match &post.refuse {
            Some(error) => Outcome::refused(stanza, error.clone()),
            None => Outcome::of(Original::Consumed),
        })
    }
}

pub fn layer(
    store: Arc<MemoryRegistrations>,
    settings: Settings,
    limits: Limits,
) -> Shell<MucOfflineRoom> {
    let opened: Result<_, RegistrationError> =
        block_on(MucOfflineRoom::open(store, settings, limits));
    Shell::of(opened.expect("memory does not fail"))
}

/// A registration form, filled in.
pub fn submit(nick: &str, offline: Option<&str>) -> String {
    let offline = offline.map_or_else(String::new, |value| {
        format!(
            "<field var='{{http://tigase.org/protocol/muc}}offline'><value>{value}</value></field>"
        )
    });
    form(&format!(
        "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field>\
         <field var='muc#register_roomnick'><value>{nick}</value></field>{offline}"
    ))
}

pub fn form(fields: &str) -> String {
    query(&format!(
        "<x xmlns='jabber:x:data' type='submit'>{fields}</x>"
    ))
}

pub fn query(inside: &str) -> String {
    format!(
        "<iq type='set' id='r' to='{ROOM}'><query xmlns='jabber:iq:register'>{inside}</query></iq>"
    )
}

/// The pattern of the form with this value, as an answer shows it.
pub fn shown(offline: &str) -> String {
    format!(
        "<iq type='result'><query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='form'>\
         <field var='{{http://tigase.org/protocol/muc}}offline' type='boolean'>\
         <value>{offline}</value></field></x></query></iq>"
    )
}

pub const GET: &str =
    "<iq type='get' id='g' to='tea@muc.example'><query xmlns='jabber:iq:register'/></iq>";

/// The pattern of an error.
pub fn refused(condition: Condition) -> String {
    format!(
        "<iq type='error'><error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
        condition = condition.as_str()
    )
}
