//! Accounts that sit in a room.

use std::sync::Arc;

use futures::FutureExt;
use jid::FullJid;
use tower_layer::Layer;
use tower_service::Service;
use tower_xmpp::account_muc::AccountMucLayer;
use tower_xmpp::flow::{EmitKind, Entropy, Envelope, Event, Outcome, Route};
use tower_xmpp::stanza::{Stanza, Time};
use tower_xmpp::store::MemorySeats;

use super::house::Nowhere;

/// What somebody says in a room, as the room sends it, with this archive ID.
pub fn said(account: &str, id: usize) -> Envelope {
    let said = format!(
        "<message from='tea@muc.example/Bob' to='{account}@a.example' type='groupchat' \
         id='0b6ae5ba-6b7a-4a0e'><body>Shall we meet at the station, or would you rather come \
         here first? I am in.</body>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='tea@muc.example' id='{id}'/>\
         <occupant-id xmlns='urn:xmpp:occupant-id:0' id='dd72603deec90a38ba552f7c68cbcc61'/>\
         </message>"
    );
    inward(account, &said)
}

pub fn layer() -> AccountMucLayer {
    let entropy: Arc<dyn Entropy> = Arc::new(|bytes: &mut [u8]| bytes.fill(7));
    AccountMucLayer::new(Arc::new(MemorySeats::default()), entropy)
}

/// A little later: the layer does what it does at times.
pub fn tick(layer: &AccountMucLayer) {
    let tick = Envelope::event(Time::from_secs(2), Event::Tick);
    let _ = now(layer.layer(Nowhere).call(tick));
}

/// The account is in the room with this many sessions, among so many others.
pub fn seated(layer: &AccountMucLayer, account: &str, sessions: usize, others: usize) {
    let mut stack = layer.layer(Nowhere);
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

/// Nothing in these stacks waits.
fn now<F, E>(pass: F) -> Outcome
where
    F: Future<Output = Result<Outcome, E>>,
    E: std::fmt::Debug,
{
    pass.now_or_never()
        .expect("it ends at once")
        .expect("nothing breaks")
}
