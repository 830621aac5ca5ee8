//! Owns identities for the tests of what stands behind them: real tokens, really verified.
//! Never knows what they are used for.

use crate::auth::{
    Algorithm, BearerToken, ClaimPaths, CredentialPolicy, GeneratedKeys, Identity, Issuer, Key, Lifetimes,
    Required, SigningKey, TokenFacts, Verifier,
};
use crate::room::{RoomName, RoomPattern};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use std::sync::LazyLock;
use std::time::Duration;

const NOW: u64 = 1_800_000_000;
static KEYS: LazyLock<GeneratedKeys> = LazyLock::new(|| SigningKey::generate().expect("keys"));

pub(crate) fn room(name: &str) -> RoomName {
    RoomName::parse(name).expect("a room")
}

/// Alice, who may enter and publish into these rooms.
pub(crate) fn identity(subscribe: &[&str], publish: &[&str]) -> Identity {
    let patterns = |names: &[&str]| -> Vec<RoomPattern> {
        names.iter().map(|name| RoomPattern::parse(name).expect("a pattern")).collect()
    };
    let facts = TokenFacts {
        issuer: "https://id.example.com",
        audience: "chat",
        typ: "JWT",
        kid: None,
        subject: "alice",
        subscribe: &patterns(subscribe),
        publish: &patterns(publish),
        issued_at: NOW,
        expires_at: NOW + 600,
        jti: None,
        bound_to: None,
    };
    let signing_key = SigningKey::from_pem(&KEYS.private_pem).expect("a key");
    let token = signing_key.mint(&facts, &ClaimPaths::default()).expect("a token");
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).expect("a value"));
    let places = CredentialPolicy { header: true, subprotocol: false, cookie: None, ticket: false };
    let bearer = BearerToken::find(&headers, None, &[], &places).expect("a credential");
    let verifier = Verifier::new(vec![Issuer {
        issuer: facts.issuer.into(),
        audience: facts.audience.into(),
        typ: facts.typ.into(),
        require: Required::default(),
        keys: vec![Key::from_public_pem(KEYS.public_pem.as_bytes(), Algorithm::Es256, None).expect("a key")],
        claims: ClaimPaths::default(),
        wanted: None,
    }]);
    let lifetimes = Lifetimes { leeway: Duration::ZERO, max_token_lifetime: Duration::from_secs(3600) };
    verifier.verify(&bearer, &lifetimes, NOW).expect("an identity")
}
