//! An `Identity` cannot be made without a verified token: not by hand, not from nothing, not by a copy.

use portcullis::auth::Identity;

fn by_hand() {
    let _ = Identity { subject: "mallory".into(), jti: None, ends_at: None, subscribe: Vec::new(), publish: Vec::new() };
}

fn copied<T: Clone>() {}

fn from_nothing<T: Default>() {}

fn main() {
    by_hand();
    copied::<Identity>();
    from_nothing::<Identity>();
}
