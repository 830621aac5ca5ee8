//! Owns the rules of a header: each breach with the reason and the octet at which it falls.
//! Never knows payload rules.

use super::*;

/// Octets within an open message.
fn opened(octets: &[u8]) -> Vec<u8> {
    [frame(TEXT, "a"), octets.to_vec()].concat()
}

#[test]
fn each_breach_of_a_header_is_refused_at_the_first_octet_that_shows_it() {
    let before = opened(&[]).len();
    let cases: &[(&str, Vec<u8>, usize, Rejection)] = &[
        // Row 131: a frame without a mask, whatever it is.
        ("unmasked text", vec![FIN | TEXT, 5, b'h', b'e', b'l', b'l', b'o'], 2, Rejection::FrameUnmasked),
        ("unmasked empty binary", vec![FIN | BINARY, 0], 2, Rejection::FrameUnmasked),
        ("unmasked ping", vec![FIN | PING, 0], 2, Rejection::FrameUnmasked),
        ("unmasked close", vec![FIN | CLOSE, 2, 3, 232], 2, Rejection::FrameUnmasked),
        ("unmasked huge frame", vec![FIN | BINARY, 127], 2, Rejection::FrameUnmasked),
        // Row 132: reserved bits and opcodes.
        ("RSV1 on text", frame(FIN | 0x40 | TEXT, "a"), 1, Rejection::FrameReservedBit),
        ("RSV2 on binary", frame(FIN | 0x20 | BINARY, "a"), 1, Rejection::FrameReservedBit),
        ("RSV3 on text", frame(FIN | 0x10 | TEXT, "a"), 1, Rejection::FrameReservedBit),
        ("all RSV on a ping", frame(FIN | 0x70 | PING, ""), 1, Rejection::FrameReservedBit),
        ("RSV1 on a close", frame(FIN | 0x40 | CLOSE, ""), 1, Rejection::FrameReservedBit),
        ("RSV1 on a continuation", opened(&frame(0xc0, "a")), before + 1, Rejection::FrameReservedBit),
        // Row 133: control frames.
        ("ping without FIN", frame(PING, ""), 1, Rejection::FrameControl),
        ("pong without FIN", frame(PONG, ""), 1, Rejection::FrameControl),
        ("close without FIN", frame(CLOSE, ""), 1, Rejection::FrameControl),
        ("ping of 126", frame(FIN | PING, [0; 126]), 2, Rejection::FrameControl),
        ("pong of 126", frame(FIN | PONG, [0; 126]), 2, Rejection::FrameControl),
        ("close of 126", frame(FIN | CLOSE, [3; 126]), 2, Rejection::FrameControl),
        ("ping of 64 KiB", frame(FIN | PING, [0; 65536]), 2, Rejection::FrameControl),
        ("ping inside a message without FIN", opened(&frame(PING, "")), before + 1, Rejection::FrameControl),
        ("close of half a code", frame(FIN | CLOSE, [3]), 2, Rejection::CloseMalformed),
        // Row 134: order.
        ("continuation of nothing", frame(FIN, "a"), 1, Rejection::FrameSequence),
        ("continuation of nothing without FIN", frame(CONTINUATION, "a"), 1, Rejection::FrameSequence),
        ("text in a message", opened(&frame(FIN | TEXT, "a")), before + 1, Rejection::FrameSequence),
        ("binary in a message", opened(&frame(BINARY, "a")), before + 1, Rejection::FrameSequence),
        // Rows 138 and 139: lengths.
        ("125 in 16 bits", header(FIN | TEXT, vec![126, 0, 125]), 4, Rejection::FrameLength),
        ("0 in 16 bits", header(FIN | TEXT, vec![126, 0, 0]), 4, Rejection::FrameLength),
        ("5 in 64 bits", header(FIN | TEXT, vec![127, 0, 0, 0, 0, 0, 0, 0, 5]), 8, Rejection::FrameLength),
        (
            "65535 in 64 bits",
            header(FIN | TEXT, vec![127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]),
            8,
            Rejection::FrameLength,
        ),
        ("2^63", header(FIN | TEXT, vec![127, 128, 0, 0, 0, 0, 0, 0, 0]), 3, Rejection::FrameLength),
        ("2^64 - 1", header(FIN | BINARY, [vec![127], vec![255; 8]].concat()), 3, Rejection::FrameLength),
        // Row 140: a length over the limit, known by its first octet that says so.
        (
            "2^63 - 1",
            header(FIN | TEXT, [vec![127, 127], vec![255; 7]].concat()),
            3,
            Rejection::MessageTooBig,
        ),
        ("2^32", header(FIN | TEXT, vec![127, 0, 0, 0, 1, 0, 0, 0, 0]), 6, Rejection::MessageTooBig),
        ("2^20 + 1", header(FIN | TEXT, vec![127, 0, 0, 0, 0, 0, 16, 0, 1]), 10, Rejection::MessageTooBig),
        // Row 146: other protocols.
        ("an HTTP request", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), 1, Rejection::FrameReservedBit),
        ("a POST", b"POST / HTTP/1.1\r\n".to_vec(), 1, Rejection::FrameReservedBit),
        ("a TLS handshake record", vec![0x16, 3, 1, 2, 0, 1, 0], 1, Rejection::FrameReservedBit),
        ("a TLS alert record", vec![0x15, 3, 3, 0, 2, 1, 0], 1, Rejection::FrameReservedBit),
        ("an SSH banner", b"SSH-2.0-x\r\n".to_vec(), 1, Rejection::FrameReservedBit),
    ];
    for (name, octets, at, rejection) in cases {
        assert_eq!(verdict_at(&limits(), octets), Some((*at, *rejection)), "{name}");
        assert_eq!(decode(octets).verdict, Err(*rejection), "{name}, in one piece");
    }
}

#[test]
fn each_reserved_opcode_is_refused_and_each_other_is_not() {
    for opcode in 0..16 {
        let octets = if opcode == CONTINUATION { opened(&frame(FIN, "a")) } else { frame(FIN | opcode, "") };
        let expected = match opcode {
            CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG => Ok(()),
            _ => Err(Rejection::FrameOpcode),
        };
        assert_eq!(decode(&octets).verdict, expected, "opcode {opcode}");
        assert_eq!(decode(&frame(opcode, "")).verdict.is_err(), !matches!(opcode, TEXT | BINARY));
    }
}

#[test]
fn each_length_in_its_minimal_form_comes_through() {
    for bytes in [0, 1, 7, 8, 9, 124, 125, 126, 127, 128, 65_534, 65_535, 65_536, 65_537, 1 << 20] {
        let payload: Vec<u8> = (0..=255).cycle().take(bytes).collect();
        let binary = decode(&frame(FIN | BINARY, &payload));
        assert_eq!(binary, outcome([Got::Binary(payload)], Ok(())), "{bytes} binary");
        let letters = "x".repeat(bytes);
        assert_eq!(decode(&frame(FIN | TEXT, &letters)), outcome([text(&letters)], Ok(())), "{bytes} text");
    }
}

#[test]
fn a_control_frame_of_125_octets_comes_through() {
    for bytes in [0, 1, 124, 125] {
        let payload = vec![0xfe; bytes];
        assert_eq!(decode(&frame(FIN | PING, &payload)), outcome([Got::Ping(payload.clone())], Ok(())));
        assert_eq!(decode(&frame(FIN | PONG, &payload)), outcome([Got::Pong(payload)], Ok(())));
    }
}

#[test]
fn a_message_of_the_limit_comes_through_and_one_octet_more_is_refused_by_its_header() {
    for message_bytes in [0, 1, 10, 125, 126, 200, 65_535, 65_536, 70_000] {
        let limits = Limits { message_bytes, ..limits() };
        let payload = vec![b'x'; message_bytes];
        let whole = outcome([Got::Binary(payload.clone())], Ok(()));
        assert_eq!(decode_with(&limits, &frame(FIN | BINARY, &payload)), whole, "{message_bytes}");

        let mut over = header(FIN | BINARY, length(message_bytes + 1));
        over.truncate(over.len() - KEY.len());
        // Without a mask or payload, and often before the last octet of the length.
        let (_, rejection) = verdict_at(&limits, &over).unwrap();
        assert_eq!(rejection, Rejection::MessageTooBig, "{message_bytes} + 1");
    }
}

#[test]
fn a_limit_of_octets_does_not_concern_control_frames() {
    let limits = Limits { message_bytes: 0, ..limits() };
    let octets = [frame(FIN | PING, [1; 125]), frame(FIN | TEXT, "")].concat();
    assert_eq!(decode_with(&limits, &octets), outcome([Got::Ping(vec![1; 125]), text("")], Ok(())));
}

#[test]
fn nothing_is_read_after_a_verdict() {
    let (_, mut decoder) = decode_pieces(&limits(), [&[FIN | TEXT, 0][..]]);
    let mut nothing = |event: Event<'_>| panic!("{event:?}");
    for octets in [frame(FIN | TEXT, "a"), vec![0x70], Vec::new()] {
        assert_eq!(decoder.decode(&limits(), Instant::now(), &mut octets.clone(), &mut nothing), Ok(()));
    }
    assert_eq!(decoder.deadline(&limits()), None);
}

#[test]
fn a_listener_that_breaks_ends_the_reading_with_its_reason() {
    let octets = [frame(FIN | TEXT, "a"), frame(FIN | TEXT, "b"), frame(FIN | TEXT, "c")].concat();
    for step in [1, 3, octets.len()] {
        let (mut decoder, mut seen, mut verdicts) = (Decoder::default(), Vec::<Got>::new(), Vec::new());
        for piece in octets.chunks(step) {
            let mut break_at_the_second = |event: Event<'_>| {
                seen.push(event.into());
                if seen.len() == 2 {
                    ControlFlow::Break(Rejection::MessageRate)
                } else {
                    ControlFlow::Continue(())
                }
            };
            let now = Instant::now();
            verdicts.push(decoder.decode(&limits(), now, &mut piece.to_vec(), &mut break_at_the_second));
        }
        assert_eq!(seen, [text("a"), text("b")]);
        let errors: Vec<_> = verdicts.into_iter().filter_map(Result::err).collect();
        assert_eq!(errors, [Rejection::MessageRate]);
    }
}
