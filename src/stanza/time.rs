//! Points in time, as XEP-0082 writes them.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Microseconds since the Unix epoch, UTC; negative before it.
///
/// The library never looks at a clock: every time it knows was an argument.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Time(i64);

impl Time {
    /// The Unix epoch.
    pub const EPOCH: Time = Time(0);

    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Time(micros)
    }

    /// From milliseconds since the epoch; saturates.
    pub const fn from_millis(millis: i64) -> Self {
        Time(millis.saturating_mul(1_000))
    }

    /// From seconds since the epoch; saturates.
    pub const fn from_secs(secs: i64) -> Self {
        Time(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is before.
    pub fn since(self, earlier: Time) -> Duration {
        let micros = i128::from(self.0) - i128::from(earlier.0);
        Duration::from_micros(u64::try_from(micros.max(0)).unwrap_or(u64::MAX))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    /// Later by `duration`; saturates.
    fn add(self, duration: Duration) -> Time {
        Time(self.0.saturating_add(micros(duration)))
    }
}

impl Sub<Duration> for Time {
    type Output = Time;

    /// Earlier by `duration`; saturates.
    fn sub(self, duration: Duration) -> Time {
        Time(self.0.saturating_sub(micros(duration)))
    }
}

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Time::EPOCH + after,
            Err(before) => Time::EPOCH - before.duration(),
        }
    }
}

/// XEP-0082 DateTime in UTC with milliseconds: `2026-11-21T11:30:00.000Z`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whole milliseconds, rounded towards the past, so that a stamp never
        // lies in the future of what it stamps.
        let millis = self.0.div_euclid(1_000);
        let clamped = millis.clamp(
            jiff::Timestamp::MIN.as_millisecond(),
            jiff::Timestamp::MAX.as_millisecond(),
        );
        match jiff::Timestamp::from_millisecond(clamped) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            Err(_) => f.write_str("1970-01-01T00:00:00.000Z"),
        }
    }
}

/// The text is no XEP-0082 DateTime.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no XEP-0082 date and time")]
pub struct InvalidTime;

impl FromStr for Time {
    type Err = InvalidTime;

    /// Reads a XEP-0082 DateTime with any offset and any number of digits
    /// after the second; what is finer than a microsecond is cut off.
    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let timestamp: jiff::Timestamp = text.parse().map_err(|_| InvalidTime)?;
        Ok(Time(timestamp.as_microsecond()))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_milliseconds() {
        let time = Time::from_secs(1_795_260_600) + Duration::from_micros(7_999);
        assert_eq!(time.to_string(), "2026-11-21T11:30:00.007Z");
        assert_eq!(
            Time::from_micros(-1).to_string(),
            "1969-12-31T23:59:59.999Z"
        );
    }

    #[test]
    fn a_time_is_read_with_any_offset() {
        let utc: Time = "2026-11-21T11:30:00.5Z".parse().unwrap();
        assert_eq!("2026-11-21T13:30:00.5+02:00".parse(), Ok(utc));
        assert_eq!("2026-11-21T05:30:00.500000-06:00".parse(), Ok(utc));
        assert_eq!(
            "1969-07-21T02:56:15Z".parse(),
            Ok(Time::from_secs(-14_159_025))
        );
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-11-21",
            "2026-11-21T11:30:00",
            "11:30:00Z",
        ] {
            assert_eq!(text.parse::<Time>(), Err(InvalidTime), "{text}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(
            Time::from_micros(i64::MAX) + Duration::MAX,
            Time::from_micros(i64::MAX)
        );
        assert_eq!(
            Time::from_micros(i64::MIN) - Duration::MAX,
            Time::from_micros(i64::MIN)
        );
        assert_eq!(Time::EPOCH.since(Time::from_secs(5)), Duration::ZERO);
        assert_eq!(
            Time::from_secs(5).since(Time::EPOCH),
            Duration::from_secs(5)
        );
        assert_eq!(Time::from_secs(i64::MAX), Time::from_micros(i64::MAX));
        let _ = Time::from_micros(i64::MAX).to_string();
        let _ = Time::from_micros(i64::MIN).to_string();
    }
}
