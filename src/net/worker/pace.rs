//! Owns how fast a drain closes the sessions of a worker.
//! Never knows a session or a clock.

use std::time::Duration;

/// Sessions that a drain closes a millisecond at least, on each worker: 1,000 a second.
const CLOSED_A_MS_MIN: u128 = 1;

/// How many sessions are to be closed `elapsed` after a drain began: `total`, which were there
/// then, evenly over `paced_over`, or more where that would be fewer than 1,000 a second. Never
/// none, so that a drain moves from its first look on; it goes on over `total`, so that a
/// session that comes late is closed too.
pub(super) fn to_be_closed(total: usize, elapsed: Duration, paced_over: Duration) -> usize {
    let (elapsed_ms, paced_ms) = (elapsed.as_millis(), paced_over.as_millis().max(1));
    let wide = u128::try_from(total).unwrap_or(u128::MAX);
    let evenly = wide.saturating_mul(elapsed_ms).div_ceil(paced_ms);
    let least = elapsed_ms.saturating_mul(CLOSED_A_MS_MIN).max(1);
    usize::try_from(evenly.max(least)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn many_sessions_are_closed_evenly_and_the_last_in_time() {
        for (elapsed, closed) in [
            (Duration::ZERO, 1),
            (MS, 7),
            (3 * S, 20_000),
            (7_500 * MS, 50_000),
            (15 * S - MS, 99_994),
            (15 * S, 100_000),
        ] {
            assert_eq!(to_be_closed(100_000, elapsed, 15 * S), closed, "{elapsed:?}");
        }
    }

    #[test]
    fn few_sessions_are_closed_at_1000_a_second() {
        for (elapsed, closed) in [(Duration::ZERO, 1), (MS, 1), (100 * MS, 100), (S, 1000), (3 * S, 3000)] {
            assert_eq!(to_be_closed(3000, elapsed, 15 * S), closed, "{elapsed:?}");
        }
    }

    #[test]
    fn a_session_that_comes_late_is_closed_too() {
        assert!(to_be_closed(0, MS, 15 * S) > 0);
        assert!(to_be_closed(100_000, 16 * S, 15 * S) > 100_000);
    }

    #[test]
    fn without_time_all_are_closed_at_once() {
        assert!(to_be_closed(100_000, MS, Duration::ZERO) >= 100_000);
        assert_eq!(to_be_closed(usize::MAX, Duration::MAX, MS), usize::MAX);
    }
}
