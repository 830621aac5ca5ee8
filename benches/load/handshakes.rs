//! Owns new connections, one after the other, and what each costs.
//! Never knows TLS or HTTP.

use crate::Fault;
use crate::entrance::{AT_ONCE, Entrance, KeyExchange};
use crate::report::{Figures, float, micros};
use crate::server::Server;
use hdrhistogram::Histogram;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Handshakes to measure: TCP, TLS in full, a token, the 101, then a reset.
pub(crate) struct Handshakes {
    pub(crate) key_exchange: KeyExchange,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

struct Tally {
    /// From connect to 101, in nanoseconds.
    took: Histogram<u64>,
    failed: u64,
}

impl Handshakes {
    pub(crate) fn name(&self) -> String {
        format!("handshakes, {AT_ONCE} at once, {:?}", self.key_exchange)
    }

    pub(crate) async fn make(&self, server: &Server) -> Result<Figures, Fault> {
        let entrance = Entrance::of(server, self.key_exchange)?;
        // Tells what is wrong, should every handshake fail.
        drop(entrance.enter().await?);
        let took = Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?;
        let tally = Rc::new(RefCell::new(Tally { took, failed: 0 }));
        for _ in 0..AT_ONCE {
            tokio::task::spawn_local(enter_again(entrance.clone(), Rc::clone(&tally)));
        }

        tokio::time::sleep(self.warm_up).await;
        let meter = server.meter();
        tally.borrow_mut().took.reset();
        let before = meter.read()?;
        tokio::time::sleep(self.measured).await;
        let usage = meter.since(&before)?;

        let tally = tally.borrow();
        let handshakes = float(tally.took.len());
        let mut figures = Figures::default();
        figures.put("per_server_cpu_s", handshakes / usage.server.as_secs_f64());
        figures.put("server_us_per_handshake", micros(usage.server) / handshakes);
        figures.put("load_us_per_handshake", micros(usage.load) / handshakes);
        figures.put("handshakes_per_s", handshakes / usage.elapsed.as_secs_f64());
        figures.put("server_cpu_pct", 100.0 * usage.server.as_secs_f64() / usage.elapsed.as_secs_f64());
        figures.quantiles(&tally.took);
        figures.lost("failed", tally.failed);
        Ok(figures)
    }
}

async fn enter_again(entrance: Entrance, tally: Rc<RefCell<Tally>>) {
    loop {
        let since = Instant::now();
        let entered = entrance.enter().await;
        let took = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let mut tally = tally.borrow_mut();
        match entered {
            Ok(_) => tally.took.saturating_record(took),
            Err(_) => tally.failed += 1,
        }
    }
}
