//! What this server does with a stanza, whoever sent it and wherever it came
//! in: one stack, outermost layer first.

use std::sync::Arc;

use tower::{Layer, Service, ServiceBuilder};
use tower_xmpp::account_muc::AccountMucLayer;
use tower_xmpp::archive::{Archive, ArchiveLayer, ArchiveStore};
use tower_xmpp::flow::{Envelope, Outcome};
use tower_xmpp::fork::{Fork, ForkLayer};
use tower_xmpp::host::Router;
use tower_xmpp::middleware::{Shell, together};

use super::archives::Doors;
use super::away::{OfAccounts, OfRooms};
use super::blocking;
use super::random;
use super::services::pep::abroad;
use super::site::Site;
use super::storage::Failed;

/// A stack over this server, and its archive, if it has one, for who has to
/// ask it outside of the stack. Layers' state is shared by all clones.
pub fn stack(
    site: Arc<Site>,
    rooms: Option<AccountMucLayer>,
    archives: Option<Arc<dyn ArchiveStore>>,
    of_accounts: OfAccounts,
    of_rooms: OfRooms,
) -> (impl Stack, Option<Arc<Archive>>) {
    let (accounts, hall) = (site.accounts.clone(), site.rooms.domain().clone());
    // Who knows who is in which room tells it to who copies private messages.
    let fork = match &rooms {
        Some(rooms) => Fork::new().occupancy(rooms.feature().clone()),
        None => Fork::new(),
    };
    let fork = ForkLayer::of(fork);
    let archive = |store| {
        let archive = Archive::new(store, Arc::new(random::fill))
            // What is for one session alone is kept nowhere.
            .im_ng(fork.feature().clone())
            // `stream::talk` counts nothing before it is handled.
            .acked_means_archived()
            .contacts(site.rosters.listed())
            .rooms(Arc::new(Doors(site.clone())));
        ArchiveLayer::of(archive)
            // A message to nobody comes back and is not kept.
            .only_for(move |owner| owner.domain() == hall.domain() || accounts.exists(owner))
    };
    let archive = archives.map(archive);
    let feature = archive.as_ref().map(|layer| layer.feature().clone());
    let layers = ServiceBuilder::new()
        // Outside all: what is blocked is neither archived nor copied.
        .layer(blocking::layer(site.clone()))
        // Asks clients of contacts elsewhere for their interests. Outside whatever
        // takes in what is answered to accounts.
        .layer(abroad::layer(site.clone()))
        // Accounts that rooms wake look whether they are still there. Outside the
        // layer that joins, which takes in what rooms answer to accounts.
        .layer(Shell::optional(of_accounts.push))
        // The account joins rooms, not the client. Outside whatever archives or
        // copies: what a room sends to the account is for several sessions.
        .layer(Shell::optional(rooms))
        // What a room writes to an account that is away is for no client, and
        // only if the account asked for it. Outside archive: what is refused is
        // not kept.
        .layer(Shell::optional(of_accounts.offline))
        // Stamps what is kept, removes forged stamps from everything, and
        // answers queries; outside whatever copies, so that one message has
        // one ID.
        .layer(Shell::optional(archive))
        // Rooms write to members who are away. Inside archive: what waits for
        // its turn bears the room's stamp as well.
        .layer(Shell::optional(of_rooms.offline))
        // Rooms wake who believes to be there and is not.
        .layer(Shell::optional(of_rooms.push))
        // Copies for the account's other clients, inside whatever stamps, so
        // that copies bear the stamp.
        .layer(fork.clone());
    // What is left to do: RFC 6121 §8, and what the server itself answers. Most
    // stanzas concern no layer, so all are asked before one is entered.
    let stack = together(layers).layer(Router::new(site));
    (stack, feature)
}

/// What [`conduct`](tower_xmpp::host::conduct) takes.
pub trait Stack:
    Service<Envelope, Response = Outcome, Error = Failed, Future: Send> + Clone + Send + Unpin + 'static
{
}

impl<S> Stack for S where
    S: Service<Envelope, Response = Outcome, Error = Failed, Future: Send>
        + Clone
        + Send
        + Unpin
        + 'static
{
}
