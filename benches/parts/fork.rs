//! What copies cost: `cargo bench --bench stack -- fork`.

#[path = "../../tests/common/house.rs"]
#[allow(dead_code, reason = "the tests of the conductor use the rest")]
mod host;

use divan::{Bencher, black_box};
use futures::FutureExt;
use futures::future::join_all;
use tower_service::Service;
use tower_xmpp::flow::{EmitKind, Envelope, Route};
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::host::{Router, Settings, conduct};
use tower_xmpp::middleware::Feature;
use tower_xmpp::stanza::{Element, Form, Stanza, Time, ns};

use host::House;

use super::{chat, house, now};

/// What passes an account of which no session wants copies.
const NOBODY: [(&str, &str); 4] = [
    ("chat to it", ""),
    ("chat from it", ""),
    (
        "ping from it",
        "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>",
    ),
    (
        "presence of a room to it",
        "<presence><x xmlns='http://jabber.org/protocol/muc#user'/></presence>",
    ),
];

/// Whether it concerns the layer, among 1,000 accounts with carbons on.
#[divan::bench(args = NOBODY.map(|(kind, _)| kind), sample_size = 1_000)]
fn concerns_nobody(bencher: Bencher<'_, '_>, kind: &str) {
    let layer = populated();
    let envelope = nobodys(kind);
    bencher.bench_local(|| layer.feature().concerns(black_box(&envelope)));
}

/// What is decided to be shared with nobody: how much more than the bottom the
/// layer costs that looked at it in each session's mode.
#[divan::bench(args = MODES, sample_size = 1_000)]
fn decides_to_share_with_nobody(bencher: Bencher<'_, '_>, mode: &str) {
    let sessions = house::sessions(3);
    let mut stack = house::forking(&sessions, mode, house::OneSession(sessions[0].clone()));
    // For one session, and out of every mode.
    let mut stanza = chat().with_to(sessions[0].clone());
    for (name, namespace) in [("private", ns::CARBONS), ("im-ng", ns::IM_NG)] {
        stanza.push(Element::new(name, namespace));
    }
    let envelope = house::inward(stanza);
    bencher
        .with_inputs(|| envelope.clone())
        .bench_local_values(|envelope| now(stack.call(envelope)));
}

const MODES: [&str; 4] = [ns::CARBONS, ns::MR2, ns::GOAL, ns::IM_NG];

/// From the entrance to the last outbox: driver, layer, router, one delivery
/// and a copy for each of the other devices.
#[divan::bench(args = [1, 3, 10], sample_size = 100)]
fn end_to_end(bencher: Bencher<'_, '_>, devices: usize) {
    let sessions = house::sessions(devices + 1);
    let host = House::of(&sessions);
    let stack = house::carbons(&sessions, Router::new(host.clone()));
    let (conductor, drivers) = conduct(stack, host.clone(), Settings::default());
    let mut driver = Box::pin(join_all(drivers));
    let envelope = house::inward(chat().with_to(sessions[0].clone()));
    bencher
        .with_inputs(|| envelope.clone())
        .bench_local_values(|envelope| {
            conductor.post(envelope);
            assert!((&mut driver).now_or_never().is_none(), "it never ends");
            let delivered = std::mem::take(&mut *host.delivered.lock().expect("no poison"));
            assert_eq!(delivered.len(), devices + 1);
            delivered
        });
}

/// One delivery, and a copy for each of the other devices.
#[divan::bench(args = [1, 3, 10], sample_size = 100)]
fn copies_to_devices(bencher: Bencher<'_, '_>, devices: usize) {
    copies(bencher, devices, |_| {});
}

/// The same, and the copies written.
#[divan::bench(args = [1, 3, 10], sample_size = 100)]
fn copies_to_devices_written(bencher: Bencher<'_, '_>, devices: usize) {
    let mut out = Vec::with_capacity(16 * 1024);
    copies(bencher, devices, |stanza| {
        stanza.write(&mut out, Form::Stream);
        black_box(&out);
        out.clear();
    });
}

fn copies(bencher: Bencher<'_, '_>, devices: usize, mut each: impl FnMut(&Stanza)) {
    let sessions = house::sessions(devices + 1);
    let bottom = house::OneSession(sessions[0].clone());
    let mut stack = house::carbons(&sessions, bottom);
    let envelope = house::inward(chat());
    bencher
        .with_inputs(|| envelope.clone())
        .bench_local_values(|envelope| {
            let outcome = now(stack.call(envelope));
            assert_eq!(outcome.emits.len(), devices);
            for emit in &outcome.emits {
                debug_assert!(matches!(emit.kind, EmitKind::Copy));
                each(&emit.stanza);
            }
            outcome
        });
}

fn populated() -> ForkLayer {
    let layer = ForkLayer::new();
    let mut stack = tower_layer::Layer::layer(&layer, house::Nowhere);
    for number in 0..1_000 {
        let session = format!("user{number}@a.example/desk");
        let _ = now(stack.call(house::bound(session.parse().expect("a JID"))));
    }
    layer
}

fn nobodys(kind: &str) -> Envelope {
    let xml = NOBODY.iter().find(|(known, _)| *known == kind);
    let stanza = match xml {
        Some((_, xml)) if !xml.is_empty() => Stanza::parse(xml.as_bytes()).expect("XML"),
        _ => chat(),
    };
    let route = match kind.ends_with("to it") {
        true => Route::ToAccount("carol@a.example".parse().expect("a JID")),
        false => Route::FromSession("carol@a.example/x".parse().expect("a JID")),
    };
    Envelope::stanza(Time::from_secs(1), route, stanza)
}
