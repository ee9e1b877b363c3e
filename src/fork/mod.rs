//! One message reaches every client of the account: message carbons
//! (XEP-0280, with the rules of its §6.1).
//!
//! A session that asks for it gets a copy of every conversation that the
//! account's other sessions have, both what they write and what is written
//! to them.
//!
//! # Rules
//!
//! 1. **Who gets copies.** A session that switched them on, by IQ (§4, §5) or
//!    inline while it was bound (XEP-0386, in
//!    [`SessionBound`](crate::flow::Event::SessionBound)). What is switched on
//!    belongs to the session: it outlives hibernation and resumption, and ends
//!    with the session.
//! 2. **What is copied** (§6.1): messages of type chat; of type normal with a
//!    body, a receipt, a chat state, a chat marker or a call; invitations to
//!    rooms, direct and mediated; errors that answer any of these.
//! 3. **What is not**: groupchat and headlines; messages that say `<private/>`
//!    or `<no-copy/>`, where either alone is enough; other messages of type
//!    normal; errors that answer nothing of rule 2.
//! 4. **Rooms** (§6.1). A private message from an occupant is not copied: the
//!    room sends it to each session that joined. One to an occupant is copied
//!    to the sessions in that room. Both are told by the joins that passed (or
//!    by who was given in [`Fork::occupancy`]) and by `<x/>` in the namespace
//!    muc#user. Without known sessions in the room, nobody gets a copy.
//! 5. **Inward** (§7). First the message is delivered by RFC 6121; then every
//!    session of rule 1 that did not get it by that gets one `<received/>`
//!    copy, whatever its priority. If the message was kept for later, these
//!    copies are made all the same.
//! 6. **Outward** (§8). Every session of rule 1 but the sender gets one
//!    `<sent/>` copy, whether or not the sender has copies switched on. Where
//!    archive is outside, the copy bears the archive ID and the original does
//!    not (XEP-0313 §3.5).
//! 7. **To oneself.** Copies are made where the message arrives, as `<sent/>`:
//!    each other session gets the message or one copy, never both.
//! 8. **What was refused is not copied.** Its sender has been told that nobody
//!    got it. If that is told later, the error is copied (rule 2).
//! 9. **Answers to copies** (§10.3). An error that a session sends to its own
//!    account is dropped. It is recognised by its address alone, and never
//!    reaches the original sender. A copy whose session dies is dropped, too.
//! 10. **The original** goes on as it came, `<private/>` included.
//! 11. **Forgeries.** `<sent/>` and `<received/>` in what somebody sends mean
//!     nothing here: it is a message like others. Clients ignore those that are
//!     not from their own bare JID (§11).
//!
//! Announced for the server: `urn:xmpp:carbons:2` and `urn:xmpp:carbons:rules:0`.
//!
//! # Order
//!
//! Inside archive, so that copies bear the archive ID; inside whatever refuses
//! messages, or what is refused is remembered for rule 2; inside layers that
//! name other recipients ([`Reach`](crate::flow::Reach)), so that these do not
//! get a copy besides.
//!
//! # Caveats
//!
//! * Errors are matched with messages by the other end's bare JID and the id,
//!   among the last 128 eligible messages each way of an account that has a
//!   session of rule 1. Older ones, and messages without an id, are not known,
//!   and their errors reach only the session they are for.
//! * The error for a message to an account of the same server goes from the
//!   router to the sender alone, as an [`Answer`](crate::flow::EmitKind::Answer).
//! * A message that was kept for later *and* copied comes a second time to a
//!   client that raises its priority from below zero; both bear the same
//!   archive ID.
//! * If the router says [`Routed`](crate::flow::Original::Routed) of a message
//!   for an account, it does not say who got it. Then only messages to a full
//!   JID are copied.
//! * At most 256 sessions of an account may switch copies on; one more is
//!   refused with `resource-constraint`.
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
//! let delivered = Original::Delivered(vec![phone.clone()]);
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
mod request;
mod rooms;
mod rules;
mod state;
#[cfg(test)]
mod tests;

use jid::Jid;

pub use layer::{Fork, ForkLayer};

/// The bare part of an address, without an allocation.
fn bare(jid: &Jid) -> &str {
    let whole = jid.as_str();
    match jid.resource() {
        Some(resource) => &whole[..whole.len() - resource.as_str().len() - 1],
        None => whole,
    }
}
