//! Owns the facts of a log line and how what came from outside is made harmless.
//! Never knows where a line goes.

use crate::peer::{ClientCertificate, Peer};
use std::borrow::Cow;

/// What a line may tell. Host, server name, path, query, token, cookie, key and payload
/// have no place here, so they cannot be logged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// The number of the request, as the peer was told it.
    pub request_id: Option<&'a str>,
    /// The other end of the socket.
    pub peer: Option<Peer>,
    /// The certificate that the peer has shown, once it is verified.
    pub client_certificate: Option<&'a ClientCertificate>,
    /// The configured path of the route.
    pub route: Option<&'a str>,
    /// The origin if it parses, else `malformed`.
    pub origin: Option<&'a str>,
    /// The subject, once verified.
    pub subject: Option<&'a str>,
    /// Where the backend of its session is, without path and query.
    pub upstream: Option<&'a str>,
    /// The stable name of the reason.
    pub reason: Option<&'a str>,
    /// The HTTP status that was answered.
    pub status: Option<u16>,
    /// The close code.
    pub code: Option<u16>,
    /// Our own words.
    pub detail: Option<&'a str>,
}

/// The most octets of anything from outside.
const OUTSIDE_BYTES_MAX: usize = 256;

/// Text from outside as it may be shown: cut at 256 octets, and whatever could move a
/// cursor, break a line or turn the reading direction is escaped.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    let cut = text.get(..text.floor_char_boundary(OUTSIDE_BYTES_MAX)).unwrap_or_default();
    if !cut.chars().any(is_risky) {
        return Cow::Borrowed(cut);
    }
    let mut shown = String::new();
    for c in cut.chars() {
        if is_risky(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown.truncate(shown.floor_char_boundary(OUTSIDE_BYTES_MAX));
    Cow::Owned(shown)
}

fn is_risky(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_escaped_and_cut_at_256_octets() {
        assert_eq!(clean("alice"), "alice");
        assert_eq!(clean("a\nb\u{1b}[31m\u{202e}"), "a\\u{a}b\\u{1b}[31m\\u{202e}");
        assert_eq!(clean(&"x".repeat(300)).len(), 256);
        assert!(clean(&"ä".repeat(300)).len() <= 256);
        assert!(clean(&"\n".repeat(300)).len() <= 256);
    }
}
