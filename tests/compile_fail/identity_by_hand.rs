//! An `Identity` is proved by a verified token, never made by hand.

use portcullis::auth::Identity;

fn main() {
    let _ = Identity {
        issuer: None,
        subject: "mallory".into(),
        jti: None,
        ends_at: None,
        subscribe: Vec::new().into(),
        publish: Vec::new().into(),
    };
}
