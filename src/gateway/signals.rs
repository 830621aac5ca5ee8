//! Owns what the operator's signals do: drain, end at once, reload.
//! Never knows how a session is closed or a file is read.

use super::WATCH_INTERVAL;
use super::reload::{Reload, Reloading};
use crate::ledger::Level;
use crate::net::{Control, Drain, Newcomers, Shared};
use crate::rejection::Rejection;
use std::io;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// How often a drain looks whether anybody is left.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// How a gateway drains.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drains {
    /// From the signal to the end at most.
    pub(super) timeout: Duration,
    /// Whether the public sockets outlive the gateway.
    pub(super) outlive: bool,
}

impl Drains {
    /// What sessions and newcomers are told when a signal ends the gateway.
    fn of_signal(self) -> (Rejection, Newcomers) {
        if self.outlive {
            // Whoever holds the sockets starts a successor for the next who connects.
            (Rejection::Restart, Newcomers::LeftToSuccessor)
        } else {
            (Rejection::Drain, Newcomers::Refused)
        }
    }
}

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
        gateway: &Reloading<'_>,
        mut asked: mpsc::Receiver<Control>,
        mut reload: Reload,
        drains: Drains,
    ) {
        let Reloading { shared, notifier, .. } = gateway;
        let mut look = tokio::time::interval(WATCH_INTERVAL);
        let end = loop {
            tokio::select! {
                _ = self.terminate.recv() => break drains.of_signal(),
                _ = self.interrupt.recv() => break drains.of_signal(),
                _ = self.hangup.recv() => {
                    // What came of it is in the log.
                    let _ = reload.run(gateway).await;
                }
                Some(asked) = asked.recv() => match asked {
                    Control::Drain => break drains.of_signal(),
                    Control::HandedOver => break (Rejection::Restart, Newcomers::LeftToSuccessor),
                    Control::Reload(told) => {
                        let _ = told.send(reload.run(gateway).await);
                    }
                },
                _ = look.tick() => {
                    if reload.is_due() {
                        let _ = reload.run(gateway).await;
                    }
                }
            }
        };
        notifier.stopping();
        let began = Instant::now();
        // The close handshakes need their time too: the last Close frame is out by half of it.
        let (reason, newcomers) = end;
        let _ = shared.drain.set(Drain { began, paced_over: drains.timeout / 2, reason, newcomers });
        shared.ledger.tell(
            Level::Info,
            "draining",
            match newcomers {
                Newcomers::LeftToSuccessor => {
                    "the sockets are a successor's: sessions are closed with 1012; one more signal ends at once"
                }
                Newcomers::Refused => "sessions are closed with 1001; a second signal ends at once",
            },
        );
        tokio::select! {
            () = drained(shared, newcomers) => {}
            () = tokio::time::sleep(drains.timeout) => {
                let left = shared.ledger.sessions().get() + shared.ledger.closing().get();
                let detail = format!("drain_timeout is over: {left} sessions are dropped");
                shared.ledger.tell(Level::Warn, "drain_timeout", &detail);
            }
            _ = self.terminate.recv() => ended_at_once(shared),
            _ = self.interrupt.recv() => ended_at_once(shared),
            () = nothing_more(&mut asked) => {}
        }
    }
}

/// Never over: whoever asks for something during a drain is not kept waiting for it.
async fn nothing_more(asked: &mut mpsc::Receiver<Control>) {
    while let Some(asked) = asked.recv().await {
        drop(asked);
    }
    std::future::pending().await
}

fn ended_at_once(shared: &Shared) {
    shared.ledger.tell(Level::Warn, "ended_at_once", "a second signal came: open sessions are dropped");
}

async fn drained(shared: &Shared, newcomers: Newcomers) {
    match newcomers {
        Newcomers::Refused => {}
        Newcomers::LeftToSuccessor => shared.stop_accepting().await,
    }
    while is_anybody_left(shared, newcomers) {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
    if let Some(events) = &shared.events {
        events.flush().await;
    }
}

/// Who has come before the drain and is still in its handshake is somebody, unless it is refused.
fn is_anybody_left(shared: &Shared, newcomers: Newcomers) -> bool {
    let ledger = &shared.ledger;
    match newcomers {
        Newcomers::Refused => ledger.sessions().get() + ledger.closing().get() > 0,
        Newcomers::LeftToSuccessor => ledger.connections().get() > 0,
    }
}
