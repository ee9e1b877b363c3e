//! The account's side.

use std::path::Path;
use std::sync::Arc;

use jid::{BareJid, Jid};
use tokio::task::JoinSet;
use tower_xmpp::account_muc::AccountMucLayer;
use tower_xmpp::flow::Bookmarks;
use tower_xmpp::middleware::Shell;
use tower_xmpp::muc_offline::{AccountLimits, MucOfflineAccount, MucOfflineAccountLayer, Notify};
use tower_xmpp::muc_push::MucPushAccountLayer;
use tower_xmpp::stanza::Stanza;
use tracing::{debug, info};

use super::super::random;
use super::{Switches, Unusable, registrations, targets};

/// The layers, unless they are switched off.
pub struct OfAccounts {
    /// What a room writes to an account that asked for it is archived.
    pub offline: Option<MucOfflineAccountLayer>,
    /// Accounts that are in rooms themselves are woken, and look.
    pub push: Option<MucPushAccountLayer>,
}

/// The layers, with what was kept. What is bookmarked may write as well. `rooms` is
/// the layer by which accounts join rooms; without it, clients are woken and nobody
/// has to answer for them.
pub async fn of_accounts(
    switches: Switches,
    directory: Option<&Path>,
    bookmarks: Arc<dyn Bookmarks>,
    rooms: Option<&AccountMucLayer>,
    workers: &mut JoinSet<()>,
) -> Result<OfAccounts, Unusable> {
    let mut layers = OfAccounts {
        offline: None,
        push: None,
    };
    if !switches.no_muc_offline {
        let store = registrations(directory, "muc-offline-accounts.sqlite", workers)?;
        let registrations = store.all().await?.len();
        let offline = MucOfflineAccount::open(store, AccountLimits::default()).await?;
        let mut offline = offline.bookmarks(bookmarks).notify(Arc::new(Counted));
        if let Some(rooms) = rooms {
            offline = offline.occupancy(rooms.feature().clone());
        }
        layers.offline = Some(Shell::of(offline));
        info!(registrations, "accounts take in what rooms write to them");
    }
    if let (Some(rooms), false) = (rooms, switches.no_muc_push) {
        let store = targets(directory, "muc-push-accounts.sqlite", workers)?;
        let registrations = store.all().await?.len();
        let seats = rooms.feature().clone();
        let push = MucPushAccountLayer::open(store, Arc::new(random::fill), seats);
        layers.push = Some(push.await?);
        info!(registrations, "accounts are woken by rooms");
    }
    Ok(layers)
}

/// Where the user's devices would be woken. This server knows no push services
/// (XEP-0357), so it says only that there was something; the port's documentation
/// shows what is to be done.
struct Counted;

impl Notify for Counted {
    fn notify(&self, account: &BareJid, message: &Stanza) {
        let room = message.from().map(Jid::to_bare);
        let room = room.as_ref().map(tracing::field::display);
        debug!(%account, room, "a room has written to an account that is away");
        metrics::counter!("server_mail_of_rooms_total").increment(1);
    }
}
