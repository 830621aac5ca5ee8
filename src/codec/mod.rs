//! Owns RFC 6455 frames as bytes: in with every limit before a buffer, out encoded once.
//! Never knows a socket, a room or a clock: `now` comes in.
//!
//! In: octets go to [`Decoder::decode`] as they were read, in pieces of any size. Each header
//! octet is judged as it comes (`header`), payload is unmasked in place (`mask`), and what
//! is whole is handed over where it lies. Only what is unfinished is kept (`partial`), and
//! no more of it than has really come.
//!
//! Out: [`encode`] and [`encode_close`] append to a buffer that the caller owns and shares.
//! A message that goes on to a server, or from one, is not held: it is read in pieces, and
//! [`Onward`] makes frames of them.
//!
//! Compressed messages (`deflate`) are read where the handshake agreed on them, and a frame is
//! compressed once for all who take it so.

mod close;
mod decoder;
mod deflate;
mod encode;
mod header;
mod mask;
mod message;
mod onward;
mod partial;
mod text;

#[cfg(test)]
mod tests;

pub use decoder::Decoder;
pub use deflate::{DEFLATE_FROM_BYTES, deflate, message_of};
pub use encode::{
    CLOSE_REASON_BYTES_MAX, CONTROL_BYTES_MAX, Opcode, encode, encode_close, encode_masked,
    encode_masked_close, encoded_len,
};
pub use header::MessageKind;
pub use onward::Onward;

use std::time::Duration;

/// Bounds of what is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Octets of a whole message, also the bound of each frame in it.
    pub message_bytes: usize,
    /// Frames that make up one message.
    pub message_fragments: u32,
    /// From the first octet of a message to its last.
    pub message_timeout: Duration,
}

/// What a decoder hands over.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A ping; its octets belong into the pong.
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// The peer starts or answers the closing handshake; nothing after it is read.
    Close(Option<(u16, &'a str)>),
    /// The next octets of a message, of a decoder that hands over no whole ones.
    Piece(Piece<'a>),
}

/// Octets of a message that goes on to somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What the message is.
    pub kind: MessageKind,
    /// Nothing of it was handed over before.
    pub first: bool,
    /// Nothing of it comes after.
    pub last: bool,
    /// A text is UTF-8 as a whole; a piece may begin or end within a character.
    pub octets: &'a [u8],
}

/// Whose frames are read: a client masks them, a server must not (RFC 6455 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A client's.
    Client,
    /// A server's.
    Server,
}
