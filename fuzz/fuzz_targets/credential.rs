//! The search for the one credential: each line of the input is a field, a query or an offer.
//!
//! `A value` is an `Authorization`, `C value` a `Cookie`, `Q value` the query, `P value` an entry
//! of `Sec-WebSocket-Protocol`; the first octet of the input tells which places are looked at.
#![no_main]

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use portcullis::auth::{BearerToken, CredentialPolicy, TOKEN_BYTES_MAX};
use portcullis::rejection::Rejection;

const COOKIE_NAME: &str = "__Host-portcullis";

fuzz_target!(|input: &[u8]| {
    let Some((places, lines)) = input.split_first() else { return };
    let policy = CredentialPolicy {
        ticket: false,
        header: places & 1 != 0,
        subprotocol: places & 2 != 0,
        cookie: (places & 4 != 0).then(|| COOKIE_NAME.into()),
    };
    let (mut headers, mut query, mut offered) = (HeaderMap::new(), None, Vec::new());
    for line in lines.split(|octet| *octet == b'\n').take(64) {
        let (Some(kind), Some(rest)) = (line.first(), line.get(2..)) else { continue };
        match (kind, HeaderValue::from_bytes(rest), std::str::from_utf8(rest)) {
            (b'A', Ok(value), _) => _ = headers.append(AUTHORIZATION, value),
            (b'C', Ok(value), _) => _ = headers.append(COOKIE, value),
            (b'Q', _, Ok(text)) => query = Some(text),
            (b'P', _, Ok(text)) => offered.push(text),
            _ => {}
        }
    }
    let found = BearerToken::find(&headers, query, &offered, &policy).map(|bearer| bearer.from_cookie());
    let candidates = candidates(&headers, &offered, &policy);

    match found {
        Ok(from_cookie) => {
            let [(is_cookie, value)] = candidates.as_slice() else { panic!("one of {candidates:?}") };
            assert_eq!(from_cookie, *is_cookie);
            let value = value.as_ref().expect("a value");
            assert!(value.len() <= TOKEN_BYTES_MAX);
            let parts = value.split(|octet| *octet == b'.').collect::<Vec<_>>();
            assert_eq!(parts.len(), 3);
            let is_base64url = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_".contains(octet);
            assert!(parts.concat().iter().all(is_base64url));
            // A second one, even the same, makes two.
            let mut headers = headers.clone();
            let again = [b"Bearer ", value.as_slice()].concat();
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(&again).expect("a value"));
            let policy = CredentialPolicy { header: true, ..policy.clone() };
            assert_eq!(refusal(&headers, query, &offered, &policy), Some(Rejection::CredentialMultiple));
        }
        Err(Rejection::TokenInQuery) => assert!(query.is_some_and(|query| !query.is_empty())),
        Err(Rejection::CredentialMissing) => assert!(candidates.is_empty(), "{candidates:?}"),
        Err(Rejection::CredentialMultiple) => assert!(candidates.len() > 1, "{candidates:?}"),
        Err(Rejection::CredentialMalformed | Rejection::TokenTooLong | Rejection::TokenMalformed) => {
            assert_eq!(candidates.len(), 1, "{candidates:?}");
        }
        Err(other) => panic!("{other:?} is no verdict on a credential"),
    }

    // A place that is not enabled is not looked at.
    let mut enabled = headers.clone();
    if !policy.header {
        enabled.remove(AUTHORIZATION);
    }
    if policy.cookie.is_none() {
        enabled.remove(COOKIE);
    }
    let entries: &[&str] = if policy.subprotocol { &offered } else { &[] };
    assert_eq!(refusal(&enabled, query, entries, &policy), found.err());

    // A token in the query is told whatever else is there, in whatever spelling.
    let query = query.unwrap_or_default();
    for leak in ["access_token=x", "JWT", "%74oken=x", "a=eyJh.eyJz.c2ln", "a=Bearer+eyJh.eyJz.c2ln"] {
        for query in [format!("{query}&{leak}"), format!("{leak};{query}")] {
            assert_eq!(refusal(&headers, Some(&query), &offered, &policy), Some(Rejection::TokenInQuery));
        }
    }
});

fn refusal(
    headers: &HeaderMap,
    query: Option<&str>,
    offered: &[&str],
    policy: &CredentialPolicy,
) -> Option<Rejection> {
    BearerToken::find(headers, query, offered, policy).err()
}

/// Every credential there is, whether it came as a cookie, and its octets where they can be told.
fn candidates(
    headers: &HeaderMap,
    offered: &[&str],
    policy: &CredentialPolicy,
) -> Vec<(bool, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    if policy.header {
        for value in headers.get_all(AUTHORIZATION) {
            let value = value.as_bytes();
            let is_bearer = value.len() > 7 && value[..7].eq_ignore_ascii_case(b"bearer ");
            found.push((false, is_bearer.then(|| value[7..].to_vec())));
        }
    }
    if policy.subprotocol {
        for (at, _) in offered.iter().enumerate().filter(|(_, entry)| **entry == "bearer") {
            found.push((false, offered.get(at + 1).map(|next| next.as_bytes().to_vec())));
        }
    }
    if policy.cookie.is_some() {
        for line in headers.get_all(COOKIE) {
            for pair in line.as_bytes().split(|octet| *octet == b';') {
                let Some(at) = pair.iter().position(|octet| *octet == b'=') else { continue };
                if pair[..at].trim_ascii() == COOKIE_NAME.as_bytes() {
                    found.push((true, Some(pair[at + 1..].trim_ascii_end().to_vec())));
                }
            }
        }
    }
    found
}
