//! Owns the subprotocols that a peer offers and the one that is answered (RFC 6455 section 1.9).
//! Never knows whether a token among them is good.

use crate::rejection::Rejection;
use http::header::{HeaderMap, SEC_WEBSOCKET_PROTOCOL};

/// The name that offers a token, which follows it.
pub(super) const BEARER: &str = "bearer";

/// Subprotocols that may be offered; a peer has a handful.
const OFFERED_MAX: usize = 16;

/// The entries of `Sec-WebSocket-Protocol` over all its lines, in the order of preference.
///
/// # Errors
///
/// [`Rejection::SubprotocolMalformed`]: an entry that is no token or is there twice (RFC 6455
/// section 4.1), or more than 16. An empty entry is refused too: nobody sends one, and two
/// readers could count differently where a token follows its name.
pub(super) fn offered(headers: &HeaderMap) -> Result<Vec<&str>, Rejection> {
    let mut offered = Vec::new();
    for line in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        let line = line.to_str().map_err(|_| Rejection::SubprotocolMalformed)?;
        for entry in line.split(',').map(|entry| entry.trim_matches([' ', '\t'])) {
            // The bound stands before the search, so that the time is linear.
            if offered.len() == OFFERED_MAX || !is_token(entry) || offered.contains(&entry) {
                return Err(Rejection::SubprotocolMalformed);
            }
            offered.push(entry);
        }
    }
    Ok(offered)
}

/// The subprotocol to answer: the first that was offered and is served, else the name that
/// offered the token, because a browser fails a handshake whose offer nobody answers. The
/// token is never answered.
pub(super) fn answer(offered: &[&str], served: &[Box<str>], bears_token: bool) -> Option<Box<str>> {
    let is_served = |offer: &&&str| served.iter().any(|served| **served == ***offer);
    let chosen = offered.iter().find(is_served).copied();
    chosen.or(bears_token.then_some(BEARER)).map(Box::from)
}

/// RFC 9110 section 5.6.2.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(line).expect("a field value"));
        }
        headers
    }

    #[test]
    fn entries_are_taken_in_order_over_all_lines() {
        let sixteen = (0..16).map(|n| format!("p{n}")).collect::<Vec<_>>();
        for (lines, entries) in [
            (&[][..], &[][..]),
            (&["chat.v1"], &["chat.v1"]),
            (&["b, a"], &["b", "a"]),
            (&["b,a", "c \t,\t d"], &["b", "a", "c", "d"]),
            (&["bearer, eyJh.eyJz.s_-g", "chat.v1"], &["bearer", "eyJh.eyJz.s_-g", "chat.v1"]),
            (&["chat, Chat"], &["chat", "Chat"]),
            (&[&sixteen.join(",")], &sixteen.iter().map(|entry| &**entry).collect::<Vec<_>>()),
        ] {
            assert_eq!(offered(&headers(lines)).as_deref(), Ok(entries), "{lines:?}");
        }
    }

    #[test]
    fn what_is_no_list_of_distinct_tokens_is_malformed() {
        let spaces = " ".repeat(30_000);
        let seventeen = (0..17).map(|n| format!("p{n}")).collect::<Vec<_>>().join(",");
        let thousand = (0..1000).map(|n| format!("p{n}")).collect::<Vec<_>>().join(",");
        for lines in [
            &[""][..],
            &[","],
            &["a,"],
            &[",a"],
            &["a,,b"],
            &["a", ""],
            &[&spaces],
            &[&format!("a{spaces}b")],
            &["a b"],
            &["a/b"],
            &["a;b"],
            &["a=b"],
            &["\"a\""],
            &["a@b"],
            &["a, a"],
            &["a", "b", "a"],
            &[&seventeen],
            &[&thousand],
        ] {
            let headers = headers(lines);
            assert_eq!(
                offered(&headers),
                Err(Rejection::SubprotocolMalformed),
                "{:.40}",
                format!("{lines:?}")
            );
        }
        let mut raw = HeaderMap::new();
        raw.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_bytes(b"ch\xc3\xa4t").expect("a field value"));
        assert_eq!(offered(&raw), Err(Rejection::SubprotocolMalformed));
    }

    #[test]
    fn the_first_offer_that_is_served_is_answered_and_never_what_was_not_offered() {
        let served = ["chat.v2".into(), "chat.v1".into()];
        for (offered, bears_token, answered) in [
            (&[][..], false, None),
            (&["chat.v1"], false, Some("chat.v1")),
            (&["chat.v1", "chat.v2"], false, Some("chat.v1")),
            (&["other", "chat.v2"], false, Some("chat.v2")),
            (&["other"], false, None),
            (&["CHAT.v1"], false, None),
            (&["bearer", "a.b.c"], true, Some("bearer")),
            (&["bearer", "a.b.c", "chat.v1"], true, Some("chat.v1")),
            (&["bearer", "a.b.c"], false, None),
        ] {
            assert_eq!(answer(offered, &served, bears_token).as_deref(), answered, "{offered:?}");
        }
        assert_eq!(answer(&["chat.v1"], &[], false), None);
    }
}
