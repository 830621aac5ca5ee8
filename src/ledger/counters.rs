//! Owns the numbers: one per reason, one per kind of event.
//! Never knows their text form.

use super::backend::{AskedCounters, EventCounters};
use crate::rejection::{Answer, Rejection};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number of things that are held now.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// One more; how many there are with it.
    pub fn enter(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// One less.
    pub fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many there are.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one worker counts on the way of a message: on a cache line of its own, so that
/// workers do not wait for one another.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerCounters {
    pub(super) messages: Counter,
    pub(super) message_bytes: Counter,
    pub(super) flushes: Counter,
    pub(super) sent_bytes: Counter,
    /// By how much it is behind, in milliseconds.
    pub(super) lag_ms: AtomicU64,
    /// Octets that wait for the sockets of its connections.
    queued_bytes: AtomicU64,
}

impl WorkerCounters {
    /// A message of a peer, with the octets of its payload.
    pub fn message(&self, payload_bytes: usize) {
        self.messages.add(1);
        self.message_bytes.add(u64::try_from(payload_bytes).unwrap_or(u64::MAX));
    }

    /// By how much the worker is behind its clock.
    pub fn set_lag(&self, lag: Duration) {
        self.lag_ms.store(u64::try_from(lag.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// As it was said last.
    #[must_use]
    pub fn lag(&self) -> Duration {
        Duration::from_millis(self.lag_ms.load(Ordering::Relaxed))
    }

    /// Octets that wait for the sockets of the worker's connections.
    pub fn set_queued_bytes(&self, bytes: usize) {
        self.queued_bytes.store(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Octets of a message that goes to a backend.
    pub fn piece(&self, first: bool, octets: usize) {
        self.messages.add(u64::from(first));
        self.message_bytes.add(u64::try_from(octets).unwrap_or(u64::MAX));
    }

    /// One write for so many receivers of the room of a turn, with the octets of the frames.
    pub fn flushed(&self, receivers: usize, frame_bytes: usize) {
        let receivers = u64::try_from(receivers).unwrap_or(u64::MAX);
        self.flushes.add(receivers);
        self.sent_bytes.add(receivers.saturating_mul(u64::try_from(frame_bytes).unwrap_or(u64::MAX)));
    }
}

/// All numbers of a gateway.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) connections: Gauge,
    pub(super) sessions: Gauge,
    pub(super) closing: Gauge,
    pub(super) admitted: Counter,
    pub(super) accept_failures: Counter,
    pub(super) origins_reported: Counter,
    pub(super) panics: Counter,
    pub(super) reloads: Counter,
    pub(super) reloads_failed: Counter,
    pub(super) events: EventCounters,
    pub(super) asked: AskedCounters,
    /// Publications that were asked for again and not made again.
    pub(super) publish_repeats: Counter,
    /// Idempotency keys that were forgotten before their time.
    pub(super) publish_keys_forgotten: Counter,
    /// A reload named keys that take a restart.
    pub(super) restart_needed: AtomicBool,
    pub(super) workers: Box<[WorkerCounters]>,
    nowhere: WorkerCounters,
    refusals: Box<[Counter]>,
    closes: Box<[Counter]>,
    /// Closes that the peer asked for, by its code: a bounded set of classes.
    peer_closes: [(u16, Counter); 6],
    /// The same of a backend.
    backend_closes: [(u16, Counter); 6],
}

impl Counters {
    pub(super) fn new(workers: usize) -> Counters {
        let per_reason = || Rejection::ALL.iter().map(|_| Counter::default()).collect();
        Counters {
            connections: Gauge::default(),
            sessions: Gauge::default(),
            closing: Gauge::default(),
            admitted: Counter::default(),
            accept_failures: Counter::default(),
            origins_reported: Counter::default(),
            panics: Counter::default(),
            reloads: Counter::default(),
            reloads_failed: Counter::default(),
            events: EventCounters::default(),
            asked: AskedCounters::default(),
            publish_repeats: Counter::default(),
            publish_keys_forgotten: Counter::default(),
            restart_needed: AtomicBool::new(false),
            workers: (0..workers).map(|_| WorkerCounters::default()).collect(),
            nowhere: WorkerCounters::default(),
            refusals: per_reason(),
            closes: per_reason(),
            peer_closes: PEER_CLASSES.map(|class| (class, Counter::default())),
            backend_closes: PEER_CLASSES.map(|class| (class, Counter::default())),
        }
    }

    pub(super) fn worker(&self, worker: usize) -> &WorkerCounters {
        self.workers.get(worker).unwrap_or(&self.nowhere)
    }

    /// Octets that wait for the sockets of all connections, as each worker has said it last.
    pub(super) fn queued_bytes(&self) -> u64 {
        let of_workers = self.workers.iter().map(|worker| worker.queued_bytes.load(Ordering::Relaxed));
        of_workers.fold(0, u64::saturating_add)
    }

    pub(super) fn admitted(&self) {
        self.admitted.add(1);
    }

    pub(super) fn refused(&self, reason: Rejection) {
        if let Some(counter) = self.refusals.get(reason.index()) {
            counter.add(1);
        }
    }

    pub(super) fn closed(&self, reason: Rejection, code: u16) {
        let classes = if reason == Rejection::PeerClosed { &self.peer_closes } else { &self.backend_closes };
        if has_a_code_of_its_own(reason) {
            let class = PEER_CLASSES.iter().rposition(|class| *class <= code).unwrap_or(0);
            if let Some((_, counter)) = classes.get(class) {
                counter.add(1);
            }
        } else if let Some(counter) = self.closes.get(reason.index()) {
            counter.add(1);
        }
    }

    pub(super) fn reloaded(&self, took: bool) {
        if took { &self.reloads } else { &self.reloads_failed }.add(1);
    }

    /// Every refusal and drop, with its count.
    pub(super) fn refusals(&self) -> impl Iterator<Item = (Rejection, u64)> {
        Rejection::ALL
            .iter()
            .zip(&self.refusals)
            .filter(|(reason, _)| is_before_the_session(**reason))
            .map(|(reason, counter)| (*reason, counter.get()))
    }

    /// Every way a session ends, with its code and count.
    pub(super) fn closes(&self) -> impl Iterator<Item = (Rejection, u16, u64)> {
        let ours = Rejection::ALL.iter().zip(&self.closes).filter_map(|(reason, counter)| {
            let code = match reason.answer() {
                Answer::Close(code) if !has_a_code_of_its_own(*reason) => code,
                Answer::Drop if *reason == Rejection::PeerGone => 1006,
                Answer::Close(_) | Answer::Drop | Answer::Refuse { .. } => return None,
            };
            Some((*reason, code, counter.get()))
        });
        let classes =
            [(Rejection::PeerClosed, &self.peer_closes), (Rejection::BackendClosed, &self.backend_closes)];
        let theirs = classes.into_iter().flat_map(|(reason, classes)| {
            classes.iter().map(move |(class, counter)| (reason, *class, counter.get()))
        });
        ours.chain(theirs)
    }
}

/// The other side has chosen the code.
fn has_a_code_of_its_own(reason: Rejection) -> bool {
    matches!(reason, Rejection::PeerClosed | Rejection::BackendClosed)
}

/// A peer may send any of 3,000 codes: they are counted by these classes, each from its
/// number to the next, so that no peer can make new series.
const PEER_CLASSES: [u16; 6] = [1000, 1001, 1002, 1005, 3000, 4000];

fn is_before_the_session(reason: Rejection) -> bool {
    match reason.answer() {
        Answer::Refuse { .. } => true,
        Answer::Drop => reason != Rejection::PeerGone,
        Answer::Close(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_counted_in_exactly_one_place() {
        let counters = Counters::new(1);
        let refusals: Vec<_> = counters.refusals().map(|(reason, _)| reason).collect();
        let closes: Vec<_> = counters.closes().map(|(reason, ..)| reason).collect();
        for reason in Rejection::ALL {
            assert_ne!(refusals.contains(reason), closes.contains(reason), "{}", reason.name());
        }
    }

    #[test]
    fn the_codes_that_a_peer_may_choose_make_no_series_of_their_own() {
        let counters = Counters::new(1);
        for code in 0..=u16::MAX {
            counters.closed(Rejection::PeerClosed, code);
        }
        let counted: Vec<_> =
            counters.closes().filter(|(reason, ..)| *reason == Rejection::PeerClosed).collect();
        assert_eq!(counted.len(), 6);
        assert_eq!(counted.iter().map(|(.., n)| n).sum::<u64>(), 65_536);
    }
}
