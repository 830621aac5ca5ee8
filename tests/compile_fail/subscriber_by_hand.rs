//! A `Subscriber` is made by joining with a grant, never out of the parts of another one.

use portcullis::broadcast::Subscriber;

fn forge(other: Subscriber) -> Subscriber {
    Subscriber { hub: other.hub, room: other.room, worker: 0 }
}

fn main() {}
