//! Rooms reach members who are away: `{http://tigase.org/protocol/muc}offline`.
//!
//! Whoever registers with a room may tick one field more in the form, and from
//! then on the room writes to the account while none of its clients is in the
//! room. There is no XEP; the field is Tigase's, and Siskin, Beagle and
//! Prosody's `mod_muc_offline_delivery` speak it.
//!
//! # Rules of the room's side
//!
//! 1. **The field** is added to whatever form the room's own service returns,
//!    with its current value; a service that returns none to whoever has
//!    registered gets one, since clients look for the field there. A submitted
//!    field is taken out before the service sees the form.
//! 2. **The wish** holds when the service has accepted the form, whether or
//!    not the nick changed, and is durable before the answer leaves. A form
//!    without the field changes nothing, `<remove/>` ends it. Nonsense in the
//!    field, or the field twice, is a `bad-request`; what else is wrong with the
//!    form is the service's to say, and then nothing is stored. If the wish
//!    cannot be stored, the answer is `internal-server-error` of type wait.
//! 3. **Who is away is decided with the broadcast**, from the snapshot that the
//!    room took: a member gets each message by the broadcast or forwarded,
//!    never both, whoever joins or leaves meanwhile. Present is an account of
//!    which any session, under any nick, or the bare JID itself is in the room.
//! 4. **What is forwarded**: groupchat with a body, an encrypted one, a
//!    retraction, a displayed marker or a `store` hint; not with `no-store` or
//!    `no-permanent-store`; subjects and notices by [`Settings`]. See [`decide`].
//! 5. **As it was broadcast**: from the occupant, with its id, the room's
//!    `stanza-id` and `occupant-id`; to the bare JID. No `<delay/>`.
//! 6. **What ends it**, looked at when a message is sent: a ban, the loss of
//!    affiliation (and with it a room that becomes members-only), `<remove/>`, a
//!    form that says no, the room's destruction. A kick (307) pauses it until
//!    the account has been in the room again; to unregister and register anew
//!    does not end the pause, a ban that is lifted does.
//! 7. **Bounces** ([`bounce`]) are taken in: the room would take their sender for an
//!    occupant. Servers that may not take such messages (RFC 6121 §8.5.2.1.1)
//!    refuse them: three in a row end the registration. `item-not-found` and the
//!    like end it at once, an unreachable server never does. Only an error
//!    about a message that was forwarded to that account counts.
//! 8. **Pace.** A room sends so many copies at once; the rest goes, in order,
//!    with later [`Tick`](crate::flow::Event::Tick)s, and all bounds are in [`Limits`].
//!
//! Announced for rooms and their service: `http://tigase.org/protocol/muc#offline`.
//! Registrants who are away do not show in the room.
//!
//! # What it needs of the room's service
//!
//! * Requests pass at [`Route::ToRoom`]. Their answers may be in the outcome,
//!   or come later at [`Route::FromRoom`].
//! * Broadcasts pass at [`Route::Broadcast`] with a snapshot, whose affiliations
//!   name members that are away. The router has to obey
//!   [`Facts::away`](crate::flow::Facts::away).
//! * [`AffiliationChanged`](crate::flow::Event::AffiliationChanged) and
//!   [`RoomDestroyed`](crate::flow::Event::RoomDestroyed). Without them a ban still
//!   stops forwarding, but lifting it starts it again.
//!   [`OccupantKicked`](crate::flow::Event::OccupantKicked): without it a kick does
//!   not pause.
//! * Presence to occupants at [`Route::FromRoom`]. Without it a pause has no end.
//!
//! [`Route::ToRoom`]: crate::flow::Route::ToRoom
//! [`Route::FromRoom`]: crate::flow::Route::FromRoom
//! [`Route::Broadcast`]: crate::flow::Route::Broadcast
//!
//! # Rules of the account's side
//!
//! Another layer, [`MucOfflineAccount`], on the server of the member. Both may
//! share a server, each with a store of its own.
//!
//! 9. **A room's message to the account itself** is taken in only if the account
//!    registered with the room or bookmarked it
//!    ([`MucOfflineAccount::bookmarks`]). Anything else gets `service-unavailable`,
//!    as RFC 6121 §8.5.2.1.1 demands: a room that nobody knows must not fill an
//!    archive. If the bookmarks cannot be read, it is `resource-constraint`.
//! 10. **Never to clients**: they know nothing of a room that they have not joined.
//!     It goes on with a [`Reach`](crate::flow::Reach) of nobody, so that it is
//!     neither delivered nor copied, stored offline or refused.
//! 11. **It is archived** by an archive further in
//!     ([`Facts::wanted`](crate::flow::Facts::wanted)), with the room's `stanza-id`
//!     and without forged ones; and whoever wakes devices is told ([`Notify`]),
//!     who asks each device's [`PushFilter`].
//! 12. **Once.** What comes again is taken in and dropped: the same `stanza-id` of
//!     the room, or the same id from the same occupant where there is none.
//! 13. **Registrations are learnt** from what the own sessions ask rooms and what
//!     rooms answer: a form accepted with yes or no, `<remove/>`, and what a form
//!     shows. They end with status 101 to none or outcast, with 301, 321, 322, and
//!     with the room.
//! 14. **An account that is in the room itself** is another layer's: nothing here
//!     touches what a layer outside has spoken for, or what comes from a room
//!     that [`MucOfflineAccount::occupancy`] says it is in.
//!
//! # Order
//!
//! The room's side: inside whatever stamps the room's messages, so that what waits for its
//! turn bears the stamp as well; inside whatever refuses them. The account's side:
//! outside archive, or what is refused is archived; inside account_muc.
//!
//! # Caveats
//!
//! * A registration tells the account's server the room's traffic for good:
//!   nothing happens without an explicit yes.
//! * Who registers while the layer is broken gets no field, and who unregisters then
//!   keeps what it had. What is broadcast then is not forwarded.
//! * The account's side fails open: what comes while it is broken meets the router,
//!   which refuses it.
//! * What the account's side knows again are the last 65,536 messages of all
//!   accounts together, and none from before a restart.
//! * Who was kicked and has unregistered is kept in mind until it enters, is banned,
//!   or the room ends, takes a place within [`Limits`], and is forgotten by a restart.
//! * A bounce is matched with the room's last 128 forwarded messages by its id.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use futures::executor::block_on;
//! use tower_xmpp::muc_offline::MucOfflineRoomLayer;
//! use tower_xmpp::store::MemoryRegistrations;
//! use tower_xmpp::testkit::{World, xml};
//!
//! let w = World::new();
//! let store = Arc::new(MemoryRegistrations::default());
//! w.host("muc.example", block_on(MucOfflineRoomLayer::open(store))?);
//! w.rooms("muc.example").host("a.example", ());
//!
//! let bob = w.session("bob@a.example/x");
//! bob.joins("tea@muc.example/Bob");
//!
//! // Alice registers, and is not there.
//! let alice = w.session("alice@a.example/x");
//! alice.asks(xml!(
//!     "<iq type='set' id='r' to='tea@muc.example'><query xmlns='jabber:iq:register'>\
//!      <x xmlns='jabber:x:data' type='submit'>\
//!      <field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field>\
//!      <field var='muc#register_roomnick'><value>Alice</value></field>\
//!      <field var='{{http://tigase.org/protocol/muc}}offline'><value>1</value></field>\
//!      </x></query></iq>"
//! ));
//! bob.send(xml!(
//!     "<message to='tea@muc.example' type='groupchat' id='m'><body>tea?</body></message>"
//! ));
//! bob.expect("<message id='m'/>");
//! // The room wrote to her account, whose server is a plain one: it refuses.
//! alice.expect_nothing();
//! w.finish();
//! # Ok::<_, tower_xmpp::muc_offline::RegistrationError>(())
//! ```

mod account;
mod filter;
mod form;
mod known;
mod port;
mod registering;
mod registrants;
mod room;
mod rules;
mod state;
#[cfg(test)]
mod tests;

pub use account::{MucOfflineAccount, MucOfflineAccountLayer};
pub use filter::{PushFilter, Wake};
pub use form::FIELD;
pub use port::{Notify, Registration, RegistrationError, Registrations};
pub use room::{MucOfflineRoom, MucOfflineRoomLayer};
pub use rules::{Bounce, Decision, Settings, Skip, Why, bounce, decide};

/// The bounds of the room's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Registrants per room, with those who were kicked and unregistered; one more is refused with `resource-constraint`.
    /// Default 10,000.
    pub per_room: usize,
    /// Registrants of all rooms together. Default 1,000,000.
    pub total: usize,
    /// Copies that a room sends within five seconds. Default 20,000.
    pub copies: usize,
    /// Messages, of all rooms together, that wait until their room may send
    /// copies again. What comes then is not forwarded any more. Default 1,000.
    pub waiting: usize,
    /// After so many refusals in a row a registration ends. Default 3.
    pub refusals: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_room: 10_000,
            total: 1_000_000,
            copies: 20_000,
            waiting: 1_000,
            refusals: 3,
        }
    }
}

/// The bounds of the account's side. What is one too many is not learnt, and
/// what the room then sends is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountLimits {
    /// Rooms that are known of one account. Default 1,000.
    pub per_account: usize,
    /// Registrations of all accounts together. Default 1,000,000.
    pub total: usize,
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self {
            per_account: 1_000,
            total: 1_000_000,
        }
    }
}
