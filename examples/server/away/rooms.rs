//! The room's side.

use std::path::Path;
use std::sync::Arc;

use jid::BareJid;
use tokio::task::JoinSet;
use tower_xmpp::middleware::Shell;
use tower_xmpp::muc_offline::MucOfflineRoomLayer;
use tower_xmpp::muc_push::{self, Limits, MucPushRoom, MucPushRoomLayer, Standing};
use tracing::info;

use super::super::archives::Doors;
use super::super::random;
use super::super::site::Site;
use super::{Switches, Unusable, registrations, targets};

/// The layers, unless they are switched off.
pub struct OfRooms {
    /// Rooms write to registered members who are away.
    pub offline: Option<MucOfflineRoomLayer>,
    /// Rooms wake who believes to be there and is not.
    pub push: Option<MucPushRoomLayer>,
}

/// The layers, with what was kept.
pub async fn of_rooms(
    switches: Switches,
    directory: Option<&Path>,
    site: &Arc<Site>,
    workers: &mut JoinSet<()>,
) -> Result<OfRooms, Unusable> {
    let mut layers = OfRooms {
        offline: None,
        push: None,
    };
    if !switches.no_muc_offline {
        let store = registrations(directory, "muc-offline-rooms.sqlite", workers)?;
        let registrants = store.all().await?.len();
        layers.offline = Some(MucOfflineRoomLayer::open(store).await?);
        info!(registrants, "rooms write to members who are away");
    }
    if !switches.no_muc_push {
        let store = targets(directory, "muc-push-rooms.sqlite", workers)?;
        let targets = store.all().await?.len();
        let push = MucPushRoom::open(store, Arc::new(random::fill), Limits::default()).await?;
        let doors = Arc::new(Doors(site.clone()));
        layers.push = Some(Shell::of(push.doors(doors)));
        info!(targets, "rooms notify who is away");
    }
    Ok(layers)
}

/// Whoever may enter a room may be notified by it.
impl muc_push::Doors for Doors {
    fn standing(&self, room: &BareJid, account: &BareJid) -> Option<Standing> {
        self.0.rooms.standing(room, account)
    }
}
