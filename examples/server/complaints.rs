//! What goes wrong again and again is logged once: while a disk is full each
//! message fails, and a log with a line for each would be one more that fills it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What has not happened for that long is news again.
const QUIET: Duration = Duration::from_secs(60);

/// How many different ones are kept in mind.
const MOST: usize = 100;

#[derive(Default)]
pub struct Complaints(Mutex<HashMap<String, Instant>>);

impl Complaints {
    /// Whether this happens for the first time, or again after a quiet time.
    pub fn is_news(&self, what: &str, now: Instant) -> bool {
        let mut known = self.0.lock().unwrap();
        if let Some(last) = known.get_mut(what) {
            let is_news = now.duration_since(*last) >= QUIET;
            *last = now;
            return is_news;
        }
        if known.len() >= MOST {
            known.retain(|_, last| now.duration_since(*last) < QUIET);
        }
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(what.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_on_and_on_is_news_once_and_again_after_a_quiet_time() {
        let complaints = Complaints::default();
        let start = Instant::now();
        let news = |what, seconds| complaints.is_news(what, start + Duration::from_secs(seconds));
        assert!(news("the disk is full", 0));
        for second in 1..100 {
            assert!(!news("the disk is full", second));
        }
        assert!(news("the disk burns", 100));
        assert!(news("the disk is full", 99 + 60));
    }

    #[test]
    fn no_more_is_kept_in_mind_than_may_be() {
        let complaints = Complaints::default();
        for number in 0..=MOST {
            assert!(complaints.is_news(&number.to_string(), Instant::now()));
        }
        assert!(complaints.0.lock().unwrap().len() <= MOST);
    }
}
