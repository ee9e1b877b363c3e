//! How fast a client may send: a bucket that fills with time and is emptied
//! by bytes. Who empties it is not punished, only read more slowly.

use std::time::{Duration, Instant};

/// Seconds' worth of bytes that may come at once.
const BURST: f64 = 4.0;

pub struct Throttle {
    rate: f64,
    left: f64,
    filled: Instant,
}

impl Throttle {
    /// `rate` is in bytes per second.
    pub fn new(rate: u32, now: Instant) -> Self {
        let rate = f64::from(rate.max(1));
        Self {
            rate,
            left: rate * BURST,
            filled: now,
        }
    }

    /// Takes note of bytes that were read, and tells how long to wait before
    /// the next are.
    pub fn read(&mut self, bytes: usize, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.left = (self.left + passed * self.rate).min(self.rate * BURST) - bytes as f64;
        Duration::from_secs_f64((-self.left / self.rate).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_passes_and_what_is_more_waits_for_its_time() {
        let start = Instant::now();
        let mut throttle = Throttle::new(1_000, start);
        assert_eq!(throttle.read(4_000, start), Duration::ZERO);
        assert_eq!(throttle.read(2_000, start), 2 * SECOND);
        assert_eq!(throttle.read(0, start + 2 * SECOND), Duration::ZERO);
        assert_eq!(throttle.read(500, start + 2 * SECOND), SECOND / 2);
    }

    #[test]
    fn a_pause_earns_one_burst_and_no_more() {
        let start = Instant::now();
        let mut throttle = Throttle::new(1_000, start);
        throttle.read(4_000, start);
        let later = start + 3_600 * SECOND;
        assert_eq!(throttle.read(5_000, later), SECOND);
    }
}
