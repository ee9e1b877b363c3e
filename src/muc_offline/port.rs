use async_trait::async_trait;
use jid::BareJid;
use thiserror::Error;

use crate::flow::BoxError;
use crate::stanza::Stanza;

/// Where it is kept which accounts want the messages of which rooms while they
/// are away.
///
/// Both sides keep this, each for itself: a room's server for all who
/// registered with its rooms, a user's server for the rooms that its users
/// registered with. A server with both gives each side a store of its own.
///
/// A layer reads all of it when it is made, and from then on only writes. A
/// store is told by value and may be told the same thing twice. The library's
/// own are in [`store`](crate::store), and `store::contract` (feature
/// `testkit`) is the suite that every store passes, yours too.
#[async_trait]
pub trait Registrations: Send + Sync + 'static {
    /// Everything there is, in any order.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    async fn all(&self) -> Result<Vec<Registration>, RegistrationError>;

    /// Keeps this registration, in place of an older one of the same account
    /// with the same room. It is durable when this returns.
    ///
    /// # Errors
    ///
    /// What was kept before still is.
    async fn put(&self, registration: Registration) -> Result<(), RegistrationError>;

    /// Forgets the registration of an account with a room, if there is one.
    ///
    /// # Errors
    ///
    /// It may still be there.
    async fn remove(&self, room: &BareJid, account: &BareJid) -> Result<(), RegistrationError>;

    /// Forgets all registrations with a room.
    ///
    /// # Errors
    ///
    /// Some may still be there.
    async fn remove_room(&self, room: &BareJid) -> Result<(), RegistrationError>;
}

/// Who wakes a user's devices (XEP-0357), wherever the host does that.
///
/// Here nobody knows of devices: clients enable push with their own server, in
/// an IQ to their account (XEP-0357 §5), which is the host's to answer. It
///
/// 1. keeps what was enabled, with the [`PushFilter`](super::PushFilter) that
///    stands in it;
/// 2. announces `urn:xmpp:push:0` and [`ns::PUSH_FILTER_GROUPCHAT`] among the
///    features of its accounts;
/// 3. asks the filter of each device when it is told of a message, and
///    publishes to the services of those that are to wake (§7), outside of this call.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
/// use std::sync::mpsc::{Sender, channel};
/// use jid::{BareJid, Jid};
/// use tower_xmpp::muc_offline::{Notify, PushFilter};
/// use tower_xmpp::stanza::{Condition, Stanza, ns};
///
/// /// What a client has enabled: where a service knows its device, and what wakes it.
/// struct Device {
///     service: Jid,
///     node: String,
///     filter: Option<PushFilter>,
/// }
///
/// struct Devices {
///     of: Mutex<HashMap<BareJid, Vec<Device>>>,
///     /// Whoever sends IQs for the host takes them from here.
///     publish: Sender<(Jid, String)>,
/// }
///
/// impl Devices {
///     /// A session of the account sent this to it.
///     fn enable(&self, account: &BareJid, request: &Stanza) -> Result<(), Condition> {
///         let enable = request.child("enable", ns::PUSH).ok_or(Condition::BadRequest)?;
///         let service = enable.attr("jid").and_then(|jid| Jid::new(jid).ok());
///         let device = Device {
///             service: service.ok_or(Condition::BadRequest)?,
///             node: enable.attr("node").unwrap_or_default().to_owned(),
///             filter: PushFilter::read(enable)?,
///         };
///         let mut devices = self.of.lock().unwrap();
///         devices.entry(account.clone()).or_default().push(device);
///         Ok(())
///     }
/// }
///
/// impl Notify for Devices {
///     fn notify(&self, account: &BareJid, message: &Stanza) {
///         let devices = self.of.lock().unwrap();
///         for device in devices.get(account).into_iter().flatten() {
///             let filter = device.filter.as_ref();
///             if filter.is_none_or(|filter| filter.decide(message).wakes()) {
///                 let _ = self.publish.send((device.service.clone(), device.node.clone()));
///             }
///         }
///     }
/// }
///
/// let (publish, published) = channel();
/// let devices = Devices { of: Mutex::default(), publish };
/// let alice: BareJid = "alice@a.example".parse()?;
/// let request = Stanza::parse(
///     b"<iq type='set' id='e'><enable xmlns='urn:xmpp:push:0' jid='push.example' node='phone'>\
///       <groupchat xmlns='tigase:push:filter:groupchat:0'>\
///       <room jid='tea@muc.example' allow='mentioned' nick='Alice'/></groupchat></enable></iq>",
/// )?;
/// devices.enable(&alice, &request).expect("a good request");
/// for body in ["tea?", "tea, Alice?"] {
///     let bob: Jid = "tea@muc.example/Bob".parse()?;
///     let message = Stanza::message().with_from(bob).with_text_child("body", body);
///     devices.notify(&alice, &message);
/// }
/// assert_eq!(published.try_iter().count(), 1);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// [`ns::PUSH_FILTER_GROUPCHAT`]: crate::stanza::ns::PUSH_FILTER_GROUPCHAT
pub trait Notify: Send + Sync + 'static {
    /// A room has written to the account, and no client will see it by itself.
    /// It does not block.
    fn notify(&self, account: &BareJid, message: &Stanza);
}

/// An account wants a room's messages while it is away.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Registration {
    /// The room.
    pub room: BareJid,
    /// The account.
    pub account: BareJid,
    /// It was kicked and has not been back: nothing is forwarded meanwhile.
    /// Only a room's side knows.
    pub paused: bool,
}

/// Why a store did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// The store has as many registrations as it may have.
    #[error("the store holds {0} registrations and takes no more")]
    Full(usize),
    /// The store itself failed.
    #[error("the store of registrations failed")]
    Store(#[source] BoxError),
}

impl Registration {
    /// A registration that is in force.
    pub fn new(room: BareJid, account: BareJid) -> Self {
        Self {
            room,
            account,
            paused: false,
        }
    }
}
