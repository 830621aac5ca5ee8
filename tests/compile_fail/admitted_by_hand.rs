//! An `Admitted` is made by the ordered checks, never by hand.

use portcullis::auth::Identity;
use portcullis::gate::{Admitted, Destination, Route};
use std::sync::Arc;

fn forge(identity: Identity, route: Arc<Route>, destination: Destination) -> Admitted {
    Admitted { identity, route, destination, accept: String::new(), subprotocol: None, origin: None }
}

fn main() {}
