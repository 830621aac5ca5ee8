//! An `UpgradeRequest` is made by judging a request (RFC 6455 section 4.2.1), never by hand.

use portcullis::gate::UpgradeRequest;

fn main() {
    let _ = UpgradeRequest { offered: Vec::new(), accept: String::new() };
}
