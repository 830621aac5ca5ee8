//! Owns one running gateway: its certificate, its keys, its configuration, its end.
//! Never knows what is measured.

use crate::Fault;
use crate::cores::Cores;
use crate::meter::Meter;
use portcullis::auth::{ClaimPaths, SigningKey, TokenFacts};
use portcullis::room::RoomPattern;
use rcgen::CertifiedKey;
use rustls::RootCertStore;
use std::fs::{self, File, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

/// The origin that is allowed.
pub(crate) const ORIGIN: &str = "https://load.example.test";

const ISSUER: &str = "https://id.example.test";
const AUDIENCE: &str = "load";
const TOKEN_SECS: u64 = 3600;
const START_WITHIN: Duration = Duration::from_secs(10);
const LOG_TAIL_LINES: usize = 5;

/// The gateway under load. It ends with this value.
pub(crate) struct Server {
    child: Child,
    folder: TempDir,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What its certificate is verified by.
    pub(crate) roots: RootCertStore,
    /// A token that may receive from and send into every room.
    pub(crate) token: String,
}

impl Server {
    /// Starts the binary and waits until it listens.
    pub(crate) fn start(binary: &Path, cores: &Cores) -> Result<Server, Fault> {
        let folder = tempfile::Builder::new().prefix("portcullis-load-").tempdir()?;
        let address = free_address()?;
        let roots = put_certificate(folder.path())?;
        let token = put_signing_key(folder.path())?;
        put(folder.path(), "portcullis.toml", &configuration(address))?;
        let child = cores
            .command(binary)
            .args(["serve", "--config"])
            .arg(folder.path().join("portcullis.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join(LOG))?)
            .spawn()?;
        let mut server = Server { child, folder, address, roots, token };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    fn wait_until_it_listens(&mut self) -> Result<(), Fault> {
        let deadline = Instant::now() + START_WITHIN;
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the server ended: {status}\n{}", self.log_tail()).into());
            }
            if Instant::now() > deadline {
                return Err(format!("the server does not listen\n{}", self.log_tail()).into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// What it uses of the machine.
    pub(crate) fn meter(&self) -> Meter {
        Meter::of(self.child.id())
    }

    /// The last lines that it logged.
    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(LOG_TAIL_LINES)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is left to be done when it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on at this moment.
fn free_address() -> Result<SocketAddr, Fault> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn put_certificate(folder: &Path) -> Result<RootCertStore, Fault> {
    let names = ["localhost".to_owned(), Ipv4Addr::LOCALHOST.to_string()];
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names)?;
    put(folder, "server.pem", &cert.pem())?;
    put(folder, "server.key", &signing_key.serialize_pem())?;
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone())?;
    Ok(roots)
}

/// Writes the public key, and makes a token by the private one.
fn put_signing_key(folder: &Path) -> Result<String, Fault> {
    let fault = |fault| format!("{fault}");
    let keys = SigningKey::generate().map_err(fault)?;
    put(folder, "jwt.pem", &keys.public_pem)?;
    let everything = RoomPattern::parse("*").into_iter().collect::<Vec<_>>();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let facts = TokenFacts {
        issuer: ISSUER,
        audience: AUDIENCE,
        typ: "JWT",
        kid: Some("load"),
        subject: "load",
        subscribe: &everything,
        publish: &everything,
        issued_at: now,
        expires_at: now + TOKEN_SECS,
        jti: Some("load"),
        bound_to: None,
    };
    let key = SigningKey::from_pem(&keys.private_pem).map_err(fault)?;
    Ok(key.mint(&facts, &ClaimPaths::default()).map_err(fault)?)
}

fn put(folder: &Path, name: &str, text: &str) -> Result<(), Fault> {
    let path = folder.join(name);
    fs::write(&path, text)?;
    Ok(fs::set_permissions(path, Permissions::from_mode(0o600))?)
}

/// One worker, one room that echoes, and every limit out of the way.
fn configuration(address: SocketAddr) -> String {
    format!(
        r#"
[server]
listen = ["{address}"]
hosts = ["localhost", "127.0.0.1"]
workers = 1
[tls]
certificate = "server.pem"
private_key = "server.key"
[origins]
allow = ["{ORIGIN}"]
[auth]
credentials = ["header"]
[[auth.issuer]]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
algorithms = ["ES256"]
[[auth.issuer.key]]
file = "jwt.pem"
kid = "load"
algorithm = "ES256"
[limits]
connections_per_ip = 100000
connections_per_subject = 100000
handshakes_per_ip = "1000000/s burst 1000000"
failed_credentials_per_ip = "1000000/s burst 1000000"
messages_per_connection = "1000000/s burst 1000000"
bytes_per_connection = "900MiB/s burst 3GiB"
send_queue = "4MiB"
[[route]]
path = "/chat/{{room}}"
kind = "broadcast"
protocol = "raw"
echo = true
"#
    )
}

const LOG: &str = "server.log";
