//! Owns tests of tokens of our own, and of the private keys that sign them.
//! Never knows forged tokens.

use super::super::*;
use super::forge::*;
use crate::room::{RoomName, RoomPattern};
use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

fn facts<'a>(subscribe: &'a [RoomPattern], publish: &'a [RoomPattern]) -> TokenFacts<'a> {
    TokenFacts {
        issuer: ISSUER,
        audience: AUDIENCE,
        typ: "JWT",
        kid: Some(KID),
        subject: "alice",
        subscribe,
        publish,
        issued_at: NOW,
        expires_at: NOW + 900,
        jti: Some("0123456789abcdef0123456789abcdef"),
        bound_to: None,
    }
}

fn patterns(names: &[&str]) -> Vec<RoomPattern> {
    names.iter().map(|name| RoomPattern::parse(name).expect("a pattern")).collect()
}

#[test]
fn a_minted_token_is_accepted_and_grants_what_was_asked_by_each_algorithm() {
    let (subscribe, publish) = (patterns(&["lobby", "chat-*"]), patterns(&["lobby"]));
    for algorithm in
        [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa]
    {
        let signing_key = pair(algorithm).signing_key(algorithm);
        assert!(signing_key.is_pair_of(&key(algorithm, None)));
        let token = signing_key.mint(&facts(&subscribe, &publish), &ClaimPaths::default()).expect("a token");
        let verifier = Verifier::new(vec![issuer(vec![key(algorithm, Some(KID))])]);
        let identity = verify(&verifier, &token).expect("an identity");
        assert_eq!((&**identity.subject(), identity.ends_at()), ("alice", Some(NOW + 905)));
        assert_eq!(identity.jti(), Some("0123456789abcdef0123456789abcdef"));
        let grant = |name: &str| {
            identity.grant(&RoomName::parse(name).expect("a room")).map(|grant| grant.may_publish())
        };
        assert_eq!((grant("lobby"), grant("chat-1"), grant("den").is_err()), (Ok(true), Ok(false), true));
    }
}

#[test]
fn a_generated_key_pair_mints_for_the_gateway_that_has_its_public_half() {
    let keys = SigningKey::generate().expect("a key pair");
    let signing_key = SigningKey::from_pem(&keys.private_pem).expect("a signing key");
    assert_eq!(signing_key.algorithm(), Algorithm::Es256);
    let public =
        Key::from_public_pem(keys.public_pem.as_bytes(), Algorithm::Es256, Some(KID)).expect("a key");
    assert!(signing_key.is_pair_of(&public));
    assert!(!signing_key.is_pair_of(&key(Algorithm::Es256, None)));
    let token = signing_key.mint(&facts(&[], &[]), &ClaimPaths::default()).expect("a token");
    assert!(verify(&Verifier::new(vec![issuer(vec![public])]), &token).is_ok());
    assert!(verify(&verifier(), &token).is_err());
}

#[test]
fn facts_stand_where_the_issuer_has_them() {
    let paths = ClaimPaths {
        subject: "user.name".into(),
        subscribe: "https://example.com/rooms".into(),
        publish: "user.may.publish".into(),
    };
    let all = patterns(&["*"]);
    let token = P256.signing_key(Algorithm::Es256).mint(&facts(&all, &all), &paths).expect("a token");
    let verifier =
        Verifier::new(vec![Issuer { claims: paths, ..issuer(vec![key(Algorithm::Es256, Some(KID))]) }]);
    let identity = verify(&verifier, &token).expect("an identity");
    let room = RoomName::parse("den").expect("a room");
    assert_eq!(
        (&**identity.subject(), identity.grant(&room).map(|grant| grant.may_publish())),
        ("alice", Ok(true))
    );
}

#[test]
fn what_could_not_be_verified_is_not_minted() {
    let signing_key = P256.signing_key(Algorithm::Es256);
    let bad = TokenFacts { subject: "a\nb", ..facts(&[], &[]) };
    assert!(signing_key.mint(&bad, &ClaimPaths::default()).is_err());
    for (subject, subscribe) in [("iss", "x"), ("a", "a.b"), ("a", "a"), ("exp.x", "y")] {
        let paths = ClaimPaths { subject: subject.into(), subscribe: subscribe.into(), publish: "z".into() };
        let all = patterns(&["*"]);
        assert!(signing_key.mint(&facts(&all, &[]), &paths).is_err(), "{subject} {subscribe}");
    }
    assert!(P256.signing_key(Algorithm::Es256).with_algorithm(Algorithm::Es384).is_err());
    assert!(P256.signing_key(Algorithm::Es256).with_algorithm(Algorithm::Hs256).is_err());
    assert!(RSA.signing_key(Algorithm::Ps256).with_algorithm(Algorithm::Rs256).is_ok());
}

/// The PKCS#8 octets of a pair, and the OCTET STRING in them from `at` on: the key alone.
fn inner(pair: &Pair, at: usize) -> Vec<u8> {
    let pem = std::str::from_utf8(pair.private_pem.expose()).expect("PEM");
    let der = STANDARD
        .decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>())
        .expect("base64");
    der[at..].to_vec()
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// Puts the name of the curve into an ECPrivateKey that lacks it, as openssl writes it.
fn sec1(pkcs8_inner: &[u8], curve: &[u8]) -> Vec<u8> {
    let private_end = 7 + usize::from(pkcs8_inner[6]);
    let parameters = [&[0xa0, u8::try_from(curve.len()).expect("short")], curve].concat();
    let body = [&pkcs8_inner[2..private_end], &parameters, &pkcs8_inner[private_end..]].concat();
    let length = u8::try_from(body.len()).expect("short");
    if length < 128 { [&[0x30, length], &*body].concat() } else { [&[0x30, 0x81, length], &*body].concat() }
}

#[test]
fn private_keys_in_their_older_forms_are_taken_too() {
    let p256_key = inner(&P256, 29);
    assert_eq!((p256_key[0], &p256_key[2..5]), (0x30, &[2, 1, 1][..]), "an ECPrivateKey");
    let p256_pem = pem("EC PRIVATE KEY", &sec1(&p256_key, b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"));
    let with_parameters =
        format!("{}{p256_pem}", pem("EC PARAMETERS", b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"));
    let rsa_pem = pem("RSA PRIVATE KEY", &inner(&RSA, 26));
    for (private, algorithm) in
        [(p256_pem, Algorithm::Es256), (with_parameters, Algorithm::Es256), (rsa_pem, Algorithm::Rs256)]
    {
        let signing_key = match SigningKey::from_pem(&Secret::new(private.into_bytes())) {
            Ok(key) => key,
            Err(fault) => panic!("{fault}"),
        };
        assert_eq!(signing_key.algorithm(), algorithm);
        assert!(signing_key.is_pair_of(&key(algorithm, None)));
    }
}

#[test]
fn what_is_no_private_key_is_refused_with_a_remedy() {
    let private = std::str::from_utf8(P256.private_pem.expose()).expect("PEM");
    for (given, says) in [
        (String::new(), "-----BEGIN"),
        (P256.public_pem.clone(), "no private key"),
        (format!("{private}{private}"), "2 PEM sections"),
        (pem("PRIVATE KEY", b"\x30\x03\x02\x01\x00"), "damaged"),
        (pem("RSA PRIVATE KEY", b"\x30\x03\x02\x01\x00"), "damaged"),
        (pem("EC PRIVATE KEY", b"\x30\x03\x02\x01\x01"), "damaged"),
        (pem("DSA PRIVATE KEY", b"\x30\x00"), "openssl pkey"),
        (pem("OPENSSH PRIVATE KEY", b"openssh-key-v1\0"), "openssl pkey"),
        (pem("ENCRYPTED PRIVATE KEY", b"\x30\x00"), "encrypted"),
    ] {
        let fault = SigningKey::from_pem(&Secret::new(given.clone().into_bytes())).expect_err("a fault");
        assert!(fault.0.contains(says), "{fault} for {given}");
    }
}
