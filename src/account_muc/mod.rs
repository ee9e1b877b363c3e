//! The account joins rooms, not the client.

mod desk;
mod inbox;
mod layer;
mod machine;
mod muc;
mod options;
mod outward;
mod pool;
mod port;
mod table;

use jid::Jid;

pub use layer::{AccountMuc, AccountMucLayer};
pub use options::{LeavePolicy, Limits, Options};
pub use port::{Seat, SeatError, SeatState, SeatStore};

/// The bare part of an address, without an allocation.
fn bare(jid: &Jid) -> &str {
    let whole = jid.as_str();
    match jid.resource() {
        Some(resource) => &whole[..whole.len() - resource.as_str().len() - 1],
        None => whole,
    }
}
