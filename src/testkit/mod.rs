//! The test kit: several parties, no sockets, no sleeps, a clock that the
//! test moves, and a world that is closed.
//!
//! # A test is a dialogue
//!
//! ```
//! use tower_xmpp::testkit::{World, xml};
//!
//! let w = World::new();
//! // Each host is a domain and its layers; `()` is none, a tuple or a
//! // `tower::ServiceBuilder` several. Hosts reach each other.
//! w.host("a.example", ()).host("b.example", ());
//!
//! let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]);
//! let bob = w.session("bob@b.example/x");
//! let alice = phone.account();
//!
//! bob.send(xml!("<message to='{alice}' type='chat' id='m1'><body>hi</body></message>"));
//!
//! // What the pattern names must be there; what it does not name may be.
//! let got = phone.expect(xml!("<message from='{bob}' id='$id'><body>hi</body></message>"));
//! assert_eq!(&got["id"], "m1");
//! desk.expect("<message><body>hi</body></message>");
//!
//! // Whatever was not expected fails the test.
//! w.finish();
//! ```
//!
//! # What moves when
//!
//! Sending only says what a client does. Everything moves in
//! [`World::settle`], until nothing moves any more: then what has not arrived
//! does not arrive, and its absence is proven. Expectations settle the world
//! first, so a test seldom says it. Time stands still until
//! [`World::advance`].
//!
//! In [`World::new`] what has begun is finished before the next thing begins.
//! In [`World::seeded`] the seed decides which of all things that could be
//! next is next: which client's stanza enters, which host works on, which
//! link delivers, which slow port answers. The same seed gives the same run,
//! and a failure prints it.
//!
//! # What is expected
//!
//! * [`Session::expect`]: the next stanza; [`Session::expect_all`]: the next
//!   few, in any order; [`Session::expect_carbon`]: a carbon copy;
//!   [`Session::expect_forwarded`]: anything else that forwards a stanza;
//!   [`Session::expect_nothing`]. How patterns are written stands at
//!   [`Pattern`].
//! * [`World::expect_broken`]: a layer that was made to break did.
//! * [`World::finish`]: nothing else came to anybody, broke, or is not over. If something did, the panic shows what led to it. A world that is
//!   dropped without it panics, too.
//!
//! ```text
//! the world did not end in silence: 1 left
//! 2026-01-01T00:00:00.000Z bob@b.example/x sends <message to='alice@a.example/phone' …
//! └─ at b.example, from session bob@b.example/x → Routed
//!    └─ b.example to a.example: <message …
//!       └─ at a.example, to account alice@a.example → Delivered(alice@a.example/phone)
//!          ├─ alice@a.example/phone gets <message …
//!          └─ fork: alice@a.example/desk gets <message …   ◄── nobody expected this
//! ```
//!
//! # What goes wrong on purpose
//!
//! | Fault | How |
//! |---|---|
//! | a connection breaks; comes back; does not | [`Session::hibernate`], [`resume`](Session::resume), [`expire`](Session::expire), [`lose`](Session::lose) |
//! | a client cannot resume, and starts over | [`Session::binds_anew`] |
//! | a client acknowledges late | [`Session::withhold_acks`], [`acks`](Session::acks) |
//! | a client does not read, its queue fills | [`Session::stop_reading`] |
//! | the link to another host is down | [`World::cut`], [`World::cut_with`] |
//! | a layer panics | [`panicking`] |
//! | a layer or port is slow | [`World::slow`], [`World::delayed`], [`slow`] |
//! | rooms crash; a whole host does, and is back | [`World::restart_rooms`]; [`World::crash`], [`World::start_again`] |
//! | a store fails, once or more often, is slow, or commits later | [`TroubledArchive`], [`Commits`]; for other ports, [`Faulty`] and [`Slow`] in a fake |
//!
//! # More than dialogues
//!
//! * **Rooms**: [`World::rooms`] adds them, [`Session::joins`] enters one;
//!   [`room`] is the machine behind them, which a server can run as well.
//! * **Events**: sessions say what a stream would negotiate
//!   ([`World::bind_with`]) and whether anybody looks ([`Session::active`]);
//!   [`World::event`] tells a host of anything else.
//! * **Invariants** that hold whoever sends what to whom: [`invariants`].
//! * **Scripts** that also judge a server over TCP: [`script`].
//! * **A client's duties** towards rooms that wake it: [`push_client`].
//! * **Pictures**: [`World::mermaid`]; `{w:?}` prints everything as a tree.
//!
//! # Your own code in a world
//!
//! A **layer** of your own stands in a host's stack like any other. A
//! **client** of your own is one side of a session: give it what
//! [`Session::take_next`] returns, and [`send`](Session::send) what it says.
//! A **server** of your own is tried by [`script`]s, and its layers here.
//!
//! ```
//! use tower_xmpp::stanza::Stanza;
//! use tower_xmpp::testkit::World;
//!
//! /// The client under test: it answers pings.
//! fn client(got: &Stanza) -> Option<Stanza> {
//!     got.has_child("ping", "urn:xmpp:ping").then(|| got.reply())
//! }
//!
//! let w = World::new();
//! w.host("a.example", ());
//! let [mine, other] = w.sessions("alice@a.example", ["mine", "other"]);
//! other.send(format!("<iq to='{mine}' type='get' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>"));
//! while let Some(got) = mine.take_next() {
//!     client(&got).map(|answer| mine.send(answer));
//! }
//! other.expect("<iq type='result' id='p1'/>");
//! w.finish();
//! ```

// A test kit fails by panicking: that is its way to speak. What it prints and
// counts is a test's, never a server's.
#![allow(
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test fails by a panic"
)]

mod archive;
mod chance;
mod expect;
mod faults;
pub mod invariants;
mod life;
mod link;
mod mermaid;
mod pattern;
pub mod push_client;
mod record;
pub mod room;
mod rooms;
mod schedule;
pub mod script;
mod seen;
mod serve;
mod server;
mod session;
mod slow;
mod state;
mod tree;
mod world;
mod xml;

pub use crate::xml;
pub use archive::{Commits, TroubledArchive};
pub use chance::SeededEntropy;
pub use expect::Carbon;
pub use faults::{Faulty, Injected, panicking, slow};
pub use link::WhileDown;
pub use pattern::{Got, Pattern};
pub use server::{Bottom, Server};
pub use session::{Session, Sessions};
pub use slow::Slow;
pub use world::{Layers, World};
pub use xml::{IntoStanza, Xml};
