//! No evidence can be copied: it proves one thing, once.

use portcullis::auth::{BearerToken, Identity, RoomGrant};
use portcullis::broadcast::{Publisher, Subscriber};
use portcullis::gate::{Admitted, PermittedOrigin, RawHead, UpgradeRequest};

fn copied<T: Clone>() {}

fn main() {
    copied::<BearerToken<'static>>();
    copied::<Identity>();
    copied::<RoomGrant<'static>>();
    copied::<Publisher>();
    copied::<Subscriber>();
    copied::<Admitted>();
    copied::<PermittedOrigin>();
    copied::<RawHead<'static>>();
    copied::<UpgradeRequest<'static>>();
}
