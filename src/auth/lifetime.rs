//! Owns the rules for the times in a token.
//! Never knows a clock: `now` comes in.

use crate::rejection::Rejection;
use std::time::Duration;

/// How long tokens may live, and how far clocks may be apart.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// How far an issuer's clock may be from ours; whole seconds count.
    pub leeway: Duration,
    /// The longest time from `iat` (or from now, without one) to `exp`; whole seconds count.
    pub max_token_lifetime: Duration,
}

/// The NumericDates of a token (RFC 7519 section 2), in seconds since 1970-01-01.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) expires_at: Option<u64>,
    pub(super) not_before: Option<u64>,
    pub(super) issued_at: Option<u64>,
}

impl Times {
    /// Judges the times at `now`, and tells when the authority of the token ends: at `exp`
    /// and the leeway. All arithmetic saturates, so no date can wrap around.
    ///
    /// # Errors
    /// [`Rejection::TokenExpired`] from `exp` plus leeway on (RFC 7519 section 4.1.4: on or
    /// after); [`Rejection::TokenNotYetValid`] for an `nbf` or `iat` beyond now plus leeway;
    /// [`Rejection::TokenLifetime`].
    pub(super) fn judge(&self, lifetimes: &Lifetimes, now: u64) -> Result<Option<u64>, Rejection> {
        let leeway = lifetimes.leeway.as_secs();
        let ends_at = self.expires_at.map(|expires_at| expires_at.saturating_add(leeway));
        if ends_at.is_some_and(|ends_at| now >= ends_at) {
            return Err(Rejection::TokenExpired);
        }
        let latest_start = now.saturating_add(leeway);
        if [self.not_before, self.issued_at].into_iter().flatten().any(|start| start > latest_start) {
            return Err(Rejection::TokenNotYetValid);
        }
        let from = self.issued_at.unwrap_or(now);
        let lifetime = self.expires_at.map(|expires_at| expires_at.saturating_sub(from));
        if lifetime.is_some_and(|lifetime| lifetime > lifetimes.max_token_lifetime.as_secs()) {
            return Err(Rejection::TokenLifetime);
        }
        Ok(ends_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const DAY: u64 = 86_400;

    fn judge(
        exp: Option<u64>,
        nbf: Option<u64>,
        iat: Option<u64>,
        leeway: u64,
    ) -> Result<Option<u64>, Rejection> {
        let lifetimes =
            Lifetimes { leeway: Duration::from_secs(leeway), max_token_lifetime: Duration::from_secs(DAY) };
        Times { expires_at: exp, not_before: nbf, issued_at: iat }.judge(&lifetimes, NOW)
    }

    #[test]
    fn a_token_is_good_until_right_before_exp_plus_leeway() {
        assert_eq!(judge(Some(NOW - 4), None, None, 5), Ok(Some(NOW + 1)));
        for exp in [NOW - 5, NOW - 6, NOW - DAY, 0] {
            assert_eq!(judge(Some(exp), None, None, 5), Err(Rejection::TokenExpired), "{exp}");
        }
        assert_eq!(judge(Some(NOW + 1), None, None, 0), Ok(Some(NOW + 1)));
        assert_eq!(judge(Some(NOW), None, None, 0), Err(Rejection::TokenExpired));
    }

    #[test]
    fn a_token_is_not_good_before_its_time() {
        for start in [0, NOW, NOW + 5] {
            assert!(judge(Some(NOW + 60), Some(start), None, 5).is_ok(), "nbf {start}");
            assert!(judge(Some(start + 60), None, Some(start), 60).is_ok() || start == 0, "iat {start}");
        }
        for start in [NOW + 6, NOW + DAY, u64::MAX] {
            assert_eq!(judge(Some(NOW + 60), Some(start), None, 5), Err(Rejection::TokenNotYetValid));
            assert_eq!(judge(Some(NOW + 60), None, Some(start), 5), Err(Rejection::TokenNotYetValid));
        }
        assert_eq!(judge(None, Some(u64::MAX), None, u64::MAX), Ok(None));
    }

    #[test]
    fn a_token_lives_no_longer_than_it_may() {
        assert!(judge(Some(NOW + DAY), None, None, 5).is_ok());
        assert!(judge(Some(NOW + DAY), None, Some(NOW), 5).is_ok());
        for (exp, iat) in [
            (NOW + DAY + 1, None),
            (NOW + DAY + 1, Some(NOW)),
            (NOW + 60, Some(NOW + 59 - DAY)),
            (u64::MAX, None),
            (u64::MAX, Some(NOW)),
            (NOW + 60, Some(0)),
        ] {
            assert_eq!(judge(Some(exp), None, iat, 5), Err(Rejection::TokenLifetime), "{exp} {iat:?}");
        }
        assert_eq!(judge(None, None, None, 5), Ok(None));
    }
}
