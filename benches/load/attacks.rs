//! Owns what an attack costs the server for each octet that the attacker sends: processor time where it
//! is made again and again, memory where it is held.
//! Never knows what the server makes of it.

mod list;
mod wire;

use crate::Fault;
use crate::report::{Figures, float, micros};
use crate::server::Server;
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinSet;
use wire::Target;

pub(crate) use list::ATTACKS;

/// How far an attacker goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage {
    /// Octets right behind TCP; then the first octets of an answer, or the end, are waited for.
    Tcp,
    /// Octets behind a full TLS handshake, until the server ends the connection.
    Tls,
    /// Octets behind a good opening handshake, until the server ends the connection.
    Session,
    /// The same, but the attacker goes as soon as they are sent and a ping was answered.
    SessionLeft,
}

/// What is sent, by name.
#[derive(Clone, Copy)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) stage: Stage,
    /// Whether the connections are kept, and their memory is what counts.
    pub(crate) is_held: bool,
    pub(crate) octets: fn(&Target) -> Vec<u8>,
}

/// One attack, and for how long.
pub(crate) struct Attacks {
    pub(crate) attack: Attack,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    /// How many connections are held at once.
    pub(crate) held: u32,
}

#[derive(Default)]
struct Tally {
    attempts: Cell<u64>,
    failed: Cell<u64>,
    octets: Cell<u64>,
}

impl Attacks {
    pub(crate) fn name(&self) -> String {
        format!("attack: {}", self.attack.name)
    }

    pub(crate) async fn make(&self, server: &Server) -> Result<Figures, Fault> {
        let target = Rc::new(Target::of(server)?);
        let octets: Rc<[u8]> = (self.attack.octets)(&target).into();
        if self.attack.is_held {
            self.hold(server, &target, &octets).await
        } else {
            self.repeat(server, target, octets).await
        }
    }

    async fn repeat(&self, server: &Server, target: Rc<Target>, octets: Rc<[u8]>) -> Result<Figures, Fault> {
        let tally = Rc::new(Tally::default());
        for _ in 0..AT_ONCE {
            let (target, octets, tally) = (Rc::clone(&target), Rc::clone(&octets), Rc::clone(&tally));
            let stage = self.attack.stage;
            tokio::task::spawn_local(async move {
                loop {
                    match target.attempt(stage, &octets).await {
                        Ok(sent) => {
                            tally.attempts.set(tally.attempts.get() + 1);
                            tally.octets.set(tally.octets.get() + sent);
                        }
                        Err(_) => tally.failed.set(tally.failed.get() + 1),
                    }
                }
            });
        }
        tokio::time::sleep(self.warm_up).await;
        let meter = server.meter();
        let (attempts, sent) = (tally.attempts.get(), tally.octets.get());
        let before = meter.read()?;
        tokio::time::sleep(self.measured).await;
        let usage = meter.since(&before)?;
        let (attempts, sent) = (float(tally.attempts.get() - attempts), float(tally.octets.get() - sent));
        let mut figures = Figures::default();
        figures.put("octets", sent / attempts);
        figures.put("server_us", micros(usage.server) / attempts);
        figures.put("attacker_us", micros(usage.load) / attempts);
        figures.put("server_ns_per_octet", micros(usage.server) * 1e3 / sent);
        figures.put("server_per_attacker", micros(usage.server) / micros(usage.load));
        figures.put("attempts", attempts);
        figures.lost("failed", tally.failed.get());
        Ok(figures)
    }

    async fn hold(&self, server: &Server, target: &Rc<Target>, octets: &Rc<[u8]>) -> Result<Figures, Fault> {
        // What the first connections make the allocator take is not what the next ones cost.
        let first = self.open_all(target, octets, self.held / 4).await?;
        tokio::time::sleep(SETTLE).await;
        let before = server.meter().resident_bytes()?;
        let held = self.open_all(target, octets, self.held).await?;
        tokio::time::sleep(SETTLE).await;
        let grown = server.meter().resident_bytes()?.saturating_sub(before);
        let sent: u64 = held.iter().map(wire::Held::sent).sum();
        let count = float(u64::from(self.held));
        drop(first);
        let mut figures = Figures::default();
        figures.put("octets", float(sent) / count);
        figures.put("held_bytes", float(grown) / count);
        figures.put("held_per_octet", float(grown) / float(sent.max(1)));
        Ok(figures)
    }

    async fn open_all(
        &self,
        target: &Rc<Target>,
        octets: &Rc<[u8]>,
        count: u32,
    ) -> io::Result<Vec<wire::Held>> {
        let mut all = Vec::new();
        let mut opening = JoinSet::new();
        for _ in 0..count {
            if opening.len() >= AT_ONCE
                && let Some(opened) = opening.join_next().await
            {
                all.push(opened??);
            }
            let (target, octets, stage) = (Rc::clone(target), Rc::clone(octets), self.attack.stage);
            opening.spawn_local(async move { target.hold(stage, &octets).await });
        }
        while let Some(opened) = opening.join_next().await {
            all.push(opened??);
        }
        Ok(all)
    }
}

const AT_ONCE: usize = 4;
/// Far below the deadlines of a handshake.
const SETTLE: Duration = Duration::from_millis(500);
