//! Owns Close frames that come in (RFC 6455 sections 5.5.1 and 7.4; Autobahn group 7).
//! Never knows what is answered.

use super::*;

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, [&code.to_be_bytes(), reason].concat())
}

#[test]
fn each_of_all_65536_codes_has_its_one_verdict() {
    for code in 0..=u16::MAX {
        let good = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        let expected = if good {
            outcome([Got::Close(Some((code, String::new())))], Ok(()))
        } else {
            outcome([], Err(Rejection::CloseMalformed))
        };
        assert_eq!(decode(&close(code, b"")), expected, "{code}");
    }
}

#[test]
fn the_codes_that_people_write_down_are_judged_as_they_are_written() {
    // The list of the catalogue, by hand: the test above repeats the code's own pattern.
    let good = [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3003, 3008, 3999, 4000,
        4999,
    ];
    let bad = [0, 1, 500, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 5001, 65_535];
    for code in good {
        assert_eq!(decode(&close(code, b"bye")), outcome([Got::Close(Some((code, "bye".into())))], Ok(())));
    }
    for code in bad {
        assert_eq!(decode(&close(code, b"bye")), outcome([], Err(Rejection::CloseMalformed)), "{code}");
    }
}

#[test]
fn a_close_may_be_empty_and_a_reason_may_have_123_octets() {
    assert_eq!(decode(&frame(FIN | CLOSE, "")), outcome([Got::Close(None)], Ok(())));
    assert_eq!(decode(&frame(FIN | CLOSE, [3])), outcome([], Err(Rejection::CloseMalformed)));
    let reason = "x".repeat(123);
    let expected = outcome([Got::Close(Some((1000, reason.clone())))], Ok(()));
    assert_eq!(decode(&close(1000, reason.as_bytes())), expected);
    assert_eq!(decode(&close(1000, &[b'x'; 124])), outcome([], Err(Rejection::FrameControl)));
}

#[test]
fn a_reason_must_be_text() {
    for bad in
        [&b"\xff"[..], b"\xed\xa0\x80", b"\xc0\xaf", b"ok\xc3", b"\xce\xba\xe1\xbd\xb9\xf4\x90\x80\x80"]
    {
        assert_eq!(decode(&close(1000, bad)), outcome([], Err(Rejection::Utf8)), "{bad:x?}");
    }
    let reason = "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}";
    let expected = outcome([Got::Close(Some((1000, reason.into())))], Ok(()));
    assert_eq!(decode(&close(1000, reason.as_bytes())), expected);
    assert_eq!(decode(&close(999, b"\xff")).verdict, Err(Rejection::CloseMalformed), "the code comes first");
}

#[test]
fn whatever_follows_a_close_is_ignored() {
    let close = close(1000, b"bye");
    let expected = outcome([Got::Close(Some((1000, "bye".into())))], Ok(()));
    let unmasked = vec![FIN | TEXT, 1, b'a'];
    for after in
        [frame(FIN | PING, "7.1.4"), frame(FIN | TEXT, "a"), close.clone(), unmasked, vec![0xff; 300_000]]
    {
        let octets = [close.as_slice(), &after].concat();
        assert_eq!(decode(&octets), expected);
        let (outcome, decoder) = decode_pieces(&limits(), octets.chunks(7));
        assert_eq!(outcome, expected);
        assert_eq!((decoder.held_bytes(), decoder.deadline(&limits())), (0, None));
    }
    // 7.1.5: a close inside a message ends it unfinished, and nothing of it is held.
    let octets = [frame(TEXT, "a"), close, frame(FIN, "b")].concat();
    let (outcome, decoder) = decode_pieces(&limits(), [octets.as_slice()]);
    assert_eq!((outcome, decoder.held_bytes()), (expected, 0));
}
