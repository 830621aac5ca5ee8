//! Owns the probes of upstreams: whether each of them takes connections, before a peer has to find out.
//! Never knows a session, nor which upstream one gets.

use super::backend::Backend;
use super::dial::leads_astray;
use super::upstream::Upstream;
use crate::ledger::{Ledger, Level};
use crate::outbound::connect;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::spawn_local;
use tokio::time::MissedTickBehavior;

/// How often it is looked which upstream is due; no interval is shorter.
const TICK: Duration = Duration::from_millis(500);

/// Probes the upstreams of the backends in force, each at its interval, for as long as it is polled.
/// A probe connects, with TLS where the upstream has it, and says nothing.
pub async fn watch_over(in_force: impl Fn() -> Vec<Arc<Backend>>, ledger: Arc<Ledger>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = Instant::now();
        for backend in in_force() {
            let Some(interval) = backend.health_interval else { continue };
            for upstream in backend.upstreams.iter().filter(|upstream| upstream.is_probe_due(now, interval)) {
                let probe = probe(Arc::clone(&backend), Arc::clone(upstream), Arc::clone(&ledger));
                spawn_local(probe);
            }
        }
    }
}

async fn probe(backend: Arc<Backend>, upstream: Arc<Upstream>, ledger: Arc<Ledger>) {
    let endpoint = upstream.endpoint();
    let connected = connect(endpoint, backend.roots.as_ref(), Instant::now() + backend.timeout).await;
    let is_well = connected.is_ok_and(|stream| !leads_astray(endpoint, stream.peer_address()));
    if upstream.probed(is_well) {
        let (level, event, what) = match is_well {
            true => (Level::Info, "upstream_in", "takes connections again"),
            false => (
                Level::Warn,
                "upstream_out",
                "takes no connection: it is left alone as long as there is another",
            ),
        };
        ledger.tell(level, event, &format!("{endpoint} {what}"));
    }
}
