//! Owns what holds for any token.
//! Never knows single rules.

use super::super::*;
use super::forge::*;
use crate::rejection::{Answer, Rejection};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use std::sync::LazyLock;

static VERIFIER: LazyLock<Verifier> = LazyLock::new(verifier);

fn symbol() -> impl Strategy<Value = char> {
    proptest::char::ranges(vec!['a'..='z', 'A'..='Z', '0'..='9', '-'..='-', '_'..='_', '.'..='.'].into())
}

#[test]
fn a_good_token_with_any_one_octet_changed_is_refused() {
    let good = good_token();
    assert!(verify(&VERIFIER, &good).is_ok());
    for at in 0..good.len() {
        for other in *b"AQgwBh_-.0=" {
            let mut octets = good.clone().into_bytes();
            if octets[at] == other {
                continue;
            }
            octets[at] = other;
            let changed = String::from_utf8(octets).expect("ASCII");
            assert!(verify(&VERIFIER, &changed).is_err(), "{other} at {at}");
        }
    }
}

#[test]
fn every_refusal_of_a_token_looks_the_same_from_outside() {
    let expired = token_with(&with(good_claims(), "exp", serde_json::json!(1)).to_string());
    let other_key = with(good_header(), "kid", serde_json::json!("x")).to_string();
    let unknown_kid =
        forge(&other_key, &good_claims().to_string(), |octets| P256.sign(Algorithm::Es256, octets));
    let bad_signature = forge(&good_header().to_string(), &good_claims().to_string(), |_| vec![0; 64]);
    let answers: Vec<Answer> = [expired, unknown_kid, bad_signature]
        .iter()
        .map(|token| refusal(&VERIFIER, token).answer())
        .collect();
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[1], answers[2]);
    assert_eq!(answers[0], Rejection::TokenMalformed.answer());
}

proptest! {
    #[test]
    fn any_octets_in_any_place_are_judged_without_a_panic(
        field in proptest::collection::vec(any::<u8>(), 0..200),
        offered in proptest::collection::vec(".{0,40}", 0..5),
        query in proptest::option::of(".{0,80}"),
    ) {
        let policy = CredentialPolicy { header: true, subprotocol: true, cookie: Some("__Host-portcullis".into()), ticket: false };
        let offered: Vec<&str> = offered.iter().map(String::as_str).collect();
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&field) {
            headers.append(http::header::AUTHORIZATION, value.clone());
            headers.append(http::header::COOKIE, value);
        }
        if let Ok(token) = BearerToken::find(&headers, query.as_deref(), &offered, &policy) {
            prop_assert!(VERIFIER.verify(&token, &lifetimes(), NOW).is_err());
        }
    }

    #[test]
    fn any_three_parts_are_refused_without_a_panic(token in proptest::collection::vec(symbol(), 0..300)) {
        let token: String = token.into_iter().collect();
        prop_assert!(verify(&VERIFIER, &token).is_err());
    }

    #[test]
    fn any_header_and_claims_are_judged_without_a_panic(header in ".{0,120}", claims in ".{0,120}") {
        prop_assert!(verify(&VERIFIER, &forge(&header, &claims, |_| vec![0; 64])).is_err());
        prop_assert!(verify(&VERIFIER, &token_with(&claims)).is_err());
    }

    #[test]
    fn any_value_of_any_claim_is_judged_without_a_panic(
        name in "(iss|aud|sub|exp|nbf|iat|jti|portcullis|x)",
        value in r#"(null|true|-?[0-9]{1,25}(\.[0-9]{1,3})?(e[0-9]{1,4})?|"[ -!#-\[\]-~]{0,300}"|\[("a",?)*\]|\{"subscribe":.{0,20}\})"#,
    ) {
        let claims = without(good_claims(), &name).to_string().replacen('{', &format!("{{\"{name}\":{value},"), 1);
        if let Ok(identity) = verify(&VERIFIER, &token_with(&claims)) {
            prop_assert!(identity.ends_at().is_some_and(|ends_at| ends_at > NOW && ends_at <= NOW + 86_405));
        }
    }

    #[test]
    fn any_octets_as_a_key_are_a_fault_and_no_panic(octets in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,100}") {
        use base64::Engine as _;
        let body = base64::engine::general_purpose::STANDARD.encode(&octets);
        for label in ["PUBLIC KEY", "RSA PUBLIC KEY", "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
            let pem = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----");
            prop_assert!(Key::from_public_pem(pem.as_bytes(), Algorithm::Es256, None).is_err());
            prop_assert!(SigningKey::from_pem(&crate::secret::Secret::new(pem.into_bytes())).is_err());
        }
        prop_assert!(Key::from_public_pem(&octets, Algorithm::Es256, None).is_err());
        prop_assert!(Key::from_jwks(&octets, &Algorithm::ALL).is_err());
        prop_assert!(Key::from_jwks(text.as_bytes(), &Algorithm::ALL).is_err());
    }
}
