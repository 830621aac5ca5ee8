//! A `RawHead` is made by judging its octets, never by hand.

use portcullis::gate::RawHead;

fn main() {
    let _ = RawHead { octets: b"GET / HTTP/1.1\r\n\r\n" };
}
