//! Owns the claims about Origin: group F of the attacks, each with its twin.
//! Never knows a credential.

use super::*;
use crate::gate::support::request_with;
use proptest::prelude::*;

fn policy(allow: &[&str]) -> Result<OriginPolicy, (usize, String)> {
    OriginPolicy::new(&allow.iter().map(|&entry| entry.to_owned()).collect::<Vec<_>>(), false)
}

fn verdict(allow: &[&str], origins: &[&str]) -> Result<(), Rejection> {
    let permitted = policy(allow).expect("origins").permit(&request_with("origin", origins).headers)?;
    assert_eq!(permitted.origin().map(Origin::as_str), origins.first().copied());
    Ok(())
}

#[test]
fn a_listed_origin_is_permitted_and_kept() {
    for origin in [
        "https://app.example",
        "http://localhost:8080",
        "https://app.example:8443",
        "https://[::1]:8443",
        "chrome-extension://abcdefghijklmnop",
    ] {
        assert_eq!(verdict(&["https://other.example", origin], &[origin]), Ok(()), "{origin}");
    }
}

#[test]
fn whatever_is_not_listed_to_the_octet_is_refused() {
    for origin in [
        "https://evil.example",
        "https://app.example.evil.com",
        "https://evilapp.example",
        "https://app.exampleX",
        "https://app.examplex",
        "https://app.exampl",
        "https://sub.app.example",
        "https://appAexample",
        "https://appaexample",
        "https://app.example`evil",
        "http://app.example",
        "wss://app.example",
        "https://app.example:8443",
        "https://app.example:443",
        "https://app.example:0443",
        "https://app.example:",
        "HTTPS://APP.EXAMPLE",
        "https://App.example",
        "https://app.example/",
        "https://app.example/path",
        "https://app.example?x",
        "https://app.example#x",
        "https://app.example.",
        "https://user@app.example",
        "https://app.example@evil.com",
        "https://app.example%2eevil.com",
        "https:\\\\app.example",
        "https:app.example",
        "//app.example",
        "app.example",
        "https://xn--pp-7ka.example",
        "https://аpp.example",
        "",
        "*",
        "NULL",
        "null.example",
        "about:blank",
        "file://",
        "chrome-extension://abcdefghijklmnop",
    ] {
        assert_eq!(
            verdict(&["https://app.example"], &[origin]),
            Err(Rejection::OriginNotAllowed),
            "{origin}"
        );
    }
}

#[test]
fn null_is_refused_whatever_is_listed() {
    for allow in [&["https://app.example"][..], &["https://*.example"], &["https://null"]] {
        assert_eq!(verdict(allow, &["null"]), Err(Rejection::OriginNull));
    }
}

#[test]
fn more_than_one_origin_is_refused_even_where_all_are_listed() {
    for origins in [
        &["https://app.example", "https://app.example"][..],
        &["https://app.example", "https://evil.example"],
        &["https://evil.example", "https://app.example"],
        &["null", "https://app.example"],
        &["https://app.example https://app.example"],
        &["https://app.example, https://evil.example"],
        &["https://app.example,https://app.example"],
        &["null https://app.example"],
        &["https://app.example\thttps://evil.example"],
    ] {
        assert_eq!(verdict(&["https://app.example"], origins), Err(Rejection::OriginMultiple), "{origins:?}");
    }
}

#[test]
fn a_missing_origin_is_permitted_only_where_the_config_says_so() {
    let headers = request_with("origin", &[]).headers;
    let allow = ["https://app.example".to_owned()];
    let strict = OriginPolicy::new(&allow, false).expect("origins");
    assert_eq!(strict.permit(&headers), Err(Rejection::OriginMissing));
    let lenient = OriginPolicy::new(&allow, true).expect("origins");
    assert_eq!(lenient.permit(&headers).map(|permitted| permitted.into_origin()), Ok(None));
    for (origin, reason) in [
        ("", Rejection::OriginNotAllowed),
        ("null", Rejection::OriginNull),
        ("https://evil.example", Rejection::OriginNotAllowed),
    ] {
        let headers = request_with("origin", &[origin]).headers;
        assert_eq!(lenient.permit(&headers), Err(reason), "{origin}");
    }
}

#[test]
fn no_other_field_stands_in_for_the_origin() {
    let allow = &["https://app.example"];
    for name in ["referer", "x-forwarded-host", "x-forwarded-origin", "x-origin", "sec-websocket-origin"] {
        let mut request = request_with("origin", &["https://evil.example"]);
        request.headers.append(name, "https://app.example".parse().expect("a field value"));
        let policy = policy(allow).expect("origins");
        assert_eq!(policy.permit(&request.headers), Err(Rejection::OriginNotAllowed), "{name}");
        request.headers.remove("origin");
        assert_eq!(policy.permit(&request.headers), Err(Rejection::OriginMissing), "{name}");
    }
}

#[test]
fn a_wildcard_stands_for_exactly_one_label() {
    let allow = &["https://*.app.example", "http://*.localhost:8080"];
    let longest = "l".repeat(63);
    for origin in [
        "https://a.app.example",
        "https://chat-1.app.example",
        "https://xn--pp-7ka.app.example",
        "https://0.app.example",
        &format!("https://{longest}.app.example"),
        "http://chat.localhost:8080",
    ] {
        assert_eq!(verdict(allow, &[origin]), Ok(()), "{origin}");
    }
    for origin in [
        "https://app.example",
        "https://.app.example",
        "https://a.b.app.example",
        "https://a.app.example.evil.example",
        "https://aapp.example",
        "https://evil.example/.app.example",
        "https://evil.example#.app.example",
        "https://evil.example?.app.example",
        "https://evil.example\\.app.example",
        "https://evil.example@.app.example",
        "https://evil@a.app.example",
        "https://evil:443.app.example",
        "https://A.app.example",
        "https://*.app.example",
        "https://-a.app.example",
        "https://a-.app.example",
        "https://a_b.app.example",
        "https://a%2eb.app.example",
        "https://ä.app.example",
        &format!("https://{longest}l.app.example"),
        "http://a.app.example",
        "https://a.app.example:8443",
        "https://a.app.example.",
        "http://chat.localhost",
        "http://chat.localhost:80",
        "http://chat.localhost:80800",
        "https://chat.localhost:8080",
    ] {
        assert_eq!(verdict(allow, &[origin]), Err(Rejection::OriginNotAllowed), "{origin}");
    }
}

#[test]
fn an_entry_that_no_browser_sends_or_that_lets_everybody_in_is_told_with_a_remedy() {
    assert_eq!(policy(&[]).map(|_| ()).expect_err("empty").0, 0);
    for (entry, remedy) in [
        ("*", "every page"),
        ("null", "sandboxed"),
        ("", "scheme"),
        ("app.example", "scheme"),
        ("about:blank", "scheme"),
        ("*.app.example", "one label"),
        ("https://*", "one label"),
        ("https://**.app.example", "one label"),
        ("https://a*.app.example", "one label"),
        ("https://a.*.example", "one label"),
        ("https://*.*.example", "one label"),
        ("https://*.127.0.0.1", "one label"),
        ("https://*.app.example/", "one label"),
        ("https://*.app.example:443", "one label"),
        ("chrome-extension://*", "https and http alone"),
        ("chrome-extension://*.x", "https and http alone"),
        ("^https://app\\.example$", "regular expressions"),
        ("https://(a|b).example", "regular expressions"),
        ("https://.*\\.example", "regular expressions"),
        ("https://[a-z]+.example", "not an origin"),
        ("https://app.example/", "no path"),
        ("https://app.example/chat", "no path"),
        ("https://App.example", "lower case"),
        ("HTTPS://app.example", "lower case"),
        ("https://äpp.example", "xn--"),
        ("https://app.example:443", "default port"),
        ("http://app.example:80", "default port"),
        ("https://app.example:0", "not an origin"),
        ("https://user@app.example", "not an origin"),
        ("https://app.example, https://b.example", "no path"),
        ("https://app example", "not an origin"),
        ("chrome-extension://id/", "no path"),
    ] {
        let (index, sentence) = policy(&["https://app.example", entry]).map(|_| ()).expect_err(entry);
        assert_eq!(index, 1, "{entry}");
        assert!(sentence.contains(remedy), "{entry}: {sentence}");
    }
}

/// One edit of a string: an octet put in, taken out or changed.
fn edited(text: &str, at: usize, octet: u8, edit: u8) -> String {
    let mut octets = text.as_bytes().to_vec();
    let at = at % (octets.len() + 1);
    match edit % 3 {
        0 => octets.insert(at, octet),
        1 if at < octets.len() => octets[at] = octet,
        _ if at < octets.len() => drop(octets.remove(at)),
        _ => octets.push(octet),
    }
    String::from_utf8(octets).expect("ASCII")
}

proptest! {
    #[test]
    fn no_string_near_a_listed_one_is_permitted(
        edits in prop::collection::vec((0usize..64, 0x21u8..0x7f, 0u8..3), 1..4),
    ) {
        let listed = "https://app.example:8443";
        let near = edits.iter().fold(listed.to_owned(), |text, &(at, octet, edit)| edited(&text, at, octet, edit));
        prop_assume!(near != listed);
        let permitted = policy(&[listed]).expect("origins").permit(&request_with("origin", &[&near]).headers);
        prop_assert!(permitted.is_err(), "{near}");
    }

    #[test]
    fn no_string_but_a_listed_one_is_permitted(text in "[ -~]{0,40}") {
        let allow = &["https://app.example", "https://*.app.example"];
        prop_assert!(policy(allow).expect("origins").permit(&request_with("origin", &[&text]).headers).is_err());
    }

    #[test]
    fn a_wildcard_permits_labels_and_nothing_else(label in "[ -~]{0,12}") {
        let origin = format!("https://{label}.app.example");
        let permitted = policy(&["https://*.app.example"]).expect("origins")
            .permit(&request_with("origin", &[&origin]).headers).is_ok();
        let is_label = !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
            && label.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'));
        prop_assert_eq!(permitted, is_label, "{}", origin);
    }
}

#[test]
fn a_session_may_stay_while_its_origin_is_listed() {
    let listed = |allow: &[&str], missing| {
        OriginPolicy::new(&allow.iter().map(|&entry| entry.to_owned()).collect::<Vec<_>>(), missing)
            .expect("origins")
    };
    let origin = |text| Origin::parse(text).expect("an origin");
    let policy = listed(&["https://app.example", "https://*.wild.example"], false);
    assert!(policy.still_permits(Some(&origin("https://app.example")), false));
    assert!(policy.still_permits(Some(&origin("https://a.wild.example")), false));
    assert!(!policy.still_permits(Some(&origin("https://evil.example")), false));
    assert!(!policy.still_permits(Some(&origin("https://a.b.wild.example")), false));
    assert!(!policy.still_permits(None, false));
    assert!(listed(&["https://app.example"], true).still_permits(None, false));
}

#[test]
fn report_only_marks_what_is_not_listed_and_never_lets_it_stay_with_a_cookie() {
    let policy = OriginPolicy::new(&["https://app.example".to_owned()], false).expect("origins");
    let policy = policy.reporting(true);
    let permit = |origin| policy.permit(&request_with("origin", &[origin]).headers);
    assert!(permit("https://app.example").expect("listed").is_listed());
    assert!(!permit("https://evil.example").expect("let in").is_listed());
    assert_eq!(permit("null"), Err(Rejection::OriginNull));
    let evil = Origin::parse("https://evil.example");
    assert!(policy.still_permits(evil.as_ref(), false) && !policy.still_permits(evil.as_ref(), true));
}

#[test]
fn the_origin_that_was_permitted_is_the_one_that_is_kept() {
    let permit = |origins: &[&str], missing| {
        let policy = OriginPolicy::new(&["https://app.example".to_owned()], missing).expect("origins");
        policy.permit(&request_with("origin", origins).headers).expect("permitted").into_origin()
    };
    assert_eq!(permit(&["https://app.example"], false), Origin::parse("https://app.example"));
    assert_eq!(permit(&[], true), None);
}
