//! Owns just enough of RFC 6455 section 5 for a load: unfragmented frames, one mask.
//! Never knows sockets.

use std::io;

/// A frame with its payload, whole.
pub(crate) struct Frame<'a> {
    pub(crate) opcode: u8,
    pub(crate) payload: &'a [u8],
}

pub(crate) const TEXT: u8 = 0x1;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;

/// Takes the frame at the start of the octets, if it is there whole, and what is behind it.
///
/// # Errors
/// For a fragment, a masked frame, and one over 2^16 octets: no server here sends such.
pub(crate) fn take(octets: &[u8]) -> io::Result<Option<(Frame<'_>, &[u8])>> {
    let (first, length, rest) = match *octets {
        [first, 126, high, low, ref rest @ ..] => (first, usize::from(u16::from_be_bytes([high, low])), rest),
        [_, 126, ..] | [] | [_] => return Ok(None),
        [first, length @ ..126, ref rest @ ..] => (first, usize::from(length), rest),
        [..] => return Err(io::Error::other("a frame that is masked or too long")),
    };
    if first & 0xF0 != 0x80 || first & 0x0F == 0 {
        return Err(io::Error::other("a fragment, or a reserved bit"));
    }
    let whole = rest.split_at_checked(length);
    Ok(whole.map(|(payload, behind)| (Frame { opcode: first & 0x0F, payload }, behind)))
}

/// Appends a masked frame.
///
/// # Errors
/// For a payload of 2^16 octets or more.
pub(crate) fn put(opcode: u8, payload: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let length = u16::try_from(payload.len()).map_err(io::Error::other)?;
    let [high, low] = length.to_be_bytes();
    match length {
        0..=125 => out.extend([0x80 | opcode, 0x80 | low]),
        126.. => out.extend([0x80 | opcode, 0x80 | 126, high, low]),
    }
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(octet, mask)| octet ^ mask));
    Ok(())
}

/// Not zero, so that unmasking is work.
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
