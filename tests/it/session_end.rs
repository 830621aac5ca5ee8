//! Owns the stories of how a session ends: its token, its pongs, its closing handshake.
//! Never knows the limits of what it sends.

use crate::support::ws::Got;
use crate::support::{End, Frame, Gateway, Token, Ws, unix_now};
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn closes(gateway: &Gateway, reason: &str, code: &str, count: f64) {
    gateway.wait_metric("portcullis_closes_total", &[("reason", reason), ("code", code)], count);
}

fn join_until(gateway: &Gateway, expires: i64) -> Ws {
    let token = Token::good().claim("exp", json!(expires)).sign(gateway.key());
    gateway.open(&gateway.handshake().bearer(&token))
}

#[test]
fn a_session_ends_within_a_second_after_its_token_and_the_leeway() {
    let gateway = Gateway::with("auth.leeway = '1s'");
    let expires = unix_now() + 2;
    let mut ws = join_until(&gateway, expires);
    let mut other = gateway.join("lobby", "bob");
    other.text("still there");
    ws.expect_text("still there");
    ws.expect_close(3000, "authority_expired");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let late = now - (expires + 1) as f64;
    // The promise is a second; the rest is for a busy machine that runs this test late.
    assert!((0.0..3.0).contains(&late), "{late} s after exp and leeway");
    closes(&gateway, "authority_expired", "3000", 1.0);
    other.text("to nobody");
    other.settle();
    gateway.wait_metric("portcullis_sessions", &[], 1.0);
}

#[test]
fn a_session_is_pinged_when_it_is_silent_and_lives_while_it_answers() {
    let gateway = Gateway::with("limits.ping_interval = '1s'\nlimits.pong_timeout = '1s'");
    let mut ws = gateway.join("lobby", "alice");
    for _ in 0..3 {
        let Got::Ping(payload) = ws.next() else { panic!("a ping") };
        ws.send(&Frame::pong(payload));
    }
    ws.settle();
}

#[test]
fn a_session_that_does_not_answer_a_ping_is_closed() {
    let gateway = Gateway::with("limits.ping_interval = '1s'\nlimits.pong_timeout = '1s'");
    let mut ws = gateway.join("lobby", "alice");
    assert!(matches!(ws.next(), Got::Ping(_)));
    assert_eq!(ws.next(), Got::Close(Some(3008), "no_pong".to_owned()));
    assert_eq!(ws.next(), Got::End(End::Clean));
    closes(&gateway, "no_pong", "3008", 1.0);
    gateway.log.reason("no_pong");
}

#[test]
fn a_session_ends_at_its_longest() {
    let gateway = Gateway::with("limits.max_session = '1s'");
    let mut ws = gateway.join("lobby", "alice");
    ws.expect_close(1001, "max_session");
    closes(&gateway, "max_session", "1001", 1.0);
}

#[test]
fn a_peer_that_closes_is_answered() {
    let gateway = Gateway::start();
    gateway.join("lobby", "alice").leave();
    closes(&gateway, "peer_closed", "1000", 1.0);
    let line = gateway.log.reason("peer_closed");
    assert_eq!(line["subject"], "alice", "{line}");
    assert_eq!(line["route"], "/chat/{room}", "{line}");
    let mut ws = gateway.join("lobby", "alice");
    ws.send(&Frame::new(8, ""));
    assert_eq!(ws.read(), Got::Close(None, String::new()));
    assert_eq!(ws.next(), Got::End(End::Clean));
}

#[test]
fn a_peer_that_vanishes_is_counted_as_gone() {
    let gateway = Gateway::start();
    let ws = gateway.join("lobby", "alice");
    // The socket closes without close_notify and without a Close frame.
    drop(ws);
    gateway.log.reason("peer_gone");
    gateway.wait_metric("portcullis_sessions", &[], 0.0);
    gateway.wait_metric("portcullis_connections", &[], 0.0);
}

#[test]
fn a_peer_that_does_not_answer_a_close_is_not_waited_for_long() {
    let gateway = Gateway::with("limits.max_session = '1s'");
    let mut ws = gateway.join("lobby", "alice");
    assert_eq!(ws.read(), Got::Close(Some(1001), "max_session".to_owned()));
    assert!(matches!(ws.next(), Got::End(_)));
    gateway.wait_metric("portcullis_connections", &[], 0.0);
}

#[test]
fn messages_before_a_close_are_delivered() {
    let gateway = Gateway::start();
    let mut bob = gateway.join("lobby", "bob");
    let mut alice = gateway.join("lobby", "alice");
    let last = [Frame::text("one").octets(), Frame::text("two").octets(), Frame::close(1000, "").octets()];
    alice.conn.send(&last.concat());
    bob.expect_text("one");
    bob.expect_text("two");
    assert_eq!(alice.read(), Got::Close(Some(1000), String::new()));
}

#[test]
fn a_ping_is_answered_with_its_own_octets() {
    let gateway = Gateway::start();
    let mut ws = gateway.join("lobby", "alice");
    for payload in [&b""[..], b"\x00\xff", &[b'p'; 125]] {
        ws.send(&Frame::ping(payload));
        assert_eq!(ws.read(), Got::Pong(payload.to_vec()));
    }
    ws.send(&Frame::pong("unasked"));
    assert!(ws.is_silent_for(Duration::from_millis(50)), "an unasked pong is not answered");
}
