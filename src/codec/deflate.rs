//! Owns permessage-deflate (RFC 7692) without context takeover: one message in, one message out.
//! Never knows who negotiated it.
//!
//! A compressor takes about 370 KiB and a decompressor 46 KiB, so no session has its own: each
//! thread lends the same two to whatever message is at work, and each message starts afresh.

use super::encode::{Opcode, encode_compressed};
use crate::rejection::Rejection;
use std::cell::RefCell;
use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush, Status};

/// A frame with a shorter payload is sent as it is: it fits one packet either way.
pub const DEFLATE_FROM_BYTES: usize = 512;

/// A kibibyte of JSON in 6.6 us to 257 octets; level 1 leaves 347 in 2.2 us, level 6 leaves 253 in 6.9 us.
const LEVEL: i32 = 3;
/// The only window that is ever agreed on.
const WINDOW_BITS: u8 = 15;
/// What a sender leaves out at the end of a message (RFC 7692 section 7.2.1).
const FLUSHED: [u8; 4] = [0, 0, 0xff, 0xff];
/// The same, and a last empty block: it is read as one only if the message was whole.
const ENDED: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];
/// Streams that one message may be made of: a sender may end one (RFC 7692 section 7.2.3.4),
/// and each costs a new start.
const STREAMS_MAX: usize = 8;
/// Octets that inflating first makes room for.
const ROOM_BYTES: usize = 4 << 10;
/// A thread does not keep more room than this between two messages.
const ROOM_BYTES_KEPT: usize = 128 << 10;

thread_local! {
    static INFLATER: RefCell<Option<Box<Inflate>>> = const { RefCell::new(None) };
    static DEFLATER: RefCell<Option<Box<Deflate>>> = const { RefCell::new(None) };
    static ROOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Octets that a message of `message_bytes` may have on the wire when it is compressed: what does
/// not compress is stored, in blocks with a header each.
pub(super) const fn wire_bytes_max(message_bytes: usize) -> usize {
    message_bytes.saturating_add(message_bytes / 512).saturating_add(64)
}

/// Inflates a whole message and hands it over; never more than one octet over `bytes_max` is
/// inflated.
///
/// # Errors
/// `MessageTooBig` as soon as it is longer, `MessageCompression` if it is no whole DEFLATE
/// message, or what `take` said.
pub(super) fn inflate<T>(
    compressed: &[u8],
    bytes_max: usize,
    take: impl FnOnce(&[u8]) -> Result<T, Rejection>,
) -> Result<T, Rejection> {
    let mut room = ROOM.with_borrow_mut(std::mem::take);
    let inflated = INFLATER.with_borrow_mut(|inflater| {
        let inflater = inflater.get_or_insert_with(|| Box::new(Inflate::new(false, WINDOW_BITS)));
        Inflating { inflater, room: &mut room, bytes_max, bytes: 0, streams: 0 }.message(compressed)
    });
    // The decompressor is free again: whatever `take` does may inflate too.
    let taken = inflated.and_then(|bytes| take(room.get(..bytes).unwrap_or_default()));
    room.truncate(ROOM_BYTES_KEPT);
    room.shrink_to(ROOM_BYTES_KEPT);
    ROOM.set(room);
    taken
}

/// One message on its way through the decompressor.
struct Inflating<'a> {
    inflater: &'a mut Inflate,
    room: &'a mut Vec<u8>,
    bytes_max: usize,
    bytes: usize,
    streams: usize,
}

impl Inflating<'_> {
    fn message(mut self, compressed: &[u8]) -> Result<usize, Rejection> {
        self.inflater.reset(false);
        if self.octets(compressed)? {
            // A sender that has ended the stream goes on with an empty block.
            self.again()?;
        }
        // The last block is empty: an octet more came from a message that was cut off.
        let bytes = self.bytes;
        let ended = self.octets(&ENDED)?;
        if ended && self.bytes == bytes { Ok(bytes) } else { Err(Rejection::MessageCompression) }
    }

    /// Inflates octets; whether the stream has ended with the last of them.
    fn octets(&mut self, mut octets: &[u8]) -> Result<bool, Rejection> {
        loop {
            let (read, status) = self.step(octets)?;
            octets = octets.get(read..).unwrap_or_default();
            match (status, octets.is_empty()) {
                (Status::StreamEnd, true) => return Ok(true),
                (Status::StreamEnd, false) => self.again()?,
                (Status::Ok | Status::BufError, true) if self.has_room() => return Ok(false),
                (Status::Ok | Status::BufError, _) => self.make_room(read)?,
            }
        }
    }

    fn step(&mut self, octets: &[u8]) -> Result<(usize, Status), Rejection> {
        let (before_in, before_out) = (self.inflater.total_in(), self.inflater.total_out());
        let room = self.room.get_mut(self.bytes..).unwrap_or_default();
        let status = self
            .inflater
            .decompress(octets, room, InflateFlush::SyncFlush)
            .map_err(|_| Rejection::MessageCompression)?;
        self.bytes += usize::try_from(self.inflater.total_out() - before_out).unwrap_or(usize::MAX);
        if self.bytes > self.bytes_max {
            return Err(Rejection::MessageTooBig);
        }
        Ok((usize::try_from(self.inflater.total_in() - before_in).unwrap_or(usize::MAX), status))
    }

    fn has_room(&self) -> bool {
        self.bytes < self.room.len()
    }

    /// Doubles the room when it is full, up to one octet over what a message may have.
    fn make_room(&mut self, read: usize) -> Result<(), Rejection> {
        if self.has_room() {
            // Neither room nor octets are wanting: another round would bring no more.
            return if read > 0 { Ok(()) } else { Err(Rejection::MessageCompression) };
        }
        let most = self.bytes_max.saturating_add(1);
        let doubled = self.room.len().saturating_mul(2).max(ROOM_BYTES).min(most);
        self.room.resize(doubled, 0);
        Ok(())
    }

    fn again(&mut self) -> Result<(), Rejection> {
        self.streams += 1;
        self.inflater.reset(false);
        if self.streams < STREAMS_MAX { Ok(()) } else { Err(Rejection::MessageCompression) }
    }
}

/// A compressed frame in place of one that [`super::encode`] made; `None` where it would not be
/// shorter, or is not a message of [`DEFLATE_FROM_BYTES`] or more.
#[must_use]
pub fn deflate(frame: &[u8]) -> Option<Vec<u8>> {
    let (opcode, payload) = message_of(frame)?;
    if payload.len() < DEFLATE_FROM_BYTES {
        return None;
    }
    let mut room = vec![0; payload.len()];
    let bytes = DEFLATER.with_borrow_mut(|deflater| {
        let deflater = deflater.get_or_insert_with(|| Box::new(Deflate::new(LEVEL, false, WINDOW_BITS)));
        deflater.reset();
        deflater.compress(payload, &mut room, DeflateFlush::SyncFlush).ok()?;
        // Without room for all of it there is nothing to gain, and no flush at its end.
        let whole = deflater.total_in() == u64::try_from(payload.len()).ok()?;
        whole.then(|| usize::try_from(deflater.total_out()).ok()).flatten()
    })?;
    // A full room may lack the end.
    let compressed = room.get(..bytes).filter(|_| bytes < room.len())?.strip_suffix(&FLUSHED)?;
    let mut out = Vec::new();
    encode_compressed(opcode, compressed, &mut out);
    Some(out)
}

/// The kind and payload of a message in one frame of ours: unmasked, uncompressed, whole.
#[must_use]
pub fn message_of(frame: &[u8]) -> Option<(Opcode, &[u8])> {
    let [first, second, rest @ ..] = frame else { return None };
    let opcode = match first {
        0x81 => Opcode::Text,
        0x82 => Opcode::Binary,
        _ => return None,
    };
    let length_bytes = match second {
        0..=125 => 0,
        126 => 2,
        127 => 8,
        128.. => return None,
    };
    Some((opcode, rest.get(length_bytes..)?))
}
