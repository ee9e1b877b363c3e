use std::sync::Arc;

use jid::Jid;

/// Members of a room who are away, by bare JID: some of a list that is shared.
///
/// With everybody who comes or goes others are away. Then places in the list
/// are worked out anew, and no address is copied.
///
/// ```
/// use std::sync::Arc;
/// use jid::Jid;
/// use tower_xmpp::flow::Away;
///
/// let members = ["alice@a.example", "bob@b.example", "carol@a.example"].map(Jid::new);
/// let members: Vec<Jid> = members.into_iter().collect::<Result<_, _>>()?;
/// let away = Away::among(Arc::new(members), [0, 2]);
/// assert_eq!(away.iter().map(Jid::as_str).collect::<Vec<_>>(), ["alice@a.example", "carol@a.example"]);
/// # Ok::<_, jid::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Away {
    list: Arc<Vec<Jid>>,
    places: Arc<[u32]>,
}

impl Away {
    /// Those at these places of a list. Both are sorted; a place that is not in
    /// the list is nobody's.
    pub fn among(list: Arc<Vec<Jid>>, places: impl Into<Arc<[u32]>>) -> Self {
        let places = places.into();
        Self { list, places }
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nobody is away.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Jid> {
        (0..self.len()).filter_map(|number| self.get(number))
    }

    /// One of them, by its number.
    pub fn get(&self, number: usize) -> Option<&Jid> {
        self.list.get(*self.places.get(number)? as usize)
    }

    /// Whether this address is among them.
    pub fn contains(&self, member: &Jid) -> bool {
        let place = self.list.binary_search(member).map(u32::try_from);
        matches!(place, Ok(Ok(place)) if self.places.binary_search(&place).is_ok())
    }

    /// So many of them, from the first on.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        let places = &self.places[..count.min(self.len())];
        Self::among(self.list.clone(), places)
    }
}

/// Whoever is away counts, not of which list.
impl PartialEq for Away {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Away {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_of_a_list_are_away_and_the_others_are_not() {
        let list: Vec<Jid> = ["a@x", "b@x", "c@x", "d@x"]
            .map(|jid| jid.parse().unwrap())
            .to_vec();
        // The last is nobody's place.
        let away = Away::among(Arc::new(list.clone()), [1, 3, 9]);
        let names = |away: &Away| away.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&away), ["b@x", "d@x"]);
        assert_eq!(names(&away.first(1)), ["b@x"]);
        assert_eq!(names(&away.first(7)), ["b@x", "d@x"]);
        let contained = list.iter().map(|jid| away.contains(jid));
        assert_eq!(contained.collect::<Vec<_>>(), [false, true, false, true]);
        assert!(!away.contains(&"e@x".parse().unwrap()));
        assert!(Away::default().is_empty() && !away.is_empty());
        let same = Away::among(Arc::new(vec![list[1].clone(), list[3].clone()]), [0, 1]);
        assert!(away == same && away != same.first(1));
    }
}
