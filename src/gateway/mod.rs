//! Owns the whole: config -> parts -> bind -> run -> drain.
//! Never knows a rule, a frame or a socket's octets.

mod failure;
mod given;
mod notify;
#[cfg(test)]
mod panic_trial;
mod parts;
mod reload;
mod signals;
mod sockets;

pub use crate::net::DemoPage;
pub use failure::Failure;

use crate::config::{self, InternalListen, Loaded};
use crate::events;
use crate::internal::{self, Bound, Guard, Internal, Predecessor, RevocationFile};
use crate::keyring::Keeper;
use crate::ledger::{Format, Level, Log};
use crate::net::{self, Orders, Shared};
use crate::relay;
use crate::sandbox::{self, Needs, Reach};
use given::{Given, Source};
use notify::Notifier;
use reload::{Reload, Reloading};
use signals::Drains;
use sockets::Sockets;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::{Builder, LocalOptions};

/// Called once every socket is bound, with the public addresses.
pub type OnReady = Box<dyn FnOnce(&[SocketAddr]) + Send>;

/// What a gateway is started with besides its configuration.
pub struct Options {
    /// The file to read again on SIGHUP.
    pub config_path: PathBuf,
    /// What `dev` serves at `/`.
    pub demo_page: Option<DemoPage>,
    /// Whether it takes the sockets of the gateway that runs, if one does.
    pub take_over: bool,
    /// Called once the gateway accepts.
    pub on_ready: Option<OnReady>,
    /// The least important lines that are logged.
    pub log_level: Level,
    /// How lines are written.
    pub log_format: Format,
}

/// Runs a gateway until it has drained.
///
/// # Errors
///
/// A socket that cannot be bound, or a thread that cannot be started; nothing runs then.
pub fn run(loaded: Loaded, options: Options) -> Result<(), Failure> {
    raise_file_limit();
    let Loaded {
        server,
        tls,
        gate,
        limits,
        internal,
        events,
        authorize,
        revocations,
        warnings: _,
        watch,
        files,
        endpoints,
        key_sources,
        snapshot,
        backends,
        assertions,
    } = loaded;
    let (revocation_file, revocations) = revocations.unzip();
    let revocations = revocations.unwrap_or_default();
    let workers = server.workers.get();
    let (given, source, predecessor) = given(options.take_over, internal.as_ref())?;
    let listen = internal.as_ref().map(|internal| &internal.listen);
    let Sockets { per_worker, addresses, internal: mut internal_bound, outlive, bequest } =
        sockets::open(given, source, &server.listen, listen, workers)?;

    let notifier = Rc::new(Notifier::of_this_process());
    // Whom a service manager starts, it also replaces.
    let bequest = bequest.filter(|_| !notifier.is_told());
    let socket_file = internal_bound.as_ref().and_then(Bound::file).map(Path::to_owned);
    let reach = Reach::of(&endpoints);
    let needs = Needs {
        read: files,
        replace: revocation_file.clone(),
        remove: socket_file,
        reach,
        hand_over: bequest.is_some(),
    };
    // What is bound and connected stays so. Threads inherit the sandbox, and none runs yet.
    let sandbox = sandbox::enter(server.sandbox, &needs);

    let log = Log::to_stderr(options.log_level, options.log_format).map_err(Failure::thread)?;
    let assertions = parts::assertions(assertions).map_err(Failure::assertion_key)?;
    let backing = parts::Backing { backends: parts::backends(backends, None), assertions };
    let rules = parts::rules(gate, tls, &limits, backing);
    let beside = parts::Beside { page: options.demo_page, revocations, sandbox, events, authorize };
    let whole = parts::whole(rules, &limits, &server, log, beside);
    let parts::Whole { shared, orders, asked, told } = whole;
    tell_sandbox(&shared);
    if let Some(predecessor) = predecessor {
        retire(predecessor, &shared);
        internal_bound.iter_mut().for_each(Bound::claim);
    }
    let threads = start_workers(per_worker, orders, &shared)?;
    shared.ledger.tell(Level::Info, "started", &started(&addresses, workers));

    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .map_err(Failure::thread)?;
    let drained = runtime.block_on(async {
        // Before anybody is told that it is ready: a signal must not find us without a handler.
        let signals = signals::Signals::new().map_err(Failure::thread)?;
        if let (Some(internal), Some(bound)) = (internal, internal_bound) {
            let address = match &internal.listen {
                InternalListen::Tcp(address) => Some(*address),
                InternalListen::Unix(_) => None,
            };
            let port = Internal {
                shared: Arc::clone(&shared),
                guard: Guard { address, token: internal.token },
                message_bytes: parts::message_bytes(&shared),
                revocation_file: revocation_file.map(RevocationFile::at),
                tls: internal.tls,
                bequest,
            };
            tokio::task::spawn_local(internal::run(port, bound));
        }
        if let (Some(events), Some(told)) = (&shared.events, told) {
            tokio::task::spawn_local(events::deliver(Arc::clone(events), told));
        }
        let rules = Arc::clone(&shared);
        let in_force = move || rules.rules.load().backends.clone();
        tokio::task::spawn_local(relay::watch_over(in_force, Arc::clone(&shared.ledger)));
        let keeper = Keeper::start(key_sources, &shared);
        let alive = Rc::clone(&notifier);
        tokio::task::spawn_local(async move { alive.keep_alive().await });
        notifier.ready();
        if let Some(ready) = options.on_ready {
            ready(&addresses);
        }
        let reload = Reload::new(options.config_path, watch, snapshot);
        let drains = Drains { timeout: server.drain_timeout, outlive };
        let reloading = Reloading { shared: &shared, notifier: &notifier, keeper: &keeper };
        signals.serve(&reloading, asked, reload, drains).await;
        Ok(())
    });
    shared.stop();
    for thread in threads {
        // A worker that panicked has said so; the others have ended by themselves.
        let _ = thread.join();
    }
    if let Some(events) = &shared.events {
        events.abandon();
    }
    shared.ledger.tell(Level::Info, "stopped", "every session has been closed");
    shared.ledger.flush();
    drained
}

type GivenBy = (Vec<Given>, Source, Option<Predecessor>);

/// The sockets that others have bound for this gateway.
fn given(take_over: bool, internal: Option<&config::Internal>) -> Result<GivenBy, Failure> {
    let given = given::by_service_manager()?;
    if !take_over || !given.is_empty() {
        return Ok((given, Source::ServiceManager, None));
    }
    let inherited = given::by_predecessor(internal)?;
    let (given, predecessor) = inherited.map_or_else(Default::default, |(given, by)| (given, Some(by)));
    Ok((given, Source::Predecessor, predecessor))
}

/// From here on nothing keeps this gateway from serving: who connects waits until its workers run.
fn retire(predecessor: Predecessor, shared: &Shared) {
    match predecessor.retire() {
        Ok(revocations) => {
            shared.throttles.revocations.absorb(revocations);
            shared.ledger.tell(
                Level::Info,
                "taken_over",
                "the sockets and revocations of a gateway that drains now",
            );
        }
        Err(error) => {
            let detail = format!("its sockets are here, but what it has revoked is not: {}", error.kind());
            shared.ledger.tell(Level::Error, "taken_over", &detail);
        }
    }
}

fn start_workers(
    per_worker: Vec<Vec<TcpListener>>,
    orders: Vec<Orders>,
    shared: &Arc<Shared>,
) -> Result<Vec<JoinHandle<()>>, Failure> {
    let mut threads = Vec::new();
    for (worker, (bound, orders)) in per_worker.into_iter().zip(orders).enumerate() {
        let shared = Arc::clone(shared);
        let body = move || {
            if let Err(error) = net::run(worker, Arc::clone(&shared), bound, orders) {
                shared.ledger.tell(Level::Error, "worker_failed", &error.kind().to_string());
            }
        };
        let thread = std::thread::Builder::new().name(format!("worker-{worker}")).spawn(body);
        threads.push(thread.map_err(Failure::thread)?);
    }
    Ok(threads)
}

fn started(addresses: &[SocketAddr], workers: usize) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    format!("version {}, listening on {}, {workers} workers", env!("CARGO_PKG_VERSION"), addresses.join(", "))
}

/// What the process has given up, and what it has not.
fn tell_sandbox(shared: &Shared) {
    let level = if shared.sandbox.shortfall().is_some() { Level::Warn } else { Level::Info };
    shared.ledger.tell(level, "sandboxed", &shared.sandbox.summary());
}

/// Takes all file descriptors that the system allows: each connection needs one.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it cannot be raised, `connections` was lowered to the limit that there is.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// How often the certificate's files are looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(5);
