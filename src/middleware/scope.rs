//! What can concern a feature at all.

use crate::flow::Side;
use crate::stanza::Kind;

/// Kinds of stanza on sides of a pass: what is outside a feature's
/// [`SCOPE`](super::Feature::SCOPE) goes on without asking it.
///
/// It is a constant, so the shell compares two words where it would make a
/// call; a layer that works for rooms alone costs what is sent between
/// accounts next to nothing.
///
/// ```
/// use tower_xmpp::flow::Side;
/// use tower_xmpp::middleware::Scope;
/// use tower_xmpp::stanza::Kind;
///
/// const ROOMS: Scope = Scope::of(&[Kind::Message, Kind::Iq], &[Side::Room]);
/// const JOINS: Scope = ROOMS.or(Scope::of(&[Kind::Presence], &[Side::Sender]));
/// assert!(JOINS.holds(Kind::Iq, Side::Room));
/// assert!(JOINS.holds(Kind::Presence, Side::Sender));
/// assert!(!JOINS.holds(Kind::Presence, Side::Room));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope(u16);

impl Scope {
    /// Whatever there is.
    pub const ALL: Scope = Scope(u16::MAX);

    /// Each of these kinds on each of these sides.
    pub const fn of(kinds: &[Kind], sides: &[Side]) -> Self {
        let (mut bits, mut kind) = (0, 0);
        while kind < kinds.len() {
            let mut side = 0;
            while side < sides.len() {
                bits |= bit(kinds[kind], sides[side]);
                side += 1;
            }
            kind += 1;
        }
        Scope(bits)
    }

    /// What either holds.
    #[must_use]
    pub const fn or(self, other: Scope) -> Self {
        Scope(self.0 | other.0)
    }

    /// Whether a stanza of this kind on this side is in it.
    #[inline]
    pub const fn holds(self, kind: Kind, side: Side) -> bool {
        self.0 & bit(kind, side) != 0
    }
}

#[inline]
const fn bit(kind: Kind, side: Side) -> u16 {
    1 << (kind as u16 * 4 + side as u16)
}
