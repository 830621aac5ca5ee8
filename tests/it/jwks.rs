//! Owns the stories of keys that an issuer publishes: fetched, turned, withdrawn, too old.
//! Never knows how the gateway asks for them.

use crate::support::gateway::run;
use crate::support::issuer::{Publisher, by, issuer_toml, jwks, key, listening};
use crate::support::web::{ok, with_status};
use crate::support::{Gateway, ISSUER, Setup, SigningKey, Token, Web};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const OFTEN: &str = ", jwks_refresh = '1s'";

fn fetches(gateway: &Gateway, outcome: &str) -> f64 {
    gateway.metric("portcullis_key_fetches_total", &[("issuer", ISSUER), ("outcome", outcome)])
}

fn is_event(line: &Value, event: &str, word: &str) -> bool {
    line["event"] == event && line["detail"].as_str().is_some_and(|detail| detail.contains(word))
}

fn wait_event(gateway: &Gateway, event: &str, word: &str) -> String {
    let line = gateway.log.event(event, |line| is_event(line, event, word));
    line["detail"].as_str().expect("a detail").to_owned()
}

fn readiness(gateway: &Gateway) -> (u16, String) {
    let answer = gateway.internal().get("/readyz");
    (answer.status, answer.text())
}

fn of_status(gateway: &Gateway) -> Value {
    let status: Value = serde_json::from_str(&gateway.internal().get("/admin/status").text()).expect("JSON");
    status["keys"].clone()
}

/// A gateway with one issuer that publishes these keys.
fn started(keys: &[&SigningKey], further: &str) -> (Publisher, Gateway) {
    let setup = Setup::new();
    let publisher = Publisher::new(&setup.ca);
    publisher.publish(keys);
    let gateway = publisher.configured(setup, further).start();
    (publisher, gateway)
}

#[test]
fn keys_are_fetched_within_the_sandbox_and_a_new_key_takes_over_by_the_first_token_that_names_it() {
    let (old, new) = (key("old"), key("new"));
    let (publisher, mut gateway) = started(&[&old], "");
    let sandboxed = gateway.log.event("the sandbox", |line| line["event"] == "sandboxed");
    assert!(sandboxed["detail"].as_str().is_some_and(|detail| detail.contains("seccomp on")), "{sandboxed}");
    gateway.open(&by(&gateway, "alice", &old)).settle();
    let head = &publisher.web.heads()[0];
    assert!(head.starts_with("GET /jwks.json HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: localhost:{}\r\n", publisher.web.port())), "{head}");

    publisher.publish(&[&old, &new]);
    // Whoever brings the news is refused: it never waits for a fetch.
    assert_eq!(gateway.ask(&by(&gateway, "bob", &new)).status, 401);
    gateway.wait_until("the new key", |gateway| gateway.ask(&by(gateway, "bob", &new)).status == 101);
    gateway.open(&by(&gateway, "alice", &old)).settle();
    assert_eq!(publisher.web.connections(), 2);
    assert!((fetches(&gateway, "fetched") - 2.0).abs() < 0.1);
    let shown = of_status(&gateway);
    assert_eq!((&shown[0]["issuer"], &shown[0]["keys"]), (&json!(ISSUER), &json!(2)), "{shown}");
    assert!(shown[0]["age_seconds"].as_u64().is_some_and(|age| age < 20), "{shown}");
    assert!((gateway.metric("portcullis_keys", &[("issuer", ISSUER)]) - 2.0).abs() < 0.1);
    assert!(gateway.metric("portcullis_keys_age_seconds", &[("issuer", ISSUER)]) < 20.0);
}

#[test]
fn the_systems_roots_are_trusted_where_no_others_are_named() {
    let key = key("one");
    for trusted in [true, false] {
        let setup = Setup::new();
        let publisher = Publisher::new(&setup.ca);
        publisher.publish(&[&key]);
        let url = publisher.url("127.0.0.1");
        let issuer = issuer_toml(ISSUER, &url, "").replace(", jwks_roots = 'ca.pem'", "");
        // What stands for the system's, as for every program that looks there.
        let authority =
            if trusted { setup.dir.path().join("ca.pem") } else { setup.dir.path().join("server.pem") };
        let setup = setup.toml(&format!("auth.issuer = [{issuer}]"));
        let mut gateway = listening(setup.env("SSL_CERT_FILE", authority.to_str().expect("UTF-8")));
        if trusted {
            gateway.wait_until("keys", |gateway| gateway.ask(&by(gateway, "alice", &key)).status == 101);
        } else {
            wait_event(&gateway, "keys_not_fetched", "TLS failed");
            assert_eq!(publisher.web.heads().len(), 0, "nothing is asked of who is not trusted");
        }
    }
}

#[test]
fn keys_that_have_not_changed_are_not_sent_again_and_are_young_again() {
    let one = key("one");
    let setup = Setup::new();
    let publisher = Publisher::new(&setup.ca);
    publisher.publish_tagged(&[&one], "\"v1\"");
    let mut gateway = publisher.configured(setup, OFTEN).start();
    let mut alice = gateway.open(&by(&gateway, "alice", &one));
    gateway.wait_until("several answers 304", |gateway| fetches(gateway, "unchanged") > 2.5);
    assert!((fetches(&gateway, "fetched") - 1.0).abs() < 0.1);
    assert!(publisher.web.heads()[1].contains("if-none-match: \"v1\"\r\n"));
    gateway.wait_until("young keys", |gateway| gateway.metric("portcullis_keys_age_seconds", &[]) < 1.5);
    let two = key("two");
    publisher.publish_tagged(&[&one, &two], "\"v2\"");
    gateway.wait_until("a new set", |gateway| gateway.ask(&by(gateway, "bob", &two)).status == 101);
    gateway.wait_until("the new tag", |_| {
        publisher.web.heads().last().is_some_and(|head| head.contains("if-none-match: \"v2\"\r\n"))
    });
    alice.settle();
}

#[test]
fn a_key_that_the_issuer_withdraws_ends_the_sessions_that_stood_on_it_and_no_others() {
    let (kept, withdrawn) = (key("kept"), SigningKey::with_kid(crate::support::Alg::EdDsa, "withdrawn"));
    let (publisher, mut gateway) = started(&[&kept, &withdrawn], OFTEN);
    let mut alice = gateway.open(&by(&gateway, "alice", &kept));
    let mut mallory = gateway.open(&by(&gateway, "mallory", &withdrawn));
    alice.settle();
    mallory.settle();
    publisher.publish(&[&kept]);
    mallory.expect_close(3003, "no_longer_admitted");
    wait_event(&gateway, "keys_changed", "keys in force: 1; sessions closed: 1");
    gateway.wait_until("refusals", |gateway| gateway.ask(&by(gateway, "mallory", &withdrawn)).status == 401);
    alice.settle();
    gateway.open(&by(&gateway, "alice", &kept)).settle();
    gateway.wait_metric("portcullis_closes_total", &[("reason", "no_longer_admitted")], 1.0);
}

#[test]
fn sessions_end_within_a_second_of_the_answer_that_withdraws_their_key() {
    let (one, two) = (key("one"), key("two"));
    let (publisher, gateway) = started(&[&one], "");
    let mut alice = gateway.open(&by(&gateway, "alice", &one));
    publisher.publish(&[&two]);
    let began = Instant::now();
    assert_eq!(gateway.ask(&by(&gateway, "bob", &two)).status, 401);
    alice.expect_close(3003, "no_longer_admitted");
    // A loaded machine may take its time; the order itself waits for nothing.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn keys_outlive_an_outage_up_to_their_age_limit_and_then_their_sessions_end() {
    let one = key("one");
    let (publisher, mut gateway) = started(&[&one], ", jwks_refresh = '1s', jwks_max_age = '4s'");
    let mut alice = gateway.open(&by(&gateway, "alice", &one));
    publisher.web.answer(with_status("500 Internal Server Error", &[], "out of order"));
    let told = wait_event(&gateway, "keys_not_fetched", "the status 500");
    assert!(told.contains("stay in force, up to 4 s"), "{told}");
    alice.settle();
    assert_eq!(gateway.ask(&by(&gateway, "bob", &one)).status, 101);
    assert_eq!(readiness(&gateway).0, 200);

    alice.expect_close(3003, "no_longer_admitted");
    assert!(wait_event(&gateway, "keys_expired", "jwks_max_age").contains("sessions closed: 1"));
    assert_eq!(gateway.ask(&by(&gateway, "bob", &one)).status, 401);
    assert_eq!(readiness(&gateway), (503, "an issuer has no keys\n".to_owned()));
    assert_eq!(of_status(&gateway)[0], json!({"issuer": ISSUER, "keys": 0, "age_seconds": null}));
    let metrics = gateway.internal().get("/metrics").text();
    assert!(!metrics.contains("portcullis_keys_age_seconds{"), "keys that are gone have no age");

    publisher.publish(&[&one]);
    gateway.wait_until("keys again", |gateway| gateway.ask(&by(gateway, "bob", &one)).status == 101);
    wait_event(&gateway, "keys_fetched_again", "are fetched again");
    assert_eq!(readiness(&gateway).0, 200);
}

#[test]
fn without_keys_the_gateway_starts_says_so_and_is_ready_when_they_come() {
    let one = key("one");
    let setup = Setup::new();
    let publisher = Publisher::new(&setup.ca);
    let mut gateway = listening(publisher.configured(setup, ""));
    let told = wait_event(&gateway, "keys_not_fetched", "the status 404");
    assert!(told.contains("there are no keys, and its tokens are refused"), "{told}");
    assert_eq!(readiness(&gateway), (503, "an issuer has no keys\n".to_owned()));
    assert_eq!(gateway.internal().get("/healthz").status, 200);
    assert_eq!(gateway.ask(&by(&gateway, "alice", &one)).status, 401);
    gateway.log.reason("token_key_unknown");
    publisher.publish(&[&one]);
    gateway.wait_until("keys", |gateway| readiness(gateway).0 == 200);
    gateway.open(&by(&gateway, "alice", &one)).settle();
}

#[test]
fn a_reload_keeps_the_keys_that_were_fetched_and_one_with_an_issuer_that_is_silent_changes_nothing() {
    let one = key("one");
    let (publisher, mut gateway) = started(&[&one], "");
    let mut alice = gateway.open(&by(&gateway, "alice", &one));
    publisher.web.answer(with_status("503 Service Unavailable", &[], ""));
    gateway.sighup();
    gateway.log.event("the reload", |line| line["event"] == "reloaded");
    alice.settle();
    gateway.open(&by(&gateway, "bob", &one)).settle();
    assert_eq!(publisher.web.connections(), 1, "an issuer that has not changed is not asked again");

    // Another place of the same host and port, which gives nothing.
    let config = gateway.dir().join("portcullis.toml");
    let text = std::fs::read_to_string(&config).expect("the configuration");
    std::fs::write(&config, text.replace("/jwks.json", "/other.json")).expect("written");
    gateway.sighup();
    let told = wait_event(&gateway, "reload_failed", "the status 503");
    assert!(told.contains("everything stays as it was"), "{told}");
    alice.settle();
    gateway.open(&by(&gateway, "bob", &one)).settle();

    // The same, and it has other keys.
    let two = key("two");
    publisher.publish(&[&two]);
    gateway.sighup();
    alice.expect_close(3003, "no_longer_admitted");
    gateway.open(&by(&gateway, "bob", &two)).settle();
    assert!(gateway.runs());
}

#[test]
fn a_reload_that_names_a_port_outside_of_the_sandbox_is_refused_and_says_what_helps() {
    let one = key("one");
    let (publisher, mut gateway) = started(&[&one], "");
    let other = Publisher::new(&gateway.setup.ca);
    other.publish(&[&one]);
    let config = gateway.dir().join("portcullis.toml");
    let text = std::fs::read_to_string(&config).expect("the configuration");
    let moved = text.replace(&publisher.url("localhost"), &other.url("localhost"));
    assert_ne!(text, moved);
    std::fs::write(&config, moved).expect("written");
    gateway.sighup();
    let told = wait_event(&gateway, "reload_failed", "a restart takes others");
    assert!(told.contains("connects only to the ports"), "{told}");
    assert_eq!(other.web.connections(), 0);
    gateway.open(&by(&gateway, "alice", &one)).settle();
    gateway.sigterm();
    gateway.restart();
    gateway.open(&by(&gateway, "alice", &one)).settle();
    assert_eq!(other.web.connections(), 1);
}

#[test]
fn a_fetched_key_serves_its_own_issuer_alone() {
    let (ours, theirs) = (key("same-kid"), key("same-kid"));
    let setup = Setup::new();
    let (first, second) = (Publisher::new(&setup.ca), Publisher::new(&setup.ca));
    first.publish(&[&ours]);
    second.publish(&[&theirs]);
    let other = "https://other.example.test";
    let gateway = setup
        .toml(&format!(
            "auth.issuer = [{}, {}]",
            issuer_toml(ISSUER, &first.url("localhost"), ""),
            issuer_toml(other, &second.url("127.0.0.1"), "")
        ))
        .start();
    for (issuer, key, status) in
        [(ISSUER, &ours, 101), (other, &theirs, 101), (ISSUER, &theirs, 401), (other, &ours, 401)]
    {
        let token = Token::of("alice").claim("iss", json!(issuer)).sign(key);
        assert_eq!(gateway.ask(&gateway.handshake().bearer(&token)).status, status, "{issuer}");
    }
}

#[test]
fn a_storm_of_unknown_keys_makes_one_fetch() {
    let one = key("one");
    let (publisher, gateway) = started(&[&one], "");
    for number in 0..200 {
        let stranger = format!("stranger-{number}");
        let token = Token::of("mallory").header("kid", json!(stranger)).sign(&one);
        assert_eq!(gateway.ask(&gateway.handshake().bearer(&token)).status, 401);
    }
    // A further one by somebody whose key is there neither, and one that is.
    gateway.open(&by(&gateway, "alice", &one)).settle();
    assert_eq!(publisher.web.connections(), 2, "one at the start, one for all of them");
}

#[test]
fn nothing_in_a_token_makes_the_gateway_connect_anywhere() {
    let one = key("one");
    let (publisher, gateway) = started(&[&one], "");
    let trap = Web::http();
    let tls_trap = Web::https(&gateway.setup.ca, &["127.0.0.1"]);
    for url in [
        format!("http://127.0.0.1:{}/jwks.json", trap.port()),
        format!("https://127.0.0.1:{}/jwks.json", tls_trap.port()),
    ] {
        let token = || Token::of("mallory");
        let set: Value = serde_json::from_str(&jwks(&[&one])).expect("JSON");
        for token in [
            token().header("jku", json!(url)),
            token().header("x5u", json!(url)),
            token().header("kid", json!(url)),
            token().header("jwk", set["keys"][0].clone()),
            token().header("jku", json!(url)).header("kid", json!(url)),
            token().header("x5u", json!(url)).claim("iss", json!(url)),
            token().claim("iss", json!(url)),
            token().claim("iss", json!(url)).header("kid", json!(url)),
            token().claim("jwks_uri", json!(url)).header("kid", json!("unknown")),
            token().claim("aud", json!(url)),
        ] {
            let answer = gateway.ask(&gateway.handshake().bearer(&token.sign(&one)));
            assert_eq!(answer.status, 401, "{answer:?}");
        }
    }
    gateway.open(&by(&gateway, "alice", &one)).settle();
    assert_eq!((trap.connections(), tls_trap.connections()), (0, 0));
    assert!(publisher.web.heads().iter().all(|head| head.starts_with("GET /jwks.json ")));
    assert!(publisher.web.connections() <= 2, "one at the start, one for an unknown kid");
}

#[test]
fn check_reads_the_url_and_connects_to_nothing() {
    let setup = Setup::new();
    let publisher = Publisher::new(&setup.ca);
    publisher.web.answer(ok("{}"));
    let setup = publisher.configured(setup, "");
    let config = setup.write();
    let output = run(&["check", "--config", config.to_str().expect("UTF-8")]);
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && out.contains("jwks_url: nothing was connected to"), "{out}");
    assert_eq!(publisher.web.connections(), 0);
}
