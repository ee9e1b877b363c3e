//! How long a line waits before it is tried again.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// The pauses of one line: each twice as long as the one before, up to the
/// longest; from the first on again once the line was up.
#[derive(Default)]
pub struct Pauses {
    /// How many there were since the line was up.
    taken: u32,
}

impl Pauses {
    pub fn connected(&mut self) {
        self.taken = 0;
    }

    /// The next one: from half of it, where chance is 0, to all of it, so that
    /// who broke together with others does not come back together with them.
    pub fn next(&mut self, chance: u16) -> Duration {
        let doubled = FIRST.saturating_mul(2_u32.saturating_pow(self.taken));
        self.taken = self.taken.saturating_add(1);
        let half = doubled.min(LONGEST) / 2;
        half + half.mul_f64(f64::from(chance) / f64::from(u16::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(pauses: &mut Pauses, count: usize) -> Vec<f64> {
        let next = |_| pauses.next(u16::MAX).as_secs_f64();
        (0..count).map(next).collect()
    }

    #[test]
    fn each_pause_is_twice_the_one_before_up_to_a_minute() {
        let expected = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0];
        assert_eq!(seconds(&mut Pauses::default(), 8), expected);
    }

    #[test]
    fn a_line_that_was_up_is_tried_again_soon() {
        let mut pauses = Pauses::default();
        seconds(&mut pauses, 5);
        pauses.connected();
        assert_eq!(seconds(&mut pauses, 3), [1.0, 2.0, 4.0]);
    }

    #[test]
    fn chance_takes_at_most_half_of_a_pause() {
        for (chance, expected) in [(0, 0.5), (u16::MAX / 2, 0.75), (u16::MAX, 1.0)] {
            let pause = Pauses::default().next(chance).as_secs_f64();
            assert!((pause - expected).abs() < 0.001, "{chance}: {pause}");
        }
    }

    #[test]
    fn a_line_that_is_down_for_years_is_tried_every_minute() {
        let mut pauses = Pauses { taken: u32::MAX };
        assert_eq!(seconds(&mut pauses, 2), [60.0, 60.0]);
    }
}
