//! Owns the configuration that a test starts the gateway with.
//! Never knows what the gateway makes of it.

use super::given::Given;
use super::keys::{Alg, SigningKey};
use super::pki::Ca;
use super::{AUDIENCE, ISSUER, ORIGIN, ORIGIN_WILDCARD, OTHER_HOST};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use tempfile::TempDir;
use toml::{Table, Value};

/// A configuration in the making: the tests' defaults, over which a test lays its own TOML.
pub(crate) struct Setup {
    pub(crate) dir: TempDir,
    pub(crate) ca: Ca,
    pub(crate) keys: Vec<SigningKey>,
    pub(crate) address: SocketAddr,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    /// Listening sockets that the process is given, as a service manager does.
    pub(crate) given: Vec<Given>,
    /// A program that starts the gateway, with its arguments.
    pub(crate) starter: Vec<String>,
    /// Where the gateway's program is.
    pub(crate) program: PathBuf,
    table: Table,
    tail: String,
}

impl Setup {
    /// One route `/chat/{room}`, one ES256 key, an internal Unix socket, limits out of the way.
    pub(crate) fn new() -> Setup {
        Setup::with_keys(&[Alg::Es256])
    }

    /// The same with one key an algorithm.
    pub(crate) fn with_keys(algs: &[Alg]) -> Setup {
        let dir = tempfile::Builder::new().prefix("pc-").tempdir().expect("a folder");
        let ca = Ca::new();
        let address = free_address();
        let keys: Vec<SigningKey> = algs.iter().map(|alg| SigningKey::generate(*alg)).collect();
        let names: Vec<String> =
            ["localhost", OTHER_HOST, "127.0.0.1", "::1"].iter().map(|&name| name.to_owned()).collect();
        let leaf = ca.server(&names);
        let setup = Setup {
            table: defaults(address, &keys),
            tail: String::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            given: Vec::new(),
            starter: Vec::new(),
            program: super::gateway::binary(),
            dir,
            ca,
            keys,
            address,
        };
        setup.put("ca.pem", setup.ca.pem(), 0o644);
        setup.put("server.pem", &leaf.certificate, 0o644);
        setup.put("server.key", &leaf.private_key, 0o600);
        for key in &setup.keys {
            setup.put_key(key);
        }
        setup
    }

    /// Lays TOML over what is there: tables are merged, everything else is replaced.
    pub(crate) fn toml(mut self, text: &str) -> Setup {
        self.lay_over(text);
        self
    }

    /// The same later: [`Setup::write`] makes a file of it.
    pub(crate) fn lay_over(&mut self, text: &str) {
        let over: Table = text.parse().unwrap_or_else(|fault| panic!("the test's own TOML: {fault}\n{text}"));
        merge(&mut self.table, over);
    }

    /// A relayed twin of the tests' room beside it, `/back/{room}`, with the keys of the room's own route;
    /// none where the test has no such room.
    pub(crate) fn relayed_to(&mut self, upstream: &str) -> bool {
        let routes = self.table.get_mut("route").and_then(Value::as_array_mut).expect("routes");
        let is_room = |route: &&Value| route["path"].as_str() == Some("/chat/{room}");
        let Some(mut twin) = routes.iter().find(is_room).cloned() else { return false };
        let keys = twin.as_table_mut().expect("a route");
        for (key, value) in [
            ("path", Value::from("/back/{room}")),
            ("kind", Value::from("proxy")),
            ("upstream", Value::from(vec![upstream])),
        ] {
            keys.insert(key.to_owned(), value);
        }
        routes.push(twin);
        true
    }

    /// Takes a whole section away.
    pub(crate) fn without(mut self, section: &str) -> Setup {
        self.table.remove(section);
        self
    }

    /// Text that is appended as it is, also when it is no TOML.
    pub(crate) fn raw(mut self, text: &str) -> Setup {
        self.tail.push_str(text);
        self
    }

    /// An argument behind `serve --config FILE`.
    pub(crate) fn argument(mut self, argument: &str) -> Setup {
        self.arguments.push(argument.to_owned());
        self
    }

    /// An environment variable of the gateway.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Setup {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A listening socket that the process is given under this name, each time that it starts.
    pub(crate) fn given(mut self, name: &str, socket: impl Into<OwnedFd>) -> Setup {
        self.given.push(Given::new(name, socket.into()));
        self
    }

    /// The program that starts the gateway, with its arguments.
    pub(crate) fn starter(mut self, words: &[&str]) -> Setup {
        self.starter = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Another copy of the gateway's program.
    pub(crate) fn program(mut self, path: &Path) -> Setup {
        self.program = path.to_owned();
        self
    }

    /// A file beside the configuration.
    pub(crate) fn file(self, name: &str, octets: impl AsRef<[u8]>, mode: u32) -> Setup {
        self.put(name, octets, mode);
        self
    }

    /// Writes a file beside the configuration.
    pub(crate) fn put(&self, name: &str, octets: impl AsRef<[u8]>, mode: u32) {
        write_file(&self.dir.path().join(name), octets, mode);
    }

    fn put_key(&self, key: &SigningKey) {
        if key.alg == Alg::Hs256 {
            self.put(&key_file(key), &key.secret, 0o600);
        } else {
            self.put(&key_file(key), &key.public_pem, 0o644);
        }
    }

    /// The table of one key, to be written under `[[auth.issuer]]`.
    pub(crate) fn key_toml(key: &SigningKey) -> String {
        let place = if key.alg == Alg::Hs256 { "secret_file" } else { "file" };
        format!("{{ {place} = '{}', kid = '{}', algorithm = '{}' }}", key_file(key), key.kid, key.alg.name())
    }

    /// Where `portcullis.toml` is.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("portcullis.toml")
    }

    /// Writes `portcullis.toml` and says where.
    pub(crate) fn write(&self) -> PathBuf {
        let path = self.config();
        let text = toml::to_string(&self.table).expect("TOML");
        write_file(&path, text + "\n" + &self.tail, 0o644);
        path
    }

    pub(crate) fn start(self) -> super::Gateway {
        super::Gateway::start_with(self)
    }
}

/// Writes a file with this mode.
pub(crate) fn write_file(path: &Path, octets: impl AsRef<[u8]>, mode: u32) {
    fs::write(path, octets).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

fn key_file(key: &SigningKey) -> String {
    format!("jwt-{}.pem", key.kid)
}

fn defaults(address: SocketAddr, keys: &[SigningKey]) -> Table {
    let algorithms: Vec<String> = keys.iter().map(|key| format!("'{}'", key.alg.name())).collect();
    let key_tables: Vec<String> = keys.iter().map(Setup::key_toml).collect();
    let text = format!(
        "[server]
        listen = ['{address}']
        hosts = ['localhost', '127.0.0.1', '[::1]', '{OTHER_HOST}']
        workers = 2
        [tls]
        certificate = 'server.pem'
        private_key = 'server.key'
        [origins]
        allow = ['{ORIGIN}', '{ORIGIN_WILDCARD}']
        [auth]
        credentials = ['header', 'subprotocol', 'cookie']
        [[auth.issuer]]
        issuer = '{ISSUER}'
        audience = '{AUDIENCE}'
        algorithms = [{}]
        key = [{}]
        [limits]
        connections_per_ip = 5000
        connections_per_subject = 5000
        handshakes_per_ip = '5000/s burst 10000'
        failed_credentials_per_ip = '5000/s burst 10000'
        [[route]]
        path = '/chat/{{room}}'
        kind = 'broadcast'
        [[route]]
        path = '/events/{{room}}'
        sse = true
        [[route]]
        path = '/.well-known/mercure'
        kind = 'mercure'
        [internal]
        listen = 'unix:internal.sock'
        ",
        algorithms.join(", "),
        key_tables.join(", "),
    );
    text.parse().expect("the tests' TOML")
}

fn merge(base: &mut Table, over: Table) {
    for (name, value) in over {
        match (base.get_mut(&name), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => merge(inner, value),
            (_, value) => {
                base.insert(name, value);
            }
        }
    }
}

/// A loopback address of this process alone and a port that is free there: gateways that share
/// their port by SO_REUSEPORT would else take each other's connections.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let pid = std::process::id().to_be_bytes();
    let second = 64 + (pid[1] & 31) + 32 * (NEXT.fetch_add(1, Ordering::Relaxed) & 1);
    let own = Ipv4Addr::new(127, second, pid[2], pid[3].clamp(1, 254));
    TcpListener::bind((own, 0)).and_then(|listener| listener.local_addr()).expect("a free port")
}
