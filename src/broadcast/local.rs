//! Owns the members that one worker has in each room.
//! Never knows a lock or another worker.

use super::turn::Turn;
use super::{Delivery, RoomId};
use std::collections::HashMap;

/// A member's place in the worker's table of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member(pub usize);

#[derive(Debug, Default)]
struct LocalRoom {
    members: Vec<Member>,
    turn: Turn,
}

/// The rooms in which one worker has members.
#[derive(Debug, Default)]
pub struct LocalRooms {
    rooms: HashMap<RoomId, LocalRoom>,
    dirty: Vec<RoomId>,
    idle_turn: Turn,
}

impl LocalRooms {
    /// Adds a member; its index in the room, to be told to [`LocalRooms::leave`].
    pub fn join(&mut self, room: RoomId, member: Member) -> usize {
        let members = &mut self.rooms.entry(room).or_default().members;
        members.push(member);
        members.len() - 1
    }

    /// Takes the member at `index` out; the one that takes over its index, if any.
    pub fn leave(&mut self, room: RoomId, index: usize) -> Option<Member> {
        let local = self.rooms.get_mut(&room)?;
        if index < local.members.len() {
            local.members.swap_remove(index);
        }
        let moved = local.members.get(index).copied();
        if local.members.is_empty() {
            self.rooms.remove(&room);
        }
        moved
    }

    /// The members that this worker has in a room.
    #[must_use]
    pub fn members(&self, room: RoomId) -> &[Member] {
        self.rooms.get(&room).map_or(&[], |local| &local.members)
    }

    /// Adds what was delivered to the turn of its room; whether the turn is so full that it
    /// should be flushed before more is added.
    #[must_use]
    pub fn deliver(&mut self, delivery: &Delivery) -> bool {
        // The last member may have left since: then nobody here wants it.
        let Some(local) = self.rooms.get_mut(&delivery.room) else { return false };
        if local.turn.is_empty() {
            self.dirty.push(delivery.room);
            std::mem::swap(&mut local.turn, &mut self.idle_turn);
        }
        local.turn.push(delivery);
        local.turn.plain().octets().len() >= TURN_BYTES_MAX
    }

    /// Hands each room that got something to `flush` with its members, then ends the turn.
    pub fn flush(&mut self, mut flush: impl FnMut(&[Member], &Turn)) {
        while let Some(room) = self.dirty.pop() {
            let Some(local) = self.rooms.get_mut(&room) else { continue };
            // A room that was left and entered again within the turn is noted twice.
            if local.turn.is_empty() {
                continue;
            }
            // A quiet room keeps no buffer: the buffer goes from room to room.
            let mut turn = std::mem::take(&mut local.turn);
            flush(&local.members, &turn);
            turn.clear();
            self.idle_turn = turn;
        }
    }
}

/// A turn of so many octets is flushed before more is added to it.
const TURN_BYTES_MAX: usize = 256 << 10;
