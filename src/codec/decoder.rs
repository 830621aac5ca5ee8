//! Owns the life of a reader of frames: nothing held, something unfinished, over.
//! Never knows how a frame is read.

use super::partial::{Call, Partial, Reading};
use super::{Event, Limits, Side};
use crate::rejection::Rejection;
use std::fmt;
use std::mem;
use std::ops::ControlFlow;
use std::time::Instant;

/// Reads frames from octets as they come.
///
/// While nothing is unfinished it holds nothing on the heap.
#[derive(Default)]
pub struct Decoder {
    state: State,
    manner: Manner,
}

/// How messages come, and how they are handed over.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Manner {
    /// Whole.
    #[default]
    Whole,
    /// Whole, and some of them compressed.
    Inflating,
    /// In pieces.
    Streaming(Side),
}

#[derive(Default)]
enum State {
    #[default]
    Idle,
    Unfinished(Box<Partial>),
    Over,
}

impl Decoder {
    /// A decoder of a session that agreed on permessage-deflate: a message may be compressed
    /// (RFC 7692). The bounds hold for what it inflates to.
    #[must_use]
    pub fn inflating() -> Decoder {
        Decoder { manner: Manner::Inflating, ..Decoder::default() }
    }

    /// A decoder that hands messages over in pieces, as they come, and holds none of them: for a
    /// message that goes on to somebody else. `from` says whose frames it reads.
    #[must_use]
    pub fn streaming(from: Side) -> Decoder {
        Decoder { manner: Manner::Streaming(from), ..Decoder::default() }
    }

    /// Whether it reads compressed messages.
    #[must_use]
    pub fn inflates(&self) -> bool {
        self.manner == Manner::Inflating
    }

    /// Takes all of `input` (unmasking it in place) and hands over each event it completes.
    ///
    /// A verdict falls at the first octet that makes it certain, however the octets are cut
    /// into calls. After a Close event or an error nothing is held and all further octets are
    /// ignored (RFC 6455 sections 1.4 and 7.1.7).
    ///
    /// # Errors
    /// The rule or limit that the octets break, or what `on_event` broke with.
    pub fn decode(
        &mut self,
        limits: &Limits,
        now: Instant,
        input: &mut [u8],
        on_event: &mut dyn FnMut(Event<'_>) -> ControlFlow<Rejection>,
    ) -> Result<(), Rejection> {
        let mut call = Call { limits, manner: self.manner, now, on_event };
        // It is over for whatever leaves early from here on, be it a panic of `on_event`.
        match mem::replace(&mut self.state, State::Over) {
            State::Over => {}
            State::Idle => {
                let mut partial = Partial::default();
                if partial.read(&mut call, input)? == Reading::On {
                    let idle = partial.is_empty();
                    self.state = if idle { State::Idle } else { State::Unfinished(Box::new(partial)) };
                }
            }
            State::Unfinished(mut partial) => {
                if partial.read(&mut call, input)? == Reading::On {
                    let idle = partial.is_empty();
                    self.state = if idle { State::Idle } else { State::Unfinished(partial) };
                }
            }
        }
        Ok(())
    }

    /// When the unfinished message or frame that is held is too old; `None` if nothing is
    /// unfinished. A message is as old as its first octet, whatever frames have come since.
    #[must_use]
    pub fn deadline(&self, limits: &Limits) -> Option<Instant> {
        match &self.state {
            State::Unfinished(partial) => partial.since()?.checked_add(limits.message_timeout),
            State::Idle | State::Over => None,
        }
    }

    /// Lets what is unfinished be as young as if its first octet came now: nothing was read for a
    /// while, and not for a fault of the peer's.
    pub fn excuse(&mut self, now: Instant) {
        match &mut self.state {
            State::Unfinished(partial) => partial.excuse(now),
            State::Idle | State::Over => {}
        }
    }

    /// Octets that are held on the heap.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        match &self.state {
            State::Unfinished(partial) => partial.held_bytes(),
            State::Idle | State::Over => 0,
        }
    }
}

/// Says in which state it is and nothing of what has come: a message body is never logged.
impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Idle => "Decoder(idle)",
            State::Unfinished(_) => "Decoder(unfinished)",
            State::Over => "Decoder(over)",
        })
    }
}
