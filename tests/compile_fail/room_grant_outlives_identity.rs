//! A `RoomGrant` borrows from the identity that it was granted to and cannot outlive it.

use portcullis::auth::Identity;
use portcullis::room::RoomName;

fn keep(identity: Identity, room: &RoomName) {
    let grant = identity.grant(room);
    drop(identity);
    drop(grant);
}

fn main() {}
