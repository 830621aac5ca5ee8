//! Compressed messages (RFC 7692) from a peer: the same events and the same verdict however they
//! are cut, none over the limit; and what is compressed for a peer comes back.
//!
//! The first octet of the input tells the size of the pieces, the second which of the messages are
//! compressed. The rest is payload: of one message, and of the same in two fragments.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::codec::{Decoder, Event, Limits, Opcode, deflate, encode};
use portcullis::rejection::Rejection;
use std::ops::ControlFlow;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);

const LIMITS: Limits =
    Limits { message_bytes: 1 << 16, message_fragments: 4, message_timeout: Duration::from_secs(10) };

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;

fuzz_target!(|input: &[u8]| {
    let [step, kinds, payload @ ..] = input else { return };
    let bit = |at: u8| if kinds >> at & 1 == 1 { RSV1 } else { 0 };
    let kind = if kinds & 4 == 4 { TEXT } else { BINARY };
    let (head, tail) = payload.split_at(payload.len() / 2);
    let octets =
        [masked(FIN | bit(0) | kind, payload), masked(bit(1) | kind, head), masked(FIN, tail)].concat();
    let whole = decode(&octets, octets.len());
    assert_eq!(whole, decode(&octets, usize::from(*step).max(octets.len() / 1024).max(1)));
    assert!(whole.0.iter().all(|(_, payload)| payload.len() <= LIMITS.message_bytes));
    comes_back(payload);
});

fn decode(octets: &[u8], step: usize) -> (Vec<(bool, Vec<u8>)>, Result<(), Rejection>) {
    let (mut decoder, mut events) = (Decoder::inflating(), Vec::new());
    for piece in octets.to_vec().chunks_mut(step) {
        let verdict = decoder.decode(&LIMITS, *NOW, piece, &mut |event| {
            events.push(match event {
                Event::Text(text) => (true, text.as_bytes().to_vec()),
                Event::Binary(octets) => (false, octets.to_vec()),
                Event::Ping(_) | Event::Pong(_) | Event::Close(_) | Event::Piece(_) => {
                    unreachable!("nobody sends one, and none is asked for")
                }
            });
            ControlFlow::Continue(())
        });
        if verdict.is_err() {
            return (events, verdict);
        }
    }
    (events, Ok(()))
}

fn comes_back(payload: &[u8]) {
    let mut plain = Vec::new();
    let long = payload.repeat(512 / payload.len().max(1) + 1);
    encode(Opcode::Binary, &long, &mut plain);
    let Some(frame) = deflate(&plain) else { return };
    assert!(frame.len() < plain.len());
    let header = if frame[1] < 126 { 2 } else { 4 };
    assert_eq!(decode(&masked(frame[0], &frame[header..]), 7), (vec![(false, long)], Ok(())));
}

/// A masked frame with the least length field.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [1, 2, 3, 4];
    let length = match payload.len() {
        short @ 0..126 => vec![0x80 | short as u8],
        long => [&[0xfe][..], &u16::try_from(long).unwrap_or(u16::MAX).to_be_bytes()].concat(),
    };
    let body = payload.iter().zip(KEY.iter().cycle()).map(|(octet, key)| octet ^ key);
    [first].into_iter().chain(length).chain(KEY).chain(body).collect()
}
