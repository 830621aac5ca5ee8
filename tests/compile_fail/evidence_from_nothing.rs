//! No evidence comes from nothing.

use portcullis::auth::{BearerToken, Identity, RoomGrant};
use portcullis::broadcast::{Publisher, Subscriber};
use portcullis::gate::{Admitted, PermittedOrigin, RawHead, UpgradeRequest};

fn from_nothing<T: Default>() {}

fn main() {
    from_nothing::<BearerToken<'static>>();
    from_nothing::<Identity>();
    from_nothing::<RoomGrant<'static>>();
    from_nothing::<Publisher>();
    from_nothing::<Subscriber>();
    from_nothing::<Admitted>();
    from_nothing::<PermittedOrigin>();
    from_nothing::<RawHead<'static>>();
    from_nothing::<UpgradeRequest<'static>>();
}
