//! A `BearerToken` cannot be made without looking at every place for a credential: not by hand, not from nothing, not by a copy.

use portcullis::auth::BearerToken;

fn by_hand() {
    let _ = BearerToken { token: "a.b.c", from_cookie: false };
}

fn copied<T: Clone>() {}

fn from_nothing<T: Default>() {}

fn main() {
    by_hand();
    copied::<BearerToken<'static>>();
    from_nothing::<BearerToken<'static>>();
}
