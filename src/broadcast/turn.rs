//! Owns what one room got in one turn of a worker, in each form in which members take it.
//! Never knows a member.

use super::{Deflated, Delivery, Sender};
use crate::codec;
use crate::protocol::events;
use bytes::Bytes;
use std::cell::OnceCell;

/// What a room got since the last flush: all frames behind one another, so that a member
/// is written to once however many they were.
#[derive(Debug, Default)]
pub struct Turn {
    plain: Form,
    /// The compressed form of each frame that has one, by its place among the frames.
    deflated: Vec<(usize, Deflated)>,
    /// Made for the first member that takes it.
    deflating: OnceCell<Form>,
    /// Made for the first member that reads an event stream.
    events: OnceCell<Form>,
}

/// All frames of a turn as one kind of member takes them.
#[derive(Debug, Default)]
pub struct Form {
    octets: Vec<u8>,
    frames: Vec<Frame>,
    shared: OnceCell<Bytes>,
}

/// One frame among the octets of a form.
#[derive(Clone, Copy, Debug)]
struct Frame {
    start: usize,
    except: Option<Sender>,
}

impl Turn {
    /// The frames as every member can read them.
    #[must_use]
    pub fn plain(&self) -> &Form {
        &self.plain
    }

    /// The frames for a member that agreed on permessage-deflate: compressed where that pays.
    #[must_use]
    pub fn deflating(&self) -> &Form {
        if self.deflated.is_empty() {
            return &self.plain;
        }
        self.deflating.get_or_init(|| {
            let mut form = Form::default();
            let mut deflated = self.deflated.iter().peekable();
            for (place, frame) in self.plain.frames.iter().enumerate() {
                let plain = self.plain.frame(place);
                let shorter = deflated.next_if(|(at, _)| *at == place).and_then(|(_, one)| one.of(plain));
                form.push(shorter.unwrap_or(plain), frame.except);
            }
            form
        })
    }

    /// The frames as events of a stream.
    #[must_use]
    pub fn events(&self) -> &Form {
        self.events.get_or_init(|| {
            let mut form = Form::default();
            for (place, frame) in self.plain.frames.iter().enumerate() {
                form.frames.push(Frame { start: form.octets.len(), ..*frame });
                if let Some((opcode, payload)) = codec::message_of(self.plain.frame(place)) {
                    events::encode_message(opcode, payload, &mut form.octets);
                }
            }
            form
        })
    }

    /// The sessions that sent without an echo in this turn, once for each frame.
    pub fn senders(&self) -> impl Iterator<Item = Sender> {
        self.plain.frames.iter().filter_map(|frame| frame.except)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.plain.octets.is_empty()
    }

    pub(super) fn push(&mut self, delivery: &Delivery) {
        if let Some(deflated) = &delivery.deflated {
            self.deflated.push((self.plain.frames.len(), deflated.clone()));
        }
        self.plain.push(&delivery.frame, delivery.except);
    }

    /// Empties it; a large buffer is given back.
    pub(super) fn clear(&mut self) {
        self.plain.octets.clear();
        self.plain.octets.shrink_to(TURN_BYTES_KEPT);
        self.plain.frames.clear();
        self.plain.frames.shrink_to(TURN_FRAMES_KEPT);
        self.plain.shared = OnceCell::new();
        self.deflated = Vec::new();
        self.deflating = OnceCell::new();
        self.events = OnceCell::new();
    }
}

/// A turn's buffer that is larger than this is not kept.
const TURN_BYTES_KEPT: usize = 64 << 10;
/// Nor is a list of more frames.
const TURN_FRAMES_KEPT: usize = 1024;

impl Form {
    /// All frames of the turn.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// All frames, shared: one copy for every member that must keep them.
    #[must_use]
    pub fn shared(&self) -> Bytes {
        self.shared.get_or_init(|| Bytes::copy_from_slice(&self.octets)).clone()
    }

    /// The frames that a sender gets: all but its own.
    pub fn without(&self, sender: Sender, out: &mut Vec<u8>) {
        for (place, frame) in self.frames.iter().enumerate() {
            if frame.except != Some(sender) {
                out.extend_from_slice(self.frame(place));
            }
        }
    }

    fn frame(&self, place: usize) -> &[u8] {
        let start = self.frames.get(place).map_or(self.octets.len(), |frame| frame.start);
        let end = self.frames.get(place + 1).map_or(self.octets.len(), |frame| frame.start);
        self.octets.get(start..end).unwrap_or_default()
    }

    fn push(&mut self, frame: &[u8], except: Option<Sender>) {
        self.frames.push(Frame { start: self.octets.len(), except });
        self.octets.extend_from_slice(frame);
    }
}
