//! Owns the negotiation of permessage-deflate (RFC 7692 section 5) on the routes that serve it.
//! Never knows how a message is compressed.

use super::subprotocol::is_token;
use crate::rejection::Rejection;
use http::header::{HeaderMap, SEC_WEBSOCKET_EXTENSIONS};

/// The one extension that is served.
const DEFLATE: &str = "permessage-deflate";
/// Offers in one handshake, and parameters of one; a peer has a handful.
const OFFERS_MAX: usize = 16;
const PARAMETERS_MAX: usize = 16;

/// What the 101 says: no message is compressed with the help of another, on neither side, so that
/// no session holds a window, and one compressed broadcast fits everyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeflateAnswer {
    /// With windows as large as they can be.
    Plain,
    /// The same, said in answer to a peer that asked (RFC 7692 section 7.1.2.1).
    WithServerWindow,
}

impl DeflateAnswer {
    /// The value of `Sec-WebSocket-Extensions`.
    #[must_use]
    pub(super) const fn text(self) -> &'static str {
        match self {
            DeflateAnswer::Plain => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
            }
            DeflateAnswer::WithServerWindow => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                 server_max_window_bits=15"
            }
        }
    }
}

/// The answer to the first offer that can be taken, if there is one: other extensions, other
/// parameters and smaller windows for what we send are declined.
///
/// # Errors
/// [`Rejection::ExtensionMalformed`]: not the grammar of RFC 6455 section 9.1, or more offers or
/// parameters than anyone needs.
pub(super) fn deflate(headers: &HeaderMap) -> Result<Option<DeflateAnswer>, Rejection> {
    let (mut answer, mut offers) = (None, 0);
    for line in headers.get_all(SEC_WEBSOCKET_EXTENSIONS) {
        let mut rest = line.to_str().map_err(|_| Rejection::ExtensionMalformed)?;
        loop {
            offers += 1;
            if offers > OFFERS_MAX {
                return Err(Rejection::ExtensionMalformed);
            }
            let offer;
            (offer, rest) = Offer::read(rest).ok_or(Rejection::ExtensionMalformed)?;
            answer = answer.or_else(|| offer.answer());
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None if rest.is_empty() => break,
                None => return Err(Rejection::ExtensionMalformed),
            }
        }
    }
    Ok(answer)
}

/// One element of the list.
struct Offer<'a> {
    name: &'a str,
    parameters: Vec<(&'a str, Option<&'a str>)>,
}

impl<'a> Offer<'a> {
    /// Reads one element; what stands behind it.
    fn read(text: &'a str) -> Option<(Offer<'a>, &'a str)> {
        let (name, mut rest) = token(text)?;
        let mut parameters = Vec::new();
        while let Some(more) = rest.strip_prefix(';') {
            let (key, mut behind) = token(more)?;
            let value = match behind.strip_prefix('=') {
                None => None,
                Some(more) => {
                    let value;
                    (value, behind) = quoted(more).or_else(|| token(more))?;
                    Some(value)
                }
            };
            if parameters.len() == PARAMETERS_MAX {
                return None;
            }
            parameters.push((key, value));
            rest = behind;
        }
        Some((Offer { name, parameters }, rest))
    }

    /// What to answer; `None` declines it (RFC 7692 section 7.1).
    fn answer(&self) -> Option<DeflateAnswer> {
        if self.name != DEFLATE {
            return None;
        }
        let mut answer = DeflateAnswer::Plain;
        for (place, (key, value)) in self.parameters.iter().enumerate() {
            let is_repeated = self.parameters.iter().take(place).any(|(before, _)| before == key);
            match (*key, *value) {
                _ if is_repeated => return None,
                ("server_no_context_takeover" | "client_no_context_takeover", None) => {}
                // Whatever the peer's window is, ours to read it with is as large.
                ("client_max_window_bits", None) => {}
                ("client_max_window_bits", Some(bits)) if is_window(bits) => {}
                ("server_max_window_bits", Some("15")) => answer = DeflateAnswer::WithServerWindow,
                _ => return None,
            }
        }
        Some(answer)
    }
}

/// 8 to 15, without a leading zero (RFC 7692 section 7.1.2).
fn is_window(bits: &str) -> bool {
    matches!(bits, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15")
}

/// A token with the whitespace around it; what stands behind.
fn token(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches([' ', '\t']);
    let end = text.find([',', ';', '=', ' ', '\t']).unwrap_or(text.len());
    let (token, rest) = text.split_at_checked(end)?;
    is_token(token).then(|| (token, rest.trim_start_matches([' ', '\t'])))
}

/// A quoted value: without its quotes it must be a token too (RFC 6455 section 9.1), so nothing
/// in it is escaped.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches([' ', '\t']).strip_prefix('"')?;
    let (value, rest) = text.split_once('"')?;
    is_token(value).then(|| (value, rest.trim_start_matches([' ', '\t'])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn judge(lines: &[&str]) -> Result<Option<DeflateAnswer>, Rejection> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_str(line).expect("a field value"));
        }
        deflate(&headers)
    }

    #[test]
    fn the_first_offer_that_can_be_taken_is_answered() {
        let (plain, window) = (Some(DeflateAnswer::Plain), Some(DeflateAnswer::WithServerWindow));
        for (lines, answer) in [
            (&[][..], None),
            (&["permessage-deflate"], plain),
            (&["permessage-deflate; client_max_window_bits"], plain),
            (&["permessage-deflate;client_max_window_bits=8;server_no_context_takeover"], plain),
            (&["permessage-deflate ; client_max_window_bits = \"12\""], plain),
            (&["permessage-deflate; server_max_window_bits=15"], window),
            (&["permessage-deflate; server_max_window_bits=10, permessage-deflate"], plain),
            (&["permessage-deflate; server_max_window_bits=15, permessage-deflate"], window),
            (&["x-webkit-deflate-frame", "permessage-deflate"], plain),
            (&["bbf-usp-protocol; a=b"], None),
        ] {
            assert_eq!(judge(lines), Ok(answer), "{lines:?}");
        }
    }

    #[test]
    fn an_offer_with_a_parameter_that_is_unknown_repeated_or_out_of_range_is_declined() {
        for parameters in [
            "server_max_window_bits",
            "server_max_window_bits=7",
            "server_max_window_bits=08",
            "server_max_window_bits=8",
            "server_max_window_bits=14",
            "server_max_window_bits=16",
            "client_max_window_bits=7",
            "client_max_window_bits=16",
            "client_max_window_bits=015",
            "client_max_window_bits; client_max_window_bits",
            "server_no_context_takeover=1",
            "client_no_context_takeover; client_no_context_takeover",
            "constructor",
            "__proto__=1",
            "Server_no_context_takeover",
        ] {
            assert_eq!(judge(&[&format!("permessage-deflate; {parameters}")]), Ok(None), "{parameters}");
        }
    }

    #[test]
    fn what_is_not_the_grammar_of_the_field_is_malformed() {
        let offers = |count: usize| vec!["x"; count].join(",");
        let parameters = |count: usize| format!("x{}", ";p".repeat(count));
        assert_eq!(judge(&[&offers(16)]), Ok(None));
        assert_eq!(judge(&[&parameters(16)]), Ok(None));
        for line in [
            "",
            ",",
            "permessage-deflate,",
            "permessage-deflate;",
            "permessage-deflate; =",
            "permessage-deflate; a=",
            "permessage-deflate; a b",
            "permessage-deflate a",
            "a;b=\"",
            "a;b=\"c",
            "a;b=\"c d\"",
            "a;b=\"\\c\\c\"",
            "a;b=\"c\"d",
            "a/b",
            &offers(17),
            &parameters(17),
        ] {
            assert_eq!(judge(&[line]), Err(Rejection::ExtensionMalformed), "{line}");
        }
    }
}
