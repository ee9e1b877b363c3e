//! What the path of a stanza costs.
//!
//! ```sh
//! cargo bench --bench stack
//! ```
//!
//! Machines differ and are shared: compare rows of one run, not of two.
//! Allocation counts do not depend on the machine.

#[path = "parts/account_muc.rs"]
mod account_muc;
#[path = "parts/deep.rs"]
mod deep;
#[path = "parts/fork.rs"]
mod fork;
#[path = "parts/house.rs"]
mod house;
#[path = "parts/seats.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod seats;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use divan::{AllocProfiler, Bencher, black_box};
use tower_service::Service;
use tower_xmpp::flow::Outcome;
use tower_xmpp::stanza::{Form, Frame, Kind, Limits, RawXml, Reader, Stanza, ns};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// A stanza that concerns nobody, through five layers with populated state.
#[divan::bench(args = house::UNCONCERNED, sample_size = 100)]
fn unconcerned_five_layers(bencher: Bencher<'_, '_>, kind: &str) {
    let mut stack = house::five_layers(house::Nowhere);
    let envelope = house::unconcerned(kind);
    bencher
        .with_inputs(|| envelope.clone())
        .bench_local_values(|envelope| now(stack.call(envelope)));
}

/// The same without layers: what the harness, the envelope's end and the
/// bottom cost.
#[divan::bench(args = house::UNCONCERNED, sample_size = 100)]
fn unconcerned_no_layer(bencher: Bencher<'_, '_>, kind: &str) {
    let mut stack = house::Nowhere;
    let envelope = house::unconcerned(kind);
    bencher
        .with_inputs(|| envelope.clone())
        .bench_local_values(|envelope| now(stack.call(envelope)));
}

/// Reading a 304-byte chat message.
#[divan::bench(sample_size = 1_000)]
fn parse() -> Stanza {
    chat()
}

/// The same, arriving in two pieces: rxml reads it.
#[divan::bench(sample_size = 1_000)]
fn parse_in_pieces(bencher: Bencher<'_, '_>) {
    let (first, second) = house::CHAT_304.as_bytes().split_at(152);
    let mut reader = Reader::new(Limits::default());
    reader.push(b"<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams'>");
    assert!(matches!(reader.next(), Ok(Some(Frame::Open(_)))));
    bencher.bench_local(|| {
        reader.push(black_box(first));
        assert!(matches!(reader.next(), Ok(None)));
        reader.push(second);
        reader.next()
    });
}

/// Writing it again, from the bytes it came as.
#[divan::bench(sample_size = 1_000)]
fn write(bencher: Bencher<'_, '_>) {
    let stanza = chat();
    bencher.bench_local(|| {
        let mut out = Vec::with_capacity(512);
        stanza.write(&mut out, Form::Stream);
        out
    });
}

/// A clone: what every further holder of the stanza costs.
#[divan::bench(sample_size = 1_000)]
fn clone(bencher: Bencher<'_, '_>) {
    let stanza = chat();
    bencher.bench_local(|| stanza.clone());
}

/// Adding an archive ID and writing.
#[divan::bench(sample_size = 1_000)]
fn stamp_and_write(bencher: Bencher<'_, '_>) {
    let stanza = chat();
    bencher.bench_local(|| {
        let mut stamped = stanza.clone();
        stamped.push(
            RawXml::build("stanza-id", ns::SID)
                .attr("by", "alice7@a.example")
                .attr("id", "-abcdefghijklmnopqrstuvwxyz")
                .finish(),
        );
        let mut out = Vec::with_capacity(512);
        stamped.write(&mut out, Form::Stream);
        out
    });
}

/// The archive layer: cleanse, decide, append to memory, stamp.
#[divan::bench(sample_size = 1_000)]
fn archive_layer(bencher: Bencher<'_, '_>) {
    let mut stack = tower_layer::Layer::layer(&house::archive(), house::Nowhere);
    let envelope = house::inward(chat());
    bencher
        .with_inputs(|| envelope.clone())
        .bench_local_values(|envelope| now(stack.call(envelope)));
}

/// One carbon copy of a stanza that was on the wire, built and written.
#[divan::bench(sample_size = 1_000)]
fn carbon_copy(bencher: Bencher<'_, '_>) {
    let stanza = chat();
    let [phone] = &house::sessions(1)[..] else {
        unreachable!("one was asked for");
    };
    // As the layer has it.
    let account = phone.to_bare();
    let mut out = Vec::with_capacity(1024);
    bencher.bench_local(|| {
        out.clear();
        let wrapped = stanza.as_raw_in(&[("received", ns::CARBONS), ("forwarded", ns::FORWARD)]);
        let mut copy = Stanza::between(Kind::Message, None, account.clone(), phone.clone());
        copy.push(wrapped);
        copy.write(&mut out, Form::Stream);
        black_box(&out);
    });
}

/// The same from a tree that is copied whole.
#[divan::bench(sample_size = 1_000)]
fn carbon_copy_deep(bencher: Bencher<'_, '_>) {
    let tree = deep::tree(&chat());
    let mut out = Vec::with_capacity(1024);
    bencher.bench_local(|| {
        out.clear();
        deep::carbon(&tree, "alice7@a.example/device0", &mut out);
        black_box(&out);
    });
}

/// One message to many: each gets a stanza of its own `to`, written into its
/// own buffer's end.
#[divan::bench(args = [10, 100, 1_000])]
fn fan_out(bencher: Bencher<'_, '_>, recipients: usize) {
    let stanza = chat();
    let sessions = house::sessions(recipients);
    let mut out = Vec::with_capacity(recipients * 512);
    bencher.bench_local(|| {
        out.clear();
        let split = stanza.split_at_to();
        for session in &sessions {
            split.write_for(session, &mut out);
        }
        black_box(&out);
    });
}

/// The same by cloning and serialising a tree for each.
#[divan::bench(args = [10, 100, 1_000])]
fn fan_out_deep(bencher: Bencher<'_, '_>, recipients: usize) {
    let tree = deep::tree(&chat());
    let sessions = house::sessions(recipients);
    let mut out = Vec::with_capacity(recipients * 512);
    bencher.bench_local(|| {
        out.clear();
        for session in &sessions {
            deep::clone_and_serialise(&tree, session.as_str(), &mut out);
        }
        black_box(&out);
    });
}

fn chat() -> Stanza {
    Stanza::parse(house::CHAT_304.as_bytes()).expect("XML")
}

/// Nothing in these stacks waits. Polled where it stands, as a conductor does.
fn now<F, E>(pass: F) -> Outcome
where
    F: Future<Output = Result<Outcome, E>>,
    E: std::fmt::Debug,
{
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(pass).poll(&mut cx) {
        Poll::Ready(outcome) => outcome.expect("nothing breaks"),
        Poll::Pending => unreachable!("it ends at once"),
    }
}
