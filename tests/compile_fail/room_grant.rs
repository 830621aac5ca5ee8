//! A `RoomGrant` cannot be made without an identity that names the room: not by hand, not from nothing, not by a copy.

use portcullis::auth::RoomGrant;

fn by_hand() {
    let _ = RoomGrant {  };
}

fn copied<T: Clone>() {}

fn from_nothing<T: Default>() {}

fn main() {
    by_hand();
    copied::<RoomGrant<'static>>();
    from_nothing::<RoomGrant<'static>>();
}
