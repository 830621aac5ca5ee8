//! Owns the forging of tokens: any header, any claims, any key.
//! Never knows what is good: the tests say so.

use super::super::*;
use crate::rejection::Rejection;
use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::Duration;

pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const ISSUER: &str = "https://id.example.com";
pub(super) const AUDIENCE: &str = "chat";
pub(super) const KID: &str = "2026-01";
pub(super) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// A key pair made for this run of the tests.
pub(super) struct Pair {
    pub(super) private_pem: Secret,
    pub(super) public_pem: String,
}

impl Pair {
    fn new(pair: &rcgen::KeyPair) -> Pair {
        Pair {
            private_pem: Secret::new(pair.serialize_pem().into_bytes()),
            public_pem: pair.public_key_pem(),
        }
    }

    fn of(algorithm: &'static rcgen::SignatureAlgorithm) -> Pair {
        Pair::new(&rcgen::KeyPair::generate_for(algorithm).expect("a key pair"))
    }

    pub(super) fn key(&self, algorithm: Algorithm, kid: Option<&str>) -> Key {
        match Key::from_public_pem(self.public_pem.as_bytes(), algorithm, kid) {
            Ok(key) => key,
            Err(fault) => panic!("{fault}"),
        }
    }

    pub(super) fn signing_key(&self, algorithm: Algorithm) -> SigningKey {
        match SigningKey::from_pem(&self.private_pem).and_then(|key| key.with_algorithm(algorithm)) {
            Ok(key) => key,
            Err(fault) => panic!("{fault}"),
        }
    }

    pub(super) fn sign(&self, algorithm: Algorithm, octets: &[u8]) -> Vec<u8> {
        self.signing_key(algorithm).sign(octets).expect("a signature")
    }
}

pub(super) static P256: LazyLock<Pair> = LazyLock::new(|| Pair::of(&rcgen::PKCS_ECDSA_P256_SHA256));
pub(super) static P256_OTHER: LazyLock<Pair> = LazyLock::new(|| Pair::of(&rcgen::PKCS_ECDSA_P256_SHA256));
pub(super) static P384: LazyLock<Pair> = LazyLock::new(|| Pair::of(&rcgen::PKCS_ECDSA_P384_SHA384));
pub(super) static ED25519: LazyLock<Pair> = LazyLock::new(|| Pair::of(&rcgen::PKCS_ED25519));
pub(super) static RSA: LazyLock<Pair> = LazyLock::new(|| Pair::of(&rcgen::PKCS_RSA_SHA256));

/// The key pair of an algorithm that has one.
pub(super) fn pair(algorithm: Algorithm) -> &'static Pair {
    match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 => &RSA,
        Algorithm::Es256 => &P256,
        Algorithm::Es384 => &P384,
        Algorithm::EdDsa => &ED25519,
        Algorithm::Hs256 => panic!("a secret is no pair"),
    }
}

pub(super) fn key(algorithm: Algorithm, kid: Option<&str>) -> Key {
    if algorithm != Algorithm::Hs256 {
        return pair(algorithm).key(algorithm, kid);
    }
    match Key::from_secret(&Secret::new(SECRET.to_vec()), kid) {
        Ok(key) => key,
        Err(fault) => panic!("{fault}"),
    }
}

pub(super) fn sign(algorithm: Algorithm, octets: &[u8]) -> Vec<u8> {
    if algorithm == Algorithm::Hs256 { hmac(SECRET, octets) } else { pair(algorithm).sign(algorithm, octets) }
}

/// HMAC with SHA-256, with whatever key.
pub(super) fn hmac(secret: &[u8], octets: &[u8]) -> Vec<u8> {
    let key = jsonwebtoken::EncodingKey::from_secret(secret);
    let signature =
        jsonwebtoken::crypto::sign(octets, &key, jsonwebtoken::Algorithm::HS256).expect("a signature");
    URL_SAFE_NO_PAD.decode(signature).expect("base64url")
}

pub(super) fn encoded(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

/// A token of any two texts, signed over them as they are.
pub(super) fn forge(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", encoded(header), encoded(claims));
    let signature = sign(signed.as_bytes());
    format!("{signed}.{}", encoded(signature))
}

pub(super) fn good_header() -> Value {
    json!({"alg": "ES256", "typ": "JWT", "kid": KID})
}

pub(super) fn good_claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": NOW, "exp": NOW + 600, "jti": "1",
        "portcullis": {"subscribe": ["lobby", "chat-*"], "publish": ["lobby"]},
    })
}

/// `object` with one member set.
pub(super) fn with(mut object: Value, name: &str, value: Value) -> Value {
    object.as_object_mut().expect("an object").insert(name.to_owned(), value);
    object
}

/// `object` less one member.
pub(super) fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().expect("an object").remove(name);
    object
}

/// A token with these claims that our issuer signed.
pub(super) fn token_with(claims: &str) -> String {
    forge(&good_header().to_string(), claims, |octets| P256.sign(Algorithm::Es256, octets))
}

pub(super) fn good_token() -> String {
    token_with(&good_claims().to_string())
}

pub(super) fn issuer(keys: Vec<Key>) -> Issuer {
    Issuer {
        issuer: ISSUER.into(),
        audience: AUDIENCE.into(),
        typ: "JWT".into(),
        require: Required::default(),
        keys,
        claims: ClaimPaths::default(),
        wanted: None,
    }
}

/// A verifier with the one issuer and its one P-256 key.
pub(super) fn verifier() -> Verifier {
    Verifier::new(vec![issuer(vec![key(Algorithm::Es256, Some(KID))])])
}

pub(super) fn lifetimes() -> Lifetimes {
    Lifetimes { leeway: Duration::from_secs(5), max_token_lifetime: Duration::from_secs(86_400) }
}

/// What becomes of a token, from the credential on.
pub(super) fn verify(verifier: &Verifier, token: &str) -> Result<Identity, Rejection> {
    verifier.verify(&BearerToken::for_test(token)?, &lifetimes(), NOW)
}

/// Why a token is refused; panics if it is not.
pub(super) fn refusal(verifier: &Verifier, token: &str) -> Rejection {
    match verify(verifier, token) {
        Ok(identity) => panic!("accepted: {identity:?}"),
        Err(reason) => reason,
    }
}
