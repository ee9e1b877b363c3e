//! A multi-user chat service as one pure machine (XEP-0045).
//!
//! One stanza goes in, a list of [`Effect`]s comes out, in the order in which
//! they are to be carried out. No clock, no chance, no lock, no runtime: the
//! World and the example server run the same machine, each in its own way.
//!
//! ```
//! use tower_xmpp::stanza::{Stanza, Time};
//! use tower_xmpp::testkit::room::{Creation, Effect, Rooms, Settings};
//!
//! let mut settings = Settings::default();
//! settings.creation = Creation::Instant;
//! let mut rooms = Rooms::new("rooms.example".parse()?, settings);
//!
//! let join = |who: &str, nick: &str| {
//!     let xml = format!(
//!         "<presence from='{who}' to='tea@rooms.example/{nick}'>\
//!          <x xmlns='http://jabber.org/protocol/muc'/></presence>"
//!     );
//!     Stanza::parse(xml.as_bytes())
//! };
//! let at = Time::from_secs(1_795_260_600);
//! rooms.handle(at, &join("alice@a.example/desk", "Alice")?);
//! rooms.handle(at, &join("bob@b.example", "Bob")?);
//!
//! let hello = Stanza::parse(
//!     b"<message from='bob@b.example' to='tea@rooms.example' type='groupchat' id='m1'>\
//!       <body>hello</body></message>",
//! )?;
//! let effects = rooms.handle(at, &hello);
//! let [Effect::Broadcast(broadcast)] = effects.as_slice() else {
//!     panic!("one broadcast, not {effects:?}");
//! };
//! assert_eq!(broadcast.recipients.len(), 2);
//! assert_eq!(broadcast.stanza.from().unwrap().as_str(), "tea@rooms.example/Bob");
//! assert_eq!(broadcast.stanza.id(), Some("m1"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Rules
//!
//! 1. **A seat is a real JID.** It may be a client's full JID or the bare JID
//!    of an account that is in the room for all its clients; the room treats
//!    both alike.
//! 2. **A nick belongs to one user.** Other sessions of the same bare JID may
//!    share it, as §7.2.8 recommends; to the others they are one occupant,
//!    seen as its session of highest priority, among equals the newest.
//!    Messages, private ones too, go to all of them. A session that changes
//!    its nick moves alone.
//! 3. **Whoever enters hears**: the others, itself with 110, the history, the
//!    subject even if there is none, then live traffic (§7.1). The same again
//!    whenever it sends its join again.
//! 4. **A presence is what it looks like from where the sender stands**: to
//!    another nick it renames, `<x/>` or not; to the own nick with `<x/>` it
//!    asks for everything again; without, it updates. From somebody who is
//!    not there it joins, or is kicked with 110, 307 and 333:
//!    [`StrayPresence`].
//! 5. **A message comes back to its sender too**, with the id it gave, and
//!    stays as it was but for what only a room may say: `<x/>` of `muc#user`,
//!    `occupant-id`, a `stanza-id` or a `delay` in the room's name.
//! 6. **Real JIDs** are shown to moderators, and to all in a non-anonymous
//!    room, which says so with 100 (§4.2). Rooms where not even owners see them
//!    are not among those that the XEP's form offers, so that 174 is never said.
//! 7. **An error from an occupant** that says that nobody is there ends its
//!    session with 333 (§11.1). Other errors about private messages go back
//!    to their sender.
//! 8. **Requests between occupants** are relayed under an id that names who
//!    asked whom, so that nothing is remembered. The room itself answers the
//!    ping to the own nick (XEP-0410), refuses whoever is not in it with
//!    `not-acceptable`, and sends requests for a vCard to the user's bare JID.
//! 9. **A refusal** has a reason ([`Refusal`]) and one error; that of a
//!    presence bears the `<x/>` of a join, empty.
//! 10. **Everything is bounded**: [`Limits`].
//! 11. **An account joins by request**, too, if [`Settings::muc2`] says so: `<join/>`
//!     and `<part/>` of the MUC2 draft, from a bare JID. The presence comes first,
//!     then the answer, which names the nick.
//!
//! # For the host
//!
//! Carry out the effects in their order, in the room's lane. A
//! [`Broadcast`] is one pass for many recipients; if it stands in the history
//! ([`Broadcast::history`]), give the stanza that came out of the pass to
//! [`Rooms::keep`], so that live and replayed copies bear the same archive ID.

// A World may panic; rooms run in servers, and what they read is hostile.
#![cfg_attr(not(test), warn(clippy::panic))]

mod account;
mod admin;
mod affiliations;
mod config;
mod disco;
mod effect;
mod form;
mod history;
mod invite;
mod iq;
mod join;
mod leave;
mod message;
mod nick;
mod occupants;
mod owner;
mod presence;
mod privileges;
mod refusal;
mod register;
mod saved;
mod service;
mod settings;
mod state;
#[cfg(test)]
mod tests;
mod voice;

pub use effect::{Broadcast, Effect, HistoryKey};
pub use occupants::Role;
pub use refusal::Refusal;
pub use saved::{SavedRoom, SavedUser};
pub use service::{Rooms, Seat};
pub use settings::{
    Creation, Creators, Limits, OccupantIds, OwnPresence, PrivateMessages, RegisteredNick,
    RoomConfig, Settings, StrayPresence,
};
