//! Owns what is known of the issuers' fetched keys: how many, how old, what came of each fetch.
//! Never knows a key.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a fetch can come to: two ways to succeed, then the names of `OutboundError`, then a set that
/// cannot be used.
pub const FETCH_OUTCOMES: [&str; 10] = [
    "fetched",
    "unchanged",
    "resolve",
    "connect",
    "tls",
    "timeout",
    "too_big",
    "protocol",
    "status",
    "unusable",
];

/// The fetched keys of every issuer that has a `jwks_url`.
#[derive(Debug, Default)]
pub struct KeyBoard(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    issuer: Box<str>,
    keys: usize,
    confirmed: Option<Instant>,
    fetches: [u64; FETCH_OUTCOMES.len()],
}

/// The fetched keys of one issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// Its name in the configuration.
    pub issuer: Box<str>,
    /// How many are in force.
    pub keys: usize,
    /// Since when the issuer has not confirmed them; `None` where there are none.
    pub age: Option<Duration>,
    /// How often each outcome came.
    pub fetches: [(&'static str, u64); FETCH_OUTCOMES.len()],
}

impl KeyBoard {
    /// From now on there are these issuers; the counts of those that were there go on.
    pub fn name<'n>(&self, issuers: impl Iterator<Item = &'n str>) {
        let mut entries = self.entries();
        let mut named = Vec::new();
        for issuer in issuers {
            let known = entries.iter().position(|entry| *entry.issuer == *issuer);
            named.push(match known {
                Some(at) => entries.swap_remove(at),
                None => Entry {
                    issuer: issuer.into(),
                    keys: 0,
                    confirmed: None,
                    fetches: [0; FETCH_OUTCOMES.len()],
                },
            });
        }
        *entries = named;
    }

    /// A fetch came to this.
    pub fn fetched(&self, issuer: &str, outcome: &'static str) {
        let mut entries = self.entries();
        let entry = entries.iter_mut().find(|entry| *entry.issuer == *issuer);
        let at = FETCH_OUTCOMES.iter().position(|known| *known == outcome);
        if let (Some(entry), Some(at)) = (entry, at)
            && let Some(count) = entry.fetches.get_mut(at)
        {
            *count = count.saturating_add(1);
        }
    }

    /// So many keys are in force, confirmed then.
    pub fn hold(&self, issuer: &str, keys: usize, confirmed: Option<Instant>) {
        if let Some(entry) = self.entries().iter_mut().find(|entry| *entry.issuer == *issuer) {
            (entry.keys, entry.confirmed) = (keys, confirmed);
        }
    }

    /// Whether an issuer has no keys, so that all its tokens are refused.
    #[must_use]
    pub fn is_lacking(&self) -> bool {
        self.entries().iter().any(|entry| entry.keys == 0)
    }

    /// All of it, in the order of the configuration.
    #[must_use]
    pub fn states(&self, now: Instant) -> Vec<KeyState> {
        let state = |entry: &Entry| KeyState {
            issuer: entry.issuer.clone(),
            keys: entry.keys,
            age: entry.confirmed.map(|confirmed| now.saturating_duration_since(confirmed)),
            fetches: std::array::from_fn(|at| {
                let name = FETCH_OUTCOMES.get(at).copied().unwrap_or_default();
                (name, entry.fetches.get(at).copied().unwrap_or_default())
            }),
        };
        self.entries().iter().map(state).collect()
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        // Nothing that panics runs while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_an_issuer_go_on_when_others_come_and_go() {
        let board = KeyBoard::default();
        assert!(!board.is_lacking());
        board.name(["a", "b"].into_iter());
        board.fetched("b", "fetched");
        board.fetched("b", "timeout");
        board.fetched("nobody", "fetched");
        board.hold("b", 2, Some(Instant::now()));
        assert!(board.is_lacking());
        board.name(["b"].into_iter());
        assert!(!board.is_lacking());
        let now = Instant::now();
        let [state] = &board.states(now)[..] else { panic!("one") };
        assert_eq!((&*state.issuer, state.keys, state.age.is_some()), ("b", 2, true));
        let counted: Vec<_> = state.fetches.iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [&("fetched", 1), &("timeout", 1)]);
    }
}
