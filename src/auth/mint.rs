//! Owns how a token of our own is written, for `dev` and `token`.
//! Never knows a clock or chance: times and `jti` come in.

use super::claim_path::ClaimPaths;
use super::clean_name::is_clean_name;
use super::key_fault::KeyFault;
use super::signing_key::SigningKey;
use crate::room::RoomPattern;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

/// What a new token shall say. What is empty is left out.
#[derive(Clone, Copy, Debug)]
pub struct TokenFacts<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// `aud`.
    pub audience: &'a str,
    /// `typ` of the header.
    pub typ: &'a str,
    /// `kid` of the header.
    pub kid: Option<&'a str>,
    /// Who: 1 to 256 octets without controls.
    pub subject: &'a str,
    /// The rooms that may be entered.
    pub subscribe: &'a [RoomPattern],
    /// The rooms that may be published into.
    pub publish: &'a [RoomPattern],
    /// `iat`, in seconds since 1970-01-01.
    pub issued_at: u64,
    /// `exp`, in seconds since 1970-01-01.
    pub expires_at: u64,
    /// `jti`: unique, hence 128 random bits in some spelling.
    pub jti: Option<&'a str>,
    /// `cnf.x5t#S256` (RFC 8705 section 3.1): SHA-256 of the DER of the one certificate that it is good with.
    pub bound_to: Option<&'a [u8; 32]>,
}

impl SigningKey {
    /// A signed token with these facts at these places.
    ///
    /// # Errors
    /// A sentence if the subject could not be verified later, if two facts have the same
    /// place, or if the key cannot sign.
    pub fn mint(&self, facts: &TokenFacts<'_>, paths: &ClaimPaths) -> Result<String, KeyFault> {
        if !is_clean_name(facts.subject) {
            return Err(KeyFault::new("a subject has 1 to 256 octets and no control characters"));
        }
        let mut header = Map::new();
        header.insert("alg".to_owned(), json!(self.algorithm().name()));
        put_text(&mut header, "typ", facts.typ);
        put_text(&mut header, "kid", facts.kid.unwrap_or_default());

        let mut claims = Map::new();
        put_text(&mut claims, "iss", facts.issuer);
        put_text(&mut claims, "aud", facts.audience);
        put_text(&mut claims, "jti", facts.jti.unwrap_or_default());
        claims.insert("iat".to_owned(), json!(facts.issued_at));
        claims.insert("exp".to_owned(), json!(facts.expires_at));
        if let Some(sha256) = facts.bound_to {
            claims.insert("cnf".to_owned(), json!({ "x5t#S256": URL_SAFE_NO_PAD.encode(sha256) }));
        }
        put_at(&mut claims, &paths.subject, json!(facts.subject))?;
        put_patterns(&mut claims, &paths.subscribe, facts.subscribe)?;
        put_patterns(&mut claims, &paths.publish, facts.publish)?;

        let mut token = format!("{}.{}", part(header), part(claims));
        let signature = self.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

fn part(object: Map<String, Value>) -> String {
    URL_SAFE_NO_PAD.encode(Value::Object(object).to_string())
}

fn put_text(object: &mut Map<String, Value>, name: &str, text: &str) {
    if !text.is_empty() {
        object.insert(name.to_owned(), json!(text));
    }
}

fn put_patterns(
    claims: &mut Map<String, Value>,
    path: &str,
    patterns: &[RoomPattern],
) -> Result<(), KeyFault> {
    if patterns.is_empty() {
        return Ok(());
    }
    let patterns = patterns.iter().map(|pattern| json!(pattern.to_string()));
    put_at(claims, path, patterns.collect())
}

/// Puts a value where the verifier will look for it. A path that is a URL is a whole name.
fn put_at(claims: &mut Map<String, Value>, path: &str, value: Value) -> Result<(), KeyFault> {
    let taken =
        || KeyFault::new(format!("two facts have their place at the claim {path:?}: give each its own"));
    let mut object = claims;
    let mut rest = path;
    while !path.contains("://")
        && let Some((name, inner)) = rest.split_once('.')
    {
        object = object.entry(name).or_insert_with(|| json!({})).as_object_mut().ok_or_else(taken)?;
        rest = inner;
    }
    match object.insert(rest.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(taken()),
    }
}
