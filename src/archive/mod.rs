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
//! 1. **Forged stamps go.** A `<stanza-id/>` in the account's name is removed
//!    from every message that reaches the account and from every message it
//!    sends, archived or not, errors and groupchat too. [`cleanse`] has the
//!    details; stamps of others stay.
//! 2. **[`decide`] says what is archived**, and names its reason ([`Why`],
//!    [`Skip`]).
//! 3. **Once per archive**, before the message is forked: all copies bear one
//!    ID. Sender and recipient on one server have an archive each, with IDs
//!    that have nothing to do with one another.
//! 4. **Inward the message is stamped.** Outward it is not, since the stamp
//!    must not leave the account (XEP-0313 §3.5): the ID stands in
//!    [`Facts::archived`](crate::flow::Facts::archived) only, from where the
//!    copies for the sender's other sessions are stamped.
//! 5. **A message to oneself** is archived on its way in; its way out leaves
//!    it alone, so that it is archived once and seen under one ID.
//! 6. **IDs are random** and tell nothing ([`new_id`]); none is used twice.
//! 7. **A store that fails** or panics costs the stamp, not the message: it
//!    goes on, cleansed and unstamped, and the failure is an
//!    [`Incident`](crate::flow::Incident) of the outcome, counted and traced.
//!    Nothing is put into the archive later: clients may have read past its
//!    place (XEP-0313 §4.3.2).
//! 8. The archive of an account that is removed is removed with it.
//!
//! Announced for accounts: `urn:xmpp:sid:0`.
//!
//! # Caveats
//!
//! * Archives are of accounts; rooms have none yet. Archives cannot be queried
//!   yet, and `urn:xmpp:mam:2` is not announced.
//! * The layer waits for its [store](ArchiveStore) before a message goes on. A
//!   store that never answers holds that account's messages up: give it a
//!   time limit.
//! * A message to an account that does not exist is archived like any other.
//!   Unless the host refuses those before the stack, switch the layer off for
//!   them: `ArchiveLayer::new(…).only_for(move |account| accounts.exist(account))`.
//! * Switched off for an account, the layer removes nothing: `urn:xmpp:sid:0`
//!   is not announced for it then, and clients do not trust its stamps.
//! * Everything that reaches a session must have passed this layer as
//!   [`Route::ToAccount`](crate::flow::Route::ToAccount), what rooms of the
//!   same server broadcast included: what a host puts straight into a
//!   session's queue is not cleansed.
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

mod layer;
mod page;
mod port;
mod preferences;
mod rules;
#[cfg(test)]
mod tests;

pub use layer::{Archive, ArchiveLayer};
pub use page::Page;
pub use port::{Accepted, ArchiveError, ArchiveStore, Durable, Entry, Position, Row};
pub use preferences::{DefaultPreference, InvalidPreferences, Preferences};
pub use rules::{Decision, Direction, Settings, Skip, Why, cleanse, decide, new_id, stamp};
