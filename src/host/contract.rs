use std::future::Future;

use jid::{BareJid, DomainPart, FullJid, Jid};

use crate::flow::{BoxError, Envelope, Fate, Holders, Incident, Outcome, PassId, Snapshot};
use crate::stanza::{Stanza, Time};

use super::{Availability, BareMessages};

/// What a server does for the stack above it. See the [contract](crate::host#the-contract).
///
/// All methods but the two futures are called on the path of a stanza: answer
/// from memory, and do not block.
pub trait Host: Send + Sync + 'static {
    /// What breaks when the host's own machinery breaks.
    type Error: Into<BoxError> + Send + 'static;

    /// Whose address this is.
    fn place(&self, jid: &Jid) -> Place;

    /// The account's sessions, hibernating ones included.
    fn sessions(&self, account: &BareJid) -> Vec<Availability>;

    /// Puts a stanza into a session's outbox. Enqueueing is delivery.
    ///
    /// # Errors
    ///
    /// The delivery comes back if there is no such session any more.
    fn deliver(&self, delivery: Delivery) -> Result<(), Undelivered>;

    /// Sends a stanza to another domain, by s2s, by an uplink, or to a
    /// component. What cannot be sent comes back later, as an error stanza
    /// that enters like any other.
    fn send(&self, at: Time, stanza: Stanza);

    /// Serves what ends at the host itself, always a stanza:
    ///
    /// * IQ requests to the server or to an account's bare JID, from a session
    ///   without `to` as well;
    /// * presence of a session without `to`, presence subscriptions in either
    ///   direction, and probes;
    /// * everything addressed to the host's own rooms, and what they broadcast
    ///   without naming an [audience](crate::flow::Facts::audience);
    /// * messages to the server.
    ///
    /// What the host does not know it refuses with `service-unavailable`.
    fn serve(
        &self,
        envelope: Envelope,
    ) -> impl Future<Output = Result<Outcome, Self::Error>> + Send;

    /// Keeps a message for an account that has no session to take it, or says
    /// that it cannot: then the message is refused with `service-unavailable`,
    /// unless it lies in the account's archive already. A host whose accounts
    /// have archives need keep nothing.
    fn keep_offline(
        &self,
        account: &BareJid,
        at: Time,
        stanza: &Stanza,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send {
        let _ = (account, at, stanza);
        async { Ok(false) }
    }

    /// A session's presence to somebody in particular leaves the stack.
    fn directed(&self, session: &FullJid, presence: &Stanza) {
        let _ = (session, presence);
    }

    /// One of the host's rooms has broadcast a stanza, and this is what the
    /// layers made of it: what the room keeps as history, so that live and
    /// replayed copies bear the same ids.
    fn broadcast(&self, room: &Snapshot, stanza: &Stanza) {
        let _ = (room, stanza);
    }

    /// Which of several sessions gets a message to the bare JID.
    fn bare_messages(&self) -> BareMessages {
        BareMessages::default()
    }

    /// A pass begins; `pass` is also the number in its deliveries and emits.
    fn began(&self, pass: PassId, envelope: &Envelope) {
        let _ = (pass, envelope);
    }

    /// A pass is over, and nothing of it has been sent yet.
    fn ended(&self, pass: PassId, outcome: &Outcome) {
        let _ = (pass, outcome);
    }

    /// Something that outlived its pass is over: the commit of what was
    /// stored, say. What is to be sent because of it is sent next, and then
    /// [`Ticket::handled`](super::Ticket::handled) resolves.
    fn settled(&self, pass: PassId, incidents: &[Incident]) {
        let _ = (pass, incidents);
    }

    /// A pass broke off because a service returned an error or panicked. The
    /// sender has been told `resource-constraint`, if it may be told.
    fn broke(&self, pass: PassId, what: &(dyn std::error::Error + Send + Sync)) {
        let _ = (pass, what);
    }
}

/// Whose address a JID is, as the host sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// An account of ours, or one of its sessions. Whether the account exists
    /// may be left open: without a session, [`Host::keep_offline`] decides.
    Account(BareJid),
    /// A room of ours, one of its occupants, or the service itself.
    Room(BareJid),
    /// The server itself.
    Server(DomainPart),
    /// Somebody else's.
    Elsewhere,
}

/// One stanza on its way into one session's outbox.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Delivery {
    /// The session.
    pub session: FullJid,
    /// The stanza.
    pub stanza: Stanza,
    /// What becomes of it if the session dies before acknowledging it.
    pub fate: Fate,
    /// Who else has it, if somebody may: for [`expire`](super::expire). Drop
    /// the delivery when it is acknowledged.
    pub holders: Option<Holders>,
    /// The layer that made it; `None` for originals.
    pub by: Option<&'static str>,
    /// The pass it comes from.
    pub pass: PassId,
    /// When that pass entered.
    pub at: Time,
}

/// A delivery to a session that is no more.
#[derive(Debug)]
pub struct Undelivered(pub Box<Delivery>);

impl Delivery {
    /// What the host itself has to say to a session, outside of any pass.
    pub fn new(session: FullJid, stanza: Stanza, fate: Fate, at: Time) -> Self {
        Self {
            session,
            stanza,
            fate,
            holders: None,
            by: None,
            pass: PassId::default(),
            at,
        }
    }
}
