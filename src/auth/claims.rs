//! Owns the rules for the claims of a token (RFC 7519 section 4).
//! Never knows keys or signatures.

use super::claim_path::value_at;
use super::clean_name::is_clean_name;
use super::issuer::Issuer;
use super::json::{Bounds, Json, Object};
use super::lifetime::{Lifetimes, Times};
use super::verifier::SubjectNeed;
use crate::rejection::Rejection;
use crate::room::RoomPattern;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;

/// A claims set whose form is right. Not one claim is trusted.
pub(super) struct ClaimsSet<'a>(Object<'a>);

/// What a token says, judged.
pub(super) struct Facts {
    pub(super) subject: Arc<str>,
    pub(super) jti: Option<Box<str>>,
    pub(super) issued_at: Option<u64>,
    pub(super) ends_at: Option<u64>,
    pub(super) subscribe: Vec<RoomPattern>,
    pub(super) publish: Vec<RoomPattern>,
    /// The SHA-256 of the certificate that its holder must show.
    pub(super) bound_to: Option<Box<[u8; 32]>>,
}

impl<'a> ClaimsSet<'a> {
    /// # Errors
    /// [`Rejection::TokenClaims`] for anything but one strict JSON object, also for two
    /// claims of one name at any depth.
    pub(super) fn parse(text: &'a str) -> Result<ClaimsSet<'a>, Rejection> {
        Object::parse(text, BOUNDS).map(ClaimsSet).map_err(|_| Rejection::TokenClaims)
    }

    /// The issuer that the token names. Used to look up whose keys could verify it, before
    /// anything is known to be true.
    pub(super) fn issuer(&self) -> Result<Option<&str>, Rejection> {
        self.text("iss")
    }

    /// Judges every claim against what `issuer` promised. Only for a token whose signature a
    /// key of that issuer verified; `iss` is not judged again, as it led to that issuer. A
    /// claim that is there must fit, also where it need not be there.
    ///
    /// # Errors
    /// [`Rejection::TokenClaims`] for a claim that is missing or of the wrong form, else the
    /// reason that is named after the claim.
    pub(super) fn judge(
        &self,
        issuer: &Issuer,
        lifetimes: &Lifetimes,
        now: u64,
        need: SubjectNeed,
    ) -> Result<Facts, Rejection> {
        let times = Times {
            expires_at: self.date("exp")?,
            not_before: self.date("nbf")?,
            issued_at: self.date("iat")?,
        };
        if (issuer.require.aud && self.0.get("aud").is_none())
            || (issuer.require.exp && times.expires_at.is_none())
        {
            return Err(Rejection::TokenClaims);
        }
        self.judge_audience(&issuer.audience)?;
        let ends_at = times.judge(lifetimes, now)?;
        Ok(Facts {
            subject: self.subject(&issuer.claims.subject, need)?.into(),
            jti: self.token_id()?.map(Box::from),
            issued_at: times.issued_at,
            ends_at,
            subscribe: self.patterns(&issuer.claims.subscribe)?,
            publish: self.patterns(&issuer.claims.publish)?,
            bound_to: self.binding()?,
        })
    }

    /// `aud` is a string, or an array of strings of which one is ours (RFC 7519 section 4.1.3).
    fn judge_audience(&self, audience: &str) -> Result<(), Rejection> {
        let for_us = match self.0.get("aud") {
            None => true,
            Some(Json::String(one)) => one == audience,
            Some(Json::Array(several)) => {
                if !several.iter().all(|one| matches!(one, Json::String(_))) {
                    return Err(Rejection::TokenClaims);
                }
                several.iter().any(|one| matches!(one, Json::String(one) if one == audience))
            }
            Some(Json::Integer(_) | Json::Object(_) | Json::Other) => return Err(Rejection::TokenClaims),
        };
        if for_us { Ok(()) } else { Err(Rejection::TokenAudience) }
    }

    /// The subject is required of everybody who stays: limits, logs and revocation go by it. Empty
    /// where it is not there and need not be.
    fn subject(&self, path: &str, need: SubjectNeed) -> Result<&str, Rejection> {
        let _also_where_it_is_not_the_subject = self.text("sub")?;
        match value_at(&self.0, path).map_err(|_| Rejection::TokenClaims)? {
            Some(Json::String(subject)) if is_clean_name(subject) => Ok(subject),
            None if need == SubjectNeed::Optional => Ok(""),
            None | Some(Json::String(_)) => Err(Rejection::TokenSubject),
            Some(Json::Integer(_) | Json::Array(_) | Json::Object(_) | Json::Other) => {
                Err(Rejection::TokenClaims)
            }
        }
    }

    fn token_id(&self) -> Result<Option<&str>, Rejection> {
        match self.text("jti")? {
            Some(jti) if !is_clean_name(jti) => Err(Rejection::TokenClaims),
            jti => Ok(jti),
        }
    }

    /// Room patterns; a claim that is not there grants nothing.
    fn patterns(&self, path: &str) -> Result<Vec<RoomPattern>, Rejection> {
        match value_at(&self.0, path).map_err(|_| Rejection::TokenClaims)? {
            None => Ok(Vec::new()),
            Some(Json::Array(patterns)) if patterns.len() <= PATTERNS_MAX => patterns
                .iter()
                .map(|pattern| match pattern {
                    Json::String(pattern) => RoomPattern::parse(pattern).ok_or(Rejection::TokenClaims),
                    Json::Integer(_) | Json::Array(_) | Json::Object(_) | Json::Other => {
                        Err(Rejection::TokenClaims)
                    }
                })
                .collect(),
            Some(Json::Integer(_) | Json::String(_) | Json::Array(_) | Json::Object(_) | Json::Other) => {
                Err(Rejection::TokenClaims)
            }
        }
    }

    /// `cnf` (RFC 7800): by which key or certificate the holder must prove itself. A token that asks for a
    /// proof that is not known here is good with nobody.
    fn binding(&self) -> Result<Option<Box<[u8; 32]>>, Rejection> {
        let confirmation = match self.0.get("cnf") {
            None => return Ok(None),
            Some(Json::Object(confirmation)) => confirmation,
            Some(Json::Integer(_) | Json::String(_) | Json::Array(_) | Json::Other) => {
                return Err(Rejection::TokenBinding);
            }
        };
        let Some(Json::String(thumbprint)) = confirmation.get("x5t#S256").filter(|_| confirmation.len() == 1)
        else {
            return Err(Rejection::TokenBinding);
        };
        let decoded = URL_SAFE_NO_PAD.decode(thumbprint.as_bytes()).map_err(|_| Rejection::TokenBinding)?;
        let sha256 = <[u8; 32]>::try_from(decoded).map_err(|_| Rejection::TokenBinding)?;
        Ok(Some(Box::new(sha256)))
    }

    fn text(&self, name: &str) -> Result<Option<&str>, Rejection> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(Json::Integer(_) | Json::Array(_) | Json::Object(_) | Json::Other) => {
                Err(Rejection::TokenClaims)
            }
        }
    }

    /// A NumericDate without a fraction. The RFC allows one; nobody needs it, and a number
    /// that two readers round differently is two tokens.
    fn date(&self, name: &str) -> Result<Option<u64>, Rejection> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Json::Integer(seconds)) => Ok(Some(*seconds)),
            Some(Json::String(_) | Json::Array(_) | Json::Object(_) | Json::Other) => {
                Err(Rejection::TokenClaims)
            }
        }
    }
}

/// A token of 4 KiB holds 3 KiB of JSON at most; these keep the tree of it under 64 KiB.
const BOUNDS: Bounds = Bounds { depth: 16, values: 1024, members: 128 };
const PATTERNS_MAX: usize = 256;
