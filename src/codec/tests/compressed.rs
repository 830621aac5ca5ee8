//! Owns the tests of permessage-deflate: what is read, what is not, what is sent.
//! Never knows the handshake.

use super::*;
use zlib_rs::{Deflate, DeflateFlush};

const RSV1: u8 = 0x40;

/// A payload as a peer compresses it: flushed, without the end of the flush.
fn squeezed(payload: &[u8], flush: DeflateFlush) -> Vec<u8> {
    let mut out = vec![0; payload.len() + 1024];
    let mut deflater = Deflate::new(9, false, 15);
    deflater.compress(payload, &mut out, flush).expect("a compressor");
    assert_eq!(usize::try_from(deflater.total_in()), Ok(payload.len()));
    out.truncate(usize::try_from(deflater.total_out()).unwrap());
    out
}

fn compressed(payload: &[u8]) -> Vec<u8> {
    let mut out = squeezed(payload, DeflateFlush::SyncFlush);
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(out.len() - 4);
    out
}

/// Octets that nothing makes shorter (xorshift).
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[3]
    };
    (0..bytes).map(|_| next()).collect()
}

fn inflated(limits: &Limits, octets: &[u8]) -> Outcome {
    inflated_in(limits, [octets])
}

fn inflated_in<'a>(limits: &Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let (mut decoder, mut events) = (Decoder::inflating(), Vec::new());
    for piece in pieces {
        let mut collect = |event: Event<'_>| {
            events.push(event.into());
            ControlFlow::Continue(())
        };
        let verdict = decoder.decode(limits, Instant::now(), &mut piece.to_vec(), &mut collect);
        if verdict.is_err() {
            return outcome(events, verdict);
        }
    }
    outcome(events, Ok(()))
}

#[test]
fn a_compressed_message_is_read_however_it_is_cut_and_one_that_is_not_as_well() {
    let words = "the same words again and again, ".repeat(40);
    let squeezed = compressed(words.as_bytes());
    let (head, tail) = squeezed.split_at(squeezed.len() / 2);
    let octets = [
        frame(FIN | RSV1 | TEXT, &squeezed),
        frame(FIN | TEXT, "plain"),
        frame(RSV1 | BINARY, head),
        frame(FIN | PING, "between"),
        frame(CONTINUATION, ""),
        frame(FIN | CONTINUATION, tail),
        // Nothing at all: an empty stored block (RFC 7692 section 7.2.3.6).
        frame(FIN | RSV1 | TEXT, [0]),
    ]
    .concat();
    let events = [
        text(&words),
        text("plain"),
        Got::Ping(b"between".to_vec()),
        Got::Binary(words.into_bytes()),
        text(""),
    ];
    assert_eq!(inflated(&limits(), &octets), outcome(events.clone(), Ok(())));
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(inflated_in(&limits(), octets.chunks(size)), outcome(events.clone(), Ok(())), "{size}");
    }
}

#[test]
fn no_message_needs_another_one_to_be_read() {
    let words = b"The quick brown fox jumps over the lazy dog. The quick brown fox.";
    let mut deflater = Deflate::new(9, false, 15);
    let mut with_context = || {
        let (mut out, before) = (vec![0; 200], deflater.total_out());
        deflater.compress(words, &mut out, DeflateFlush::SyncFlush).expect("a compressor");
        out.truncate(usize::try_from(deflater.total_out() - before).unwrap() - 4);
        frame(FIN | RSV1 | BINARY, out)
    };
    let (first, second) = (with_context(), with_context());
    assert!(second.len() < first.len(), "it leans on the first");
    let events = [Got::Binary(words.to_vec())];
    let verdict = inflated(&limits(), &[first, second].concat());
    assert_eq!(verdict, outcome(events, Err(Rejection::MessageCompression)));
}

#[test]
fn a_stream_that_its_sender_has_ended_is_read_too() {
    // RFC 7692 section 7.2.3.5: the last block, then an empty one for the flush.
    let ended = [squeezed(b"Hello", DeflateFlush::Finish), vec![0]].concat();
    let whole = frame(FIN | RSV1 | TEXT, ended);
    assert_eq!(inflated(&limits(), &whole), outcome([text("Hello")], Ok(())));
}

#[test]
fn a_message_inflates_to_the_limit_and_not_to_an_octet_more() {
    let limits = Limits { message_bytes: 70_000, ..limits() };
    let of = |bytes: usize| frame(FIN | RSV1 | BINARY, compressed(&vec![b'x'; bytes]));
    assert_eq!(inflated(&limits, &of(70_000)), outcome([Got::Binary(vec![b'x'; 70_000])], Ok(())));
    assert_eq!(inflated(&limits, &of(70_001)), outcome([], Err(Rejection::MessageTooBig)));
    let bomb = of(10 << 20);
    assert!(bomb.len() < 20 << 10, "a thousandth");
    assert_eq!(inflated(&limits, &bomb), outcome([], Err(Rejection::MessageTooBig)));
}

#[test]
fn a_message_that_does_not_compress_has_the_same_limit() {
    let noise = noise(70_000);
    let limits = Limits { message_bytes: 70_000, ..limits() };
    let squeezed = compressed(&noise);
    assert!(squeezed.len() > noise.len());
    let read = inflated(&limits, &frame(FIN | RSV1 | BINARY, &squeezed));
    assert_eq!(read, outcome([Got::Binary(noise)], Ok(())));
    let announced = header(FIN | RSV1 | BINARY, length(71_000));
    assert_eq!(inflated(&limits, &announced).verdict, Err(Rejection::MessageTooBig), "by its header");
}

#[test]
fn what_is_no_whole_message_of_deflate_is_refused() {
    let squeezed = compressed("some words that take more than one octet to say".as_bytes());
    for (payload, why) in [
        (&b""[..], "not even an empty block"),
        (&[0xff, 0xff, 0xff], "no block"),
        (&squeezed[..squeezed.len() - 3], "cut off"),
        (&squeezed[..1], "cut off in a header"),
        (&[0x03, 0x00, 0x03, 0x00].repeat(8), "ended again and again"),
    ] {
        let read = inflated(&limits(), &frame(FIN | RSV1 | BINARY, payload));
        assert_eq!(read, outcome([], Err(Rejection::MessageCompression)), "{why}");
    }
    let latin = compressed(b"caf\xe9");
    let read = inflated(&limits(), &frame(FIN | RSV1 | TEXT, latin));
    assert_eq!(read, outcome([], Err(Rejection::Utf8)), "text is judged as it was meant");
}

#[test]
fn the_bit_stands_on_the_first_frame_of_a_message_where_it_was_agreed_on_and_nowhere_else() {
    let squeezed = compressed(b"words");
    let bit = Err(Rejection::FrameReservedBit);
    assert_eq!(decode(&frame(FIN | RSV1 | TEXT, &squeezed)), outcome([], bit));
    for octets in [
        [frame(RSV1 | TEXT, &squeezed[..1]), frame(FIN | RSV1 | CONTINUATION, &squeezed[1..])].concat(),
        frame(FIN | RSV1 | PING, "x"),
        frame(FIN | RSV1 | CLOSE, ""),
        frame(FIN | 0x20 | TEXT, "x"),
        frame(FIN | RSV1 | 0x10 | TEXT, &squeezed),
    ] {
        assert_eq!(inflated(&limits(), &octets), outcome([], bit));
    }
}

#[test]
fn a_long_frame_is_sent_compressed_where_that_is_shorter() {
    let words = "{\"type\":\"message\",\"room\":\"lobby\"},".repeat(30);
    let (mut plain, mut short, mut noisy) = (Vec::new(), Vec::new(), Vec::new());
    encode(Opcode::Text, words.as_bytes(), &mut plain);
    let squeezed = deflate(&plain).expect("a shorter frame");
    assert!(squeezed.len() * 4 < plain.len(), "{} of {}", squeezed.len(), plain.len());
    assert_eq!(squeezed[0], FIN | RSV1 | TEXT);
    let payload = &squeezed[if squeezed[1] < 126 { 2 } else { 4 }..];
    let read = inflated(&limits(), &frame(FIN | RSV1 | TEXT, payload));
    assert_eq!(read, outcome([text(&words)], Ok(())));

    encode(Opcode::Text, &[b'x'; DEFLATE_FROM_BYTES - 1], &mut short);
    assert_eq!(deflate(&short), None, "under the threshold");
    let noise = noise(2000);
    encode(Opcode::Binary, &noise, &mut noisy);
    assert_eq!(deflate(&noisy), None, "nothing gained");
    let mut ping = Vec::new();
    encode(Opcode::Ping, b"x", &mut ping);
    assert_eq!(deflate(&ping), None);
    assert_eq!(deflate(&[]), None);
}
