//! Owns the stories of a reload: what it takes, what it tells, what it leaves for a restart.
//! Never knows how the configuration is read.

use crate::support::receiver::WEBHOOK_SECRET;
use crate::support::refusal::{expect_refusal, refused};
use crate::support::setup::free_address;
use crate::support::{Alg, Frame, Gateway, Setup, SigningKey};
use serde_json::{Value, json};

/// Reloads; the answer of the internal port.
fn reload(gateway: &Gateway) -> Value {
    let answer = gateway.internal().ask("POST", "/admin/reload", &[], "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(&answer.text()).expect("JSON")
}

fn rewrite(gateway: &mut Gateway, toml: &str) {
    gateway.setup.lay_over(toml);
    gateway.setup.write();
}

/// The changes as they are told, a line each.
fn lines(answer: &Value) -> Vec<String> {
    let shown = |value: &Value| value.as_str().unwrap_or("nothing").to_owned();
    let changes = answer["changes"].as_array().expect("a list");
    let line = |c: &Value| {
        format!("{}: {} -> {}", c["key"].as_str().expect("a key"), shown(&c["old"]), shown(&c["new"]))
    };
    changes.iter().map(line).collect()
}

#[test]
fn a_reload_tells_each_change_in_its_answer_and_in_the_log() {
    let mut gateway = Gateway::with("origins.allow = ['https://chat.example.test']");
    rewrite(&mut gateway, "origins.allow = ['https://new.example.test']\nlimits.max_session = '1h'");
    let answer = reload(&gateway);
    let told = [
        "limits.max_session: nothing -> \"1h\"",
        "origins.allow: \"https://chat.example.test\" -> nothing",
        "origins.allow: nothing -> \"https://new.example.test\"",
    ];
    assert_eq!(lines(&answer), told, "{answer}");
    assert_eq!((&answer["needs_restart"], &answer["closed"]), (&json!([]), &json!(0)));
    for line in told {
        gateway.log.event(line, |event| event["event"] == "config_changed" && event["detail"] == line);
    }
    let whole = gateway.log.event("the reload", |line| line["event"] == "reloaded");
    assert!(whole["detail"].as_str().is_some_and(|text| text.contains("3 values have changed")), "{whole}");
    assert_eq!(lines(&reload(&gateway)), Vec::<String>::new(), "a second time nothing has changed");
}

#[test]
fn a_change_of_certificates_and_keys_is_told_by_fingerprints_and_never_by_a_secret() {
    let gateway = Gateway::start();
    let leaf = gateway.setup.ca.server(&["localhost".to_owned(), "127.0.0.1".to_owned()]);
    gateway.setup.put("server.key", &leaf.private_key, 0o600);
    gateway.setup.put("server.pem", &leaf.certificate, 0o644);
    let kid = gateway.key().kid.clone();
    gateway.setup.put(&format!("jwt-{kid}.pem"), SigningKey::generate(Alg::Es256).public_pem, 0o644);
    gateway.sighup();
    let line = |key: &str| {
        let told = gateway.log.event(key, |line| {
            line["event"] == "config_changed"
                && line["detail"].as_str().is_some_and(|text| text.contains(key))
        });
        told["detail"].as_str().expect("a detail").to_owned()
    };
    let certificate = line("tls.certificate: ");
    let hash = fingerprint(&leaf.serial);
    assert!(certificate.ends_with(&format!("-> \"server.pem\" sha256:{hash}")), "{certificate}");
    assert_eq!(certificate.matches("sha256:").count(), 2, "the old one too: {certificate}");
    let private_key = "tls.private_key: \"server.key\" -> \"server.key\" with other content";
    assert_eq!(line("tls.private_key: "), private_key);
    let key = line(&format!(".key[\"{kid}\"].file: "));
    assert_eq!(key.matches("sha256:").count(), 2, "{key}");
    gateway.log.event("the reload", |line| line["event"] == "reloaded");
}

/// SHA-256 of a certificate, as `openssl x509 -fingerprint -sha256` computes it.
fn fingerprint(der: &[u8]) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    hash.as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn what_takes_a_restart_is_named_until_there_is_one_and_all_else_is_taken() {
    let mut gateway = Gateway::start();
    rewrite(&mut gateway, "server.workers = 1\nserver.drain_timeout = '9s'\nlimits.message_bytes = '16B'");
    for changes in [3, 2] {
        let answer = reload(&gateway);
        assert_eq!(answer["needs_restart"], json!(["server.drain_timeout", "server.workers"]), "{answer}");
        assert_eq!(answer["changes"].as_array().map(Vec::len), Some(changes), "{answer}");
        let detail = answer["detail"].as_str().expect("a detail");
        assert!(detail.contains("until a restart for server.drain_timeout, server.workers"), "{detail}");
        assert!((gateway.metric("portcullis_restart_needed", &[]) - 1.0).abs() < 0.5);
    }
    let mut alice = gateway.join("lobby", "alice");
    alice.send(&Frame::text("f".repeat(17)));
    alice.expect_violation(1009, "message_too_big");
    rewrite(&mut gateway, "server.workers = 2");
    assert_eq!(reload(&gateway)["needs_restart"], json!(["server.drain_timeout"]), "2 it is already");
    gateway.sigterm();
    gateway.restart();
    assert!(gateway.metric("portcullis_restart_needed", &[]) < 0.5);
}

#[test]
fn events_that_come_or_go_are_named_until_a_restart_and_change_nothing_before() {
    let mut gateway = Setup::new().file("webhook.secret", WEBHOOK_SECRET, 0o600).start();
    let events = format!("events = {{ url = 'http://{}/', secret_file = 'webhook.secret' }}", free_address());
    let keys = json!(["events.secret_file", "events.url"]);
    let bare = std::fs::read_to_string(gateway.setup.config()).expect("a configuration");
    gateway.setup.put("portcullis.toml", format!("{events}\n{bare}"), 0o644);
    for _ in 0..2 {
        assert_eq!(reload(&gateway)["needs_restart"], keys);
        gateway.wait_metric("portcullis_restart_needed", &[], 1.0);
        assert!(gateway.metrics().sum("portcullis_events_waiting", &[]).abs() < 0.5);
    }
    gateway.sigterm();
    gateway.restart();
    gateway.setup.put("portcullis.toml", &bare, 0o644);
    assert_eq!(reload(&gateway)["needs_restart"], keys);
    // They are still told, to whom they were told.
    gateway.join("lobby", "alice").settle();
    gateway.wait_metric("portcullis_restart_needed", &[], 1.0);
}

#[test]
fn limits_of_addresses_and_connections_are_reloaded_too() {
    let mut gateway = Gateway::start();
    let mut before = gateway.join("lobby", "alice");
    for (toml, status, reason) in [
        ("limits.connections_per_ip = 1", 429, "address_connections"),
        ("limits.connections_per_ip = 5000\nlimits.connections = 1", 503, "connections_full"),
    ] {
        rewrite(&mut gateway, toml);
        reload(&gateway);
        expect_refusal(&gateway, &gateway.handshake(), refused(status, reason));
        before.settle();
    }
    rewrite(&mut gateway, "limits.connections = 100\nlimits.handshakes_per_ip = '1/h burst 1'");
    reload(&gateway);
    assert_eq!(gateway.ask(&gateway.handshake()).status, 101);
    expect_refusal(&gateway, &gateway.handshake(), refused(429, "address_handshakes"));
    rewrite(&mut gateway, "limits.handshakes_per_ip = '5000/s burst 10000'\nlimits.header_bytes = '1KiB'");
    reload(&gateway);
    let big = gateway.handshake().add("X-Fill", "f".repeat(1024));
    expect_refusal(&gateway, &big, refused(431, "head_too_large"));
    before.settle();
}

#[test]
fn a_reload_that_is_refused_changes_nothing() {
    let mut gateway = Gateway::start();
    rewrite(&mut gateway, "limits.message_bytes = '16B'\nlimits.max_session = 'never'");
    let answer = gateway.internal().ask("POST", "/admin/reload", &[], "");
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("everything stays as it was"), "{}", answer.text());
    let mut bob = gateway.join("lobby", "bob");
    let mut alice = gateway.join("lobby", "alice");
    alice.text("seventeen octets!");
    bob.expect_text("seventeen octets!");
    assert_eq!(gateway.log.count(|line| line["event"] == "config_changed"), 0);
    // Mended, it tells what differs from what is in force, and not from what was refused.
    rewrite(&mut gateway, "limits.message_bytes = '32B'\nlimits.max_session = '24h'");
    assert_eq!(
        lines(&reload(&gateway)),
        ["limits.max_session: nothing -> \"24h\"", "limits.message_bytes: nothing -> \"32B\""]
    );
}

#[test]
fn report_only_lets_an_unlisted_origin_in_and_tells_who_would_be_refused() {
    let mut gateway = Gateway::with("origins.report_only = true");
    let mut listed = gateway.join("lobby", "alice");
    let other = gateway.handshake().set("Origin", "https://other.example");
    let mut unlisted = gateway.open(&other.bearer(&gateway.token("bob")));
    let line = gateway.log.event("the report", |line| line["event"] == "origin_would_be_refused");
    assert_eq!(
        (&line["origin"], &line["subject"], &line["reason"], &line["level"]),
        (&json!("https://other.example"), &json!("bob"), &json!("origin_not_allowed"), &json!("warn"))
    );
    gateway.wait_metric("portcullis_origin_would_be_refused_total", &[], 1.0);
    unlisted.text("let in");
    listed.expect_text("let in");
    assert_eq!(gateway.log.count(|line| line["event"] == "origin_would_be_refused"), 1, "alice is listed");
    // At the end of the roll-out what stands on it ends, and nothing else.
    rewrite(&mut gateway, "origins.report_only = false");
    assert_eq!(reload(&gateway)["closed"], 1);
    unlisted.expect_close(3003, "no_longer_admitted");
    listed.settle();
    expect_refusal(
        &gateway,
        &gateway.handshake().set("Origin", "https://other.example"),
        refused(403, "origin_not_allowed"),
    );
}

#[test]
fn report_only_never_goes_with_a_cookie_nor_for_what_no_list_could_allow() {
    let gateway = Gateway::with("origins.report_only = true");
    let by_cookie = |gateway: &Gateway| {
        gateway
            .handshake()
            .remove("Authorization")
            .set("Cookie", format!("__Host-portcullis={}", gateway.token("alice")))
    };
    assert_eq!(gateway.ask(&by_cookie(&gateway)).status, 101, "the honest twin");
    for (request, status, reason) in [
        (by_cookie(&gateway).set("Origin", "https://other.example"), 403, "origin_not_allowed"),
        (gateway.handshake().set("Origin", "null"), 403, "origin_null"),
        (gateway.handshake().remove("Origin"), 403, "origin_missing"),
        (gateway.handshake().set("Origin", "https://a.example https://b.example"), 400, "origin_multiple"),
        (gateway.handshake().set("Origin", "https://UPPER.example/"), 403, "origin_not_allowed"),
    ] {
        expect_refusal(&gateway, &request, refused(status, reason));
    }
    assert_eq!(gateway.log.count(|line| line["event"] == "origin_would_be_refused"), 0);
}

#[test]
fn a_session_by_cookie_ends_with_its_origin_also_where_report_only_begins() {
    let mut gateway = Gateway::with("origins.allow = ['https://chat.example.test']");
    let cookie = format!("__Host-portcullis={}", gateway.token("alice"));
    let request = gateway.handshake().set("Origin", "https://chat.example.test");
    let mut by_cookie = gateway.open(&request.remove("Authorization").set("Cookie", cookie));
    let mut by_header = gateway.open(&gateway.handshake().set("Origin", "https://chat.example.test"));
    rewrite(&mut gateway, "origins.allow = ['https://new.example.test']\norigins.report_only = true");
    assert_eq!(reload(&gateway)["closed"], 1);
    by_cookie.expect_close(3003, "no_longer_admitted");
    by_header.settle();
}
