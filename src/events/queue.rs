//! Owns the bounded queue between the workers and the backend, and what is to be told at all.
//! Never knows how an event gets there.

use super::event::{Event, EventKind};
use crate::ledger::{EventLoss, Ledger, Level};
use crate::webhook::{Backoff, Hook};
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};

/// What is told, and how; swapped whole on a reload.
#[derive(Debug)]
pub struct Settings {
    /// Where to.
    pub hook: Hook,
    /// Which kinds.
    pub kinds: Kinds,
    /// Whether a message's payload is told.
    pub payload: bool,
    /// Events of one request.
    pub batch: usize,
    /// How long an event may wait for others to go with it.
    pub linger: Duration,
    /// How long to wait before another try.
    pub backoff: Backoff,
    /// How long the same events are tried.
    pub retry_for: Duration,
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    bits: u8,
}

impl Kinds {
    /// These kinds.
    #[must_use]
    pub fn of(kinds: &[EventKind]) -> Kinds {
        Kinds { bits: kinds.iter().fold(0, |bits, kind| bits | bit(*kind)) }
    }

    /// Whether a kind is one of them.
    #[must_use]
    pub fn has(self, kind: EventKind) -> bool {
        self.bits & bit(kind) != 0
    }
}

fn bit(kind: EventKind) -> u8 {
    match kind {
        EventKind::Connected => 1,
        EventKind::Joined => 2,
        EventKind::Message => 4,
        EventKind::Left => 8,
        EventKind::Disconnected => 16,
    }
}

/// Bounds of what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Events.
    pub events: usize,
    /// Octets.
    pub bytes: usize,
}

/// The workers' end: they add and never wait.
#[derive(Debug)]
pub struct Events {
    pub(super) settings: ArcSwap<Settings>,
    queue: mpsc::Sender<Event>,
    /// Octets that wait.
    bytes: AtomicUsize,
    bytes_max: usize,
    /// Events that were dropped since that was told.
    untold_losses: AtomicU64,
    pub(super) ledger: Arc<Ledger>,
    /// Whether what waits is to go at once.
    pub(super) hurry: watch::Sender<bool>,
    pub(super) emptied: Notify,
}

/// The other end, for [`deliver`](super::deliver).
#[derive(Debug)]
pub struct Waiting(pub(super) mpsc::Receiver<Event>);

impl Events {
    /// A queue with these bounds, and its other end.
    #[must_use]
    pub fn new(settings: Settings, limits: QueueLimits, ledger: Arc<Ledger>) -> (Arc<Events>, Waiting) {
        let (queue, waiting) = mpsc::channel(limits.events.max(1));
        let events = Events {
            settings: ArcSwap::from_pointee(settings),
            queue,
            bytes: AtomicUsize::new(0),
            bytes_max: limits.bytes,
            untold_losses: AtomicU64::new(0),
            ledger,
            hurry: watch::Sender::new(false),
            emptied: Notify::new(),
        };
        (Arc::new(events), Waiting(waiting))
    }

    /// Takes other settings from now on.
    pub fn set(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// Adds an event, if its kind is told and there is room for it.
    pub fn tell(&self, kind: EventKind, event: impl FnOnce() -> Event) {
        if self.settings.load().kinds.has(kind) {
            self.add(event());
        }
    }

    /// Whether messages are told, and whether with their payload.
    #[must_use]
    pub fn messages(&self) -> Option<bool> {
        let settings = self.settings.load();
        settings.kinds.has(EventKind::Message).then_some(settings.payload)
    }

    /// Adds an event, if there is room for it: the newest is what is lost.
    pub fn add(&self, event: Event) {
        let weight = event.weight();
        let before = self.bytes.fetch_add(weight, Ordering::Relaxed);
        // Counted before it can be taken out, so that the number never falls below none.
        self.ledger.events().waits();
        let fits = before.saturating_add(weight) <= self.bytes_max;
        if fits && self.queue.try_send(event).is_ok() {
            return;
        }
        self.bytes.fetch_sub(weight, Ordering::Relaxed);
        self.lose(1, EventLoss::QueueFull);
    }

    pub(super) fn taken(&self, event: &Event) {
        self.bytes.fetch_sub(event.weight(), Ordering::Relaxed);
    }

    pub(super) fn told(&self, events: u64) {
        self.ledger.events().delivered(events);
        let lost = self.untold_losses.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let detail = format!("{lost} events have been dropped since the backend was last reached");
            self.ledger.tell(Level::Warn, "events_dropped", &detail);
        }
    }

    pub(super) fn lose(&self, events: u64, why: EventLoss) {
        self.ledger.events().lost(events, why);
        // One line as it begins, and one with their number once the backend is back.
        if self.untold_losses.fetch_add(events, Ordering::Relaxed) == 0 {
            self.ledger.tell(Level::Warn, "events_dropped", why.words());
        }
    }

    /// Sends what waits without waiting for more, until nothing is left.
    pub async fn flush(&self) {
        let emptied = self.emptied.notified();
        self.hurry.send_replace(true);
        emptied.await;
    }

    /// Gives up what is left.
    pub fn abandon(&self) {
        let left = self.ledger.events().waiting();
        if left > 0 {
            self.lose(left, EventLoss::Drain);
        }
    }
}
