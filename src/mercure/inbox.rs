//! Owns the hand-over of updates to one worker.
//! Never knows who reads them.

use super::update::Update;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// An update with its place in the one order of the hub.
#[derive(Clone, Debug)]
pub struct Numbered {
    /// Grows by one an update.
    pub number: u64,
    /// The update.
    pub update: Arc<Update>,
}

/// Updates on their way to one worker.
#[derive(Debug, Default)]
pub struct UpdateInbox {
    queue: Mutex<Vec<Numbered>>,
    queued_bytes: AtomicUsize,
    arrived: Notify,
}

impl UpdateInbox {
    /// Octets of updates at which nothing more is published.
    const SOFT_BYTES_MAX: usize = 16 << 20;

    pub(super) fn push(&self, numbered: Numbered) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        self.queued_bytes.fetch_add(numbered.update.weight(), Ordering::Relaxed);
        queue.push(numbered);
        drop(queue);
        self.arrived.notify_one();
    }

    pub(super) fn is_congested(&self) -> bool {
        self.queued_bytes.load(Ordering::Relaxed) >= Self::SOFT_BYTES_MAX
    }

    /// Waits until there is something to take.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Takes all there is.
    #[must_use]
    pub fn take(&self) -> Vec<Numbered> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        self.queued_bytes.store(0, Ordering::Relaxed);
        std::mem::take(&mut *queue)
    }
}
