//! Lists that are nearly always empty.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// A list that is one word while it is empty, which it nearly always is.
///
/// An [`Outcome`](super::Outcome) is moved from layer to layer for every stanza:
/// what is rarely in it had better not make it larger.
///
/// ```
/// use tower_xmpp::flow::Few;
///
/// let mut few = Few::default();
/// assert!(few.is_empty());
/// few.push("one");
/// assert_eq!(few[..], ["one"]);
/// assert_eq!(few.into_iter().count(), 1);
/// ```
#[derive(Clone, PartialEq, Eq)]
#[allow(clippy::box_collection, reason = "three words less where it is empty")]
pub struct Few<T>(Option<Box<Vec<T>>>);

impl<T> Few<T> {
    /// Adds one.
    pub fn push(&mut self, one: T) {
        self.0.get_or_insert_default().push(one);
    }
}

impl<T> Default for Few<T> {
    #[inline]
    fn default() -> Self {
        Few(None)
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_ref().map_or(&[], |few| few)
    }
}

impl<T> DerefMut for Few<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.0.as_mut().map_or(&mut [], |few| few)
    }
}

impl<T> Extend<T> for Few<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, more: I) {
        more.into_iter().for_each(|one| self.push(one));
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        let mut few = Few::default();
        few.extend(all);
        few
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.map(|few| *few).unwrap_or_default().into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: fmt::Debug> fmt::Debug for Few<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}
