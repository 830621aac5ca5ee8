//! Tokens: whatever verifies was signed, and says what a second reader of JSON reads in it.
//!
//! The first octet of the input tells what the rest is: `R` a token as it is, `M` a good token that
//! is changed in places (place, octet), `S` a header and the claims behind a line feed, `C` claims;
//! both are signed.
#![no_main]

#[path = "../support/issuer.rs"]
mod issuer;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use issuer::{AUDIENCE, GOOD, GOOD_CLAIMS, GOOD_HEADER, ISSUER, LIFETIMES, NOW, signed};
use libfuzzer_sys::fuzz_target;
use portcullis::auth::{BearerToken, CredentialPolicy, Identity, Verifier};
use portcullis::rejection::{Answer, Rejection};
use portcullis::room::{RoomName, RoomPattern};
use serde_json::Value;
use std::sync::LazyLock;

static VERIFIER: LazyLock<Verifier> = LazyLock::new(issuer::verifier);

static GOOD_TOKENS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut good = vec![signed(GOOD_HEADER.as_bytes(), GOOD_CLAIMS.as_bytes())];
    good.extend(GOOD.map(str::to_owned));
    good
});

fuzz_target!(init: {
    for token in GOOD_TOKENS.iter() {
        let identity = verify(token.as_bytes()).unwrap_or_else(|reason| panic!("{reason:?}: {token}"));
        judge_identity(&identity, GOOD_CLAIMS.as_bytes());
    }
}, |input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else { return };
    match kind {
        b'R' => only_a_good_one_verifies(rest),
        b'M' => only_a_good_one_verifies(&changed(rest)),
        b'S' => {
            let at = rest.iter().position(|octet| *octet == b'\n').unwrap_or(rest.len());
            let (header, claims) = rest.split_at(at);
            let claims = claims.strip_prefix(b"\n").unwrap_or(GOOD_CLAIMS.as_bytes());
            if let Ok(identity) = verify(signed(header, claims).as_bytes()) {
                judge_header(header);
                judge_identity(&identity, claims);
            }
        }
        b'C' => {
            if let Ok(identity) = verify(signed(GOOD_HEADER.as_bytes(), rest).as_bytes()) {
                judge_identity(&identity, rest);
            }
        }
        _ => {}
    }
});

/// No private key is at hand: what verifies is one of the tokens that were signed.
fn only_a_good_one_verifies(token: &[u8]) {
    let is_good = GOOD_TOKENS.iter().any(|good| good.as_bytes() == token);
    assert_eq!(verify(token).is_ok(), is_good, "{}", token.escape_ascii());
}

/// A good token with octets replaced, inserted or taken out.
fn changed(edits: &[u8]) -> Vec<u8> {
    let Some((which, edits)) = edits.split_first() else { return Vec::new() };
    let mut token = GOOD_TOKENS[usize::from(*which) % GOOD_TOKENS.len()].clone().into_bytes();
    for edit in edits.chunks_exact(4).take(32) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % token.len();
        match edit[2] % 4 {
            0 => token[at] = edit[3],
            1 => token.insert(at, edit[3]),
            2 if token.len() > 1 => _ = token.remove(at),
            _ => token.truncate(at + 1),
        }
    }
    token
}

fn verify(token: &[u8]) -> Result<Identity, Rejection> {
    let policy = CredentialPolicy { header: true, subprotocol: false, cookie: None, ticket: false };
    let mut headers = HeaderMap::new();
    let Ok(field) = HeaderValue::from_bytes(&[b"Bearer ", token].concat()) else {
        return Err(Rejection::CredentialMalformed);
    };
    headers.append(AUTHORIZATION, field);
    let verdict = BearerToken::find(&headers, None, &[], &policy)
        .and_then(|bearer| VERIFIER.verify(&bearer, &LIFETIMES, NOW));
    if let Err(reason) = &verdict {
        assert!(matches!(reason.answer(), Answer::Refuse { status: 400 | 401, .. }), "{reason:?}");
    }
    verdict
}

/// A header that led to the shared key.
fn judge_header(header: &[u8]) {
    let header: Value = serde_json::from_slice(header).expect("JSON");
    assert_eq!(header["alg"], "HS256", "the key has one algorithm");
    assert_eq!(header["kid"], "hs");
    let typ = header["typ"].as_str().expect("a type").to_ascii_lowercase();
    assert!(typ == "jwt" || typ == "application/jwt", "{typ}");
    for dangerous in ["crit", "jku", "jwk", "x5u", "x5c", "zip", "b64", "enc"] {
        assert!(header.get(dangerous).is_none(), "{dangerous}");
    }
}

/// An identity says what its claims say, and these are what the issuer promised.
fn judge_identity(identity: &Identity, claims: &[u8]) {
    let claims: Value = serde_json::from_slice(claims).expect("JSON");
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(identity.issuer(), Some(ISSUER));
    let for_us = claims["aud"] == AUDIENCE
        || claims["aud"].as_array().is_some_and(|several| several.iter().any(|one| *one == AUDIENCE));
    assert!(for_us, "{}", claims["aud"]);

    let subject = &**identity.subject();
    assert_eq!(claims["sub"], subject);
    assert!((1..=256).contains(&subject.len()) && !subject.contains(char::is_control));
    assert_eq!(claims.get("jti").map(|jti| jti.as_str().expect("text")), identity.jti());

    let leeway = LIFETIMES.leeway.as_secs();
    let expires_at = claims["exp"].as_u64().expect("a date");
    assert_eq!(identity.ends_at(), Some(expires_at.saturating_add(leeway)));
    assert!(expires_at + leeway > NOW, "expired");
    for start in ["nbf", "iat"] {
        let start = claims.get(start).map(|date| date.as_u64().expect("a date"));
        assert!(start.is_none_or(|start| start <= NOW + leeway), "not yet");
    }
    let from = claims.get("iat").and_then(Value::as_u64).unwrap_or(NOW);
    assert!(expires_at.saturating_sub(from) <= LIFETIMES.max_token_lifetime.as_secs(), "lives too long");

    // `portcullis.subscribe` as one name goes before the path into an object.
    let patterns = |name: &str| -> Vec<RoomPattern> {
        let whole = claims.get(format!("portcullis.{name}"));
        let value = whole.or_else(|| claims.get("portcullis")?.get(name));
        let texts = value.map_or(&[][..], |value| value.as_array().expect("an array"));
        texts
            .iter()
            .map(|text| RoomPattern::parse(text.as_str().expect("text")).expect("a pattern"))
            .collect()
    };
    let (subscribe, publish) = (patterns("subscribe"), patterns("publish"));
    let named = subscribe.iter().chain(&publish).filter_map(|pattern| match pattern {
        RoomPattern::Exact(room) => Some(room.clone()),
        RoomPattern::Prefix(prefix) => RoomName::parse(&format!("{prefix}x")),
    });
    let others = ["lobby", "chat-1", "other"].into_iter().filter_map(RoomName::parse);
    for room in named.chain(others).take(20) {
        let may = |patterns: &[RoomPattern]| patterns.iter().any(|pattern| pattern.grants(&room));
        let granted = identity.grant(&room).ok().map(|grant| grant.may_publish());
        assert_eq!(granted, may(&subscribe).then(|| may(&publish)), "{room:?}");
    }
}
