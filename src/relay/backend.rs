//! Owns a backend as the configuration has it: its upstreams and how they are used.
//! Never knows a connection.

use super::upstream::Upstream;
use crate::codec;
use crate::endpoint::Endpoint;
use crate::outbound::Roots;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What stands behind a route: one or more upstreams that are alike.
pub struct Backend {
    /// The configured path of the route.
    pub label: Arc<str>,
    /// Where it is.
    pub upstreams: Box<[Arc<Upstream>]>,
    /// Who vouches for an upstream of `wss`.
    pub roots: Option<Roots>,
    /// `upstream_timeout`: from the beginning of a connection to its verified 101.
    pub timeout: Duration,
    /// `upstream_health_interval`: how often each is probed; `None` where it is not.
    pub health_interval: Option<Duration>,
    /// Whether a subject goes to the same upstream again.
    pub sticky: bool,
    /// Bounds of what an upstream may send.
    pub limits: codec::Limits,
    /// `ping_interval`: an upstream that is silent for so long is pinged.
    pub ping_interval: Duration,
    /// `pong_timeout`: and given up when it stays silent for so long after.
    pub pong_timeout: Duration,
    /// Where the next choice begins among equals.
    pub turn: AtomicUsize,
}

impl Backend {
    /// The upstreams in the order in which they are tried for this subject, each with a place held.
    pub(super) fn order(&self, subject: &str, now: Instant) -> Vec<&Arc<Upstream>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.upstreams.len().max(1);
        let mut order: Vec<(usize, &Arc<Upstream>)> = self.upstreams.iter().enumerate().collect();
        // One that is out is tried last, but it is tried: rather that than nobody.
        order.sort_by_cached_key(|(index, upstream)| {
            let weight = if self.sticky { weight(subject, upstream.endpoint()) } else { 0 };
            let load = if self.sticky { 0 } else { upstream.connections() };
            let rotated = (index + count - turn % count) % count;
            (upstream.is_out(now), std::cmp::Reverse(weight), load, rotated)
        });
        order.into_iter().map(|(_, upstream)| upstream).collect()
    }

    /// Whether one of its upstreams is there.
    #[must_use]
    pub fn has(&self, endpoint: &Endpoint) -> bool {
        self.upstreams.iter().any(|upstream| upstream.endpoint() == endpoint)
    }

    /// Goes on with the state of the upstreams that were there before.
    pub fn carry_on(&mut self, before: &Backend) {
        for upstream in &mut self.upstreams {
            let known = before.upstreams.iter().find(|known| known.endpoint() == upstream.endpoint());
            if let Some(known) = known {
                // Without probes nothing would take their last word back.
                if self.health_interval.is_none() {
                    known.probed(true);
                }
                *upstream = Arc::clone(known);
            }
        }
    }
}

/// Rendezvous hashing: where an upstream comes or goes, only its own subjects move.
fn weight(subject: &str, endpoint: &Endpoint) -> u64 {
    let mut hasher = DefaultHasher::new();
    (subject, endpoint).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Place;
    use std::collections::HashMap;

    fn backend(urls: &[&str], sticky: bool) -> Backend {
        let upstream = |url: &&str| Arc::new(Upstream::new(Endpoint::parse(url).expect("an endpoint")));
        Backend {
            label: "/chat".into(),
            upstreams: urls.iter().map(upstream).collect(),
            roots: None,
            timeout: Duration::from_secs(5),
            health_interval: None,
            sticky,
            limits: codec::Limits {
                message_bytes: 1,
                message_fragments: 1,
                message_timeout: Duration::from_secs(1),
            },
            ping_interval: Duration::from_secs(1),
            pong_timeout: Duration::from_secs(1),
            turn: AtomicUsize::new(0),
        }
    }

    fn first(backend: &Backend, subject: &str) -> String {
        backend.order(subject, Instant::now()).first().expect("one").endpoint().to_string()
    }

    #[test]
    fn the_upstream_with_the_fewest_connections_is_taken_and_equals_in_turn() {
        let backend = backend(&["ws://a", "ws://b", "ws://c"], false);
        let mut taken: HashMap<String, usize> = HashMap::new();
        let mut places = Vec::new();
        for _ in 0..300 {
            let order = backend.order("alice", Instant::now());
            let upstream = order.first().expect("one");
            *taken.entry(upstream.endpoint().to_string()).or_default() += 1;
            places.push(Place::at(upstream));
        }
        assert!(taken.values().all(|taken| *taken == 100), "{taken:?}");
        places.retain(|place| place.upstream().endpoint().to_string() != "ws://b");
        assert_eq!(first(&backend, "alice"), "ws://b");
    }

    #[test]
    fn a_sticky_subject_stays_where_it_is_when_another_upstream_goes() {
        let (three, two) =
            (backend(&["ws://a", "ws://b", "ws://c"], true), backend(&["ws://a", "ws://c"], true));
        let subjects: Vec<String> = (0..100).map(|n| format!("subject-{n}")).collect();
        let mut used: HashMap<String, usize> = HashMap::new();
        for subject in &subjects {
            let upstream = first(&three, subject);
            assert_eq!(first(&three, subject), upstream);
            if upstream != "ws://b" {
                assert_eq!(first(&two, subject), upstream, "{subject}");
            }
            *used.entry(upstream).or_default() += 1;
        }
        assert_eq!(used.len(), 3, "{used:?}");
    }

    #[test]
    fn an_upstream_that_is_out_is_tried_last() {
        let backend = backend(&["ws://a", "ws://b"], true);
        let preferred = first(&backend, "alice");
        let now = Instant::now();
        for _ in 0..3 {
            backend.order("alice", now).first().expect("one").failed(now);
        }
        let order = backend.order("alice", now);
        assert_eq!(order.last().expect("one").endpoint().to_string(), preferred);
        assert_eq!(order.len(), 2);
    }
}
