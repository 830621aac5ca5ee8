//! Owns how the parts of a gateway are put together from what the configuration says.
//! Never knows TOML.

use crate::auth::{Assertions, KeyFault, Revocations, Tickets};
use crate::authorize::{self, Authorize};
use crate::broadcast::Hub;
use crate::config::{self, Limits, Server};
use crate::events::{Events, Waiting};
use crate::gate::{Gate, Throttles};
use crate::ledger::{Ledger, Log};
use crate::mercure::UpdateHub;
use crate::net::tls::Material;
use crate::net::{self, Control, DemoPage, OpeningLimits, OrderDesk, Orders, Rules, Shared};
use crate::relay::Backend;
use crate::sandbox;
use crate::throttle::{CountTable, RateTable};
use arc_swap::ArcSwap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tokio::sync::{mpsc, watch};

/// Addresses whose rates are remembered at most: some 16 MiB for both tables.
const ADDRESSES_MAX: usize = 1 << 17;

/// What is shared, and the other ends of its ways.
pub(super) struct Whole {
    pub(super) shared: Arc<Shared>,
    /// One for each worker.
    pub(super) orders: Vec<Orders>,
    /// For whoever drains and reloads.
    pub(super) asked: mpsc::Receiver<Control>,
    /// For whoever tells the backend.
    pub(super) told: Option<Waiting>,
}

/// What a gateway is made of beside its rules and limits.
pub(super) struct Beside {
    pub(super) page: Option<DemoPage>,
    pub(super) revocations: Revocations,
    pub(super) sandbox: sandbox::Report,
    pub(super) events: Option<config::Events>,
    pub(super) authorize: Option<authorize::Settings>,
}

pub(super) fn whole(rules: Rules, limits: &Limits, server: &Server, log: Log, beside: Beside) -> Whole {
    let Beside { page, revocations, sandbox, events, authorize } = beside;
    let workers = server.workers.get();
    let (desk, orders) = OrderDesk::new(workers);
    let (control, asked) = mpsc::channel(1);
    let ledger = Ledger::new(workers, log);
    let events = events.map(|events| Events::new(events.settings, events.queue, Arc::clone(&ledger)));
    let (events, told) = events.unzip();
    let authorize = authorize.map(|settings| Authorize::new(settings, Arc::clone(&ledger)));
    let updates = UpdateHub::new(workers, net::fresh_id);
    updates.set(rules.gate.hub_settings());
    let hub = Hub::new(workers);
    hub.let_hear(Arc::clone(&updates));
    let shared = Arc::new(Shared {
        hub,
        updates,
        ledger,
        rules: ArcSwap::from_pointee(rules),
        throttles: Throttles {
            failed_credentials: RateTable::new(limits.failed_credentials_per_address, ADDRESSES_MAX),
            revocations,
            tickets: Tickets::default(),
            subjects: CountTable::new(),
        },
        handshakes: RateTable::new(limits.handshakes_per_address, ADDRESSES_MAX),
        addresses: CountTable::new(),
        events,
        authorize,
        page,
        proxies: server.proxies.clone(),
        proxy_protocol: server.proxy_protocol,
        orders: desk,
        control,
        sandbox,
        started: Instant::now(),
        drain: OnceLock::new(),
        accepting: watch::Sender::new(true),
        stopped: AtomicBool::new(false),
    });
    Whole { shared, orders, asked, told }
}

/// What stands behind routes, and who vouches towards it.
pub(super) struct Backing {
    pub(super) backends: Vec<Arc<Backend>>,
    pub(super) assertions: Arc<Assertions>,
}

/// What is swapped whole on a reload.
pub(super) fn rules(gate: Gate, tls: Material, limits: &Limits, backing: Backing) -> Rules {
    let limits = OpeningLimits {
        handshake_timeout: limits.handshake_timeout,
        tls_timeout: limits.tls_timeout,
        head_timeout: limits.head_timeout,
        head: limits.head,
        connections: limits.connections,
        handshakes: limits.handshakes,
        overload_lag: limits.overload_lag,
        queued_bytes: limits.queued_bytes,
        connections_per_address: limits.connections_per_address,
        prefixes: limits.prefixes,
    };
    let Backing { backends, assertions } = backing;
    Rules { gate, tls, limits, backends, assertions }
}

/// The backends of a configuration. On a reload, what is known of their upstreams goes on.
pub(super) fn backends(mut backends: Vec<Backend>, before: Option<&Rules>) -> Vec<Arc<Backend>> {
    for backend in &mut backends {
        let known = before.and_then(|rules| rules.backends.iter().find(|known| known.label == backend.label));
        if let Some(known) = known {
            backend.carry_on(known);
        }
    }
    backends.into_iter().map(Arc::new).collect()
}

/// The configured key, or a new one.
pub(super) fn assertions(configured: Option<Assertions>) -> Result<Arc<Assertions>, KeyFault> {
    configured.map_or_else(Assertions::generate, Ok).map(Arc::new)
}

/// The largest message that any route takes.
pub(super) fn message_bytes(shared: &Shared) -> usize {
    let rules = shared.rules.load();
    rules.gate.routes.iter().map(|route| route.session.codec.message_bytes).max().unwrap_or(0)
}
