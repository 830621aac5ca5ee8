//! Owns the measurement of single parts in memory: codec and throttle, held against tungstenite.
//! Never knows a socket: what a connection costs is measured from outside.
//!
//! `cargo bench --bench micro`, or with a filter: `cargo bench --bench micro -- decode`.

use criterion::{BenchmarkId, Criterion, Throughput};
use portcullis::codec::{Decoder, Event, Limits, Opcode, encode};
use portcullis::throttle::{Bucket, Rate, RateTable};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

/// Payloads of a short chat line, a long one, and a document.
const PAYLOAD_BYTES: [usize; 3] = [128, 1024, 16 * 1024];

/// Octets of a read: as many frames as fit, at least one.
const READ_BYTES: usize = 16 * 1024;

const LIMITS: Limits =
    Limits { message_bytes: 64 * 1024, message_fragments: 1024, message_timeout: Duration::from_secs(10) };

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    codec_decode(&mut criterion);
    codec_decode_in_pieces(&mut criterion);
    codec_encode(&mut criterion);
    throttle_take(&mut criterion);
    criterion.final_summary();
}

/// Masked text frames, whole within a read.
fn codec_decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for payload_bytes in PAYLOAD_BYTES {
        let frames = (READ_BYTES / payload_bytes).max(1);
        let octets = masked_text(payload_bytes).repeat(frames);
        group.throughput(Throughput::Elements(u64::try_from(frames).unwrap_or(u64::MAX)));

        group.bench_function(BenchmarkId::new("ours", payload_bytes), |bencher| {
            let (mut decoder, now) = (Decoder::default(), Instant::now());
            let mut read = octets.clone();
            bencher.iter(|| {
                // What a socket would have written into the buffer, which decoding unmasks.
                read.copy_from_slice(&octets);
                assert_eq!(decode(&mut decoder, now, &mut read), frames);
            });
        });
        group.bench_function(BenchmarkId::new("tungstenite", payload_bytes), |bencher| {
            let config = WebSocketConfig::default().read_buffer_size(2 * READ_BYTES);
            let mut context = WebSocketContext::new(Role::Server, Some(config));
            bencher.iter(|| {
                let mut stream = Memory(&octets);
                let read = (0..).take_while(|_| context.read(&mut stream).map(black_box).is_ok()).count();
                assert_eq!(read, frames);
            });
        });
    }
    group.finish();
}

/// One frame of 16 KiB that comes in reads of an Ethernet segment's size, and octet by octet.
fn codec_decode_in_pieces(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode_in_pieces");
    let octets = masked_text(16 * 1024);
    group.throughput(Throughput::Bytes(16 * 1024));
    for piece_bytes in [1, 1448] {
        group.bench_function(BenchmarkId::new("ours", piece_bytes), |bencher| {
            let (mut decoder, now) = (Decoder::default(), Instant::now());
            let mut read = octets.clone();
            bencher.iter(|| {
                read.copy_from_slice(&octets);
                let pieces = read.chunks_mut(piece_bytes);
                assert_eq!(pieces.map(|piece| decode(&mut decoder, now, piece)).sum::<usize>(), 1);
            });
        });
    }
    group.finish();
}

/// One text frame into a buffer that is there.
fn codec_encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for payload_bytes in PAYLOAD_BYTES {
        let payload = vec![b'x'; payload_bytes];
        let mut out = Vec::with_capacity(2 * payload_bytes);
        group.bench_function(BenchmarkId::new("ours", payload_bytes), |bencher| {
            bencher.iter(|| {
                out.clear();
                encode(Opcode::Text, black_box(&payload), &mut out);
                black_box(out.len())
            });
        });
        group.bench_function(BenchmarkId::new("tungstenite", payload_bytes), |bencher| {
            let payload = bytes::Bytes::from(payload.clone());
            bencher.iter(|| {
                out.clear();
                let frame = Frame::message(black_box(&payload).clone(), OpCode::Data(Data::Text), true);
                frame.format(&mut out).map(|()| black_box(out.len()))
            });
        });
    }
    group.finish();
}

/// One event of a session's own bucket, and one of a key among 100,000 in a table.
fn throttle_take(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("throttle");
    let (epoch, rate) = (Instant::now(), Rate { interval: Duration::from_millis(20), burst: 100 });
    group.bench_function("bucket_take", |bencher| {
        let (mut bucket, now) = (Bucket::default(), epoch + Duration::from_secs(1));
        bencher.iter(|| bucket.take(black_box(&rate), epoch, black_box(now)));
    });
    let table = RateTable::new(rate, 100_000);
    let mut key = 0_u32;
    for key in 0..200_000 {
        black_box(table.take(&key, epoch));
    }
    group.bench_function("table_take_of_a_held_key", |bencher| {
        bencher.iter(|| table.take(black_box(&199_999), epoch));
    });
    group.bench_function("table_take_of_a_new_key_when_full", |bencher| {
        bencher.iter(|| {
            key = key.wrapping_add(1);
            table.take(black_box(&key), epoch)
        });
    });
    group.finish();
}

fn decode(decoder: &mut Decoder, now: Instant, read: &mut [u8]) -> usize {
    let mut messages = 0;
    let mut count = |event: Event<'_>| {
        messages += usize::from(matches!(black_box(event), Event::Text(_)));
        ControlFlow::Continue(())
    };
    let verdict = decoder.decode(&LIMITS, now, read, &mut count);
    assert_eq!(verdict, Ok(()));
    messages
}

/// A text frame as a peer sends it.
fn masked_text(payload_bytes: usize) -> Vec<u8> {
    let mut frame = Frame::message(vec![b'x'; payload_bytes], OpCode::Data(Data::Text), true);
    frame.header_mut().mask = Some([0x37, 0xfa, 0x21, 0x3d]);
    let mut octets = Vec::new();
    assert!(frame.format(&mut octets).is_ok());
    octets
}

/// Octets to read, then nothing for now; what is written is dropped.
struct Memory<'a>(&'a [u8]);

impl Read for Memory<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(out) }
    }
}

impl Write for Memory<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
