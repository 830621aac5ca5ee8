//! Owns text as UTF-8, wherever it is cut (RFC 6455 section 8.1; Autobahn group 6).
//! Never knows close codes.

use super::*;

/// Octets that are text (Autobahn 6.2, 6.5, 6.6, 6.7, 6.9, 6.11, 6.13, 6.22, 6.23).
const GOOD: &[&[u8]] = &[
    b"",
    b"Hello World",
    "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!".as_bytes(),
    "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}".as_bytes(),
    b"\x00",
    b"\x7f",
    b"\xc2\x80",
    b"\xdf\xbf",
    b"\xe0\xa0\x80",
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xbd",
    b"\xef\xbf\xbe",
    b"\xef\xbf\xbf",
    b"\xf0\x90\x80\x80",
    b"\xf0\x9f\xbf\xbf",
    b"\xf4\x8f\xbf\xbf",
];

/// Octets that no text begins with, and at which of them that is certain (Autobahn 6.3, 6.8,
/// 6.10, 6.12, 6.14 to 6.21).
const BAD: &[(&str, &[u8], usize)] = &[
    ("a lone 0xff", b"\xff", 1),
    ("a lone 0xfe", b"\xfe", 1),
    ("a lone continuation", b"\x80", 1),
    ("another lone continuation", b"\xbf", 1),
    ("a second continuation after a whole character", b"\xc3\xa9\x80", 3),
    ("six continuations", b"\x80\xbf\x80\xbf\x80\xbf", 1),
    ("two octets cut by a letter", b"\xc3a", 2),
    ("three octets cut by a letter", b"\xe2\x82a", 3),
    ("four octets cut by a letter", b"\xf0\x9f\x98a", 4),
    ("a beginning after a beginning", b"\xe2\xe2", 2),
    ("overlong 0x2f in two", b"\xc0\xaf", 1),
    ("overlong 0x7f in two", b"\xc1\xbf", 1),
    ("overlong 0x2f in three", b"\xe0\x80\xaf", 2),
    ("overlong 0x7ff in three", b"\xe0\x9f\xbf", 2),
    ("overlong 0x2f in four", b"\xf0\x80\x80\xaf", 2),
    ("overlong 0xffff in four", b"\xf0\x8f\xbf\xbf", 2),
    ("overlong NUL", b"\xc0\x80", 1),
    ("surrogate d800", b"\xed\xa0\x80", 2),
    ("surrogate dbff", b"\xed\xaf\xbf", 2),
    ("surrogate dfff", b"\xed\xbf\xbf", 2),
    ("a pair of surrogates", b"\xed\xa0\x80\xed\xb0\x80", 2),
    ("over U+10FFFF", b"\xf4\x90\x80\x80", 2),
    ("five octets", b"\xf8\x88\x80\x80\x80", 1),
    ("six octets", b"\xfc\x84\x80\x80\x80\x80", 1),
    ("0xf5", b"\xf5\x80\x80\x80", 1),
];

/// Beginnings of characters that end too soon (Autobahn 6.14 ff.).
const CUT: &[&[u8]] = &[b"\xc2", b"\xe0\xa0", b"\xe2", b"\xf0\x9f\x98", b"\xf0\x9f", b"\xf4", b"a\xc3"];

#[test]
fn good_text_comes_through_however_it_is_cut() {
    for good in GOOD {
        let expected = outcome([text(str::from_utf8(good).unwrap())], Ok(()));
        let whole = frame(FIN | TEXT, good);
        assert_eq!(decode(&whole), expected, "{good:x?}");
        for step in 1..8 {
            assert_eq!(decode_pieces(&limits(), whole.chunks(step)).0, expected, "{good:x?} by {step}");
        }
        for cut in 0..=good.len() {
            let fragments = [frame(TEXT, &good[..cut]), frame(FIN, &good[cut..])].concat();
            assert_eq!(decode(&fragments), expected, "{good:x?} cut at {cut}");
            assert_eq!(decode_pieces(&limits(), fragments.chunks(1)).0, expected);
        }
    }
}

#[test]
fn bad_text_is_refused_at_the_first_bad_octet_of_an_unfinished_frame() {
    for (name, bad, at) in BAD {
        for before in ["", "a", "caf\u{e9} ", &"x".repeat(200)] {
            let payload = [before.as_bytes(), bad, &[b'x'; 2_000]].concat();
            for first in [FIN | TEXT, TEXT] {
                let octets = frame(first, &payload);
                let bad_at = octets.len() - payload.len() + before.len() + at;
                // As much as is needed for the verdict, and not one octet more.
                assert_eq!(decode(&octets[..bad_at - 1]).verdict, Ok(()), "{name}");
                assert_eq!(decode(&octets[..bad_at]).verdict, Err(Rejection::Utf8), "{name}");
                let by_octet = decode_pieces(&limits(), octets[..bad_at - 1].chunks(1)).0;
                assert_eq!(by_octet.verdict, Ok(()), "{name}, octet by octet");
                let by_octet = decode_pieces(&limits(), octets[..bad_at].chunks(1)).0;
                assert_eq!(by_octet.verdict, Err(Rejection::Utf8), "{name}, octet by octet");
            }
        }
    }
}

#[test]
fn bad_text_is_refused_before_the_last_fragment_has_come() {
    for (name, bad, at) in BAD {
        for cut in 0..=bad.len() {
            let head = frame(TEXT, &bad[..cut]);
            let tail = frame(CONTINUATION, [&bad[cut..], b"xxxx"].concat());
            let octets = [head.as_slice(), frame(FIN | PING, "").as_slice(), &tail].concat();
            assert_eq!(decode(&octets).verdict, Err(Rejection::Utf8), "{name} cut at {cut}");
            if cut >= *at {
                assert_eq!(decode(&head).verdict, Err(Rejection::Utf8), "{name} in the first fragment");
            } else {
                let head = [head, frame(FIN | PING, "")].concat();
                assert_eq!(decode(&head).verdict, Ok(()), "{name} is not certain yet");
            }
        }
    }
}

#[test]
fn a_message_must_not_end_within_a_character() {
    for cut in CUT {
        let refused = Err(Rejection::Utf8);
        assert_eq!(decode(&frame(FIN | TEXT, cut)).verdict, refused, "{cut:x?}");
        let fragments = [frame(TEXT, cut), frame(FIN, "")].concat();
        assert_eq!(decode(&fragments).verdict, refused, "{cut:x?}, ended by an empty frame");
        let (_, unfinished) = decode_pieces(&limits(), [frame(TEXT, cut).as_slice()]);
        assert!(unfinished.deadline(&limits()).is_some(), "{cut:x?} may still go on");
    }
}

#[test]
fn a_character_of_one_message_is_not_finished_by_the_next_one() {
    let octets = [frame(FIN | TEXT, b"\xc3"), frame(FIN | TEXT, b"\xa9")].concat();
    assert_eq!(decode(&octets), outcome([], Err(Rejection::Utf8)));
}

#[test]
fn binary_and_pings_may_hold_any_octets() {
    for (_, bad, _) in BAD {
        let octets = [
            frame(FIN | BINARY, bad),
            frame(BINARY, bad),
            frame(FIN | PING, bad),
            frame(FIN, bad),
            frame(FIN | PONG, bad),
        ]
        .concat();
        let bad = bad.to_vec();
        let expected =
            [Got::Binary(bad.clone()), Got::Ping(bad.clone()), Got::Binary(bad.repeat(2)), Got::Pong(bad)];
        assert_eq!(decode(&octets), outcome(expected, Ok(())));
    }
}
