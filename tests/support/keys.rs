//! Owns the keys that sign the tests' tokens, one algorithm each.
//! Never knows claims.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{KeyPair, RsaKeySize};
use rustls::pki_types::pem::PemObject as _;
use std::path::Path;

/// The algorithms that the gateway knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alg {
    Hs256,
    Rs256,
    Ps256,
    Es256,
    Es384,
    EdDsa,
}

impl Alg {
    pub(crate) const ALL: [Alg; 6] = [Alg::Hs256, Alg::Rs256, Alg::Ps256, Alg::Es256, Alg::Es384, Alg::EdDsa];

    /// The name in a token's header and in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Alg::Hs256 => "HS256",
            Alg::Rs256 => "RS256",
            Alg::Ps256 => "PS256",
            Alg::Es256 => "ES256",
            Alg::Es384 => "ES384",
            Alg::EdDsa => "EdDSA",
        }
    }

    fn library(self) -> Algorithm {
        match self {
            Alg::Hs256 => Algorithm::HS256,
            Alg::Rs256 => Algorithm::RS256,
            Alg::Ps256 => Algorithm::PS256,
            Alg::Es256 => Algorithm::ES256,
            Alg::Es384 => Algorithm::ES384,
            Alg::EdDsa => Algorithm::EdDSA,
        }
    }
}

/// A key that signs tokens.
pub(crate) struct SigningKey {
    pub(crate) alg: Alg,
    pub(crate) kid: String,
    /// PEM of the public key; empty for a shared secret.
    pub(crate) public_pem: String,
    /// PEM of the private key; empty for a shared secret.
    pub(crate) private_pem: String,
    /// The shared secret; empty for the others.
    pub(crate) secret: Vec<u8>,
    encoding: EncodingKey,
}

impl SigningKey {
    pub(crate) fn generate(alg: Alg) -> SigningKey {
        SigningKey::with_kid(alg, &format!("test-{}", alg.name().to_lowercase()))
    }

    pub(crate) fn with_kid(alg: Alg, kid: &str) -> SigningKey {
        let pair = match alg {
            Alg::Hs256 => return SigningKey::shared(random_octets(), kid),
            Alg::Rs256 | Alg::Ps256 => rsa_pair(),
            Alg::Es256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key"),
            Alg::Es384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key"),
            Alg::EdDsa => KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key"),
        };
        let private_pem = pair.serialize_pem();
        let encoding = match alg {
            Alg::Hs256 => unreachable!("returned above"),
            Alg::Rs256 | Alg::Ps256 => EncodingKey::from_rsa_pem(private_pem.as_bytes()),
            Alg::Es256 | Alg::Es384 => EncodingKey::from_ec_pem(private_pem.as_bytes()),
            Alg::EdDsa => EncodingKey::from_ed_pem(private_pem.as_bytes()),
        };
        SigningKey {
            alg,
            kid: kid.to_owned(),
            public_pem: pair.public_key_pem(),
            private_pem,
            secret: Vec::new(),
            encoding: encoding.expect("a key that was just made"),
        }
    }

    /// A key of HS256 from these octets: also a forger's, who has only a public key.
    pub(crate) fn shared(secret: Vec<u8>, kid: &str) -> SigningKey {
        SigningKey {
            alg: Alg::Hs256,
            kid: kid.to_owned(),
            public_pem: String::new(),
            private_pem: String::new(),
            encoding: EncodingKey::from_secret(&secret),
            secret,
        }
    }

    /// A key of the gateway's own making, to sign what it would not.
    pub(crate) fn from_private_pem(alg: Alg, kid: &str, pem: &str) -> SigningKey {
        let encoding = match alg {
            Alg::EdDsa => EncodingKey::from_ed_pem(pem.as_bytes()),
            Alg::Es256 | Alg::Es384 => EncodingKey::from_ec_pem(pem.as_bytes()),
            Alg::Rs256 | Alg::Ps256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
            Alg::Hs256 => panic!("not a private key"),
        };
        SigningKey {
            alg,
            kid: kid.to_owned(),
            public_pem: String::new(),
            private_pem: pem.to_owned(),
            secret: Vec::new(),
            encoding: encoding.expect("a private key"),
        }
    }

    /// The same key under another algorithm of its family (RS256 as PS256).
    pub(crate) fn used_as(&self, alg: Alg) -> SigningKey {
        SigningKey::from_private_pem(alg, &self.kid, &self.private_pem)
    }

    /// The public half as a member of a JWK Set (RFC 7517).
    pub(crate) fn jwk(&self) -> serde_json::Value {
        let pem = rustls::pki_types::SubjectPublicKeyInfoDer::from_pem_slice(self.public_pem.as_bytes());
        let spki = pem.expect("a public key");
        let tail = |octets: usize| &spki[spki.len() - octets..];
        let encode = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        let mut jwk = match self.alg {
            Alg::Es256 => {
                let (x, y) = tail(64).split_at(32);
                serde_json::json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)})
            }
            Alg::EdDsa => serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": encode(tail(32))}),
            Alg::Hs256 | Alg::Rs256 | Alg::Ps256 | Alg::Es384 => panic!("not needed by a test"),
        };
        jwk["kid"] = self.kid.as_str().into();
        jwk["alg"] = self.alg.name().into();
        jwk
    }

    /// `base64url(header).base64url(claims).base64url(signature)`, whatever the texts are.
    pub(crate) fn sign_texts(&self, header: &[u8], claims: &[u8]) -> String {
        self.sign_parts(&URL_SAFE_NO_PAD.encode(header), &URL_SAFE_NO_PAD.encode(claims))
    }

    /// Signs two parts as they stand, so that their encoding can be wrong.
    pub(crate) fn sign_parts(&self, header: &str, claims: &str) -> String {
        let message = format!("{header}.{claims}");
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.encoding, self.alg.library());
        format!("{message}.{}", signature.expect("a signature"))
    }
}

/// Thirty-two octets that no other test has.
pub(crate) fn random_octets() -> Vec<u8> {
    let pair = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let public = pair.public_key_raw();
    public.to_vec()
}

/// An RSA key takes long to find, so one is kept under the target directory, never in the repository.
fn rsa_pair() -> KeyPair {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rsa-2048.pem");
    if let Some(pair) = std::fs::read_to_string(&kept).ok().and_then(|pem| KeyPair::from_pem(&pem).ok()) {
        return pair;
    }
    let pair = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
    let mut file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a file");
    std::io::Write::write_all(&mut file, pair.serialize_pem().as_bytes()).expect("written");
    file.persist(&kept).expect("kept");
    pair
}
