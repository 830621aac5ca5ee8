//! A `Subscriber` cannot be made without a grant to subscribe: not by hand, not from nothing, not by a copy.

use portcullis::broadcast::Subscriber;

fn by_hand() {
    let _ = Subscriber {  };
}

fn copied<T: Clone>() {}

fn from_nothing<T: Default>() {}

fn main() {
    by_hand();
    copied::<Subscriber>();
    from_nothing::<Subscriber>();
}
