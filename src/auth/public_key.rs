//! Owns public keys as values: which kind, how big, which algorithm they fit.
//! Never knows which issuer they belong to.

use super::algorithm::Algorithm;
use super::key_fault::KeyFault;
use jsonwebtoken::DecodingKey;
use x509_cert::der::asn1::UintRef;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode as _, Reader, SliceReader};
use x509_cert::spki::SubjectPublicKeyInfoRef;

/// A public key of a kind that some algorithm takes.
pub(super) enum PublicKey {
    /// Modulus and exponent, big-endian, without leading zeros.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    /// An uncompressed point on P-256: 4, x, y.
    P256(Vec<u8>),
    /// An uncompressed point on P-384: 4, x, y.
    P384(Vec<u8>),
    /// 32 octets (RFC 8032).
    Ed25519(Vec<u8>),
}

impl PublicKey {
    /// What tells it from other keys of its kind.
    pub(super) fn octets(&self) -> &[u8] {
        match self {
            PublicKey::Rsa { modulus, .. } => modulus,
            PublicKey::P256(point) | PublicKey::P384(point) | PublicKey::Ed25519(point) => point,
        }
    }

    /// Takes a SubjectPublicKeyInfo in DER (RFC 5280 section 4.1.2.7): what is in a PEM
    /// section `PUBLIC KEY`.
    pub(super) fn from_spki(der: &[u8]) -> Result<PublicKey, KeyFault> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| damaged())?;
        let octets = info.subject_public_key.as_bytes().ok_or_else(damaged)?;
        if info.algorithm.oid == RSA {
            return PublicKey::from_pkcs1(octets);
        }
        if info.algorithm.oid == ED25519 {
            return PublicKey::ed25519(octets);
        }
        if info.algorithm.oid != EC {
            return Err(KeyFault::new(
                "the key is of a kind that no algorithm here takes: give an RSA, P-256, P-384 or Ed25519 key",
            ));
        }
        let curve = info.algorithm.parameters_oid().map_err(|_| {
            KeyFault::new("the curve of the key is not a named one: give a P-256 or P-384 key")
        })?;
        if curve == P256 {
            PublicKey::p256(octets)
        } else if curve == P384 {
            PublicKey::p384(octets)
        } else {
            Err(KeyFault::new(
                "the key is on a curve that no algorithm here takes: give a P-256 or P-384 key",
            ))
        }
    }

    /// Takes an RSAPublicKey in DER (RFC 8017 appendix A.1.1): what is in a PEM section
    /// `RSA PUBLIC KEY`.
    pub(super) fn from_pkcs1(der: &[u8]) -> Result<PublicKey, KeyFault> {
        let (modulus, exponent) = rsa_numbers(der).map_err(|_| damaged())?;
        PublicKey::rsa(modulus.as_bytes(), exponent.as_bytes())
    }

    /// An RSA key of 2048 to 8192 bits (RFC 7518 section 3.3) with an exponent that is odd
    /// and more than 1: with 1, every message is its own signature.
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<PublicKey, KeyFault> {
        let (modulus, exponent) = (without_leading_zeros(modulus), without_leading_zeros(exponent));
        let bits = bits(modulus);
        if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
            return Err(KeyFault::new(format!(
                "the RSA key has {bits} bits: {RSA_BITS_MIN} to {RSA_BITS_MAX} are taken: openssl genpkey -algorithm RSA \
                 -pkeyopt rsa_keygen_bits:3072"
            )));
        }
        let odd = exponent.last().is_some_and(|octet| octet % 2 == 1);
        if !odd || exponent == [1] || exponent.len() > RSA_EXPONENT_BYTES_MAX {
            return Err(KeyFault::new("the RSA key has an exponent that is not safe: make a new key"));
        }
        Ok(PublicKey::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
    }

    /// A point on P-256.
    pub(super) fn p256(point: &[u8]) -> Result<PublicKey, KeyFault> {
        uncompressed(point, P256_POINT_BYTES).map(PublicKey::P256)
    }

    /// A point on P-384.
    pub(super) fn p384(point: &[u8]) -> Result<PublicKey, KeyFault> {
        uncompressed(point, P384_POINT_BYTES).map(PublicKey::P384)
    }

    /// An Ed25519 key.
    pub(super) fn ed25519(octets: &[u8]) -> Result<PublicKey, KeyFault> {
        if octets.len() == ED25519_BYTES { Ok(PublicKey::Ed25519(octets.to_vec())) } else { Err(damaged()) }
    }

    /// Whether the key may be used with an algorithm. P-256 and P-384 have one each, which
    /// the library does not bind by itself.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        match self {
            PublicKey::Rsa { .. } => matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256),
            PublicKey::P256(_) => algorithm == Algorithm::Es256,
            PublicKey::P384(_) => algorithm == Algorithm::Es384,
            PublicKey::Ed25519(_) => algorithm == Algorithm::EdDsa,
        }
    }

    /// What kind it is, and what it fits, for an operator.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            PublicKey::Rsa { .. } => "an RSA key, for RS256 or PS256",
            PublicKey::P256(_) => "a P-256 key, for ES256",
            PublicKey::P384(_) => "a P-384 key, for ES384",
            PublicKey::Ed25519(_) => "an Ed25519 key, for EdDSA",
        }
    }

    /// The key as the library takes it.
    pub(super) fn decoding_key(&self) -> DecodingKey {
        match self {
            PublicKey::Rsa { modulus, exponent } => DecodingKey::from_rsa_raw_components(modulus, exponent),
            PublicKey::P256(point) | PublicKey::P384(point) => DecodingKey::from_ec_der(point),
            PublicKey::Ed25519(octets) => DecodingKey::from_ed_der(octets),
        }
    }
}

fn rsa_numbers(der: &[u8]) -> x509_cert::der::Result<(UintRef<'_>, UintRef<'_>)> {
    let mut reader = SliceReader::new(der)?;
    let numbers =
        reader.sequence(|inner| -> x509_cert::der::Result<_> { Ok((inner.decode()?, inner.decode()?)) })?;
    reader.finish()?;
    Ok(numbers)
}

fn uncompressed(point: &[u8], length: usize) -> Result<Vec<u8>, KeyFault> {
    if matches!(point.first(), Some(2 | 3)) {
        return Err(KeyFault::new(
            "the point of the key is compressed: openssl ec -pubin -in FILE -conv_form uncompressed -out NEWFILE",
        ));
    }
    if point.first() == Some(&4) && point.len() == length { Ok(point.to_vec()) } else { Err(damaged()) }
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn bits(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |octet| octet.leading_zeros());
    number.len().saturating_mul(8).saturating_sub(usize::try_from(unused).unwrap_or(0))
}

fn damaged() -> KeyFault {
    KeyFault::new("the key cannot be read: the file is damaged")
}

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const RSA_BITS_MIN: usize = 2048;
const RSA_BITS_MAX: usize = 8192;
const RSA_EXPONENT_BYTES_MAX: usize = 4;
const P256_POINT_BYTES: usize = 65;
const P384_POINT_BYTES: usize = 97;
const ED25519_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    /// A number of so many bits.
    fn number(bits: usize) -> Vec<u8> {
        let mut octets = vec![0xFF; bits.div_ceil(8)];
        if let Some(first) = octets.first_mut() {
            *first >>= (8 - bits % 8) % 8;
        }
        octets
    }

    #[test]
    fn an_rsa_key_has_2048_to_8192_bits_and_an_exponent_that_is_safe() {
        let exponent = [1, 0, 1];
        for (bits, fits) in [(2047, false), (2048, true), (3072, true), (8192, true), (8193, false)] {
            assert_eq!(PublicKey::rsa(&number(bits), &exponent).is_ok(), fits, "{bits} bits");
        }
        for (exponent, fits) in [
            (&[3][..], true),
            (&[1, 0, 1], true),
            (&[0, 0, 1, 0, 1], true),
            (&[0xFF, 0xFF, 0xFF, 0xFF], true),
            (&[1, 0, 0, 0, 1], false),
            (&[1], false),
            (&[0, 1], false),
            (&[2], false),
            (&[], false),
        ] {
            assert_eq!(PublicKey::rsa(&number(2048), exponent).is_ok(), fits, "{exponent:?}");
        }
    }
}
