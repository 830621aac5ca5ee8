//! Owns by how much a worker is behind: how late its ticks come.
//! Never knows what is done about it.

use std::time::{Duration, Instant};

/// A worker is behind when it was late so many times in a row: once is a long turn, or a machine
/// that had no time for us.
const TURNS: usize = 3;

/// The lateness of the last ticks.
#[derive(Debug)]
pub(super) struct Lag {
    every: Duration,
    last: Instant,
    late: [Duration; TURNS],
}

impl Lag {
    /// Ticks that should come this often.
    pub(super) fn new(now: Instant, every: Duration) -> Lag {
        Lag { every, last: now, late: [Duration::ZERO; TURNS] }
    }

    /// Notes a tick; by how much every one of the last few was late.
    pub(super) fn after_turn(&mut self, now: Instant) -> Duration {
        let late = now.saturating_duration_since(self.last).saturating_sub(self.every);
        self.last = now;
        self.late.rotate_right(1);
        self.late = match self.late {
            [_, second, third] => [late, second, third],
        };
        self.late.into_iter().min().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_worker_is_behind_when_it_was_late_three_times_in_a_row_and_no_more_once_it_was_not() {
        let mut now = Instant::now();
        let mut lag = Lag::new(now, 100 * MS);
        let mut after = |gap: Duration| {
            now += gap;
            lag.after_turn(now)
        };
        assert_eq!([100, 50, 900, 900].map(|ms| after(ms * MS)), [Duration::ZERO; 4]);
        assert_eq!(after(700 * MS), 600 * MS);
        assert_eq!(after(1_000 * MS), 600 * MS);
        assert_eq!(after(100 * MS), Duration::ZERO);
    }
}
