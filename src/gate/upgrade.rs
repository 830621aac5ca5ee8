//! Owns the opening handshake as RFC 6455 section 4.2.1 asks for it.
//! Never knows which host, path, origin or credential a request has.

use super::subprotocol;
use crate::rejection::Rejection;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, HeaderMap, HeaderName, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::request::Parts;
use http::{HeaderValue, Method, Version};
use tungstenite::handshake::derive_accept_key;

/// An upgrade request that holds to the letter of RFC 6455 section 4.2.1: only its `parse` makes
/// one. Host (2), Origin (7) and what a token grants have their own evidence.
#[must_use]
#[derive(Debug)]
pub struct UpgradeRequest<'a> {
    offered: Vec<&'a str>,
    accept: String,
}

impl<'a> UpgradeRequest<'a> {
    /// Takes a request that asks for a WebSocket of version 13. Extensions have
    /// their own reader, for the routes that serve one.
    ///
    /// # Errors
    ///
    /// The first of its faults, in the order of the checks: method, `Upgrade`, `Connection`,
    /// subprotocols, version, key.
    pub fn parse(request: &'a Parts) -> Result<UpgradeRequest<'a>, Rejection> {
        let headers = &request.headers;
        if request.version != Version::HTTP_11 {
            return Err(Rejection::HttpVersion);
        }
        if request.method != Method::GET {
            return Err(Rejection::MethodNotAllowed);
        }
        upgrade(headers)?;
        connection(headers)?;
        let offered = subprotocol::offered(headers)?;
        version(headers)?;
        let accept = derive_accept_key(key(headers)?.as_bytes());
        Ok(UpgradeRequest { offered, accept })
    }

    /// The subprotocols that are offered, the most wanted first; a token may be among them.
    #[must_use]
    pub fn offered(&self) -> &[&'a str] {
        &self.offered
    }

    /// The `Sec-WebSocket-Accept` to answer: base64, hence visible ASCII. It shows that both
    /// sides speak WebSocket and authenticates nobody (RFC 6455 sections 1.3 and 11.3.1).
    #[must_use]
    pub fn accept(&self) -> &str {
        &self.accept
    }
}

/// Exactly one protocol: with a second one, another hop could choose it.
fn upgrade(headers: &HeaderMap) -> Result<(), Rejection> {
    if !headers.contains_key(UPGRADE) {
        return Err(Rejection::UpgradeMissing);
    }
    let value = single(headers, UPGRADE).ok_or(Rejection::UpgradeMalformed)?;
    if value.eq_ignore_ascii_case("websocket") { Ok(()) } else { Err(Rejection::UpgradeMalformed) }
}

/// A list over any number of lines. A field that `Connection` names is taken off by the next hop
/// (RFC 9110 section 7.6.1), so naming Host, Origin or a field that a proxy sets would unmake
/// what has been judged; `close` and an upgrade exclude each other. Empty elements are ignored
/// (RFC 9110 section 5.6.1.2).
fn connection(headers: &HeaderMap) -> Result<(), Rejection> {
    let mut upgrades = false;
    for line in headers.get_all(CONNECTION) {
        for option in text(line).ok_or(Rejection::ConnectionMalformed)?.split(',').map(trim) {
            if option.eq_ignore_ascii_case("upgrade") {
                upgrades = true;
            } else if !option.is_empty() && !option.eq_ignore_ascii_case("keep-alive") {
                return Err(Rejection::ConnectionMalformed);
            }
        }
    }
    if upgrades { Ok(()) } else { Err(Rejection::ConnectionMalformed) }
}

/// 0 to 255 without leading zeros (RFC 6455 section 4.3), and only 13 is served.
fn version(headers: &HeaderMap) -> Result<(), Rejection> {
    let value = single(headers, SEC_WEBSOCKET_VERSION).ok_or(Rejection::VersionMalformed)?;
    let version = value.parse::<u8>().map_err(|_| Rejection::VersionMalformed)?;
    // `u8::from_str` takes `+13` and `013`; only one spelling comes back out.
    if version.to_string() != value {
        return Err(Rejection::VersionMalformed);
    }
    if version == 13 { Ok(()) } else { Err(Rejection::VersionUnsupported) }
}

/// Base64 of 16 octets in its canonical form, so that two readers cannot see two keys.
fn key(headers: &HeaderMap) -> Result<&str, Rejection> {
    let value = single(headers, SEC_WEBSOCKET_KEY).ok_or(Rejection::KeyMalformed)?;
    // Told before anything is decoded, however long the value is.
    if value.len() != KEY_BYTES {
        return Err(Rejection::KeyMalformed);
    }
    // This engine insists on padding and on zero bits behind the last octet.
    let nonce = STANDARD.decode(value).map_err(|_| Rejection::KeyMalformed)?;
    if nonce.len() == NONCE_BYTES { Ok(value) } else { Err(Rejection::KeyMalformed) }
}

/// Octets of a nonce, and of its base64.
const NONCE_BYTES: usize = 16;
const KEY_BYTES: usize = 24;

/// The value of a field that is there once.
fn single(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?;
    if lines.next().is_some() { None } else { text(line) }
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().map(trim)
}

/// Optional whitespace of RFC 9110 section 5.6.3.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests;
