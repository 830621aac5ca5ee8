//! Owns `[server]`: where to listen, under which names, with how many workers.
//! Never knows a certificate beyond the names that it was asked for.

use super::document::{At, Section};
use super::mask::quoted;
use crate::net::ProxyProtocol;
use crate::peer::TrustedProxies;
use crate::sandbox;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
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
    /// `trusted_proxies`: whose word about a client's address counts.
    pub proxies: TrustedProxies,
    /// `proxy_protocol`: how they give it.
    pub proxy_protocol: ProxyProtocol,
    /// `sandbox`: whether the process gives up what it needs no more.
    pub sandbox: sandbox::Mode,
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
    let (proxies, proxy_protocol) = proxies(&mut section);
    let drain_timeout = section.duration("drain_timeout", DRAIN_TIMEOUT_MIN..=DRAIN_TIMEOUT_MAX);
    let sandbox = sandbox(&mut section);
    section.finish();
    ServerFacts {
        server: Server {
            listen,
            workers: workers.unwrap_or(cores),
            drain_timeout: drain_timeout.map_or(DRAIN_TIMEOUT, |at| at.value),
            proxies,
            proxy_protocol,
            sandbox,
        },
        hosts,
    }
}

fn sandbox(section: &mut Section<'_>) -> sandbox::Mode {
    let Some(mode) = section.string("sandbox") else { return sandbox::Mode::Auto };
    match mode.value.as_str() {
        "auto" => sandbox::Mode::Auto,
        "off" => {
            let cost = "whoever takes the process over may run programs, read files and open connections as its user";
            section.loosened("sandbox", mode.span, "\"auto\"", cost);
            sandbox::Mode::Off
        }
        _ => {
            section.bad("sandbox", mode.span, "is neither \"auto\" nor \"off\"", "write \"auto\"");
            sandbox::Mode::Auto
        }
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

/// `trusted_proxies` and `proxy_protocol`.
fn proxies(section: &mut Section<'_>) -> (TrustedProxies, ProxyProtocol) {
    let mode = section.string("proxy_protocol");
    let list = section.strings("trusted_proxies");
    let mut networks = Vec::new();
    for At { value, span } in list.map(|list| list.value).unwrap_or_default() {
        match value.parse::<IpNet>().or_else(|_| value.parse::<IpAddr>().map(IpNet::from)) {
            Ok(network) if network.prefix_len() == 0 => {
                let why = "trusts every address there is, so every peer could choose its own";
                section.bad("trusted_proxies", span, why, "list the addresses of the proxies alone");
            }
            Ok(network) => networks.push(network.trunc()),
            Err(_) => {
                let why = format!("has {}, which is no network", quoted(&value));
                let help = "write networks, such as \"10.0.0.0/8\" or \"2001:db8::/32\", or addresses";
                section.bad("trusted_proxies", span, &why, help);
            }
        }
    }
    let required = match mode {
        None => false,
        Some(mode) => match mode.value.as_str() {
            "off" => false,
            "required" => {
                if networks.is_empty() {
                    let why = "= \"required\" without `trusted_proxies` would refuse every connection";
                    section.bad("proxy_protocol", mode.span, why, "list the proxies in `trusted_proxies`");
                }
                true
            }
            _ => {
                let why = "is neither \"off\" nor \"required\"";
                section.bad("proxy_protocol", mode.span, why, "write \"off\"");
                false
            }
        },
    };
    let protocol = if required { ProxyProtocol::Required } else { ProxyProtocol::Off };
    (TrustedProxies::new(networks), protocol)
}

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 8443);
const WORKERS_MAX: u64 = 1024;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
const DRAIN_TIMEOUT_MIN: Duration = Duration::from_secs(1);
const DRAIN_TIMEOUT_MAX: Duration = Duration::from_secs(3600);
