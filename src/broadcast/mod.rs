//! Owns rooms: who is a member, the one order of a room, the hand-over to each worker.
//! Never knows a socket, TLS or a token: a grant comes in, evidence of membership goes out.
//!
//! A message costs one encoding, one lock of its room and one push per worker that has
//! members; each worker then writes to its own members without a lock or a wake-up each.

mod deflated;
mod hub;
mod inbox;
mod local;
mod room;
mod turn;

pub use deflated::Deflated;
pub use hub::{Hub, Publisher, Subscriber};
pub use inbox::{Delivery, Inbox};
pub use local::{LocalRooms, Member};
pub use room::RoomId;
pub use turn::{Form, Turn};

/// Which session sent a message: its worker, its place there and its number, so that a
/// later session in the same place is not taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The worker that owns the session.
    pub worker: usize,
    /// Place in the worker's table.
    pub key: usize,
    /// Number that no other session of the worker has.
    pub serial: u64,
}

#[cfg(test)]
pub(crate) mod support;
#[cfg(test)]
mod tests;
