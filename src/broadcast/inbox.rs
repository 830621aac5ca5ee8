//! Owns the hand-over of messages to one worker.
//! Never knows what the worker does with them.

use super::{Deflated, RoomId, Sender};
use bytes::Bytes;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// One message for the members that a worker has in a room.
#[derive(Debug)]
pub struct Delivery {
    /// The room.
    pub room: RoomId,
    /// The whole frame, encoded once for all.
    pub frame: Bytes,
    /// Its compressed form, where some member of the room takes that.
    pub deflated: Option<Deflated>,
    /// The session that must not get it: the sender, where its route has no echo.
    pub except: Option<Sender>,
}

/// Messages on their way to one worker, in the order of their rooms.
///
/// Its bound is soft: at [`Inbox::SOFT_BYTES_MAX`] every session stops reading until the
/// worker has caught up, so it holds at most that and what one read of each brought.
#[derive(Debug, Default)]
pub struct Inbox {
    queue: Mutex<Vec<Delivery>>,
    queued_bytes: AtomicUsize,
    arrived: Notify,
}

impl Inbox {
    /// Octets of frames at which nothing more is read from any peer.
    pub const SOFT_BYTES_MAX: usize = 16 << 20;

    /// Adds one message and wakes the worker once for a burst of them.
    pub(super) fn push(&self, delivery: Delivery) {
        let was_empty = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            self.queued_bytes.fetch_add(delivery.frame.len(), Ordering::Relaxed);
            queue.push(delivery);
            queue.len() == 1
        };
        if was_empty {
            self.arrived.notify_one();
        }
    }

    /// Whether the worker is behind.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.queued_bytes.load(Ordering::Relaxed) >= Self::SOFT_BYTES_MAX
    }

    /// Waits until there is something to take.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Takes all there is; `empty` is left in its place, so that no buffer is made anew.
    #[must_use]
    pub fn take(&self, empty: Vec<Delivery>) -> Vec<Delivery> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        self.queued_bytes.store(0, Ordering::Relaxed);
        std::mem::replace(&mut *queue, empty)
    }
}
