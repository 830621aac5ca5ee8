//! Owns the one issuer of the targets, its keys, and tokens that it signed.
//! Never knows a verdict.
//!
//! The private halves of the two public keys were thrown away when the tokens had been signed;
//! the secret is no secret, so that a target can sign whatever it likes.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::auth::{Algorithm, ClaimPaths, Issuer, Key, Lifetimes, Required, Verifier};
use portcullis::secret::Secret;
use std::time::Duration;

/// Now, in seconds since 1970-01-01: the tokens below are good for ten minutes from here.
pub const NOW: u64 = 1_800_000_000;
pub const ISSUER: &str = "https://id.example.com";
pub const AUDIENCE: &str = "chat";
pub const LIFETIMES: Lifetimes =
    Lifetimes { leeway: Duration::from_secs(5), max_token_lifetime: Duration::from_secs(86_400) };

pub const GOOD_HEADER: &str = r#"{"alg":"HS256","typ":"JWT","kid":"hs"}"#;
pub const GOOD_CLAIMS: &str = r#"{"iss":"https://id.example.com","aud":"chat","sub":"alice","iat":1800000000,"exp":1800000600,"jti":"1","portcullis":{"subscribe":["lobby","chat-*"],"publish":["lobby"]}}"#;

/// Good tokens of the two keys whose private halves are gone.
#[allow(dead_code, reason = "one target needs no more than the secret")]
pub const GOOD: [&str; 2] = [
    "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVzIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY2\
    9tIiwiYXVkIjoiY2hhdCIsInN1YiI6ImFsaWNlIiwiaWF0IjoxODAwMDAwMDAwLCJleHAiOjE4MDAwMDA2MDAsImp0\
    aSI6IjEiLCJwb3J0Y3VsbGlzIjp7InN1YnNjcmliZSI6WyJsb2JieSIsImNoYXQtKiJdLCJwdWJsaXNoIjpbImxvYm\
    J5Il19fQ.t5lve1WxPhHo7BkHzQQ3quk-ueVepPlPOLACwldRCiuWffcuV9u5lL1V0t4BVZzfJmVTEX1BjXvR-zdbW\
    lYIRQ",
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6ImVkIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY2\
    9tIiwiYXVkIjoiY2hhdCIsInN1YiI6ImFsaWNlIiwiaWF0IjoxODAwMDAwMDAwLCJleHAiOjE4MDAwMDA2MDAsImp0\
    aSI6IjEiLCJwb3J0Y3VsbGlzIjp7InN1YnNjcmliZSI6WyJsb2JieSIsImNoYXQtKiJdLCJwdWJsaXNoIjpbImxvYm\
    J5Il19fQ.CBDs34u02it63Y2OMHwlcB6Y6ojNNHXMWN48j4VDZ9WYL3uaN7wB63Jp9iaRgZI9u6pSXkrDQHhXucWwE\
    C8LCA",
];

const SECRET: &[u8] = b"a secret that everybody may know";
const ES256: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEnLgG+12UKEkO2Rkay9YXkA5c8n9q\n\
    BM4rJuo/48yAByRAKOk9/87tilYBhG16KCsAL0SLmEInGnNTyog8gnJt5g==\n\
    -----END PUBLIC KEY-----\n";
const EDDSA: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAYdWfACSvIfazwEZF0cLPH2LzHQLRWIc+HorxEUiqM9A=\n\
    -----END PUBLIC KEY-----\n";

/// Trusts the one issuer and its three keys.
pub fn verifier() -> Verifier {
    let secret = Secret::new(SECRET.to_vec());
    let keys = [
        Key::from_secret(&secret, Some("hs")),
        Key::from_public_pem(ES256.as_bytes(), Algorithm::Es256, Some("es")),
        Key::from_public_pem(EDDSA.as_bytes(), Algorithm::EdDsa, Some("ed")),
    ];
    Verifier::new(vec![Issuer {
        issuer: ISSUER.into(),
        audience: AUDIENCE.into(),
        typ: "JWT".into(),
        require: Required::default(),
        keys: keys.into_iter().map(|key| key.unwrap_or_else(|fault| panic!("{fault}"))).collect(),
        claims: ClaimPaths::default(),
        wanted: None,
    }])
}

/// A token of these two texts, as they are, with a true signature.
pub fn signed(header: &[u8], claims: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
