//! An identity is proved by `Verifier::verify`, not claimed.

use portcullis::auth::{Authority, Identity};

fn main() {
    let of: fn() -> Authority = || unreachable!();
    let _ = Identity {
        authority: of(),
        subscribe: Box::default(),
        publish: Box::default(),
    };
}
