//! Owns what a decoder holds between two reads: octets, and the instant since when.
//! Never knows verdicts on content.

use super::*;
use std::collections::HashSet;

/// Feeds octets in pieces and looks at the decoder after each.
fn feed(octets: &[u8], step: usize, mut look: impl FnMut(usize, &Decoder)) -> Decoder {
    let mut decoder = Decoder::default();
    let mut fed = 0;
    for piece in octets.chunks(step) {
        let mut ignore = |_: Event<'_>| ControlFlow::Continue(());
        decoder.decode(&limits(), Instant::now(), &mut piece.to_vec(), &mut ignore).unwrap();
        fed += piece.len();
        look(fed, &decoder);
    }
    decoder
}

#[test]
fn an_idle_decoder_is_three_words_and_nothing_on_the_heap() {
    assert!(size_of::<Decoder>() <= 24, "{}", size_of::<Decoder>());
    let messages =
        [frame(FIN | TEXT, "a"), frame(TEXT, "a"), frame(FIN | PING, "p"), frame(FIN, "b")].concat();
    for step in 1..=messages.len() {
        assert_eq!(feed(&messages, step, |_, _| {}).held_bytes(), 0, "in pieces of {step}");
    }
}

#[test]
fn a_bare_header_costs_less_than_a_kibibyte_whatever_it_announces() {
    for (first, bytes) in [(FIN | TEXT, 1 << 20), (BINARY, 1 << 20), (TEXT, 65_535), (FIN | PING, 125)] {
        let header = header(first, length(bytes));
        for step in [1, 2, header.len()] {
            feed(&header, step, |fed, decoder| {
                assert!((1..=1024).contains(&decoder.held_bytes()), "{} after {fed}", decoder.held_bytes());
            });
        }
    }
}

#[test]
fn what_is_held_is_at_most_twice_what_came_and_a_kibibyte_and_grows_in_few_steps() {
    let size = 300_000;
    for (first, payload) in [(TEXT, "\u{e9}".repeat(size / 2)), (BINARY, "x".repeat(size))] {
        for step in [1, 3, 1_000, 16_384, 200_000] {
            let octets = frame(FIN | first, &payload);
            let mut sizes = HashSet::new();
            let decoder = feed(&octets, step, |fed, decoder| {
                assert!(decoder.held_bytes() <= 2 * fed + 1024, "{} after {fed}", decoder.held_bytes());
                assert!(decoder.held_bytes() <= size + 1024, "no more than was announced");
                sizes.insert(decoder.held_bytes());
            });
            assert!(sizes.len() <= 20, "{} copies of a message in pieces of {step}", sizes.len());
            assert_eq!(decoder.held_bytes(), 0);
        }
    }
}

#[test]
fn empty_fragments_cost_nothing_and_small_ones_their_octets() {
    let empty = [frame(TEXT, ""), frame(CONTINUATION, "").repeat(1_000)].concat();
    let decoder = feed(&empty, 64, |_, decoder| assert!(decoder.held_bytes() <= 1024));
    assert!(decoder.held_bytes() > 0);
    let small = [frame(BINARY, "x"), frame(CONTINUATION, "x").repeat(1_000)].concat();
    let frame_bytes = frame(CONTINUATION, "x").len();
    feed(&small, 64, |fed, decoder| assert!(decoder.held_bytes() <= 2 * (fed / frame_bytes) + 1024));
}

#[test]
fn nothing_is_held_after_a_verdict() {
    let octets = [frame(BINARY, [0; 5_000]), vec![FIN | TEXT]].concat();
    let (outcome, decoder) = decode_pieces(&limits(), octets.chunks(100));
    assert_eq!((outcome.verdict, decoder.held_bytes()), (Err(Rejection::FrameSequence), 0));
}

#[test]
fn a_whole_message_is_handed_over_where_it_lies() {
    for step in [1, 2] {
        let mut octets = frame(FIN | BINARY, [9; 500]).repeat(step);
        let place = octets.as_ptr_range();
        let mut seen = 0;
        let mut in_place = |event: Event<'_>| {
            let Event::Binary(payload) = event else { panic!("{event:?}") };
            assert!(place.contains(&payload.as_ptr()));
            seen += 1;
            ControlFlow::Continue(())
        };
        Decoder::default().decode(&limits(), Instant::now(), &mut octets, &mut in_place).unwrap();
        assert_eq!(seen, step);
    }
}

#[test]
fn debug_shows_nothing_of_a_message() {
    let decoder = feed(&frame(TEXT, "secret"), 3, |_, _| {});
    assert_eq!(format!("{decoder:?}"), "Decoder(unfinished)");
}

/// A story in seconds: what comes when, and since when the deadline then counts.
fn story(steps: &[(u64, &[u8], Option<u64>)]) {
    let (start, mut decoder) = (Instant::now(), Decoder::default());
    for (second, octets, since) in steps {
        let now = start + Duration::from_secs(*second);
        let mut ignore = |_: Event<'_>| ControlFlow::Continue(());
        decoder.decode(&limits(), now, &mut octets.to_vec(), &mut ignore).unwrap();
        let expected = since.map(|since| start + Duration::from_secs(since + 10));
        assert_eq!(decoder.deadline(&limits()), expected, "at second {second}");
    }
}

#[test]
fn the_deadline_counts_from_the_first_octet_of_what_is_unfinished() {
    let whole = frame(FIN | TEXT, "abc");
    let ping = frame(FIN | PING, "abc");
    // Nothing unfinished, nothing to wait for.
    story(&[(0, &[], None), (1, &whole, None), (2, &ping, None)]);
    // Half a header, the rest of it, half the payload, the rest.
    story(&[
        (1, &whole[..1], Some(1)),
        (2, &whole[1..3], Some(1)),
        (3, &whole[3..7], Some(1)),
        (4, &[], Some(1)),
        (5, &whole[7..], None),
        (6, &whole[..8], Some(6)),
        (7, &whole[8..], None),
    ]);
    // A control frame has the same right.
    story(&[(1, &ping[..1], Some(1)), (2, &ping[1..8], Some(1)), (3, &ping[8..], None)]);
    // What begins in a call that ended something else.
    let mixed = [&whole[7..], &whole[..2]].concat();
    story(&[(1, &whole[..7], Some(1)), (4, &mixed, Some(4)), (5, &whole[2..], None)]);
}

#[test]
fn a_message_that_is_kept_open_by_fragments_and_pings_keeps_its_first_instant() {
    let (open, more, end) = (frame(TEXT, "a"), frame(CONTINUATION, ""), frame(FIN, "b"));
    let ping = frame(FIN | PING, "abc");
    story(&[
        (1, &open, Some(1)),
        (2, &more, Some(1)),
        (3, &ping[..4], Some(1)),
        (4, &ping[4..], Some(1)),
        (5, &more[..3], Some(1)),
        (6, &more[3..], Some(1)),
        (7, &end, None),
        (8, &open[..1], Some(8)),
        (9, &open[1..], Some(8)),
    ]);
}

#[test]
fn a_timeout_beyond_what_an_instant_can_hold_is_no_deadline() {
    let limits = Limits { message_timeout: Duration::MAX, ..limits() };
    let (_, decoder) = decode_pieces(&limits, [&[FIN | TEXT][..]]);
    assert_eq!(decoder.deadline(&limits), None);
    let none = Limits { message_timeout: Duration::ZERO, ..limits };
    assert!(decoder.deadline(&none).is_some_and(|deadline| deadline <= Instant::now()));
}
