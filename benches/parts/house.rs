//! A populated stack, and stanzas for it.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures::executor::block_on;
use jid::{BareJid, FullJid};
use tower_layer::Layer;
use tower_service::Service;
use tower_xmpp::account_muc::AccountMucLayer;
use tower_xmpp::archive::ArchiveLayer;
use tower_xmpp::flow::{EmitKind, Entropy, Envelope, Event, Original, Outcome, Route};
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::middleware::together;
use tower_xmpp::muc_offline::{MucOfflineRoomLayer, Registration, Registrations};
use tower_xmpp::muc_push::{MucPushRoomLayer, Target, Targets};
use tower_xmpp::stanza::{Stanza, Time, ns};
use tower_xmpp::store::{MemoryArchive, MemoryRegistrations, MemorySeats, MemoryTargets};

/// How many accounts have state in each layer.
const ACCOUNTS: usize = 10_000;

/// What real servers route most of: none of it concerns an archive or carbons.
pub const UNCONCERNED: [&str; 3] = ["iq", "presence", "typing"];

pub const CHAT_304: &str = "<message xmlns='jabber:client' from='bob@b.example/desk' \
    to='alice7@a.example/phone' type='chat' id='0b6ae5ba-6b7a-4a0e' xml:lang='en'>\
    <body>Shall we meet at the station, or would you rather come here first? I am in.</body>\
    <active xmlns='http://jabber.org/protocol/chatstates'/>\
    <request xmlns='urn:xmpp:receipts'/></message>";

/// A bottom that routes everything and does nothing; like the router, not
/// before it is polled.
#[derive(Clone)]
pub struct Nowhere;

/// An envelope there.
pub struct Routed(Envelope);

/// A bottom that delivers everything to one session.
#[derive(Clone)]
pub struct OneSession(pub FullJid);

/// The five layers in their order, each with the state of 10,000 accounts.
pub fn five_layers<S>(
    bottom: S,
) -> impl Service<Envelope, Response = Outcome, Error = S::Error> + Clone
where
    S: Service<Envelope, Response = Outcome> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    let mut stack = together((
        seats(),
        archive(),
        ForkLayer::new(),
        registrations(),
        targets(),
    ))
    .layer(bottom);
    // A tenth of the accounts has a session with carbons on.
    for number in (0..ACCOUNTS).step_by(10) {
        let session = format!("alice{number}@a.example/phone")
            .parse()
            .expect("a JID");
        let enabled = vec![ns::CARBONS.to_owned()];
        let bound = Event::SessionBound { session, enabled };
        let heard = stack.call(Envelope::event(Time::from_secs(0), bound));
        assert!(block_on(heard).is_ok());
    }
    stack
}

/// Every account is in a room with its phone.
pub fn seats() -> AccountMucLayer {
    let layer = AccountMucLayer::new(Arc::new(MemorySeats::default()), entropy());
    let mut stack = layer.layer(Nowhere);
    for number in 0..ACCOUNTS {
        let session: FullJid = format!("alice{number}@a.example/phone")
            .parse()
            .expect("a JID");
        let join = format!(
            "<presence from='{session}' to='room{}@muc.example/Alice'>\
             <x xmlns='http://jabber.org/protocol/muc'/></presence>",
            number % 500
        );
        let join = Stanza::parse(join.as_bytes()).expect("XML");
        let entered = Envelope::stanza(Time::from_secs(0), Route::FromSession(session), join);
        let handed_over = block_on(stack.call(entered)).unwrap_or_else(|never| match never {});
        for emit in handed_over.emits {
            if let EmitKind::New(route) = emit.kind {
                let joins = Envelope::stanza(Time::from_secs(0), route, emit.stanza);
                let joined = block_on(stack.call(joins)).unwrap_or_else(|never| match never {});
                assert_eq!(
                    joined.original,
                    Original::Routed,
                    "the join goes to the room"
                );
            }
        }
    }
    layer
}

/// Every account has registered with a room of ours.
fn registrations() -> MucOfflineRoomLayer {
    let store = MemoryRegistrations::default();
    for number in 0..ACCOUNTS {
        let (room, account) = room_and_account(number);
        let kept = store.put(Registration::new(room, account));
        block_on(kept).expect("memory has room");
    }
    block_on(MucOfflineRoomLayer::open(Arc::new(store))).expect("memory can be read")
}

/// Every account wants to be notified by a room of ours.
fn targets() -> MucPushRoomLayer {
    let store = MemoryTargets::default();
    for number in 0..ACCOUNTS {
        let (room, account) = room_and_account(number);
        let kept = store.put(Target {
            jid: account.clone().into(),
            room,
            account,
            node: None,
            options: None,
        });
        block_on(kept).expect("memory has room");
    }
    block_on(MucPushRoomLayer::open(Arc::new(store), entropy())).expect("memory can be read")
}

fn room_and_account(number: usize) -> (BareJid, BareJid) {
    let jid = |text: String| text.parse().expect("a JID");
    (
        jid(format!("room{}@rooms.a.example", number % 500)),
        jid(format!("alice{number}@a.example")),
    )
}

pub fn entropy() -> Arc<dyn Entropy> {
    let counter = AtomicU64::new(0);
    Arc::new(move |bytes: &mut [u8]| {
        let next = counter.fetch_add(1, Ordering::Relaxed);
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = (next >> (8 * (place % 8))) as u8;
        }
    })
}

/// Archive alone.
pub fn archive() -> ArchiveLayer {
    ArchiveLayer::new(Arc::new(MemoryArchive::default()), entropy())
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

impl Service<Envelope> for Nowhere {
    type Response = Outcome;
    type Error = Infallible;
    type Future = Routed;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, envelope: Envelope) -> Routed {
        Routed(envelope)
    }
}

impl Future for Routed {
    type Output = Result<Outcome, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        black_box(&self.0);
        Poll::Ready(Ok(Outcome::of(Original::Routed)))
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
        let delivered = Original::Delivered([self.0.clone()].into());
        ready(Ok(Outcome::of(delivered)))
    }
}
