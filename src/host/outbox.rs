//! One session's outbox: the only place where stanzas wait.

use super::Delivery;

/// One session's outbox: the only place where stanzas wait.
///
/// Pure: the host owns one per session, puts in what
/// [`Host::deliver`](super::Host::deliver) gives it, and writes what comes out,
/// in order. It is a plain queue as long as nobody calls
/// [`inactive`](crate::csi::Outbox::inactive).
#[cfg(feature = "csi")]
pub type Outbox<T = Delivery> = crate::csi::Outbox<T>;

#[cfg(feature = "csi")]
impl crate::csi::Parcel for Delivery {
    fn session(&self) -> &jid::FullJid {
        &self.session
    }

    fn at(&self) -> crate::stanza::Time {
        self.at
    }

    fn stanza(&self) -> &crate::stanza::Stanza {
        &self.stanza
    }

    fn stanza_mut(&mut self) -> &mut crate::stanza::Stanza {
        &mut self.stanza
    }
}

#[cfg(not(feature = "csi"))]
pub use plain::Outbox;

#[cfg(not(feature = "csi"))]
mod plain {
    use std::collections::VecDeque;

    use super::Delivery;

    /// One session's outbox: the only place where stanzas wait.
    ///
    /// Pure: the host owns one per session, puts in what
    /// [`Host::deliver`](crate::host::Host::deliver) gives it, and writes what
    /// comes out, in order. It holds nothing back; with feature `csi` it can
    /// (XEP-0352).
    #[derive(Debug)]
    pub struct Outbox<T = Delivery> {
        ready: VecDeque<T>,
    }

    impl<T> Outbox<T> {
        /// An empty outbox.
        pub fn new() -> Self {
            Self::default()
        }

        /// Puts a delivery in.
        pub fn push(&mut self, delivery: T) {
            self.ready.push_back(delivery);
        }

        /// Puts a delivery in, and takes the next one out: the same one, and
        /// without making room for it, where nothing waits.
        pub fn exchange(&mut self, delivery: T) -> Option<T> {
            if self.ready.is_empty() {
                return Some(delivery);
            }
            self.push(delivery);
            self.pop()
        }

        /// Takes the next delivery that is to be written now.
        pub fn pop(&mut self) -> Option<T> {
            self.ready.pop_front()
        }

        /// How many deliveries are to be written. The host bounds it: a client
        /// that does not read is ended, and its outbox goes to
        /// [`expire`](crate::host::expire).
        pub fn len(&self) -> usize {
            self.ready.len()
        }

        /// Whether none is to be written.
        pub fn is_empty(&self) -> bool {
            self.ready.is_empty()
        }

        /// Everything in here, in order.
        pub fn iter(&self) -> impl Iterator<Item = &T> {
            self.ready.iter()
        }

        /// Takes everything out, in order, because the session is over.
        pub fn drain(&mut self) -> impl Iterator<Item = T> {
            self.ready.drain(..)
        }
    }

    impl<T> Default for Outbox<T> {
        fn default() -> Self {
            Self {
                ready: VecDeque::new(),
            }
        }
    }
}
