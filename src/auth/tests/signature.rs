//! Owns tests of signatures and of what algorithm a key is bound to.
//! Never knows claims.

use super::super::*;
use super::forge::*;
use crate::rejection::Rejection;
use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

/// Makes a signature, or what shall pass for one.
type Forgery = Box<dyn Fn(&[u8]) -> Vec<u8>>;

fn header(algorithm: &str) -> String {
    with(good_header(), "alg", json!(algorithm)).to_string()
}

fn token(algorithm: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    forge(&header(algorithm), &good_claims().to_string(), sign)
}

fn verifier_of(algorithm: Algorithm) -> Verifier {
    Verifier::new(vec![issuer(vec![key(algorithm, Some(KID))])])
}

#[test]
fn each_algorithm_verifies_what_its_own_key_signed_and_nothing_that_another_did() {
    for of_key in Algorithm::ALL {
        let verifier = verifier_of(of_key);
        for of_token in Algorithm::ALL {
            let token = token(of_token.name(), |octets| sign(of_token, octets));
            let verdict = verify(&verifier, &token).err();
            let right = (of_key != of_token).then_some(Rejection::TokenAlgorithm);
            assert_eq!(verdict, right, "{} signed, key for {}", of_token.name(), of_key.name());
            // The same octets, under the name of the key's algorithm.
            let lying = super::signature::token(of_key.name(), |octets| sign(of_token, octets));
            let verdict = verify(&verifier, &lying).err();
            let right = (of_key != of_token).then_some(Rejection::TokenSignature);
            assert_eq!(verdict, right, "{} signed as {}", of_token.name(), of_key.name());
        }
    }
}

#[test]
fn no_algorithm_and_unknown_ones_are_refused() {
    for name in [
        "none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS384", "RS512", "PS384", "ES512", "ES256K",
        "Ed25519", "es256",
    ] {
        for signature in [vec![], vec![0; 64]] {
            let token = token(name, |_| signature);
            assert_eq!(refusal(&verifier(), &token), Rejection::TokenAlgorithm, "{name:?}");
        }
    }
    for value in [json!(1), json!(null), json!(["ES256"]), json!({"ES256": 1}), json!(true)] {
        let header = with(good_header(), "alg", value).to_string();
        let token = forge(&header, &good_claims().to_string(), |octets| P256.sign(Algorithm::Es256, octets));
        assert_eq!(refusal(&verifier(), &token), Rejection::TokenAlgorithm, "{header}");
    }
}

#[test]
fn a_public_key_is_no_hmac_secret() {
    for algorithm in
        [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa]
    {
        let verifier = verifier_of(algorithm);
        let pem = pair(algorithm).public_pem.as_bytes();
        let der: Vec<u8> = STANDARD
            .decode(
                pair(algorithm).public_pem.lines().filter(|line| !line.starts_with('-')).collect::<String>(),
            )
            .expect("base64");
        for secret in [pem, pem.trim_ascii(), &*der] {
            let lying = token("HS256", |octets| hmac(secret, octets));
            assert_eq!(refusal(&verifier, &lying), Rejection::TokenAlgorithm);
            let lying = token(algorithm.name(), |octets| hmac(secret, octets));
            assert_eq!(refusal(&verifier, &lying), Rejection::TokenSignature);
        }
    }
}

#[test]
fn an_es256_signature_is_64_octets_of_two_numbers_in_range() {
    let n = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let n: Vec<u8> =
        (0..64).step_by(2).map(|at| u8::from_str_radix(&n[at..at + 2], 16).expect("hex")).collect();
    let good = |octets: &[u8]| P256.sign(Algorithm::Es256, octets);
    let der = |octets: &[u8]| {
        let pem = std::str::from_utf8(P256.private_pem.expose()).expect("PEM");
        let pair = rcgen::KeyPair::from_pem(pem).expect("a key pair");
        rcgen::SigningKey::sign(&pair, octets).expect("a signature")
    };
    assert!(verify(&verifier(), &token("ES256", good)).is_ok());
    let forgeries: [(&str, Forgery); 11] = [
        ("empty", Box::new(|_| vec![])),
        ("zeros", Box::new(|_| vec![0; 64])),
        ("r = s = n", Box::new(move |_| [&*n, &*n].concat())),
        ("ones", Box::new(|_| vec![0xff; 64])),
        ("DER", Box::new(der)),
        ("truncated", Box::new(move |octets| good(octets)[..63].to_vec())),
        ("65 octets", Box::new(move |octets| [&*good(octets), &[0]].concat())),
        ("65 octets, zero first", Box::new(move |octets| [&[0], &*good(octets)].concat())),
        ("of another key", Box::new(|octets| P256_OTHER.sign(Algorithm::Es256, octets))),
        ("of another text", Box::new(move |_| good(b"another"))),
        (
            "r and s swapped",
            Box::new(move |octets| {
                let mut s = good(octets);
                s.rotate_left(32);
                s
            }),
        ),
    ];
    for (name, forgery) in forgeries {
        assert_eq!(refusal(&verifier(), &token("ES256", forgery)), Rejection::TokenSignature, "{name}");
    }
}

#[test]
fn a_signature_is_over_this_header_and_these_claims() {
    let good = good_token();
    let other = token_with(&with(good_claims(), "sub", json!("mallory")).to_string());
    let part = |token: &str, at: usize| token.split('.').nth(at).expect("a part").to_owned();
    let spliced = format!("{}.{}.{}", part(&good, 0), part(&other, 1), part(&good, 2));
    assert_eq!(refusal(&verifier(), &spliced), Rejection::TokenSignature);
}

#[test]
fn no_claim_is_judged_before_the_signature_verifies() {
    let stranger = |claims: String| {
        forge(&good_header().to_string(), &claims, |octets| P256_OTHER.sign(Algorithm::Es256, octets))
    };
    for claims in [
        with(good_claims(), "exp", json!(NOW - 600)),
        with(good_claims(), "exp", json!("x")),
        with(good_claims(), "aud", json!("another")),
        without(good_claims(), "sub"),
        with(good_claims(), "sub", json!("a\nb")),
    ] {
        assert_eq!(
            refusal(&verifier(), &stranger(claims.to_string())),
            Rejection::TokenSignature,
            "{claims}"
        );
    }
}

#[test]
fn the_examples_of_rfc_7515_verify() {
    const CLAIMS: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let a1 = format!(
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{CLAIMS}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    );
    let a3 = format!(
        "eyJhbGciOiJFUzI1NiJ9.{CLAIMS}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    );
    let secret = URL_SAFE_NO_PAD
        .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
        .expect("base64url");
    let a1_key = Key::from_secret(&Secret::new(secret), None).expect("a key");
    let a3_keys = Key::from_jwks(
        br#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#,
        &[Algorithm::Es256],
    )
    .expect("a key");
    for (token, keys) in [(a1, vec![a1_key]), (a3, a3_keys)] {
        let joe = Issuer {
            issuer: "joe".into(),
            audience: "".into(),
            typ: "".into(),
            require: Required { iss: true, aud: false, exp: true },
            claims: ClaimPaths { subject: "iss".into(), ..ClaimPaths::default() },
            wanted: None,
            keys,
        };
        let verifier = Verifier::new(vec![joe]);
        let token = BearerToken::for_test(&token).expect("a token");
        let identity = verifier.verify(&token, &lifetimes(), 1_300_819_380).expect("an identity");
        assert_eq!(&**identity.subject(), "joe");
        let later = verifier.verify(&token, &lifetimes(), 1_300_819_385).err();
        assert_eq!(later, Some(Rejection::TokenExpired));
    }
}
