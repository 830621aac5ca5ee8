//! A `RoomGrant` is made by an identity that names the room, never by hand.

use portcullis::auth::{Identity, RoomGrant};
use portcullis::room::RoomName;

fn forge(identity: &Identity, room: RoomName) -> RoomGrant<'_> {
    RoomGrant { identity, room, publish: true }
}

fn main() {}
