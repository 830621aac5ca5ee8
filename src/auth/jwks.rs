//! Owns which keys of a JWK Set are taken (RFC 7517).
//! Never knows where the set came from.

use super::algorithm::Algorithm;
use super::json::{Bounds, Json, Object};
use super::key::Key;
use super::key_fault::KeyFault;
use super::public_key::PublicKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// See [`Key::from_jwks`].
pub(super) fn keys(json: &[u8], algorithms: &[Algorithm]) -> Result<Vec<Key>, KeyFault> {
    if json.len() > SET_BYTES_MAX {
        return Err(KeyFault::new("the JWK Set is over 64 KiB: give one with fewer keys"));
    }
    let no_set =
        || KeyFault::new(r#"this is no JWK Set: a JSON object {"keys": [...]} without a member twice"#);
    let text = std::str::from_utf8(json).map_err(|_| no_set())?;
    let set = Object::parse(text, BOUNDS).map_err(|_| no_set())?;
    let Some(Json::Array(members)) = set.get("keys") else { return Err(no_set()) };
    if members.len() > KEYS_MAX {
        return Err(KeyFault::new(format!(
            "the JWK Set has {} keys: {KEYS_MAX} at most are taken",
            members.len()
        )));
    }

    let keys: Vec<Key> = members.iter().filter_map(|member| key(member, algorithms)).collect();
    if keys.is_empty() {
        let names: Vec<_> = algorithms.iter().map(|algorithm| algorithm.name()).collect();
        return Err(KeyFault::new(format!(
            "no key of the JWK Set is a public key for signatures by {}: compare kty, crv, alg and use with `algorithms`",
            names.join(", ")
        )));
    }
    for (at, key) in keys.iter().enumerate() {
        if keys.iter().take(at).any(|other| other.kid() == key.kid()) {
            let kid = key.kid().unwrap_or("none");
            return Err(KeyFault::new(format!(
                "two keys of the JWK Set have the same kid ({kid}): remove one"
            )));
        }
    }
    Ok(keys)
}

/// The key of a member, or nothing where it is not one for us.
fn key(member: &Json<'_>, algorithms: &[Algorithm]) -> Option<Key> {
    let Json::Object(jwk) = member else { return None };
    if !is_for_verifying(jwk) {
        return None;
    }
    let public_key = public_key(jwk)?;
    let algorithm = match jwk.get("alg") {
        Some(name) => Algorithm::parse(text(name)?)?,
        // An RSA key that names no algorithm fits two. One key, one algorithm: it is taken
        // only where the operator has chosen between them.
        None => only(algorithms.iter().copied().filter(|algorithm| public_key.fits(*algorithm)))?,
    };
    if !algorithms.contains(&algorithm) || !public_key.fits(algorithm) {
        return None;
    }
    let kid = match jwk.get("kid") {
        Some(kid) => Some(text(kid)?),
        None => None,
    };
    Key::of_public_key(&public_key, algorithm, kid).ok()
}

/// `use` and `key_ops` say what a key is for (RFC 7517 sections 4.2 and 4.3).
fn is_for_verifying(jwk: &Object<'_>) -> bool {
    let by_use = jwk.get("use").is_none_or(|purpose| text(purpose) == Some("sig"));
    let by_operations = jwk.get("key_ops").is_none_or(|operations| match operations {
        Json::Array(operations) => operations.iter().any(|operation| text(operation) == Some("verify")),
        Json::Integer(_) | Json::String(_) | Json::Object(_) | Json::Other => false,
    });
    by_use && by_operations
}

/// `oct` is not here: a shared secret that stands in a document is none (and a public key
/// that is read as one lets everybody sign).
fn public_key(jwk: &Object<'_>) -> Option<PublicKey> {
    let curve = || jwk.get("crv").and_then(text);
    match jwk.get("kty").and_then(text)? {
        "RSA" => PublicKey::rsa(&octets(jwk, "n")?, &octets(jwk, "e")?).ok(),
        "EC" => match curve()? {
            "P-256" => PublicKey::p256(&point(jwk)?).ok(),
            "P-384" => PublicKey::p384(&point(jwk)?).ok(),
            _ => None,
        },
        "OKP" if curve()? == "Ed25519" => PublicKey::ed25519(&octets(jwk, "x")?).ok(),
        _ => None,
    }
}

/// The uncompressed form of a point. Both coordinates have full length (RFC 7518 section
/// 6.2.1.2), so that only their sum needs to be judged if they are as long as each other.
fn point(jwk: &Object<'_>) -> Option<Vec<u8>> {
    let (x, y) = (octets(jwk, "x")?, octets(jwk, "y")?);
    (x.len() == y.len()).then(|| [&[4], &*x, &*y].concat())
}

fn octets(jwk: &Object<'_>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk.get(name)?)?).ok()
}

fn text<'j>(value: &'j Json<'_>) -> Option<&'j str> {
    match value {
        Json::String(text) => Some(text),
        Json::Integer(_) | Json::Array(_) | Json::Object(_) | Json::Other => None,
    }
}

/// The one item, if there is exactly one.
fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}

const SET_BYTES_MAX: usize = 64 * 1024;
const KEYS_MAX: usize = 64;
const BOUNDS: Bounds = Bounds { depth: 8, values: 4096, members: 64 };
