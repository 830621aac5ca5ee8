//! A room is joined with a grant; its name alone is not enough.

use portcullis::broadcast::Hub;
use portcullis::room::RoomName;
use std::sync::Arc;

fn join(hub: &Arc<Hub>, room: &RoomName) {
    let _ = hub.join(room, 0);
}

fn main() {}
