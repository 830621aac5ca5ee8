//! Owns the proof that a token names a room.
//! Never knows who is in it.

use super::identity::Identity;
use crate::room::RoomName;

/// The token names this room: it may be entered. Borrowed from the identity, so that it
/// cannot outlive it. Only [`Identity::grant`] makes one.
#[must_use]
#[derive(Debug)]
pub struct RoomGrant<'id> {
    identity: &'id Identity,
    room: RoomName,
    publish: bool,
}

impl<'id> RoomGrant<'id> {
    pub(super) fn of(identity: &'id Identity, room: RoomName, publish: bool) -> RoomGrant<'id> {
        RoomGrant { identity, room, publish }
    }

    /// Who it was granted to.
    pub fn identity(&self) -> &'id Identity {
        self.identity
    }

    /// The room.
    #[must_use]
    pub fn room(&self) -> &RoomName {
        &self.room
    }

    /// Whether the token also names the room for publishing.
    #[must_use]
    pub fn may_publish(&self) -> bool {
        self.publish
    }
}
