//! Owns where the attacks go: a gateway of our own, or an endpoint that the environment names.
//! Never knows an attack.
//!
//! `PENTEST_TARGET=wss://host[:port]/path` points the suite at another endpoint, with
//! `PENTEST_ORIGIN`, `PENTEST_TOKEN` and `PENTEST_CA` (a PEM file) for its honest request. It gets
//! `PENTEST_RATE` connections a second (8 unless that says otherwise), so that it is its checks that
//! refuse an attack and not its limits.

use super::conn::Conn;
use super::gateway::Gateway;
use super::handshake::Handshake;
use super::relayed::Relayed;
use super::setup::Setup;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How a connection gets to the target.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    pub(crate) server_name: String,
    pub(crate) host: String,
    pub(crate) tls: Arc<ClientConfig>,
    /// The time between two connections, where the endpoint's limits are not ours to lift.
    pub(crate) pause: Option<Duration>,
}

impl Place {
    pub(crate) fn of_setup(setup: &Setup) -> Place {
        Place::at(setup.address, setup.ca.roots())
    }

    /// A gateway of ours at this address, known by these roots.
    pub(crate) fn at(address: SocketAddr, roots: RootCertStore) -> Place {
        Place {
            address,
            server_name: "localhost".to_owned(),
            host: format!("localhost:{}", address.port()),
            tls: Arc::new(tls_config(roots)),
            pause: None,
        }
    }

    /// Waits for this connection's turn.
    pub(crate) fn pace(&self) {
        static NEXT: Mutex<Option<Instant>> = Mutex::new(None);
        let Some(pause) = self.pause else { return };
        let now = Instant::now();
        let mut next = NEXT.lock().expect("a lock");
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn + pause);
        drop(next);
        std::thread::sleep(turn - now);
    }
}

/// TLS as a careful peer speaks it: our provider, no ALPN, only these roots.
pub(crate) fn tls_config(roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// What is attacked.
pub(crate) struct Target {
    pub(crate) place: Place,
    /// `None` when the endpoint is not ours: then only the answers can be judged.
    pub(crate) gateway: Option<Gateway>,
    /// Who is behind the relayed twin of the room, where that is there.
    pub(crate) backend: Option<Relayed>,
    honest: Handshake,
}

impl Target {
    /// The endpoint that the environment names, else a gateway with the tests' defaults.
    pub(crate) fn get() -> Target {
        Target::foreign().unwrap_or_else(|| Target::own(Setup::new()))
    }

    fn own(mut setup: Setup) -> Target {
        let backend = Relayed::start();
        let backend = setup.relayed_to(&backend.url()).then_some(backend);
        let gateway = setup.start();
        Target {
            place: gateway.place().clone(),
            honest: gateway.handshake(),
            gateway: Some(gateway),
            backend,
        }
    }

    /// A gateway of our own with this TOML; `None` where the attack goes to an endpoint that is not
    /// ours, whose configuration and keys a test cannot choose.
    pub(crate) fn with(toml: &str) -> Option<Target> {
        Target::with_setup(|| Setup::new().toml(toml))
    }

    pub(crate) fn with_setup(setup: impl FnOnce() -> Setup) -> Option<Target> {
        if std::env::var_os("PENTEST_TARGET").is_some() {
            eprintln!("skipped: this attack needs a configuration of its own");
            return None;
        }
        Some(Target::own(setup()))
    }

    fn foreign() -> Option<Target> {
        let url = std::env::var("PENTEST_TARGET").ok()?;
        let rest = url.strip_prefix("wss://").expect("PENTEST_TARGET is wss://host[:port]/path");
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (name, port) = match authority.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port.parse().expect("a port")),
            _ => (authority, 443),
        };
        let name = name.trim_matches(['[', ']']);
        let address = (name, port).to_socket_addrs().expect("an address").next().expect("an address");
        let mut roots = RootCertStore::empty();
        let ca = std::env::var("PENTEST_CA").expect("PENTEST_CA is the PEM file of the target's CA");
        for certificate in CertificateDer::pem_file_iter(ca).expect("a PEM file") {
            roots.add(certificate.expect("a certificate")).expect("a CA certificate");
        }
        let origin = std::env::var("PENTEST_ORIGIN").unwrap_or_else(|_| format!("https://{authority}"));
        let token = std::env::var("PENTEST_TOKEN").expect("PENTEST_TOKEN is a token that the target admits");
        let rate = std::env::var("PENTEST_RATE").map_or(8.0, |rate| rate.parse().expect("a number"));
        let place = Place {
            address,
            server_name: name.to_owned(),
            host: authority.to_owned(),
            tls: Arc::new(tls_config(roots)),
            pause: Some(Duration::from_secs(1).div_f64(rate)),
        };
        let honest = Handshake::good(&place.host, &format!("/{path}"), &origin, &token);
        Some(Target { place, gateway: None, backend: None, honest })
    }

    /// The honest request, from which every attack is made by one change.
    pub(crate) fn handshake(&self) -> Handshake {
        self.honest.clone()
    }

    /// The honest requests for a WebSocket: for the room, and for its relayed twin where that is there.
    pub(crate) fn handshakes(&self) -> Vec<Handshake> {
        let twin = self.backend.as_ref().and_then(|_| self.handshake().for_backend());
        [Some(self.handshake()), twin].into_iter().flatten().collect()
    }

    pub(crate) fn connect(&self) -> Conn {
        Conn::open(&self.place)
    }
}
