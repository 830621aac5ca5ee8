//! Owns the order in which a token is judged: form, header, issuer and key, signature, claims.
//! Never knows a clock or where a token came from.

use super::authority::Authority;
use super::claims::ClaimsSet;
use super::compact::Compact;
use super::credential::BearerToken;
use super::header::Header;
use super::identity::Identity;
use super::issuer::Issuer;
use super::key::Key;
use super::lifetime::Lifetimes;
use crate::mercure::{MercureClaim, Version, parse_details};
use crate::rejection::Rejection;
use serde_json::Value;
use std::sync::Arc;

/// Whether a token must say who it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectNeed {
    /// Of everybody who stays.
    Required,
    /// A backend that publishes an update and is gone may do without.
    Optional,
}

/// Checks tokens against pinned keys.
///
/// Of the JWT library only the signature is used. Its `Validation` takes a token without
/// `iss` or `aud` even where one is set, or with one that is no string; it ignores `crit`
/// and `typ`, takes the last of two equal claims, reads the system's clock, and binds a key
/// to a family of algorithms rather than to one.
pub struct Verifier {
    trusted: Vec<Trusted>,
}

struct Trusted {
    issuer: Issuer,
    /// Shared with every identity; `None` for an issuer without a name.
    name: Option<Arc<str>>,
}

impl Verifier {
    /// Trusts these issuers and no others.
    #[must_use]
    pub fn new(issuers: Vec<Issuer>) -> Verifier {
        let trusted = issuers.into_iter().map(|issuer| {
            let name = (!issuer.issuer.is_empty()).then(|| Arc::from(&*issuer.issuer));
            Trusted { issuer, name }
        });
        Verifier { trusted: trusted.collect() }
    }

    /// The same with other keys of one issuer: all of them or none.
    #[must_use]
    pub fn with_keys(&self, issuer: &str, keys: &[Key]) -> Verifier {
        let issuers = self.issuers().map(|known| {
            let mut known = known.clone();
            if *known.issuer == *issuer {
                known.keys = keys.to_vec();
            }
            known
        });
        Verifier::new(issuers.collect())
    }

    /// The issuers, in the order they were given.
    pub fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.trusted.iter().map(|trusted| &trusted.issuer)
    }

    /// Proves who a peer is. `now`: seconds since 1970-01-01.
    ///
    /// # Errors
    /// The first rule that the token breaks. No claim is judged before a signature has
    /// verified, but `iss`, which tells whose keys to try.
    pub fn verify(
        &self,
        token: &BearerToken<'_>,
        lifetimes: &Lifetimes,
        now: u64,
    ) -> Result<Identity, Rejection> {
        let token = Compact::parse(token.token())?;
        self.identity(&token, lifetimes, now, SubjectNeed::Required)
    }

    /// Proves who speaks to a Mercure hub, with what its token says of topics: the claim `mercure`, or in
    /// version 1.0 `authorization_details` of an access token (RFC 9068), which must have `iss`, `aud` and
    /// `exp` whatever its issuer requires.
    ///
    /// # Errors
    /// As [`Verifier::verify`]; [`Rejection::TokenHeader`] for another type of token in version 1.0;
    /// [`Rejection::TokenClaims`] for a claim that is missing or has not its form.
    pub fn verify_mercure(
        &self,
        token: &BearerToken<'_>,
        lifetimes: &Lifetimes,
        now: u64,
        need: SubjectNeed,
        version: Version,
    ) -> Result<(Identity, Option<MercureClaim>), Rejection> {
        let token = Compact::parse(token.token())?;
        if version == Version::One && !Header::parse(&token.header)?.is_of_type(ACCESS_TOKEN) {
            return Err(Rejection::TokenHeader);
        }
        let identity = self.identity(&token, lifetimes, now, need)?;
        // Strict by now: no member is there twice, and depth and size are bounded.
        let claims: Value = serde_json::from_str(&token.claims).map_err(|_| Rejection::TokenClaims)?;
        if version == Version::One {
            let is_whole = ["iss", "aud", "exp"].iter().all(|name| claims.get(name).is_some());
            let details = claims.get("authorization_details");
            return if is_whole {
                Ok((identity, Some(parse_details(details)?)))
            } else {
                Err(Rejection::TokenClaims)
            };
        }
        let claim = claims.get("mercure").or_else(|| claims.get("https://mercure.rocks/"));
        Ok((identity, claim.map(MercureClaim::parse).transpose()?))
    }

    fn identity(
        &self,
        token: &Compact<'_>,
        lifetimes: &Lifetimes,
        now: u64,
        need: SubjectNeed,
    ) -> Result<Identity, Rejection> {
        let header = Header::parse(&token.header)?;
        let claims = ClaimsSet::parse(&token.claims)?;

        let candidates = self.candidates(&header, claims.issuer()?)?;
        let signer = candidates
            .iter()
            .find(|candidate| candidate.key.verifies(token.signed, &token.signature))
            .ok_or(Rejection::TokenSignature)?;

        let facts = claims.judge(&signer.trusted.issuer, lifetimes, now, need)?;
        Ok(Identity::proved(signer.trusted.name.clone(), signer.key, facts))
    }

    /// Whether the issuer and the key that an authority came from are trusted here: they may
    /// have been withdrawn since.
    #[must_use]
    pub fn trusts(&self, authority: &Authority) -> bool {
        self.trusted
            .iter()
            .filter(|trusted| trusted.name.as_deref() == authority.issuer())
            .any(|trusted| trusted.issuer.keys.iter().any(|key| key.fingerprint() == authority.key))
    }

    /// The keys that may verify a token, each with its issuer: one, unless several issuers
    /// need no `iss`. Each step narrows what the one before it left, and the first that
    /// leaves nothing is the reason.
    fn candidates(&self, header: &Header, iss: Option<&str>) -> Result<Vec<Candidate<'_>>, Rejection> {
        let issuers = || {
            self.trusted.iter().filter(|trusted| match iss {
                Some(iss) => *trusted.issuer.issuer == *iss,
                None => !trusted.issuer.require.iss,
            })
        };
        let mut any_issuer = false;
        let mut candidates: Vec<Candidate<'_>> = issuers()
            .inspect(|_| any_issuer = true)
            .filter_map(|trusted| {
                Some(Candidate { trusted, key: chosen(&trusted.issuer, header.kid.as_deref())? })
            })
            .collect();
        if !any_issuer {
            return Err(iss.map_or(Rejection::TokenClaims, |_| Rejection::TokenIssuer));
        }
        if candidates.is_empty() {
            issuers().for_each(|trusted| trusted.issuer.miss(header.kid.as_deref()));
            return Err(Rejection::TokenKeyUnknown);
        }
        // The key says which algorithm is right, never the token (RFC 8725 section 3.1).
        candidates.retain(|candidate| candidate.key.algorithm() == header.algorithm);
        if candidates.is_empty() {
            return Err(Rejection::TokenAlgorithm);
        }
        candidates.retain(|candidate| header.is_of_type(&candidate.trusted.issuer.typ));
        if candidates.is_empty() {
            return Err(Rejection::TokenHeader);
        }
        Ok(candidates)
    }
}

/// The type of an access token (RFC 9068 section 2.1).
const ACCESS_TOKEN: &str = "at+jwt";

/// A key that may have made a signature, and whose it is.
struct Candidate<'v> {
    trusted: &'v Trusted,
    key: &'v Key,
}

/// The key of an issuer that a `kid` names; without one, its only key.
fn chosen<'v>(issuer: &'v Issuer, kid: Option<&str>) -> Option<&'v Key> {
    match (kid, &*issuer.keys) {
        (Some(kid), keys) => keys.iter().find(|key| key.kid() == Some(kid)),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}
