//! Owns the stories of an authority that ends before its time: revoked, kicked, withdrawn.
//! Never knows how the gateway finds the sessions.

use crate::support::gateway::run;
use crate::support::setup::free_address;
use crate::support::{Gateway, Setup, Token, Ws};
use serde_json::{Value, json};

fn admin(gateway: &Gateway, words: &[&str]) -> Value {
    let config = gateway.dir().join("portcullis.toml");
    let config = config.to_str().expect("a path in UTF-8");
    let words = [&["admin", "--config", config, "--format", "json"], words].concat();
    let output = run(&words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn with_jti(gateway: &Gateway, subject: &str, jti: &str) -> (String, Ws) {
    let token = Token::of(subject).claim("jti", json!(jti)).sign(gateway.key());
    let ws = gateway.open(&gateway.handshake().bearer(&token));
    (token, ws)
}

#[test]
fn a_revoked_token_ends_its_sessions_and_is_refused_and_no_other_is() {
    let gateway = Gateway::start();
    let (token, mut revoked) = with_jti(&gateway, "alice", "a-1");
    let (other_token, mut other) = with_jti(&gateway, "alice", "a-2");
    assert_eq!(admin(&gateway, &["revoke", "--jti", "a-1"])["closed"], 1);
    revoked.expect_close(3003, "revoked");
    let refused = gateway.ask(&gateway.handshake().bearer(&token));
    assert_eq!(refused.status, 401);
    gateway.log.reason("token_revoked");
    assert_eq!(gateway.ask(&gateway.handshake().bearer(&other_token)).status, 101);
    other.settle();
}

#[test]
fn revoking_a_token_that_was_never_seen_succeeds_and_refuses_it() {
    let gateway = Gateway::start();
    assert_eq!(admin(&gateway, &["revoke", "--jti", "never-seen"])["closed"], 0);
    let token = Token::of("alice").claim("jti", json!("never-seen")).sign(gateway.key());
    assert_eq!(gateway.ask(&gateway.handshake().bearer(&token)).status, 401);
}

#[test]
fn a_revoked_subject_loses_its_sessions_and_its_tokens_up_to_now() {
    let gateway = Gateway::start();
    let mut alice = gateway.join("lobby", "alice");
    let mut bob = gateway.join("lobby", "bob");
    let token = gateway.token("alice");
    let undated = Token::of("alice").without("iat").sign(gateway.key());
    assert_eq!(admin(&gateway, &["revoke", "--subject", "alice"])["closed"], 1);
    alice.expect_close(3003, "revoked");
    assert_eq!(gateway.ask(&gateway.handshake().bearer(&token)).status, 401);
    assert_eq!(gateway.ask(&gateway.handshake().bearer(&undated)).status, 401);
    let later = crate::support::unix_now() + 2;
    let newer = Token::of("alice").claim("iat", json!(later)).sign(gateway.key());
    assert_eq!(gateway.ask(&gateway.handshake().bearer(&newer)).status, 101);
    bob.settle();
}

#[test]
fn a_kick_ends_the_sessions_of_a_subject_and_revokes_nothing() {
    let gateway = Gateway::start();
    let mut first = gateway.join("lobby", "alice");
    let mut second = gateway.join("kitchen", "alice");
    assert_eq!(admin(&gateway, &["kick", "--subject", "alice"])["closed"], 2);
    first.expect_close(3003, "kicked");
    second.expect_close(3003, "kicked");
    gateway.wait_metric("portcullis_closes_total", &[("reason", "kicked"), ("code", "3003")], 2.0);
    gateway.join("lobby", "alice").settle();
}

#[test]
fn the_operator_sees_sessions_and_rooms() {
    let gateway = Gateway::start();
    let (_, mut alice) = with_jti(&gateway, "alice", "a-1");
    let mut bob = gateway.join("kitchen", "bob");
    let connections = admin(&gateway, &["connections"]);
    assert_eq!(connections["total"], 2, "{connections}");
    let listed = connections["connections"].as_array().expect("a list");
    let of_alice = listed.iter().find(|row| row["subject"] == "alice").expect("alice");
    assert_eq!((&of_alice["jti"], &of_alice["route"]), (&json!("a-1"), &json!("/chat/{room}")));
    let rooms = admin(&gateway, &["rooms"]);
    assert_eq!(rooms["total"], 2, "{rooms}");
    assert!(
        rooms["rooms"]
            .as_array()
            .is_some_and(|rooms| rooms.contains(&json!({"room": "kitchen", "members": 1})))
    );
    assert_eq!(admin(&gateway, &["status"])["sessions"], 2);
    alice.settle();
    bob.settle();
}

#[test]
fn a_reload_that_withdraws_an_origin_ends_the_sessions_of_its_pages_alone() {
    let gateway = Gateway::with("origins.allow = ['https://chat.example.test', 'https://old.example.test']");
    let old = |gateway: &Gateway| gateway.handshake().set("Origin", "https://old.example.test");
    let mut withdrawn = gateway.open(&old(&gateway));
    let mut kept = gateway.open(&gateway.handshake().set("Origin", "https://chat.example.test"));
    let config = gateway.dir().join("portcullis.toml");
    let text = std::fs::read_to_string(&config).expect("the configuration");
    let changed = text.replace("https://old.example.test", "https://new.example.test");
    assert_ne!(changed, text);
    std::fs::write(&config, changed).expect("written");
    admin(&gateway, &["reload"]);
    withdrawn.expect_close(3003, "no_longer_admitted");
    kept.settle();
    assert_eq!(gateway.ask(&old(&gateway)).status, 403);
}

#[test]
fn admin_drain_closes_every_session_and_ends_the_gateway() {
    let mut gateway = Gateway::start();
    let mut alice = gateway.join("lobby", "alice");
    assert_eq!(admin(&gateway, &["drain"])["draining"], true);
    alice.expect_close(1001, "drain");
    assert_eq!(gateway.wait_exit().code(), Some(0));
}

#[test]
fn admin_says_what_is_missing_and_asks_for_exactly_one_name() {
    assert_eq!(run(&["admin", "status"]).status.code(), Some(2));
    let gateway = Gateway::start();
    let config = gateway.dir().join("portcullis.toml");
    let config = config.to_str().expect("a path in UTF-8");
    for words in [&["revoke"][..], &["revoke", "--jti", "a", "--subject", "b"], &["kick"]] {
        let output = run(&[&["admin", "--config", config], words].concat());
        assert_eq!(output.status.code(), Some(2), "{words:?}");
    }
    for (path, body) in
        [("/admin/kick", r#"{"subject":""}"#), ("/admin/revoke", "{}"), ("/admin/revoke", "[")]
    {
        assert_eq!(gateway.internal().ask("POST", path, &[], body).status, 400, "{path} {body}");
    }
    for path in ["/admin/drain", "/admin/revoke", "/admin/kick", "/admin/reload"] {
        assert_eq!(gateway.internal().get(path).status, 405, "{path}");
    }
}

#[test]
fn revocations_outlive_a_restart_and_a_torn_file_is_refused_with_its_name() {
    let mut gateway = Gateway::with("auth.revocation_file = 'revocations.json'");
    let token = Token::of("alice").claim("jti", json!("a-1")).sign(gateway.key());
    assert_eq!(admin(&gateway, &["revoke", "--jti", "a-1"])["closed"], 0);
    gateway.kill_and_restart();
    assert_eq!(gateway.ask(&gateway.handshake().bearer(&token)).status, 401);
    assert_eq!(gateway.ask(&gateway.handshake()).status, 101);

    let file = gateway.dir().join("revocations.json");
    let text = std::fs::read(&file).expect("the file");
    std::fs::write(&file, &text[..text.len() / 2]).expect("written");
    let config = gateway.dir().join("portcullis.toml");
    let output = run(&["check", "--config", config.to_str().expect("a path in UTF-8")]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("revocations.json") && told.contains("torn"), "{told}");
}

#[test]
fn the_operator_asks_over_tls_the_gateway_that_has_his_certificate_and_nobody_else() {
    let setup = Setup::new();
    let put = |setup: &Setup| {
        // Neither its names nor its issuer are asked for.
        let leaf = setup.ca.server(&["somewhere.example.test".to_owned()]);
        setup.put("internal.pem", &leaf.certificate, 0o644);
        setup.put("internal.key", &leaf.private_key, 0o600);
    };
    put(&setup);
    let setup = setup.file("internal.token", "swordfish-swordfish-swordfish-42\n", 0o600).toml(&format!(
        "[internal]\nlisten = '{}'\ncertificate = 'internal.pem'\nprivate_key = 'internal.key'\n\
         token_file = 'internal.token'",
        free_address()
    ));
    let gateway = Gateway::spawn(setup);
    gateway.log.event("the start", |line| line["event"] == "started");
    let mut alice = gateway.join("lobby", "alice");
    assert_eq!(admin(&gateway, &["status"])["sessions"], 1);
    assert_eq!(admin(&gateway, &["kick", "--subject", "alice"])["closed"], 1);
    alice.expect_close(3003, "kicked");

    put(&gateway.setup);
    let config = gateway.dir().join("portcullis.toml");
    let output = run(&["admin", "--config", config.to_str().expect("a path"), "status"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("has another certificate"), "{told}");
}
