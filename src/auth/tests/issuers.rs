//! Owns tests of several issuers: a key serves its own alone.
//! Never knows claims beyond `iss`.

use super::super::*;
use super::forge::*;
use crate::rejection::Rejection;
use serde_json::json;

const OTHER: &str = "https://other.example.com";

fn other_issuer(keys: Vec<Key>) -> Issuer {
    Issuer { issuer: OTHER.into(), audience: "other".into(), ..issuer(keys) }
}

/// An issuer as some libraries are set up: neither iss nor aud nor kid, `username` for sub.
fn nameless(name: &str, keys: Vec<Key>) -> Issuer {
    Issuer {
        issuer: name.into(),
        audience: "".into(),
        typ: "".into(),
        require: Required { iss: false, aud: false, exp: true },
        claims: ClaimPaths { subject: "username".into(), ..ClaimPaths::default() },
        wanted: None,
        keys,
    }
}

fn bare(kid: Option<&str>, signer: &Pair, algorithm: Algorithm) -> String {
    let header = match kid {
        Some(kid) => json!({"alg": algorithm.name(), "typ": "JWT", "kid": kid}),
        None => json!({"alg": algorithm.name(), "typ": "JWT"}),
    };
    let claims = json!({"username": "alice", "exp": NOW + 60, "iat": NOW});
    forge(&header.to_string(), &claims.to_string(), |octets| signer.sign(algorithm, octets))
}

#[test]
fn a_key_serves_its_own_issuer_alone_also_where_kids_are_alike() {
    let verifier = Verifier::new(vec![
        issuer(vec![key(Algorithm::Es256, Some(KID))]),
        other_issuer(vec![P256_OTHER.key(Algorithm::Es256, Some(KID))]),
    ]);
    let claims =
        |iss: &str, aud: &str| with(with(good_claims(), "iss", json!(iss)), "aud", json!(aud)).to_string();
    let token = |claims: &str, signer: &Pair| {
        forge(&good_header().to_string(), claims, |octets| signer.sign(Algorithm::Es256, octets))
    };
    let ours = verify(&verifier, &token(&claims(ISSUER, AUDIENCE), &P256)).expect("an identity");
    assert_eq!(ours.issuer(), Some(ISSUER));
    let others = verify(&verifier, &token(&claims(OTHER, "other"), &P256_OTHER)).expect("an identity");
    assert_eq!(others.issuer(), Some(OTHER));
    assert_eq!(refusal(&verifier, &token(&claims(ISSUER, AUDIENCE), &P256_OTHER)), Rejection::TokenSignature);
    assert_eq!(refusal(&verifier, &token(&claims(OTHER, "other"), &P256)), Rejection::TokenSignature);
    assert_eq!(refusal(&verifier, &token(&claims(OTHER, AUDIENCE), &P256_OTHER)), Rejection::TokenAudience);
}

#[test]
fn a_token_without_iss_is_only_for_issuers_that_do_not_require_it() {
    let strict = || issuer(vec![key(Algorithm::Es256, Some(KID))]);
    let verifier = Verifier::new(vec![strict(), nameless("", vec![RSA.key(Algorithm::Rs256, None)])]);
    let identity = verify(&verifier, &bare(None, &RSA, Algorithm::Rs256)).expect("an identity");
    assert_eq!((&**identity.subject(), identity.issuer()), ("alice", None));
    // The strict issuer's key is never tried for it.
    assert_eq!(refusal(&verifier, &bare(None, &P256, Algorithm::Es256)), Rejection::TokenAlgorithm);
    assert_eq!(refusal(&verifier, &bare(Some(KID), &P256, Algorithm::Es256)), Rejection::TokenKeyUnknown);
    let only_strict = Verifier::new(vec![strict()]);
    assert_eq!(refusal(&only_strict, &bare(Some(KID), &P256, Algorithm::Es256)), Rejection::TokenClaims);
    // A token that does name an issuer is not for the one that names none.
    assert!(verify(&verifier, &good_token()).is_ok());
    let claims = json!({"iss": "https://evil.example", "username": "alice", "exp": NOW + 60}).to_string();
    let named = forge(r#"{"alg":"RS256"}"#, &claims, |octets| RSA.sign(Algorithm::Rs256, octets));
    assert_eq!(refusal(&verifier, &named), Rejection::TokenIssuer);
}

#[test]
fn without_iss_and_kid_only_issuers_with_one_key_come_into_question() {
    let two_keys =
        nameless("two", vec![key(Algorithm::Es256, Some("a")), P256_OTHER.key(Algorithm::Es256, Some("b"))]);
    let verifier = Verifier::new(vec![two_keys]);
    assert_eq!(refusal(&verifier, &bare(None, &P256, Algorithm::Es256)), Rejection::TokenKeyUnknown);
    assert!(verify(&verifier, &bare(Some("a"), &P256, Algorithm::Es256)).is_ok());
    assert!(verify(&verifier, &bare(Some("b"), &P256_OTHER, Algorithm::Es256)).is_ok());
    assert_eq!(refusal(&verifier, &bare(Some("b"), &P256, Algorithm::Es256)), Rejection::TokenSignature);
}

#[test]
fn of_several_issuers_without_iss_the_one_whose_key_verifies_is_the_issuer() {
    let verifier = Verifier::new(vec![
        nameless("one", vec![key(Algorithm::Es256, None)]),
        nameless("two", vec![P256_OTHER.key(Algorithm::Es256, None)]),
    ]);
    let of = |signer: &Pair| verify(&verifier, &bare(None, signer, Algorithm::Es256)).expect("an identity");
    assert_eq!(of(&P256).issuer(), Some("one"));
    assert_eq!(of(&P256_OTHER).issuer(), Some("two"));
}

#[test]
fn a_key_without_a_kid_is_not_chosen_by_one() {
    let verifier = Verifier::new(vec![issuer(vec![key(Algorithm::Es256, None)])]);
    assert_eq!(refusal(&verifier, &good_token()), Rejection::TokenKeyUnknown);
    let header = without(good_header(), "kid").to_string();
    let token = forge(&header, &good_claims().to_string(), |octets| P256.sign(Algorithm::Es256, octets));
    assert!(verify(&verifier, &token).is_ok());
}

#[test]
fn a_verifier_without_issuers_accepts_nothing() {
    assert_eq!(refusal(&Verifier::new(vec![]), &good_token()), Rejection::TokenIssuer);
}

#[test]
fn issuers_that_cannot_work_are_told_all_at_once() {
    let k = |kid| key(Algorithm::Es256, kid);
    let good = vec![issuer(vec![k(Some("a")), k(Some("b"))]), other_issuer(vec![k(None)])];
    assert_eq!(issuer_faults(&good), []);
    let bad =
        vec![issuer(vec![k(Some("a")), k(None), k(Some("a"))]), other_issuer(vec![]), issuer(vec![k(None)])];
    assert_eq!(
        issuer_faults(&bad),
        [
            IssuerFault::KeyWithoutKid { issuer: 0, key: 1 },
            IssuerFault::SameKid { issuer: 0, first: 0, second: 2 },
            IssuerFault::NoKey { issuer: 1 },
            IssuerFault::SameIssuer { first: 0, second: 2 },
        ]
    );
    assert_eq!(Verifier::new(bad).issuers().count(), 3);
}

#[test]
fn an_authority_is_trusted_while_its_issuer_has_its_key() {
    let own = || issuer(vec![key(Algorithm::Es256, Some(KID))]);
    let token = forge(&good_header().to_string(), &good_claims().to_string(), |octets| {
        P256.sign(Algorithm::Es256, octets)
    });
    let identity = verify(&Verifier::new(vec![own()]), &token).expect("an identity");
    let trusts = |issuers: Vec<Issuer>| Verifier::new(issuers).trusts(identity.authority());
    assert!(trusts(vec![own()]));
    assert!(trusts(vec![other_issuer(Vec::new()), own()]));
    // The key under another name, another key under the name, and nobody.
    assert!(!trusts(vec![other_issuer(vec![key(Algorithm::Es256, Some(KID))])]));
    assert!(!trusts(vec![issuer(vec![P256_OTHER.key(Algorithm::Es256, Some(KID))])]));
    assert!(!trusts(Vec::new()));
}

/// Whether it was said since the last time.
fn is_heard(wanted: &KeysWanted) -> bool {
    let heard = std::pin::pin!(wanted.heard());
    heard.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready()
}

#[test]
fn keys_are_asked_for_when_a_token_names_one_that_is_not_there() {
    let wanted = KeysWanted::default();
    let with_keys = |keys| Verifier::new(vec![Issuer { wanted: Some(wanted.clone()), ..issuer(keys) }]);
    let of_kid = |kid: Option<&str>| {
        let mut header = good_header();
        match kid {
            Some(kid) => header["kid"] = json!(kid),
            None => drop(header.as_object_mut().expect("an object").remove("kid")),
        }
        let claims = good_claims().to_string();
        forge(&header.to_string(), &claims, |octets| P256.sign(Algorithm::Es256, octets))
    };
    let verifier =
        with_keys(vec![key(Algorithm::Es256, Some(KID)), P256_OTHER.key(Algorithm::Es256, Some("b"))]);
    assert!(verify(&verifier, &of_kid(Some(KID))).is_ok());
    assert!(!is_heard(&wanted), "the key is there");
    assert_eq!(refusal(&verifier, &of_kid(Some("new"))), Rejection::TokenKeyUnknown);
    assert_eq!(refusal(&verifier, &of_kid(Some("new"))), Rejection::TokenKeyUnknown);
    assert!(is_heard(&wanted));
    assert!(!is_heard(&wanted), "however often it is said, it is heard once");
    assert_eq!(refusal(&verifier, &of_kid(None)), Rejection::TokenKeyUnknown);
    assert!(!is_heard(&wanted), "no key could be chosen, whichever they are");
    assert_eq!(refusal(&with_keys(Vec::new()), &of_kid(None)), Rejection::TokenKeyUnknown);
    assert!(is_heard(&wanted));
}

#[test]
fn every_fault_of_issuers_says_what_to_do() {
    for (fault, told) in [
        (IssuerFault::SameIssuer { first: 0, second: 1 }, "put the keys of both under one"),
        (IssuerFault::NoKey { issuer: 0 }, "add a [[auth.issuer.key]]"),
        (IssuerFault::SameKid { issuer: 0, first: 0, second: 1 }, "has its own"),
        (IssuerFault::KeyWithoutKid { issuer: 0, key: 1 }, "tokens choose by it"),
    ] {
        assert!(fault.to_string().contains(told), "{fault}");
    }
}
