//! Owns what of its grants a subject may use here, where somebody else has a say in it.
//! Never knows who said it.

use crate::room::{RoomName, RoomPattern};

/// Rooms beyond which no grant reaches. It adds nothing: what the token does not grant stays so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrowing {
    /// What may be entered; `None`: all that the token grants.
    pub subscribe: Option<Box<[RoomPattern]>>,
    /// What may be published into; `None`: all that the token grants.
    pub publish: Option<Box<[RoomPattern]>>,
}

impl Narrowing {
    pub(super) fn lets_subscribe(&self, room: &RoomName) -> bool {
        lets(self.subscribe.as_deref(), room)
    }

    pub(super) fn lets_publish(&self, room: &RoomName) -> bool {
        lets(self.publish.as_deref(), room)
    }
}

fn lets(patterns: Option<&[RoomPattern]>, room: &RoomName) -> bool {
    patterns.is_none_or(|patterns| patterns.iter().any(|pattern| pattern.grants(room)))
}
