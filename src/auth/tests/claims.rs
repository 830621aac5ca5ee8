//! Owns tests of claims, each in a token that our issuer signed.
//! Never knows headers.

use super::super::*;
use super::forge::*;
use crate::rejection::Rejection;
use serde_json::{Value, json};

/// Sets one claim, and tells the verdict.
fn verdict(name: &str, value: Value) -> Option<Rejection> {
    verify(&verifier(), &token_with(&with(good_claims(), name, value).to_string())).err()
}

/// The same with a value that serde_json could not hold.
fn verdict_raw(name: &str, raw: &str) -> Option<Rejection> {
    let claims = without(good_claims(), name).to_string();
    let claims = claims.replacen('{', &format!("{{\"{name}\":{raw},"), 1);
    verify(&verifier(), &token_with(&claims)).err()
}

#[test]
fn exp_is_a_whole_number_of_seconds_that_has_not_passed() {
    for raw in [
        "null",
        "\"1800000600\"",
        "1800000600.5",
        "1800000600.0",
        "1.8e9",
        "-1",
        "1e300",
        "1e400",
        "18446744073709551616",
        "true",
        "[]",
        "{}",
        "NaN",
    ] {
        assert_eq!(verdict_raw("exp", raw), Some(Rejection::TokenClaims), "{raw}");
    }
    assert_eq!(verdict_raw("exp", "18446744073709551615"), Some(Rejection::TokenLifetime));
    assert_eq!(verdict_raw("exp", "9223372036854775808"), Some(Rejection::TokenLifetime));
    let missing = token_with(&without(good_claims(), "exp").to_string());
    assert_eq!(refusal(&verifier(), &missing), Rejection::TokenClaims);
    for (exp, right) in [
        (NOW + 1, None),
        (NOW - 4, None),
        (NOW - 5, Some(Rejection::TokenExpired)),
        (NOW - 6, Some(Rejection::TokenExpired)),
        (0, Some(Rejection::TokenExpired)),
    ] {
        assert_eq!(verdict("exp", json!(exp)), right, "{exp}");
    }
}

#[test]
fn nbf_and_iat_are_whole_numbers_that_are_not_in_the_future() {
    for name in ["nbf", "iat"] {
        for raw in ["null", "\"1\"", "1.5", "1.0", "-1", "1e300", "[1]", "false"] {
            assert_eq!(verdict_raw(name, raw), Some(Rejection::TokenClaims), "{name} {raw}");
        }
        for (start, right) in [
            (NOW - 9, None),
            (NOW + 5, None),
            (NOW + 6, Some(Rejection::TokenNotYetValid)),
            (u64::MAX, Some(Rejection::TokenNotYetValid)),
        ] {
            assert_eq!(verdict(name, json!(start)), right, "{name} {start}");
        }
    }
}

#[test]
fn a_token_that_lives_too_long_is_refused() {
    let day = 86_400;
    assert_eq!(verdict("exp", json!(NOW + day)), None);
    assert_eq!(verdict("exp", json!(NOW + day + 1)), Some(Rejection::TokenLifetime));
    let since_now =
        |exp: u64| token_with(&with(without(good_claims(), "iat"), "exp", json!(exp)).to_string());
    assert!(verify(&verifier(), &since_now(NOW + day)).is_ok());
    assert_eq!(refusal(&verifier(), &since_now(NOW + day + 1)), Rejection::TokenLifetime);
}

#[test]
fn iss_is_exactly_a_configured_one() {
    for value in [json!(123), json!(null), json!([ISSUER]), json!({"a": ISSUER}), json!(true)] {
        assert_eq!(verdict("iss", value.clone()), Some(Rejection::TokenClaims), "{value}");
    }
    for value in [
        "",
        "https://evil.example",
        "https://id.example.com/",
        "HTTPS://id.example.com",
        "https://id.example.com\0",
        " https://id.example.com",
    ] {
        assert_eq!(verdict("iss", json!(value)), Some(Rejection::TokenIssuer), "{value}");
    }
    let missing = token_with(&without(good_claims(), "iss").to_string());
    assert_eq!(refusal(&verifier(), &missing), Rejection::TokenClaims);
}

#[test]
fn aud_names_us() {
    for value in [json!("chat"), json!(["chat"]), json!(["other", "chat"])] {
        assert_eq!(verdict("aud", value.clone()), None, "{value}");
    }
    for value in [
        json!(""),
        json!("other"),
        json!("chat "),
        json!("Chat"),
        json!("chat2"),
        json!([]),
        json!(["other"]),
        json!(["cha", "t"]),
    ] {
        assert_eq!(verdict("aud", value.clone()), Some(Rejection::TokenAudience), "{value}");
    }
    for value in [
        json!(1),
        json!(null),
        json!({"chat": 1}),
        json!(["chat", 1]),
        json!(["chat", null]),
        json!([["chat"]]),
        json!(true),
    ] {
        assert_eq!(verdict("aud", value.clone()), Some(Rejection::TokenClaims), "{value}");
    }
    let missing = token_with(&without(good_claims(), "aud").to_string());
    assert_eq!(refusal(&verifier(), &missing), Rejection::TokenClaims);
}

#[test]
fn the_subject_is_a_clean_name() {
    for value in ["alice", "Zo\u{eb}", &*"a".repeat(256)] {
        assert_eq!(verdict("sub", json!(value)), None, "{value}");
    }
    for value in
        ["", "a\nb", "\u{1b}[31m", "a\u{202e}b", "a\0", "\u{2028}", "\u{2066}x", "\u{85}", &*"a".repeat(257)]
    {
        assert_eq!(verdict("sub", json!(value)), Some(Rejection::TokenSubject), "{value:?}");
    }
    for value in [json!(1), json!(null), json!(["alice"]), json!({})] {
        assert_eq!(verdict("sub", value.clone()), Some(Rejection::TokenClaims), "{value}");
    }
    // Half a surrogate pair is no text at all, wherever it stands.
    for raw in [r#""\ud800""#, r#""a\udfff""#, r#""\ude00\ud83d""#] {
        assert_eq!(verdict_raw("sub", raw), Some(Rejection::TokenClaims), "{raw}");
    }
    assert_eq!(verdict_raw("sub", r#""\ud83d\ude00""#), None);
    let missing = token_with(&without(good_claims(), "sub").to_string());
    assert_eq!(refusal(&verifier(), &missing), Rejection::TokenSubject);
}

#[test]
fn the_subject_is_where_the_issuer_has_it_and_sub_must_still_fit() {
    let at_username = |path: &str| {
        let claims = ClaimPaths { subject: path.into(), ..ClaimPaths::default() };
        Verifier::new(vec![Issuer { claims, ..issuer(vec![key(Algorithm::Es256, Some(KID))]) }])
    };
    let named = with(without(good_claims(), "sub"), "username", json!("bob"));
    let subject = |verifier: &Verifier, claims: &Value| {
        verify(verifier, &token_with(&claims.to_string())).map(|identity| identity.subject().to_string())
    };
    assert_eq!(subject(&at_username("username"), &named), Ok("bob".to_owned()));
    let both = with(named.clone(), "sub", json!("alice"));
    assert_eq!(subject(&at_username("username"), &both), Ok("bob".to_owned()));
    let wrong = with(named.clone(), "sub", json!(7));
    assert_eq!(subject(&at_username("username"), &wrong), Err(Rejection::TokenClaims));
    assert_eq!(subject(&at_username("username"), &good_claims()), Err(Rejection::TokenSubject));
    let nested = with(good_claims(), "user", json!({"name": "carol"}));
    assert_eq!(subject(&at_username("user.name"), &nested), Ok("carol".to_owned()));
}

#[test]
fn jti_is_a_clean_name_where_there_is_one() {
    assert_eq!(verdict("jti", json!("x".repeat(256))), None);
    for value in [json!(1), json!(null), json!(""), json!("a\nb"), json!("x".repeat(257)), json!([])] {
        assert_eq!(verdict("jti", value.clone()), Some(Rejection::TokenClaims), "{value}");
    }
    let missing = token_with(&without(good_claims(), "jti").to_string());
    assert_eq!(verify(&verifier(), &missing).expect("an identity").jti(), None);
}

#[test]
fn a_claim_twice_is_refused_at_any_depth() {
    let good = good_claims().to_string();
    for twice in [
        r#""sub":"alice","#,
        r#""exp":1,"#,
        r#""role":"a","role":"b","#,
        r#""x":{"a":1,"a":1},"#,
        r#""x":[{"a":1,"b":{"c":1,"c":2}}],"#,
        r#""s\u0075b":"mallory","#,
    ] {
        let claims = good.replacen('{', &format!("{{{twice}"), 1);
        assert_eq!(refusal(&verifier(), &token_with(&claims)), Rejection::TokenClaims, "{twice}");
    }
    let once = good.replacen('{', r#"{"role":"a","x":{"sub":"a","exp":"b"},"#, 1);
    assert!(verify(&verifier(), &token_with(&once)).is_ok());
}

#[test]
fn a_claims_set_that_is_too_deep_too_wide_or_too_long_is_refused() {
    let nested = |levels: usize| {
        good_claims().to_string().replacen(
            '{',
            &format!("{{\"x\":{}{},", "[".repeat(levels), "]".repeat(levels)),
            1,
        )
    };
    assert!(verify(&verifier(), &token_with(&nested(15))).is_ok());
    assert_eq!(refusal(&verifier(), &token_with(&nested(16))), Rejection::TokenClaims);
    assert_eq!(refusal(&verifier(), &token_with(&nested(200))), Rejection::TokenClaims);
    let wide = |members: usize| {
        (0..members).fold(good_claims(), |claims, at| with(claims, &format!("x{at}"), json!(1))).to_string()
    };
    assert!(verify(&verifier(), &token_with(&wide(100))).is_ok());
    assert_eq!(refusal(&verifier(), &token_with(&wide(130))), Rejection::TokenClaims);
    assert_eq!(refusal(&verifier(), &token_with(&wide(10_000))), Rejection::TokenTooLong);
    let long = with(good_claims(), "x", json!("y".repeat(1 << 20))).to_string();
    assert_eq!(refusal(&verifier(), &token_with(&long)), Rejection::TokenTooLong);
}

#[test]
fn claims_that_need_not_be_there_must_fit_where_they_are() {
    let lax = || {
        let require = Required { iss: false, aud: false, exp: false };
        Verifier::new(vec![Issuer { require, ..issuer(vec![key(Algorithm::Es256, Some(KID))]) }])
    };
    let bare = token_with(&json!({"sub": "alice"}).to_string());
    let identity = verify(&lax(), &bare).expect("an identity");
    assert_eq!((&**identity.subject(), identity.ends_at()), ("alice", None));
    assert_eq!(refusal(&verifier(), &bare), Rejection::TokenClaims);
    for (name, value, reason) in [
        ("iss", json!("https://evil.example"), Rejection::TokenIssuer),
        ("iss", json!(1), Rejection::TokenClaims),
        ("aud", json!("other"), Rejection::TokenAudience),
        ("aud", json!([]), Rejection::TokenAudience),
        ("exp", json!(NOW - 60), Rejection::TokenExpired),
        ("exp", json!(1.5), Rejection::TokenClaims),
        ("exp", json!(NOW + 100_000), Rejection::TokenLifetime),
        ("nbf", json!(NOW + 60), Rejection::TokenNotYetValid),
        ("jti", json!(1), Rejection::TokenClaims),
    ] {
        let claims = with(json!({"sub": "alice"}), name, value.clone()).to_string();
        assert_eq!(refusal(&lax(), &token_with(&claims)), reason, "{name}: {value}");
    }
}
