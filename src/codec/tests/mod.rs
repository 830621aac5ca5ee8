//! Owns the tests of the codec, and the peer that they send frames as.
//! Never knows how the decoder is built: all but the memory tests see what a session sees.

mod close_codes;
mod compressed;
mod differential;
mod fragments;
mod held;
mod out;
mod properties;
mod utf8;
mod verdicts;

use super::*;
use crate::rejection::Rejection;
use std::ops::ControlFlow;
use std::time::Instant;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FIN: u8 = 0x80;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The limits of the tests that are not about them.
fn limits() -> Limits {
    Limits { message_bytes: 1 << 20, message_fragments: 1024, message_timeout: Duration::from_secs(10) }
}

/// An event that outlives its buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Event<'_>> for Got {
    fn from(event: Event<'_>) -> Got {
        match event {
            Event::Text(text) => Got::Text(text.to_owned()),
            Event::Binary(octets) => Got::Binary(octets.to_vec()),
            Event::Ping(octets) => Got::Ping(octets.to_vec()),
            Event::Pong(octets) => Got::Pong(octets.to_vec()),
            Event::Piece(_) => unreachable!("a decoder of whole messages"),
            Event::Close(close) => Got::Close(close.map(|(code, reason)| (code, reason.to_owned()))),
        }
    }
}

fn text(text: &str) -> Got {
    Got::Text(text.to_owned())
}

/// What came of some octets: the events, the verdict, and how many octets were taken until it.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    events: Vec<Got>,
    verdict: Result<(), Rejection>,
}

fn outcome(events: impl IntoIterator<Item = Got>, verdict: Result<(), Rejection>) -> Outcome {
    Outcome { events: events.into_iter().collect(), verdict }
}

/// Decodes `pieces` one call after another, until a verdict.
fn decode_pieces<'a>(limits: &Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Outcome, Decoder) {
    let (mut decoder, mut events, now) = (Decoder::default(), Vec::new(), Instant::now());
    for piece in pieces {
        let mut collect = |event: Event<'_>| {
            events.push(event.into());
            ControlFlow::Continue(())
        };
        if let Err(rejection) = decoder.decode(limits, now, &mut piece.to_vec(), &mut collect) {
            return (outcome(events, Err(rejection)), decoder);
        }
    }
    (outcome(events, Ok(())), decoder)
}

fn decode_with(limits: &Limits, octets: &[u8]) -> Outcome {
    decode_pieces(limits, [octets]).0
}

fn decode(octets: &[u8]) -> Outcome {
    decode_with(&limits(), octets)
}

/// How many octets a decoder needs, one at a time, until it says no, and what it then says.
fn verdict_at(limits: &Limits, octets: &[u8]) -> Option<(usize, Rejection)> {
    (1..=octets.len()).find_map(|end| {
        let verdict = decode_pieces(limits, octets[..end].chunks(1)).0.verdict;
        verdict.err().map(|rejection| (end, rejection))
    })
}

/// The least length field for a payload: seven bits or more.
fn length(bytes: usize) -> Vec<u8> {
    match bytes {
        0..=125 => vec![u8::try_from(bytes).unwrap()],
        126..=0xffff => [&[126][..], &u16::try_from(bytes).unwrap().to_be_bytes()].concat(),
        _ => [&[127][..], &u64::try_from(bytes).unwrap().to_be_bytes()].concat(),
    }
}

/// A header with any first octet, length field and key; the mask bit is set.
fn header(first: u8, mut length: Vec<u8>) -> Vec<u8> {
    length[0] |= 0x80;
    [&[first][..], &length, &KEY].concat()
}

fn masked(payload: &[u8]) -> Vec<u8> {
    payload.iter().zip(KEY.iter().cycle()).map(|(octet, key)| octet ^ key).collect()
}

/// A masked frame with any first octet.
fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    [header(first, length(payload.len())), masked(payload)].concat()
}
