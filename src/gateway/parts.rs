//! Owns how the parts of a gateway are put together from what the configuration says.
//! Never knows TOML.

use crate::auth::{Revocations, Tickets};
use crate::broadcast::Hub;
use crate::config::{Limits, Server};
use crate::gate::Throttles;
use crate::ledger::{Ledger, Log};
use crate::net::{Control, DemoPage, OpeningLimits, OrderDesk, Orders, Rules, Shared};
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
}

pub(super) fn whole(
    rules: Rules,
    limits: &Limits,
    server: &Server,
    log: Log,
    page: Option<DemoPage>,
    revocations: Revocations,
    sandbox: sandbox::Report,
) -> Whole {
    let workers = server.workers.get();
    let (desk, orders) = OrderDesk::new(workers);
    let (control, asked) = mpsc::channel(1);
    let shared = Arc::new(Shared {
        hub: Hub::new(workers),
        ledger: Ledger::new(workers, log),
        rules: ArcSwap::from_pointee(rules),
        limits: OpeningLimits {
            handshake_timeout: limits.handshake_timeout,
            tls_timeout: limits.tls_timeout,
            head_timeout: limits.head_timeout,
            head: limits.head,
            connections: limits.connections,
            connections_per_address: limits.connections_per_address,
        },
        throttles: Throttles {
            failed_credentials: RateTable::new(limits.failed_credentials_per_address, ADDRESSES_MAX),
            revocations,
            tickets: Tickets::default(),
            subjects: CountTable::new(),
        },
        handshakes: RateTable::new(limits.handshakes_per_address, ADDRESSES_MAX),
        addresses: CountTable::new(),
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
    Whole { shared, orders, asked }
}

/// The largest message that any route takes.
pub(super) fn message_bytes(shared: &Shared) -> usize {
    let rules = shared.rules.load();
    rules.gate.routes.iter().map(|route| route.session.codec.message_bytes).max().unwrap_or(0)
}
