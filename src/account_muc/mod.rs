//! The account joins rooms, not the client: one occupant, however many
//! clients, and nobody drops out because a phone lost its network.
//!
//! A room (XEP-0045) knows each client by its full JID. Where this layer
//! stands, it knows the account: the layer joins once, from the bare JID, and
//! is to each of the account's sessions what the room would be. Clients need
//! not know. Prosody's mod_minimix had the idea first; the MUC2 and MUC2-PAM
//! drafts write it down.
//!
//! ```text
//!   phone ─┐   joins, talk,     ┌───────────────┐   one join, from
//!   desk ──┼── presence ──────► │ one machine   │── alice@a.example ──►  room
//!   pad ───┘ ◄─ replay, live ── │ for each room │ ◄─── everything ────
//!                               └───────────────┘
//! ```
//!
//! The machine and its states are drawn in the source, in `machine/mod.rs`.
//!
//! # Rules
//!
//! 1. **Joining** (XEP-0045 §7.2). The first session that joins joins the
//!    account. While that is under way, others wait; once it is done, others
//!    are served locally. Each gets everything in the room's order: occupants,
//!    itself (110), history, subject, then live traffic. Joining again is
//!    asking for all of it again. Another nick than the account's is told with
//!    210, and never renames the account. A room that is created so (201) is
//!    the session's to configure; where none asked to join, it is opened as it
//!    is (§10.1.2).
//! 2. **Refusals.** Each waiting session is told under its own id and nick;
//!    nothing is kept. A wrong password is forgotten, and another session's is
//!    tried. Where only a registered nick will do (406, §7.12), the room is
//!    asked for it, and joined under it.
//! 3. **Outward**, what a session in the room sends goes in the account's
//!    name. From one that is not in the room it goes as it came, and the room
//!    answers it; presence without `<x/>` is answered here with 110, 307 and
//!    333, which makes clients join (§7.2.18).
//! 4. **Inward**, what a room sends to the account goes to the sessions in
//!    that room: presence to no others; groupchat and private messages through
//!    [`Reach`](crate::flow::Reach), so that an archive further in stamps one
//!    stanza for all. Without a session in the room, groupchat is kept for
//!    those who come, and a private message is treated like any other.
//! 5. **No error of a client reaches a room** (decided once for all layers):
//!    it would expel the account (§18.1.2). Nor does anything that breaks here.
//! 6. **Presence** that the room sees is the best of the sessions' (highest
//!    priority, then latest), without one client's capabilities; `xa` while no
//!    session is there.
//! 7. **Nicks** (§7.6) are the account's. A change by any session is for all;
//!    an error about it is for that session. While the account is out of its
//!    seat nobody can be asked, and the session is told so.
//! 8. **Leaving.** A session that leaves is told so here. With the last one
//!    that leaves explicitly the account leaves, unless [`LeavePolicy`] or a
//!    bookmark with autojoin keeps it; a session that ends, is lost or
//!    expires takes nothing with it. Without a session and without autojoin
//!    the account leaves after [`Options::linger`].
//! 9. **Being removed.** 307, 301, 321, 322, `<destroy/>` or no reason at all:
//!    every session is told as the room told it, and the account stays away.
//!    332 and 333 (307 does not count then): sessions stay, and the seat is
//!    taken again. Then they are told differences only: who is new or has
//!    changed, who has gone, and what was said meanwhile, once. That holds for
//!    rooms as well that show the account before the others, though §7.2.2
//!    forbids it.
//! 10. **Requests** (IQs) to an occupant go under an id of our own, and their
//!     answers come back to the session under its. Of requests to the room
//!     only changes of roles use the seat, since everything else hangs on the
//!     bare JID. What occupants ask the account, the account answers: a ping
//!     here, vCard, PubSub and disco further in; nothing else.
//! 11. **Self-pings** (XEP-0410) of sessions are answered here: from what the
//!     room was last heard to send, or with one ping for all. Rooms are pinged
//!     after [`Options::silence`], after a link broke, and when something is
//!     odd ([`SeatSuspect`](crate::flow::Event::SeatSuspect), a message
//!     refused as `not-acceptable`). Who does not know us is joined again with
//!     doubling pauses; who cannot be reached is asked again. Once a link is
//!     back, the rooms behind it are joined again, as what they said may be lost.
//! 12. **Restarts.** Each seat is written to its [`SeatStore`] before the join
//!     or the goodbye leaves. [`AccountMuc::restore`] takes the seats up again,
//!     and the rooms are joined again, [`Options::probes_per_tick`] at each tick.
//! 13. **Bookmarks** (XEP-0402, [`AccountMuc::bookmarks`]): autojoin joins, at
//!     the change and at login; no autojoin, or no bookmark, leaves; nick and
//!     password follow. Who was kicked comes back when a client publishes the
//!     bookmark once more, changed or
//!     [not](crate::flow::BookmarkChange::Again), as every client that hears of
//!     it would (§4); and whom an affiliation lets into the room again (101)
//!     comes back at once.
//! 14. **MUC2-PAM**: `<join room='…'/>` and `<part room='…'/>` in the namespace
//!     `urn:xmpp:muc:0`, in an IQ to the own account. The result comes after
//!     the self-presence, and the session is in the room like any other. A room
//!     that says it speaks MUC2 is joined and parted by MUC2's own `<join/>` and
//!     `<part/>`, any other by presence.
//! 15. **Strangers.** Presence from a room that nobody joined reaches nobody;
//!     a room that believes the account to be there is told otherwise.
//! 16. **Everything is bounded**: [`Limits`].
//!
//! Announced for accounts and the server: `urn:xmpp:muc:pam:0`.
//!
//! # Order
//!
//! Outermost of the layers that have effects: outside archive, so that groupchat
//! and private messages are stamped once for all sessions; outside fork, so that
//! a private message is copied as one of the account's. Inside filters. Give
//! fork this layer as its occupancy: `Fork::new().occupancy(layer.feature().clone())`.
//!
//! What a session sends to a room makes two passes: it is handed over to the
//! account's lane ([`Route::FromAccount`](crate::flow::Route::FromAccount),
//! still from the session), where it cannot cross what the room sends, and goes
//! on from there.
//!
//! # Caveats
//!
//! * Other occupants see the account's bare JID where rooms show real JIDs;
//!   XEP-0045 §17.3 demands a full one there.
//! * Rooms must take a bare JID for an occupant's address. Prosody and
//!   ejabberd do, as does the test kit's room.
//! * A room is known when the account joined it here. A client that was in a
//!   room before the layer was switched on stays an occupant of its own until
//!   it joins again.
//! * Bookmarks and [`AccountMuc::leave`] take effect at the next tick.
//! * What somebody says before the room has sent its subject reaches newcomers
//!   behind history and subject (§7.1), as a copy that bears no ID of the
//!   account's own archive.
//! * History that a room does not mark as such (§7.2.13) counts as said just now,
//!   whenever the account joins.
//! * From a room that shows the account before the others, newcomers hear in that
//!   order, too.
//! * Of MUC2 only joining and parting are spoken, as of the draft of May 2026
//!   (ProtoXEP "MUC2 Addressing/Occupancy"): occupants are addressed by their
//!   nicks. A room that shows nobody to an account which joined by request is
//!   joined by presence as well, at the next tick.
//! * A room that cannot be joined for now is not forgotten if the account was
//!   there before; what a session says meanwhile, the room refuses.
//! * A client that shows something in a room longer than [`Options::patience`]
//!   after the account was made to leave (one that comes back from hibernation,
//!   say, and speaks before it listens) is to the room what any client is: some
//!   rooms take that for a join of its own.
//! * Fails closed: a session's stanza for a room is refused if the layer breaks.
//!
//! # What it saves
//!
//! A room sends one stanza to the account where it would send one to each of its
//! clients, and is joined once: counted over an uplink to Prosody and ejabberd
//! by `live/saving.sh`, with figures in `design/013-account-muc.md`.
//!
//! # What real rooms do differently
//!
//! Seen with Prosody 0.12.3 and ejabberd 23.01; `live/account_rooms.sh` plays it.
//!
//! | Seen | Here |
//! |---|---|
//! | ejabberd sends presence in the room's own name, with its capabilities, before all others, and takes it back when somebody is removed | passed on to the sessions that are there; no occupant |
//! | neither says 332 when it is shut down, Prosody not even that its stream ends | the lost link tells (rule 11) |
//! | Prosody expels who answers with an error, or whose server does not answer, with 333 and no 110; ejabberd keeps a seat that it cannot reach where it has no s2s | either way the account joins again when it is back, and the room tells what was said |
//! | joining again is shown to others as a presence, `xa` until a session comes | nobody is seen to leave |
//! | a room that is not persistent is gone with its server; joining again makes a new one, which Prosody keeps locked until its owner configures it | where no session asked for that join, the account takes the room as it is offered (§10.1.2) |
//! | ejabberd makes a visitor of whom it takes an affiliation from, a lifted ban included, in rooms that are moderated, as they are by default; it remembers that for the bare JID | the role is passed on; what a visitor says, the room refuses |
//! | ejabberd's history names real JIDs in `<addresses/>` where the room does | passed on as it came |
//! | ejabberd as this server's uplink sends what is for one component over several connections, in any order, unless its listener has `global_routes: false` | a subject before the self-presence takes the join from nobody, but history and subject then come late, and whoever is shown after the subject of a resync seems to have left and come back |
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use tower::ServiceBuilder;
//! use tower_xmpp::account_muc::AccountMucLayer;
//! use tower_xmpp::fork::{Fork, ForkLayer};
//! use tower_xmpp::store::MemorySeats;
//! use tower_xmpp::testkit::{World, xml};
//!
//! let w = World::new();
//! let rooms = AccountMucLayer::new(Arc::new(MemorySeats::default()), Arc::new(w.entropy()));
//! let occupancy = rooms.feature().clone();
//! let stack = ServiceBuilder::new()
//!     .layer(rooms) // the account joins, not the client
//!     .layer(ForkLayer::of(Fork::new().occupancy(occupancy))); // who knows who is where
//! w.host("a.example", stack).rooms("muc.example");
//!
//! let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]);
//! phone.joins("tea@muc.example/Alice");
//! desk.joins("tea@muc.example/Alice");
//! let seats = w.occupants("tea@muc.example");
//! assert_eq!(seats.len(), 1);
//! assert_eq!(seats[0].1[0].as_str(), "alice@a.example");
//!
//! phone.send(xml!("<message to='tea@muc.example' type='groupchat'><body>hi</body></message>"));
//! for session in [&phone, &desk] {
//!     session.expect("<message from='tea@muc.example/Alice'><body>hi</body></message>");
//! }
//! w.finish();
//! ```

mod desk;
mod hash;
mod inbox;
mod layer;
mod machine;
mod muc;
mod options;
mod outward;
mod passes;
mod pool;
mod port;
mod table;

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::flow::bare;

pub use layer::{AccountMuc, AccountMucLayer};
pub use options::{LeavePolicy, Limits, Options};
pub use port::{Seat, SeatError, SeatState, SeatStore};

/// Every change in this module is whole, so a poisoned lock is as good as new.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
