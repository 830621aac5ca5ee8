//! Owns messages in fragments (RFC 6455 section 5.4; Autobahn groups 1, 2 and 5).
//! Never knows text rules.

use super::*;

#[test]
fn frames_of_any_size_and_control_frames_come_through() {
    // Autobahn 1.1.1 to 1.2.8 and 2.1 to 2.4, 2.6 to 2.11.
    for bytes in [0, 125, 126, 127, 128, 65_535, 65_536] {
        let letters = "*".repeat(bytes);
        assert_eq!(decode(&frame(FIN | TEXT, &letters)), outcome([text(&letters)], Ok(())));
        let octets = vec![0xfe; bytes];
        assert_eq!(decode(&frame(FIN | BINARY, &octets)), outcome([Got::Binary(octets)], Ok(())));
    }
    let pings: Vec<_> = (0..10).map(|i| format!("payload-{i}")).collect();
    let octets: Vec<_> = pings.iter().map(|ping| frame(FIN | PING, ping)).collect();
    let expected = pings.into_iter().map(|ping| Got::Ping(ping.into_bytes()));
    assert_eq!(decode(&octets.concat()), outcome(expected, Ok(())));
}

#[test]
fn fragments_become_one_message_with_control_frames_handed_over_between() {
    let ping = || frame(FIN | PING, "ping");
    let pong = || frame(FIN | PONG, "pong");
    let got_ping = || Got::Ping(b"ping".to_vec());
    let got_pong = || Got::Pong(b"pong".to_vec());
    let orphan = Err(Rejection::FrameSequence);
    let cases: Vec<(&str, Vec<Vec<u8>>, Outcome)> = vec![
        (
            "5.1 ping without FIN",
            vec![frame(PING, "a"), frame(FIN, "b")],
            outcome([], Err(Rejection::FrameControl)),
        ),
        (
            "5.2 pong without FIN",
            vec![frame(PONG, "a"), frame(FIN, "b")],
            outcome([], Err(Rejection::FrameControl)),
        ),
        ("5.3 two fragments", vec![frame(TEXT, "a"), frame(FIN, "b")], outcome([text("ab")], Ok(()))),
        (
            "5.6 a ping between",
            vec![frame(TEXT, "a"), ping(), frame(FIN, "b")],
            outcome([got_ping(), text("ab")], Ok(())),
        ),
        ("5.9 a continuation first", vec![frame(FIN, "a"), frame(FIN | TEXT, "b")], outcome([], orphan)),
        (
            "5.12 one without FIN first",
            vec![frame(CONTINUATION, "a"), frame(FIN | TEXT, "b")],
            outcome([], orphan),
        ),
        (
            "5.15 a continuation after the end",
            vec![frame(TEXT, "a"), frame(FIN, "b"), frame(CONTINUATION, "c"), frame(FIN | TEXT, "d")],
            outcome([text("ab")], orphan),
        ),
        ("5.18 a text in a text", vec![frame(TEXT, "a"), frame(FIN | TEXT, "b")], outcome([], orphan)),
        (
            "5.19 five fragments with pings and a pong between",
            vec![
                frame(TEXT, "1"),
                frame(CONTINUATION, "2"),
                ping(),
                frame(CONTINUATION, "3"),
                frame(CONTINUATION, "4"),
                pong(),
                ping(),
                frame(FIN, "5"),
            ],
            outcome([got_ping(), got_pong(), got_ping(), text("12345")], Ok(())),
        ),
        (
            "6.1.3 empty, full, empty",
            vec![frame(TEXT, ""), frame(CONTINUATION, "a"), frame(FIN, "")],
            outcome([text("a")], Ok(())),
        ),
        (
            "6.1.2 only empty ones",
            vec![frame(TEXT, ""), frame(CONTINUATION, ""), frame(FIN, "")],
            outcome([text("")], Ok(())),
        ),
        (
            "binary in three, then another message",
            vec![frame(BINARY, [0, 1]), frame(CONTINUATION, [0xff]), frame(FIN, [9]), frame(FIN | TEXT, "x")],
            outcome([Got::Binary(vec![0, 1, 0xff, 9]), text("x")], Ok(())),
        ),
        (
            "a close in an open message",
            vec![frame(TEXT, "a"), frame(FIN | CLOSE, ""), frame(FIN, "b")],
            outcome([Got::Close(None)], Ok(())),
        ),
    ];
    for (name, frames, expected) in cases {
        let octets = frames.concat();
        assert_eq!(decode(&octets), expected, "{name}");
        assert_eq!(decode_pieces(&limits(), octets.chunks(1)).0, expected, "{name}, octet by octet");
        assert_eq!(
            decode_pieces(&limits(), frames.iter().map(Vec::as_slice)).0,
            expected,
            "{name}, by frames"
        );
    }
}

#[test]
fn a_control_frame_between_fragments_is_not_kept_back_until_the_message_is_whole() {
    let octets = [frame(TEXT, "a"), frame(FIN | PING, "now")].concat();
    assert_eq!(decode(&octets), outcome([Got::Ping(b"now".to_vec())], Ok(())));
    // Also one that comes in two pieces.
    let (first, second) = octets.split_at(octets.len() - 2);
    let expected = outcome([Got::Ping(b"now".to_vec())], Ok(()));
    assert_eq!(decode_pieces(&limits(), [first, second]).0, expected);
}

#[test]
fn a_message_of_as_many_frames_as_allowed_comes_through_and_one_more_is_refused_at_its_first_octet() {
    for message_fragments in [1, 2, 3, 1024] {
        let limits = Limits { message_fragments, ..limits() };
        for payload in ["", "a"] {
            let frames = |count: u32, last: u8| -> Vec<u8> {
                let first = if count == 1 { last | TEXT } else { TEXT };
                let more = (1..count).map(|i| frame(if i + 1 == count { last } else { 0 }, payload));
                std::iter::once(frame(first, payload)).chain(more).collect::<Vec<_>>().concat()
            };
            let whole = payload.repeat(usize::try_from(message_fragments).unwrap());
            // The count begins anew with each message, and control frames do not count.
            let two = [frames(message_fragments, FIN), frame(FIN | PING, ""), frames(message_fragments, FIN)];
            let expected = outcome([text(&whole), Got::Ping(Vec::new()), text(&whole)], Ok(()));
            assert_eq!(decode_with(&limits, &two.concat()), expected, "{message_fragments}");

            let full = [frames(message_fragments, 0), frame(FIN | PING, "")].concat();
            assert_eq!(decode_with(&limits, &full).verdict, Ok(()), "{message_fragments}, unfinished");
            let over = [full.as_slice(), &[FIN]].concat();
            assert_eq!(decode_with(&limits, &over).verdict, Err(Rejection::MessageFragments));
            let over = [full.as_slice(), &[CONTINUATION]].concat();
            assert_eq!(decode_with(&limits, &over).verdict, Err(Rejection::MessageFragments));
        }
    }
    let none = Limits { message_fragments: 0, ..limits() };
    assert_eq!(decode_with(&none, &[FIN | TEXT]).verdict, Err(Rejection::MessageFragments));
    assert_eq!(decode_with(&none, &frame(FIN | PING, "")).verdict, Ok(()));
}

#[test]
fn fragments_may_sum_to_the_limit_and_the_header_that_crosses_it_is_refused() {
    for step in [1, 10, 125, 300] {
        let limits = Limits { message_bytes: 4 * step, ..limits() };
        let payload = vec![7; step];
        let open =
            [frame(BINARY, &payload), frame(CONTINUATION, &payload), frame(CONTINUATION, &payload)].concat();
        let whole = [open.clone(), frame(FIN, &payload)].concat();
        assert_eq!(decode_with(&limits, &whole), outcome([Got::Binary(payload.repeat(4))], Ok(())));
        // Filled up, it may still be ended by an empty frame.
        let filled = [open.clone(), frame(CONTINUATION, &payload), frame(FIN, "")].concat();
        assert_eq!(decode_with(&limits, &filled), outcome([Got::Binary(payload.repeat(4))], Ok(())));

        let length = length(step + 1);
        let crossing = header(FIN, length.clone());
        let over = [open.as_slice(), &crossing[..=length.len()]].concat();
        assert_eq!(decode_with(&limits, &over).verdict, Err(Rejection::MessageTooBig), "without its mask");
        assert_eq!(decode_with(&limits, &over[..over.len() - 1]).verdict, Ok(()), "one octet earlier");
    }
}
