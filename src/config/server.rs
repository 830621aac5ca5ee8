//! Owns `[server]`: where to listen, under which names, with how many workers.
//! Never knows a certificate beyond the names that it was asked for.

use super::document::{At, Section};
use super::mask::quoted;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

/// `[server]`, as far as the gateway needs it.
#[derive(Clone, Debug)]
pub struct Server {
    /// `listen`.
    pub listen: Vec<SocketAddr>,
    /// `workers`, one per core where it says 0.
    pub workers: NonZeroUsize,
    /// `drain_timeout`: from the signal to the exit at most.
    pub drain_timeout: Duration,
}

/// What `[server]` says.
pub(super) struct ServerFacts {
    pub(super) server: Server,
    /// `hosts`, where it is there.
    pub(super) hosts: Option<At<Vec<At<String>>>>,
}

/// Takes `[server]`.
pub(super) fn read(mut section: Section<'_>, cores: NonZeroUsize) -> ServerFacts {
    let listen = listen(&mut section);
    let hosts = section.strings("hosts");
    if let Some(hosts) = hosts.as_ref().filter(|hosts| hosts.value.is_empty()) {
        let help = "list the names that are served, or leave the key out for those of the certificate";
        section.bad("hosts", hosts.span.clone(), "is empty, so every handshake would be refused", help);
    }
    let workers = section.number("workers", 0..=WORKERS_MAX);
    let workers = workers.and_then(|at| usize::try_from(at.value).ok()).and_then(NonZeroUsize::new);
    proxies(&mut section);
    let drain_timeout = section.duration("drain_timeout", DRAIN_TIMEOUT_MIN..=DRAIN_TIMEOUT_MAX);
    section.finish();
    ServerFacts {
        server: Server {
            listen,
            workers: workers.unwrap_or(cores),
            drain_timeout: drain_timeout.map_or(DRAIN_TIMEOUT, |at| at.value),
        },
        hosts,
    }
}

fn listen(section: &mut Section<'_>) -> Vec<SocketAddr> {
    let Some(list) = section.strings("listen") else { return vec![LISTEN] };
    if list.value.is_empty() {
        section.bad("listen", list.span, "is empty", "write `listen = [\"0.0.0.0:8443\"]`");
        return Vec::new();
    }
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for At { value, span } in list.value {
        match value.parse::<SocketAddr>() {
            Ok(address) if addresses.contains(&address) && address.port() != 0 => {
                section.bad("listen", span, "names an address twice", "leave one of them out");
            }
            Ok(address) => addresses.push(address),
            Err(_) => {
                let why = format!("has {}, which is not an address with a port", quoted(&value));
                let help =
                    "write an address, not a name, and a port, such as \"0.0.0.0:8443\" or \"[::]:8443\"";
                section.bad("listen", span, &why, help);
            }
        }
    }
    addresses
}

fn proxies(section: &mut Section<'_>) {
    if let Some(mode) = section.string("proxy_protocol") {
        match mode.value.as_str() {
            "off" => {}
            "required" => section.bad(
                "proxy_protocol",
                mode.span,
                "= \"required\" is not supported in this version",
                "write \"off\", and let the gateway itself take the connections",
            ),
            _ => section.bad(
                "proxy_protocol",
                mode.span,
                "is neither \"off\" nor \"required\"",
                "write \"off\"",
            ),
        }
    }
    if let Some(proxies) = section.strings("trusted_proxies").filter(|list| !list.value.is_empty()) {
        let help =
            "write `trusted_proxies = []`; behind a proxy every peer has the proxy's address, and its limits";
        section.bad("trusted_proxies", proxies.span, "is not supported in this version", help);
    }
}

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 8443);
const WORKERS_MAX: u64 = 1024;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
const DRAIN_TIMEOUT_MIN: Duration = Duration::from_secs(1);
const DRAIN_TIMEOUT_MAX: Duration = Duration::from_secs(3600);
