//! Owns a key that verifies: bound to one algorithm, and to one name at most.
//! Never knows which issuer it serves.

use super::algorithm::Algorithm;
use super::header::is_kid;
use super::jwks;
use super::key_fault::KeyFault;
use super::pem;
use super::public_key::PublicKey;
use crate::secret::Secret;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::aws_lc;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The shortest secret for HS256, in octets (RFC 7518 section 3.2).
pub const SECRET_BYTES_MIN: usize = 32;

/// A public key or shared secret, bound to exactly one algorithm (RFC 8725bis section 3.1).
/// `Debug` shows no key material.
#[derive(Clone)]
#[must_use]
pub struct Key {
    kid: Option<Box<str>>,
    algorithm: Algorithm,
    decoding_key: DecodingKey,
    fingerprint: u64,
}

impl Key {
    /// Takes one public key in PEM: `PUBLIC KEY`, or `RSA PUBLIC KEY`.
    ///
    /// # Errors
    /// A sentence with the remedy for a private key, a certificate, several keys, a key that
    /// does not fit the algorithm or is too small, and a `kid` that no token may have.
    pub fn from_public_pem(pem: &[u8], algorithm: Algorithm, kid: Option<&str>) -> Result<Key, KeyFault> {
        let public_key = public_key_of(pem)?;
        if algorithm == Algorithm::Hs256 {
            return Err(KeyFault::new(
                "HS256 takes a secret, not a public key, which everybody may know: write secret_file, or another algorithm",
            ));
        }
        if !public_key.fits(algorithm) {
            let (kind, wanted) = (public_key.kind(), algorithm.name());
            return Err(KeyFault::new(format!("this is {kind}, and does not fit {wanted}")));
        }
        Key::of_public_key(&public_key, algorithm, kid)
    }

    /// Takes a shared secret for HS256, as [`Secret::without_newline`] makes it of a file.
    ///
    /// # Errors
    /// A sentence for a secret of fewer than 32 octets, or one that is a PEM file: a public
    /// key as a secret is a secret that everybody knows.
    pub fn from_secret(secret: &Secret, kid: Option<&str>) -> Result<Key, KeyFault> {
        let octets = secret.expose();
        if octets.len() < SECRET_BYTES_MIN {
            return Err(KeyFault::new(format!(
                "the secret has {} octets: {SECRET_BYTES_MIN} or more are needed: openssl rand -base64 48",
                octets.len()
            )));
        }
        if octets.trim_ascii_start().starts_with(b"-----BEGIN ") {
            return Err(KeyFault::new(
                "this is a PEM file, not a secret: write it as `file`, or make a secret: openssl rand -base64 48",
            ));
        }
        let kid = taken_kid(kid)?;
        let (algorithm, decoding_key) = (Algorithm::Hs256, DecodingKey::from_secret(octets));
        Ok(Key { kid, algorithm, decoding_key, fingerprint: fingerprint(algorithm, octets) })
    }

    /// Takes all usable keys of a JWK Set (RFC 7517) whose algorithm is in `algorithms`:
    /// public ones, for signatures, of a kind and size that fits. Others are passed over, as
    /// the RFC says (section 5); shared secrets among them, which have no place in a
    /// published document.
    ///
    /// # Errors
    /// A sentence if it is no JWK Set, is over 64 KiB or 64 keys, names two usable keys
    /// alike, or no key of it is usable.
    pub fn from_jwks(json: &[u8], algorithms: &[Algorithm]) -> Result<Vec<Key>, KeyFault> {
        jwks::keys(json, algorithms)
    }

    pub(super) fn of_public_key(
        public_key: &PublicKey,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> Result<Key, KeyFault> {
        let fingerprint = fingerprint(algorithm, public_key.octets());
        Ok(Key { kid: taken_kid(kid)?, algorithm, decoding_key: public_key.decoding_key(), fingerprint })
    }

    /// The name by which tokens choose the key.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The one algorithm of the key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether both have the same name, algorithm and material.
    #[must_use]
    pub fn is_same_as(&self, other: &Key) -> bool {
        self.kid == other.kid && self.fingerprint == other.fingerprint
    }

    /// Tells this key from the others that the operator has configured, also after a reload.
    pub(super) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether this key and its algorithm made the signature over the octets.
    ///
    /// The provider is named here, so that no process-wide default has to be installed (the
    /// library panics at the first use without one).
    pub(super) fn verifies(&self, signed: &[u8], signature: &Vec<u8>) -> bool {
        (aws_lc::DEFAULT_PROVIDER.verifier_factory)(&self.algorithm.of_library(), &self.decoding_key)
            .is_ok_and(|verifier| verifier.verify(signed, signature).is_ok())
    }
}

/// The keys are the operator's own, so nobody seeks two with the same number.
fn fingerprint(algorithm: Algorithm, octets: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (algorithm, octets).hash(&mut hasher);
    hasher.finish()
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

fn public_key_of(pem: &[u8]) -> Result<PublicKey, KeyFault> {
    let sections = pem::sections(pem)?;
    if sections.iter().any(|section| section.label.ends_with("PRIVATE KEY")) {
        return Err(KeyFault::new(
            "this is a private key: give the public one: openssl pkey -in FILE -pubout",
        ));
    }
    if sections.iter().any(|section| section.label.ends_with("CERTIFICATE")) {
        return Err(KeyFault::new(
            "this is a certificate: give the public key of it: openssl x509 -in FILE -pubkey -noout",
        ));
    }
    let [section] = &*sections else {
        return Err(KeyFault::new(format!(
            "there are {} keys in the file: give each its own file and [[auth.issuer.key]]",
            sections.len()
        )));
    };
    match &*section.label {
        "PUBLIC KEY" => PublicKey::from_spki(&section.der),
        "RSA PUBLIC KEY" => PublicKey::from_pkcs1(&section.der),
        other => Err(KeyFault::new(format!("a PEM section {other:?} is no public key: give a PUBLIC KEY"))),
    }
}

fn taken_kid(kid: Option<&str>) -> Result<Option<Box<str>>, KeyFault> {
    match kid {
        Some(kid) if !is_kid(kid) => Err(KeyFault::new(
            "a kid has 1 to 128 printable ASCII characters: tokens with another are refused",
        )),
        kid => Ok(kid.map(Box::from)),
    }
}
