//! Owns frames on their way out, in the minimal form: unmasked to a peer, masked to a server.
//! Never knows to how many receivers the octets go.

use super::mask::Mask;

/// Octets that a control frame may carry (RFC 6455 section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// Octets that a close reason may have: a control frame's less the code's two.
pub const CLOSE_REASON_BYTES_MAX: usize = CONTROL_BYTES_MAX - 2;

pub(super) const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
/// "Per-Message Compressed" (RFC 7692 section 6).
const RSV1: u8 = 0x40;
const CLOSE: u8 = 0x8;

/// Opcodes that are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A text message; the payload must be UTF-8.
    Text,
    /// A binary message.
    Binary,
    /// A ping.
    Ping,
    /// A pong.
    Pong,
}

/// Appends one unmasked frame (RFC 6455 section 5.2).
///
/// The payload of a ping or pong is cut at [`CONTROL_BYTES_MAX`].
pub fn encode(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    whole_of(opcode, payload, None, out);
}

/// Appends one frame as [`encode`] does, masked by this key: towards a server.
pub fn encode_masked(opcode: Opcode, payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    whole_of(opcode, payload, Some(key), out);
}

fn whole_of(opcode: Opcode, payload: &[u8], key: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let (code, payload) = match opcode {
        Opcode::Text => (0x1, payload),
        Opcode::Binary => (0x2, payload),
        Opcode::Ping => (0x9, cut(payload)),
        Opcode::Pong => (0xa, cut(payload)),
    };
    frame_of(FIN | code, key, &[payload], out);
}

/// Appends one frame of a message whose payload is compressed already.
pub(super) fn encode_compressed(opcode: Opcode, compressed: &[u8], out: &mut Vec<u8>) {
    let code = if opcode == Opcode::Text { 0x1 } else { 0x2 };
    frame_of(FIN | RSV1 | code, None, &[compressed], out);
}

/// Appends a Close frame; the reason is cut at [`CLOSE_REASON_BYTES_MAX`], between two
/// characters. Without a code there is no reason either (RFC 6455 section 5.5.1).
pub fn encode_close(code: Option<u16>, reason: &str, out: &mut Vec<u8>) {
    close_of(code, reason, None, out);
}

/// Appends a Close frame as [`encode_close`] does, masked by this key: towards a server.
pub fn encode_masked_close(code: Option<u16>, reason: &str, key: [u8; 4], out: &mut Vec<u8>) {
    close_of(code, reason, Some(key), out);
}

fn close_of(code: Option<u16>, reason: &str, key: Option<[u8; 4]>, out: &mut Vec<u8>) {
    match code {
        None => frame_of(FIN | CLOSE, key, &[], out),
        Some(code) => {
            let end = reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX);
            let reason = reason.as_bytes().get(..end).unwrap_or_default();
            frame_of(FIN | CLOSE, key, &[&code.to_be_bytes(), reason], out);
        }
    }
}

/// Octets of an encoded frame whose payload has `payload_bytes`.
#[must_use]
pub const fn encoded_len(payload_bytes: usize) -> usize {
    let header_bytes = match payload_bytes {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    };
    payload_bytes.saturating_add(header_bytes)
}

fn cut(payload: &[u8]) -> &[u8] {
    payload.get(..CONTROL_BYTES_MAX).unwrap_or(payload)
}

/// Appends a frame with this first octet, masked where there is a key.
pub(super) fn frame_of(first: u8, key: Option<[u8; 4]>, parts: &[&[u8]], out: &mut Vec<u8>) {
    let payload_bytes = parts.iter().map(|part| part.len()).sum();
    out.reserve(encoded_len(payload_bytes) + key.map_or(0, |key| key.len()));
    let masked = if key.is_some() { MASKED } else { 0 };
    out.push(first);
    match (u8::try_from(payload_bytes), u16::try_from(payload_bytes)) {
        (Ok(length @ 0..=125), _) => out.push(masked | length),
        (_, Ok(length)) => {
            out.push(masked | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        // INVARIANT: a `usize` has at most 64 bits, so the length always fits.
        (_, Err(_)) => {
            out.push(masked | 127);
            out.extend_from_slice(&u64::try_from(payload_bytes).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(key.as_ref().map_or(&[], |key| key.as_slice()));
    let start = out.len();
    for part in parts {
        out.extend_from_slice(part);
    }
    if let Some(key) = key {
        Mask::new(key).apply(out.get_mut(start..).unwrap_or_default());
    }
}
