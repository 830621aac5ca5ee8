//! Owns a bounded table of buckets by key, in shards that are locked for a few lines each.
//! Never knows what a key names, nor what is done about a verdict.

use super::bucket::{Bucket, Pace, since};
use super::rate::Rate;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

/// What a table says of one more event of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the rate; it was counted.
    Within,
    /// Over it.
    Over,
    /// Over ten times it: the key goes on in spite of having been told.
    Flood,
}

/// A flood is this many times the rate and its burst.
const FLOOD: u32 = 10;

/// So many events over the burst are told `Over`, however small the rate, before they are a flood.
const TOLD_MIN: u32 = 64;

/// Keys that a shard should be good for before there is another one.
const SHARD_KEYS: usize = 1024;

const SHARDS_MAX: usize = 64;

/// Keys that are looked at to find the one to forget: it bounds the work of a new key.
const WINDOW: usize = 16;

/// A bounded, sharded table of buckets by key.
///
/// It holds two buckets a key (16 octets): what was let through, held against the rate, and
/// what was tried, held against ten times the rate.
pub struct RateTable<K> {
    paces: ArcSwap<Paces>,
    /// The first `now` that was seen: instants are counted from it.
    epoch: OnceLock<Instant>,
    /// Picks the shard. Its keys are random: nobody can aim at one shard or one hash chain.
    hasher: RandomState,
    shards: Box<[Mutex<Shard<K>>]>,
}

/// What is within the rate, and what is a flood.
#[derive(PartialEq, Eq)]
struct Paces {
    rate: Pace,
    flood: Pace,
}

struct Shard<K> {
    capacity: usize,
    places: HashMap<K, usize>,
    records: Vec<Record<K>>,
    /// Where the next look for a key to forget begins.
    hand: usize,
}

struct Record<K> {
    key: K,
    counts: Counts,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    passed: Bucket,
    tried: Bucket,
}

impl<K: Hash + Eq + Clone> RateTable<K> {
    /// `capacity`: keys at most (zero counts as one); a full table forgets the least recently
    /// limited ones first. The keys are spread over shards by a hash, and a shard that is full
    /// forgets although another has room left.
    #[must_use]
    pub fn new(rate: Rate, capacity: usize) -> RateTable<K> {
        let capacity = capacity.max(1);
        let shards = (capacity / SHARD_KEYS).clamp(1, SHARDS_MAX);
        RateTable {
            paces: ArcSwap::from_pointee(Paces::new(rate)),
            epoch: OnceLock::new(),
            hasher: RandomState::new(),
            shards: (0..shards)
                .map(|shard| capacity / shards + usize::from(shard < capacity % shards))
                .map(|capacity| Mutex::new(Shard::new(capacity)))
                .collect(),
        }
    }

    /// From now on the keys have this rate. If it is another one, every key begins anew: what was
    /// counted by an old rate could else lock a key out for long after the rate was raised.
    pub fn set_rate(&self, rate: Rate) {
        let paces = Paces::new(rate);
        if paces == **self.paces.load() {
            return;
        }
        self.paces.store(Arc::new(paces));
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).forget_all();
        }
    }

    /// Counts one event.
    pub fn take(&self, key: &K, now: Instant) -> Verdict {
        let now_ns = self.since_epoch(now);
        let Some(mut shard) = self.shard(key) else { return Verdict::Over };
        let counts = shard.counts(key);
        let paces = self.paces.load();
        let told = counts.tried.take_or_owe(&paces.flood, now_ns);
        match counts.passed.take_at(&paces.rate, now_ns) {
            true => Verdict::Within,
            false if told => Verdict::Over,
            false => Verdict::Flood,
        }
    }

    /// Whether one more event would fit, without counting it.
    pub fn fits(&self, key: &K, now: Instant) -> bool {
        let now_ns = self.since_epoch(now);
        self.shard(key).is_some_and(|shard| shard.peek(key).passed.fits(&self.paces.load().rate, now_ns))
    }

    fn since_epoch(&self, now: Instant) -> u64 {
        since(*self.epoch.get_or_init(|| now), now)
    }

    /// The shard of a key, locked. A lock that was poisoned holds numbers that are still right.
    fn shard(&self, key: &K) -> Option<MutexGuard<'_, Shard<K>>> {
        let shards = u64::try_from(self.shards.len()).ok()?;
        let place = usize::try_from(self.hasher.hash_one(key).checked_rem(shards)?).ok()?;
        Some(self.shards.get(place)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keys that are held.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().records.len()).sum()
    }
}

impl Paces {
    fn new(rate: Rate) -> Paces {
        let flood = Rate {
            interval: rate.interval / FLOOD,
            burst: rate.burst.saturating_mul(FLOOD).max(rate.burst.saturating_add(TOLD_MIN)),
        };
        Paces { rate: Pace::new(&rate), flood: Pace::new(&flood) }
    }
}

impl<K: Hash + Eq + Clone> Shard<K> {
    fn new(capacity: usize) -> Shard<K> {
        Shard { capacity, places: HashMap::new(), records: Vec::new(), hand: 0 }
    }

    fn forget_all(&mut self) {
        *self = Shard::new(self.capacity);
    }

    /// What is known of a key; a key that is not held is like one that never came.
    fn peek(&self, key: &K) -> Counts {
        let record = self.places.get(key).and_then(|place| self.records.get(*place));
        record.map_or_else(Counts::default, |record| record.counts)
    }

    fn counts(&mut self, key: &K) -> &mut Counts {
        let place = match self.places.get(key) {
            Some(place) => *place,
            None => self.add(key),
        };
        #[expect(clippy::indexing_slicing, reason = "`places` holds places of `records` and no others")]
        &mut self.records[place].counts
    }

    /// Gives a new key a place: its own while there is room, else that of one to forget.
    fn add(&mut self, key: &K) -> usize {
        let record = Record { key: key.clone(), counts: Counts::default() };
        let place = if self.records.len() < self.capacity {
            self.records.push(record);
            self.records.len() - 1
        } else {
            let place = self.place_to_forget();
            if let Some(old) = self.records.get_mut(place) {
                self.places.remove(&old.key);
                *old = record;
            }
            place
        };
        self.places.insert(key.clone(), place);
        place
    }

    /// The emptiest of the next few records. An empty bucket says no more than no bucket, so
    /// that forgetting it loses nothing.
    fn place_to_forget(&mut self) -> usize {
        let len = self.records.len();
        let start = self.hand;
        let mut emptiest = (u64::MAX, start);
        for place in (start..len).chain(0..start).take(WINDOW) {
            let at = self.records.get(place).map_or(u64::MAX, |record| record.counts.empty_at_ns());
            emptiest = emptiest.min((at, place));
            self.hand = place + 1;
        }
        if self.hand >= len {
            self.hand = 0;
        }
        emptiest.1
    }
}

impl Counts {
    fn empty_at_ns(&self) -> u64 {
        self.passed.empty_at_ns().max(self.tried.empty_at_ns())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);

    fn table(rate: &str, capacity: usize) -> (RateTable<u32>, Instant) {
        (RateTable::new(Rate::parse(rate).unwrap(), capacity), Instant::now())
    }

    fn verdicts(table: &RateTable<u32>, key: u32, now: Instant, times: usize) -> [usize; 3] {
        let mut counts = [0; 3];
        for _ in 0..times {
            match table.take(&key, now) {
                Verdict::Within => counts[0] += 1,
                Verdict::Over => counts[1] += 1,
                Verdict::Flood => counts[2] += 1,
            }
        }
        counts
    }

    #[test]
    fn the_burst_is_within_then_ten_times_of_it_is_told_then_it_is_a_flood() {
        let (table, now) = table("10/s burst 40", 8);
        assert_eq!(verdicts(&table, 1, now, 40), [40, 0, 0]);
        assert_eq!(verdicts(&table, 1, now, 1), [0, 1, 0], "limit + 1");
        assert_eq!(verdicts(&table, 1, now, 359), [0, 359, 0]);
        assert_eq!(verdicts(&table, 1, now, 50), [0, 0, 50]);
        assert_eq!(verdicts(&table, 2, now, 1), [1, 0, 0], "another key is not concerned");
    }

    #[test]
    fn a_small_burst_is_told_64_times_all_the_same() {
        let (table, now) = table("1/s burst 1", 8);
        assert_eq!(verdicts(&table, 1, now, 100), [1, 64, 35]);
    }

    #[test]
    fn who_goes_on_at_more_than_ten_times_the_rate_stays_a_flood_and_who_slows_down_does_not() {
        let (table, start) = table("10/s burst 40", 8);
        assert_eq!(verdicts(&table, 1, start, 401), [40, 360, 1]);
        // Ten times the rate is one event in 10 ms.
        let mut now = start;
        for _ in 0..1_000 {
            now += 9 * MS;
            assert_ne!(table.take(&1, now), Verdict::Over, "at {:?}", now - start);
        }
        for _ in 0..1_000 {
            now += 10 * MS;
            assert_ne!(table.take(&1, now), Verdict::Flood, "at {:?}", now - start);
        }
        now += Duration::from_secs(4);
        assert_eq!(verdicts(&table, 1, now, 41), [40, 1, 0], "as if nothing had been");
    }

    #[test]
    fn what_is_over_the_rate_does_not_push_the_next_place_away() {
        let (table, start) = table("10/s burst 2", 8);
        assert_eq!(verdicts(&table, 1, start, 10), [2, 8, 0]);
        assert!(!table.fits(&1, start + 99 * MS));
        assert!(table.fits(&1, start + 100 * MS));
        assert_eq!(verdicts(&table, 1, start + 100 * MS, 2), [1, 1, 0]);
    }

    #[test]
    fn another_rate_holds_from_now_on_and_the_same_one_forgets_nothing() {
        let (table, now) = table("1/h burst 2", 8);
        assert_eq!(verdicts(&table, 1, now, 100), [2, 64, 34]);
        table.set_rate(Rate::parse("1/h burst 2").unwrap());
        assert_eq!(verdicts(&table, 1, now, 1), [0, 0, 1]);
        table.set_rate(Rate::parse("5000/s burst 4").unwrap());
        assert!(table.fits(&1, now));
        assert_eq!(verdicts(&table, 1, now, 5), [4, 1, 0], "not locked out by the hours of the old rate");
        table.set_rate(Rate::parse("1/s burst 1").unwrap());
        assert_eq!(verdicts(&table, 2, now, 2), [1, 1, 0]);
    }

    #[test]
    fn asking_counts_nothing() {
        let (table, now) = table("1/s burst 1", 8);
        assert!((0..100).all(|_| table.fits(&1, now)) && table.len() == 0);
        assert_eq!(table.take(&1, now), Verdict::Within);
        assert!(!table.fits(&1, now));
    }

    #[test]
    fn a_burst_of_zero_lets_nothing_through() {
        let now = Instant::now();
        let table = RateTable::new(Rate { interval: MS, burst: 0 }, 8);
        assert!(!table.fits(&1, now));
        assert_eq!(verdicts(&table, 1, now, 65), [0, 64, 1]);
    }

    #[test]
    fn a_table_never_holds_more_keys_than_its_capacity() {
        for (capacity, least) in [(0, 1), (1, 1), (2, 2), (1_000, 1_000), (5_000, 4_800), (70_001, 69_000)] {
            let (table, now) = table("1/s burst 2", capacity);
            for key in 0..200_000 {
                table.take(&key, now);
            }
            let len = table.len();
            assert!(len <= capacity.max(1) && len >= least, "{len} of {capacity}");
            let held = table.shards.iter().map(|shard| shard.lock().unwrap().places.len()).sum::<usize>();
            assert_eq!(held, len, "each record has one key and each key one record");
        }
    }

    #[test]
    fn a_full_table_holds_every_key_that_it_has_room_for() {
        let (table, now) = table("1/s burst 1", 1_000);
        (0..1_000).for_each(|key| assert_eq!(table.take(&key, now), Verdict::Within));
        (0..1_000).for_each(|key| assert_eq!(table.take(&key, now), Verdict::Over));
    }

    #[test]
    fn a_limited_key_is_not_washed_out_by_a_crowd_of_new_ones() {
        let (table, now) = table("1/s burst 100", 1_000);
        assert_eq!(verdicts(&table, 0, now, 101), [100, 1, 0]);
        for key in 1..100_000 {
            assert_eq!(table.take(&key, now), Verdict::Within, "a new key starts afresh");
        }
        assert_eq!(table.take(&0, now), Verdict::Over);
    }

    #[test]
    fn what_has_emptied_is_forgotten_before_what_has_not() {
        let (table, start) = table("1/s burst 10", WINDOW);
        table.take(&0, start);
        let now = start + Duration::from_secs(5);
        let limited = 1..u32::try_from(WINDOW).unwrap();
        limited.clone().for_each(|key| assert_eq!(verdicts(&table, key, now, 11), [10, 1, 0]));
        assert_eq!(table.take(&99, now), Verdict::Within);
        limited.for_each(|key| assert!(!table.fits(&key, now), "{key} is still limited"));
    }

    #[test]
    fn a_poisoned_shard_still_counts() {
        let (table, now) = table("1/s burst 1", 8);
        std::thread::scope(|scope| {
            let panicked = scope.spawn(|| {
                let _shard = table.shards[0].lock().unwrap();
                panic!("with the lock held");
            });
            assert!(panicked.join().is_err());
        });
        assert_eq!([(); 2].map(|()| table.take(&1, now)), [Verdict::Within, Verdict::Over]);
    }

    #[test]
    fn an_instant_before_the_first_one_is_like_the_first() {
        let (table, now) = table("1/s burst 1", 8);
        assert_eq!(table.take(&1, now + MS), Verdict::Within);
        assert_eq!(table.take(&1, now), Verdict::Over);
    }
}
