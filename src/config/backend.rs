//! Owns the keys of a `[[route]]` that leads to a backend.
//! Never knows a request, nor how a backend is spoken to.

use super::document::{At, Section};
use super::files::{Folder, PEM_BYTES_MAX};
use super::limits::SessionLimits;
use super::mask::quoted;
use crate::codec;
use crate::endpoint::{Endpoint, Scheme};
use crate::gate::{BackendId, BackendRoute};
use crate::outbound::Roots;
use crate::relay::{Backend, Upstream};
use http::header::HeaderName;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// The keys that only such a route has.
pub(super) const KEYS: [&str; 7] = [
    "upstream",
    "upstream_timeout",
    "upstream_roots",
    "upstream_message_bytes",
    "upstream_health_interval",
    "forward_headers",
    "sticky",
];

/// What a route to a backend says beside what all routes say.
pub(super) struct BackendFacts {
    upstreams: Vec<Endpoint>,
    roots: Option<Roots>,
    timeout: Duration,
    message_bytes: Option<usize>,
    health_interval: Option<Duration>,
    headers: Vec<HeaderName>,
    sticky: bool,
}

impl BackendFacts {
    /// Takes the keys.
    pub(super) fn read(section: &mut Section<'_>, folder: &Folder) -> BackendFacts {
        let upstreams = upstreams(section);
        let roots = roots(section, folder, &upstreams);
        let timeout = section.duration("upstream_timeout", TIMEOUT_MIN..=TIMEOUT_MAX);
        let message_bytes = section.size("upstream_message_bytes", 1..=MESSAGE_BYTES_MAX);
        let health_interval = section.duration("upstream_health_interval", HEALTH_MIN..=HEALTH_MAX);
        BackendFacts {
            health_interval: health_interval.map(|at| at.value),
            upstreams: upstreams.into_iter().map(|at| at.value).collect(),
            roots,
            timeout: timeout.map_or(TIMEOUT, |at| at.value),
            message_bytes: message_bytes.and_then(|at| usize::try_from(at.value).ok()),
            headers: headers(section),
            sticky: section.boolean("sticky").is_some_and(|at| at.value),
        }
    }

    /// The backend, and what the route passes on to it.
    pub(super) fn built(
        self,
        id: BackendId,
        label: &str,
        limits: &SessionLimits,
        narrows_subprotocols: bool,
    ) -> (Backend, BackendRoute) {
        let message_bytes = self.message_bytes.unwrap_or(limits.codec.message_bytes);
        let backend = Backend {
            label: label.into(),
            upstreams: self.upstreams.into_iter().map(|endpoint| Arc::new(Upstream::new(endpoint))).collect(),
            roots: self.roots,
            timeout: self.timeout,
            health_interval: self.health_interval,
            sticky: self.sticky,
            limits: codec::Limits { message_bytes, ..limits.codec },
            ping_interval: limits.ping_interval,
            pong_timeout: limits.pong_timeout,
            turn: AtomicUsize::new(0),
        };
        (backend, BackendRoute { id, headers: self.headers, narrows_subprotocols })
    }
}

fn upstreams(section: &mut Section<'_>) -> Vec<At<Endpoint>> {
    const HELP: &str = "write such as `upstream = [\"ws://127.0.0.1:8080/\"]`";
    if section.place("upstream").is_none() {
        section.missing("upstream", HELP);
    }
    let Some(list) = section.strings("upstream") else { return Vec::new() };
    if list.value.is_empty() {
        section.bad("upstream", list.span, "is empty, so there is no backend", HELP);
        return Vec::new();
    }
    let mut upstreams: Vec<At<Endpoint>> = Vec::new();
    for At { value, span } in list.value {
        match Endpoint::parse(&value) {
            Ok(endpoint) if !matches!(endpoint.scheme(), Scheme::Ws | Scheme::Wss | Scheme::Unix) => {
                let why = "has a scheme that is not spoken to a backend";
                section.bad("upstream", span, why, "the schemes are ws://, wss:// and unix:");
            }
            Ok(endpoint) if upstreams.iter().any(|known| known.value == endpoint) => {
                section.bad("upstream", span, "names an upstream twice", "leave one of them out");
            }
            Ok(endpoint) => upstreams.push(At { value: endpoint, span }),
            Err(fault) => section.bad("upstream", span, &fault.to_string(), HELP),
        }
    }
    upstreams.iter().for_each(|upstream| point_out_cleartext(section, upstream));
    upstreams
}

/// Without TLS whoever sits between reads along, and can be the backend.
fn point_out_cleartext(section: &Section<'_>, upstream: &At<Endpoint>) {
    let endpoint = &upstream.value;
    if endpoint.scheme() == Scheme::Ws && !endpoint.is_loopback() {
        let message = format!("`upstream` {} is reached without TLS", quoted(&endpoint.to_string()));
        let cost = "who sits on the way to it reads and writes every message; wss:// keeps them out";
        section.notes().warning(Some(upstream.span.clone()), message, cost);
    }
}

/// `upstream_roots`, or the system's where an upstream of `wss` is to be trusted.
fn roots(section: &mut Section<'_>, folder: &Folder, upstreams: &[At<Endpoint>]) -> Option<Roots> {
    let by_tls = upstreams.iter().find(|upstream| upstream.value.scheme() == Scheme::Wss);
    match (section.string("upstream_roots"), by_tls) {
        (None, None) => None,
        (None, Some(upstream)) => match Roots::system() {
            Ok(roots) => Some(roots),
            Err(fault) => {
                section.bad("upstream", upstream.span.clone(), fault.message, fault.help);
                None
            }
        },
        (Some(path), None) => {
            let help = "take it out, or write wss:// in `upstream`";
            section.bad("upstream_roots", path.span, "has no upstream of wss:// to vouch for", help);
            None
        }
        (Some(path), Some(_)) => match folder.public(&path.value, PEM_BYTES_MAX) {
            Ok(pem) => match Roots::from_pem(&pem) {
                Ok(roots) => Some(roots),
                Err(fault) => {
                    section.bad("upstream_roots", path.span, fault.message, fault.help);
                    None
                }
            },
            Err(fault) => {
                section.notes().error(Some(path.span), fault.message, fault.help);
                None
            }
        },
    }
}

fn headers(section: &mut Section<'_>) -> Vec<HeaderName> {
    let Some(list) = section.strings("forward_headers") else { return Vec::new() };
    let mut names: Vec<HeaderName> = Vec::new();
    for At { value, span } in list.value {
        let bad = |why: &str, help: &str| section.bad("forward_headers", span.clone(), why, help);
        // Names with _ or . are read as others by some backends (CVE-2026-39858).
        let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
        let name = HeaderName::from_bytes(value.as_bytes()).ok();
        match name.filter(|_| !value.is_empty() && value.bytes().all(is_plain)) {
            None => {
                bad(&format!("has {}, which is no name of a field", quoted(&value)), "letters, digits and -")
            }
            Some(name) if is_reserved(name.as_str()) => {
                let why = format!("has {}, which a backend must not get from a peer", quoted(&value));
                bad(&why, "take it out: the gateway writes its own, or the field is for the gateway alone");
            }
            Some(name) if names.contains(&name) => bad("names a field twice", "leave one of them out"),
            Some(name) => names.push(name),
        }
    }
    names
}

/// What authenticates, routes, frames, or could be taken for a word of the gateway's.
fn is_reserved(name: &str) -> bool {
    const NAMES: [&str; 18] = [
        "authorization",
        "cookie",
        "connection",
        "content-length",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "origin",
        "remote-user",
        "te",
        "trailer",
        "transfer-encoding",
        "true-client-ip",
        "upgrade",
        "via",
        "cf-connecting-ip",
        "client-ip",
    ];
    const PREFIXES: [&str; 7] =
        ["portcullis-", "sec-", "proxy-", "x-forwarded", "x-real-", "x-auth", "x-original-"];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

const TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
const TIMEOUT_MAX: Duration = Duration::from_secs(60);
const HEALTH_MIN: Duration = Duration::from_millis(500);
const HEALTH_MAX: Duration = Duration::from_secs(600);
const MESSAGE_BYTES_MAX: u64 = 64 << 20;
