//! Owns the upgrade request to a backend: every octet of it is written here (RFC 6455 section 4.1).
//! Never knows a socket.

use crate::auth::Identity;
use crate::endpoint::Endpoint;
use crate::gate::Call;
use crate::origin::Origin;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::fmt::Write as _;
use std::net::IpAddr;

/// What a request is made of.
pub(super) struct Facts<'a> {
    pub(super) call: &'a Call,
    pub(super) identity: &'a Identity,
    pub(super) origin: Option<&'a Origin>,
    pub(super) client: IpAddr,
    pub(super) connection_id: &'a str,
    pub(super) assertion: &'a str,
    pub(super) nonce: [u8; 16],
}

/// The request, and the `Sec-WebSocket-Accept` that answers its key.
pub(super) fn request(endpoint: &Endpoint, facts: &Facts<'_>) -> (Vec<u8>, String) {
    let key = STANDARD.encode(facts.nonce);
    let mut text = format!(
        "GET {} HTTP/1.1\r\n\
         Host: {}\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {key}\r\n",
        target(endpoint, facts.call),
        endpoint.authority(),
    );
    let mut field = |name: &str, value: &str| {
        // INVARIANT: each value is one that the gate, the token's reader or this file has made of
        // visible ASCII; a control character would be left out rather than sent.
        let value: String = value.chars().filter(|c| *c == ' ' || c.is_ascii_graphic()).collect();
        // Writing into a string cannot fail.
        let _ = write!(text, "{name}: {value}\r\n");
    };
    if let Some(origin) = facts.origin {
        field("Origin", origin.as_str());
    }
    if !facts.call.offered().is_empty() {
        field("Sec-WebSocket-Protocol", &facts.call.offered().join(", "));
    }
    for (name, value) in facts.call.fields() {
        field(name.as_str(), value.to_str().unwrap_or_default());
    }
    field("Forwarded", &forwarded(facts.client));
    field("Portcullis-Subject", &percent_encoded(facts.identity.subject()));
    field("Portcullis-Grants", &grants(facts.identity));
    field("Portcullis-Connection-Id", facts.connection_id);
    field("Portcullis-Assertion", facts.assertion);
    text.push_str("\r\n");
    (text.into_bytes(), tungstenite::handshake::derive_accept_key(key.as_bytes()))
}

/// The upstream's own path, or that of the request where the upstream has none; then its query, and
/// that of the request.
fn target(endpoint: &Endpoint, call: &Call) -> String {
    let (path, query) = match endpoint.target().split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (endpoint.target(), None),
    };
    let path = if path == "/" { call.path() } else { path };
    let queries: Vec<&str> = [query, call.query()].into_iter().flatten().collect();
    if queries.is_empty() { path.to_owned() } else { format!("{path}?{}", queries.join("&")) }
}

/// RFC 7239 section 4: an IPv6 address stands in brackets and quotes.
fn forwarded(client: IpAddr) -> String {
    match client {
        IpAddr::V4(address) => format!("for={address};proto=https"),
        IpAddr::V6(address) => format!("for=\"[{address}]\";proto=https"),
    }
}

/// A subject may have any characters but controls: all but the unreserved ones (RFC 3986 section 2.3)
/// and a few that are common in names and mean nothing in a header are percent-encoded octets of UTF-8.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        let stays = octet.is_ascii_alphanumeric() || b"-._~@:/".contains(&octet);
        // Writing into a string cannot fail.
        let _ =
            if stays { write!(encoded, "{}", char::from(octet)) } else { write!(encoded, "%{octet:02X}") };
    }
    encoded
}

/// One JSON object; patterns of rooms have no character that JSON or a header would escape.
fn grants(identity: &Identity) -> String {
    let (subscribe, publish) = identity.patterns();
    let shown = |patterns: &[crate::room::RoomPattern]| -> Vec<String> {
        patterns.iter().map(ToString::to_string).collect()
    };
    json!({ "subscribe": shown(subscribe), "publish": shown(publish) }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_forwarded_as_the_standard_writes_it() {
        assert_eq!(forwarded("192.0.2.1".parse().expect("one")), "for=192.0.2.1;proto=https");
        assert_eq!(forwarded("2001:db8::1".parse().expect("one")), "for=\"[2001:db8::1]\";proto=https");
    }

    #[test]
    fn a_subject_is_one_visible_word() {
        for (subject, shown) in [
            ("alice", "alice"),
            ("alice@example.com", "alice@example.com"),
            ("urn:user:1/2", "urn:user:1/2"),
            ("J\u{f6}rg B", "J%C3%B6rg%20B"),
            ("a+b%20,\"c\";d", "a%2Bb%2520%2C%22c%22%3Bd"),
        ] {
            assert_eq!(percent_encoded(subject), shown);
        }
    }
}
