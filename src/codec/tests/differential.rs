//! Owns the comparison with tungstenite: the same frames, the same messages, but for what is named.
//! Never knows why tungstenite refuses.

use super::properties::{any_frame, tight};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::io::{self, Read, Write};
use tungstenite::protocol::{Message, Role, WebSocket, WebSocketConfig};

/// Octets to read, then nothing for now; what is written is dropped.
struct Peer<'a>(&'a [u8]);

impl Read for Peer<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(out) }
    }
}

impl Write for Peer<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What tungstenite makes of the octets, and whether it refuses at their end.
fn theirs(limits: &Limits, octets: &[u8]) -> (Vec<Got>, bool) {
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_message_size(Some(limits.message_bytes))
        .max_frame_size(Some(limits.message_bytes));
    let mut socket = WebSocket::from_raw_socket(Peer(octets), Role::Server, Some(config));
    let mut events = Vec::new();
    loop {
        events.push(match socket.read() {
            Ok(Message::Text(text)) => Got::Text(text.as_str().to_owned()),
            Ok(Message::Binary(octets)) => Got::Binary(octets.to_vec()),
            Ok(Message::Ping(octets)) => Got::Ping(octets.to_vec()),
            Ok(Message::Pong(octets)) => Got::Pong(octets.to_vec()),
            Ok(Message::Close(close)) => {
                let close = close.map(|close| (close.code.into(), close.reason.as_str().to_owned()));
                events.push(Got::Close(close));
                return (events, false);
            }
            Ok(Message::Frame(frame)) => panic!("{frame}"),
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (events, false);
            }
            Err(_) => return (events, true),
        });
    }
}

/// Takes out of both what is known to differ; `None` if what is left says nothing.
///
/// The named differences:
/// - tungstenite takes lengths that are not minimal, and any number of fragments;
/// - it answers a Close with a code that must not be sent by a Close with 1002, where ours
///   refuses; to it, 1014 is such a code;
/// - it sees a text in one frame, and the length of a message in fragments, only when the
///   frame is whole: at the end of whole frames both have seen the same.
fn compare(limits: &Limits, octets: &[u8]) -> Result<(), String> {
    let ours = decode_with(limits, octets);
    let (mut their_events, mut they_refuse) = theirs(limits, octets);
    match ours.verdict {
        Err(Rejection::FrameLength | Rejection::MessageFragments) => {
            let agreed = their_events.starts_with(&ours.events);
            return if agreed { Ok(()) } else { Err(format!("{ours:?} against {their_events:?}")) };
        }
        Err(Rejection::CloseMalformed) if !they_refuse => {
            let answer = Some(Got::Close(Some((1002, "Protocol violation".to_owned()))));
            if their_events.pop() == answer {
                they_refuse = true;
            }
        }
        Ok(()) if matches!(ours.events.last(), Some(Got::Close(Some((1014, _))))) => {
            their_events.pop();
            their_events.extend(ours.events.last().cloned());
        }
        Ok(()) | Err(_) => {}
    }
    if (&ours.events, ours.verdict.is_err()) == (&their_events, they_refuse) {
        Ok(())
    } else {
        Err(format!("ours {ours:?}, theirs {their_events:?}, refused: {they_refuse}"))
    }
}

#[test]
fn each_named_difference_is_one() {
    let differ = |octets: &[u8]| (decode(octets), theirs(&limits(), octets));

    let long_form = [header(FIN | TEXT, vec![126, 0, 1]), masked(b"a")].concat();
    let (ours, theirs) = differ(&long_form);
    assert_eq!((ours.verdict, theirs), (Err(Rejection::FrameLength), (vec![text("a")], false)));

    let fragments = [frame(TEXT, ""), frame(CONTINUATION, "").repeat(1024), frame(FIN, "")].concat();
    let (ours, theirs) = differ(&fragments);
    assert_eq!((ours.verdict, theirs), (Err(Rejection::MessageFragments), (vec![text("")], false)));

    let violation = vec![Got::Close(Some((1002, "Protocol violation".to_owned())))];
    let (ours, theirs) = differ(&frame(FIN | CLOSE, 1014_u16.to_be_bytes()));
    assert_eq!(ours, outcome([Got::Close(Some((1014, String::new())))], Ok(())));
    assert_eq!(theirs, (violation.clone(), false));

    let (ours, theirs) = differ(&frame(FIN | CLOSE, 1005_u16.to_be_bytes()));
    assert_eq!((ours.verdict, theirs), (Err(Rejection::CloseMalformed), (violation, false)));

    // Not whole yet: ours has seen enough.
    let bad = frame(FIN | TEXT, b"\xffxxxx");
    let (ours, theirs) = differ(&bad[..bad.len() - 1]);
    assert_eq!((ours.verdict, theirs), (Err(Rejection::Utf8), (vec![], false)));
}

#[test]
fn each_close_code_but_1014_is_judged_alike() {
    for code in 0..=u16::MAX {
        compare(&limits(), &frame(FIN | CLOSE, code.to_be_bytes())).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn whole_frames_come_to_the_same_messages_and_the_same_end(frames in vec(any_frame(), 0..15)) {
        compare(&tight(), &frames.concat()).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn good_messages_come_through_both(messages in vec((any::<bool>(), vec("[a-z\u{20ac}]{0,30}", 1..5)), 0..8)) {
        let mut octets = Vec::new();
        let mut expected = Vec::new();
        for (is_text, fragments) in messages {
            let opcode = if is_text { TEXT } else { BINARY };
            let whole = fragments.concat();
            for (i, fragment) in fragments.iter().enumerate() {
                let fin = if i + 1 == fragments.len() { FIN } else { 0 };
                octets.extend(frame(fin | if i == 0 { opcode } else { CONTINUATION }, fragment));
                octets.extend(frame(FIN | PONG, "p"));
            }
            let last = expected.len() + fragments.len() - 1;
            expected.extend(std::iter::repeat_n(Got::Pong(b"p".to_vec()), fragments.len()));
            let whole = if is_text { Got::Text(whole) } else { Got::Binary(whole.into_bytes()) };
            expected.insert(last, whole);
        }
        prop_assert_eq!(theirs(&limits(), &octets), (expected.clone(), false));
        prop_assert_eq!(decode(&octets), outcome(expected, Ok(())));
    }
}
