//! Owns one room as all workers share it: its number and how many members each worker has.
//! Never knows a member.

use crate::room::RoomName;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A number that no other room of this process has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RoomId(pub(super) u64);

/// One room. Its lock is held while a message is handed to the workers: that makes the
/// order of the room the same for all.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) id: RoomId,
    pub(super) name: RoomName,
    members: Mutex<Box<[usize]>>,
    /// Members who take compressed frames.
    pub(super) deflating: AtomicUsize,
}

impl Room {
    pub(super) fn new(id: RoomId, name: RoomName, workers: usize) -> Room {
        Room { id, name, members: Mutex::new(vec![0; workers].into()), deflating: AtomicUsize::new(0) }
    }

    /// Members per worker. A panic elsewhere leaves the counts whole: they are changed by
    /// one addition each.
    pub(super) fn members(&self) -> MutexGuard<'_, Box<[usize]>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
