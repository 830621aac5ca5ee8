//! Owns one request for a key set and what is taken of the answer.
//! Never knows when to ask.

use super::source::{KEYS_MAX, KeySource};
use crate::auth::{Key, KeyFault};
use crate::outbound::{ExchangeLimits, OutboundError, exchange};
use bytes::Bytes;
use http::header::{ACCEPT, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{Request, StatusCode};
use std::fmt;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(5);
const SET_BYTES_MAX: usize = 64 << 10;
/// A longer one is not sent back.
const ETAG_BYTES_MAX: usize = 256;

/// What an issuer says.
#[derive(Debug)]
pub(super) enum Fetched {
    /// The keys are those that were fetched before (RFC 9110 section 15.4.5).
    Unchanged,
    /// These are the keys.
    Set { keys: Vec<Key>, etag: Option<HeaderValue> },
}

/// Why no keys came.
#[derive(Debug)]
pub(super) enum FetchFault {
    /// The exchange failed, or was answered by another status than 200: also by a redirect.
    Outbound(OutboundError),
    /// What came is no set of keys that can be taken as a whole.
    Unusable(KeyFault),
}

impl FetchFault {
    /// As it stands in metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            FetchFault::Outbound(error) => error.name(),
            FetchFault::Unusable(_) => "unusable",
        }
    }
}

impl fmt::Display for FetchFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchFault::Outbound(error) => error.fmt(f),
            FetchFault::Unusable(fault) => fault.fmt(f),
        }
    }
}

/// Asks once. `etag`: that of the keys that are held.
pub(super) async fn fetch(source: &KeySource, etag: Option<&HeaderValue>) -> Result<Fetched, FetchFault> {
    let mut request = Request::new(Bytes::new());
    request
        .headers_mut()
        .insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
    if let Some(etag) = etag {
        request.headers_mut().insert(IF_NONE_MATCH, etag.clone());
    }
    let limits = ExchangeLimits { deadline: Instant::now() + TIMEOUT, body_bytes: SET_BYTES_MAX };
    let answer = exchange(&source.endpoint, Some(&source.roots), request, limits).await;
    let answer = answer.map_err(FetchFault::Outbound)?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED if etag.is_some() => return Ok(Fetched::Unchanged),
        status => return Err(FetchFault::Outbound(OutboundError::Status(status))),
    }
    // What the answer says of its type is not asked: what it is decides.
    let keys = Key::from_jwks(answer.body(), &source.algorithms).map_err(FetchFault::Unusable)?;
    if keys.len() > KEYS_MAX {
        let told = format!("the JWK Set has {} usable keys: {KEYS_MAX} at most are taken", keys.len());
        return Err(FetchFault::Unusable(KeyFault(told)));
    }
    if keys.len() > 1 && keys.iter().any(|key| key.kid().is_none()) {
        let told = "a key of the JWK Set has no kid beside others: no token could choose it".to_owned();
        return Err(FetchFault::Unusable(KeyFault(told)));
    }
    let etag = answer.headers().get(ETAG).filter(|etag| etag.len() <= ETAG_BYTES_MAX).cloned();
    Ok(Fetched::Set { keys, etag })
}
