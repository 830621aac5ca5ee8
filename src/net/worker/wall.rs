//! Owns whether the wall clock has been set since it was last looked at.
//! Never knows what hangs on it.

use std::time::{Duration, Instant};

/// Less than this is a clock that is slewed: a token is good for its leeway longer anyway.
const STEP_MIN: Duration = Duration::from_secs(1);

/// What the wall clock said, and when.
#[derive(Debug)]
pub(super) struct Wall {
    seen: Instant,
    said: Duration,
}

impl Wall {
    /// What it says now, since 1970-01-01.
    pub(super) fn new(now: Instant, says: Duration) -> Wall {
        Wall { seen: now, said: says }
    }

    /// Whether it says something else than what has gone by since.
    pub(super) fn was_set(&mut self, now: Instant, says: Duration) -> bool {
        let expected = self.said.saturating_add(now.saturating_duration_since(self.seen));
        let was_set = expected.abs_diff(says) >= STEP_MIN;
        if was_set {
            *self = Wall::new(now, says);
        }
        was_set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_clock_that_is_set_is_noticed_once_forwards_and_backwards_and_one_that_goes_on_is_not() {
        let begun = Instant::now();
        let mut wall = Wall::new(begun, 1_000 * S);
        assert!(!wall.was_set(begun + S, 1_001 * S));
        assert!(!wall.was_set(begun + 3_600 * S, 4_600 * S + S / 2), "slewed");
        assert!(wall.was_set(begun + 3_601 * S, 9_000 * S));
        assert!(!wall.was_set(begun + 3_602 * S, 9_001 * S));
        assert!(wall.was_set(begun + 3_603 * S, 10 * S));
        assert!(!wall.was_set(begun + 3_604 * S, 11 * S));
    }
}
