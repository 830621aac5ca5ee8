//! Owns the attacks on the credential: none, in the wrong place, forged.
//! Never knows the answers, nor the key of an issuer.

use super::attack::Severity::{High, Medium};
use super::attack::{Attack, Attempt, Untested};
use super::request::{Honest, Request};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const FORGED: &str = "whoever writes a token is whoever the token says";
const NO_JWT: Untested = "the token is no JSON Web Token";

/// In the order in which they are tried.
pub(super) const TOKENS: &[Attack] = &[
    Attack {
        id: "token-missing",
        severity: High,
        what: "no credential",
        meaning: "whoever reaches the port is let in, and nobody knows who it is",
        reference: "RFC 6455 section 10.5, CWE-306",
        attempt: Attempt::Handshake(|honest| honest.request().remove("Authorization")),
    },
    Attack {
        id: "token-garbage",
        severity: High,
        what: "a bearer token that is none",
        meaning: FORGED,
        reference: "RFC 6750 section 3.1, CWE-287",
        attempt: Attempt::Handshake(|honest| with(honest, "probe.probe.probe")),
    },
    Attack {
        id: "token-two",
        severity: Medium,
        what: "two Authorization fields",
        meaning: "two parts of a system may each judge another one of them",
        reference: "RFC 6750 section 2",
        attempt: Attempt::WithToken(|honest, _| {
            Ok(honest.request().add("Authorization", "Bearer probe.probe.probe"))
        }),
    },
    Attack {
        id: "token-in-query",
        severity: Medium,
        what: "the token in the query alone",
        meaning: "a URL is written into logs and histories, and the token with it",
        reference: "RFC 6750 section 2.3, RFC 9700 section 4.3.2, CWE-598",
        attempt: Attempt::WithToken(|honest, token| {
            let mark = if honest.target.contains('?') { '&' } else { '?' };
            let query = format!("token={token}&access_token={token}");
            let line = format!("GET {}{mark}{query} HTTP/1.1", honest.target);
            Ok(honest.request().remove("Authorization").line(line))
        }),
    },
    forged("token-signature", "the token with another signature", "RFC 7515 section 5.2, CWE-347", |parts| {
        Some(format!("{}.{}.{}", parts.header, parts.claims, URL_SAFE_NO_PAD.encode([7; 64])))
    }),
    forged("token-unsigned", "the token without its signature", "RFC 7515 section 5.2, CWE-347", |parts| {
        Some(format!("{}.{}.", parts.header, parts.claims))
    }),
    forged(
        "token-claims",
        "other claims under the same signature",
        "RFC 7515 section 5.2, CWE-347",
        |parts| {
            let claims = changed(parts.claims, "sub", json!("portcullis-probe"))?;
            Some(format!("{}.{claims}.{}", parts.header, parts.signature))
        },
    ),
    forged("token-none", "alg: none", "RFC 8725 section 3.1, CWE-347", |parts| unsigned(parts, "none")),
    forged("token-none-case", "alg: nOnE", "RFC 8725 section 3.1, CWE-347", |parts| unsigned(parts, "nOnE")),
    forged("token-empty-key", "HS256 with an empty secret", "RFC 7518 section 3.2, CWE-1391", |parts| {
        hs256(parts, b"")
    }),
    forged("token-weak-key", "HS256 with the secret \"secret\"", "RFC 7518 section 3.2, CWE-1391", |parts| {
        hs256(parts, b"secret")
    }),
    Attack {
        id: "token-expired",
        severity: High,
        what: "a token whose time is over",
        meaning: "a token that was once stolen is good for ever",
        reference: "RFC 7519 section 4.1.4, CWE-613",
        attempt: Attempt::Never("an expired token has to be signed by its issuer"),
    },
];

/// The three parts of a compact JWS (RFC 7515 section 7.1).
#[derive(Debug)]
pub(super) struct Parts<'a> {
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
}

/// The handshake with what `forge` makes of the token.
///
/// # Errors
/// The token is not of a form that can be taken apart.
pub(super) fn forge(
    honest: &Honest,
    token: &str,
    forge: fn(&Parts<'_>) -> Option<String>,
) -> Result<Request, Untested> {
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(NO_JWT);
    };
    let forged = forge(&Parts { header, claims, signature }).ok_or(NO_JWT)?;
    Ok(with(honest, &forged))
}

fn with(honest: &Honest, token: &str) -> Request {
    honest.request().set("Authorization", &format!("Bearer {token}"))
}

const fn forged(
    id: &'static str,
    what: &'static str,
    reference: &'static str,
    forge: fn(&Parts<'_>) -> Option<String>,
) -> Attack {
    Attack { id, severity: High, what, meaning: FORGED, reference, attempt: Attempt::Forged(forge) }
}

fn unsigned(parts: &Parts<'_>, alg: &str) -> Option<String> {
    Some(format!("{}.{}.", changed(parts.header, "alg", json!(alg))?, parts.claims))
}

fn hs256(parts: &Parts<'_>, secret: &[u8]) -> Option<String> {
    let signed = format!("{}.{}", changed(parts.header, "alg", json!("HS256"))?, parts.claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag)))
}

/// A part with another value of one member.
fn changed(part: &str, name: &str, value: Value) -> Option<String> {
    let octets = URL_SAFE_NO_PAD.decode(part).ok()?;
    let mut object: serde_json::Map<String, Value> = serde_json::from_slice(&octets).ok()?;
    object.insert(name.to_owned(), value);
    Some(URL_SAFE_NO_PAD.encode(Value::Object(object).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_forged_part_by_part_and_what_is_no_token_is_left_alone() {
        // {"alg":"ES256"}.{"sub":"a"}
        let parts = Parts { header: "eyJhbGciOiJFUzI1NiJ9", claims: "eyJzdWIiOiJhIn0", signature: "c2ln" };
        assert_eq!(unsigned(&parts, "none").as_deref(), Some("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."));
        // The same as `printf HEAD.CLAIMS | openssl dgst -sha256 -hmac secret`.
        assert_eq!(
            hs256(&parts, b"secret").as_deref(),
            Some("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.UUtsUaeO3koQylSZ3wxP4lqVvgFw6mGsVzGNBNF_1sQ")
        );
        let honest = Honest {
            host: "a".to_owned(),
            target: "/".to_owned(),
            origin: "https://a".to_owned(),
            token: None,
        };
        for token in ["opaque", "a.b", "a.b.c.d", "!.b.c"] {
            assert_eq!(forge(&honest, token, |parts| unsigned(parts, "none")).err(), Some(NO_JWT), "{token}");
        }
    }
}
