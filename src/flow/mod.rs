//! What travels through a stack, and what comes back.
//!
//! ```text
//!            Envelope { at, what, route, trail, facts }
//!  entrance ───────────────► layer ─► layer ─► … ─► the host's router
//!           ◄───────────────
//!            Outcome { original, emits, … }
//! ```
//!
//! * An [`Envelope`] carries one stanza or one [`Event`], the [`Route`] it
//!   takes, the time, the [`Facts`] that layers tell each other, and the
//!   [`Trail`] that keeps a layer from meeting its own work.
//! * An [`Outcome`] says what became of the original, and lists as data what
//!   is to be sent besides: [`Emit`]s.
//!
//! Nothing here decides anything. The rules live in the layers, the plumbing
//! in [`middleware`](crate::middleware), the carrying out in
//! [`host`](crate::host).

mod away;
mod emit;
mod entropy;
mod envelope;
mod event;
mod facts;
mod few;
mod holders;
mod outcome;
mod route;
mod settling;
mod trail;
mod traits;

pub use away::Away;
pub use emit::{Emit, EmitKind, Fate, Target};
pub use entropy::Entropy;
pub use envelope::{Envelope, Parts, What};
pub use event::{End, Entity, Event};
pub use facts::{Archived, Facts, Reach};
pub use few::Few;
pub use holders::Holders;
pub use outcome::{Drop, Incident, Original, Outcome, Stage};
pub use route::{Affiliation, Member, Route, Side, Snapshot};
#[allow(unused_imports, reason = "used by features, which may all be off")]
pub(crate) use route::{bare, to_bare};
pub use settling::{Settled, Settling};
pub use trail::{Hop, PassId, Trail};
pub use traits::{
    Bookmark, BookmarkChange, Bookmarks, BoxError, ImNg, Occupancy, RoomHistory, Seats,
};
