//! Owns the stories of permessage-deflate (RFC 7692): who gets it, what it costs a stranger to abuse it.
//! Never knows how the gateway compresses.

use crate::support::ws::Got;
use crate::support::{Frame, Gateway, Setup, Ws};
use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

const RSV1: u8 = 0x40;
const AGREED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fn gateway() -> Gateway {
    Setup::new()
        .toml(
            "[[route]]
            path = '/chat/{room}'
            compression = 'permessage-deflate'
            [[route]]
            path = '/plain/{room}'",
        )
        .start()
}

fn join_deflating(gateway: &Gateway, subject: &str) -> Ws {
    let token = gateway.token(subject);
    let offer = "permessage-deflate; client_max_window_bits";
    let handshake = gateway.handshake_for("lobby", &token).add("Sec-WebSocket-Extensions", offer);
    let ws = handshake.open(gateway.place());
    assert_eq!(ws.answer.field("sec-websocket-extensions"), Some(AGREED));
    ws
}

fn compressed(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; payload.len() + 64];
    let mut deflater = Deflate::new(9, false, 15);
    deflater.compress(payload, &mut out, DeflateFlush::SyncFlush).expect("a compressor");
    out.truncate(deflater.total_out() as usize - 4);
    out
}

fn inflated(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 1 << 20];
    let mut inflater = Inflate::new(false, 15);
    let whole = [payload, &[0, 0, 0xff, 0xff]].concat();
    inflater.decompress(&whole, &mut out, InflateFlush::SyncFlush).expect("a DEFLATE stream");
    out.truncate(inflater.total_out() as usize);
    out
}

#[test]
fn members_with_and_without_compression_read_the_same_messages() {
    let gateway = gateway();
    let mut alice = join_deflating(&gateway, "alice");
    let mut bob = gateway.join("lobby", "bob");
    let mut carol = join_deflating(&gateway, "carol");
    let long = "{\"type\":\"message\",\"text\":\"hello\"}".repeat(40);

    alice.send(&Frame::text(compressed(long.as_bytes())).reserved(RSV1));
    bob.expect_text(&long);
    let Got::Compressed(1, payload) = carol.read() else { panic!("a compressed text") };
    assert!(payload.len() * 4 < long.len());
    assert_eq!(inflated(&payload), long.as_bytes());

    bob.text(&long);
    for ws in [&mut alice, &mut carol] {
        let Got::Compressed(1, payload) = ws.read() else { panic!("a compressed text") };
        assert_eq!(inflated(&payload), long.as_bytes(), "no message leans on the last one");
    }
    bob.text("short");
    carol.expect_text("short");
}

#[test]
fn a_message_that_inflates_over_the_limit_is_stopped_at_the_limit() {
    let gateway = gateway();
    let mut bob = gateway.join("lobby", "bob");
    let mut alice = join_deflating(&gateway, "alice");
    let full = vec![b'x'; 64 << 10];
    alice.send(&Frame::text(compressed(&full)).reserved(RSV1));
    bob.expect_text(str::from_utf8(&full).expect("text"));
    let before = gateway.resident_bytes();
    // A thousandth of what it would be.
    let bomb = compressed(&vec![0; 60 << 20]);
    assert!(bomb.len() < 65 << 10, "{}", bomb.len());
    alice.send(&Frame::binary(bomb).reserved(RSV1));
    alice.expect_violation(1009, "message_too_big");
    let grown = gateway.resident_bytes().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} octets more than before");
    bob.expect_nothing();
}

#[test]
fn what_is_no_whole_compressed_message_closes_with_1007() {
    let gateway = gateway();
    let squeezed = compressed(b"some words that take more than one octet to say");
    for payload in [&b"\xff\xff\xff"[..], &squeezed[..squeezed.len() - 2], b""] {
        let mut alice = join_deflating(&gateway, "alice");
        alice.send(&Frame::text(payload).reserved(RSV1));
        alice.expect_violation(1007, "message_compression");
    }
    let mut alice = join_deflating(&gateway, "alice");
    alice.send(&Frame::text(compressed(b"caf\xe9")).reserved(RSV1));
    alice.expect_violation(1007, "utf8");
}

#[test]
fn the_bit_of_a_compressed_message_is_a_violation_where_nothing_was_agreed_on() {
    let gateway = gateway();
    let mut bob = gateway.join("lobby", "bob");
    bob.send(&Frame::text(compressed(b"words")).reserved(RSV1));
    bob.expect_violation(1002, "frame_reserved_bit");
    let mut alice = join_deflating(&gateway, "alice");
    alice.send(&Frame::ping("x").reserved(RSV1));
    alice.expect_violation(1002, "frame_reserved_bit");
}

#[test]
fn an_offer_is_answered_on_a_route_that_serves_it_alone_and_only_if_it_can_be_kept() {
    let gateway = gateway();
    let ask = |path: &str, offer: &str| {
        let handshake = gateway.handshake().target(path).add("Sec-WebSocket-Extensions", offer);
        let answer = handshake.ask(gateway.place());
        (answer.status, answer.field("sec-websocket-extensions").map(str::to_owned))
    };
    let with_window = format!("{AGREED}; server_max_window_bits=15");
    for (path, offer, status, answer) in [
        ("/chat/lobby", "permessage-deflate", 101, Some(AGREED)),
        ("/chat/lobby", "permessage-deflate; server_max_window_bits=15", 101, Some(&*with_window)),
        (
            "/chat/lobby",
            "permessage-deflate; server_max_window_bits=10, permessage-deflate",
            101,
            Some(AGREED),
        ),
        ("/chat/lobby", "permessage-deflate; server_max_window_bits=10", 101, None),
        ("/chat/lobby", "permessage-deflate; unknown", 101, None),
        ("/chat/lobby", "x-webkit-deflate-frame", 101, None),
        ("/chat/lobby", "permessage-deflate; a=\"\\c\"", 400, None),
        ("/chat/lobby", ",", 400, None),
        ("/plain/lobby", "permessage-deflate", 101, None),
        ("/plain/lobby", ",", 101, None),
    ] {
        assert_eq!(ask(path, offer), (status, answer.map(str::to_owned)), "{path} {offer}");
    }
}
