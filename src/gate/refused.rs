//! Owns what may be told of a refused request: to the peer the reason, to the log a little more.
//! Never knows Host, path, query or a credential: they reach no log.

use crate::origin::Origin;
use crate::rejection::Rejection;
use http::header::{HeaderMap, ORIGIN};
use std::sync::Arc;

/// Why not, and what may be logged of it.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The reason.
    pub reason: Rejection,
    /// The label of the route, once one has matched.
    pub route: Option<Arc<str>>,
    /// The Origin that was sent.
    pub origin: LoggedOrigin,
    /// The subject, once it is verified.
    pub subject: Option<Arc<str>>,
    /// What a backend did, where one was asked.
    pub backend: Option<Box<BackendFault>>,
}

/// Which backend it was, and what it did, in our own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendFault {
    /// Where it is, without path and query.
    pub upstream: Box<str>,
    /// What it did.
    pub detail: Box<str>,
}

/// An Origin as it may be logged: one that has no form of an origin is not repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LoggedOrigin {
    /// None was sent.
    #[default]
    Absent,
    /// Not `scheme://host[:port]`, or more than one.
    Malformed,
    /// This one.
    Is(Origin),
}

impl LoggedOrigin {
    /// What may be logged of the Origin of a request.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> LoggedOrigin {
        let mut lines = headers.get_all(ORIGIN).iter();
        match (lines.next(), lines.next()) {
            (None, _) => LoggedOrigin::Absent,
            (Some(line), None) => {
                line.to_str().ok().and_then(Origin::parse).map_or(LoggedOrigin::Malformed, LoggedOrigin::Is)
            }
            (Some(_), Some(_)) => LoggedOrigin::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_what_has_the_form_of_an_origin_is_logged() {
        let of = |lines: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(ORIGIN, HeaderValue::from_bytes(line).expect("a field value"));
            }
            LoggedOrigin::of(&headers)
        };
        let evil = Origin::parse("https://evil.example").expect("an origin");
        assert_eq!(of(&[]), LoggedOrigin::Absent);
        assert_eq!(of(&[b"https://evil.example"]), LoggedOrigin::Is(evil));
        for malformed in [
            &[&b"null"[..]][..],
            &[b""],
            &[b"https://a.example/?token=secret"],
            &[b"\xff"],
            &[b"https://a.example", b"https://a.example"],
        ] {
            assert_eq!(of(malformed), LoggedOrigin::Malformed, "{malformed:?}");
        }
    }
}
