//! Owns a message on its way to somebody else while it still comes: in frames of our own.
//! Never knows where its octets come from, nor who chose a masking key.

use super::Piece;
use super::encode::{FIN, frame_of};
use super::header::MessageKind;

/// What is held of a message at most before it goes on: a message up to this length is sent in one
/// frame, and no sender of single octets makes a frame of each.
const HELD_BYTES: usize = 16 << 10;

/// The message that is on its way in one direction. Between two messages it holds nothing.
#[derive(Debug, Default)]
pub struct Onward {
    /// Its first frame is out.
    begun: bool,
    held: Vec<u8>,
}

impl Onward {
    /// Takes the next piece; a frame may be appended to `out`, masked where there is a key
    /// (RFC 6455 section 5.3). A key must not have been used before.
    pub fn piece(&mut self, piece: &Piece<'_>, key: Option<[u8; 4]>, out: &mut Vec<u8>) {
        let bytes = self.held.len() + piece.octets.len();
        if !piece.last && bytes < HELD_BYTES {
            self.held.extend_from_slice(piece.octets);
            return;
        }
        let code = match (self.begun, piece.kind) {
            (true, _) => CONTINUATION,
            (false, MessageKind::Text) => TEXT,
            (false, MessageKind::Binary) => BINARY,
        };
        let first = if piece.last { FIN | code } else { code };
        frame_of(first, key, &[&self.held, piece.octets], out);
        self.begun = !piece.last;
        self.held = Vec::new();
    }
}

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
