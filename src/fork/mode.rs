//! The ways in which a session may want to take part in its account's
//! conversations.

use crate::stanza::ns;

/// How a session gets what its account's other sessions send and receive.
///
/// A session may have asked for several; the greatest of them is what it gets,
/// and nothing twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Mode {
    /// Message Carbons (XEP-0280): wrapped copies of conversations.
    Carbons,
    /// Message Routing 2.0 (a ProtoXEP of 2015): what is for the account as it
    /// came, chats of and for one session as wrapped copies.
    Mr2,
    /// Message Routing 2.0 as far as the wiki page "Server based 1-1 chat
    /// state" wants it to go: all types but groupchat and error, and headline
    /// on the way in.
    Goal,
    /// Instant Messaging Intelligent Routing, the next generation (XEP-0409):
    /// every session gets the same, as it came.
    ImNg,
}

/// What one session has asked for: a set of modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Modes(u8);

impl Mode {
    /// All of them, the least first.
    pub const ALL: [Mode; 4] = [Mode::Carbons, Mode::Mr2, Mode::Goal, Mode::ImNg];

    /// The namespace by which it is announced and asked for, and in which its
    /// copies are wrapped.
    pub fn namespace(self) -> &'static str {
        match self {
            Mode::Carbons => ns::CARBONS,
            Mode::Mr2 => ns::MR2,
            Mode::Goal => ns::GOAL,
            Mode::ImNg => ns::IM_NG,
        }
    }

    /// The mode of this namespace, if it is one.
    pub fn of_namespace(namespace: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.namespace() == namespace)
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Modes {
    pub(super) fn insert(&mut self, mode: Mode) {
        self.0 |= mode.bit();
    }

    pub(super) fn remove(&mut self, mode: Mode) {
        self.0 &= !mode.bit();
    }

    /// The one that counts.
    pub(super) fn greatest(self) -> Option<Mode> {
        Mode::ALL
            .into_iter()
            .rev()
            .find(|mode| self.0 & mode.bit() != 0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Mode> {
        Mode::ALL
            .into_iter()
            .filter(move |mode| self.0 & mode.bit() != 0)
    }
}

impl FromIterator<Mode> for Modes {
    fn from_iter<I: IntoIterator<Item = Mode>>(modes: I) -> Self {
        let mut all = Self::default();
        modes.into_iter().for_each(|mode| all.insert(mode));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_the_greatest_counts_until_it_is_taken_back() {
        let mut modes: Modes = [Mode::Mr2, Mode::Carbons].into_iter().collect();
        assert_eq!(modes.greatest(), Some(Mode::Mr2));
        modes.insert(Mode::ImNg);
        assert_eq!(modes.greatest(), Some(Mode::ImNg));
        for mode in [Mode::ImNg, Mode::Mr2, Mode::Carbons] {
            modes.remove(mode);
        }
        assert!(modes.is_empty() && modes.greatest().is_none());
    }

    #[test]
    fn a_mode_is_known_by_its_namespace() {
        for mode in Mode::ALL {
            assert_eq!(Mode::of_namespace(mode.namespace()), Some(mode));
        }
        assert_eq!(Mode::of_namespace("urn:xmpp:carbons:1"), None);
    }
}
