//! A `PermittedOrigin` cannot be made without an origin policy: not by hand, not from nothing, not by a copy.

use portcullis::gate::PermittedOrigin;

fn by_hand() {
    let _ = PermittedOrigin {  };
}

fn copied<T: Clone>() {}

fn from_nothing<T: Default>() {}

fn main() {
    by_hand();
    copied::<PermittedOrigin>();
    from_nothing::<PermittedOrigin>();
}
