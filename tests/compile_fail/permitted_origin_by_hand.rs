//! A `PermittedOrigin` is made by an origin policy, never by hand.

use portcullis::gate::PermittedOrigin;

fn main() {
    let _ = PermittedOrigin { origin: None };
}
