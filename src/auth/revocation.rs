//! Owns which tokens are refused though they verify: by their identifier, or by their
//! subject up to a moment.
//! Never knows a session: whoever holds one asks.

use super::authority::Authority;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Revocations that are remembered at most: past that a new one is refused, as forgetting
/// an old one would let its token in again.
pub const REVOCATIONS_MAX: usize = 100_000;

/// What is revoked. Each entry is kept as long as the longest token could live.
#[derive(Debug, Default)]
pub struct Revocations {
    set: Mutex<Set>,
}

#[derive(Debug, Default)]
pub(super) struct Set {
    /// By identifier: until when it is remembered.
    pub(super) tokens: HashMap<Box<str>, u64>,
    /// By subject: tokens issued up to then, and until when it is remembered.
    pub(super) subjects: HashMap<Box<str>, Until>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Until {
    pub(super) issued_up_to: u64,
    pub(super) kept: u64,
}

/// There is no room for another revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl Revocations {
    pub(super) fn of(set: Set) -> Revocations {
        Revocations { set: Mutex::new(set) }
    }

    /// Revokes the token with this identifier, whether or not it was ever seen. Times are
    /// in seconds since 1970-01-01, `keep` in seconds.
    ///
    /// # Errors
    /// [`TooMany`]: then nothing has changed.
    pub fn revoke_token(&self, jti: &str, now: u64, keep: u64) -> Result<(), TooMany> {
        let mut set = self.set();
        set.make_room(now)?;
        set.tokens.insert(jti.into(), now.saturating_add(keep));
        Ok(())
    }

    /// Revokes every token of a subject that was issued up to `now`, and those that do not
    /// say when they were issued.
    ///
    /// # Errors
    /// [`TooMany`]: then nothing has changed.
    pub fn revoke_subject(&self, subject: &str, now: u64, keep: u64) -> Result<(), TooMany> {
        let mut set = self.set();
        set.make_room(now)?;
        set.subjects.insert(subject.into(), Until { issued_up_to: now, kept: now.saturating_add(keep) });
        Ok(())
    }

    /// Takes what another gateway has revoked besides.
    pub fn absorb(&self, others: Revocations) {
        let others = others.set.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut set = self.set();
        set.tokens.extend(others.tokens);
        set.subjects.extend(others.subjects);
    }

    /// Whether a token that verifies is refused all the same.
    #[must_use]
    pub fn is_revoked(&self, authority: &Authority) -> bool {
        let set = self.set();
        let by_token = authority.jti().is_some_and(|jti| set.tokens.contains_key(jti));
        by_token
            || set.subjects.get(&**authority.subject()).is_some_and(|until| {
                authority.issued_at().is_none_or(|issued_at| issued_at <= until.issued_up_to)
            })
    }

    /// Revocations that are remembered.
    #[must_use]
    pub fn count(&self) -> usize {
        self.set().count()
    }

    /// A set whose holder panicked is whole: each change of it is one call.
    pub(super) fn set(&self) -> MutexGuard<'_, Set> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Set {
    fn count(&self) -> usize {
        self.tokens.len() + self.subjects.len()
    }

    /// Forgets what no living token could need.
    fn make_room(&mut self, now: u64) -> Result<(), TooMany> {
        if self.count() >= REVOCATIONS_MAX {
            self.tokens.retain(|_, kept| *kept > now);
            self.subjects.retain(|_, until| until.kept > now);
        }
        if self.count() >= REVOCATIONS_MAX { Err(TooMany) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const NOW: u64 = 1_800_000_000;
    const DAY: u64 = 86_400;

    fn token(subject: &str, jti: Option<&str>, issued_at: Option<u64>) -> Authority {
        let (subject, jti) = (Arc::from(subject), jti.map(Box::from));
        Authority { issuer: None, key: 0, subject, jti, issued_at, ends_at: None, bound_to: None }
    }

    #[test]
    fn a_revoked_identifier_refuses_its_token_and_no_other() {
        let revocations = Revocations::default();
        revocations.revoke_token("t-1", NOW, DAY).expect("room");
        assert!(revocations.is_revoked(&token("alice", Some("t-1"), Some(NOW))));
        assert!(!revocations.is_revoked(&token("alice", Some("t-2"), Some(NOW))));
        assert!(!revocations.is_revoked(&token("alice", None, Some(NOW))));
    }

    #[test]
    fn a_revoked_subject_refuses_tokens_issued_up_to_then_and_those_that_do_not_say() {
        let revocations = Revocations::default();
        revocations.revoke_subject("alice", NOW, DAY).expect("room");
        assert!(revocations.is_revoked(&token("alice", None, Some(NOW - 1))));
        assert!(revocations.is_revoked(&token("alice", None, Some(NOW))));
        assert!(revocations.is_revoked(&token("alice", None, None)));
        assert!(!revocations.is_revoked(&token("alice", None, Some(NOW + 1))));
        assert!(!revocations.is_revoked(&token("bob", None, Some(NOW - 1))));
    }

    #[test]
    fn a_full_set_refuses_a_new_revocation_rather_than_forget_a_living_one() {
        let revocations = Revocations::default();
        for n in 0..REVOCATIONS_MAX {
            revocations.revoke_token(&n.to_string(), NOW, DAY).expect("room");
        }
        assert_eq!(revocations.revoke_token("one more", NOW + 1, DAY), Err(TooMany));
        assert!(revocations.is_revoked(&token("alice", Some("0"), None)));
        // A day later no token that they were for can be alive.
        assert_eq!(revocations.revoke_token("one more", NOW + DAY, DAY), Ok(()));
        assert_eq!(revocations.count(), 1);
    }

    #[test]
    fn a_full_set_forgets_subjects_as_it_does_tokens_when_their_time_is_over() {
        let revocations = Revocations::default();
        revocations.revoke_subject("alice", NOW, DAY).expect("room");
        revocations.revoke_subject("bob", NOW, DAY + 1).expect("room");
        for n in 2..REVOCATIONS_MAX {
            revocations.revoke_subject(&n.to_string(), NOW, DAY + 1).expect("room");
        }
        assert_eq!(revocations.revoke_subject("carol", NOW + DAY - 1, DAY), Err(TooMany));
        revocations.revoke_subject("carol", NOW + DAY, DAY).expect("alice's place");
        let is_revoked = |subject| revocations.is_revoked(&token(subject, None, Some(NOW)));
        assert_eq!(["alice", "bob", "carol"].map(is_revoked), [false, true, true]);
        assert_eq!(revocations.count(), REVOCATIONS_MAX);
    }

    #[test]
    fn what_another_gateway_has_revoked_is_revoked_besides() {
        let (own, other) = (Revocations::default(), Revocations::default());
        own.revoke_token("t-1", NOW, DAY).expect("room");
        other.revoke_token("t-2", NOW, DAY).expect("room");
        other.revoke_subject("alice", NOW, DAY).expect("room");
        own.absorb(other);
        assert_eq!(own.count(), 3);
        assert!(["t-1", "t-2"].iter().all(|jti| own.is_revoked(&token("bob", Some(jti), Some(NOW)))));
        assert!(own.is_revoked(&token("alice", None, Some(NOW))));
    }
}
