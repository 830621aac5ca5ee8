//! Owns the stories of each limit: at it, and one over it.
//! Never knows the rules of frames or tokens.

use crate::support::refusal::{Expected, assert_refusal, bad_credential, expect_refusal, refused};
use crate::support::{Conn, Frame, Gateway, Handshake, Ws};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));

/// Sends a request from another loopback address.
fn status_from(gateway: &Gateway, source: IpAddr, handshake: &Handshake) -> u16 {
    let mut conn = Conn::open_from(gateway.place(), source);
    conn.send(&handshake.octets());
    conn.answer().status
}

/// A refusal at a limit, to a good request.
fn refuse(gateway: &Gateway, expected: Expected) {
    expect_refusal(gateway, &gateway.handshake(), expected);
}

#[test]
fn a_message_may_be_as_long_as_message_bytes() {
    let gateway = Gateway::with("limits.message_bytes = '1KiB'");
    let mut bob = gateway.join("lobby", "bob");
    let mut alice = gateway.join("lobby", "alice");
    alice.send(&Frame::binary([7; 1024]));
    bob.expect_binary(&[7; 1024]);
    alice.send(&Frame::binary([7; 1025]));
    alice.expect_violation(1009, "message_too_big");
    bob.expect_nothing();
}

#[test]
fn a_message_may_have_message_fragments() {
    let gateway = Gateway::with("limits.message_fragments = 3");
    let mut bob = gateway.join("lobby", "bob");
    let mut alice = gateway.join("lobby", "alice");
    let send = |ws: &mut Ws, count: usize| {
        ws.send(&Frame::text("1").open_ended());
        (2..count).for_each(|index| ws.send(&Frame::continuation(index.to_string()).open_ended()));
        ws.send(&Frame::continuation("."));
    };
    send(&mut alice, 3);
    bob.expect_text("12.");
    send(&mut alice, 4);
    alice.expect_violation(1008, "message_fragments");
    bob.expect_nothing();
}

#[test]
fn a_message_must_be_whole_within_message_timeout() {
    let gateway = Gateway::with("limits.message_timeout = '1s'");
    let mut half_a_frame = gateway.join("lobby", "alice");
    let octets = Frame::text("never finished").octets();
    half_a_frame.conn.send(&octets[..octets.len() - 1]);
    let mut half_a_header = gateway.join("lobby", "bob");
    half_a_header.conn.send(&octets[..1]);
    let mut half_a_message = gateway.join("lobby", "carol");
    half_a_message.send(&Frame::text("never").open_ended());
    for ws in [&mut half_a_frame, &mut half_a_header, &mut half_a_message] {
        ws.expect_violation(1008, "message_slow");
    }
}

#[test]
fn more_fragments_do_not_buy_a_message_more_time() {
    let gateway = Gateway::with("limits.message_timeout = '1s'");
    let mut alice = gateway.join("lobby", "alice");
    alice.send(&Frame::text("a").open_ended());
    for _ in 0..40 {
        if !alice.is_silent_for(Duration::from_millis(100)) {
            break;
        }
        alice.send(&Frame::continuation("a").open_ended());
    }
    alice.expect_violation(1008, "message_slow");
}

#[test]
fn messages_have_a_rate() {
    let gateway = Gateway::with("limits.messages_per_connection = '1/m burst 5'");
    let mut bob = gateway.join("lobby", "bob");
    let mut alice = gateway.join("lobby", "alice");
    let burst: Vec<u8> = (0..7).flat_map(|index| Frame::text(index.to_string()).octets()).collect();
    alice.conn.send(&burst);
    for index in 0..5 {
        bob.expect_text(&index.to_string());
    }
    alice.expect_violation(1008, "message_rate");
}

#[test]
fn pings_and_unasked_pongs_have_a_rate() {
    let gateway = Gateway::with("limits.pings_per_connection = '1/m burst 5'");
    for frame in [Frame::ping("p"), Frame::pong("p")] {
        let mut ws = gateway.open(&gateway.handshake());
        let burst = |count: usize| (0..count).flat_map(|_| frame.octets()).collect::<Vec<u8>>();
        ws.conn.send(&burst(4));
        ws.settle_after_others();
        ws.conn.send(&burst(3));
        ws.expect_violation_after_others(1008, "ping_rate");
    }
}

#[test]
fn octets_have_a_rate() {
    let gateway =
        Gateway::with("limits.message_bytes = '16KiB'\nlimits.bytes_per_connection = '1B/s burst 80KiB'");
    let mut bob = gateway.join("lobby", "bob");
    let mut alice = gateway.join("lobby", "alice");
    for _ in 0..4 {
        alice.send(&Frame::binary([7; 16 << 10]));
        bob.expect_binary(&[7; 16 << 10]);
    }
    alice.send(&Frame::binary([7; 16 << 10]));
    alice.expect_violation(1008, "byte_rate");
    let mut pinger = gateway.join("lobby", "carol");
    pinger.settle();
}

#[test]
fn who_sends_no_message_for_idle_timeout_is_closed_and_who_does_is_not() {
    let gateway = Gateway::with("limits.idle_timeout = '2s'\nlimits.ping_interval = '500ms'");
    let mut silent = gateway.join("lobby", "alice");
    let mut busy = gateway.join("kitchen", "bob");
    for _ in 0..12 {
        // Neither pongs nor pings are messages.
        busy.text("still here");
        silent.send(&Frame::ping("p"));
        std::thread::park_timeout(Duration::from_millis(250));
    }
    gateway.log.reason("idle");
    gateway.wait_metric("portcullis_closes_total", &[("reason", "idle"), ("code", "1001")], 1.0);
    busy.settle_after_others();
    assert_eq!(gateway.log.count(|line| line["reason"] == "idle" && line["subject"] == "bob"), 0);
}

#[test]
fn a_room_has_members_per_room() {
    let gateway = Gateway::with("limits.members_per_room = 2");
    let first = gateway.join("lobby", "alice");
    let _second = gateway.join("lobby", "bob");
    refuse(&gateway, refused(503, "room_full"));
    let _elsewhere = gateway.join("kitchen", "carol");
    first.leave();
    gateway.wait_metric("portcullis_sessions", &[], 2.0);
    assert_eq!(gateway.ask(&gateway.handshake()).status, 101);
}

#[test]
fn an_address_may_hold_connections_per_ip() {
    let gateway = Gateway::with("limits.connections_per_ip = 2");
    let first = gateway.join("lobby", "alice");
    let _second = gateway.join("lobby", "bob");
    refuse(&gateway, refused(429, "address_connections"));
    assert_eq!(status_from(&gateway, ELSEWHERE, &gateway.handshake()), 101);
    first.leave();
    gateway.wait_metric("portcullis_connections", &[], 1.0);
    assert_eq!(gateway.ask(&gateway.handshake()).status, 101);
}

#[test]
fn as_much_of_an_address_is_one_address_as_ipv4_prefix_says() {
    let from = |last: [u8; 2]| IpAddr::V4(Ipv4Addr::new(127, 9, last[0], last[1]));
    let gateway = Gateway::with("limits.ipv4_prefix = 24\nlimits.connections_per_ip = 2");
    let first = gateway.join_from(from([0, 1]), "lobby", "alice");
    let _second = gateway.join_from(from([0, 2]), "lobby", "bob");
    assert_eq!(status_from(&gateway, from([0, 254]), &gateway.handshake()), 429, "the same /24");
    assert_eq!(status_from(&gateway, from([1, 1]), &gateway.handshake()), 101, "another one");
    first.leave();
    gateway.wait_metric("portcullis_connections", &[], 1.0);
    assert_eq!(status_from(&gateway, from([0, 254]), &gateway.handshake()), 101);

    let gateway = Gateway::with("limits.ipv4_prefix = 16\nlimits.failed_credentials_per_ip = '1/h burst 1'");
    let bad = gateway.handshake().bearer("a.b.c");
    assert_eq!(status_from(&gateway, from([0, 1]), &bad), 401);
    assert_eq!(status_from(&gateway, from([255, 254]), &bad), 429);

    let gateway = Gateway::with("limits.handshakes_per_ip = '1/h burst 1'");
    assert_eq!(status_from(&gateway, from([0, 1]), &gateway.handshake()), 101);
    assert_eq!(status_from(&gateway, from([0, 1]), &gateway.handshake()), 429);
    assert_eq!(status_from(&gateway, from([0, 2]), &gateway.handshake()), 101, "by default each is one");
}

#[test]
fn connections_that_say_nothing_count_too() {
    let gateway = Gateway::with("limits.connections_per_ip = 2");
    let _silent = [gateway.connect(), gateway.connect()];
    refuse(&gateway, refused(429, "address_connections"));
}

#[test]
fn a_subject_may_hold_connections_per_subject() {
    let gateway = Gateway::with("limits.connections_per_subject = 2");
    let first = gateway.join("lobby", "alice");
    let _second = gateway.join("kitchen", "alice");
    refuse(&gateway, refused(429, "subject_connections"));
    let _other = gateway.join("lobby", "bob");
    let elsewhere = status_from(&gateway, ELSEWHERE, &gateway.handshake());
    assert_eq!(elsewhere, 429, "another address is no other subject");
    first.leave();
    gateway.wait_metric("portcullis_sessions", &[], 2.0);
    assert_eq!(gateway.ask(&gateway.handshake()).status, 101);
}

#[test]
fn the_gateway_holds_connections() {
    let gateway = Gateway::with("limits.connections = 2");
    let first = gateway.join("lobby", "alice");
    let _second = gateway.join("lobby", "bob");
    refuse(&gateway, refused(503, "connections_full"));
    assert_eq!(status_from(&gateway, ELSEWHERE, &gateway.handshake()), 503);
    first.leave();
    gateway.wait_metric("portcullis_connections", &[], 1.0);
    assert_eq!(gateway.ask(&gateway.handshake()).status, 101);
}

#[test]
fn an_address_has_a_rate_of_handshakes() {
    let gateway = Gateway::with("limits.handshakes_per_ip = '1/m burst 3'");
    for _ in 0..3 {
        assert_eq!(gateway.ask(&gateway.handshake()).status, 101);
    }
    refuse(&gateway, refused(429, "address_handshakes"));
    assert_eq!(status_from(&gateway, ELSEWHERE, &gateway.handshake()), 101);
}

#[test]
fn an_address_has_a_rate_of_failed_credentials() {
    let gateway = Gateway::with("limits.failed_credentials_per_ip = '1/m burst 3'");
    let bad = gateway.handshake().bearer("a.b.c");
    for _ in 0..3 {
        let before = gateway.metrics();
        let answer = gateway.ask(&bad);
        assert_refusal(&gateway, &before, &answer, bad_credential("token_malformed"));
    }
    expect_refusal(&gateway, &bad, refused(429, "address_credentials"));
    assert_eq!(status_from(&gateway, ELSEWHERE, &bad), 401);
    assert_eq!(status_from(&gateway, ELSEWHERE, &gateway.handshake()), 101);
}

#[test]
fn good_credentials_are_not_counted_as_failed() {
    let gateway = Gateway::with("limits.failed_credentials_per_ip = '1/m burst 2'");
    for _ in 0..6 {
        assert_eq!(gateway.ask(&gateway.handshake()).status, 101);
    }
}

#[test]
fn a_head_may_have_header_bytes() {
    let gateway = Gateway::with("limits.header_bytes = '2KiB'");
    let sized = |octets: usize| {
        let request = gateway.handshake();
        let fill = octets - request.octets().len() - "X-Fill: \r\n".len();
        request.add("X-Fill", "f".repeat(fill))
    };
    assert_eq!(gateway.ask(&sized(2048)).status, 101);
    expect_refusal(&gateway, &sized(2049), refused(431, "head_too_large"));
}

#[test]
fn a_route_may_have_limits_of_its_own() {
    let gateway = Gateway::with(
        "[[route]]\npath = '/chat/{room}'\nkind = 'broadcast'\n\
         [[route]]\npath = '/small/{room}'\nkind = 'broadcast'\nlimits.message_bytes = '16B'",
    );
    let mut big = gateway.join("lobby", "alice");
    let mut small = gateway.open(&gateway.handshake().target("/small/lobby").bearer(&gateway.token("bob")));
    small.settle();
    big.send(&Frame::text("f".repeat(17)));
    small.expect_text(&"f".repeat(17));
    small.send(&Frame::text("f".repeat(16)));
    big.expect_text(&"f".repeat(16));
    small.send(&Frame::text("f".repeat(17)));
    small.expect_violation(1009, "message_too_big");
}

#[test]
fn the_smallest_limits_of_a_session_let_the_smallest_message_through() {
    let gateway = Gateway::with(
        "limits.message_bytes = '1B'\nlimits.message_fragments = 1\nlimits.messages_per_connection = '1/h burst 3'\n\
         limits.pings_per_connection = '1/h burst 1'\nlimits.send_queue = '17B'",
    );
    let mut bob = gateway.join("lobby", "bob");
    let mut alice = gateway.join("lobby", "alice");
    for text in ["", "1", "2"] {
        alice.text(text);
        bob.expect_text(text);
    }
    alice.text("3");
    alice.expect_violation(1008, "message_rate");
    let mut carol = gateway.join("lobby", "carol");
    carol.send(&Frame::binary([1, 2]));
    carol.expect_violation(1009, "message_too_big");
    let mut dave = gateway.join("lobby", "dave");
    dave.send(&Frame::text("1").open_ended());
    dave.send(&Frame::continuation(""));
    dave.expect_violation(1008, "message_fragments");
    let mut erin = gateway.join("lobby", "erin");
    erin.send(&Frame::ping("one was used to settle"));
    erin.expect_violation(1008, "ping_rate");
}

#[test]
fn the_smallest_limits_of_an_address_let_one_in() {
    let gateway = Gateway::with("limits.connections_per_ip = 1");
    let first = gateway.join("lobby", "alice");
    refuse(&gateway, refused(429, "address_connections"));
    first.leave();
    gateway.wait_metric("portcullis_connections", &[], 0.0);
    assert_eq!(gateway.ask(&gateway.handshake()).status, 101);

    let gateway = Gateway::with("limits.connections = 1");
    let first = gateway.join("lobby", "alice");
    refuse(&gateway, refused(503, "connections_full"));
    first.leave();
    gateway.wait_metric("portcullis_connections", &[], 0.0);
    assert_eq!(gateway.ask(&gateway.handshake()).status, 101);

    let gateway = Gateway::with("limits.handshakes_per_ip = '1/h burst 1'");
    assert_eq!(gateway.ask(&gateway.handshake()).status, 101);
    refuse(&gateway, refused(429, "address_handshakes"));

    let gateway = Gateway::with("limits.failed_credentials_per_ip = '1/h burst 1'");
    let bad = gateway.handshake().bearer("a.b.c");
    assert_eq!(gateway.ask(&bad).status, 401);
    expect_refusal(&gateway, &bad, refused(429, "address_credentials"));

    let gateway = Gateway::with("limits.connections_per_subject = 1");
    let _first = gateway.join("lobby", "alice");
    refuse(&gateway, refused(429, "subject_connections"));
    let _other = gateway.join("lobby", "bob");
}
