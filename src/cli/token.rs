//! Owns `portcullis token`, and the minting of a token with a configuration's own key.
//! Never knows how a token is signed.

use super::args::TokenArgs;
use super::{Stop, serve};
use crate::auth::ClaimPaths;
use crate::auth::{SigningKey, TokenFacts};
use crate::config;
use crate::net::tls::Certificate;
use crate::room::RoomPattern;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt::Display;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Prints a token, alone on its line.
pub(super) fn run(args: &TokenArgs, out: &mut dyn Write) -> Result<(), Stop> {
    let signer = Signer::open(&args.config)?;
    let max = signer.max_lifetime();
    if args.ttl > max {
        return Err(Stop::failed(format!(
            "A token of {} s would be refused: auth.max_token_lifetime is {} s.\n\
             Ask for a shorter --ttl, or raise auth.max_token_lifetime in {}.",
            args.ttl.as_secs(),
            max.as_secs(),
            args.config.display()
        )));
    }
    let grants = Grants { subscribe: &args.subscribe, publish: &args.publish };
    let bound_to = args.cnf_certificate.as_deref().map(thumbprint).transpose()?;
    let validity = Validity::from_now(SystemTime::now(), args.ttl);
    let token = signer.mint(&args.sub, &grants, validity, bound_to.as_ref())?;
    writeln!(out, "{token}")
        .and_then(|()| out.flush())
        .map_err(|error| Stop::failed(format!("stdout: {error}")))
}

/// SHA-256 of the first certificate in a PEM file.
fn thumbprint(path: &Path) -> Result<[u8; 32], Stop> {
    let told = |why: &dyn Display| Stop::failed(format!("--cnf-certificate {}: {why}", path.display()));
    let mut pem = Vec::new();
    File::open(path)
        .and_then(|file| file.take(PEM_TAKEN).read_to_end(&mut pem))
        .map_err(|error| told(&error))?;
    if pem.len() > PEM_BYTES_MAX {
        return Err(told(
            &"it is too long for a certificate: name the PEM file of the peer's own certificate",
        ));
    }
    Certificate::from_pem(&pem)
        .map(|certificate| certificate.sha256())
        .map_err(|fault| told(&format!("{}; {}", fault.message, fault.help)))
}

/// Certificates with all their issuers are far shorter.
const PEM_BYTES_MAX: usize = 1 << 20;
const PEM_TAKEN: u64 = (1 << 20) + 1;

/// The rooms that a token opens, as patterns.
pub(super) struct Grants<'a> {
    /// Rooms to enter.
    pub(super) subscribe: &'a [RoomPattern],
    /// Rooms to write into.
    pub(super) publish: &'a [RoomPattern],
}

/// When a token was issued and when it ends, in seconds since 1970 (RFC 7519 section 2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    pub(super) issued_at: u64,
    pub(super) expires_at: u64,
}

impl Validity {
    /// From now on, for this long.
    pub(super) fn from_now(now: SystemTime, ttl: Duration) -> Validity {
        let issued_at = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Validity { issued_at, expires_at: issued_at.saturating_add(ttl.as_secs()) }
    }
}

/// A configuration's signing key with the facts that its own verifier will ask for.
pub(super) struct Signer {
    key: SigningKey,
    issuer: Box<str>,
    audience: Box<str>,
    typ: Box<str>,
    kid: Option<Box<str>>,
    claims: ClaimPaths,
    max_lifetime: Duration,
}

impl Signer {
    /// Reads the signing key that the configuration names, and finds the issuer for which it
    /// signs: the one that has its public key.
    pub(super) fn open(path: &Path) -> Result<Signer, Stop> {
        let signing = config::signing(path).map_err(|failure| Stop::failed(serve::told(&failure)))?;
        let fault = |why: &str| Stop::failed(format!("auth.signing_key of {}: {why}", path.display()));
        let key = || SigningKey::from_file(&signing.key).map_err(|told| fault(&told.0));
        // Judged before any issuer is looked for: its fault is told as its own.
        let _ = key()?;
        for issuer in signing.verifier.issuers() {
            for public in &issuer.keys {
                let Ok(key) = key()?.with_algorithm(public.algorithm()) else { continue };
                if key.is_pair_of(public) {
                    return Ok(Signer {
                        key,
                        issuer: issuer.issuer.clone(),
                        audience: issuer.audience.clone(),
                        typ: issuer.typ.clone(),
                        kid: public.kid().map(Into::into),
                        claims: issuer.claims.clone(),
                        max_lifetime: signing.lifetimes.max_token_lifetime,
                    });
                }
            }
        }
        Err(fault(
            "it belongs to no key under [[auth.issuer]]; name the private key of one of them, or for HS256 the file of its \
                   secret_file",
        ))
    }

    /// The longest lifetime that the gateway accepts.
    pub(super) fn max_lifetime(&self) -> Duration {
        self.max_lifetime
    }

    /// A signed token with an identifier of its own, good with one certificate alone where there is one.
    pub(super) fn mint(
        &self,
        subject: &str,
        grants: &Grants<'_>,
        validity: Validity,
        bound_to: Option<&[u8; 32]>,
    ) -> Result<String, Stop> {
        let jti = fresh_jti()?;
        let facts = TokenFacts {
            issuer: &self.issuer,
            audience: &self.audience,
            typ: &self.typ,
            kid: self.kid.as_deref(),
            subject,
            subscribe: grants.subscribe,
            publish: grants.publish,
            issued_at: validity.issued_at,
            expires_at: validity.expires_at,
            jti: Some(&jti),
            bound_to,
        };
        self.key.mint(&facts, &self.claims).map_err(|fault| Stop::failed(fault.0))
    }
}

/// 128 random bits: no two tokens share an identifier (RFC 7519 section 4.1.7).
fn fresh_jti() -> Result<String, Stop> {
    let mut bits = [0; 16];
    aws_lc_rs::rand::fill(&mut bits)
        .map_err(|_| Stop::failed("The system gives no random numbers, so no token can be made."))?;
    Ok(URL_SAFE_NO_PAD.encode(bits))
}
