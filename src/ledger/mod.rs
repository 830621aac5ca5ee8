//! Owns what is counted and what is logged: the only writer of both.
//! Never knows how to change an outcome.

mod backend;
mod change;
mod counters;
mod keys;
mod line;
mod log;
mod metrics;
mod request_id;

pub use backend::{Asked, AskedFor, EventCounters, EventLoss};
pub use change::{Change, Reloaded};
pub use counters::{Gauge, WorkerCounters};
pub use keys::{FETCH_OUTCOMES, KeyBoard, KeyState};
pub use line::{Facts, clean};
pub use log::{Format, Level, Log};
pub use metrics::escaped;
pub use request_id::RequestId;

use crate::rejection::{Answer, Rejection};
use counters::Counters;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Counters and audit lines of one gateway.
#[derive(Debug)]
pub struct Ledger {
    counters: Counters,
    keys: KeyBoard,
    log: Log,
}

impl Ledger {
    /// A ledger for so many workers that writes to `log`.
    #[must_use]
    pub fn new(workers: usize, log: Log) -> Arc<Ledger> {
        Arc::new(Ledger { counters: Counters::new(workers), keys: KeyBoard::default(), log })
    }

    /// The counters of one worker; those of a worker that is not there count nowhere.
    #[must_use]
    pub fn worker(&self, worker: usize) -> &WorkerCounters {
        self.counters.worker(worker)
    }

    /// Connections that are held now, from accept to close.
    #[must_use]
    pub fn connections(&self) -> &Gauge {
        &self.counters.connections
    }

    /// Sessions that are open now.
    #[must_use]
    pub fn sessions(&self) -> &Gauge {
        &self.counters.sessions
    }

    /// Sessions that have ended and whose connection is not yet gone.
    #[must_use]
    pub fn closing(&self) -> &Gauge {
        &self.counters.closing
    }

    /// Octets that wait for the sockets of slow peers.
    #[must_use]
    pub fn queued_bytes(&self) -> u64 {
        self.counters.queued_bytes()
    }

    /// The fetched keys of the issuers.
    #[must_use]
    pub fn keys(&self) -> &KeyBoard {
        &self.keys
    }

    /// Handshakes that are under way, and refusals whose connection is not yet gone.
    #[must_use]
    pub fn handshakes(&self) -> u64 {
        let after = self.sessions().get().saturating_add(self.closing().get());
        self.connections().get().saturating_sub(after)
    }

    /// A connection that could not be taken, for want of file descriptors or memory; whether it
    /// is the first for a while is for the caller to know.
    pub fn accept_failed(&self, why: Option<&str>) {
        self.counters.accept_failures.add(1);
        if let Some(why) = why {
            self.tell(Level::Error, "accept_failed", why);
        }
    }

    /// A handshake that ended without a WebSocket: one line, one count.
    pub fn refused(&self, reason: Rejection, facts: &Facts<'_>) {
        self.counters.refused(reason);
        let event = match reason.answer() {
            Answer::Refuse { .. } => "refused",
            Answer::Close(_) | Answer::Drop => "dropped",
        };
        let status = match reason.answer() {
            Answer::Refuse { status, .. } => Some(status),
            Answer::Close(_) | Answer::Drop => None,
        };
        self.log.write(Level::Warn, event, &Facts { reason: Some(reason.name()), status, ..*facts });
    }

    /// A handshake that became a session.
    pub fn admitted(&self, facts: &Facts<'_>) {
        self.counters.admitted();
        self.log.write(Level::Info, "admitted", facts);
    }

    /// A handshake that became a session although no rule allows its origin (`report_only`).
    pub fn origin_would_be_refused(&self, facts: &Facts<'_>) {
        self.counters.origins_reported.add(1);
        let reason = Some(Rejection::OriginNotAllowed.name());
        self.log.write(Level::Warn, "origin_would_be_refused", &Facts { reason, ..*facts });
    }

    /// The end of a session. `code` is what went over the wire, 1006 where nothing did.
    pub fn closed(&self, reason: Rejection, code: u16, facts: &Facts<'_>) {
        self.counters.closed(reason, code);
        let facts = Facts { reason: Some(reason.name()), code: Some(code), ..*facts };
        self.log.write(Level::Info, "closed", &facts);
    }

    /// Something that the operator should know, told in our own words.
    pub fn tell(&self, level: Level, event: &'static str, detail: &str) {
        self.log.write(level, event, &Facts { detail: Some(detail), ..Facts::default() });
    }

    /// A reload of certificates, keys and rules, and whether it took: one line for each key that
    /// is not as it was, and one for the whole.
    pub fn reloaded(&self, outcome: Result<&Reloaded, &str>) {
        self.counters.reloaded(outcome.is_ok());
        match outcome {
            Ok(reloaded) => {
                for change in &reloaded.changes {
                    let level = if change.needs_restart { Level::Warn } else { Level::Info };
                    self.tell(level, "config_changed", &change.to_string());
                }
                let restart_waits = !reloaded.needs_restart.is_empty();
                self.counters.restart_needed.store(restart_waits, Ordering::Relaxed);
                let level = if restart_waits { Level::Warn } else { Level::Info };
                self.tell(level, "reloaded", &reloaded.detail);
            }
            Err(why) => self.tell(Level::Error, "reload_failed", why),
        }
    }

    /// A question to the backend, and what came of it.
    pub fn asked(&self, what: AskedFor, came: Asked) {
        self.counters.asked.asked(what, came);
    }

    /// The numbers of events.
    #[must_use]
    pub fn events(&self) -> &EventCounters {
        &self.counters.events
    }

    /// A publication that was asked for again under its idempotency key, and not made again.
    pub fn publish_repeated(&self) {
        self.counters.publish_repeats.add(1);
    }

    /// So many idempotency keys were forgotten before their time, for want of room.
    pub fn publish_keys_forgotten(&self, keys: u64) {
        self.counters.publish_keys_forgotten.add(keys);
    }

    /// A panic of ours: the session is closed, the process goes on.
    pub fn panicked(&self, place: &str) {
        self.counters.panics.add(1);
        self.tell(Level::Error, "panicked", place);
    }

    /// Everything in the Prometheus text format, with the gauges that others hold; `sandbox`
    /// is the state of each kind of restriction.
    #[must_use]
    pub fn metrics(&self, rooms: usize, draining: bool, sandbox: &[(&'static str, &'static str)]) -> String {
        let keys = self.keys.states(Instant::now());
        let handshakes = self.handshakes();
        metrics::render(&self.counters, handshakes, self.log.dropped_lines(), rooms, draining, sandbox, &keys)
    }

    /// Waits until every line is written.
    pub fn flush(&self) {
        self.log.flush();
    }
}
