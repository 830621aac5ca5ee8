//! Owns when keys are fetched and when they are too old.
//! Never knows a clock, a key, or how they are fetched.

use std::time::{Duration, Instant};

/// After the first failure; each further one doubles it.
const RETRY: Duration = Duration::from_secs(5);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// An unknown key makes one fetch in this time at most, whoever sends it and however often.
const WANTED_INTERVAL: Duration = Duration::from_secs(60);

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask for the keys.
    Fetch,
    /// Drop the keys: they have not been confirmed for too long.
    Expire,
    /// Nothing until then.
    Wait(Instant),
}

/// The times of one issuer's keys.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    refresh: Duration,
    max_age: Duration,
    /// When the issuer last said which keys there are, as long as they are held.
    confirmed: Option<Instant>,
    next: Instant,
    failures: u32,
    is_wanted: bool,
    last_wanted: Option<Instant>,
}

impl Schedule {
    /// Keys that are to be fetched at once.
    pub(super) fn new(refresh: Duration, max_age: Duration, now: Instant) -> Schedule {
        Schedule {
            refresh,
            max_age,
            confirmed: None,
            next: now,
            failures: 0,
            is_wanted: false,
            last_wanted: None,
        }
    }

    /// The same keys by other times.
    pub(super) fn with_times(&self, refresh: Duration, max_age: Duration) -> Schedule {
        let latest = self.confirmed.map(|confirmed| confirmed + refresh);
        let next = latest.map_or(self.next, |latest| self.next.min(latest));
        Schedule { refresh, max_age, next, ..self.clone() }
    }

    pub(super) fn due(&self, now: Instant) -> Due {
        let expiry = self.confirmed.map(|confirmed| confirmed + self.max_age);
        if expiry.is_some_and(|expiry| expiry <= now) {
            return Due::Expire;
        }
        let fetch = match self.wanted_at(now) {
            Some(wanted) => self.next.min(wanted),
            None => self.next,
        };
        if fetch <= now {
            return Due::Fetch;
        }
        Due::Wait(expiry.map_or(fetch, |expiry| fetch.min(expiry)))
    }

    /// When the wish for an unknown key is followed, if there is one.
    fn wanted_at(&self, now: Instant) -> Option<Instant> {
        self.is_wanted.then(|| self.last_wanted.map_or(now, |last| last + WANTED_INTERVAL))
    }

    /// Whether a wish is waiting already, so that another changes nothing.
    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// A token named a key that is not here.
    pub(super) fn want(&mut self) {
        self.is_wanted = true;
    }

    /// A fetch begins. It follows the wish that waits, if one does.
    pub(super) fn begin(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_wanted) {
            self.last_wanted = Some(now);
        }
    }

    /// The issuer has said which keys there are. `jitter`: any number, so that gateways that started
    /// together do not ask together.
    pub(super) fn succeed(&mut self, now: Instant, jitter: u8) {
        (self.confirmed, self.failures) = (Some(now), 0);
        self.next = now + jittered(self.refresh, jitter);
    }

    /// It has not; when it is asked again. A first failure is not waited out for a whole interval.
    pub(super) fn fail(&mut self, now: Instant, jitter: u8) {
        let doubled = RETRY.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1).min(16);
        self.next = now + jittered(doubled.min(RETRY_MAX).min(self.refresh), jitter);
    }

    /// The keys are gone.
    pub(super) fn expire(&mut self) {
        self.confirmed = None;
    }

    pub(super) fn confirmed(&self) -> Option<Instant> {
        self.confirmed
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }
}

/// Nine tenths of it to the whole.
fn jittered(duration: Duration, jitter: u8) -> Duration {
    duration / 2560 * (2304 + u32::from(jitter))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const SECOND: Duration = Duration::from_secs(1);

    fn held(now: Instant) -> Schedule {
        let mut schedule = Schedule::new(10 * MINUTE, 60 * MINUTE, now);
        assert_eq!(schedule.due(now), Due::Fetch);
        schedule.begin(now);
        schedule.succeed(now, 255);
        schedule
    }

    fn wait(schedule: &Schedule, now: Instant) -> Duration {
        match schedule.due(now) {
            Due::Wait(until) => until.saturating_duration_since(now),
            Due::Fetch | Due::Expire => panic!("{:?} is due", schedule.due(now)),
        }
    }

    #[test]
    fn keys_are_fetched_at_once_and_then_by_the_interval_less_some_jitter() {
        let now = Instant::now();
        let mut schedule = held(now);
        assert!(wait(&schedule, now) > 599 * SECOND && wait(&schedule, now) <= 600 * SECOND);
        schedule.succeed(now, 0);
        assert_eq!(wait(&schedule, now), 540 * SECOND);
        assert_eq!(schedule.due(now + 540 * SECOND), Due::Fetch);
    }

    #[test]
    fn a_failure_is_retried_soon_and_then_slower_up_to_a_minute() {
        let now = Instant::now();
        let mut schedule = Schedule::new(10 * MINUTE, 60 * MINUTE, now);
        for seconds in [5, 10, 20, 40, 60, 60, 60] {
            schedule.fail(now, 0);
            assert_eq!(wait(&schedule, now), seconds * SECOND * 9 / 10);
        }
        for _ in 0..100 {
            schedule.fail(now, 0);
        }
        assert_eq!(wait(&schedule, now), 54 * SECOND);
        schedule.succeed(now, 0);
        schedule.fail(now, 0);
        assert_eq!(wait(&schedule, now), SECOND * 9 / 2, "a success begins anew");
    }

    #[test]
    fn an_unknown_key_makes_one_fetch_a_minute_however_often_it_comes() {
        let start = Instant::now();
        let mut schedule = held(start);
        let mut fetched = Vec::new();
        // A key that nobody has, ten times a second for ten minutes less a bit.
        for tenth in 10..5300 {
            let now = start + tenth * SECOND / 10;
            schedule.want();
            if schedule.due(now) == Due::Fetch {
                schedule.begin(now);
                schedule.succeed(now, 255);
                fetched.push(now);
            }
        }
        assert_eq!(fetched[0], start + SECOND, "the first one is followed at once");
        assert_eq!(fetched.len(), 9);
        assert!(fetched.windows(2).all(|two| two[1] - two[0] == MINUTE), "{fetched:?}");
    }

    #[test]
    fn a_wish_in_a_closed_minute_is_followed_at_its_end_and_one_that_was_followed_is_over() {
        let start = Instant::now();
        let mut schedule = held(start);
        schedule.want();
        schedule.begin(start);
        schedule.succeed(start, 255);
        schedule.want();
        assert_eq!(wait(&schedule, start + 20 * SECOND), 40 * SECOND);
        schedule.begin(start + MINUTE);
        schedule.succeed(start + MINUTE, 255);
        assert!(wait(&schedule, start + MINUTE) > 9 * MINUTE);
    }

    #[test]
    fn keys_outlive_failures_up_to_their_age_limit_and_not_a_moment_longer() {
        let start = Instant::now();
        let mut schedule = held(start);
        schedule.fail(start + 599 * SECOND, 0);
        let end = start + 60 * MINUTE;
        assert_ne!(schedule.due(end - Duration::from_millis(1)), Due::Expire);
        assert_eq!(schedule.due(end), Due::Expire);
        schedule.expire();
        assert_eq!((schedule.due(end), schedule.confirmed()), (Due::Fetch, None));
        schedule.succeed(end, 0);
        assert_ne!(schedule.due(end + 59 * MINUTE), Due::Expire);
    }

    #[test]
    fn the_age_limit_is_waited_for_where_it_comes_before_the_next_fetch() {
        let now = Instant::now();
        let mut schedule = Schedule::new(10 * MINUTE, 10 * MINUTE, now);
        schedule.succeed(now, 255);
        schedule.fail(now + 9 * MINUTE + 58 * SECOND, 0);
        assert_eq!(wait(&schedule, now + 9 * MINUTE + 58 * SECOND), 2 * SECOND);
    }

    #[test]
    fn shorter_times_hold_at_once() {
        let now = Instant::now();
        let schedule = held(now).with_times(MINUTE, 2 * MINUTE);
        assert_eq!(wait(&schedule, now), MINUTE);
        assert_eq!(schedule.due(now + 2 * MINUTE), Due::Expire);
    }
}
