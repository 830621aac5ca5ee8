//! An `UpgradeRequest` cannot be made without RFC 6455 section 4.2.1: not by hand, not from nothing, not by a copy.

use portcullis::gate::UpgradeRequest;

fn by_hand() {
    let _ = UpgradeRequest {  };
}

fn copied<T: Clone>() {}

fn from_nothing<T: Default>() {}

fn main() {
    by_hand();
    copied::<UpgradeRequest>();
    from_nothing::<UpgradeRequest>();
}
