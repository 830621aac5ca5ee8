//! Owns counts of things held by key, and the permits that give places back.
//! Never knows what a key names.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts of things held by key; a permit gives its place back when dropped.
///
/// It holds a key only while something of it is held.
pub struct CountTable<K: Hash + Eq + Clone> {
    counts: Mutex<HashMap<K, usize>>,
}

/// One held place.
#[must_use = "dropping it gives the place back"]
pub struct CountPermit<K: Hash + Eq + Clone> {
    table: Arc<CountTable<K>>,
    key: K,
}

impl<K: Hash + Eq + Clone> CountTable<K> {
    /// An empty table.
    #[must_use]
    pub fn new() -> Arc<CountTable<K>> {
        Arc::new(CountTable { counts: Mutex::new(HashMap::new()) })
    }

    /// Holds one more of `key` if fewer than `cap` are held.
    pub fn hold(self: &Arc<Self>, key: &K, cap: usize) -> Option<CountPermit<K>> {
        let mut counts = self.lock();
        let held = counts.get(key).copied().unwrap_or(0);
        if held >= cap {
            return None;
        }
        counts.insert(key.clone(), held + 1);
        Some(CountPermit { table: Arc::clone(self), key: key.clone() })
    }

    /// Held now of `key`.
    #[must_use]
    pub fn held(&self, key: &K) -> usize {
        self.lock().get(key).copied().unwrap_or(0)
    }

    /// A lock that was poisoned holds numbers that are still right: each change is one step.
    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Clone> Drop for CountPermit<K> {
    fn drop(&mut self) {
        let mut counts = self.table.lock();
        match counts.get_mut(&self.key) {
            Some(held) if *held > 1 => *held -= 1,
            Some(_) | None => drop(counts.remove(&self.key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_the_cap_are_held_and_one_more_is_not() {
        for cap in [0, 1, 3] {
            let table = CountTable::new();
            let held: Vec<_> = (0..cap + 2).filter_map(|_| table.hold(&"a", cap)).collect();
            assert_eq!((held.len(), table.held(&"a")), (cap, cap));
            assert_eq!(table.held(&"b"), 0, "another key is not concerned");
            assert_eq!(table.hold(&"b", cap).is_some(), cap > 0);
        }
    }

    #[test]
    fn a_dropped_permit_gives_its_place_back_and_the_last_one_its_key() {
        let table = CountTable::new();
        let (first, second) = (table.hold(&7, 2).unwrap(), table.hold(&7, 2).unwrap());
        assert!(table.hold(&7, 2).is_none());
        drop(first);
        assert_eq!(table.held(&7), 1);
        let third = table.hold(&7, 2).expect("there is a place again");
        drop((second, third));
        assert_eq!(table.held(&7), 0);
        assert!(table.lock().is_empty());
    }

    #[test]
    fn a_cap_that_was_lowered_lets_nobody_in_and_nobody_fall() {
        let table = CountTable::new();
        let held: Vec<_> = (0..3).filter_map(|_| table.hold(&(), 3)).collect();
        assert!(table.hold(&(), 2).is_none());
        assert_eq!(table.held(&()), 3);
        drop(held);
        assert_eq!(table.held(&()), 0);
    }

    #[test]
    fn a_poisoned_lock_still_counts() {
        let table = CountTable::new();
        let permit = table.hold(&1, 2).unwrap();
        let poisoner = Arc::clone(&table);
        let panicked = std::thread::spawn(move || {
            let _counts = poisoner.counts.lock().unwrap();
            panic!("with the lock held");
        });
        assert!(panicked.join().is_err() && table.counts.is_poisoned());
        let second = table.hold(&1, 2).expect("there is a place");
        assert!(table.hold(&1, 2).is_none());
        drop((permit, second));
        assert_eq!(table.held(&1), 0);
    }

    #[test]
    fn threads_that_hold_and_drop_leave_nothing_behind_and_never_pass_the_cap() {
        let table = CountTable::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        let permit = table.hold(&0, 2);
                        assert!(table.held(&0) <= 2);
                        drop(permit);
                    }
                });
            }
        });
        assert!(table.lock().is_empty());
    }
}
