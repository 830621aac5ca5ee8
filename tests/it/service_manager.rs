//! Owns the story of what a service manager is told of a gateway's life.
//! Never knows systemd.

use crate::support::gateway::binary;
use crate::support::{Gateway, PATIENCE, Setup};
use rustix::process::geteuid;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::Command;

#[test]
fn the_service_manager_is_told_of_start_life_reload_and_stop() {
    let setup = Setup::new();
    let path = setup.dir.path().join("notify.sock");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let told = || {
        let mut octets = [0; 256];
        let length = manager.recv(&mut octets).expect("a state in time");
        String::from_utf8(octets[..length].to_vec()).expect("text")
    };
    let next = || loop {
        let state = told();
        if state != "WATCHDOG=1\n" {
            return state;
        }
    };
    let setup = setup.env("NOTIFY_SOCKET", path.to_str().expect("a path")).env("WATCHDOG_USEC", "20000");
    let mut gateway = Gateway::spawn(setup);
    assert_eq!(next(), "READY=1\n");
    gateway.wait_until("ready means that it answers", |gateway| {
        gateway.internal().try_get("/readyz").is_ok_and(|answer| answer.status == 200)
    });
    assert_eq!(told(), "WATCHDOG=1\n");
    gateway.sighup();
    let reloading = next();
    let micros = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("a reload");
    assert!(micros.trim_end().parse::<u64>().is_ok_and(|micros| micros > 0), "{reloading}");
    assert_eq!(next(), "READY=1\n");
    gateway.sigterm();
    assert_eq!(next(), "STOPPING=1\n");
    assert_eq!(gateway.wait_exit().code(), Some(0));
}

const NOBODY: u32 = 65534;
const AS_NOBODY: &[&str] = &[
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--inh-caps=-all",
    "--bounding-set=-all",
    "--no-new-privs",
];

/// Who starts the gateway: for root, what gives up root and the network, as far as the tests may.
fn starter() -> Vec<&'static str> {
    if !geteuid().is_root() {
        return Vec::new();
    }
    let alone = Command::new("unshare").args(["--net", "true"]).status().is_ok_and(|status| status.success());
    let without_network: &[&str] = if alone { &["unshare", "--net"] } else { &[] };
    [without_network, AS_NOBODY].concat()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

/// As `portcullis.service` and `portcullis.socket` have it: no user of its own, no capability, no network,
/// sockets that others have made, a private key that only the service sees.
#[test]
fn as_nobody_without_a_network_a_gateway_serves_on_given_sockets_with_a_key_from_the_credentials() {
    let setup = Setup::new();
    let dir = setup.dir.path().to_owned();
    set_mode(&dir, 0o755);
    // Where the build is may be closed to others.
    let program = dir.join("portcullis");
    fs::copy(binary(), &program).expect("a copy");

    let credentials = dir.join("credentials");
    fs::create_dir(&credentials).expect("a folder");
    let key = credentials.join("server.key");
    fs::rename(dir.join("server.key"), &key).expect("moved");
    // systemd lets the user in by an access list, which shows as the bits of the group.
    set_mode(&key, 0o440);
    set_mode(&credentials, 0o550);
    if geteuid().is_root() {
        for path in [&credentials, &key] {
            chown(path, Some(0), Some(NOBODY)).expect("an owner");
        }
    }
    let manager_path = dir.join("notify.sock");
    let manager = UnixDatagram::bind(&manager_path).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    set_mode(&manager_path, 0o666);

    let public = TcpListener::bind(setup.address).expect("a free address");
    let own = UnixListener::bind(dir.join("internal.sock")).expect("a socket");
    set_mode(&dir.join("internal.sock"), 0o600);
    let setup = setup
        .toml(&format!("tls.private_key = '{}'", key.display()))
        .env("CREDENTIALS_DIRECTORY", credentials.to_str().expect("a path"))
        .env("NOTIFY_SOCKET", manager_path.to_str().expect("a path"))
        .given("portcullis.socket", public)
        .given("portcullis.socket", own)
        .starter(&starter())
        .program(&program);
    let mut gateway = setup.start();

    let mut octets = [0; 256];
    let length = manager.recv(&mut octets).expect("a state in time");
    assert_eq!(octets.get(..length), Some(&b"READY=1\n"[..]));
    let mut alice = gateway.join("lobby", "alice");
    let mut bob = gateway.join("lobby", "bob");
    alice.text("from nobody");
    bob.expect_text("from nobody");
    assert_eq!(gateway.internal().get("/healthz").status, 200);

    let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("a status");
    let row = |name: &str| {
        let row = status.lines().find_map(|line| line.strip_prefix(name)).expect("a row");
        row.split_whitespace().next().expect("a value").to_owned()
    };
    assert_eq!((row("NoNewPrivs:"), row("Seccomp:")), ("1".to_owned(), "2".to_owned()));
    if geteuid().is_root() {
        assert_eq!((row("Uid:"), row("Gid:")), (NOBODY.to_string(), NOBODY.to_string()));
        assert!(row("CapEff:").bytes().chain(row("CapBnd:").bytes()).all(|digit| digit == b'0'), "{status}");
    }
    // What it reads again is still there, and still closed to it where it was.
    gateway.sighup();
    gateway.log.event("the reload", |line| line["event"] == "reloaded");
    gateway.sigterm();
    alice.expect_close(1012, "restart");
    bob.expect_close(1012, "restart");
    assert_eq!(gateway.wait_exit().code(), Some(0));
}

#[test]
fn the_units_and_the_configuration_that_goes_with_them_name_the_same_sockets() {
    let unit = include_str!("../../deploy/portcullis.socket");
    let text = include_str!("../../config/portcullis.production.toml");
    let config: toml::Table = text.parse().expect("TOML");
    let streams: Vec<&str> = unit.lines().filter_map(|line| line.strip_prefix("ListenStream=")).collect();
    let listen = config["server"]["listen"].as_array().expect("a list");
    for address in listen {
        assert_eq!(address.as_str().and_then(|address| address.rsplit(':').next()), Some(streams[0]));
    }
    let internal = config["internal"]["listen"].as_str().expect("an address");
    assert_eq!(internal.strip_prefix("unix:"), Some(streams[1]));
    assert!(unit.contains("\nSocketMode=0600\n"), "the internal port is the owner's alone");
}
