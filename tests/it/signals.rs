//! Owns the stories of signals: draining, ending at once, reloading.
//! Never knows the commands that send them.

use crate::support::refusal::{assert_problem, refused};
use crate::support::ws::Got;
use crate::support::{Alg, End, Gateway, SigningKey, Token, Ws};
use rustls::pki_types::CertificateDer;
use std::time::{Duration, Instant};

fn members(gateway: &Gateway) -> Vec<Ws> {
    (0..8).map(|index| gateway.join("lobby", &format!("member-{index}"))).collect()
}

fn drains(signal: impl Fn(&Gateway)) {
    let mut gateway = Gateway::with("server.drain_timeout = '60s'");
    let mut members = members(&gateway);
    let begun = Instant::now();
    signal(&gateway);
    for ws in &mut members {
        ws.expect_close(1001, "drain");
    }
    let status = gateway.wait_exit();
    assert_eq!(status.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(20), "over as soon as nobody is left");
    let lines = gateway.log.all();
    let drained = lines.iter().filter(|line| line.contains(r#""reason":"drain""#)).count();
    assert_eq!(drained, 8, "one line a session:\n{}", lines.join("\n"));
}

#[test]
fn sigterm_tells_every_session_to_go_away_and_ends_cleanly() {
    drains(Gateway::sigterm);
}

#[test]
fn sigint_drains_too() {
    drains(Gateway::sigint);
}

#[test]
fn a_gateway_with_nobody_in_it_ends_at_once() {
    let mut gateway = Gateway::start();
    let begun = Instant::now();
    gateway.sigterm();
    assert_eq!(gateway.wait_exit().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_drain_is_over_at_its_timeout_whatever_the_peers_do() {
    let mut gateway = Gateway::with("server.drain_timeout = '2s'");
    let _deaf = members(&gateway);
    // Nobody gets far in a handshake that it never goes on with.
    let _silent = gateway.connect();
    let begun = Instant::now();
    gateway.sigterm();
    assert_eq!(gateway.wait_exit().code(), Some(0), "in time, hence a clean end");
    // Deaf peers alone would be waited for longer than this.
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn who_comes_while_the_gateway_drains_is_told_to_come_back() {
    let mut gateway = Gateway::with("server.drain_timeout = '10s'");
    // Its TLS handshake is done before the signal, its request comes after it.
    let mut early = gateway.connect();
    let mut deaf = gateway.join("lobby", "deaf");
    gateway.sigterm();
    assert_eq!(deaf.read(), Got::Close(Some(1001), "drain".to_owned()));
    early.send(&gateway.handshake().octets());
    let answer = early.answer();
    assert_problem(&answer, refused(503, "draining"));
    let ready = gateway.internal().try_get("/readyz");
    assert!(!ready.is_ok_and(|answer| answer.status == 200), "a draining gateway is not ready");
    drop(deaf);
    assert_eq!(gateway.wait_exit().code(), Some(0));
}

#[test]
fn a_second_signal_ends_the_gateway_at_once() {
    let mut gateway = Gateway::with("server.drain_timeout = '60s'");
    let mut deaf = members(&gateway);
    gateway.sigterm();
    for ws in &mut deaf {
        assert_eq!(ws.read(), Got::Close(Some(1001), "drain".to_owned()));
    }
    let begun = Instant::now();
    gateway.sigterm();
    gateway.wait_exit();
    // Deaf peers alone would be waited for longer than this.
    assert!(begun.elapsed() < Duration::from_secs(5));
    gateway.log.event("the end at once", |line| line["event"] == "ended_at_once");
}

/// The refusal of a reload, which names the configuration and the place in it of a key.
fn reload_fails_at(gateway: &Gateway, key: &str) {
    let config = std::fs::read_to_string(gateway.dir().join("portcullis.toml")).expect("a file");
    let row = config.lines().position(|line| line.starts_with(key)).expect("the key") + 1;
    let line = gateway.log.event("the failed reload", |line| line["event"] == "reload_failed");
    assert_eq!(line["level"], "error", "{line}");
    let detail = line["detail"].as_str().expect("a detail");
    assert!(detail.contains(&format!("portcullis.toml: {row}:")), "{key} in line {row}: {detail}");
}

/// The certificate that a new connection is shown.
fn shown(gateway: &Gateway) -> CertificateDer<'static> {
    gateway.connect().server_certificate()
}

#[test]
fn sighup_serves_a_new_certificate_while_old_sessions_live() {
    let mut gateway = Gateway::start();
    let mut old = gateway.join("lobby", "alice");
    let before = shown(&gateway);
    let leaf = gateway.setup.ca.server(&["localhost".to_owned(), "127.0.0.1".to_owned()]);
    gateway.setup.put("server.key", &leaf.private_key, 0o600);
    gateway.setup.put("server.pem", &leaf.certificate, 0o644);
    gateway.sighup();
    gateway.wait_until("the new certificate", |gateway| shown(gateway).as_ref() == leaf.serial);
    assert_ne!(before.as_ref(), leaf.serial);
    let mut new = gateway.join("lobby", "bob");
    old.text("over the old certificate");
    new.expect_text("over the old certificate");
}

#[test]
fn sighup_with_a_broken_certificate_keeps_the_old_one_and_says_why() {
    let gateway = Gateway::start();
    let mut old = gateway.join("lobby", "alice");
    let before = shown(&gateway);
    gateway.setup.put(
        "server.pem",
        "-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n",
        0o644,
    );
    gateway.sighup();
    reload_fails_at(&gateway, "certificate =");
    assert_eq!(shown(&gateway), before);
    let mut new = gateway.join("lobby", "bob");
    old.text("still here");
    new.expect_text("still here");
}

#[test]
fn sighup_with_a_key_of_another_certificate_keeps_the_old_pair() {
    let gateway = Gateway::start();
    let before = shown(&gateway);
    let other = gateway.setup.ca.server(&["localhost".to_owned()]);
    gateway.setup.put("server.key", &other.private_key, 0o600);
    gateway.sighup();
    reload_fails_at(&gateway, "private_key =");
    assert_eq!(shown(&gateway), before);
}

#[test]
fn sighup_takes_a_new_token_key() {
    let mut gateway = Gateway::start();
    let mut old = gateway.join("lobby", "alice");
    let new_key = SigningKey::with_kid(Alg::Es256, &gateway.key().kid);
    let by_new = gateway.handshake().bearer(&Token::good().sign(&new_key));
    assert_eq!(gateway.ask(&by_new).status, 401);
    gateway.setup.put(&format!("jwt-{}.pem", new_key.kid), &new_key.public_pem, 0o644);
    gateway.sighup();
    gateway.wait_until("the new key", |gateway| gateway.ask(&by_new).status == 101);
    assert_eq!(gateway.ask(&gateway.handshake()).status, 401, "the old key is gone");
    // A session never outlives its authority: the key that it stood on is withdrawn.
    old.expect_close(3003, "no_longer_admitted");
}

#[test]
fn a_session_that_is_cut_by_a_kill_sees_the_end() {
    let gateway = Gateway::start();
    let mut ws = gateway.join("lobby", "alice");
    drop(gateway);
    assert!(matches!(ws.read(), Got::End(End::Truncated | End::Reset)));
}

#[test]
fn a_gateway_that_was_killed_starts_again_on_the_same_sockets() {
    let mut gateway = Gateway::start();
    let _cut_off = members(&gateway);
    gateway.kill_and_restart();
    let mut alice = gateway.join("lobby", "alice");
    let mut bob = gateway.join("lobby", "bob");
    alice.text("here we are again");
    bob.expect_text("here we are again");
}
