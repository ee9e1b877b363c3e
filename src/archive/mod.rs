//! Archives every account's messages, once, and says under which ID.
//!
//! A user who writes from a phone and reads on a desk expects one
//! conversation on both. The archive is where it lies (XEP-0313), and the
//! **stamp** `<stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='…'/>`
//! (XEP-0359) is how a client knows which message it holds and from where on
//! it missed some. A stamp is worth only as much as nobody else can set it, so
//! forged ones are removed, always, from everything.
//!
//! # Rules
//!
//! ## What passes
//!
//! 1. **Forged stamps go.** A `<stanza-id/>` in the account's name is removed
//!    from every message that reaches the account and from every message it
//!    sends, archived or not, errors and groupchat too. [`cleanse`] has the
//!    details; stamps of others stay.
//! 2. **[`decide`] says what is archived**, and names its reason ([`Why`],
//!    [`Skip`]); what the user does not want is not ([`Preferences`], XEP-0441),
//!    nor what is for one session alone (`<im-ng/>`, if [`Archive::im_ng`] says
//!    that a session speaks IM-NG).
//! 3. **Once per archive**, before the message is forked: all copies bear one
//!    ID. Sender and recipient on one server have an archive each, with IDs
//!    that have nothing to do with one another.
//! 4. **Inward the message is stamped.** Outward it is not, since the stamp
//!    must not leave the account (XEP-0313 §3.5): the ID stands in
//!    [`Facts::archived`](crate::flow::Facts::archived) only, from where the
//!    copies for the sender's other sessions are stamped.
//! 5. **A message to oneself** is archived on its way in; its way out leaves
//!    it alone, so that it is archived once and seen under one ID.
//! 6. **Rooms**, if [`Archive::rooms`] says who may read: what a room broadcasts
//!    is stamped in its name and archived at its address ([`decide_room`]), so
//!    live, replayed and archived copies bear one ID.
//! 7. **What is taken back** (XEP-0424, and in rooms by moderators, XEP-0425)
//!    leaves a tombstone under the same ID; the retraction is archived as well.
//!    Only its author takes a message back: told by the bare JID, in rooms by
//!    the occupant-id.
//! 8. **A store that fails** or panics costs the stamp, not the message: it
//!    goes on, cleansed and unstamped, and the failure is an
//!    [`Incident`](crate::flow::Incident) of the outcome, counted and traced.
//!    Nothing is put into the archive later: clients may have read past its
//!    place (XEP-0313 §4.3.2). So it is if the preferences cannot be read: what
//!    a user may have forbidden is not archived.
//!
//! ## IDs
//!
//! 9. **IDs are random** and tell nothing ([`new_id`]); none is used twice.
//! 10. **A client may know the ID of what it sends** before it sends it. It asks
//!     for its session's token, once:
//!
//!     ```xml
//!     <iq type='set' id='t1'><token xmlns='tower-xmpp:archive-id:0'/></iq>
//!     <iq type='result' id='t1'>
//!       <token xmlns='tower-xmpp:archive-id:0'>abcdefghijklmnopqrstuvwxyz</token>
//!     </iq>
//!     ```
//!
//!     From then on its messages lie under [`computed_id`] of token and message
//!     `id`. The token belongs to the session, outlives resumption, and is
//!     seen by nobody else. It may be asked for inline in Bind 2
//!     ([`Archive::give_token`]).
//! 11. **Where the ID is another** (an `id` used twice, a strange one, none) a
//!     session that asked is told which, before the message is acknowledged:
//!     `<archived xmlns='tower-xmpp:archive-id:0' id='m1' as='-…'/>`, in a
//!     message from its account.
//! 12. **What is sent again** is not archived again. The same message under the
//!     same `id` and token keeps its place; so it does in a new session that
//!     asks with `previous='…'`, the token it had before, for seven days.
//!     Without that, a failed resumption means at least once.
//!
//! ## Acknowledgements
//!
//! 13. **Stamped means accepted, acked means durable.** What a store has accepted
//!     but not yet committed stands in [`Outcome::settling`]; a host that awaits
//!     [`Ticket::handled`] before it counts a stanza (XEP-0198) acknowledges
//!     nothing that a crash could take. It says so with
//!     [`Archive::acked_means_archived`].
//! 14. **What is not archived is told** to a session that asked for its token,
//!     before the acknowledgement: `<not-archived xmlns='tower-xmpp:archive-id:0'
//!     id='m1'/>` with a condition. Not if a rule kept it out.
//!
//! ## Questions
//!
//! 15. **Queries** (XEP-0313 with `#extended`, XEP-0059) are answered for an
//!     account's own sessions, at its bare JID or without `to`, and for rooms.
//!     Everybody else gets `forbidden`. Unknown fields are
//!     `feature-not-implemented`, unknown IDs `item-not-found`, values that are
//!     none `bad-request`.
//! 16. **Pages are bounded** in messages and bytes, however much is asked
//!     ([`PageSettings`]), so that what arrives meanwhile waits for one page at
//!     most.
//! 17. The archive of an account or room that is removed is removed with it.
//!
//! Announced for accounts: `urn:xmpp:sid:0`, `urn:xmpp:mam:2`,
//! `urn:xmpp:mam:2#extended`, `tower-xmpp:archive-id:0`, and what options add; for
//! rooms that have archives the first three; for the server itself
//! `urn:xmpp:mam:2` alone, for clients that ask only there.
//!
//! [`Outcome::settling`]: crate::flow::Outcome::settling
//! [`Ticket::handled`]: crate::host::Ticket::handled
//!
//! # Caveats
//!
//! * The layer waits until its [store](ArchiveStore) accepts, before a message
//!   goes on. A store that never answers holds that account's messages up: give
//!   it a time limit.
//! * A query holds up what its own session sends, and nothing else.
//! * A message to an account that does not exist is archived like any other.
//!   Unless the host refuses those before the stack, switch the layer off for
//!   them: `ArchiveLayer::new(…).only_for(move |account| accounts.exist(account))`.
//!   Rooms are asked about there, too.
//! * Switched off for an account, the layer removes nothing: `urn:xmpp:sid:0`
//!   is not announced for it then, and clients do not trust its stamps.
//! * Everything that reaches a session must have passed this layer as
//!   [`Route::ToAccount`](crate::flow::Route::ToAccount), what rooms of the
//!   same server broadcast included: what a host puts straight into a
//!   session's queue is not cleansed.
//! * Results say no `<count/>`, which would cost a look at the whole archive.
//!
//! # Order
//!
//! * Inside what may reject (filters, blocking): what is rejected is not
//!   archived (XEP-0313 §6.1). The other way round, it lies in the archive of
//!   somebody who never saw it.
//! * Outside everything that copies a message or keeps it for later (`fork`,
//!   offline storage, push). The other way round, copies bear no ID, and they
//!   are not cleansed: a forged one gets through in them.
//! * Layers that name other recipients ([`Reach`](crate::flow::Reach)) may
//!   stand on either side: all recipients get the one stamped message.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//! use tower_xmpp::archive::{ArchiveLayer, ArchiveStore, Page};
//! use tower_xmpp::flow::{Envelope, Original, Outcome, Route};
//! use tower_xmpp::stanza::{Stanza, Time};
//! use tower_xmpp::store::MemoryArchive;
//!
//! # futures::executor::block_on(async {
//! let store = Arc::new(MemoryArchive::default());
//! // A server passes its system's randomness here.
//! let entropy = Arc::new(|bytes: &mut [u8]| bytes.fill(7));
//!
//! let mut stack = ServiceBuilder::new()
//!     .layer(ArchiveLayer::new(store.clone(), entropy))
//!     .service(service_fn(|envelope: Envelope| async move {
//!         let stanza = envelope.as_stanza().expect("no event was sent");
//!         println!("{}", stanza.to_xml()); // stamped
//!         Ok::<_, std::convert::Infallible>(Outcome::of(Original::Routed))
//!     }));
//!
//! let message = Stanza::parse(
//!     b"<message from='bob@b.example/desk' to='alice@a.example'><body>hi</body></message>",
//! )?;
//! let alice: jid::BareJid = "alice@a.example".parse()?;
//! let envelope = Envelope::stanza(Time::from_secs(0), Route::ToAccount(alice.clone()), message);
//! stack.ready().await?.call(envelope).await?;
//!
//! let archived = store.page(&alice, Page::oldest(10)).await?;
//! assert_eq!(archived.len(), 1);
//! assert!(archived[0].row.id.starts_with('-'));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod answer;
mod filing;
mod id;
mod layer;
mod notice;
mod page;
mod port;
mod preferences;
mod query;
mod rules;
mod serve;
mod state;
#[cfg(test)]
mod tests;

pub use id::{LONGEST_MESSAGE_ID, TOKEN_LENGTH, computed_id, new_id};
pub use layer::{Archive, ArchiveLayer};
pub use page::{Page, PageSettings};
pub use port::{
    Accepted, Access, ArchiveError, ArchiveStore, Contacts, Durable, Entry, Position, RoomAccess,
    Row,
};
pub use preferences::{DefaultPreference, InvalidPreferences, Preferences};
pub use rules::{Decision, Direction, Settings, Skip, Why, cleanse, decide, decide_room};
