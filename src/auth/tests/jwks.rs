//! Owns tests of JWK Sets.
//! Never knows tokens beyond a good one.

use super::super::*;
use super::forge::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The octets of a public key at the end of its SubjectPublicKeyInfo.
fn tail(pair: &Pair, length: usize) -> Vec<u8> {
    let der = STANDARD
        .decode(pair.public_pem.lines().filter(|line| !line.starts_with('-')).collect::<String>())
        .expect("base64");
    der[der.len() - length..].to_vec()
}

fn ec(pair: &Pair, crv: &str, coordinate: usize) -> Value {
    let point = tail(pair, 2 * coordinate);
    json!({"kty": "EC", "crv": crv, "x": encoded(&point[..coordinate]), "y": encoded(&point[coordinate..])})
}

fn p256() -> Value {
    ec(&P256, "P-256", 32)
}

fn p384() -> Value {
    ec(&P384, "P-384", 48)
}

fn ed25519() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(tail(&ED25519, 32))})
}

fn rsa() -> Value {
    // ... modulus (256 octets), 02 03 01 00 01
    let end = tail(&RSA, 261);
    json!({"kty": "RSA", "n": encoded(&end[..256]), "e": "AQAB"})
}

fn read(keys: &[Value], algorithms: &[Algorithm]) -> Result<Vec<Key>, String> {
    Key::from_jwks(json!({"keys": keys, "other": 1}).to_string().as_bytes(), algorithms)
        .map_err(|fault| fault.0)
}

fn algorithms(keys: &[Value], algorithms: &[Algorithm]) -> Vec<(Option<String>, Algorithm)> {
    let keys = read(keys, algorithms).expect("keys");
    keys.iter().map(|key| (key.kid().map(str::to_owned), key.algorithm())).collect()
}

#[test]
fn keys_of_a_set_verify_what_their_private_halves_signed() {
    for (jwk, algorithm) in [
        (p256(), Algorithm::Es256),
        (p384(), Algorithm::Es384),
        (ed25519(), Algorithm::EdDsa),
        (rsa(), Algorithm::Rs256),
        (rsa(), Algorithm::Ps256),
    ] {
        let jwk =
            with(with(with(jwk, "kid", json!(KID)), "use", json!("sig")), "alg", json!(algorithm.name()));
        let keys = read(&[jwk], &[algorithm]).expect("keys");
        let header = with(good_header(), "alg", json!(algorithm.name())).to_string();
        let token = forge(&header, &good_claims().to_string(), |octets| sign(algorithm, octets));
        assert!(verify(&Verifier::new(vec![issuer(keys)]), &token).is_ok(), "{}", algorithm.name());
    }
}

#[test]
fn what_is_not_for_us_is_passed_over() {
    let octets = encoded(SECRET);
    let mine = with(p256(), "kid", json!("mine"));
    let rs256 = || with(rsa(), "alg", json!("RS256"));
    let others = [
        json!({"kty": "oct", "k": octets, "alg": "HS256", "kid": "secret"}),
        json!({"kty": "oct", "k": octets, "kid": "secret"}),
        with(p256(), "use", json!("enc")),
        with(p256(), "use", json!(1)),
        with(p256(), "key_ops", json!(["sign"])),
        with(p256(), "key_ops", json!("verify")),
        with(p256(), "alg", json!("ES384")),
        with(p256(), "alg", json!("ECDH-ES")),
        with(p256(), "alg", json!(null)),
        with(p256(), "kid", json!(1)),
        with(p256(), "kid", json!("")),
        with(p256(), "kid", json!("k".repeat(129))),
        with(p256(), "crv", json!("P-384")),
        with(p256(), "crv", json!("secp256k1")),
        with(p256(), "x", json!("AQAB")),
        with(p256(), "x", json!("=")),
        without(p256(), "y"),
        without(p256(), "kty"),
        json!({"kty": "OKP", "crv": "X25519", "x": encoded([1; 32])}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": encoded([1; 31])}),
        with(rs256(), "n", json!(encoded([0xff; 128]))),
        with(rs256(), "n", json!(encoded([&[0; 129][..], &[0xff; 255]].concat()))),
        with(rs256(), "n", json!(encoded([0xff; 1025]))),
        with(rs256(), "e", json!("AQ")),
        with(rs256(), "e", json!("Ag")),
        with(rs256(), "e", json!("")),
        json!("a key"),
        json!(null),
    ];
    for other in others {
        let taken = algorithms(&[other.clone(), mine.clone()], &Algorithm::ALL);
        assert_eq!(taken, [(Some("mine".to_owned()), Algorithm::Es256)], "{other}");
        let none = read(std::slice::from_ref(&other), &Algorithm::ALL).expect_err("a fault");
        assert!(none.contains("no key of the JWK Set"), "{none}");
    }
}

#[test]
fn only_the_algorithms_of_the_issuer_are_taken_and_each_key_has_one() {
    let all = [
        with(p256(), "kid", json!("a")),
        with(p384(), "kid", json!("b")),
        with(ed25519(), "kid", json!("c")),
        with(rsa(), "kid", json!("d")),
    ];
    let taken = |list: &[Algorithm]| {
        algorithms(&all, list).into_iter().map(|(_, algorithm)| algorithm).collect::<Vec<_>>()
    };
    assert_eq!(taken(&[Algorithm::Es256, Algorithm::EdDsa]), [Algorithm::Es256, Algorithm::EdDsa]);
    assert_eq!(taken(&[Algorithm::Es384]), [Algorithm::Es384]);
    assert_eq!(taken(&[Algorithm::Rs256]), [Algorithm::Rs256]);
    assert_eq!(taken(&[Algorithm::Ps256]), [Algorithm::Ps256]);
    // An RSA key that names no algorithm would fit two.
    assert_eq!(taken(&[Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256]), [Algorithm::Es256]);
    let named = with(with(p256(), "kid", json!("e")), "alg", json!("ES256"));
    assert_eq!(algorithms(&[all[1].clone(), named], &[Algorithm::Es384]).len(), 1);
    assert!(read(&all, &[Algorithm::Hs256]).is_err());
    assert!(read(&all, &[]).is_err());
}

#[test]
fn a_set_that_is_none_is_refused() {
    let good = json!({"keys": [p256()]}).to_string();
    assert!(Key::from_jwks(good.as_bytes(), &Algorithm::ALL).is_ok());
    let long = format!("{good}{}", " ".repeat(64 * 1024 + 1 - good.len()));
    assert!(Key::from_jwks(&long.as_bytes()[..64 * 1024], &Algorithm::ALL).is_ok());
    for bad in [
        "",
        "[]",
        "{}",
        "null",
        r#"{"keys":{}}"#,
        r#"{"keys":null}"#,
        r#"{"keys":[]}"#,
        r#"{"keys":[],"keys":[]}"#,
        &long,
        "\u{feff}{}",
    ] {
        assert!(Key::from_jwks(bad.as_bytes(), &Algorithm::ALL).is_err(), "{:.40}", bad);
    }
    let twice = good.replacen("\"kty\"", "\"kty\":\"oct\",\"kty\"", 1);
    assert!(Key::from_jwks(twice.as_bytes(), &Algorithm::ALL).is_err());
}

#[test]
fn kids_are_unique_and_there_are_64_keys_at_most() {
    let named = |kid: &str| with(p256(), "kid", json!(kid));
    let same = read(&[named("a"), named("b"), with(p384(), "kid", json!("a"))], &Algorithm::ALL)
        .expect_err("a fault");
    assert!(same.contains("same kid (a)"), "{same}");
    assert!(read(&[p256(), p384()], &Algorithm::ALL).expect_err("a fault").contains("same kid (none)"));
    let many = |count: usize| (0..count).map(|at| named(&at.to_string())).collect::<Vec<_>>();
    assert_eq!(read(&many(64), &Algorithm::ALL).expect("keys").len(), 64);
    assert!(read(&many(65), &Algorithm::ALL).expect_err("a fault").contains("64 at most"));
    // A kid that only another kind of key shares is no trouble.
    let other = json!({"kty": "oct", "k": "AQAB", "kid": "a"});
    assert_eq!(read(&[other, named("a")], &Algorithm::ALL).expect("keys").len(), 1);
}
