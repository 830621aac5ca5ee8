//! Owns the stories of those who take their time before the 101.
//! Never knows what they would have asked for.

use crate::support::answer::read_more;
use crate::support::conn::tcp;
use crate::support::{End, Gateway};
use std::io::Write as _;
use std::time::{Duration, Instant};

const TIMEOUT: &str = "limits.handshake_timeout = '1s'";
/// A second and what a busy machine takes; without the key it would be five seconds.
const ABOUT_A_SECOND: Duration = Duration::from_millis(4500);

#[test]
fn a_peer_that_says_nothing_is_dropped() {
    let gateway = Gateway::with(TIMEOUT);
    let mut socket = tcp(gateway.place().address).expect("a connection");
    let begun = Instant::now();
    let mut octets = Vec::new();
    while read_more(&mut socket, &mut octets).is_none() {}
    assert!(begun.elapsed() < ABOUT_A_SECOND);
    assert!(!octets.starts_with(b"HTTP"));
    gateway.log.reason("tls_timeout");
    gateway.wait_metric("portcullis_refusals_total", &[("reason", "tls_timeout")], 1.0);
    gateway.wait_metric("portcullis_connections", &[], 0.0);
}

#[test]
fn a_client_hello_that_trickles_is_dropped() {
    let gateway = Gateway::with(TIMEOUT);
    let mut socket = tcp(gateway.place().address).expect("a connection");
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
    let begun = Instant::now();
    let mut octets = Vec::new();
    // A record of 16 KiB is announced, and an octet of it comes every tenth of a second.
    let _ = socket.write_all(&[22, 3, 1, 0x3F, 0xFF, 1]);
    loop {
        let _ = socket.write_all(&[0]);
        match read_more(&mut socket, &mut octets) {
            None | Some(End::Open) => assert!(begun.elapsed() < ABOUT_A_SECOND, "still open"),
            Some(_) => break,
        }
    }
    gateway.log.event("tls_timeout or tls_failed", |line| {
        line["reason"] == "tls_timeout" || line["reason"] == "tls_failed"
    });
}

#[test]
fn a_head_that_does_not_come_is_not_answered() {
    let gateway = Gateway::with(TIMEOUT);
    let mut conn = gateway.connect();
    let begun = Instant::now();
    assert_eq!(conn.drain().0, b"", "silence is answered with silence");
    assert!(begun.elapsed() < ABOUT_A_SECOND);
    gateway.log.reason("head_timeout");
    gateway.wait_metric("portcullis_connections", &[], 0.0);
}

#[test]
fn a_head_that_trickles_is_not_answered() {
    let gateway = Gateway::with(TIMEOUT);
    let mut conn = gateway.connect();
    let begun = Instant::now();
    for octet in gateway.handshake().octets() {
        conn.send(&[octet]);
        if !conn.is_silent_for(Duration::from_millis(100)) {
            break;
        }
        assert!(begun.elapsed() < ABOUT_A_SECOND, "still open");
    }
    assert_eq!(conn.drain().0, b"");
    gateway.log.reason("head_timeout");
}

#[test]
fn a_session_outlives_the_handshake_timeout() {
    let gateway = Gateway::with(TIMEOUT);
    let mut ws = gateway.join("lobby", "alice");
    assert!(ws.is_silent_for(Duration::from_millis(1500)));
    ws.settle();
}

#[test]
fn those_who_take_their_time_do_not_keep_others_waiting() {
    let gateway = Gateway::start();
    let silent: Vec<_> = (0..100).map(|_| tcp(gateway.place().address).expect("a connection")).collect();
    let mut ws = gateway.join("lobby", "alice");
    ws.settle();
    drop(silent);
    gateway.wait_metric("portcullis_connections", &[], 1.0);
}
