//! A `Publisher` cannot be made without a grant to publish: not by hand, not from nothing, not by a copy.

use portcullis::broadcast::Publisher;

fn by_hand() {
    let _ = Publisher {  };
}

fn copied<T: Clone>() {}

fn from_nothing<T: Default>() {}

fn main() {
    by_hand();
    copied::<Publisher>();
    from_nothing::<Publisher>();
}
