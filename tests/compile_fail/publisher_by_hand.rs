//! A `Publisher` is made by joining with a publish grant, never out of the parts of a membership.

use portcullis::broadcast::{Publisher, Subscriber};

fn forge(member: Subscriber) -> Publisher {
    Publisher { hub: member.hub, room: member.room }
}

fn main() {}
