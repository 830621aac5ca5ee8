//! Owns what is configured about an issuer, and what cannot work in it.
//! Never knows a token.

use super::claim_path::ClaimPaths;
use super::key::Key;
use std::fmt;
use std::sync::Arc;
use tokio::sync::Notify;

/// Who may issue tokens, what they look like, and by which keys they are known:
/// `[[auth.issuer]]`. A key serves its own issuer alone.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// `iss`, compared octet by octet.
    pub issuer: Box<str>,
    /// What `aud` must name.
    pub audience: Box<str>,
    /// What `typ` of the header must be; empty lets it be absent, or `JWT`.
    pub typ: Box<str>,
    /// Which claims a token must have.
    pub require: Required,
    /// The keys, by `kid`.
    pub keys: Vec<Key>,
    /// Where the facts are.
    pub claims: ClaimPaths,
    /// Who is told that a token names a key which is not there; `None` where keys do not come by
    /// themselves.
    pub wanted: Option<KeysWanted>,
}

/// The way to whoever fetches an issuer's keys. It carries nothing of a token: only that the keys
/// which are there did not do.
#[derive(Clone, Debug, Default)]
pub struct KeysWanted(Arc<Notify>);

impl KeysWanted {
    /// Says so. However often it is said, it is heard once.
    pub(super) fn say(&self) {
        self.0.notify_one();
    }

    /// Waits until it is said.
    pub async fn heard(&self) {
        self.0.notified().await;
    }
}

impl Issuer {
    /// A token came whose key is not here. Without a `kid` it could not have chosen among several
    /// keys, whichever they are.
    pub(super) fn miss(&self, kid: Option<&str>) {
        if let Some(wanted) = &self.wanted
            && (kid.is_some() || self.keys.is_empty())
        {
            wanted.say();
        }
    }
}

/// Which claims must be there. A subject must be, always.
#[derive(Clone, Copy, Debug)]
pub struct Required {
    /// `iss`.
    pub iss: bool,
    /// `aud`.
    pub aud: bool,
    /// `exp`.
    pub exp: bool,
}

impl Default for Required {
    fn default() -> Required {
        Required { iss: true, aud: true, exp: true }
    }
}

/// Something about the issuers that cannot work as it stands. The numbers count from 0, in
/// the order of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuerFault {
    /// Two issuers have the same name, so that a token's keys would be ambiguous.
    SameIssuer {
        /// The one that came first.
        first: usize,
        /// The other.
        second: usize,
    },
    /// An issuer has no key.
    NoKey {
        /// Which.
        issuer: usize,
    },
    /// Two keys of an issuer have the same `kid`.
    SameKid {
        /// Whose.
        issuer: usize,
        /// The key that came first.
        first: usize,
        /// The other.
        second: usize,
    },
    /// A key has no `kid` although its issuer has several keys: no token can choose it.
    KeyWithoutKid {
        /// Whose.
        issuer: usize,
        /// Which.
        key: usize,
    },
}

impl fmt::Display for IssuerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IssuerFault::SameIssuer { .. } => "this issuer is there twice: put the keys of both under one",
            IssuerFault::NoKey { .. } => "this issuer has no key: add a [[auth.issuer.key]] or a jwks_file",
            IssuerFault::SameKid { .. } => "this kid is there twice: each key of an issuer has its own",
            IssuerFault::KeyWithoutKid { .. } => {
                "this key has no kid: where an issuer has several keys, tokens choose by it"
            }
        })
    }
}

/// Everything that cannot work about a set of issuers.
#[must_use]
pub fn issuer_faults(issuers: &[Issuer]) -> Vec<IssuerFault> {
    let mut faults = Vec::new();
    for (at, issuer) in issuers.iter().enumerate() {
        if let Some(first) = issuers.iter().take(at).position(|other| other.issuer == issuer.issuer) {
            faults.push(IssuerFault::SameIssuer { first, second: at });
        }
        if issuer.keys.is_empty() {
            faults.push(IssuerFault::NoKey { issuer: at });
        }
        for (key_at, key) in issuer.keys.iter().enumerate() {
            let Some(kid) = key.kid() else {
                if issuer.keys.len() > 1 {
                    faults.push(IssuerFault::KeyWithoutKid { issuer: at, key: key_at });
                }
                continue;
            };
            if let Some(first) = issuer.keys.iter().take(key_at).position(|other| other.kid() == Some(kid)) {
                faults.push(IssuerFault::SameKid { issuer: at, first, second: key_at });
            }
        }
    }
    faults
}
