//! Owns what the operator's signals do: drain, end at once, reload.
//! Never knows how a session is closed or a file is read.

use super::notify::Notifier;
use super::{WATCH_INTERVAL, reload};
use crate::config::Watch;
use crate::ledger::Level;
use crate::net::{Control, Drain, Shared};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// How often a drain looks whether anybody is left.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// The signals that a gateway listens to.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Serves signals until the gateway has drained.
    pub(super) async fn serve(
        mut self,
        shared: &Shared,
        notifier: &Notifier,
        mut asked: mpsc::Receiver<Control>,
        config: &Path,
        mut watch: Watch,
        drain_timeout: Duration,
    ) {
        let mut look = tokio::time::interval(WATCH_INTERVAL);
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hangup.recv() => {
                    // What came of it is in the log.
                    let _ = reload(shared, notifier, config, &mut watch).await;
                }
                Some(asked) = asked.recv() => match asked {
                    Control::Drain => break,
                    Control::Reload(told) => {
                        let _ = told.send(reload(shared, notifier, config, &mut watch).await);
                    }
                },
                _ = look.tick() => {
                    if watch.changed() {
                        let _ = reload(shared, notifier, config, &mut watch).await;
                    }
                }
            }
        }
        notifier.stopping();
        let began = Instant::now();
        // The close handshakes need their time too: the last Close frame is out by half of it.
        let _ = shared.drain.set(Drain { began, paced_over: drain_timeout / 2 });
        shared.ledger.tell(
            Level::Info,
            "draining",
            "sessions are closed with 1001; a second signal ends at once",
        );
        tokio::select! {
            () = drained(shared) => {}
            () = tokio::time::sleep(drain_timeout) => {
                let left = shared.ledger.sessions().get() + shared.ledger.closing().get();
                let detail = format!("drain_timeout is over: {left} sessions are dropped");
                shared.ledger.tell(Level::Warn, "drain_timeout", &detail);
            }
            _ = self.terminate.recv() => ended_at_once(shared),
            _ = self.interrupt.recv() => ended_at_once(shared),
        }
    }
}

fn ended_at_once(shared: &Shared) {
    shared.ledger.tell(Level::Warn, "ended_at_once", "a second signal came: open sessions are dropped");
}

async fn drained(shared: &Shared) {
    while shared.ledger.sessions().get() + shared.ledger.closing().get() > 0 {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
}
