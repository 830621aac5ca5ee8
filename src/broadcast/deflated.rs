//! Owns the compressed form of one message, made once for all workers.
//! Never knows who takes it.

use crate::codec;
use bytes::Bytes;
use std::sync::{Arc, OnceLock};

/// The compressed form of a frame: the first worker that needs it makes it, the others share it.
#[derive(Clone, Debug, Default)]
pub struct Deflated(Arc<OnceLock<Option<Bytes>>>);

impl Deflated {
    /// The compressed form of `frame`; `None` where it would not be shorter.
    #[must_use]
    pub fn of(&self, frame: &[u8]) -> Option<&[u8]> {
        self.0.get_or_init(|| codec::deflate(frame).map(Bytes::from)).as_deref()
    }
}
