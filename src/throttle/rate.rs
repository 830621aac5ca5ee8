//! Owns what a rate is and how it is written: `10/s burst 40`.
//! Never knows buckets.

use std::fmt;
use std::time::Duration;

/// A rate such as `10/s burst 40`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Time that one event uses up. Zero, which [`Rate::parse`] never gives, bounds nothing.
    pub interval: Duration,
    /// Events that may come at once.
    pub burst: u32,
}

/// Why a text is no rate; displays as a sentence for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateError {
    /// Not of the form `10/s burst 40`.
    Form,
    /// A unit other than `s`, `m` and `h`.
    Unit,
    /// A number that is none, or over 4294967295.
    Number,
    /// A count or burst of zero.
    Zero,
    /// More than one event a nanosecond.
    TooFast,
    /// A burst that would take over a year to come back.
    BurstTooLong,
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Rate {
    /// Reads `COUNT/UNIT` or `COUNT/UNIT burst N`; the unit is `s`, `m` or `h`, and without a
    /// burst it is the count.
    ///
    /// # Errors
    /// A [`RateError`] that says what to write instead.
    pub fn parse(text: &str) -> Result<Rate, RateError> {
        let (per, burst) = match text.split_ascii_whitespace().collect::<Vec<_>>().as_slice() {
            [per] => (*per, None),
            [per, "burst", burst] => (*per, Some(*burst)),
            _ => return Err(RateError::Form),
        };
        let (count, unit) = per.split_once('/').ok_or(RateError::Form)?;
        let period = match unit {
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(60 * 60),
            _ => return Err(RateError::Unit),
        };
        let count = number(count)?;
        let burst = burst.map_or(Ok(count), number)?;
        if count == 0 || burst == 0 {
            return Err(RateError::Zero);
        }
        // Rounded down: a peer that keeps exactly to the rate is never refused.
        let interval = period / count;
        if interval.is_zero() {
            return Err(RateError::TooFast);
        }
        if interval.checked_mul(burst).is_none_or(|whole| whole > YEAR) {
            return Err(RateError::BurstTooLong);
        }
        Ok(Rate { interval, burst })
    }

    /// The interval in nanoseconds.
    pub(super) fn interval_ns(&self) -> u64 {
        u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Digits only: `str::parse` would take `+10` too.
fn number(text: &str) -> Result<u32, RateError> {
    if text.bytes().all(|octet| octet.is_ascii_digit()) {
        text.parse().map_err(|_| RateError::Number)
    } else {
        Err(RateError::Number)
    }
}

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RateError::Form => "a rate is written as \"10/s\" or \"10/s burst 40\"",
            RateError::Unit => "the unit of a rate is s, m or h, as in \"10/s\"",
            RateError::Number => "the numbers of a rate are whole and at most 4294967295",
            RateError::Zero => "a rate or burst of zero would refuse everything; write 1 or more",
            RateError::TooFast => "a rate is at most 1000000000/s",
            RateError::BurstTooLong => "a burst of this size takes over a year to come back at this rate",
        })
    }
}

impl std::error::Error for RateError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_it_is_written() {
        let cases = [
            ("10/s burst 40", 100_000_000, 40),
            ("10/s", 100_000_000, 10),
            ("1/s burst 1", 1_000_000_000, 1),
            ("60/m", 1_000_000_000, 60),
            ("1/h burst 3", 3_600_000_000_000, 3),
            ("  50/s   burst  100 ", 20_000_000, 100),
            ("3/s", 333_333_333, 3),
            ("1000000/s burst 1000000", 1_000, 1_000_000),
            ("1000000000/s", 1, 1_000_000_000),
            ("4294967295/h", 838, 4_294_967_295),
        ];
        for (text, nanoseconds, burst) in cases {
            let expected = Rate { interval: Duration::from_nanos(nanoseconds), burst };
            assert_eq!(Rate::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused_with_the_right_sentence() {
        let cases = [
            ("", RateError::Form),
            ("10", RateError::Form),
            ("10/s burst", RateError::Form),
            ("10/s 40", RateError::Form),
            ("10/s burst 40 more", RateError::Form),
            ("10 /s", RateError::Form),
            ("10/s Burst 40", RateError::Form),
            ("10/ms", RateError::Unit),
            ("10/S", RateError::Unit),
            ("10/", RateError::Unit),
            ("10/s/s", RateError::Unit),
            ("/s", RateError::Number),
            ("+10/s", RateError::Number),
            ("-1/s", RateError::Number),
            ("1.5/s", RateError::Number),
            ("ten/s", RateError::Number),
            ("4294967296/s", RateError::Number),
            ("10/s burst 4294967296", RateError::Number),
            ("0/s", RateError::Zero),
            ("0/s burst 40", RateError::Zero),
            ("10/s burst 0", RateError::Zero),
            ("1000000001/s", RateError::TooFast),
            ("1/h burst 8761", RateError::BurstTooLong),
        ];
        for (text, error) in cases {
            assert_eq!(Rate::parse(text), Err(error), "{text}");
        }
        assert!(Rate::parse("1/h burst 8760").is_ok(), "exactly a year");
    }
}
