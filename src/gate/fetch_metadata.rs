//! Owns what the Sec-Fetch fields of a handshake may say (W3C Fetch Metadata).
//! Never knows an origin: the allowlist decides who may ask.

use crate::rejection::Rejection;
use http::header::HeaderMap;

/// Judges those fields that are there; Chromium sends none with a WebSocket, so none is required.
///
/// # Errors
///
/// [`Rejection::FetchMetadata`]: a field that is there twice or does not fit a WebSocket, such
/// as that of a navigation, a `fetch()` or a request that a person typed in.
pub(super) fn judge(headers: &HeaderMap) -> Result<(), Rejection> {
    judge_by(headers, RULES)
}

fn judge_by(headers: &HeaderMap, rules: &[(&str, &[&str])]) -> Result<(), Rejection> {
    let fits = rules.iter().all(|&(name, values)| {
        let mut lines = headers.get_all(name).iter();
        match (lines.next(), lines.next()) {
            (None, _) => true,
            (Some(line), None) => values.iter().any(|value| line == value),
            (Some(_), Some(_)) => false,
        }
    });
    if fits { Ok(()) } else { Err(Rejection::FetchMetadata) }
}

/// Judges those fields that are there of a `fetch()` for a ticket or a renewal,
/// or of an `EventSource`.
///
/// # Errors
///
/// As [`judge`], of what does not fit such a request.
pub(super) fn judge_fetch(headers: &HeaderMap) -> Result<(), Rejection> {
    judge_by(headers, FETCH_RULES)
}

/// Whether a browser says that the page which asks is of the origin that is asked. No page can set
/// or unset such a field (Fetch standard, forbidden request-header).
pub(super) fn is_same_origin(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all("sec-fetch-site").iter();
    matches!((lines.next(), lines.next()), (Some(line), None) if line == "same-origin")
}

const FETCH_RULES: &[(&str, &[&str])] = &[
    ("sec-fetch-mode", &["cors", "same-origin"]),
    ("sec-fetch-dest", &["empty"]),
    ("sec-fetch-site", &["same-origin", "same-site", "cross-site"]),
    ("sec-fetch-user", &[]),
];

/// What each field may say, to the octet. `Sec-Fetch-User` belongs to navigations alone.
const RULES: &[(&str, &[&str])] = &[
    ("sec-fetch-mode", &["websocket"]),
    ("sec-fetch-dest", &["empty", "websocket"]),
    ("sec-fetch-site", &["same-origin", "same-site", "cross-site"]),
    ("sec-fetch-user", &[]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name = name.parse::<HeaderName>().expect(name);
            headers.append(name, HeaderValue::from_str(value).expect(value));
        }
        headers
    }

    fn judge_fields(fields: &[(&str, &str)]) -> Result<(), Rejection> {
        judge(&headers(fields))
    }

    #[test]
    fn metadata_of_a_websocket_or_none_at_all_fits() {
        for fields in [
            &[][..],
            &[("sec-fetch-mode", "websocket")],
            &[("sec-fetch-dest", "empty")],
            &[("sec-fetch-dest", "websocket")],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-mode", "websocket"), ("sec-fetch-dest", "empty"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-storage-access", "none")],
        ] {
            assert_eq!(judge_fields(fields), Ok(()), "{fields:?}");
        }
    }

    #[test]
    fn metadata_of_anything_else_does_not_fit() {
        for fields in [
            &[("sec-fetch-mode", "navigate")][..],
            &[("sec-fetch-mode", "cors")],
            &[("sec-fetch-mode", "no-cors")],
            &[("sec-fetch-mode", "")],
            &[("sec-fetch-mode", "WebSocket")],
            &[("sec-fetch-mode", "websocket;x")],
            &[("sec-fetch-mode", "websocket"), ("sec-fetch-mode", "websocket")],
            &[("sec-fetch-dest", "document")],
            &[("sec-fetch-dest", "iframe")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "unknown")],
            &[("sec-fetch-site", "same-origin, none")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none")],
            &[("sec-fetch-user", "?1")],
            &[("sec-fetch-user", "")],
            &[("sec-fetch-mode", "websocket"), ("sec-fetch-site", "none")],
        ] {
            assert_eq!(judge_fields(fields), Err(Rejection::FetchMetadata), "{fields:?}");
        }
    }

    #[test]
    fn a_fetch_says_so_in_every_field_that_is_there() {
        for (fields, fits) in [
            (&[][..], true),
            (
                &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty"), ("sec-fetch-site", "cross-site")],
                true,
            ),
            (&[("sec-fetch-mode", "same-origin")], true),
            (&[("sec-fetch-mode", "websocket")], false),
            (&[("sec-fetch-mode", "no-cors")], false),
            (&[("sec-fetch-mode", "navigate")], false),
            (&[("sec-fetch-mode", "cors"), ("sec-fetch-mode", "cors")], false),
            (&[("sec-fetch-dest", "websocket")], false),
            (&[("sec-fetch-dest", "document")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-user", "?1")], false),
        ] {
            assert_eq!(judge_fetch(&headers(fields)).is_ok(), fits, "{fields:?}");
        }
    }

    #[test]
    fn only_one_field_that_says_so_makes_a_page_one_of_the_same_origin() {
        for (fields, is_same) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "Same-Origin")], false),
            (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")], false),
        ] {
            assert_eq!(is_same_origin(&headers(fields)), is_same, "{fields:?}");
        }
    }
}
