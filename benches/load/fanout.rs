//! Owns the broadcast: one publisher, many receivers, what a delivery costs and how long it takes.
//! Never knows TLS or frames.

mod publisher;
mod tally;

use crate::Fault;
use crate::entrance::{Entrance, KeyExchange};
use crate::peer::Peer;
use crate::report::{Figures, float, micros};
use crate::server::Server;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tally::Tally;

/// A broadcast to measure.
pub(crate) struct Fanout {
    pub(crate) pace: Pace,
    pub(crate) payload_bytes: usize,
    pub(crate) receivers: u32,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// When a message is sent.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// At its time, whatever has become of those before (open loop).
    PerSecond(u32),
    /// When fewer than so many have not reached every receiver yet (closed loop).
    InFlight(u64),
}

impl Fanout {
    pub(crate) fn name(&self) -> String {
        let pace = match self.pace {
            Pace::PerSecond(rate) => format!("{rate}/s"),
            Pace::InFlight(window) => format!("{window} in flight"),
        };
        format!("fanout, {} receivers, {} B, {pace}", self.receivers, self.payload_bytes)
    }

    pub(crate) async fn make(&self, server: &Server) -> Result<Figures, Fault> {
        let entrance = Entrance::of(server, KeyExchange::X25519)?;
        let receivers = entrance.enter_many(self.receivers).await?;
        let publisher = entrance.enter().await?;
        let tally = Rc::new(RefCell::new(Tally::new(self.receivers)?));
        for receiver in receivers {
            tokio::task::spawn_local(receive(receiver, Rc::clone(&tally)));
        }
        let publishing = publisher::publish(publisher, self.pace, self.payload_bytes, Rc::clone(&tally));
        let publishing = tokio::task::spawn_local(publishing);

        tokio::time::sleep(self.warm_up).await;
        let meter = server.meter();
        let before = meter.read()?;
        tally.borrow_mut().measure();
        tokio::time::sleep(self.measured).await;
        let usage = meter.since(&before)?;
        tally.borrow_mut().stop();
        wait_for_the_last(&tally).await;
        // With an error it has ended already, and this tells it.
        publishing.abort();
        if let Ok(ended) = publishing.await {
            ended?;
        }

        let tally = tally.borrow();
        let delivered = float(tally.measured.deliveries);
        let mut figures = Figures::default();
        figures
            .put("server_us_per_delivery", micros(usage.server) / (delivered + float(tally.measured.echoes)));
        figures.put("load_us_per_delivery", micros(usage.load) / delivered);
        figures.put("deliveries_per_s", delivered / usage.elapsed.as_secs_f64());
        figures.put("server_cpu_pct", 100.0 * usage.server.as_secs_f64() / usage.elapsed.as_secs_f64());
        figures.quantiles(&tally.latency);
        figures.lost("lost", tally.lost());
        figures.lost("reordered", tally.reordered);
        figures.lost("closed", tally.closed);
        Ok(figures)
    }
}

async fn receive(mut receiver: Peer, tally: Rc<RefCell<Tally>>) {
    let mut last = None;
    while receiver.receive(|text| tally.borrow_mut().delivered(&mut last, text)).await.is_ok() {}
    tally.borrow_mut().closed += 1;
}

/// Until nothing has come for a quarter of a second, ten seconds at most.
async fn wait_for_the_last(tally: &RefCell<Tally>) {
    for _ in 0..40 {
        let before = tally.borrow().deliveries();
        tokio::time::sleep(Duration::from_millis(250)).await;
        if tally.borrow().deliveries() == before {
            return;
        }
    }
}
