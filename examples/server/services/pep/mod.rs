//! Personal eventing (XEP-0163): what an account publishes about itself, such
//! as its bookmarks (XEP-0402), its avatar's metadata, its nick and its OMEMO
//! devices. All nodes are alike; who joins rooms in the account's name is told
//! of changes in one of them (see [`bookmarks`]), which older clients see as
//! private XML (see [`legacy`]).
//!
//! 1. An account publishes, retracts, configures and deletes on itself alone.
//! 2. A node is made by the first publish, as its options demand; later they
//!    are a precondition (`conflict`, `precondition-not-met`).
//! 3. Nobody subscribes. Who hears of the account's presence, and the
//!    account's own clients, are notified of what they say they are interested
//!    in by `+notify` (see [`interest`]); whitelisted nodes are the account's own.
//! 4. A client that comes is sent the last item of each node it is interested
//!    in, its own account's and its contacts'.
//! 5. Everything is bounded; see `shelf` and `node`.
//!
//! Contacts on other servers are notified as well (see [`abroad`]).

pub mod abroad;
mod bookmarks;
pub mod interest;
pub mod legacy;
mod node;
mod notify;
mod requests;
mod shelf;

pub use bookmarks::Bookmarked;
pub use notify::welcome;
pub use requests::{get, names, owner, set};

/// What the account announces in service discovery (XEP-0163 §6.1, XEP-0402 §8).
pub const FEATURES: [&str; 17] = [
    "http://jabber.org/protocol/pubsub",
    "http://jabber.org/protocol/pubsub#access-open",
    "http://jabber.org/protocol/pubsub#access-presence",
    "http://jabber.org/protocol/pubsub#access-whitelist",
    "http://jabber.org/protocol/pubsub#auto-create",
    "http://jabber.org/protocol/pubsub#auto-subscribe",
    "http://jabber.org/protocol/pubsub#config-node",
    "http://jabber.org/protocol/pubsub#config-node-max",
    "http://jabber.org/protocol/pubsub#create-nodes",
    "http://jabber.org/protocol/pubsub#delete-nodes",
    "http://jabber.org/protocol/pubsub#filtered-notifications",
    "http://jabber.org/protocol/pubsub#last-published",
    "http://jabber.org/protocol/pubsub#multi-items",
    "http://jabber.org/protocol/pubsub#persistent-items",
    "http://jabber.org/protocol/pubsub#publish-options",
    "http://jabber.org/protocol/pubsub#retract-items",
    "urn:xmpp:bookmarks:1#compat",
];

/// The namespace of an owner's requests (XEP-0060 §8).
pub const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
