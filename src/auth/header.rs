//! Owns the rules for a JOSE header (RFC 7515 section 4).
//! Never knows keys or claims.

use super::algorithm::Algorithm;
use super::json::{Bounds, Json, Object};
use crate::rejection::Rejection;

/// What a header says, once its form is right. None of it is trusted.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<Box<str>>,
    typ: Option<Box<str>>,
}

impl Header {
    /// Judges the form of a header. Parameters that nobody defined are ignored, as the RFC
    /// says; the dangerous ones among the defined are not.
    ///
    /// # Errors
    /// [`Rejection::TokenMalformed`] if it is no strict JSON object; then
    /// [`Rejection::TokenHeader`], [`Rejection::TokenAlgorithm`] or
    /// [`Rejection::TokenKeyUnknown`].
    pub(super) fn parse(text: &str) -> Result<Header, Rejection> {
        let object = Object::parse(text, BOUNDS).map_err(|_| Rejection::TokenMalformed)?;
        if FORBIDDEN.iter().any(|name| object.get(name).is_some()) {
            return Err(Rejection::TokenHeader);
        }
        let algorithm = match object.get("alg") {
            Some(Json::String(name)) => Algorithm::parse(name).ok_or(Rejection::TokenAlgorithm)?,
            None | Some(Json::Integer(_) | Json::Array(_) | Json::Object(_) | Json::Other) => {
                return Err(Rejection::TokenAlgorithm);
            }
        };
        let typ = optional_text(&object, "typ").map_err(|NotText| Rejection::TokenHeader)?;
        let kid = optional_text(&object, "kid").map_err(|NotText| Rejection::TokenKeyUnknown)?;
        if kid.as_deref().is_some_and(|kid| !is_kid(kid)) {
            return Err(Rejection::TokenKeyUnknown);
        }
        Ok(Header { algorithm, kid, typ })
    }

    /// Whether the token is of the type that an issuer's tokens have (RFC 8725 section
    /// 3.11), so that an ID token or a logout token is not taken for an access token. Case
    /// and `application/` do not count (RFC 7515 section 4.1.9). An empty `expected` takes
    /// an absent type, or `JWT`.
    pub(super) fn is_of_type(&self, expected: &str) -> bool {
        match (&self.typ, expected) {
            (None, "") => true,
            (None, _) => false,
            (Some(typ), "") => bare_type(typ).eq_ignore_ascii_case("JWT"),
            (Some(typ), expected) => bare_type(typ).eq_ignore_ascii_case(bare_type(expected)),
        }
    }
}

/// Whether a key identifier has the form of one: 1 to 128 printable ASCII characters. It is
/// compared with the configured ones and used for nothing else.
pub(super) fn is_kid(kid: &str) -> bool {
    (1..=KID_BYTES_MAX).contains(&kid.len()) && kid.bytes().all(|octet| matches!(octet, b' '..=b'~'))
}

fn bare_type(typ: &str) -> &str {
    match typ.split_at_checked(APPLICATION.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(APPLICATION) => rest,
        Some(_) | None => typ,
    }
}

struct NotText;

fn optional_text(object: &Object<'_>, name: &str) -> Result<Option<Box<str>>, NotText> {
    match object.get(name) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some((&**text).into())),
        Some(Json::Integer(_) | Json::Array(_) | Json::Object(_) | Json::Other) => Err(NotText),
    }
}

/// A parameter that would change what is verified or by what. `crit` names extensions that
/// must be understood, and none is (RFC 7515 section 4.1.11). `jku`, `jwk`, `x5u` and `x5c`
/// let a token bring its own key. The others belong to compressed, nested or encrypted
/// tokens. `x5t`, a mere thumbprint, is ignored.
const FORBIDDEN: [&str; 12] =
    ["crit", "jku", "jwk", "x5u", "x5c", "zip", "cty", "b64", "enc", "epk", "p2c", "p2s"];
const BOUNDS: Bounds = Bounds { depth: 4, values: 64, members: 32 };
const KID_BYTES_MAX: usize = 128;
const APPLICATION: &str = "application/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_header_says_its_algorithm_key_and_type() {
        let header = Header::parse(
            r#"{"alg":"ES256","kid":"2026-01","typ":"JWT","x5t":"abc","x5t#S256":"d","ours":[1]}"#,
        )
        .expect("good");
        assert_eq!(header.algorithm, Algorithm::Es256);
        assert_eq!(header.kid.as_deref(), Some("2026-01"));
        assert!(header.is_of_type("JWT"));
    }

    #[test]
    fn a_bad_header_is_refused_with_its_reason() {
        let long = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(129));
        let huge = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(10 * 1024));
        for (text, reason) in [
            ("", Rejection::TokenMalformed),
            ("[]", Rejection::TokenMalformed),
            ("\u{feff}{\"alg\":\"ES256\"}", Rejection::TokenMalformed),
            (r#"{"alg":"ES256","alg":"ES256"}"#, Rejection::TokenMalformed),
            (r#"{"alg":"ES256","\u0061lg":"none"}"#, Rejection::TokenMalformed),
            (r#"{"alg":"ES256","a":{"b":{"c":{"d":{}}}}}"#, Rejection::TokenMalformed),
            ("{}", Rejection::TokenAlgorithm),
            (r#"{"alg":"none"}"#, Rejection::TokenAlgorithm),
            (r#"{"alg":"None"}"#, Rejection::TokenAlgorithm),
            (r#"{"alg":"nOnE"}"#, Rejection::TokenAlgorithm),
            (r#"{"alg":""}"#, Rejection::TokenAlgorithm),
            (r#"{"alg":"es256"}"#, Rejection::TokenAlgorithm),
            (r#"{"alg":"RSA-OAEP"}"#, Rejection::TokenAlgorithm),
            (r#"{"alg":1}"#, Rejection::TokenAlgorithm),
            (r#"{"alg":null}"#, Rejection::TokenAlgorithm),
            (r#"{"alg":["ES256"]}"#, Rejection::TokenAlgorithm),
            (r#"{"alg":"ES256","crit":["x"]}"#, Rejection::TokenHeader),
            (r#"{"alg":"ES256","crit":[]}"#, Rejection::TokenHeader),
            (r#"{"alg":"ES256","crit":null}"#, Rejection::TokenHeader),
            (r#"{"alg":"ES256","crit":["b64"],"b64":false}"#, Rejection::TokenHeader),
            (r#"{"alg":"ES256","b64":true}"#, Rejection::TokenHeader),
            (r#"{"alg":"ES256","jku":"https://evil.example/"}"#, Rejection::TokenHeader),
            (r#"{"alg":"ES256","jwk":{}}"#, Rejection::TokenHeader),
            (r#"{"alg":"ES256","x5u":"https://evil.example/"}"#, Rejection::TokenHeader),
            (r#"{"alg":"ES256","x5c":[]}"#, Rejection::TokenHeader),
            (r#"{"alg":"ES256","zip":"DEF"}"#, Rejection::TokenHeader),
            (r#"{"alg":"ES256","cty":"JWT"}"#, Rejection::TokenHeader),
            (r#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647}"#, Rejection::TokenHeader),
            (r#"{"alg":"ES256","typ":1}"#, Rejection::TokenHeader),
            (r#"{"alg":"ES256","typ":null}"#, Rejection::TokenHeader),
            (r#"{"alg":"ES256","kid":1}"#, Rejection::TokenKeyUnknown),
            (r#"{"alg":"ES256","kid":null}"#, Rejection::TokenKeyUnknown),
            (r#"{"alg":"ES256","kid":""}"#, Rejection::TokenKeyUnknown),
            (r#"{"alg":"ES256","kid":"a\u0000"}"#, Rejection::TokenKeyUnknown),
            (r#"{"alg":"ES256","kid":"\u00e9"}"#, Rejection::TokenKeyUnknown),
            (&long, Rejection::TokenKeyUnknown),
            (&huge, Rejection::TokenKeyUnknown),
        ] {
            assert_eq!(Header::parse(text).err(), Some(reason), "{text}");
        }
    }

    #[test]
    fn a_key_identifier_has_128_characters_at_most() {
        let of = |length: usize| format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(length));
        assert!(Header::parse(&of(1)).is_ok());
        assert!(Header::parse(&of(128)).is_ok());
        assert!(Header::parse(&of(129)).is_err());
    }

    #[test]
    fn a_token_is_of_the_type_that_is_expected_and_of_no_other() {
        for (header, expected, fits) in [
            (r#"{"alg":"ES256","typ":"JWT"}"#, "JWT", true),
            (r#"{"alg":"ES256","typ":"jwt"}"#, "JWT", true),
            (r#"{"alg":"ES256","typ":"application/jwt"}"#, "JWT", true),
            (r#"{"alg":"ES256","typ":"at+jwt"}"#, "at+jwt", true),
            (r#"{"alg":"ES256","typ":"application/AT+JWT"}"#, "at+jwt", true),
            (r#"{"alg":"ES256","typ":"at+jwt"}"#, "application/at+jwt", true),
            (r#"{"alg":"ES256","typ":"at+jwt"}"#, "JWT", false),
            (r#"{"alg":"ES256","typ":"JWT"}"#, "at+jwt", false),
            (r#"{"alg":"ES256","typ":"logout+jwt"}"#, "", false),
            (r#"{"alg":"ES256","typ":""}"#, "JWT", false),
            (r#"{"alg":"ES256","typ":""}"#, "", false),
            (r#"{"alg":"ES256","typ":"JWT "}"#, "JWT", false),
            (r#"{"alg":"ES256","typ":"imagination/jwt"}"#, "JWT", false),
            (r#"{"alg":"ES256","typ":"jwt"}"#, "imagination/jwt", false),
            (r#"{"alg":"ES256"}"#, "JWT", false),
            (r#"{"alg":"ES256"}"#, "", true),
            (r#"{"alg":"ES256","typ":"JWT"}"#, "", true),
        ] {
            assert_eq!(
                Header::parse(header).expect(header).is_of_type(expected),
                fits,
                "{header} {expected}"
            );
        }
    }
}
