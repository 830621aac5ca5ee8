//! Owns a private key that signs tokens.
//! Never knows what a token says.

use super::algorithm::Algorithm;
use super::key::{Key, SECRET_BYTES_MIN};
use super::key_fault::KeyFault;
use super::pem::{self, Section};
use crate::secret::Secret;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::crypto::aws_lc;
use std::fmt;
use x509_cert::der::asn1::{ContextSpecific, OctetStringRef};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Reader, SliceReader, TagNumber};
use x509_cert::spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

/// A private key and the algorithm that it signs by. `Debug` shows no key
/// material.
#[must_use]
pub struct SigningKey {
    algorithm: Algorithm,
    encoding_key: EncodingKey,
}

/// A new key pair.
#[derive(Debug)]
pub struct GeneratedKeys {
    /// PKCS#8 in PEM.
    pub private_pem: Secret,
    /// SubjectPublicKeyInfo in PEM.
    pub public_pem: String,
}

impl SigningKey {
    /// Takes a private key in PEM: PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`) or
    /// SEC 1 (`EC PRIVATE KEY`). An RSA key signs by RS256, unless
    /// [`SigningKey::with_algorithm`] says otherwise.
    ///
    /// # Errors
    /// A sentence with the remedy for what is no private key, or is of a kind or size that
    /// is not taken.
    pub fn from_pem(pem: &Secret) -> Result<SigningKey, KeyFault> {
        let mut sections = pem::sections(pem.expose())?;
        sections.retain(|section| section.label != "EC PARAMETERS");
        let [section] = &*sections else {
            return Err(KeyFault::new(format!(
                "there are {} PEM sections in the file: give one private key",
                sections.len()
            )));
        };
        let (algorithm, encoding_key) = private_key(section)?;
        let key = SigningKey { algorithm, encoding_key };
        // The library looks into a key at its first use. Better now than then.
        key.sign(b"").map_err(|_| {
            KeyFault::new(
                "the private key cannot be used: it is damaged, or an RSA key of fewer than 2048 bits",
            )
        })?;
        Ok(key)
    }

    /// Takes the content of a file: a private key in PEM, or what is no PEM as the shared secret of
    /// HS256, less one newline at its end.
    ///
    /// # Errors
    /// A sentence with the remedy, as for [`SigningKey::from_pem`]; a secret that is too short.
    pub fn from_file(content: &Secret) -> Result<SigningKey, KeyFault> {
        let octets = content.expose();
        if octets.trim_ascii_start().starts_with(b"-----BEGIN ") {
            return SigningKey::from_pem(content);
        }
        let secret = octets.strip_suffix(b"\n").unwrap_or(octets);
        if secret.len() < SECRET_BYTES_MIN {
            return Err(KeyFault::new(format!(
                "the file is neither a private key in PEM nor a secret of {SECRET_BYTES_MIN} octets or more"
            )));
        }
        Ok(SigningKey { algorithm: Algorithm::Hs256, encoding_key: EncodingKey::from_secret(secret) })
    }

    /// A new key pair for ES256.
    ///
    /// # Errors
    /// A sentence if the cryptographic library has no random numbers.
    pub fn generate() -> Result<GeneratedKeys, KeyFault> {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
            .map_err(|_| KeyFault::new("no key could be made: the system gave no random numbers"))?;
        Ok(GeneratedKeys {
            private_pem: Secret::new(pair.serialize_pem().into_bytes()),
            public_pem: pair.public_key_pem(),
        })
    }

    /// The algorithm that the key signs by.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The same key, for the algorithm of the issuer: RS256 or PS256 with an RSA key.
    ///
    /// # Errors
    /// A sentence if the key does not fit the algorithm.
    pub fn with_algorithm(self, algorithm: Algorithm) -> Result<SigningKey, KeyFault> {
        let is_rsa = |algorithm| matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256);
        if self.algorithm == algorithm || (is_rsa(self.algorithm) && is_rsa(algorithm)) {
            return Ok(SigningKey { algorithm, ..self });
        }
        Err(KeyFault::new(format!(
            "the signing key is one for {}, and does not fit {}",
            self.algorithm.name(),
            algorithm.name()
        )))
    }

    /// Whether what this key signs is verified by that key: whether they are a pair.
    #[must_use]
    pub fn is_pair_of(&self, key: &Key) -> bool {
        self.algorithm == key.algorithm()
            && self.sign(PROBE).is_ok_and(|signature| key.verifies(PROBE, &signature))
    }

    pub(super) fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, KeyFault> {
        let fault = || KeyFault::new("the signing key cannot sign");
        let signer =
            (aws_lc::DEFAULT_PROVIDER.signer_factory)(&self.algorithm.of_library(), &self.encoding_key)
                .map_err(|_| fault())?;
        signer.try_sign(octets).map_err(|_| fault())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

fn private_key(section: &Section) -> Result<(Algorithm, EncodingKey), KeyFault> {
    let damaged = || KeyFault::new("the private key cannot be read: the file is damaged");
    match &*section.label {
        "RSA PRIVATE KEY" => Ok((Algorithm::Rs256, EncodingKey::from_rsa_der(&section.der))),
        "EC PRIVATE KEY" => {
            let curve = curve_of_sec1(&section.der).map_err(|_| damaged())?;
            let pkcs8 = pkcs8_of_sec1(&section.der, curve)?;
            Ok((algorithm_of_curve(curve)?, EncodingKey::from_ec_der(&pkcs8)))
        }
        "PRIVATE KEY" => {
            let (identifier, inner) = pkcs8_parts(&section.der).map_err(|_| damaged())?;
            if identifier.oid == RSA {
                Ok((Algorithm::Rs256, EncodingKey::from_rsa_der(inner)))
            } else if identifier.oid == ED25519 {
                Ok((Algorithm::EdDsa, EncodingKey::from_ed_der(&section.der)))
            } else if identifier.oid == EC {
                let curve = identifier.parameters_oid().map_err(|_| damaged())?;
                Ok((algorithm_of_curve(curve)?, EncodingKey::from_ec_der(&section.der)))
            } else {
                Err(KeyFault::new(NOT_TAKEN))
            }
        }
        "PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE" => Err(KeyFault::new(
            "this is no private key: tokens are signed by the private one, which belongs to the public key of the issuer",
        )),
        other => Err(KeyFault::new(format!(
            "a PEM section {other:?} is not taken: openssl pkey -in FILE -out NEWFILE"
        ))),
    }
}

/// The algorithm and the inner key of a PrivateKeyInfo (RFC 5208), also of its second
/// version (RFC 5958), whose additions are passed over.
fn pkcs8_parts(der: &[u8]) -> x509_cert::der::Result<(AlgorithmIdentifierRef<'_>, &[u8])> {
    SliceReader::new(der)?.sequence(|inner| -> x509_cert::der::Result<_> {
        let _version: u8 = inner.decode()?;
        let identifier = inner.decode()?;
        let key: &OctetStringRef = inner.decode()?;
        let _attributes_and_public_key = inner.read_slice(inner.remaining_len())?;
        Ok((identifier, key.as_bytes()))
    })
}

/// The curve that an ECPrivateKey names (RFC 5915 section 3).
fn curve_of_sec1(der: &[u8]) -> x509_cert::der::Result<ObjectIdentifier> {
    SliceReader::new(der)?.sequence(|inner| -> x509_cert::der::Result<_> {
        let _version: u8 = inner.decode()?;
        let _key: &OctetStringRef = inner.decode()?;
        let curve = ContextSpecific::<ObjectIdentifier>::decode_explicit(inner, TagNumber(0))?;
        let _public_key = inner.read_slice(inner.remaining_len())?;
        curve.map(|curve| curve.value).ok_or_else(|| x509_cert::der::ErrorKind::Failed.into())
    })
}

/// Wraps an ECPrivateKey into a PrivateKeyInfo, the only form that the library takes.
fn pkcs8_of_sec1(sec1: &[u8], curve: ObjectIdentifier) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
    let too_long = || KeyFault::new("the private key cannot be read: it is too long");
    let identifier = sequence(SEQUENCE, &[oid(EC), oid(curve)].concat()).ok_or_else(too_long)?;
    let key = Zeroizing::new(sequence(OCTET_STRING, sec1).ok_or_else(too_long)?);
    let parts = Zeroizing::new([&[2, 1, 0], &*identifier, &**key].concat());
    sequence(SEQUENCE, &parts).map(Zeroizing::new).ok_or_else(too_long)
}

/// A DER value: tag, length in its shortest form, content of up to 65,535 octets.
fn sequence(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(content.len()).ok()?;
    let [high, low] = length.to_be_bytes();
    let head: &[u8] = match length {
        0..=127 => &[tag, low],
        128..=255 => &[tag, 0x81, low],
        256.. => &[tag, 0x82, high, low],
    };
    Some([head, content].concat())
}

/// An object identifier in DER. All of ours are short.
fn oid(identifier: ObjectIdentifier) -> Vec<u8> {
    sequence(OBJECT_IDENTIFIER, identifier.as_bytes()).unwrap_or_default()
}

fn algorithm_of_curve(curve: ObjectIdentifier) -> Result<Algorithm, KeyFault> {
    if curve == P256 {
        Ok(Algorithm::Es256)
    } else if curve == P384 {
        Ok(Algorithm::Es384)
    } else {
        Err(KeyFault::new(NOT_TAKEN))
    }
}

const NOT_TAKEN: &str = "the private key is of a kind that no algorithm here takes: give an RSA, P-256, P-384 or \
                         Ed25519 key";
const PROBE: &[u8] = b"portcullis";
const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
