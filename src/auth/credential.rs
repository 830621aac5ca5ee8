//! Owns the search for the one credential of a request.
//! Never knows what is in a token beyond its octets.

use super::query;
use crate::rejection::Rejection;
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};
use std::fmt;

/// The longest token that is looked into, in octets.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// Places where a credential may be. The query is never one.
#[derive(Clone, Debug)]
pub struct CredentialPolicy {
    /// `Authorization: Bearer T` (RFC 6750 section 2.1).
    pub header: bool,
    /// `Sec-WebSocket-Protocol: bearer, T`, for browsers, which can set no other field.
    pub subprotocol: bool,
    /// The name of the cookie, if one is looked at.
    pub cookie: Option<Box<str>>,
    /// A one-time ticket as `?ticket=`: it is none of the tokens that a query must not hold,
    /// as whoever reads it in a log comes too late.
    pub ticket: bool,
}

/// Exactly one credential, from a permitted place, of a length and of octets that a signed
/// JWT in compact form can have. Only [`BearerToken::find`] makes one.
#[must_use]
pub struct BearerToken<'a> {
    token: &'a str,
    from_cookie: bool,
}

/// The one credential of a request.
#[must_use]
#[derive(Debug)]
pub enum Credential<'a> {
    /// A token.
    Bearer(BearerToken<'a>),
    /// The text of a one-time ticket.
    Ticket(&'a str),
}

impl<'a> Credential<'a> {
    /// Finds the one credential, a ticket among the places where the policy says so.
    ///
    /// # Errors
    /// As [`BearerToken::find`].
    pub fn find(
        headers: &'a HeaderMap,
        query: Option<&'a str>,
        offered: &[&'a str],
        policy: &CredentialPolicy,
    ) -> Result<Credential<'a>, Rejection> {
        let bearer = BearerToken::find(headers, query, offered, policy);
        let mut tickets = query.filter(|_| policy.ticket).into_iter().flat_map(query::tickets);
        match (tickets.next(), tickets.next(), bearer) {
            (None, _, bearer) => bearer.map(Credential::Bearer),
            (Some(_), _, Err(Rejection::TokenInQuery)) => Err(Rejection::TokenInQuery),
            (Some(ticket), None, Err(Rejection::CredentialMissing)) => Ok(Credential::Ticket(ticket)),
            (Some(_), _, _) => Err(Rejection::CredentialMultiple),
        }
    }

    /// Whether a browser may have sent it by itself.
    #[must_use]
    pub fn from_cookie(&self) -> bool {
        match self {
            Credential::Bearer(bearer) => bearer.from_cookie(),
            Credential::Ticket(_) => false,
        }
    }
}

impl<'a> BearerToken<'a> {
    /// Finds the one credential. `offered` are the entries of `Sec-WebSocket-Protocol` in
    /// order. Places that the policy does not name are not looked at.
    ///
    /// # Errors
    /// In this order: [`Rejection::TokenInQuery`]; [`Rejection::CredentialMultiple`], also
    /// for equal ones (RFC 6750 section 2); [`Rejection::CredentialMissing`]; then what is
    /// wrong with the one there is.
    pub fn find(
        headers: &'a HeaderMap,
        query: Option<&str>,
        offered: &[&'a str],
        policy: &CredentialPolicy,
    ) -> Result<BearerToken<'a>, Rejection> {
        // Also beside a good credential: the token is in somebody's log already, and the
        // peer must learn so (RFC 9700 section 4.3.2).
        if query.is_some_and(query::holds_a_token) {
            return Err(Rejection::TokenInQuery);
        }

        let mut found = Found::default();
        if policy.header {
            headers
                .get_all(AUTHORIZATION)
                .iter()
                .for_each(|value| found.add(Place::Header(value.as_bytes())));
        }
        if policy.subprotocol {
            find_in_subprotocols(offered, &mut found);
        }
        if let Some(name) = &policy.cookie {
            headers
                .get_all(COOKIE)
                .iter()
                .for_each(|line| find_in_cookies(line.as_bytes(), name, &mut found));
        }

        let place = match found {
            Found { count: 0, .. } | Found { first: None, .. } => return Err(Rejection::CredentialMissing),
            Found { count: 1, first: Some(place) } => place,
            Found { .. } => return Err(Rejection::CredentialMultiple),
        };
        let value = match place {
            Place::Header(field) => after_scheme(field).ok_or(Rejection::CredentialMalformed)?,
            Place::Subprotocol(value) | Place::Cookie(value) => value,
        };
        Ok(BearerToken { token: token(value)?, from_cookie: matches!(place, Place::Cookie(_)) })
    }

    /// Whether a browser may have sent it by itself. Such a credential says nothing about
    /// who asked, so it is worth nothing without an `Origin`.
    #[must_use]
    pub fn from_cookie(&self) -> bool {
        self.from_cookie
    }

    /// The token: three parts of `A-Z a-z 0-9 _ -` and two dots.
    pub(super) fn token(&self) -> &'a str {
        self.token
    }

    /// A credential that did not come by a request.
    #[cfg(test)]
    pub(super) fn for_test(value: &'a str) -> Result<BearerToken<'a>, Rejection> {
        Ok(BearerToken { token: token(value.as_bytes())?, from_cookie: false })
    }
}

impl fmt::Debug for BearerToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerToken").field("from_cookie", &self.from_cookie).finish_non_exhaustive()
    }
}

/// How many credentials there are, and the first of them.
#[derive(Default)]
struct Found<'a> {
    count: usize,
    first: Option<Place<'a>>,
}

impl<'a> Found<'a> {
    fn add(&mut self, place: Place<'a>) {
        self.count = self.count.saturating_add(1);
        self.first.get_or_insert(place);
    }
}

/// Where a credential is, and the octets that stand there.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// The whole field value, whatever its scheme.
    Header(&'a [u8]),
    Subprotocol(&'a [u8]),
    Cookie(&'a [u8]),
}

/// The entry `bearer` and the one right behind it. A `bearer` that is the last entry
/// announces a token that is not there.
fn find_in_subprotocols<'a>(offered: &[&'a str], found: &mut Found<'a>) {
    for (at, entry) in offered.iter().enumerate() {
        if *entry == SUBPROTOCOL {
            let next = offered.get(at.saturating_add(1)).copied().unwrap_or_default();
            found.add(Place::Subprotocol(next.as_bytes()));
        }
    }
}

/// Every cookie of this name in a line (RFC 6265bis section 4.2.1). Octets, as the others
/// may be anything. Names are case-sensitive.
fn find_in_cookies<'a>(line: &'a [u8], name: &str, found: &mut Found<'a>) {
    for pair in line.split(|octet| *octet == b';').map(<[u8]>::trim_ascii) {
        let Some(at) = pair.iter().position(|octet| *octet == b'=') else { continue };
        let (cookie_name, value) = pair.split_at_checked(at).unwrap_or_default();
        // A reader that trims names would take `name =x` for ours, so it counts as one; but
        // no browser writes it so, hence it is a malformed one.
        if cookie_name == name.as_bytes() {
            found.add(Place::Cookie(value.strip_prefix(b"=").unwrap_or_default()));
        } else if cookie_name.trim_ascii() == name.as_bytes() {
            found.add(Place::Cookie(b""));
        }
    }
}

/// What follows `Bearer`, in any case (RFC 9110 section 11.1), and one space.
fn after_scheme(field: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = field.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| rest.strip_prefix(b" "))?
}

/// A token that may be looked into. Its length is judged before its octets are, and these
/// before anything is decoded.
fn token(value: &[u8]) -> Result<&str, Rejection> {
    if value.is_empty() {
        return Err(Rejection::CredentialMalformed);
    }
    if value.len() > TOKEN_BYTES_MAX {
        return Err(Rejection::TokenTooLong);
    }
    if !is_b64token(value) {
        return Err(Rejection::CredentialMalformed);
    }
    let in_compact_form = value.iter().all(|octet| is_compact_octet(*octet))
        && value.iter().filter(|octet| **octet == b'.').count() == 2;
    if !in_compact_form {
        return Err(Rejection::TokenMalformed);
    }
    std::str::from_utf8(value).map_err(|_| Rejection::TokenMalformed)
}

/// `b64token` of RFC 6750 section 2.1: no space, comma, quote or control.
fn is_b64token(value: &[u8]) -> bool {
    let padding = value.iter().rev().take_while(|octet| **octet == b'=').count();
    let body = value.get(..value.len().saturating_sub(padding)).unwrap_or_default();
    !body.is_empty()
        && body.iter().all(|octet| is_compact_octet(*octet) || matches!(octet, b'~' | b'+' | b'/'))
}

fn is_compact_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-' | b'.')
}

const SCHEME: &[u8] = b"Bearer";
const SUBPROTOCOL: &str = "bearer";

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    const JWT: &str = "eyJhbGciOiJFUzI1NiJ9.e30.c2ln";

    fn everywhere() -> CredentialPolicy {
        CredentialPolicy {
            header: true,
            subprotocol: true,
            cookie: Some("__Host-portcullis".into()),
            ticket: false,
        }
    }

    fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_bytes(value.as_bytes()).expect("a value")))
            .collect()
    }

    fn find(
        fields: &[(HeaderName, &str)],
        offered: &[&str],
        policy: &CredentialPolicy,
    ) -> Result<(String, bool), Rejection> {
        let headers = headers(fields);
        let found = BearerToken::find(&headers, None, offered, policy)?;
        Ok((found.token().to_owned(), found.from_cookie()))
    }

    #[test]
    fn one_credential_is_found_in_each_permitted_place() {
        let cookie = format!("a=b; __Host-portcullis={JWT}; c=\"d\"");
        let header = format!("Bearer {JWT}");
        let good = Ok((JWT.to_owned(), false));
        assert_eq!(find(&[(AUTHORIZATION, &header)], &["chat"], &everywhere()), good);
        assert_eq!(find(&[], &["chat", "bearer", JWT, "chat2"], &everywhere()), good);
        assert_eq!(find(&[(COOKIE, &cookie)], &[], &everywhere()), Ok((JWT.to_owned(), true)));
        // Cookies that are no text are somebody else's.
        let mixed = [(COOKIE, "x=\u{e9}"), (COOKIE, &*cookie)];
        assert_eq!(find(&mixed, &[], &everywhere()), Ok((JWT.to_owned(), true)));
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        for fields in
            [vec![], vec![(COOKIE, "a=b")], vec![(COOKIE, "__host-portcullis=a.b.c; Portcullis=a.b.c")]]
        {
            assert_eq!(
                find(&fields, &["chat", JWT, "Bearer", "x"], &everywhere()),
                Err(Rejection::CredentialMissing)
            );
        }
    }

    #[test]
    fn places_that_are_not_enabled_are_not_looked_at() {
        let header = format!("Bearer {JWT}");
        let cookie = format!("__Host-portcullis={JWT}");
        let nowhere = CredentialPolicy { header: false, subprotocol: false, cookie: None, ticket: false };
        let fields = [(AUTHORIZATION, &*header), (AUTHORIZATION, "Basic eDp5"), (COOKIE, &*cookie)];
        assert_eq!(find(&fields, &["bearer", JWT], &nowhere), Err(Rejection::CredentialMissing));
        let cookie_only = CredentialPolicy { cookie: Some("__Host-portcullis".into()), ..nowhere };
        assert_eq!(find(&fields, &["bearer", JWT], &cookie_only), Ok((JWT.to_owned(), true)));
    }

    #[test]
    fn two_credentials_are_refused_even_equal_or_malformed_ones() {
        let header = format!("Bearer {JWT}");
        let cookie = format!("__Host-portcullis={JWT}");
        let twice = format!("{cookie}; {cookie}");
        let none: &[&str] = &[];
        let (b, j) = ("bearer", JWT);
        for (fields, offered) in [
            (vec![(AUTHORIZATION, &*header), (AUTHORIZATION, &*header)], none),
            (vec![(AUTHORIZATION, &*header), (AUTHORIZATION, "Basic eDp5")], none),
            (vec![(AUTHORIZATION, &*header), (AUTHORIZATION, "")], none),
            (vec![(AUTHORIZATION, &*header)], &[b, j]),
            (vec![(AUTHORIZATION, &*header)], &["chat", b]),
            (vec![(AUTHORIZATION, &*header), (COOKIE, &*cookie)], none),
            (vec![(AUTHORIZATION, "Basic eDp5"), (COOKIE, &*cookie)], none),
            (vec![(COOKIE, &*cookie)], &[b, j]),
            (vec![(COOKIE, &*twice)], none),
            (vec![(COOKIE, &*cookie), (COOKIE, &*cookie)], none),
            (vec![(COOKIE, "__Host-portcullis=; __Host-portcullis=a.b.c")], none),
            (vec![(COOKIE, "__Host-portcullis =x; __Host-portcullis=a.b.c")], none),
            (vec![], &[b, j, b, j]),
            (vec![], &[b, b, j]),
            (vec![(AUTHORIZATION, &*header), (COOKIE, &*cookie)], &[b, j]),
        ] {
            assert_eq!(
                find(&fields, offered, &everywhere()),
                Err(Rejection::CredentialMultiple),
                "{fields:?} {offered:?}"
            );
        }
    }

    #[test]
    fn the_authorization_is_bearer_in_any_case_one_space_and_one_token() {
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let header = format!("{scheme} {JWT}");
            assert!(find(&[(AUTHORIZATION, &header)], &[], &everywhere()).is_ok(), "{scheme}");
        }
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "bearer",
            "Basic eDp5",
            "Basic a.b.c",
            "Digest x=\"y\"",
            "Bearera.b.c",
            "Bearer  a.b.c",
            "Bearer\ta.b.c",
            "Bearer a b",
            "Bearer a.b.c d.e.f",
            "Bearer a.b.c, Bearer a.b.c",
            "Bearer a.b.c,d.e.f",
            "Bearer \"a.b.c\"",
            "Bearer token=a.b.c",
            "Bearer a.b.\u{e9}",
            "Bearer ==",
            "Token a.b.c",
            "a.b.c",
            "Bearer Bearer a.b.c",
            "Bearer: a.b.c",
            "Bearer a.b.c;",
        ] {
            assert_eq!(
                find(&[(AUTHORIZATION, bad)], &[], &everywhere()),
                Err(Rejection::CredentialMalformed),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_subprotocol_bearer_without_a_token_and_a_cookie_that_is_none_are_malformed() {
        for offered in [vec!["bearer"], vec!["chat", "bearer"], vec!["bearer", "a|b"], vec!["bearer", ""]] {
            assert_eq!(
                find(&[], &offered, &everywhere()),
                Err(Rejection::CredentialMalformed),
                "{offered:?}"
            );
        }
        for cookie in [
            "__Host-portcullis=",
            "__Host-portcullis=\"a.b.c\"",
            "__Host-portcullis= a.b.c",
            "__Host-portcullis =a.b.c",
            "__Host-portcullis=a b",
        ] {
            assert_eq!(
                find(&[(COOKIE, cookie)], &[], &everywhere()),
                Err(Rejection::CredentialMalformed),
                "{cookie:?}"
            );
        }
    }

    #[test]
    fn a_token_has_4096_octets_at_most() {
        let of = |length: usize| format!("Bearer {}.b.c", "a".repeat(length.saturating_sub(4)));
        assert!(find(&[(AUTHORIZATION, &of(4096))], &[], &everywhere()).is_ok());
        assert_eq!(find(&[(AUTHORIZATION, &of(4097))], &[], &everywhere()), Err(Rejection::TokenTooLong));
        let spaced = format!("Bearer {}", "a ".repeat(4000));
        assert_eq!(find(&[(AUTHORIZATION, &spaced)], &[], &everywhere()), Err(Rejection::TokenTooLong));
    }

    #[test]
    fn only_three_parts_of_base64url_are_looked_into() {
        for bad in ["a", "a.b", "a.b.c.d", "a.b.c.d.e", "a.b.c=", "a.b+.c", "a.b/.c", "a~.b.c", "a.b.c=="] {
            let header = format!("Bearer {bad}");
            assert_eq!(
                find(&[(AUTHORIZATION, &header)], &[], &everywhere()),
                Err(Rejection::TokenMalformed),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_token_in_the_query_is_refused_before_anything_else_is_judged() {
        let header = format!("Bearer {JWT}");
        let good = headers(&[(AUTHORIZATION, &header)]);
        let two = headers(&[(AUTHORIZATION, &header), (AUTHORIZATION, &header)]);
        for headers in [HeaderMap::new(), good, two] {
            let refused = BearerToken::find(&headers, Some("token=x"), &[], &everywhere()).err();
            assert_eq!(refused, Some(Rejection::TokenInQuery));
        }
        let good = headers(&[(AUTHORIZATION, &header)]);
        assert!(BearerToken::find(&good, Some("room=lobby"), &[], &everywhere()).is_ok());
    }

    #[test]
    fn a_bearer_token_is_not_shown_by_debug() {
        let shown = format!("{:?}", BearerToken::for_test(JWT).expect("a token"));
        assert_eq!(shown, "BearerToken { from_cookie: false, .. }");
    }
}
