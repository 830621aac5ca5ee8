//! Owns the story of a reader that stops reading: it is closed, and nobody else waits.
//! Never knows how the queue is made.

use crate::support::conn::tcp_from;
use crate::support::ws::Got;
use crate::support::{Conn, Frame, Gateway};
use std::net::{IpAddr, Ipv4Addr};

const MESSAGE: usize = 16 << 10;

#[test]
fn a_reader_slower_than_its_queue_is_closed_and_the_others_get_everything() {
    let gateway = Gateway::with(
        "limits.send_queue = '64KiB'\nlimits.message_bytes = '32KiB'\nlimits.messages_per_connection = '100000/s burst 100000'",
    );
    let place = gateway.place();
    let socket = tcp_from(place.address, IpAddr::V4(Ipv4Addr::LOCALHOST), Some(4096));
    let conn = Conn::over(socket, &place.server_name, &place.tls).expect("a TLS handshake");
    let mut slow = gateway.handshake_for("lobby", &gateway.token("slow")).open_on(conn);
    slow.settle();
    let mut bob = gateway.join("lobby", "bob");
    let mut alice = gateway.join("lobby", "alice");

    let labels = [("reason", "slow_reader"), ("code", "1013")];
    let mut sent = 0;
    while gateway.metric("portcullis_closes_total", &labels) < 1.0 {
        assert!(sent < 4000, "the queue has no bound");
        for _ in 0..10 {
            let payload = vec![u8::try_from(sent % 251).expect("small"); MESSAGE];
            alice.send(&Frame::binary(&payload));
            // Bob reads at the sender's pace: he never waits for the slow one.
            bob.expect_binary(&payload);
            sent += 1;
        }
    }
    gateway.log.reason("slow_reader");
    gateway.wait_metric("portcullis_sessions", &[], 2.0);
    alice.text("on we go");
    bob.expect_text("on we go");

    // What was in the sockets still comes, then the Close if it fitted, then the end.
    let end = loop {
        match slow.read() {
            Got::Binary(payload) => assert_eq!(payload.len(), MESSAGE),
            other => break other,
        }
    };
    let close = Got::Close(Some(1013), "slow_reader".to_owned());
    assert!(end == close || matches!(end, Got::End(_)), "{end:?}");
}
