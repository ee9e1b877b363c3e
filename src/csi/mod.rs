//! Client state indication (XEP-0352): what can wait, waits while a client is
//! not looked at.
//!
//! Not a layer, but the [`Outbox`] of a session, through which originals,
//! copies and answers alike reach it: what is important must flush all that
//! waits before itself, whoever made it. It is pure: the host owns one per
//! session ([`host::Outbox`](crate::host::Outbox) is one), puts in what
//! [`Host::deliver`](crate::host::Host::deliver) gives it, and writes what
//! comes out, in order.
//!
//! # Rules
//!
//! 1. **A client is active** until it says that it is not. While it is active,
//!    nothing waits. A host that never calls [`Outbox::inactive`] has a plain
//!    queue.
//! 2. **What may wait** is decided by [`classify`], or by a function of the
//!    host's own in [`Settings`]: presence, events of nodes, chat states,
//!    receipts, markers.
//! 3. **Order.** When something important comes, all that waits goes out before
//!    it. So order between any two addresses stays (RFC 6120 §10.1), and the
//!    copy of an answer does not overtake the copy of its question.
//! 4. **Presence** of one contact's client, or of one occupant: a newer one
//!    replaces what waits. Nothing else is ever dropped.
//! 5. **Stamped.** What has waited bears `<delay/>` from the server with the
//!    time at which it came (XEP-0203), in the outer stanza; one that it has
//!    already stays alone.
//! 6. **Bounded.** At most [`Settings::capacity`] wait; one more lets all go
//!    out. The oldest waits at most [`Settings::longest`], told by
//!    [`Outbox::tick`].
//! 7. **`<active/>`** lets all go out before anything later is answered
//!    (XEP-0352 §5.1).
//! 8. **A resumed session is active** (XEP-0352 §5.2): call [`Outbox::active`].
//!    What waits survives hibernation.
//! 9. **The end.** [`Outbox::drain`] gives everything to
//!    [`expire`](crate::host::expire), as it came.
//!
//! # What a host does
//!
//! Announce `<csi xmlns='urn:xmpp:csi:0'/>` among the stream features after
//! authentication; on `<active/>` and `<inactive/>` of that namespace, call the
//! outbox, write what is ready, and let
//! [`ClientActive`](crate::flow::Event::ClientActive) or
//! [`ClientInactive`](crate::flow::Event::ClientInactive) enter, for layers that
//! care. There is no answer. The state is nobody else's business (§6).
//!
//! # Example
//!
//! ```
//! use jid::FullJid;
//! use tower_xmpp::csi::{Outbox, Parcel};
//! use tower_xmpp::stanza::{Stanza, Time};
//!
//! struct Delivery(FullJid, Stanza);
//! impl Parcel for Delivery {
//!     fn session(&self) -> &FullJid { &self.0 }
//!     fn at(&self) -> Time { Time::from_secs(1_767_225_600) }
//!     fn stanza(&self) -> &Stanza { &self.1 }
//!     fn stanza_mut(&mut self) -> &mut Stanza { &mut self.1 }
//! }
//! let phone: FullJid = "alice@a.example/phone".parse()?;
//! let bob: FullJid = "bob@b.example/x".parse()?;
//! let mut outbox = Outbox::new();
//! outbox.inactive();
//!
//! let here = Stanza::presence().with_from(bob.clone());
//! outbox.push(Delivery(phone.clone(), here));
//! assert!(outbox.pop().is_none());
//!
//! let hi = Stanza::message().with_from(bob).with_text_child("body", "hi");
//! outbox.push(Delivery(phone, hi));
//! let out: Vec<_> = std::iter::from_fn(|| outbox.pop()).map(|it| it.1.to_xml()).collect();
//! assert!(out[0].contains("<delay xmlns='urn:xmpp:delay' from='a.example' stamp='2026-01-01T00:00:00"));
//! assert!(out[1].contains("<body>hi</body>"));
//! # Ok::<(), jid::Error>(())
//! ```

mod classify;
mod outbox;
#[cfg(test)]
mod tests;

pub use classify::{Class, Idle, Urgent, classify};
pub use outbox::{Outbox, Parcel, Settings};
