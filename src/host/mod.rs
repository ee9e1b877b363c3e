//! The other half of the work: what a server gives to a stack, and what a
//! stack demands of it.
//!
//! # Four steps
//!
//! 1. Implement [`Host`]: whose address is this, which sessions has this
//!    account, put this into that session's queue, send that elsewhere.
//! 2. Put [`Router`] at the bottom of your layers (or a router of your own:
//!    any `Service<Envelope, Response = Outcome>`).
//! 3. Give both to [`conduct`], and run the [`Driver`]s on your runtime.
//! 4. From every entrance (client TCP, WebSocket, server-to-server, your own
//!    rooms) call [`Conductor::enter`], and nothing else.
//!
//! # The contract
//!
//! What the layers promise rests on these:
//!
//! * **One way in.** Every stanza that a session sends or that arrives for an
//!   account or room of yours enters through the conductor, once, in the order
//!   in which it arrived. `from` of what a session sends has been set or
//!   checked before (RFC 6120 §8.1.2.1).
//! * **One way out.** Everything that reaches a session goes through
//!   [`Host::deliver`], and there through that session's [`Outbox`]: the one
//!   place where stanzas wait. Delivering never blocks; a session that does
//!   not read is ended, not waited for.
//! * **Enqueueing is delivery.** A hibernating session (XEP-0198) counts as
//!   reached. When it expires, what it never acknowledged goes to [`expire`],
//!   with the fate that came with each delivery. What is acknowledged is just
//!   dropped.
//! * **Handled is more than passed.** A layer may leave something to be settled
//!   after the pass, such as a commit. Who acknowledges what clients send
//!   (XEP-0198) counts a stanza when [`Ticket::handled`] resolves, in order:
//!   [`Handled`] does both.
//! * **Events come first.** The end of a session enters as an event before
//!   the unavailable presence that the host makes for it.
//! * **Time passes.** [`Event::Tick`](crate::flow::Event::Tick) enters every
//!   few seconds; layers have no other timer.
//! * **`from` may be an account.** A layer may send in the name of a bare
//!   JID; do not put a resource there.
//! * **Directed presence** (RFC 6121 §4.6) is tracked from what leaves the
//!   stack, in [`Host::directed`], not from what the client sent: a layer may
//!   have taken it in.
//!
//! # Order
//!
//! A stanza of a session waits until the session's previous one is through,
//! and what is for an account or room waits for its predecessors there. So
//! two stanzas from one sender to one recipient never overtake each other,
//! and a slow store delays its own account alone. Which lane a pass takes
//! stands at [`Route`](crate::flow::Route).
//!
//! # The smallest host
//!
//! `examples/minimal.rs`, whole; `examples/README.md` goes on from there.
//!
//! ```
#![doc = include_str!("../../examples/minimal.rs")]
//! ```

mod carry;
mod conduct;
mod contract;
mod delivery;
mod direct;
mod driver;
mod expire;
mod handled;
mod outbox;
mod pass;
mod router;

pub use conduct::{Closed, Conductor, Settings, Ticket, conduct};
pub use contract::{Delivery, Host, Place, Undelivered};
pub use delivery::{Availability, BareMessages, Verdict, delivery};
pub use driver::Driver;
pub use expire::expire;
pub use handled::Handled;
pub use outbox::Outbox;
pub use router::{Router, Routing};
