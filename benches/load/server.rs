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
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

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
    keys: [SigningKey; 2],
}

/// Whose signature a token bears.
#[derive(Clone, Copy)]
pub(crate) enum Key {
    First,
    /// The one that `withdraw_second_key` withdraws.
    Second,
}

impl Server {
    /// Starts the binary and waits until it listens.
    pub(crate) fn start(binary: &Path, cores: &Cores) -> Result<Server, Fault> {
        let folder = tempfile::Builder::new().prefix("portcullis-load-").tempdir()?;
        let address = free_address()?;
        let roots = put_certificate(folder.path())?;
        let keys =
            [put_signing_key(folder.path(), Key::First)?, put_signing_key(folder.path(), Key::Second)?];
        let token = mint(&keys, Key::First, "load")?;
        put(folder.path(), CONFIGURATION, &configuration(address, folder.path(), SECOND_KEY))?;
        let child = cores
            .command(binary)
            .args(["serve", "--config"])
            .arg(folder.path().join(CONFIGURATION))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join(LOG))?)
            .spawn()?;
        let mut server = Server { child, folder, address, roots, token, keys };
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

    /// A token of a subject that may receive from and send into every room.
    pub(crate) fn token_for(&self, key: Key, subject: &str) -> Result<String, Fault> {
        mint(&self.keys, key, subject)
    }

    /// The configuration without the second key, which takes at the next reload.
    pub(crate) fn withdraw_second_key(&self) -> Result<(), Fault> {
        put(self.folder.path(), CONFIGURATION, &configuration(self.address, self.folder.path(), ""))
    }

    /// Posts to the internal port, and waits for the 200.
    pub(crate) async fn ask(&self, path: &str, body: &str) -> Result<(), Fault> {
        let mut socket = UnixStream::connect(self.folder.path().join(INTERNAL)).await?;
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        socket.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await?;
        if answer.starts_with("HTTP/1.1 200 ") {
            return Ok(());
        }
        Err(format!("{path}: {}", answer.lines().next().unwrap_or("no answer")).into())
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

/// Makes a key and writes its public half.
fn put_signing_key(folder: &Path, key: Key) -> Result<SigningKey, Fault> {
    let fault = |fault| format!("{fault}");
    let keys = SigningKey::generate().map_err(fault)?;
    put(folder, &format!("{}.pem", key.kid()), &keys.public_pem)?;
    Ok(SigningKey::from_pem(&keys.private_pem).map_err(fault)?)
}

fn mint([first, second]: &[SigningKey; 2], key: Key, subject: &str) -> Result<String, Fault> {
    let everything = RoomPattern::parse("*").into_iter().collect::<Vec<_>>();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let facts = TokenFacts {
        issuer: ISSUER,
        audience: AUDIENCE,
        typ: "JWT",
        kid: Some(key.kid()),
        subject,
        subscribe: &everything,
        publish: &everything,
        issued_at: now,
        expires_at: now + TOKEN_SECS,
        jti: Some(subject),
        bound_to: None,
    };
    let signing = match key {
        Key::First => first,
        Key::Second => second,
    };
    Ok(signing.mint(&facts, &ClaimPaths::default()).map_err(|fault| format!("{fault}"))?)
}

impl Key {
    fn kid(self) -> &'static str {
        match self {
            Key::First => "load",
            Key::Second => "second",
        }
    }
}

fn put(folder: &Path, name: &str, text: &str) -> Result<(), Fault> {
    let path = folder.join(name);
    fs::write(&path, text)?;
    Ok(fs::set_permissions(path, Permissions::from_mode(0o600))?)
}

/// One worker, one room that echoes, and every limit out of the way.
fn configuration(address: SocketAddr, folder: &Path, second_key: &str) -> String {
    let internal = folder.join(INTERNAL);
    let internal = internal.display();
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
file = "load.pem"
kid = "load"
algorithm = "ES256"
{second_key}
[internal]
listen = "unix:{internal}"
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
const CONFIGURATION: &str = "portcullis.toml";
const INTERNAL: &str = "internal.sock";
const SECOND_KEY: &str = r#"[[auth.issuer.key]]
file = "second.pem"
kid = "second"
algorithm = "ES256""#;
