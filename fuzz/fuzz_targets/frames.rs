//! Frames from a peer in any pieces: the same events and the same verdict, within bounded memory;
//! and what is encoded comes back.
//!
//! The first octet of the input tells the size of the pieces. Then come the things that a peer
//! sends, each a first octet, a length octet and a payload: a masked frame with that first octet
//! (`ff`: the octets as they are). A length over 247 stands for one octet so often that the length
//! field takes its other forms.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::codec::{CLOSE_REASON_BYTES_MAX, CONTROL_BYTES_MAX, Decoder, Event, Limits, Opcode};
use portcullis::codec::{encode, encode_close, encoded_len};
use portcullis::rejection::Rejection;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::ControlFlow;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Counts what is on the heap: the measure of what a peer makes us hold.
struct Counting;

static HELD: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);

fn grew(bytes: usize) {
    PEAK.fetch_max(HELD.fetch_add(bytes as isize, Relaxed) + bytes as isize, Relaxed);
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grew(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as isize, Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HELD.fetch_sub(layout.size() as isize, Relaxed);
        grew(size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);

const LIMITS: Limits =
    Limits { message_bytes: 1 << 20, message_fragments: 1024, message_timeout: Duration::from_secs(10) };
const TIGHT: Limits = Limits { message_bytes: 200, message_fragments: 4, ..LIMITS };

fuzz_target!(|input: &[u8]| {
    let Some((&step, rest)) = input.split_first() else { return };
    let octets = sent(rest);
    // Octet by octet, unless there are so many that it would take long.
    let least = (octets.len() / 1024).max(1);
    let step = usize::from(step).max(least);
    for limits in [LIMITS, TIGHT] {
        let whole = decode(&octets, octets.len(), &limits);
        assert_eq!(whole, decode(&octets, step, &limits));
        assert_eq!(whole, decode(&octets, least, &limits));
        for event in &whole.0 {
            judge_event(event, &limits);
        }
        // Nothing after a Close frame or a verdict is read.
        let close = whole.0.iter().position(|event| matches!(event, Got::Close(_)));
        assert!(close.is_none_or(|at| at + 1 == whole.0.len() && whole.1.is_ok()));
        bounded(&octets, step, &limits);
        bounded(&octets, least, &limits);
        for event in whole.0 {
            comes_back(event);
        }
    }
});

/// What a peer sends.
fn sent(mut input: &[u8]) -> Vec<u8> {
    const LONG: [usize; 8] = [124, 125, 126, 127, 198, 65_535, 65_536, 70_000];
    let mut octets = Vec::new();
    while let [first, length, rest @ ..] = input
        && octets.len() < 1 << 18
    {
        let long = length.checked_sub(248).map(|which| LONG[usize::from(which)]);
        let taken = rest.len().min(long.map_or(usize::from(*length), |_| 1));
        let (payload, behind) = rest.split_at(taken);
        input = behind;
        match (first, long) {
            (0xff, _) => octets.extend_from_slice(payload),
            (_, None) => octets.extend(masked(*first, [1, 2, 3, 4], payload)),
            (_, Some(bytes)) => octets.extend(masked(*first, [0xa5; 4], &payload.repeat(bytes))),
        }
    }
    octets
}

/// An event that outlives the octets.
#[derive(Clone, Debug, PartialEq)]
enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

fn decode(octets: &[u8], step: usize, limits: &Limits) -> (Vec<Got>, Result<(), Rejection>) {
    let (mut decoder, mut events) = (Decoder::default(), Vec::new());
    let mut octets = octets.to_vec();
    for piece in octets.chunks_mut(step.max(1)) {
        let verdict = decoder.decode(limits, *NOW, piece, &mut |event| {
            events.push(match event {
                Event::Text(text) => Got::Text(text.to_owned()),
                Event::Binary(octets) => Got::Binary(octets.to_vec()),
                Event::Ping(octets) => Got::Ping(octets.to_vec()),
                Event::Pong(octets) => Got::Pong(octets.to_vec()),
                Event::Close(body) => Got::Close(body.map(|(code, reason)| (code, reason.to_owned()))),
                Event::Piece(_) => unreachable!("only a streaming decoder has pieces"),
            });
            ControlFlow::Continue(())
        });
        if verdict.is_err() {
            assert_eq!(decoder.deadline(limits), None);
            return (events, verdict);
        }
    }
    (events, Ok(()))
}

fn judge_event(event: &Got, limits: &Limits) {
    match event {
        Got::Text(text) => assert!(text.len() <= limits.message_bytes),
        Got::Binary(octets) => assert!(octets.len() <= limits.message_bytes),
        Got::Ping(octets) | Got::Pong(octets) => assert!(octets.len() <= CONTROL_BYTES_MAX),
        Got::Close(None) => {}
        Got::Close(Some((code, reason))) => {
            assert!(reason.len() <= CLOSE_REASON_BYTES_MAX);
            assert!((1000..5000).contains(code) && ![1004, 1005, 1006, 1015].contains(code), "{code}");
        }
    }
}

/// What is held, also for a moment, is in proportion to what has come, whatever was announced.
fn bounded(octets: &[u8], step: usize, limits: &Limits) {
    let mut octets = octets.to_vec();
    let mut decoder = Decoder::default();
    let before = HELD.load(Relaxed);
    let mut fed = 0;
    for piece in octets.chunks_mut(step.max(1)) {
        fed += piece.len();
        PEAK.store(HELD.load(Relaxed), Relaxed);
        let verdict = decoder.decode(limits, *NOW, piece, &mut |_| ControlFlow::Continue(()));
        let (held, peak) = (HELD.load(Relaxed) - before, PEAK.load(Relaxed) - before);
        let allowed = 1024 + 2 * fed.min(limits.message_bytes);
        assert!(held <= allowed as isize, "{held} octets are held after {fed}");
        assert!(peak <= 2 * allowed as isize, "{peak} octets were held after {fed}");
        let unfinished = decoder.deadline(limits).is_some();
        assert_eq!(held > 0, unfinished, "what is unfinished has a deadline, and nothing else is held");
        if verdict.is_err() {
            return;
        }
    }
}

/// An event that is encoded and sent back, as a peer would send it, is the same event.
fn comes_back(event: Got) {
    let mut out = Vec::new();
    let payload_bytes = match &event {
        Got::Text(text) => (encode(Opcode::Text, text.as_bytes(), &mut out), text.len()).1,
        Got::Binary(octets) => (encode(Opcode::Binary, octets, &mut out), octets.len()).1,
        Got::Ping(octets) => (encode(Opcode::Ping, octets, &mut out), octets.len()).1,
        Got::Pong(octets) => (encode(Opcode::Pong, octets, &mut out), octets.len()).1,
        Got::Close(None) => (encode_close(None, "", &mut out), 0).1,
        Got::Close(Some((code, reason))) => (encode_close(Some(*code), reason, &mut out), 2 + reason.len()).1,
    };
    assert_eq!(out.len(), encoded_len(payload_bytes));
    assert_eq!(out[1] & 0x80, 0, "a server masks nothing");
    let payload = &out[out.len() - payload_bytes..];
    let sent = masked(out[0], [9, 8, 7, 6], payload);
    assert_eq!(sent.len(), out.len() + 4, "the length is in its shortest form");
    assert_eq!(decode(&sent, sent.len(), &LIMITS), (vec![event], Ok(())));
}

fn masked(first: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        bytes @ 0..=125 => frame.push(0x80 | bytes as u8),
        bytes @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(bytes as u16).to_be_bytes());
        }
        bytes => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(bytes as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(octet, mask)| octet ^ mask));
    frame
}
