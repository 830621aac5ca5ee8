//! Owns the generic cell rate algorithm (ITU-T I.371, virtual scheduling) in eight octets.
//! Never knows whose events are counted.

use super::rate::Rate;
use std::time::Instant;

/// No burst is counted as longer than this, so that sums of instants cannot run over: 2^62 ns,
/// 146 years.
const TOLERANCE_NS_MAX: u64 = 1 << 62;

/// One GCRA bucket (8 octets), for a single owner such as a session.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    /// The theoretical arrival time: until then the events so far use up the rate.
    tat_ns: u64,
}

impl Bucket {
    /// Whether one more event fits now; it is counted if so. `epoch`: any fixed instant before `now`.
    pub fn take(&mut self, rate: &Rate, epoch: Instant, now: Instant) -> bool {
        self.take_at(&Pace::new(rate), since(epoch, now))
    }

    /// Whether so many events at once fit now, such as the octets of a read; they are counted if so.
    pub fn take_many(&mut self, events: usize, rate: &Rate, epoch: Instant, now: Instant) -> bool {
        let (pace, now_ns) = (Pace::new(rate), since(epoch, now));
        let events = u64::try_from(events).unwrap_or(u64::MAX);
        let used_ns = pace.interval_ns.saturating_mul(events);
        let after_ns = self.tat_ns.max(now_ns).saturating_add(used_ns);
        let most_ns = now_ns.saturating_add(pace.tolerance_ns).saturating_add(pace.interval_ns);
        let fits = events <= u64::from(pace.burst) && after_ns <= most_ns;
        if fits {
            self.tat_ns = after_ns;
        }
        fits
    }

    /// As [`Bucket::take`], with a rate that has been worked out and the instant in nanoseconds.
    pub(super) fn take_at(&mut self, pace: &Pace, now_ns: u64) -> bool {
        let fits = self.fits(pace, now_ns);
        if fits {
            self.tat_ns = self.tat_ns.max(now_ns).saturating_add(pace.interval_ns);
        }
        fits
    }

    /// As [`Bucket::take_at`], but what does not fit counts too, as far as one event over the
    /// rate: who goes on faster than the rate never fits again until it slows down, and who
    /// slows down fits after one interval.
    pub(super) fn take_or_owe(&mut self, pace: &Pace, now_ns: u64) -> bool {
        let fits = self.take_at(pace, now_ns);
        if !fits {
            let most = now_ns.saturating_add(pace.tolerance_ns).saturating_add(pace.interval_ns);
            self.tat_ns = self.tat_ns.max(most);
        }
        fits
    }

    /// Whether one more event would fit.
    pub(super) fn fits(&self, pace: &Pace, now_ns: u64) -> bool {
        pace.burst > 0 && self.tat_ns <= now_ns.saturating_add(pace.tolerance_ns)
    }

    /// When it is as empty as a new one.
    pub(super) fn empty_at_ns(&self) -> u64 {
        self.tat_ns
    }
}

/// A rate in the numbers of the algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    interval_ns: u64,
    /// How far the theoretical arrival time may lie ahead: the burst less the event itself.
    tolerance_ns: u64,
    burst: u32,
}

impl Pace {
    pub(super) fn new(rate: &Rate) -> Pace {
        let interval_ns = rate.interval_ns().min(TOLERANCE_NS_MAX);
        let ahead = u64::from(rate.burst.saturating_sub(1));
        let tolerance_ns = interval_ns.saturating_mul(ahead).min(TOLERANCE_NS_MAX);
        Pace { interval_ns, tolerance_ns, burst: rate.burst }
    }
}

/// Nanoseconds from `epoch` to `now`, zero if it is the other way round.
pub(super) fn since(epoch: Instant, now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(epoch).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);

    fn rate(interval: Duration, burst: u32) -> Rate {
        Rate { interval, burst }
    }

    #[test]
    fn a_bucket_is_eight_octets() {
        assert_eq!(size_of::<Bucket>(), 8);
    }

    #[test]
    fn many_events_fit_as_one_by_one_and_all_or_none_of_them() {
        let (epoch, rate) = (Instant::now(), rate(MS, 1_000));
        let mut bucket = Bucket::default();
        assert!(bucket.take_many(0, &rate, epoch, epoch));
        assert!(!bucket.take_many(1_001, &rate, epoch, epoch));
        assert!(bucket.take_many(400, &rate, epoch, epoch) && bucket.take_many(600, &rate, epoch, epoch));
        assert!(!bucket.take_many(1, &rate, epoch, epoch));
        assert!(!bucket.take_many(6, &rate, epoch, epoch + 5 * MS));
        assert!(bucket.take_many(5, &rate, epoch, epoch + 5 * MS));
        assert!(bucket.take_many(1_000, &rate, epoch, epoch + 2_000 * MS));
        assert!(!Bucket::default().take_many(usize::MAX, &rate, epoch, epoch));
    }

    #[test]
    fn a_burst_fits_and_one_more_does_not_until_an_interval_is_over() {
        let (epoch, rate) = (Instant::now(), rate(100 * MS, 40));
        for start in [epoch, epoch + Duration::from_secs(1_000_000)] {
            let mut bucket = Bucket::default();
            let fitted = (0..100).filter(|_| bucket.take(&rate, epoch, start)).count();
            assert_eq!(fitted, 40);
            assert!(!bucket.take(&rate, epoch, start + 99 * MS), "a nearly free place");
            assert!(bucket.take(&rate, epoch, start + 100 * MS), "the place that came free");
            assert!(!bucket.take(&rate, epoch, start + 100 * MS), "only one came free");
            let later = start + 100 * MS + 40 * 100 * MS;
            assert_eq!((0..100).filter(|_| bucket.take(&rate, epoch, later)).count(), 40, "all came free");
        }
    }

    #[test]
    fn a_burst_of_zero_lets_nothing_through_and_one_of_one_a_single_event() {
        let now = Instant::now();
        assert!(!Bucket::default().take(&rate(MS, 0), now, now));
        let mut one = Bucket::default();
        assert_eq!([(); 3].map(|()| one.take(&rate(MS, 1), now, now)), [true, false, false]);
    }

    #[test]
    fn a_million_a_second_is_counted_to_the_event() {
        let (epoch, rate) = (Instant::now(), Rate::parse("1000000/s burst 1000000").unwrap());
        let mut bucket = Bucket::default();
        assert_eq!((0..1_000_010).filter(|_| bucket.take(&rate, epoch, epoch)).count(), 1_000_000);
        assert!(bucket.take(&rate, epoch, epoch + Duration::from_micros(1)));
    }

    #[test]
    fn numbers_at_their_ends_refuse_rather_than_run_over() {
        let now = Instant::now();
        let longest = rate(Duration::MAX, u32::MAX);
        let mut bucket = Bucket::default();
        let fitted = (0..10).filter(|_| bucket.take(&longest, now, now)).count();
        assert!((1..10).contains(&fitted), "{fitted}");
        assert!(!bucket.take(&longest, now + MS, now), "an epoch after now is no free ride");
    }

    proptest! {
        #[test]
        fn no_window_holds_more_than_the_burst_and_what_its_length_allows(
            gaps in proptest::collection::vec(0_u64..500, 1..300), interval in 1_u64..200, burst in 1_u32..20,
        ) {
            let (epoch, rate) = (Instant::now(), rate(Duration::from_millis(interval), burst));
            let (mut bucket, mut at, mut fitted) = (Bucket::default(), 0, Vec::new());
            for gap in gaps {
                at += gap;
                if bucket.take(&rate, epoch, epoch + Duration::from_millis(at)) {
                    fitted.push(at);
                }
            }
            for (i, start) in fitted.iter().enumerate() {
                for (j, end) in fitted.iter().enumerate().skip(i) {
                    let most = u64::from(burst) + (end - start) / interval;
                    prop_assert!(u64::try_from(j - i + 1).unwrap() <= most, "{start} to {end}");
                }
            }
        }

        #[test]
        fn who_keeps_to_the_rate_is_never_refused(
            waits in proptest::collection::vec(0_u64..100, 1..300), interval in 1_u64..200, burst in 1_u32..20,
        ) {
            let (epoch, rate) = (Instant::now(), rate(Duration::from_millis(interval), burst));
            let (mut bucket, mut at) = (Bucket::default(), 0);
            for wait in waits {
                at += interval + wait;
                prop_assert!(bucket.take(&rate, epoch, epoch + Duration::from_millis(at)));
            }
        }
    }
}
