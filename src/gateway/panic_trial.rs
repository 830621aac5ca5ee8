//! Owns the trial of a fault of ours in one session, over real TLS.
//! Never knows where faults come from: it asks for one.

use super::parts;
use crate::auth::{ClaimPaths, SigningKey, TokenFacts};
use crate::config::{self, Loaded};
use crate::ledger::{Format, Level, Log};
use crate::net::{self, trial};
use crate::room::RoomPattern;
use crate::sandbox::{self, Needs, Reach};
use rcgen::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::ServerName;
use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const CONFIGURATION: &str = r#"
[server]
listen = ["127.0.0.1:8443"]
hosts = ["localhost"]
workers = 1
sandbox = "off"
[tls]
certificate = "server.pem"
private_key = "server.key"
[origins]
allow = ["https://app.example.test"]
[auth]
credentials = ["header"]
[[auth.issuer]]
issuer = "https://id.example.test"
audience = "chat"
algorithms = ["ES256"]
[[auth.issuer.key]]
file = "jwt.pem"
kid = "one"
algorithm = "ES256"
[[route]]
path = "/chat/{room}"
protocol = "raw"
"#;

/// One worker in this process, and how to get to it.
struct Trial {
    shared: Arc<net::Shared>,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    token: String,
}

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, text).expect("a file");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("a mode");
}

/// Writes the public key, and makes a token by the private one.
fn token(folder: &Path) -> String {
    let keys = SigningKey::generate().expect("a key");
    put(folder, "jwt.pem", &keys.public_pem);
    let everything = [RoomPattern::parse("*").expect("a pattern")];
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let facts = TokenFacts {
        issuer: "https://id.example.test",
        audience: "chat",
        typ: "JWT",
        kid: Some("one"),
        subject: "alice",
        subscribe: &everything,
        publish: &everything,
        issued_at: now,
        expires_at: now + 600,
        jti: Some("one"),
        bound_to: None,
    };
    let key = SigningKey::from_pem(&keys.private_pem).expect("a key");
    key.mint(&facts, &ClaimPaths::default()).expect("a token")
}

impl Trial {
    fn begin() -> Trial {
        let folder = tempfile::tempdir().expect("a folder");
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        put(folder.path(), "server.pem", &cert.pem());
        put(folder.path(), "server.key", &signing_key.serialize_pem());
        let token = token(folder.path());
        put(folder.path(), "portcullis.toml", CONFIGURATION);
        let loaded = config::load(&folder.path().join("portcullis.toml"));
        let Loaded { server, tls, gate, limits, endpoints, .. } =
            loaded.unwrap_or_else(|_| panic!("a configuration"));
        let needs = Needs {
            read: Vec::new(),
            replace: None,
            remove: None,
            reach: Reach::of(&endpoints),
            hand_over: false,
        };
        let beside = parts::Beside {
            page: None,
            revocations: crate::auth::Revocations::default(),
            sandbox: sandbox::enter(server.sandbox, &needs),
            events: None,
            authorize: None,
        };
        let assertions = parts::assertions(None).unwrap_or_else(|_| panic!("a key"));
        let rules = parts::rules(gate, tls, &limits, parts::Backing { backends: Vec::new(), assertions });
        let log = Log::to_stderr(Level::Error, Format::Json).expect("a log");
        let mut whole = parts::whole(rules, &limits, &server, log, beside);
        let (shared, orders) = (whole.shared, whole.orders.pop().expect("one worker"));

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || net::run(0, theirs, vec![listener], orders).expect("a worker"));

        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Trial { shared, address, tls: Arc::new(tls), token }
    }

    fn enter(&self) -> Peer {
        let socket = TcpStream::connect(self.address).expect("a connection");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(Arc::clone(&self.tls), name).expect("a connection");
        let mut peer = Peer(StreamOwned::new(tls, socket));
        let head = format!(
            "GET /chat/lobby HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Origin: https://app.example.test\r\nAuthorization: Bearer {}\r\n\r\n",
            self.token
        );
        peer.0.write_all(head.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut octet = [0];
            peer.0.read_exact(&mut octet).expect("an answer");
            answer.extend(octet);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
        peer
    }

    fn metrics(&self) -> String {
        self.shared.ledger.metrics(self.shared.hub.rooms(), false, &[])
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

/// The other end of a WebSocket that is kept to short messages.
struct Peer(StreamOwned<ClientConnection, TcpStream>);

impl Peer {
    fn say(&mut self, text: &str) {
        let length = u8::try_from(text.len()).expect("short");
        let head = [0x81, 0x80 | length, 0, 0, 0, 0];
        self.0.write_all(&[&head, text.as_bytes()].concat()).and_then(|()| self.0.flush()).expect("sent");
    }

    /// The first octet and the payload of the next frame.
    fn hear(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).expect("a frame");
        let mut payload = vec![0; usize::from(head[1])];
        self.0.read_exact(&mut payload).expect("a frame");
        (head[0], payload)
    }
}

#[test]
fn a_panic_in_one_session_closes_it_with_1011_and_the_others_and_the_worker_go_on() {
    let trial = Trial::begin();
    let (mut alice, mut bob, mut carol) = (trial.enter(), trial.enter(), trial.enter());
    alice.say("before");
    assert_eq!((bob.hear(), carol.hear()), ((0x81, b"before".to_vec()), (0x81, b"before".to_vec())));
    // Bob's is the second session of the worker.
    trial::panic_in(1);
    bob.say("this is where it breaks");
    assert_eq!(bob.hear(), (0x88, [&1011_u16.to_be_bytes()[..], b"internal_error"].concat()));
    assert_eq!(bob.0.read(&mut [0]).expect("an end of TLS"), 0);

    alice.say("after");
    assert_eq!(carol.hear(), (0x81, b"after".to_vec()), "and nothing of what broke");
    let mut dave = trial.enter();
    dave.say("a newcomer");
    assert_eq!((alice.hear().1, carol.hear().1), (b"a newcomer".to_vec(), b"a newcomer".to_vec()));
    let metrics = trial.metrics();
    for line in [
        "portcullis_panics_total 1",
        "portcullis_sessions 3",
        "portcullis_closes_total{reason=\"internal_error\",code=\"1011\"} 1",
    ] {
        assert!(metrics.lines().any(|own| own == line), "{line}: {metrics}");
    }
}
