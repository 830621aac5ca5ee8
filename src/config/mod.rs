//! Owns the configuration file: what it says, and all that is wrong with it, at once.
//! Never knows what the parts do with what they are told.

mod auth;
mod authorize;
mod backend;
mod document;
mod events;
mod files;
mod findings;
mod hook;
mod internal;
mod issuer;
mod jwks_url;
mod key;
mod limits;
mod mask;
mod mercure;
mod origins;
mod route;
mod server;
mod signing;
mod snapshot;
mod tls;
mod units;
mod watch;

#[cfg(test)]
pub(crate) mod fixtures;

pub use events::Events;
pub use findings::{Finding, Findings, Severity};
pub use internal::{Internal, InternalListen};
pub use limits::Limits;
pub use server::Server;
pub use signing::Signing;
pub use snapshot::Snapshot;
pub use watch::Watch;

use crate::auth::{Assertions, Revocations, Verifier};
use crate::endpoint::Endpoint;
use crate::gate::{Gate, HostPolicy};
use crate::keyring::KeySource;
use crate::net::tls::{Certificate, Material};
use crate::relay::Backend;
use document::{At, Section};
use files::Folder;
use findings::Collector;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use toml::de::DeTable;

/// Everything that a configuration says, ready to be used.
pub struct Loaded {
    /// `[server]`.
    pub server: Server,
    /// `[tls]`.
    pub tls: Material,
    /// `hosts`, `[origins]`, `[auth]` and every `[[route]]`.
    pub gate: Gate,
    /// `[limits]`, as far as they act before the route is known.
    pub limits: Limits,
    /// `[internal]`.
    pub internal: Option<Internal>,
    /// `[events]`.
    pub events: Option<Events>,
    /// `[authorize]`.
    pub authorize: Option<crate::authorize::Settings>,
    /// `auth.revocation_file`, and what it holds.
    pub revocations: Option<(PathBuf, Revocations)>,
    /// What is looser than the default, or soon a fault.
    pub warnings: Findings,
    /// The certificate and the private key, to be noticed when they change.
    pub watch: Watch,
    /// Every file that was read, the configuration first: a reload reads them again.
    pub files: Vec<PathBuf>,
    /// Everywhere that the gateway connects to.
    pub endpoints: Vec<Endpoint>,
    /// Every `jwks_url`, with what belongs to it.
    pub key_sources: Vec<KeySource>,
    /// What was read, to tell what a later reading changes.
    pub snapshot: Snapshot,
    /// What stands behind the routes that lead to one.
    pub backends: Vec<Backend>,
    /// `auth.assertion_key`.
    pub assertions: Option<Assertions>,
}

/// Why a configuration cannot be used.
#[derive(Debug)]
pub enum Failure {
    /// The file cannot be read, or is no text.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why, in words.
        why: String,
    },
    /// It can be read, and is wrong.
    Faults(Findings),
}

impl Failure {
    /// All that is wrong in one line, for the log.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Failure::Unreadable { path, why } => format!("{}: {why}", path.display()),
            Failure::Faults(findings) => findings.summary(),
        }
    }

    /// Whether the system denied a file that the configuration names.
    #[must_use]
    pub fn is_denial(&self) -> bool {
        match self {
            Failure::Unreadable { .. } => false,
            Failure::Faults(findings) => {
                findings.iter().any(|finding| finding.message().ends_with(files::DENIED))
            }
        }
    }
}

/// Reads a configuration with all files that it names.
///
/// # Errors
///
/// The file cannot be read; or everything that is wrong in it and in the files that it names.
pub fn load(path: &Path) -> Result<Loaded, Failure> {
    load_in(path, &Surroundings::of_this_process())
}

/// Reads what is needed to make tokens: `[auth]` and the files that it names, but no other part.
///
/// # Errors
///
/// The file cannot be read; or everything that is wrong with `[auth]`, and a missing `signing_key`.
pub fn signing(path: &Path) -> Result<Signing, Failure> {
    signing_in(path, &Surroundings::of_this_process())
}

/// Reads what is needed to reach the internal port: `[internal]`, but no other part.
///
/// # Errors
///
/// The file cannot be read; or everything that is wrong with `[internal]`.
pub fn internal(path: &Path) -> Result<Option<Internal>, Failure> {
    let surroundings = Surroundings::of_this_process();
    let text = read_text(path)?;
    let (internal, findings) = walk(path, &text, |root| {
        let folder = Folder::of(path, surroundings.credentials.as_deref());
        for other in ["server", "tls", "origins", "auth", "limits", "route", "events", "authorize"] {
            root.place(other);
        }
        Some(internal::read(root.section("internal"), &folder, surroundings.now, &[]))
    });
    internal.ok_or(Failure::Faults(findings))
}

/// What a configuration is judged by beside itself.
struct Surroundings {
    /// Seconds since 1970.
    now: u64,
    credentials: Option<PathBuf>,
    cores: NonZeroUsize,
    /// How many files the process may have open, once it has raised its limit as far as it may.
    files_max: Option<u64>,
}

impl Surroundings {
    fn of_this_process() -> Surroundings {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Surroundings {
            now: now.map_or(0, |elapsed| elapsed.as_secs()),
            credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            cores: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            files_max: rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum,
        }
    }
}

fn load_in(path: &Path, surroundings: &Surroundings) -> Result<Loaded, Failure> {
    let text = read_text(path)?;
    let (parts, findings) = walk(path, &text, |root| read_parts(root, path, surroundings));
    match parts {
        Some(parts) => Ok(parts.loaded(findings)),
        None => Err(Failure::Faults(findings)),
    }
}

fn signing_in(path: &Path, surroundings: &Surroundings) -> Result<Signing, Failure> {
    let text = read_text(path)?;
    let (signing, findings) = walk(path, &text, |root| {
        let folder = Folder::of(path, surroundings.credentials.as_deref());
        for other in ["server", "tls", "origins", "limits", "route", "internal", "events", "authorize"] {
            root.place(other);
        }
        let facts = auth::read(root.section("auth"), &folder, true);
        signing::read(facts, root, &folder)
    });
    signing.ok_or(Failure::Faults(findings))
}

/// All parts but the findings.
struct Parts {
    server: Server,
    tls: Material,
    gate: Gate,
    limits: Limits,
    internal: Option<Internal>,
    events: Option<Events>,
    authorize: Option<crate::authorize::Settings>,
    revocations: Option<(PathBuf, Revocations)>,
    watch: Watch,
    files: Vec<PathBuf>,
    endpoints: Vec<Endpoint>,
    key_sources: Vec<KeySource>,
    snapshot: Snapshot,
    backends: Vec<Backend>,
    assertions: Option<Assertions>,
}

impl Parts {
    fn loaded(self, warnings: Findings) -> Loaded {
        let Parts {
            server,
            tls,
            gate,
            limits,
            internal,
            events,
            authorize,
            revocations,
            watch,
            files,
            endpoints,
            key_sources,
            snapshot,
            backends,
            assertions,
        } = self;
        Loaded {
            server,
            tls,
            gate,
            limits,
            internal,
            events,
            authorize,
            revocations,
            warnings,
            watch,
            files,
            endpoints,
            key_sources,
            snapshot,
            backends,
            assertions,
        }
    }
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let unreadable = |why: String| Failure::Unreadable { path: path.to_owned(), why };
    let file = std::fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    if u64::try_from(bytes.len()).map_or(true, |length| length > CONFIG_BYTES_MAX) {
        return Err(unreadable(format!("it is larger than {CONFIG_BYTES_MAX} octets")));
    }
    String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8".to_owned()))
}

/// Walks over a document and gathers what is to be said of it; nothing comes out of a faulty one.
fn walk<T>(
    path: &Path,
    text: &str,
    read: impl FnOnce(&mut Section<'_>) -> Option<T>,
) -> (Option<T>, Findings) {
    let (document, syntax) = DeTable::parse_recoverable(text);
    let notes = Collector::new(path, text);
    for error in &syntax {
        let help = if error.message() == "duplicate key" { "leave one of the two out" } else { "" };
        notes.error(error.span().or(Some(0..0)), error.message(), help);
    }
    // What was made of a broken document would be judged for what is not in the file. A key that
    // is there twice is the exception: all else is as it was written.
    let is_whole = syntax.iter().all(|error| error.message() == "duplicate key");
    let mut read_value = None;
    if is_whole {
        let mut root = Section::root(document.get_ref(), &notes);
        read_value = read(&mut root);
        root.finish();
    }
    let value = read_value.filter(|_| !notes.has_errors());
    (value, notes.finish(&mask::values(document.get_ref())))
}

fn read_parts(root: &mut Section<'_>, path: &Path, surroundings: &Surroundings) -> Option<Parts> {
    let folder = Folder::of(path, surroundings.credentials.as_deref());
    let server::ServerFacts { server, hosts } = server::read(root.section("server"), surroundings.cores);
    let tls = tls::read(root.section("tls"), &folder, surroundings.now);
    let hosts = hosts_or_names(root, hosts, &tls);
    let origins = origins::OriginFacts::read(root.section("origins"));
    let auth = auth::read(root.section("auth"), &folder, tls.asks_for_certificates);
    auth::point_out_signing_key(&auth, root, &folder);
    let (limits, session) =
        limits::read(root.section("limits"), surroundings.files_max, server.workers.get());
    let globals = route::Globals { origins: &origins, credentials: &auth.credentials, limits: &session };
    let (routes, backends) = route::read_all(root, &globals, &folder);
    let internal = internal::read(root.section("internal"), &folder, surroundings.now, &server.listen);
    let events = events::read(root.section("events"), &folder, &routes);
    let authorize = authorize::read(root.section("authorize"), &folder, &routes, limits.handshake_timeout);

    let watch = Watch::new(tls.paths.clone());
    // TLS asks by name on its own, so the policy is made twice.
    let served = hosts.as_ref().and_then(|hosts| HostPolicy::new(hosts).ok());
    let tls = tls.material(root, move |name| served.as_ref().is_some_and(|hosts| hosts.serves_name(name)));
    if root.notes().has_errors() {
        return None;
    }
    let gate = Gate {
        hosts: HostPolicy::new(&hosts?).ok()?,
        routes,
        verifier: Arc::new(Verifier::new(auth.issuers)),
    };
    let mut files = vec![path.to_owned()];
    files.extend(folder.opened());
    let (tls, revocations, key_sources) = (tls?, auth.revocations, auth.key_sources);
    let told = events.iter().map(|events| &events.settings.hook);
    let hooks = told.chain(authorize.iter().map(|authorize| &authorize.hook));
    let sources = key_sources.iter().map(|source| source.endpoint.clone());
    let upstreams = backends.iter().flat_map(|backend| &backend.upstreams);
    let upstreams = upstreams.map(|upstream| upstream.endpoint().clone());
    let assertions = auth.assertions;
    let endpoints = hooks.map(|hook| hook.endpoint.clone()).chain(sources).chain(upstreams).collect();
    let snapshot = Snapshot::of(root.table()?, &folder);
    Some(Parts {
        server,
        tls,
        gate,
        limits,
        internal,
        events,
        authorize,
        revocations,
        watch,
        files,
        endpoints,
        key_sources,
        snapshot,
        backends,
        assertions,
    })
}

/// `hosts`, or the exact names and addresses of the certificates.
fn hosts_or_names(
    root: &Section<'_>,
    hosts: Option<At<Vec<At<String>>>>,
    tls: &tls::TlsFacts,
) -> Option<Vec<String>> {
    let Some(hosts) = hosts else {
        let mut names: Vec<String> =
            tls.certificates()?.into_iter().flat_map(Certificate::exact_names).collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            let help = "write `hosts = [\"chat.example.com\"]` in `[server]`";
            root.notes().error(tls.place(), "the certificate has no exact name that could be served", help);
        }
        return Some(names);
    };
    let mut good = true;
    for host in &hosts.value {
        if let Err((_, why)) = HostPolicy::new(std::slice::from_ref(&host.value)) {
            let help = "a host is a name, an address or [address], with a port or without";
            root.notes().error(Some(host.span.clone()), format!("`server.hosts`: {why}"), help);
            good = false;
        } else {
            point_out_uncovered(root, host, tls.certificates());
        }
    }
    let all: Vec<String> = hosts.value.into_iter().map(|host| host.value).collect();
    if good
        && !all.is_empty()
        && let Err((_, why)) = HostPolicy::new(&all)
    {
        root.notes().error(Some(hosts.span), format!("`server.hosts`: {why}"), "");
        good = false;
    }
    good.then_some(all)
}

fn point_out_uncovered(root: &Section<'_>, host: &At<String>, certificates: Option<Vec<&Certificate>>) {
    if certificates.is_some_and(|all| !all.iter().any(|certificate| certificate.covers(&host.value))) {
        let help =
            "peers that ask for it will refuse the certificate: get one with this name, or take the host out";
        root.notes().warning(Some(host.span.clone()), "no name in the certificate fits this host", help);
    }
}

const CONFIG_BYTES_MAX: u64 = 1 << 20;
