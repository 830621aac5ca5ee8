//! Owns what holds for any octets: no panic, no say of the cuts, nothing lost on the way round.
//! Never knows single rules.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// A frame that may break a rule, so that sequences of them come deep and still fail in all ways.
pub(super) fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        12 => prop::sample::select(vec![FIN | TEXT, TEXT, FIN | BINARY, BINARY]),
        12 => prop::sample::select(vec![CONTINUATION, CONTINUATION, FIN]),
        8 => prop::sample::select(vec![FIN | PING, FIN | PONG]),
        1 => Just(FIN | CLOSE),
        1 => any::<u8>(),
    ];
    (first, any_payload()).prop_map(|(first, payload)| frame(first, payload))
}

fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => "[a-z\u{e9}\u{20ac}\u{1f600}]{0,20}".prop_map(String::into_bytes),
        2 => vec(any::<u8>(), 0..6),
        2 => prop::sample::select(vec![&b"\xe2\x82"[..], b"\xac", b"\xf0\x9f", b"\x98\x80", b"\xff"]).prop_map(<[u8]>::to_vec),
        2 => (0_u16..5_100, "[a-z]{0,5}").prop_map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat()),
        1 => (120_usize..300).prop_map(|bytes| vec![b'x'; bytes]),
    ]
}

/// Small limits, so that they are met.
pub(super) fn tight() -> Limits {
    Limits { message_bytes: 200, message_fragments: 5, ..limits() }
}

fn any_octets() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => vec(any_frame(), 0..12).prop_map(|frames| frames.concat()),
        2 => (vec(any_frame(), 0..6), vec(any::<u8>(), 0..40)).prop_map(|(frames, tail)| [frames.concat(), tail].concat()),
        1 => vec(any::<u8>(), 0..100),
    ]
}

/// Cuts octets at the given places.
fn cut<'a>(octets: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = places.iter().map(|place| place.index(octets.len() + 1)).collect();
    places.sort_unstable();
    let ends = places.iter().copied().chain([octets.len()]);
    let starts = [0].into_iter().chain(places.iter().copied());
    starts.zip(ends).map(|(start, end)| &octets[start..end]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn events_and_verdict_do_not_depend_on_how_octets_are_cut(
        octets in any_octets(), places in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (whole, at_once) = decode_pieces(&tight(), [octets.as_slice()]);
        let (pieces, in_pieces) = decode_pieces(&tight(), cut(&octets, &places));
        prop_assert_eq!(&whole, &pieces);
        prop_assert_eq!(&whole, &decode_pieces(&tight(), octets.chunks(1)).0);
        prop_assert_eq!(at_once.deadline(&tight()).is_some(), in_pieces.deadline(&tight()).is_some());
    }

    #[test]
    fn what_is_held_is_bounded_by_the_octets_that_came_and_by_the_limit(
        octets in any_octets(), places in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (mut decoder, mut fed) = (Decoder::default(), 0);
        for piece in cut(&octets, &places) {
            fed += piece.len();
            let mut ignore = |_: Event<'_>| ControlFlow::Continue(());
            let verdict = decoder.decode(&tight(), Instant::now(), &mut piece.to_vec(), &mut ignore);
            prop_assert!(decoder.held_bytes() <= 1024 + 2 * fed.min(tight().message_bytes));
            prop_assert_eq!(decoder.held_bytes() > 0, decoder.deadline(&tight()).is_some());
            if verdict.is_err() {
                prop_assert_eq!(decoder.held_bytes(), 0);
            }
        }
    }

    #[test]
    fn what_is_encoded_comes_back(payload in vec(any::<u8>(), 0..400), letters in "\\PC{0,200}", code in 3000_u16..5000) {
        let mut out = Vec::new();
        encode(Opcode::Binary, &payload, &mut out);
        encode(Opcode::Text, letters.as_bytes(), &mut out);
        let control = &payload[..payload.len().min(125)];
        encode(Opcode::Ping, control, &mut out);
        encode(Opcode::Pong, control, &mut out);
        encode_close(Some(code), &letters, &mut out);
        // The way a peer masks what it sends, frame by frame.
        let mut octets = Vec::new();
        let mut rest = out.as_slice();
        while let [first, second, tail @ ..] = rest {
            let (length_bytes, bytes) = match *second {
                126 => (2, usize::from(u16::from_be_bytes([tail[0], tail[1]]))),
                short => (0, usize::from(short)),
            };
            octets.extend(frame(*first, &tail[length_bytes..length_bytes + bytes]));
            rest = &tail[length_bytes + bytes..];
        }
        let got = decode(&octets);
        prop_assert_eq!(got.verdict, Ok(()));
        let reason = letters[..letters.floor_char_boundary(123)].to_owned();
        prop_assert_eq!(got.events, vec![
            Got::Binary(payload.clone()), Got::Text(letters), Got::Ping(control.to_vec()),
            Got::Pong(control.to_vec()), Got::Close(Some((code, reason))),
        ]);
    }
}
