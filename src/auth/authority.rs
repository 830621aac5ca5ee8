//! Owns what a session stands on: whose token it was, which one, and how long it lasts.
//! Never knows what the token grants.

use std::sync::Arc;

/// The facts of a verified token that decide whether a session may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    pub(super) issuer: Option<Arc<str>>,
    /// The fingerprint of the key that verified it.
    pub(super) key: u64,
    pub(super) subject: Arc<str>,
    pub(super) jti: Option<Box<str>>,
    pub(super) issued_at: Option<u64>,
    pub(super) ends_at: Option<u64>,
    /// The certificate that its holder must show.
    pub(super) bound_to: Option<Box<[u8; 32]>>,
}

impl Authority {
    /// Nobody in particular: no token, no name. It stands on nothing but what a route lets everybody
    /// do, and has no grant.
    #[must_use]
    pub fn anonymous() -> Authority {
        let subject = Arc::from("");
        Authority { issuer: None, key: 0, subject, jti: None, issued_at: None, ends_at: None, bound_to: None }
    }

    /// Whether it is nobody in particular: a subject of a token is never empty.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.subject.is_empty()
    }

    /// Who, if that is known.
    #[must_use]
    pub fn known_subject(&self) -> Option<&Arc<str>> {
        Some(&self.subject).filter(|subject| !subject.is_empty())
    }

    /// The configured name of the issuer; `None` for one that has no name.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Who.
    #[must_use]
    pub fn subject(&self) -> &Arc<str> {
        &self.subject
    }

    /// The token's identifier (RFC 7519 section 4.1.7).
    #[must_use]
    pub fn jti(&self) -> Option<&str> {
        self.jti.as_deref()
    }

    /// When the token was issued, in seconds since 1970-01-01.
    #[must_use]
    pub fn issued_at(&self) -> Option<u64> {
        self.issued_at
    }

    /// The SHA-256 of the certificate that the token is bound to, if it is (RFC 8705 section 3.1).
    #[must_use]
    pub fn bound_to(&self) -> Option<&[u8; 32]> {
        self.bound_to.as_deref()
    }

    /// `exp` plus leeway, in seconds since 1970-01-01.
    #[must_use]
    pub fn ends_at(&self) -> Option<u64> {
        self.ends_at
    }
}
