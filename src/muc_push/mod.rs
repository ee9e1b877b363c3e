//! Rooms wake who sleeps: XEP-0357 registered against a room.
//!
//! A room's service that crashes forgets who was there, and tells nobody: its
//! occupants believe that they are in the room and hear nothing, until they
//! look. Here a client asks the room once to be notified, and the first
//! message after such a loss finds it: it answers, pings itself
//! (XEP-0410) and joins again. Conversations introduced this ("direct push");
//! Converse.js registers a push service in the same way.
//!
//! # Rules of the room's side
//!
//! 1. **Registering** (XEP-0357 §5, §6): `<enable/>` and `<disable/>` to the room, or
//!    to its service for all rooms one belongs to. The same client or service and
//!    node again replaces the options. Disabling what is not enabled is no
//!    error; without a node it is whatever node. Durable before the answer leaves;
//!    else `internal-server-error` of type wait.
//! 2. **Who may be notified**: a client of the asker's own, or its account;
//!    others' get `forbidden`. A push service is a domain, and must be told a
//!    `secret`, else `not-allowed`. Without `jid`, or with a node or options that
//!    are too long: `bad-request`.
//! 3. **Who may ask**: whoever may enter the room ([`Doors`]): outcasts get
//!    `forbidden`, who is no member of a members-only room
//!    `registration-required`, and for an unknown room it is `item-not-found`. One
//!    target too many of an account drops its oldest; one too many of all
//!    accounts is refused ([`Limits`]).
//! 4. **What notifies** ([`wakes`]): groupchat with a body, or an encrypted one,
//!    without `no-store`. Not one's own messages. With
//!    [`Settings::mentions_only`] a push service hears of mentions only: of every
//!    member whose registered nick is mentioned.
//! 5. **Whom**: who is not in the room when the message is broadcast, for whatever
//!    reason. A client is looked for itself, a service's user by account. An
//!    account that is in the room as such is there for all its clients.
//! 6. **Once**: one notification until the target has been in the room again, or
//!    the room has [started](crate::flow::Event::RoomStarted) anew. Without any
//!    answer for ten minutes the next message notifies again, and it counts as
//!    a failure.
//! 7. **What it says**: nothing to a client; to a service that there is one
//!    message; sender and body by [`Summary`] only. Options go inside `<pubsub/>`.
//! 8. **Answers** ([`judge`]) count only from the notified address under the
//!    notification's id, however late. A result rests the target; a permanent
//!    error ends a client's registration at once, a service's after
//!    [`Settings::failures`] in a row; after an error of type wait there is a
//!    pause, doubled each time from one minute to one hour. They are taken in.
//! 9. **Ends**: a ban, the room's destruction. Leaving, and being kicked,
//!    end nothing. Who may not enter any more is not notified.
//!
//! Announced for rooms and their service: `urn:xmpp:push:0`.
//!
//! # What it needs of the room's service
//!
//! Requests at [`Route::ToRoom`]; broadcasts at [`Route::Broadcast`] with their
//! [audience](crate::flow::Facts::audience) (without it a client counts as
//! present while any session of its account is) and
//! [author](crate::flow::Facts::author) (without it one's own other clients are
//! notified of what one writes); presence to occupants at
//! [`Route::FromRoom`] (without it, whoever comes and goes between two
//! messages is not notified again); events of rooms. IQs to a session must
//! bounce if it is gone: that is how a registration ends.
//!
//! [`Route::ToRoom`]: crate::flow::Route::ToRoom
//! [`Route::FromRoom`]: crate::flow::Route::FromRoom
//! [`Route::Broadcast`]: crate::flow::Route::Broadcast
//!
//! # Rules of the account's side
//!
//! Another layer, [`MucPushAccount`], on the user's server, for accounts that
//! are in rooms as such ([`Seats`](crate::flow::Seats), which account_muc is).
//! Both may share a server, each with a store of its own. Where clients join
//! by themselves it is not needed: they answer (`testkit::push_client`
//! checks that a client does), and their server delivers, keeps the question for
//! one that hibernates, and answers for one that is gone.
//!
//! 10. **The account registers itself** once it is in a room: it asks whether the
//!     room offers `urn:xmpp:push:0`, and if so, has its bare JID notified, under
//!     an unguessable node that is durable before the request leaves. Again
//!     whenever it joins again, and then nothing that was asked before
//!     counts any more. [`AccountLimits::per_tick`] rooms at each
//!     [`Tick`](crate::flow::Event::Tick).
//! 11. **A notification for the account** is answered for it: with a result,
//!     first, and then with a self-ping (XEP-0410), however many come meanwhile;
//!     if the room does not know the account, it joins again. All of that while
//!     no client is awake.
//! 12. **It must be ours**: from the very room that the node was made for, and
//!     the account still sits there. Else it gets `item-not-found`, with which
//!     the room forgets it (rule 8).
//! 13. **A session that enables itself** with a room in which its account sits is
//!     answered here: the account is there for all its clients, and the room has
//!     one registration of it. Push services, and `<disable/>`, go on as they came.
//! 14. **Ends** with the seat and with the account. The room learns it by rule 12.
//!
//! # Order
//!
//! The room's side: inside whatever refuses a room's messages, beside muc_offline in
//! any order. The account's side: outside account_muc, which takes in what rooms
//! answer and show to the account.
//!
//! # Caveats
//!
//! * Where a target stands is not kept over a restart: whoever is away then is
//!   notified once more.
//! * A registration with a service is bound to no affiliation until a room says
//!   something: then only members of that room count.
//! * If this layer breaks, messages go on without notifications.
//! * A room that does not answer, or is too busy, is asked again when the account
//!   shows or joins again, not before.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use futures::executor::block_on;
//! use tower_xmpp::muc_push::MucPushRoomLayer;
//! use tower_xmpp::store::MemoryTargets;
//! use tower_xmpp::testkit::{World, xml};
//!
//! let w = World::new();
//! let store = Arc::new(MemoryTargets::default());
//! w.host("muc.example", block_on(MucPushRoomLayer::open(store, Arc::new(w.entropy())))?);
//! w.rooms("muc.example").host("a.example", ());
//!
//! let bob = w.session("bob@a.example/x");
//! bob.joins("tea@muc.example/Bob");
//! let alice = w.session("alice@a.example/phone");
//! alice.asks(xml!(
//!     "<iq type='set' id='e' to='tea@muc.example'>\
//!      <enable xmlns='urn:xmpp:push:0' jid='{alice}' node='tea'/></iq>"
//! ));
//! bob.send(xml!(
//!     "<message to='tea@muc.example' type='groupchat' id='m'><body>tea?</body></message>"
//! ));
//! bob.expect("<message id='m'/>");
//! // She is not there, so she is told; what is said, the room tells.
//! alice.expect(
//!     "<iq type='set' from='tea@muc.example'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
//!      <publish node='tea'><item><notification xmlns='urn:xmpp:push:0'/></item></publish>\
//!      </pubsub></iq>",
//! );
//! w.finish();
//! # Ok::<_, tower_xmpp::muc_push::TargetError>(())
//! ```

mod account;
mod audience;
mod enrolled;
mod enrolling;
mod mentions;
mod port;
mod room;
mod rules;
mod state;
#[cfg(test)]
mod tests;

pub use account::{MucPushAccount, MucPushAccountLayer};
pub use port::{Doors, Standing, Target, TargetError, Targets};
pub use room::{MucPushRoom, MucPushRoomLayer};
pub use rules::{Summary, Verdict, judge, notified_node, offers, wakes};

/// What notifications contain, and when they are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Which parts of a message. None by default.
    pub summary: Summary,
    /// Push services hear only of messages that mention their user
    /// (XEP-0372) by the nick it registered. Off by default.
    pub mentions_only: bool,
    /// After so many failures in a row a registration ends. Default 16.
    pub failures: u32,
}

/// The bounds of the room's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Targets of one account in one room. Default 5.
    pub per_account: usize,
    /// Targets of all rooms together; one more is refused with
    /// `resource-constraint`, unless it takes the place of another of its account.
    /// Default 1,000,000.
    pub total: usize,
    /// Bytes of a node. Default 256.
    pub node: usize,
    /// Bytes of options. Default 2,048.
    pub options: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            summary: Summary::default(),
            mentions_only: false,
            failures: 16,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_account: 5,
            total: 1_000_000,
            node: 256,
            options: 2_048,
        }
    }
}

/// The bounds of the account's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountLimits {
    /// Seats of all accounts together that are registered; the rooms of one
    /// more are not asked. Default 1,000,000.
    pub total: usize,
    /// Rooms that are asked, or told, at one tick. Default 100.
    pub per_tick: usize,
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self {
            total: 1_000_000,
            per_tick: 100,
        }
    }
}
