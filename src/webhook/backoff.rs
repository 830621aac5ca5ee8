//! Owns how long is waited before another try.
//! Never knows a clock, nor chance: both come in.

use std::time::Duration;

/// Exponential backoff with jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest pause before the second try.
    pub first: Duration,
    /// The longest pause of all.
    pub longest: Duration,
}

impl Backoff {
    /// The pause after so many tries that failed, the first one being 1: it doubles with each, and
    /// `chance` takes away up to half of it, so that gateways that failed together do not come back
    /// together.
    #[must_use]
    pub fn pause(&self, failed: u32, chance: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX);
        let whole = self.first.saturating_mul(doubled).min(self.longest);
        let half = whole / 2;
        let share = u128::from(chance).saturating_mul(half.as_nanos()) / u128::from(u32::MAX);
        whole.saturating_sub(Duration::from_nanos(u64::try_from(share).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(60) };

    #[test]
    fn a_pause_doubles_up_to_the_longest() {
        let pauses = [1, 2, 3, 7, 8, 31, 32, 33, u32::MAX].map(|failed| BACKOFF.pause(failed, 0).as_millis());
        assert_eq!(pauses, [500, 1000, 2000, 32_000, 60_000, 60_000, 60_000, 60_000, 60_000]);
    }

    #[test]
    fn chance_takes_half_of_it_at_most() {
        for failed in [1, 4, 40] {
            let whole = BACKOFF.pause(failed, 0);
            assert_eq!(BACKOFF.pause(failed, u32::MAX), whole / 2);
            let middle = BACKOFF.pause(failed, u32::MAX / 2);
            assert!(middle > whole / 2 && middle < whole, "{middle:?}");
        }
    }
}
