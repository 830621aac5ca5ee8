//! Owns the wall clock, and how it is told by the clock that never steps.
//! Never knows what the time is for.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// When a moment of the wall clock is, by the clock that never steps.
pub(super) fn until(unix_seconds: u64, now: Instant) -> Instant {
    now + Duration::from_secs(unix_seconds).saturating_sub(unix_now())
}

/// The wall clock, since 1970-01-01.
pub(super) fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
