//! How many connections there are, and from where.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use super::options::Limits;
use super::stream::Fault;

/// Connections that are told why they are sent away, beyond those that are
/// served; what comes besides is closed without a word.
const TOLD: usize = 100;

pub struct Census {
    limits: Limits,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    from: HashMap<IpAddr, usize>,
}

/// A connection that is counted until this is dropped.
pub struct Counted {
    census: Arc<Census>,
    from: IpAddr,
    /// Why it is not served, if it is not.
    pub refused: Option<Fault>,
}

impl Census {
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            counts: Mutex::default(),
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.counts.lock().unwrap().all
    }

    /// One more; `None` if there is not even time to tell it why not.
    pub fn add(self: &Arc<Self>, from: IpAddr) -> Option<Counted> {
        let mut counts = self.counts.lock().unwrap();
        let of_address = counts.from.get(&from).copied().unwrap_or(0);
        let refused = if counts.all >= self.limits.max_streams {
            Some(Fault::TooManyStreams)
        } else if of_address >= self.limits.max_streams_per_address {
            Some(Fault::TooManyFromThere)
        } else {
            None
        };
        if counts.all >= self.limits.max_streams + TOLD
            || of_address >= self.limits.max_streams_per_address + TOLD
        {
            return None;
        }
        counts.all += 1;
        *counts.from.entry(from).or_default() += 1;
        Some(Counted {
            census: self.clone(),
            from,
            refused,
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.census.counts.lock().unwrap();
        counts.all -= 1;
        if let Some(of_address) = counts.from.get_mut(&self.from) {
            *of_address -= 1;
            if *of_address == 0 {
                counts.from.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::BROADCAST);

    fn census(line: &str) -> Arc<Census> {
        let line = ["server"].into_iter().chain(line.split_whitespace());
        Census::new(Limits::try_parse_from(line).unwrap())
    }

    fn refused(census: &Arc<Census>, from: IpAddr) -> (Option<Counted>, Option<Fault>) {
        let counted = census.add(from);
        let refused = counted.as_ref().and_then(|counted| counted.refused);
        (counted, refused)
    }

    #[test]
    fn one_address_cannot_take_the_place_of_others() {
        let census = census("--max-streams 3 --max-streams-per-address 2");
        let (_one, first) = refused(&census, HERE);
        let (two, second) = refused(&census, HERE);
        let (_three, third) = refused(&census, HERE);
        assert_eq!((first, second), (None, None));
        assert_eq!(third, Some(Fault::TooManyFromThere));
        drop(two);
        assert_eq!(refused(&census, THERE).1, None);
        assert_eq!(census.count(), 2);
    }

    #[test]
    fn who_goes_makes_place_and_leaves_nothing() {
        let census = census("--max-streams 1");
        let one = census.add(HERE).unwrap();
        assert_eq!(refused(&census, THERE).1, Some(Fault::TooManyStreams));
        drop(one);
        assert!(census.counts.lock().unwrap().from.is_empty());
        assert_eq!(refused(&census, THERE).1, None);
    }

    #[test]
    fn a_flood_is_not_even_told() {
        let census = census("--max-streams 1");
        let all: Vec<_> = (0..10_000).filter_map(|_| census.add(HERE)).collect();
        assert_eq!(all.len(), 1 + TOLD);
    }
}
