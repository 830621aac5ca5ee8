//! Owns the short-lived token by which a backend knows that the gateway speaks, and for whom.
//! Never knows a request, a clock or a backend's address.

use super::claim_path::ClaimPaths;
use super::identity::Identity;
use super::key_fault::KeyFault;
use super::mint::TokenFacts;
use super::signing_key::SigningKey;
use crate::auth::Algorithm;
use crate::secret::Secret;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::fmt;

/// How long an assertion is good, in seconds: a backend looks at it when the connection comes.
const LIFETIME_SECONDS: u64 = 60;
/// `iss` of every assertion.
const ISSUER: &str = "portcullis";

/// The key that signs what the gateway tells a backend, and its public half for whoever checks it.
pub struct Assertions {
    key: SigningKey,
    kid: String,
    key_set: String,
}

impl fmt::Debug for Assertions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertions").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Assertions {
    /// With a private key in PEM: P-256 or Ed25519, in PKCS#8.
    ///
    /// # Errors
    /// A sentence with the remedy for what is no such key.
    pub fn from_pem(pem: &Secret) -> Result<Assertions, KeyFault> {
        let key = SigningKey::from_pem(pem)?;
        let unfit = || KeyFault::new("an assertion is signed by ES256 or EdDSA: give a P-256 or Ed25519 key");
        if !matches!(key.algorithm(), Algorithm::Es256 | Algorithm::EdDsa) {
            return Err(unfit());
        }
        let form = || {
            KeyFault::new(
                "the key's public half cannot be told: openssl pkcs8 -topk8 -nocrypt -in FILE -out NEWFILE",
            )
        };
        let text = str::from_utf8(pem.expose()).map_err(|_| form())?;
        let pair = rcgen::KeyPair::from_pem(text).map_err(|_| form())?;
        let jwk = public_jwk(key.algorithm(), pair.public_key_raw()).ok_or_else(form)?;
        let kid = thumbprint(&jwk);
        let mut published = jwk;
        if let Some(members) = published.as_object_mut() {
            members.insert("kid".to_owned(), json!(kid));
            members.insert("alg".to_owned(), json!(key.algorithm().name()));
            members.insert("use".to_owned(), json!("sig"));
        }
        Ok(Assertions { key, kid, key_set: json!({ "keys": [published] }).to_string() })
    }

    /// With a new key, which ends with the process.
    ///
    /// # Errors
    /// A sentence if the cryptographic library has no random numbers.
    pub fn generate() -> Result<Assertions, KeyFault> {
        Assertions::from_pem(&SigningKey::generate()?.private_pem)
    }

    /// The JWKS (RFC 7517) of the public half.
    #[must_use]
    pub fn key_set(&self) -> &str {
        &self.key_set
    }

    /// Tells a backend who is there: `aud` is the path of the route as it is configured, `jti` the
    /// number of the connection.
    ///
    /// # Errors
    /// A sentence if the key cannot sign.
    pub fn assert(
        &self,
        identity: &Identity,
        audience: &str,
        connection_id: &str,
        unix_now: u64,
    ) -> Result<String, KeyFault> {
        let (subscribe, publish) = identity.patterns();
        let facts = TokenFacts {
            issuer: ISSUER,
            audience,
            typ: "JWT",
            kid: Some(&self.kid),
            subject: identity.subject(),
            subscribe,
            publish,
            issued_at: unix_now,
            expires_at: unix_now.saturating_add(LIFETIME_SECONDS),
            jti: Some(connection_id),
            bound_to: None,
        };
        self.key.mint(&facts, &ClaimPaths::default())
    }
}

/// The members that make up a public key (RFC 7518 section 6.2.1, RFC 8037 section 2), in the order
/// of their names.
fn public_jwk(algorithm: Algorithm, raw: &[u8]) -> Option<Value> {
    let text = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
    if algorithm == Algorithm::EdDsa {
        return (raw.len() == 32).then(|| json!({ "crv": "Ed25519", "kty": "OKP", "x": text(raw) }));
    }
    // An uncompressed point (SEC 1 section 2.3.3).
    let point = raw.strip_prefix(&[4]).filter(|point| point.len() == 64)?;
    let (x, y) = point.split_at_checked(32)?;
    Some(json!({ "crv": "P-256", "kty": "EC", "x": text(x), "y": text(y) }))
}

/// RFC 7638: the members are in the order of their names already.
fn thumbprint(jwk: &Value) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, jwk.to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::support::identity;
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};

    fn check(assertions: &Assertions, algorithm: jsonwebtoken::Algorithm) {
        let who = identity(&["lobby", "news.*"], &["lobby"]);
        let token = assertions.assert(&who, "/legacy", "00ff", 2_000_000_000).expect("an assertion");
        let keys: JwkSet = serde_json::from_str(assertions.key_set()).expect("a JWKS");
        let header = decode_header(&token).expect("a header");
        let jwk = keys.find(&header.kid.expect("a kid")).expect("the key of the kid");
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&["/legacy"]);
        validation.set_issuer(&["portcullis"]);
        let key = DecodingKey::from_jwk(jwk).expect("a key");
        let claims = decode::<Value>(&token, &key, &validation).expect("a good signature").claims;
        assert_eq!(claims["sub"], "alice");
        assert_eq!(claims["jti"], "00ff");
        assert_eq!(
            (claims["iat"].as_u64(), claims["exp"].as_u64()),
            (Some(2_000_000_000), Some(2_000_000_060))
        );
        assert_eq!(claims["portcullis"]["subscribe"], json!(["lobby", "news.*"]));
    }

    #[test]
    fn a_backend_can_check_an_assertion_with_the_published_key() {
        check(&Assertions::generate().expect("a key"), jsonwebtoken::Algorithm::ES256);
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
        let pem = Secret::new(pair.serialize_pem().into_bytes());
        check(&Assertions::from_pem(&pem).expect("a key"), jsonwebtoken::Algorithm::EdDSA);
    }

    #[test]
    fn a_key_that_cannot_sign_assertions_is_told() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
        let fault = Assertions::from_pem(&Secret::new(pair.serialize_pem().into_bytes())).expect_err("P-384");
        assert!(fault.to_string().contains("P-256"), "{fault}");
    }

    #[test]
    fn a_thumbprint_is_that_of_the_standard() {
        // RFC 8037 appendix A.3.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let jwk = public_jwk(Algorithm::EdDsa, &URL_SAFE_NO_PAD.decode(x).expect("octets")).expect("a key");
        assert_eq!(thumbprint(&jwk), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
