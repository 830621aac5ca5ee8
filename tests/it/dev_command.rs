//! Owns the stories of `portcullis dev`: the whole product in one command.
//! Never knows what a browser makes of its page.

use crate::support::gateway::{binary, wait};
use crate::support::log::Log;
use crate::support::target::Place;
use crate::support::{Conn, Handshake, PATIENCE, Ws};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

struct Dev {
    child: Child,
    address: SocketAddr,
    stdout: Log,
    stderr: Log,
}

impl Dev {
    fn spawn(dir: &Path, address: SocketAddr) -> Dev {
        let mut child = Command::new(binary())
            .args(["dev", "--listen", &address.to_string(), "--dir"])
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stdout = Log::collect(child.stdout.take().expect("a pipe"));
        let stderr = Log::collect(child.stderr.take().expect("a pipe"));
        Dev { child, address, stdout, stderr }
    }

    fn start(dir: &Path, address: SocketAddr) -> Dev {
        let dev = Dev::spawn(dir, address);
        dev.stdout.line("the URL", |line| line.contains(&format!("https://localhost:{}/", address.port())));
        let deadline = Instant::now() + PATIENCE;
        while dev.tokens().len() < 2 || TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "{:?} {:?}", dev.stdout.lines(), dev.stderr.lines());
            std::thread::park_timeout(Duration::from_millis(3));
        }
        dev
    }

    /// The tokens that it prints, in their order: alice, bob.
    fn tokens(&self) -> Vec<String> {
        let mut tokens: Vec<String> = Vec::new();
        for line in self.stdout.lines() {
            for word in line.split(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))) {
                if word.starts_with("eyJ")
                    && word.split('.').count() == 3
                    && !tokens.iter().any(|token| token == word)
                {
                    tokens.push(word.to_owned());
                }
            }
        }
        tokens
    }

    fn place(&self, dir: &Path) -> Place {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(dir.join("ca.pem")).expect("PEM")).expect("a CA");
        Place::at(self.address, roots)
    }

    fn join(&self, dir: &Path, token: &str) -> Ws {
        let place = self.place(dir);
        let origin = format!("https://{}", place.host);
        let mut ws = Handshake::good(&place.host, "/chat/lobby", &origin, token).open(&place);
        ws.settle();
        ws
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("pc-").tempdir().expect("a folder")
}

#[test]
fn the_first_start_makes_everything_and_its_tokens_chat() {
    let folder = folder();
    let dir = folder.path().join("new");
    let dev = Dev::start(&dir, free_port());
    for file in ["ca.pem", "server.pem", "server.key", "jwt-private.pem", "jwt-public.pem", "portcullis.toml"]
    {
        let mode = std::fs::metadata(dir.join(file))
            .unwrap_or_else(|fault| panic!("{file}: {fault}"))
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let tokens = dev.tokens();
    let mut alice = dev.join(&dir, &tokens[0]);
    let mut bob = dev.join(&dir, &tokens[1]);
    alice.text("hello bob");
    bob.expect_text("hello bob");
    bob.text("hello alice");
    alice.expect_text("hello alice");
    alice.expect_nothing();
}

#[test]
fn a_second_start_reuses_what_the_first_made() {
    let folder = folder();
    let files = ["ca.pem", "server.pem", "server.key", "jwt-private.pem", "jwt-public.pem"];
    let read = || files.map(|file| std::fs::read(folder.path().join(file)).expect("a file"));
    let first = Dev::start(folder.path(), free_port());
    let old_tokens = first.tokens();
    let made = read();
    drop(first);
    // Another port moves the allowed origin along.
    let second = Dev::start(folder.path(), free_port());
    assert_eq!(read(), made);
    let _ = second.join(folder.path(), &second.tokens()[0]);
    let _ = second.join(folder.path(), &old_tokens[1]);
}

#[test]
fn the_configuration_that_it_makes_is_a_good_one() {
    let folder = folder();
    drop(Dev::start(folder.path(), free_port()));
    let config = folder.path().join("portcullis.toml");
    let output = crate::support::gateway::run(&["check", "--config", config.to_str().expect("a path")]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_page_is_served_with_a_strict_policy_and_no_outside_resource() {
    let folder = folder();
    let dev = Dev::start(folder.path(), free_port());
    let place = dev.place(folder.path());
    let mut conn = Conn::open(&place);
    conn.send(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", place.host).as_bytes());
    let answer = conn.answer();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"), "{answer:?}");
    assert_eq!(answer.field("x-content-type-options"), Some("nosniff"), "{answer:?}");
    let policy = answer.field("content-security-policy").expect("a policy").to_owned();
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    for loose in ["unsafe-inline", "unsafe-eval", "*", "http:"] {
        assert!(!policy.contains(loose), "{loose}: {policy}");
    }
    let page = answer.text();
    for id in ["user", "room", "connect", "disconnect", "status", "log", "message", "send"] {
        assert!(page.contains(&format!("id=\"{id}\"")), "#{id}");
    }
    for outside in ["src=\"http", "href=\"http", "@import", "url(http"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn the_page_host_is_judged_too() {
    let folder = folder();
    let dev = Dev::start(folder.path(), free_port());
    let mut place = dev.place(folder.path());
    place.server_name = "127.0.0.1".to_owned();
    let mut conn = Conn::open(&place);
    conn.send(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_eq!(conn.answer().status, 421, "a rebound page must not read the tokens");
}

fn fails(dir: &Path, address: SocketAddr, told: &str) {
    let mut dev = Dev::spawn(dir, address);
    let status = wait(&mut dev.child, "dev");
    let output = [dev.stdout.all(), dev.stderr.all()].concat().join("\n");
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(output.contains(told), "{told}: {output}");
    assert!(!output.contains("panicked"), "{output}");
}

#[test]
fn a_port_that_is_taken_is_a_clear_error() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    fails(folder.path(), address, &address.to_string());
}

#[test]
fn a_port_that_another_gateway_has_is_a_clear_error() {
    let (one, two) = (folder(), folder());
    let dev = Dev::start(one.path(), free_port());
    fails(two.path(), dev.address, &dev.address.to_string());
}

#[test]
fn a_folder_that_cannot_be_written_is_a_clear_error() {
    let folder = folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("a file");
    fails(&file.join("dir"), free_port(), "file");
}
