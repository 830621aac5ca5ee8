//! Owns one upstream: where it is, what it holds, and whether it is well.
//! Never knows a protocol.

use crate::endpoint::Endpoint;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// So many failures in a row, and an upstream is out for a while.
const FAILURES_MAX: u32 = 3;
/// That while. The first attempt after it decides about the next.
const OUT_FOR: Duration = Duration::from_secs(10);

/// One upstream of a backend, shared by all workers.
#[derive(Debug)]
pub struct Upstream {
    endpoint: Endpoint,
    connections: AtomicUsize,
    failures: AtomicU64,
    failures_in_a_row: AtomicU32,
    epoch: Instant,
    /// Milliseconds since `epoch`; 0: it is in.
    out_until_ms: AtomicU64,
    /// What the last probe said, where there are probes.
    is_probed_down: AtomicBool,
    /// Milliseconds since `epoch` of the next probe.
    probe_due_ms: AtomicU64,
}

impl Upstream {
    /// One that is thought to be well.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Upstream {
        Upstream {
            endpoint,
            connections: AtomicUsize::new(0),
            failures: AtomicU64::new(0),
            failures_in_a_row: AtomicU32::new(0),
            epoch: Instant::now(),
            out_until_ms: AtomicU64::new(0),
            is_probed_down: AtomicBool::new(false),
            probe_due_ms: AtomicU64::new(0),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Connections that are held or on their way.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Attempts that failed, and sessions that it broke.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Whether it is to be left alone.
    #[must_use]
    pub fn is_out(&self, now: Instant) -> bool {
        self.is_probed_down.load(Ordering::Relaxed)
            || self.ms(now) < self.out_until_ms.load(Ordering::Relaxed)
    }

    /// An attempt failed; whether it is out by that.
    pub fn failed(&self, now: Instant) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let in_a_row = self.failures_in_a_row.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if in_a_row < FAILURES_MAX {
            return false;
        }
        let was_in = !self.is_out(now);
        self.out_until_ms.store(self.ms(now + OUT_FOR), Ordering::Relaxed);
        was_in
    }

    /// It broke a session: counted, but another may be better.
    pub fn broke(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// An attempt succeeded.
    pub fn succeeded(&self) {
        self.failures_in_a_row.store(0, Ordering::Relaxed);
        self.out_until_ms.store(0, Ordering::Relaxed);
    }

    /// Whether it is to be probed now; the next time is an interval from now.
    pub(super) fn is_probe_due(&self, now: Instant, interval: Duration) -> bool {
        let is_due = self.ms(now) >= self.probe_due_ms.load(Ordering::Relaxed);
        if is_due {
            self.probe_due_ms.store(self.ms(now + interval), Ordering::Relaxed);
        }
        is_due
    }

    /// What a probe said; whether that is news.
    pub fn probed(&self, is_well: bool) -> bool {
        if is_well {
            self.succeeded();
        }
        self.is_probed_down.swap(!is_well, Ordering::Relaxed) == is_well
    }

    fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }
}

/// A connection's place at an upstream: dropping it gives it back.
#[must_use]
#[derive(Debug)]
pub struct Place(Arc<Upstream>);

impl Place {
    pub(super) fn at(upstream: &Arc<Upstream>) -> Place {
        upstream.connections.fetch_add(1, Ordering::Relaxed);
        Place(Arc::clone(upstream))
    }

    /// Where it is.
    #[must_use]
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_in_a_row_take_an_upstream_out_for_a_while() {
        let upstream = Upstream::new(Endpoint::parse("ws://a").expect("an endpoint"));
        let now = Instant::now();
        assert!(!upstream.failed(now) && !upstream.failed(now));
        upstream.succeeded();
        assert!(!upstream.failed(now) && !upstream.failed(now) && !upstream.is_out(now));
        assert!(upstream.failed(now) && upstream.is_out(now));
        assert!(!upstream.failed(now), "it is told once");
        let later = now + OUT_FOR + Duration::from_millis(1);
        assert!(upstream.is_out(now + OUT_FOR / 2) && !upstream.is_out(later));
        assert!(upstream.failed(later) && upstream.is_out(later), "one more, and it is out again");
        upstream.succeeded();
        assert!(!upstream.is_out(later));
        assert_eq!(upstream.failures(), 7);
    }

    #[test]
    fn a_probe_takes_it_out_and_puts_it_back() {
        let (upstream, now) =
            (Upstream::new(Endpoint::parse("ws://a").expect("an endpoint")), Instant::now());
        assert!(!upstream.probed(true));
        assert!(upstream.probed(false) && upstream.is_out(now) && !upstream.probed(false));
        assert!(upstream.probed(true) && !upstream.is_out(now));
    }
}
