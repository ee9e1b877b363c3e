//! One message reaches every client of the account: Message Carbons
//! (XEP-0280), Message Routing 2.0, what the XMPP wiki wants of it ("Goal"),
//! and IM-NG (XEP-0409).
//!
//! A session that asks for it takes part in every conversation that the
//! account's other sessions have, both in what they write and in what is
//! written to them. Each session does so in its own [`Mode`], and an account's
//! sessions may differ in it.
//!
//! # Modes
//!
//! | | [`Carbons`](Mode::Carbons) | [`Mr2`](Mode::Mr2) | [`Goal`](Mode::Goal) | [`ImNg`](Mode::ImNg) |
//! |---|---|---|---|---|
//! | asked for | by IQ, or inline in Bind 2 | by a nonza before binding, or inline | as MR2 | by IQ |
//! | taken back | by IQ | with the session | with the session | with the session |
//! | to the account | copies of conversations | the message, unless groupchat or error | the same, no headline | the message, but for groupchat and errors |
//! | to one session | copies of conversations | copies of chats | copies, unless groupchat, headline, error | the message, but for groupchat and headlines |
//! | sent | copies of conversations | copies of chats | copies, unless groupchat or error | chats, and what goes to an account: the message, to the sender too |
//! | out of it | `<private/>` or `<no-copy/>` | the same, to full JIDs | the same, to full JIDs | `<im-ng/>`, to full JIDs |
//!
//! A *copy* is wrapped in `<received/>` or `<sent/>` of the mode's namespace;
//! *the message* comes as it is, `to` included. [`Negotiation`] answers for a
//! host what is not asked by IQ; `src/fork/tests/table.md` has every case.
//!
//! # Rules
//!
//! 1. **Who takes part.** A session that asked for it, by IQ (XEP-0280 §4, §5;
//!    XEP-0409) or before its stanzas began, in
//!    [`SessionBound`](crate::flow::Event::SessionBound). It belongs to the
//!    session: it outlives hibernation and resumption, and ends with the
//!    session. Of several modes the greatest counts, and nothing comes twice.
//! 2. **Conversations**, for carbons (XEP-0280 §6.1): messages of type chat; of
//!    type normal with a body, a receipt, a chat state, a chat marker or a
//!    call; invitations to rooms, direct and mediated; errors that answer any
//!    of these. Not groupchat and headlines, nor messages that say `<private/>`
//!    or `<no-copy/>`, where either alone is enough.
//! 3. **First as it is, then copies.** Who gets the message as it is, is said
//!    before it goes on ([`Reach`](crate::flow::Reach)), besides those whom
//!    RFC 6121 chooses: one stanza for all, whatever their priority, and with
//!    it the message is neither stored nor refused. Then every session that is
//!    due a copy and did not get the message gets one, also if the message was
//!    kept for later.
//! 4. **A chat for a session that is gone** is for the account (RFC 6121
//!    §8.5.3.2.1), and so is what the modes make of it.
//! 5. **Rooms** (XEP-0280 §6.1), in every mode. Groupchat is never shared here:
//!    the room does that. A private message from an occupant is not shared,
//!    since the room sends it to each session that joined; one to an occupant is
//!    shared with the sessions in that room. Both are told by the joins that
//!    passed and that the room confirmed (or by who was given in
//!    [`Fork::occupancy`]) and by `<x/>` in the namespace muc#user. Without
//!    known sessions in the room, nobody gets it.
//! 6. **Outward** (XEP-0280 §8), the sender gets nothing back, whether or not it
//!    takes part; but IM-NG reflects to the sending session as well. Where
//!    archive is outside, what the account's sessions get bears the archive ID
//!    and what leaves does not (XEP-0313 §3.5).
//! 7. **To oneself.** It is shared where it arrives, copies as `<sent/>`: each
//!    other session gets the message or one copy, never both.
//! 8. **What was refused is not copied.** Its sender has been told that nobody
//!    got it. If that is told later, the error is copied (rule 2).
//! 9. **Answers to copies** (XEP-0280 §10.3). An error that a session sends to
//!    its own account is dropped. It is recognised by its address alone, and
//!    never reaches the original sender. So is an error about a message that
//!    other sessions got as it is, too, unless the message was for the session
//!    that answers: its sender would believe that nobody has it. A copy whose
//!    session dies is dropped.
//! 10. **`<im-ng/>`** (XEP-0409 §3.3), while a session of the account speaks
//!     IM-NG: the message is for the session that it names, or comes back with
//!     `service-unavailable`. Sessions of other modes pass over the marker.
//!     It is not archived (XEP-0409 §4) where archive may ask this feature:
//!     `Archive::im_ng(fork_layer.feature().clone())`.
//! 11. **The original** goes on as it came, `<private/>` included.
//! 12. **Forgeries.** `<sent/>` and `<received/>` in what somebody sends mean
//!     nothing here: it is a message like others. Clients ignore those that are
//!     not from their own bare JID (XEP-0280 §11).
//!
//! Announced for the server: `urn:xmpp:carbons:2`, `urn:xmpp:carbons:rules:0` and
//! `urn:xmpp:im-ng:0`.
//!
//! # Order
//!
//! Inside archive, so that copies bear the archive ID; inside whatever refuses
//! messages, or what is refused is remembered for rule 2; inside layers that
//! name other recipients ([`Reach`](crate::flow::Reach)), so that these do not
//! get a copy besides. Whom such a layer names exclusively, stays exclusive.
//!
//! # Caveats
//!
//! * A router of the host's own has to obey [`Facts::reach`](crate::flow::Facts::reach)
//!   and [`Facts::stand_ins`](crate::flow::Facts::stand_ins), or modes but carbons
//!   share nothing on the way in. If it says
//!   [`Routed`](crate::flow::Original::Routed) of a message for an account, it
//!   does not say who got it; then only messages to a full JID are copied.
//! * MR2's example shows the message to the account with `to` changed to the
//!   receiving session. Deliberately it is not: all sessions get one stanza.
//! * What a layer writes in the account's name
//!   ([`Route::FromAccount`](crate::flow::Route::FromAccount)) is not shared: no
//!   session has sent it.
//! * Errors are matched with messages by the other end's bare JID and the id,
//!   among the last 128 eligible messages each way, and the last 128 that
//!   several sessions got, of an account that has a session of rule 1. Older
//!   ones, and messages without an id, are not known: their errors reach only
//!   the session they are for, or the sender.
//! * The error for a message to an account of the same server goes from the
//!   router to the sender alone, as an [`Answer`](crate::flow::EmitKind::Answer).
//! * A message that was kept for later *and* copied comes a second time to a
//!   client that raises its priority from below zero; both bear the same
//!   archive ID.
//! * At most 256 sessions of an account may take part; one more is refused with
//!   `resource-constraint`.
//! * If this layer breaks, the message goes on without copies.
//!
//! # Example
//!
//! ```
//! use tower::{Service, ServiceBuilder, ServiceExt};
//! use tower_xmpp::flow::{Envelope, Event, Original, Outcome, Route};
//! use tower_xmpp::fork::ForkLayer;
//! use tower_xmpp::stanza::{Stanza, Time, Type, ns};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let phone: jid::FullJid = "alice@a.example/phone".parse()?;
//! let desk: jid::FullJid = "alice@a.example/desk".parse()?;
//!
//! // A router that knows one session. Yours is `host::Router`.
//! let delivered = Original::Delivered([phone.clone()].into());
//! let router = tower::service_fn(move |_: Envelope| {
//!     let outcome = Outcome::of(delivered.clone());
//!     async move { Ok::<_, std::convert::Infallible>(outcome) }
//! });
//! let mut stack = ServiceBuilder::new()
//!     .layer(ForkLayer::new()) // every client of the account gets every message
//!     .service(router);
//!
//! let now = Time::from_secs(0);
//! let enabled = vec![ns::CARBONS.to_owned()];
//! let bound = Event::SessionBound { session: desk.clone(), enabled };
//! stack.ready().await?.call(Envelope::event(now, bound)).await?;
//!
//! let from: jid::Jid = "bob@b.example/home".parse()?;
//! let message = Stanza::message()
//!     .with_type(Type::Chat)
//!     .with_from(from)
//!     .with_to(phone.clone())
//!     .with_text_child("body", "Hi!");
//! let route = Route::ToAccount(phone.to_bare());
//! let outcome = stack.ready().await?.call(Envelope::stanza(now, route, message)).await?;
//!
//! let copy = &outcome.emits[0].stanza;
//! assert_eq!(copy.to().map(|to| to.as_str()), Some(desk.as_str()));
//! assert!(copy.has_child("received", ns::CARBONS));
//! # Ok(())
//! # }
//! ```

mod copies;
mod layer;
mod live;
mod mode;
mod negotiation;
mod request;
mod rooms;
mod rules;
mod share;
mod state;
#[cfg(test)]
mod tests;

use crate::flow::{bare, to_bare};

pub use layer::{Fork, ForkLayer};
pub use mode::Mode;
pub use negotiation::Negotiation;
