//! A `RawHead` cannot be made without judging its octets: not by hand, not from nothing, not by a copy.

use portcullis::gate::RawHead;

fn by_hand() {
    let _ = RawHead { octets: b"GET / HTTP/1.1" };
}

fn copied<T: Clone>() {}

fn from_nothing<T: Default>() {}

fn main() {
    by_hand();
    copied::<RawHead<'static>>();
    from_nothing::<RawHead<'static>>();
}
