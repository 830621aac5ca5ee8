//! Owns the stages of a session's life and how it ended.
//! Never knows what leads from one to the next.

use crate::rejection::Rejection;
use std::time::Instant;

/// Why a session ended, and the code that went over the wire (1006 where none did, 1005
/// for the peer's Close frame without one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The reason.
    pub reason: Rejection,
    /// The close code.
    pub code: u16,
}

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Messages flow.
    Open,
    /// Our Close frame is out, the peer's is awaited until then.
    Closing {
        /// How it ended.
        end: End,
        /// Until when the peer may answer.
        until: Instant,
    },
    /// The peer's Close frame is here, ours is not out yet.
    Answering(End),
    /// All is said: the write side ends, and what still comes is dropped until then.
    Lingering {
        /// How it ended.
        end: End,
        /// Until when what comes is dropped.
        until: Instant,
    },
    /// The socket can go.
    Over(End),
}

impl Stage {
    /// How it ended; `None` while it is open.
    #[must_use]
    pub fn end(self) -> Option<End> {
        match self {
            Stage::Open => None,
            Stage::Answering(end)
            | Stage::Closing { end, .. }
            | Stage::Lingering { end, .. }
            | Stage::Over(end) => Some(end),
        }
    }
}
