//! Owns frames on their way out, held against tungstenite's and against the standard's examples.
//! Never knows the decoder.

use super::*;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};

fn encoded(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(opcode, payload, &mut out);
    out
}

fn closed(code: Option<u16>, reason: &str) -> Vec<u8> {
    let mut out = Vec::new();
    encode_close(code, reason, &mut out);
    out
}

#[test]
fn the_examples_of_the_standard_come_out_to_the_letter() {
    // RFC 6455 section 5.7.
    assert_eq!(encoded(Opcode::Text, b"Hello"), b"\x81\x05Hello");
    assert_eq!(encoded(Opcode::Ping, b"Hello"), b"\x89\x05Hello");
    assert_eq!(encoded(Opcode::Pong, b"Hello"), b"\x8a\x05Hello");
    assert_eq!(encoded(Opcode::Binary, &[7; 256])[..5], [0x82, 0x7e, 0x01, 0x00, 7]);
    assert_eq!(encoded(Opcode::Binary, &[7; 65_536])[..11], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0, 7]);
}

#[test]
fn a_frame_is_what_tungstenite_makes_of_it_at_each_change_of_the_length_form() {
    for bytes in [0, 1, 124, 125, 126, 127, 65_534, 65_535, 65_536, 65_537] {
        let payload = vec![b'x'; bytes];
        for (opcode, theirs) in [(Opcode::Text, Data::Text), (Opcode::Binary, Data::Binary)] {
            let mut expected = Vec::new();
            Frame::message(payload.clone(), OpCode::Data(theirs), true).format(&mut expected).unwrap();
            let ours = encoded(opcode, &payload);
            assert_eq!(ours, expected, "{bytes}");
            assert_eq!(ours.len(), encoded_len(bytes), "{bytes}");
        }
        let header = FrameHeader { opcode: OpCode::Control(Control::Close), ..FrameHeader::default() };
        let length = u64::try_from(bytes).unwrap();
        assert_eq!(encoded_len(bytes), header.len(length) + bytes);
    }
}

#[test]
fn frames_are_appended_and_what_was_there_stays() {
    let mut out = b"before".to_vec();
    encode(Opcode::Text, b"a", &mut out);
    encode_close(None, "", &mut out);
    assert_eq!(out, b"before\x81\x01a\x88\x00");
}

#[test]
fn a_ping_or_pong_is_never_longer_than_a_control_frame_may_be() {
    for bytes in [125, 126, 70_000] {
        for opcode in [Opcode::Ping, Opcode::Pong] {
            let ours = encoded(opcode, &vec![1; bytes]);
            assert_eq!((ours.len(), ours[1]), (127, 125), "{bytes}");
        }
    }
}

#[test]
fn a_close_has_its_code_and_reason_or_nothing() {
    assert_eq!(closed(None, ""), b"\x88\x00");
    assert_eq!(closed(None, "a reason without a code"), b"\x88\x00");
    assert_eq!(closed(Some(1000), ""), b"\x88\x02\x03\xe8");
    assert_eq!(closed(Some(1009), "message_too_big"), b"\x88\x11\x03\xf1message_too_big");
}

#[test]
fn a_reason_is_cut_at_123_octets_between_characters() {
    let cases = [
        ("x".repeat(123), 123),
        ("x".repeat(124), 123),
        ("\u{e9}".repeat(62), 122),
        ("\u{1f600}".repeat(40), 120),
    ];
    for (reason, bytes) in cases {
        let out = closed(Some(1000), &reason);
        assert_eq!(usize::from(out[1]), bytes + 2);
        assert_eq!(str::from_utf8(&out[4..]).unwrap(), &reason[..bytes]);
    }
    for reason in Rejection::ALL {
        assert!(closed(Some(1008), reason.name()).ends_with(reason.name().as_bytes()));
    }
}
