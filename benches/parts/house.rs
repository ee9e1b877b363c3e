//! A populated stack, and stanzas for it.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, RwLock};
use std::task::{Context, Poll};

use futures::executor::block_on;
use jid::{FullJid, Jid};
use tower_layer::Layer;
use tower_service::Service;
use tower_xmpp::archive::ArchiveLayer;
use tower_xmpp::flow::{Entropy, Envelope, Event, Original, Outcome, Route};
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::middleware::{Fault, Feature, Next, Shell, Sieve};
use tower_xmpp::stanza::{Kind, MessageType, NsSet, Stanza, Time, ns};
use tower_xmpp::store::MemoryArchive;

/// How many accounts have state in each layer.
const ACCOUNTS: usize = 10_000;

/// What real servers route most of: none of it concerns an archive or carbons.
pub const UNCONCERNED: [&str; 3] = ["iq", "presence", "typing"];

pub const CHAT_304: &str = "<message xmlns='jabber:client' from='bob@b.example/desk' \
    to='alice7@a.example/phone' type='chat' id='0b6ae5ba-6b7a-4a0e' xml:lang='en'>\
    <body>Shall we meet at the station, or would you rather come here first? I am in.</body>\
    <active xmlns='http://jabber.org/protocol/chatstates'/>\
    <request xmlns='urn:xmpp:receipts'/></message>";

/// A bottom that routes everything and does nothing.
#[derive(Clone)]
pub struct Nowhere;

/// A bottom that delivers everything to one session.
#[derive(Clone)]
pub struct OneSession(pub FullJid);

/// Stands in for a layer of room traffic: it looks up owner and peer of what
/// might be such traffic among many, as such a layer must. The layers that
/// are written take these places.
struct Rooms {
    name: &'static str,
    services: Sieve,
    known: RwLock<HashMap<Box<str>, HashSet<Box<str>>>>,
}

impl Feature for Rooms {
    fn name(&self) -> &'static str {
        self.name
    }

    fn concerns(&self, envelope: &Envelope) -> bool {
        envelope
            .as_stanza()
            .is_some_and(|stanza| may_be_of_a_room(stanza) && self.knows(stanza, &envelope.route))
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        next.run(envelope).await
    }
}

fn may_be_of_a_room(stanza: &Stanza) -> bool {
    match stanza.kind() {
        Kind::Presence => true,
        Kind::Message => {
            stanza.message_type() == MessageType::Groupchat || stanza.mentions(ns::MUC_USER)
        }
        Kind::Iq => stanza.mentions_any(&REQUESTS),
    }
}

const REQUESTS: NsSet = NsSet::of(&[ns::REGISTER, ns::PUSH]);

impl Rooms {
    fn knows(&self, stanza: &Stanza, route: &Route) -> bool {
        let peer = match route {
            Route::FromSession(_) => stanza.to(),
            _ => stanza.from(),
        };
        let (Some(owner), Some(peer)) = (route.owner(), peer) else {
            return false;
        };
        if !self.services.may_hold(peer.domain().as_str()) {
            return false;
        }
        let known = self.known.read().expect("no poison");
        known
            .get(bare(owner))
            .is_some_and(|rooms| rooms.contains(bare(peer)))
    }
}

/// Archive, fork, and three of the coming kind, each with state of 10,000
/// accounts.
pub fn five_layers<S>(
    bottom: S,
) -> impl Service<Envelope, Response = Outcome, Error = S::Error> + Clone
where
    S: Service<Envelope, Response = Outcome> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    let mut stack = tower::ServiceBuilder::new()
        .layer(rooms("seats"))
        .layer(archive())
        .layer(ForkLayer::new())
        .layer(rooms("members"))
        .layer(rooms("targets"))
        .service(bottom);
    // A tenth of the accounts has a session with carbons on.
    for number in (0..ACCOUNTS).step_by(10) {
        let session = format!("alice{number}@a.example/phone");
        let heard = stack.call(bound(session.parse().expect("a JID")));
        assert!(block_on(heard).is_ok());
    }
    stack
}

/// Archive alone.
pub fn archive() -> ArchiveLayer {
    let counter = std::sync::atomic::AtomicU64::new(0);
    let entropy = move |bytes: &mut [u8]| {
        let next = counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = (next >> (8 * (place % 8))) as u8;
        }
    };
    let entropy: Arc<dyn Entropy> = Arc::new(entropy);
    ArchiveLayer::new(Arc::new(MemoryArchive::default()), entropy)
}

/// Fork alone, with carbons on at these sessions of Alice's.
pub fn carbons<S>(sessions: &[FullJid], bottom: S) -> <ForkLayer as Layer<S>>::Service
where
    S: Service<Envelope, Response = Outcome> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    forking(sessions, ns::CARBONS, bottom)
}

/// The same in the mode of this namespace.
pub fn forking<S>(sessions: &[FullJid], mode: &str, bottom: S) -> <ForkLayer as Layer<S>>::Service
where
    S: Service<Envelope, Response = Outcome> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    let mut stack = ForkLayer::new().layer(bottom);
    for session in sessions {
        assert!(block_on(stack.call(bound_in(session.clone(), mode))).is_ok());
    }
    stack
}

/// A session is bound and has carbons on.
pub fn bound(session: FullJid) -> Envelope {
    bound_in(session, ns::CARBONS)
}

fn bound_in(session: FullJid, mode: &str) -> Envelope {
    let enabled = vec![mode.to_owned()];
    let bound = Event::SessionBound { session, enabled };
    Envelope::event(Time::from_secs(0), bound)
}

/// A stanza of this kind that concerns none of the five layers.
pub fn unconcerned(kind: &str) -> Envelope {
    let session: FullJid = "alice7@a.example/phone".parse().expect("a JID");
    let xml = match kind {
        "iq" => {
            "<iq type='get' id='q1' from='alice7@a.example/phone' to='bob@b.example/desk'>\
             <query xmlns='jabber:iq:last'/></iq>"
        }
        "presence" => {
            "<presence from='alice7@a.example/phone' to='bob@b.example'>\
             <show>away</show><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' \
             node='urn:example' ver='q07IKJEyjvHSyhy//CH0CxmKi8w='/></presence>"
        }
        _ => {
            "<message type='chat' from='alice7@a.example/phone' to='bob@b.example/desk'>\
             <composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
        }
    };
    let stanza = Stanza::parse(xml.as_bytes()).expect("XML");
    Envelope::stanza(Time::from_secs(1), Route::FromSession(session), stanza)
}

/// The chat message, on its way to Alice.
pub fn inward(stanza: Stanza) -> Envelope {
    let account = "alice7@a.example".parse().expect("a JID");
    Envelope::stanza(Time::from_secs(1), Route::ToAccount(account), stanza)
}

pub fn sessions(count: usize) -> Vec<FullJid> {
    (0..count)
        .map(|number| {
            format!("alice7@a.example/device{number}")
                .parse()
                .expect("a JID")
        })
        .collect()
}

fn rooms(name: &'static str) -> Shell<Rooms> {
    let known = (0..ACCOUNTS)
        .map(|number| {
            let account = format!("alice{number}@a.example").into();
            let rooms = (0..3).map(|room| format!("room{room}@muc.example").into());
            (account, rooms.collect())
        })
        .collect();
    let services = Sieve::default();
    services.insert("muc.example");
    Shell::of(Rooms {
        name,
        services,
        known: RwLock::new(known),
    })
}

fn bare(jid: &Jid) -> &str {
    jid.as_str().split('/').next().unwrap_or_default()
}

impl Service<Envelope> for Nowhere {
    type Response = Outcome;
    type Error = Infallible;
    type Future = Ready<Result<Outcome, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Envelope) -> Self::Future {
        ready(Ok(Outcome::of(Original::Routed)))
    }
}

impl Service<Envelope> for OneSession {
    type Response = Outcome;
    type Error = Infallible;
    type Future = Ready<Result<Outcome, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Envelope) -> Self::Future {
        let delivered = Original::Delivered(vec![self.0.clone()]);
        ready(Ok(Outcome::of(delivered)))
    }
}
