//! Owns a message that is not whole yet: its octets, their count, its frames, its first instant.
//! Never knows headers or masks.

use super::header::MessageKind;
use super::text::{Seam, Text};
use super::{Event, Piece};
use crate::rejection::Rejection;
use std::time::Instant;

/// How far an open message has come, by the headers of its frames.
#[derive(Clone, Copy)]
pub(super) struct Progress {
    /// Frames so far, the current one among them.
    pub(super) frames: u32,
    /// Octets so far, announced ones of the current frame among them.
    pub(super) bytes: usize,
    /// They are compressed.
    pub(super) compressed: bool,
}

/// A message of which something is still to come.
pub(super) struct Message {
    /// When its first octet came.
    pub(super) since: Instant,
    pub(super) progress: Progress,
    content: Content,
}

enum Content {
    Text(Text),
    Binary(Vec<u8>),
    /// What it is shows when it is inflated, once it is whole.
    Compressed(MessageKind, Vec<u8>),
    /// It goes on as it comes.
    Passed {
        kind: MessageKind,
        seam: Seam,
        begun: bool,
    },
}

/// A message that is whole.
pub(super) enum Whole<'a> {
    Plain(Event<'a>),
    Compressed(MessageKind, &'a [u8]),
    /// All of it has gone on.
    Passed,
}

impl Message {
    /// A message of which nothing has come but the beginning of its first header.
    pub(super) fn new(kind: MessageKind, compressed: bool, since: Instant) -> Message {
        let content = match (kind, compressed) {
            (kind, true) => Content::Compressed(kind, Vec::new()),
            (MessageKind::Text, false) => Content::Text(Text::default()),
            (MessageKind::Binary, false) => Content::Binary(Vec::new()),
        };
        Message { since, progress: Progress { frames: 0, bytes: 0, compressed }, content }
    }

    /// The same of a message that is not held.
    pub(super) fn passed(kind: MessageKind, since: Instant) -> Message {
        let content = Content::Passed { kind, seam: Seam::default(), begun: false };
        Message { since, progress: Progress { frames: 0, bytes: 0, compressed: false }, content }
    }

    /// Counts a frame by its header, which has been judged against the limits.
    pub(super) fn count_frame(&mut self, payload_bytes: usize) {
        self.progress.frames = self.progress.frames.saturating_add(1);
        self.progress.bytes = self.progress.bytes.saturating_add(payload_bytes);
    }

    /// Appends unmasked octets; what goes on of a message that is not held. `is_end`: no more come.
    ///
    /// # Errors
    /// `Utf8` at the first bad octet of a text.
    pub(super) fn push<'o>(
        &mut self,
        octets: &'o [u8],
        is_end: bool,
    ) -> Result<Option<Piece<'o>>, Rejection> {
        match &mut self.content {
            Content::Text(text) => text.push(octets, self.progress.bytes).map(|()| None),
            Content::Binary(held) | Content::Compressed(_, held) => {
                let more = growth(held.len(), held.capacity(), octets.len(), self.progress.bytes);
                held.reserve_exact(more);
                held.extend_from_slice(octets);
                Ok(None)
            }
            Content::Passed { kind, seam, begun } => {
                if *kind == MessageKind::Text {
                    seam.join(octets, &mut |_| {})?;
                    if is_end {
                        seam.finish()?;
                    }
                }
                if octets.is_empty() && !is_end {
                    return Ok(None);
                }
                let first = !std::mem::replace(begun, true);
                Ok(Some(Piece { kind: *kind, first, last: is_end, octets }))
            }
        }
    }

    /// The whole message.
    ///
    /// # Errors
    /// `Utf8` of a text that ends within a character.
    pub(super) fn finish(&self) -> Result<Whole<'_>, Rejection> {
        match &self.content {
            Content::Text(text) => text.finish().map(|text| Whole::Plain(Event::Text(text))),
            Content::Binary(binary) => Ok(Whole::Plain(Event::Binary(binary))),
            Content::Compressed(kind, octets) => Ok(Whole::Compressed(*kind, octets)),
            Content::Passed { .. } => Ok(Whole::Passed),
        }
    }

    /// Octets that are reserved on the heap.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        match &self.content {
            Content::Text(text) => text.capacity(),
            Content::Binary(held) | Content::Compressed(_, held) => held.capacity(),
            Content::Passed { .. } => 0,
        }
    }
}

/// How much to reserve beyond `len` for `more` octets that have come: the double of what there
/// was, so that a peer who sends octet by octet costs no more copies than any other, but never
/// over what has been announced, nor for octets that were only announced.
pub(super) fn growth(len: usize, capacity: usize, more: usize, bytes_max: usize) -> usize {
    const FIRST: usize = 64;
    let needed = len.saturating_add(more);
    if needed <= capacity {
        return 0;
    }
    capacity.saturating_mul(2).max(FIRST).min(bytes_max).max(needed).saturating_sub(len)
}
