//! Owns what all workers share: rooms, counters, limits of addresses, and the rules in force.
//! Never knows one connection.

use super::answer::DemoPage;
use super::orders::OrderDesk;
use super::proxied::ProxyProtocol;
use super::tls::Material;
use crate::auth::{Assertions, Key};
use crate::authorize::Authorize;
use crate::broadcast::Hub;
use crate::events::Events;
use crate::gate::{BackendId, Gate, HeadLimits, Throttles};
use crate::ledger::{Ledger, Reloaded};
use crate::mercure::UpdateHub;
use crate::peer::{PeerPrefix, PrefixLengths, TrustedProxies};
use crate::rejection::Rejection;
use crate::relay::Backend;
use crate::sandbox;
use crate::throttle::{CountTable, RateTable};
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// The rules in force: swapped whole on a reload, or not at all.
pub struct Rules {
    /// The checks before a WebSocket.
    pub gate: Gate,
    /// Certificate and key.
    pub tls: Material,
    /// Bounds of what comes before the 101.
    pub limits: OpeningLimits,
    /// What stands behind the routes that lead to one, in the order of their numbers.
    pub backends: Vec<Arc<Backend>>,
    /// Who vouches for identities towards backends.
    pub assertions: Arc<Assertions>,
}

impl Rules {
    /// The backend of a number.
    #[must_use]
    pub fn backend(&self, id: BackendId) -> Option<&Arc<Backend>> {
        self.backends.get(id.0)
    }
}

impl Rules {
    /// The same with other keys of one issuer.
    #[must_use]
    pub fn with_keys(&self, issuer: &str, keys: &[Key]) -> Rules {
        Rules {
            gate: self.gate.with_keys(issuer, keys),
            tls: self.tls.clone(),
            limits: self.limits,
            backends: self.backends.clone(),
            assertions: Arc::clone(&self.assertions),
        }
    }
}

/// Bounds of what comes before the 101.
#[derive(Clone, Copy, Debug)]
pub struct OpeningLimits {
    /// Everything before the 101.
    pub handshake_timeout: Duration,
    /// The TLS handshake within it.
    pub tls_timeout: Duration,
    /// The request head within it.
    pub head_timeout: Duration,
    /// Octets and lines of the head.
    pub head: HeadLimits,
    /// Connections at once.
    pub connections: usize,
    /// Handshakes under way at once.
    pub handshakes: usize,
    /// By how much a worker may be late, time and again, before it refuses newcomers.
    pub overload_lag: Duration,
    /// Octets that may wait for all peers before newcomers are refused.
    pub queued_bytes: Option<u64>,
    /// Connections at once of one address.
    pub connections_per_address: usize,
    /// How much of an address is one address to them.
    pub prefixes: PrefixLengths,
}

/// What all workers share.
pub struct Shared {
    /// Rooms.
    pub hub: Arc<Hub>,
    /// Updates by topic.
    pub updates: Arc<UpdateHub>,
    /// Counters and audit lines.
    pub ledger: Arc<Ledger>,
    /// The rules in force.
    pub rules: ArcSwap<Rules>,
    /// Failed credentials of an address, connections of a subject.
    pub throttles: Throttles,
    /// Handshakes of an address.
    pub handshakes: RateTable<PeerPrefix>,
    /// Connections of an address.
    pub addresses: Arc<CountTable<PeerPrefix>>,
    /// Whose word about a client's address counts.
    pub proxies: TrustedProxies,
    /// How they give it.
    pub proxy_protocol: ProxyProtocol,
    /// What the backend is told, where it is told something.
    pub events: Option<Arc<Events>>,
    /// Who is asked whether something may be, where somebody is.
    pub authorize: Option<Arc<Authorize>>,
    /// What `dev` serves at `/`.
    pub page: Option<DemoPage>,
    /// The way to each worker for the operator's orders.
    pub orders: OrderDesk,
    /// The way to whoever drains and reloads.
    pub control: mpsc::Sender<Control>,
    /// What the process has given up.
    pub sandbox: sandbox::Report,
    /// When the gateway started.
    pub started: Instant,
    /// When the drain began, and over how long the sessions are closed.
    pub drain: OnceLock<Drain>,
    /// Whether the public port takes connections.
    pub accepting: watch::Sender<bool>,
    /// Workers end when it is set.
    pub stopped: AtomicBool,
}

/// What the operator asks of the gateway as a whole.
#[derive(Debug)]
pub enum Control {
    /// As SIGTERM does.
    Drain,
    /// A successor has the listening sockets.
    HandedOver,
    /// As SIGHUP does; what came of it is told.
    Reload(oneshot::Sender<Result<Reloaded, String>>),
}

/// What becomes of connections during a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newcomers {
    /// They are taken, to be told that the gateway goes away.
    Refused,
    /// They wait in the queue of a socket that outlives this gateway; those that were taken before
    /// the drain get their handshake.
    LeftToSuccessor,
}

/// A drain that has begun.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    /// When.
    pub began: Instant,
    /// By when the last session has been sent its Close frame.
    pub paced_over: Duration,
    /// What the sessions are told.
    pub reason: Rejection,
    /// Where newcomers go.
    pub newcomers: Newcomers,
}

impl Shared {
    /// Whether the gateway is going away.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.get().is_some()
    }

    /// Whether a handshake that comes now is refused because the gateway goes away.
    #[must_use]
    pub fn refuses_newcomers(&self) -> bool {
        self.drain.get().is_some_and(|drain| drain.newcomers == Newcomers::Refused)
    }

    /// Ends accepting on the public port; once this is over, every listening socket of the workers
    /// is closed, and no connection is taken any more.
    pub async fn stop_accepting(&self) {
        let _ = self.accepting.send(false);
        self.accepting.closed().await;
    }

    /// Tells the workers to end.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether the workers are to end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}
