//! An `Admitted` is made by the ordered checks, never by hand.

use portcullis::auth::Identity;
use portcullis::gate::{Admitted, Route};
use portcullis::room::RoomName;
use std::sync::Arc;

fn forge(identity: Identity, route: Arc<Route>, room: RoomName) -> Admitted {
    Admitted { identity, route, room, accept: String::new(), subprotocol: None, origin: None }
}

fn main() {}
