//! Owns who a peer is, proved.
//! Never knows how it was proved, nor who is in a room.

use super::authority::Authority;
use super::claims::Facts;
use super::grant::RoomGrant;
use super::key::Key;
use super::narrowing::Narrowing;
use crate::rejection::Rejection;
use crate::room::{RoomName, RoomPattern};
use std::sync::Arc;

/// Who the peer is: the signature of its token was verified by a pinned key of an issuer,
/// and the claims are what that issuer promised. Only
/// [`Verifier::verify`](super::Verifier::verify) makes one.
#[must_use]
#[derive(Debug)]
pub struct Identity {
    authority: Authority,
    subscribe: Box<[RoomPattern]>,
    publish: Box<[RoomPattern]>,
}

impl Identity {
    pub(super) fn proved(issuer: Option<Arc<str>>, key: &Key, facts: Facts) -> Identity {
        let Facts { subject, jti, issued_at, ends_at, subscribe, publish, bound_to } = facts;
        let authority =
            Authority { issuer, key: key.fingerprint(), subject, jti, issued_at, ends_at, bound_to };
        Identity { authority, subscribe: subscribe.into(), publish: publish.into() }
    }

    /// What a session of this peer stands on.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The configured name of the issuer whose key verified the token; `None` for one that
    /// has no name.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.authority.issuer()
    }

    /// Who: 1 to 256 octets without controls.
    #[must_use]
    pub fn subject(&self) -> &Arc<str> {
        self.authority.subject()
    }

    /// The token's identifier (RFC 7519 section 4.1.7).
    #[must_use]
    pub fn jti(&self) -> Option<&str> {
        self.authority.jti()
    }

    /// When the authority ends: `exp` plus leeway, in seconds since 1970-01-01. `None` for a
    /// token without `exp`, where the issuer may leave it out.
    #[must_use]
    pub fn ends_at(&self) -> Option<u64> {
        self.authority.ends_at()
    }

    /// The rooms that may be entered, and those that may be published into, as the token has them.
    #[must_use]
    pub fn patterns(&self) -> (&[RoomPattern], &[RoomPattern]) {
        (&self.subscribe, &self.publish)
    }

    /// A grant to enter this room, which also knows whether it may be published into.
    ///
    /// # Errors
    /// [`Rejection::RoomNotGranted`] without a subscribe grant, whatever the publish grants are.
    pub fn grant(&self, room: &RoomName) -> Result<RoomGrant<'_>, Rejection> {
        self.grant_within(room, None)
    }

    /// The same where the grants reach no further than a narrowing.
    ///
    /// # Errors
    /// [`Rejection::RoomNotGranted`] without a subscribe grant within it.
    pub fn grant_within(
        &self,
        room: &RoomName,
        narrowing: Option<&Narrowing>,
    ) -> Result<RoomGrant<'_>, Rejection> {
        let within =
            |lets: fn(&Narrowing, &RoomName) -> bool| narrowing.is_none_or(|narrow| lets(narrow, room));
        if !grants(&self.subscribe, room) || !within(Narrowing::lets_subscribe) {
            return Err(Rejection::RoomNotGranted);
        }
        let publish = grants(&self.publish, room) && within(Narrowing::lets_publish);
        Ok(RoomGrant::of(self, room.clone(), publish))
    }
}

fn grants(patterns: &[RoomPattern], room: &RoomName) -> bool {
    patterns.iter().any(|pattern| pattern.grants(room))
}
