//! A `BearerToken` is found by looking at every place for a credential, never made by hand.

use portcullis::auth::BearerToken;

fn main() {
    let _ = BearerToken { token: "a.b.c", from_cookie: false };
}
