//! Owns connections on which nothing happens, and what they cost.
//! Never knows TLS or frames.

use crate::Fault;
use crate::entrance::{Entrance, KeyExchange};
use crate::peer::Peer;
use crate::report::{Figures, float, micros};
use crate::server::Server;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// Idle connections to measure.
pub(crate) struct Idle {
    pub(crate) connections: u32,
    pub(crate) settle: Duration,
    pub(crate) measured: Duration,
}

impl Idle {
    pub(crate) fn name(&self) -> String {
        format!("idle, {} connections", self.connections)
    }

    pub(crate) async fn make(&self, server: &Server) -> Result<Figures, Fault> {
        let entrance = Entrance::of(server, KeyExchange::X25519)?;
        let meter = server.meter();
        let (base_bytes, before) = (meter.resident_bytes()?, meter.read()?);
        let peers = entrance.enter_many(self.connections).await?;
        let opening = meter.since(&before)?;
        let closed = Rc::new(Cell::new(0));
        for peer in peers {
            tokio::task::spawn_local(stay(peer, Rc::clone(&closed)));
        }

        tokio::time::sleep(self.settle).await;
        let before = meter.read()?;
        tokio::time::sleep(self.measured).await;
        let idling = meter.since(&before)?;
        let bytes = meter.resident_bytes()?;

        let connections = f64::from(self.connections);
        let mut figures = Figures::default();
        figures.put("bytes_per_connection", float(bytes.saturating_sub(base_bytes)) / connections);
        figures.put("base_kib", float(base_bytes) / 1024.0);
        figures.put("opening_us_per_connection", micros(opening.server) / connections);
        figures.put("idle_cpu_ms_per_s", micros(idling.server) / 1e3 / idling.elapsed.as_secs_f64());
        figures.lost("closed", closed.get());
        Ok(figures)
    }
}

/// Answers pings.
async fn stay(mut peer: Peer, closed: Rc<Cell<u64>>) {
    while peer.receive(|_| {}).await.is_ok() {}
    closed.set(closed.get() + 1);
}
