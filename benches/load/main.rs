//! Owns the measurement of a whole gateway from outside: what is measured, in which order.
//! Never knows what is inside the gateway: it starts the binary and speaks TLS to it.
//!
//! `cargo bench --bench load -- --help`; what the figures mean stands in `benches/README.md`.

mod attacks;
mod cores;
mod entrance;
mod fanout;
mod frames;
mod handshakes;
mod idle;
mod meter;
mod peer;
mod report;
mod revocation;
mod server;

use attacks::{ATTACKS, Attacks};
use clap::{Parser, ValueEnum};
use cores::Cores;
use entrance::KeyExchange;
use fanout::{Fanout, Pace};
use handshakes::Handshakes;
use idle::Idle;
use report::{Figures, Report};
use revocation::Revocation;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use server::Server;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::task::LocalSet;

/// Measures the gateway from outside. A line of JSON for each measurement goes to the standard
/// output, a table of medians to the standard error.
#[derive(Parser)]
#[command(name = "load")]
struct Arguments {
    /// What to measure; without any, fanout, idle and handshakes
    #[arg(value_enum)]
    subjects: Vec<Subject>,
    /// A few connections for moments: shows that it works, and measures nothing
    #[arg(long)]
    quick: bool,
    /// How often each measurement is made, the binaries in turn
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Seconds that are measured [default: 3, for idle 10]
    #[arg(long)]
    secs: Option<f64>,
    /// Receivers in the room of fanout [default: 1000]
    #[arg(long)]
    receivers: Option<u32>,
    /// Connections of idle [default: 5000], sessions of revocation [default: 10000]
    #[arg(long)]
    connections: Option<u32>,
    /// Another binary to hold this one against, measured in turn with it
    #[arg(long, value_name = "BINARY")]
    against: Option<PathBuf>,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// One publisher, many receivers: processor time and latency of a delivery
    Fanout,
    /// Connections on which nothing happens: memory and processor time
    Idle,
    /// New connections from TCP to the 101: how many for a second of processor time
    Handshakes,
    /// What each octet of an attacker costs: processor time and memory
    Attacks,
    /// Sessions that are revoked: how long until each of them is closed
    Revocation,
}

/// One thing to measure, with its numbers.
enum Measurement {
    Fanout(Fanout),
    Idle(Idle),
    Handshakes(Handshakes),
    Attacks(Attacks),
    Revocation(Revocation),
}

/// Whatever keeps a measurement from being made.
type Fault = Box<dyn Error>;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("load: messages or connections were lost");
            ExitCode::FAILURE
        }
        Err(fault) => {
            eprintln!("load: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// Makes every measurement. Whether nothing was lost.
fn run(arguments: &Arguments) -> Result<bool, Fault> {
    raise_file_limit()?;
    let cores = Cores::part();
    eprintln!("load: {cores}");
    let ours = Path::new(env!("CARGO_BIN_EXE_portcullis"));
    let binaries = [Some(("this", ours)), arguments.against.as_deref().map(|path| ("against", path))];

    let mut report = Report::default();
    for round in 1..=arguments.rounds {
        for measurement in arguments.measurements() {
            for (label, binary) in binaries.into_iter().flatten() {
                let figures = measurement.make(binary, &cores)?;
                report.add(label, &measurement.name(), round, figures);
            }
        }
    }
    report.print_table();
    report.print_worst();
    Ok(report.nothing_lost())
}

impl Arguments {
    fn measurements(&self) -> Vec<Measurement> {
        let count =
            |asked: Option<u32>, quick, whole| asked.unwrap_or(if self.quick { quick } else { whole });
        let measured = |whole| match (self.secs, self.quick) {
            (Some(secs), _) => Duration::from_secs_f64(secs.clamp(0.1, 600.0)),
            (None, true) => Duration::from_millis(300),
            (None, false) => Duration::from_secs(whole),
        };
        let before = |whole| Duration::from_millis(if self.quick { 100 } else { whole });
        let wanted = |subject| self.subjects.is_empty() || self.subjects.contains(&subject);

        let mut measurements = Vec::new();
        if wanted(Subject::Fanout) {
            for pace in [Pace::PerSecond(20), Pace::InFlight(1), Pace::InFlight(16)] {
                measurements.extend([128, 1024].map(|payload_bytes| {
                    Measurement::Fanout(Fanout {
                        pace,
                        payload_bytes,
                        receivers: count(self.receivers, 50, 1000),
                        warm_up: before(600),
                        measured: measured(3),
                    })
                }));
            }
        }
        if wanted(Subject::Idle) {
            measurements.push(Measurement::Idle(Idle {
                connections: count(self.connections, 200, 5000),
                settle: before(3000),
                measured: measured(10),
            }));
        }
        if wanted(Subject::Handshakes) {
            measurements.extend([KeyExchange::X25519, KeyExchange::X25519MlKem768].map(|key_exchange| {
                Measurement::Handshakes(Handshakes {
                    key_exchange,
                    warm_up: before(500),
                    measured: measured(3),
                })
            }));
        }
        // Only by name: it needs twice the open files of all others.
        if self.subjects.contains(&Subject::Revocation) {
            let sessions = count(self.connections, 200, 10_000);
            measurements.push(Measurement::Revocation(Revocation::of(sessions)));
        }
        // Only by name: there are many, and they say nothing of speed.
        if self.subjects.contains(&Subject::Attacks) {
            measurements.extend(ATTACKS.iter().map(|attack| {
                Measurement::Attacks(Attacks {
                    attack: *attack,
                    warm_up: before(200),
                    measured: measured(1),
                    held: count(self.connections, 40, 400),
                })
            }));
        }
        measurements
    }
}

impl Measurement {
    fn name(&self) -> String {
        match self {
            Measurement::Fanout(fanout) => fanout.name(),
            Measurement::Idle(idle) => idle.name(),
            Measurement::Handshakes(handshakes) => handshakes.name(),
            Measurement::Attacks(attacks) => attacks.name(),
            Measurement::Revocation(revocation) => revocation.name(),
        }
    }

    /// Measures a server of its own, from a runtime of its own.
    fn make(&self, binary: &Path, cores: &Cores) -> Result<Figures, Fault> {
        let server = Server::start(binary, cores)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            // Sockets are looked at often while tasks are always ready.
            .event_interval(31)
            .build()?;
        let made = LocalSet::new().block_on(&runtime, async {
            match self {
                Measurement::Fanout(fanout) => fanout.make(&server).await,
                Measurement::Idle(idle) => idle.make(&server).await,
                Measurement::Handshakes(handshakes) => handshakes.make(&server).await,
                Measurement::Attacks(attacks) => attacks.make(&server).await,
                Measurement::Revocation(revocation) => revocation.make(&server).await,
            }
        });
        made.map_err(|fault| format!("{}: {fault}\n{}", self.name(), server.log_tail()).into())
    }
}

/// The server inherits the limit.
fn raise_file_limit() -> Result<(), Fault> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}
