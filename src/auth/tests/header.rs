//! Owns tests of headers in whole tokens, signed so that only the header is at fault.
//! Never knows claims.

use super::super::*;
use super::forge::*;
use crate::rejection::Rejection;
use serde_json::json;

fn token(header: &str) -> String {
    forge(header, &good_claims().to_string(), |octets| P256.sign(Algorithm::Es256, octets))
}

#[test]
fn a_good_token_is_accepted() {
    let identity = verify(&verifier(), &good_token()).expect("an identity");
    assert_eq!(&**identity.subject(), "alice");
    assert_eq!(identity.jti(), Some("1"));
    assert_eq!(identity.issuer(), Some(ISSUER));
    assert_eq!(identity.ends_at(), Some(NOW + 605));
}

#[test]
fn a_header_that_would_change_the_rules_is_refused_although_it_is_signed() {
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("jku", json!("https://evil.example/jwks")),
        ("jwk", json!({"kty": "EC"})),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["MII"])),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
        ("p2c", json!(2_147_483_647)),
        ("typ", json!("at+jwt")),
        ("typ", json!("")),
        ("typ", json!(["JWT"])),
    ] {
        let header = with(good_header(), name, value.clone()).to_string();
        assert_eq!(refusal(&verifier(), &token(&header)), Rejection::TokenHeader, "{name}: {value}");
    }
    let no_type = without(good_header(), "typ").to_string();
    assert_eq!(refusal(&verifier(), &token(&no_type)), Rejection::TokenHeader);
    for (name, value) in [
        ("x5t", json!("abc")),
        ("x5t#S256", json!("abc")),
        ("ours", json!({"a": 1})),
        ("typ", json!("application/jwt")),
    ] {
        let header = with(good_header(), name, value).to_string();
        assert!(verify(&verifier(), &token(&header)).is_ok(), "{name}");
    }
}

#[test]
fn a_header_parameter_twice_is_refused() {
    for header in [
        format!(r#"{{"alg":"ES256","alg":"ES256","typ":"JWT","kid":"{KID}"}}"#),
        format!(r#"{{"alg":"ES256","alg":"none","typ":"JWT","kid":"{KID}"}}"#),
        format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{KID}","k\u0069d":"{KID}"}}"#),
        format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{KID}","x":{{"a":1,"a":1}}}}"#),
    ] {
        assert_eq!(refusal(&verifier(), &token(&header)), Rejection::TokenMalformed, "{header}");
    }
}

#[test]
fn a_key_is_chosen_by_an_exact_kid_and_by_nothing_else() {
    let verifier = Verifier::new(vec![issuer(vec![
        key(Algorithm::Es256, Some(KID)),
        P256_OTHER.key(Algorithm::Es256, Some("2026-02")),
    ])]);
    assert!(verify(&verifier, &good_token()).is_ok());
    for kid in [
        json!("2026-03"),
        json!("2026-0"),
        json!("2026-01 "),
        json!(" 2026-01"),
        json!("../../dev/null"),
        json!("' OR 1=1"),
        json!("*"),
        json!("2026-01\0"),
        json!("k".repeat(129)),
        json!(""),
        json!(1),
        json!(null),
        json!([KID]),
        json!({"kid": KID}),
    ] {
        let header = with(good_header(), "kid", kid.clone()).to_string();
        assert_eq!(refusal(&verifier, &token(&header)), Rejection::TokenKeyUnknown, "{kid}");
    }
    // The other key of the same issuer did not make this signature.
    let other = with(good_header(), "kid", json!("2026-02")).to_string();
    assert_eq!(refusal(&verifier, &token(&other)), Rejection::TokenSignature);
    // With two keys nothing chooses, with one there is nothing to choose.
    let no_kid = without(good_header(), "kid").to_string();
    assert_eq!(refusal(&verifier, &token(&no_kid)), Rejection::TokenKeyUnknown);
    assert!(verify(&super::forge::verifier(), &token(&no_kid)).is_ok());
}

#[test]
fn a_token_in_another_form_than_compact_is_refused() {
    let good = good_token();
    let [header, claims, signature] = good.split('.').collect::<Vec<_>>().try_into().expect("three parts");
    for (bad, reason) in [
        (format!("{header}.{claims}"), Rejection::TokenMalformed),
        (format!("{header}.{claims}.{signature}.{signature}"), Rejection::TokenMalformed),
        (format!("{header}.{header}.{claims}.{signature}.{signature}"), Rejection::TokenMalformed),
        (format!("{good}="), Rejection::TokenMalformed),
        (format!("{good}=="), Rejection::TokenMalformed),
        (format!("{header}=.{claims}.{signature}"), Rejection::CredentialMalformed),
        (format!("{good}\n"), Rejection::CredentialMalformed),
        (format!(" {good}"), Rejection::CredentialMalformed),
        (
            format!(r#"{{"protected":"{header}","payload":"{claims}","signature":"{signature}"}}"#),
            Rejection::CredentialMalformed,
        ),
        (good.replace('.', ".."), Rejection::TokenMalformed),
        (format!(".{claims}.{signature}"), Rejection::TokenMalformed),
        (format!("{header}..{signature}"), Rejection::TokenClaims),
        (format!("{header}.{claims}."), Rejection::TokenSignature),
        ("..".to_owned(), Rejection::TokenMalformed),
    ] {
        assert_eq!(refusal(&verifier(), &bad), reason, "{bad}");
    }
}

#[test]
fn a_byte_order_mark_or_another_encoding_is_refused() {
    let marked = format!("\u{feff}{}", good_header());
    assert_eq!(refusal(&verifier(), &token(&marked)), Rejection::TokenMalformed);
    let utf16: Vec<u8> = good_header().to_string().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let signed = format!("{}.{}", encoded(utf16), encoded(good_claims().to_string()));
    let bad = format!("{signed}.{}", encoded(P256.sign(Algorithm::Es256, signed.as_bytes())));
    assert_eq!(refusal(&verifier(), &bad), Rejection::TokenMalformed);
    let marked = format!("\u{feff}{}", good_claims());
    assert_eq!(refusal(&verifier(), &token_with(&marked)), Rejection::TokenClaims);
}
