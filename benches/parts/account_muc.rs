//! What an account's seat in a room costs: `cargo bench --bench stack -- account_muc`.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use divan::{Bencher, black_box};
use jid::FullJid;
use tower_layer::Layer;
use tower_service::Service;
use tower_xmpp::account_muc::AccountMucLayer;
use tower_xmpp::flow::{EmitKind, Entropy, Envelope, Original, Outcome, Reach, Route};
use tower_xmpp::stanza::{Stanza, Time};
use tower_xmpp::store::MemorySeats;

use super::{house, now};

const SAID: &str = "<message from='tea@muc.example/Bob' to='alice@a.example' type='groupchat' \
    id='0b6ae5ba-6b7a-4a0e'><body>Shall we meet at the station, or would you rather come here \
    first? I am in.</body><stanza-id xmlns='urn:xmpp:sid:0' by='tea@muc.example' id='1'/>\
    <occupant-id xmlns='urn:xmpp:occupant-id:0' id='dd72603deec90a38ba552f7c68cbcc61'/></message>";

/// A bottom that hands a stanza to each session of the reach, as the router does.
#[derive(Clone)]
struct Handing;

impl Service<Envelope> for Handing {
    type Response = Outcome;
    type Error = Infallible;
    type Future = Ready<Result<Outcome, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, envelope: Envelope) -> Self::Future {
        let sessions = match &envelope.facts.reach {
            Reach::Only(sessions) => sessions.clone(),
            _ => Vec::new(),
        };
        for _ in &sessions {
            black_box(envelope.as_stanza().cloned());
        }
        ready(Ok(Outcome::of(Original::Delivered(sessions))))
    }
}

/// Groupchat from the room to each session of the account.
#[divan::bench(args = [1, 3, 10], sample_size = 100)]
fn dispatch_to_sessions(bencher: Bencher<'_, '_>, sessions: usize) {
    let layer = layer();
    seated(&layer, "alice", sessions, 0);
    let mut stack = layer.layer(Handing);
    let mut number = 0;
    bencher
        .with_inputs(|| {
            number += 1;
            let said = SAID.replace("id='1'", &format!("id='{number}'"));
            inward("alice", &said)
        })
        .bench_local_values(|envelope| now(stack.call(envelope)));
}

/// Fifty accounts of a server join a room of fifty. What is allocated and not
/// freed is what fifty seats weigh.
#[divan::bench(sample_size = 1, sample_count = 5)]
fn fifty_seats_in_a_room_of_fifty(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(layer).bench_local_refs(|layer| {
        for account in 0..50 {
            seated(layer, &format!("alice{account}"), 1, 50);
        }
    });
}

fn layer() -> AccountMucLayer {
    let entropy: Arc<dyn Entropy> = Arc::new(|bytes: &mut [u8]| bytes.fill(7));
    AccountMucLayer::new(Arc::new(MemorySeats::default()), entropy)
}

/// The account is in the room with this many sessions, among so many others.
fn seated(layer: &AccountMucLayer, account: &str, sessions: usize, others: usize) {
    let mut stack = layer.layer(house::Nowhere);
    let mut pass = |envelope: Envelope| {
        for emit in now(stack.call(envelope)).emits {
            if let EmitKind::New(route @ Route::FromAccount(_)) = emit.kind {
                let _ = now(stack.call(Envelope::stanza(Time::from_secs(1), route, emit.stanza)));
            }
        }
    };
    for number in 0..sessions {
        let session: FullJid = format!("{account}@a.example/s{number}")
            .parse()
            .expect("a JID");
        let join = "<presence to='tea@muc.example/Alice'>\
            <x xmlns='http://jabber.org/protocol/muc'/></presence>";
        let join = Stanza::parse(join.as_bytes()).expect("XML");
        let join = join.with_from(session.clone());
        pass(Envelope::stanza(
            Time::from_secs(1),
            Route::FromSession(session),
            join,
        ));
    }
    for number in 0..others {
        pass(inward(
            account,
            &shown(account, &format!("Somebody {number}"), ""),
        ));
    }
    pass(inward(
        account,
        &shown(account, "Alice", "<status code='110'/>"),
    ));
    pass(inward(
        account,
        "<message from='tea@muc.example' type='groupchat'><subject>tea</subject></message>",
    ));
}

fn shown(account: &str, nick: &str, inside: &str) -> String {
    format!(
        "<presence from='tea@muc.example/{nick}' to='{account}@a.example'>\
         <c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://client.example' \
         ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>\
         <x xmlns='vcard-temp:x:update'><photo>01b87fcd030b72895ff8e88db57ec525450f000d</photo></x>\
         <occupant-id xmlns='urn:xmpp:occupant-id:0' id='dd72603deec90a38ba552f7c68cbcc61'/>\
         <x xmlns='http://jabber.org/protocol/muc#user'>\
         <item affiliation='member' role='participant'/>{inside}</x></presence>"
    )
}

fn inward(account: &str, xml: &str) -> Envelope {
    let account = format!("{account}@a.example").parse().expect("a JID");
    let stanza = Stanza::parse(xml.as_bytes()).expect("XML");
    Envelope::stanza(Time::from_secs(1), Route::ToAccount(account), stanza)
}
