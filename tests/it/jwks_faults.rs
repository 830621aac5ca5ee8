//! Owns the stories of an issuer that answers wrongly, slowly or too much.
//! Never knows how the gateway reads an answer.

use crate::support::issuer::{Publisher, by, issuer_toml, jwks, key, listening};
use crate::support::pki::Ca;
use crate::support::web::{ok, with_status};
use crate::support::{Gateway, ISSUER, Setup, SigningKey, Web};
use serde_json::json;
use std::time::{Duration, Instant};

fn fetches(gateway: &Gateway, outcome: &str) -> f64 {
    gateway.metric("portcullis_key_fetches_total", &[("issuer", ISSUER), ("outcome", outcome)])
}

/// The gateway has no keys, and says why.
fn failed(gateway: &mut Gateway, outcome: &str, words: &str) {
    gateway.log.event(words, |line| {
        line["event"] == "keys_not_fetched"
            && line["detail"].as_str().is_some_and(|detail| detail.contains(words))
    });
    gateway.wait_until(outcome, |gateway| fetches(gateway, outcome) > 0.5);
    assert_eq!(gateway.internal().get("/readyz").status, 503);
}

fn spawned(prepare: impl FnOnce(&Publisher)) -> (Publisher, Gateway) {
    let setup = Setup::new();
    let publisher = Publisher::new(&setup.ca);
    prepare(&publisher);
    let gateway = listening(publisher.configured(setup, ""));
    (publisher, gateway)
}

#[test]
fn a_server_that_is_silent_for_five_seconds_is_given_up_and_nobody_waits_for_it() {
    let one = key("one");
    let began = Instant::now();
    let (publisher, mut gateway) = spawned(|publisher| publisher.web.hang());
    gateway.wait_until("the question", |_| !publisher.web.heads().is_empty());
    assert_eq!(gateway.ask(&by(&gateway, "alice", &one)).status, 401);
    assert!(fetches(&gateway, "timeout") < 0.5, "the handshake waited for the fetch");
    failed(&mut gateway, "timeout", "it took too long");
    assert!(began.elapsed() >= Duration::from_secs(5));
    publisher.publish(&[&one]);
    gateway.wait_until("the next try", |gateway| gateway.ask(&by(gateway, "alice", &one)).status == 101);
}

#[test]
fn a_set_of_64_kib_is_taken_and_one_of_an_octet_more_is_not() {
    let one = key("one");
    let padded = |length: usize| {
        let set = jwks(&[&one]);
        let padding = " ".repeat(length - set.len());
        ok(&(set + &padding))
    };
    let (_publisher, mut gateway) = spawned(|publisher| publisher.web.answer(padded(64 << 10)));
    gateway.wait_until("keys", |gateway| gateway.internal().get("/readyz").status == 200);
    gateway.open(&by(&gateway, "alice", &one)).settle();
    let (_publisher, mut gateway) = spawned(|publisher| publisher.web.answer(padded((64 << 10) + 1)));
    failed(&mut gateway, "too_big", "larger than is taken");
}

#[test]
fn a_redirect_is_not_followed() {
    let setup = Setup::new();
    let elsewhere = Publisher::new(&setup.ca);
    elsewhere.publish(&[&key("one")]);
    let location = elsewhere.url("localhost");
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let (publisher, mut gateway) = spawned(|publisher| {
            publisher.web.answer(with_status(status, &[("Location", &location)], ""));
        });
        failed(&mut gateway, "status", &format!("the status {}", &status[..3]));
        assert!(publisher.web.connections() >= 1);
    }
    assert_eq!(elsewhere.web.connections(), 0);
}

#[test]
fn a_server_of_another_authority_is_asked_nothing() {
    let setup = Setup::new().file("ca.pem", Ca::new().pem(), 0o644);
    let publisher = Publisher::new(&setup.ca);
    publisher.publish(&[&key("one")]);
    let mut gateway = listening(publisher.configured(setup, ""));
    failed(&mut gateway, "tls", "TLS failed");
    assert!(publisher.web.heads().is_empty());
}

#[test]
fn a_server_that_is_not_there_or_speaks_no_tls_gives_nothing() {
    let plain = Web::http();
    let url = format!("https://127.0.0.1:{}/jwks.json", plain.port());
    let issuer = issuer_toml(ISSUER, &url, "");
    let mut gateway = listening(Setup::new().toml(&format!("auth.issuer = [{issuer}]")));
    failed(&mut gateway, "timeout", "it took too long");
    let closed = crate::support::setup::free_address();
    let issuer = issuer_toml(ISSUER, &format!("https://{closed}/"), "");
    let mut gateway = listening(Setup::new().toml(&format!("auth.issuer = [{issuer}]")));
    failed(&mut gateway, "connect", "no connection is taken there");
}

#[test]
fn a_set_that_cannot_be_taken_whole_leaves_the_keys_that_are_there() {
    let (one, two) = (key("one"), key("two"));
    let setup = Setup::new();
    let publisher = Publisher::new(&setup.ca);
    publisher.publish(&[&one]);
    let mut gateway = publisher.configured(setup, ", jwks_refresh = '1s'").start();
    let mut alice = gateway.open(&by(&gateway, "alice", &one));
    let many: Vec<SigningKey> = (0..11).map(|number| key(&format!("k{number}"))).collect();
    let eleven: Vec<&SigningKey> = many.iter().collect();
    let secret =
        json!({"kty": "oct", "k": "c3dvcmRmaXNoLXN3b3JkZmlzaC1zd29yZGZpc2g", "kid": "s", "alg": "HS256"});
    let mut nameless = two.jwk();
    nameless.as_object_mut().expect("an object").remove("kid");
    for (name, body) in [
        ("no JSON", "<html>swordfish</html>".to_owned()),
        ("no set", "[]".to_owned()),
        ("an empty set", "{\"keys\":[]}".to_owned()),
        ("a member twice", format!("{{\"keys\":[],\"keys\":[{}]}}", two.jwk())),
        ("a shared secret alone", json!({"keys": [secret]}).to_string()),
        ("the same kid twice", jwks(&[&two, &key("two")])),
        ("a key without a kid beside another", json!({"keys": [one.jwk(), nameless]}).to_string()),
        ("eleven keys", jwks(&eleven)),
        ("half of it", jwks(&[&two])[..50].to_owned()),
    ] {
        let before = fetches(&gateway, "unusable");
        publisher.web.answer(ok(&body));
        gateway.wait_until(name, |gateway| fetches(gateway, "unusable") > before + 0.5);
        assert_eq!(gateway.ask(&by(&gateway, "bob", &one)).status, 101, "{name}");
        assert_eq!(gateway.ask(&by(&gateway, "bob", &two)).status, 401, "{name}");
    }
    alice.settle();
    assert!(gateway.log.lines().iter().all(|line| !line.contains("swordfish")));
    // A secret beside a public key is passed over, as in a file; ten keys are taken.
    let ten: Vec<_> = eleven[..9].iter().map(|key| key.jwk()).chain([one.jwk(), secret]).collect();
    publisher.web.answer(ok(&json!({ "keys": ten }).to_string()));
    gateway.wait_until("ten keys", |gateway| gateway.metric("portcullis_keys", &[]) > 9.5);
    alice.settle();
}
