//! Owns tokens that are right, and the ways to make them wrong.
//! Never knows where a token is sent.

use super::keys::SigningKey;
use super::{AUDIENCE, ISSUER, MARK};
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub(crate) fn unix_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("before the end of time")
}

/// A token before it is signed.
#[derive(Clone)]
pub(crate) struct Token {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Token {
    /// Alice's: every room, ten minutes.
    pub(crate) fn good() -> Token {
        Token::of("alice")
    }

    /// A good one of this subject.
    pub(crate) fn of(subject: &str) -> Token {
        let now = unix_now();
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 600,
            "portcullis": { "subscribe": ["*"], "publish": ["*"] }, "mercure": { "subscribe": [] }, "note": MARK,
        });
        let Value::Object(claims) = claims else { unreachable!("an object") };
        let mut header = Map::new();
        header.insert("typ".to_owned(), json!("JWT"));
        Token { header, claims }
    }

    pub(crate) fn claim(mut self, name: &str, value: Value) -> Token {
        self.claims.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Token {
        self.claims.remove(name);
        self
    }

    /// The room patterns to receive from and to send into.
    pub(crate) fn rooms(self, subscribe: &[&str], publish: &[&str]) -> Token {
        self.claim("portcullis", json!({ "subscribe": subscribe, "publish": publish }))
    }

    pub(crate) fn header(mut self, name: &str, value: Value) -> Token {
        self.header.insert(name.to_owned(), value);
        self
    }

    /// Takes a member of the header away for good; `alg` and `kid` are else set when it is signed.
    pub(crate) fn without_header(mut self, name: &str) -> Token {
        self.header.insert(name.to_owned(), Value::Null);
        self
    }

    /// The claims as JSON text, to be made wrong as text.
    pub(crate) fn claims_text(&self) -> String {
        Value::Object(self.claims.clone()).to_string()
    }

    /// The header as JSON text, as `sign` would write it for this key.
    pub(crate) fn header_text(&self, key: &SigningKey) -> String {
        let mut header = self.header.clone();
        header.entry("alg").or_insert_with(|| json!(key.alg.name()));
        header.entry("kid").or_insert_with(|| json!(key.kid));
        header.retain(|_, value| !value.is_null());
        Value::Object(header).to_string()
    }

    pub(crate) fn sign(&self, key: &SigningKey) -> String {
        key.sign_texts(self.header_text(key).as_bytes(), self.claims_text().as_bytes())
    }
}
