//! Owns the stories of what a running gateway can no longer do.
//! Never knows how it is brought about.

use crate::support::setup::write_file;
use crate::support::{Gateway, Setup};
use portcullis::outbound::{self, Endpoint};
use portcullis::sandbox::{self, Mode, Needs, Reach};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Pid, getppid};
use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// A line of a table in `/proc`.
fn row(text: &str, name: &str) -> String {
    let row =
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {text}"));
    row.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The one line that says what the process has given up.
fn sandboxed(gateway: &Gateway) -> String {
    let line = gateway.log.event("the sandbox", |line| line["event"] == "sandboxed");
    line["detail"].as_str().expect("a detail").to_owned()
}

#[test]
fn every_thread_of_a_gateway_is_filtered_and_can_gain_no_rights() {
    let gateway = Gateway::start();
    let tasks = fs::read_dir(format!("/proc/{}/task", gateway.pid())).expect("threads");
    let statuses: Vec<String> = tasks
        .map(|task| fs::read_to_string(task.expect("a thread").path().join("status")).expect("a status"))
        .collect();
    assert!(statuses.len() >= 4, "main, log and two workers");
    for status in &statuses {
        assert_eq!((row(status, "NoNewPrivs:"), row(status, "Seccomp:")), ("1".to_owned(), "2".to_owned()));
    }
}

#[test]
fn a_gateway_leaves_no_core_file() {
    let gateway = Gateway::start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", gateway.pid())).expect("limits");
    assert_eq!(row(&limits, "Max core file size"), "0 0 bytes");
}

#[test]
fn what_is_given_up_is_logged_once_and_stands_in_status_and_metrics() {
    let gateway = Gateway::start();
    let detail = sandboxed(&gateway);
    assert!(detail.contains("seccomp on, no_dumps on"), "{detail}");
    assert_eq!(gateway.log.lines().iter().filter(|line| line.contains("\"sandboxed\"")).count(), 1);
    let status: serde_json::Value =
        serde_json::from_str(&gateway.internal().get("/admin/status").text()).expect("JSON");
    assert_eq!((&status["sandbox"]["seccomp"], &status["sandbox"]["no_dumps"]), (&"on".into(), &"on".into()));
    let landlock = status["sandbox"]["landlock"].as_str().expect("a state");
    assert!(detail.starts_with(&format!("landlock {landlock}, ")), "{detail}");
    for (kind, state) in [("seccomp", "on"), ("no_dumps", "on"), ("landlock", landlock)] {
        let labels = [("kind", kind), ("state", state)];
        assert!((gateway.metric("portcullis_sandbox", &labels) - 1.0).abs() < 0.1, "{kind}");
    }
}

#[test]
fn a_sandbox_that_is_off_is_off_and_says_so() {
    let gateway = Gateway::with("server.sandbox = 'off'");
    let detail = sandboxed(&gateway);
    assert!(detail.contains("server.sandbox is \"off\""), "{detail}");
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("a status");
    assert_eq!(row(&status, "Seccomp:"), "0");
}

#[test]
fn a_gateway_in_its_sandbox_takes_files_that_are_put_in_the_place_of_others() {
    let setup = Setup::new();
    let archive = tempfile::tempdir().expect("a folder");
    let real = archive.path();
    // As certbot does: a link to the newest of several files elsewhere.
    fs::rename(setup.dir.path().join("server.pem"), real.join("1.pem")).expect("moved");
    std::os::unix::fs::symlink(real.join("1.pem"), setup.dir.path().join("server.pem")).expect("a link");
    fs::create_dir(setup.dir.path().join("state")).expect("a folder");
    let mut gateway = setup.toml("auth.revocation_file = 'state/revocations.json'").start();
    let leaf = gateway.setup.ca.server(&["localhost".to_owned(), "127.0.0.1".to_owned()]);
    write_file(&real.join("2.pem"), &leaf.certificate, 0o644);
    gateway.setup.put("server.key.new", &leaf.private_key, 0o600);
    let folder = gateway.dir().to_owned();
    std::os::unix::fs::symlink(real.join("2.pem"), folder.join("server.pem.new")).expect("a link");
    for name in ["server.pem", "server.key"] {
        fs::rename(folder.join(format!("{name}.new")), folder.join(name)).expect("renamed");
    }
    gateway.sighup();
    gateway.wait_until("the new certificate", |gateway| {
        gateway.connect().server_certificate().as_ref() == leaf.serial
    });
    let answer = gateway.internal().ask("POST", "/admin/revoke", &[], r#"{"subject":"mallory"}"#);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(fs::read_to_string(folder.join("state/revocations.json")).expect("a file").contains("mallory"));
    gateway.sigterm();
    assert_eq!(gateway.wait_exit().code(), Some(0));
    assert!(!folder.join("internal.sock").exists(), "it takes its socket away");
}

#[test]
fn a_reload_that_names_a_file_outside_is_refused_and_says_what_helps() {
    let mut gateway = Gateway::start();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let certificate = elsewhere.path().join("server.pem");
    fs::copy(gateway.dir().join("server.pem"), &certificate).expect("a copy");
    let config = gateway.setup.config();
    let text = fs::read_to_string(&config).expect("a configuration");
    let moved = text.replace("\"server.pem\"", &format!("{:?}", certificate.display().to_string()));
    assert_ne!(text, moved, "{text}");
    fs::write(&config, moved).expect("written");
    let landlock = sandboxed(&gateway).starts_with("landlock full");
    gateway.sighup();
    if landlock {
        let line = gateway.log.event("the failed reload", |line| line["event"] == "reload_failed");
        let detail = line["detail"].as_str().expect("a detail");
        assert!(detail.contains("may not be read") && detail.contains("a restart takes others"), "{detail}");
        gateway.sigterm();
        gateway.restart();
    }
    gateway.join("lobby", "alice");
}

/// Names the folder in which a process that is started anew tries what it may not do.
const TRIAL: &str = "PORTCULLIS_SANDBOX_TRIAL";
/// Set where it needs to write and remove files too.
const WRITES: &str = "PORTCULLIS_SANDBOX_WRITES";

/// Runs as itself first, then as a process of its own that is in the sandbox for ever.
#[test]
fn a_process_in_the_sandbox_reads_its_folders_and_can_do_nothing_else() {
    if let Some(folder) = std::env::var_os(TRIAL) {
        trial(Path::new(&folder));
        return;
    }
    for writes in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        for place in ["config", "state", "socket", "outside"] {
            let place = folder.path().join(place);
            fs::create_dir(&place).expect("a folder");
            fs::write(place.join("file"), "content").expect("a file");
        }
        let name = "sandbox::a_process_in_the_sandbox_reads_its_folders_and_can_do_nothing_else";
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(TRIAL, folder.path());
        if writes {
            command.env(WRITES, "yes");
        }
        let output = command.output().expect("it starts");
        let [out, err] = [&output.stdout, &output.stderr].map(|octets| String::from_utf8_lossy(octets));
        assert!(output.status.success() && out.contains("the trial is over"), "writes {writes}: {out}{err}");
    }
}

fn trial(folder: &Path) {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let open_port = tcp.local_addr().expect("an address");
    let unix = folder.join("open.sock");
    let _unix_listener = UnixListener::bind(&unix).expect("a socket");
    let parent = getppid().expect("who started it");
    let outside = folder.join("outside/file");

    // The honest twin: all of it works without a sandbox.
    assert_eq!(
        attempts(folder, &unix, open_port, parent).iter().filter(|(_, outcome)| outcome.is_err()).count(),
        0
    );

    let read = vec![folder.join("config/file")];
    let writes = std::env::var_os(WRITES).is_some();
    let needs = if writes {
        Needs {
            read,
            replace: Some(folder.join("state/file")),
            remove: Some(folder.join("socket/file")),
            hand_over: true,
            ..Needs::default()
        }
    } else {
        Needs { read, ..Needs::default() }
    };
    let report = sandbox::enter(Mode::Auto, &needs);
    println!("{}", report.summary());
    assert_eq!((report.seccomp.name(), report.no_dumps.name()), ("on", "on"), "{}", report.summary());

    for (what, outcome) in attempts(folder, &unix, open_port, parent) {
        let by_landlock = what.starts_with("file:");
        assert!(outcome.is_err() || (by_landlock && report.landlock.name() == "off"), "{what} is possible");
    }
    // Where it succeeds, this process ends here and the trial is never over.
    let exec = Command::new("/bin/true").exec();
    assert_eq!(exec.kind(), io::ErrorKind::Unsupported, "{exec}");
    assert_eq!(fs::read_to_string(folder.join("config/file")).expect("its own file"), "content");
    let new = folder.join("state/file.new");
    let replaced = fs::write(&new, "new").and_then(|()| fs::rename(&new, folder.join("state/file")));
    let removed = fs::remove_file(folder.join("socket/file"));
    assert_eq!((replaced.is_ok(), removed.is_ok()), (writes, writes), "{replaced:?} {removed:?}");
    let given = give_away(SendFlags::NOSIGNAL);
    assert_eq!(given.is_ok(), writes, "a descriptor goes to a successor alone: {given:?}");
    let thread = std::thread::spawn(move || File::open(outside).is_err());
    assert!(
        thread.join().expect("a thread") || report.landlock.name() == "off",
        "a thread has no more rights"
    );
    println!("the trial is over");
}

/// Names the endpoint that a process in the sandbox may connect to.
const REACHES: &str = "PORTCULLIS_SANDBOX_REACHES";

/// Runs as itself first, then as a process of its own that is in the sandbox for ever.
#[test]
fn a_process_in_the_sandbox_connects_to_the_ports_that_are_named_and_to_nothing_else() {
    if let Some(url) = std::env::var_os(REACHES) {
        reaching(url.to_str().expect("a URL"));
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("open.sock");
    let _unix_listener = UnixListener::bind(&path).expect("a socket");
    let name = "sandbox::a_process_in_the_sandbox_connects_to_the_ports_that_are_named_and_to_nothing_else";
    for url in [
        format!("http://127.0.0.1:{port}/"),
        format!("ws://localhost:{port}/"),
        format!("unix:{}", path.display()),
    ] {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(REACHES, &url);
        let output = command.output().expect("it starts");
        let [out, err] = [&output.stdout, &output.stderr].map(|octets| String::from_utf8_lossy(octets));
        assert!(output.status.success() && out.contains("the trial is over"), "{url}: {out}{err}");
    }
}

fn reaching(url: &str) {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let other_listener = TcpListener::bind(other).expect("a port");
    let folder = tempfile::tempdir().expect("a folder");
    let unix = folder.path().join("other.sock");
    let _unix_listener = UnixListener::bind(&unix).expect("a socket");
    let endpoint = Endpoint::parse(url).expect("an endpoint");

    let needs = Needs { reach: Reach::of([&endpoint]), ..Needs::default() };
    let report = sandbox::enter(Mode::Auto, &needs);
    let has_landlock = report.landlock.name() == "full";
    println!("{}", report.summary());

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    let connected = runtime.block_on(outbound::connect(&endpoint, None, deadline));
    assert!(connected.is_ok(), "{url}: {connected:?}");

    assert!(TcpStream::connect(other_listener.local_addr().expect("one")).is_err() || !has_landlock);
    assert_eq!(UnixStream::connect(&unix).is_ok(), url.starts_with("unix:"), "{url}");
    let looks_up = "localhost:1".to_socket_addrs().is_ok();
    assert_eq!(looks_up, url.contains("localhost") || !has_landlock, "{url}");
    for (what, outcome) in [
        ("bind by TCP", TcpListener::bind("127.0.0.1:0").map(drop)),
        ("bind by UDP", UdpSocket::bind("127.0.0.1:0").map(drop)),
        ("run a program", Command::new("/bin/true").status().map(drop)),
    ] {
        assert!(outcome.is_err(), "{url}: {what} is possible");
    }
    assert!(File::open("/etc/passwd").is_err() || !has_landlock, "{url}");
    println!("the trial is over");
}

/// Sends a descriptor over a socket.
fn give_away(flags: SendFlags) -> io::Result<()> {
    let (giver, _taker) = UnixStream::pair()?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    let descriptors = [giver.as_fd()];
    beside.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(&giver, &[io::IoSlice::new(b"x")], &mut beside, flags)?;
    Ok(())
}

type Attempt = (&'static str, io::Result<()>);

/// What nobody may do who has taken a gateway over.
fn attempts(folder: &Path, unix: &Path, open_port: SocketAddr, parent: Pid) -> Vec<Attempt> {
    use rustix::process::{Resource, Signal, getrlimit, kill_process, setrlimit};
    let append = |path: &Path| fs::OpenOptions::new().append(true).create(true).open(path).map(drop);
    let (config, state) = (folder.join("config/file"), folder.join("state/file"));
    let made = folder.join("config/made");
    let below = folder.join("state/below");
    let link = folder.join("state/link");
    let again = fs::metadata(&state).expect("a file").permissions();
    vec![
        ("file: read /etc/passwd", File::open("/etc/passwd").map(drop)),
        ("file: read what is outside", File::open(folder.join("outside/file")).map(drop)),
        ("file: read through ..", File::open(folder.join("config/../outside/file")).map(drop)),
        ("file: read its own memory", File::open("/proc/self/mem").map(drop)),
        ("file: write what is only read", append(&config)),
        ("file: make one beside what is read", append(&made).and_then(|()| fs::remove_file(&made))),
        ("file: make one beside the socket", append(&folder.join("socket/made"))),
        ("file: list a folder", fs::read_dir(folder.join("config")).map(drop)),
        ("make a folder", fs::create_dir(&below).and_then(|()| fs::remove_dir(&below))),
        ("make a link", std::os::unix::fs::symlink("x", &link).and_then(|()| fs::remove_file(&link))),
        ("change a mode", fs::set_permissions(&state, again)),
        ("run a program", Command::new("/bin/true").status().map(drop)),
        ("connect by TCP", TcpStream::connect(open_port).map(drop)),
        ("connect to a Unix socket", UnixStream::connect(unix).map(drop)),
        ("bind by TCP", TcpListener::bind("127.0.0.1:0").map(drop)),
        ("bind by UDP", UdpSocket::bind("127.0.0.1:0").map(drop)),
        ("make sockets for datagrams", UnixDatagram::pair().map(drop)),
        ("send with other flags, among them that which connects", give_away(SendFlags::empty())),
        ("set a limit", setrlimit(Resource::Nproc, getrlimit(Resource::Nproc)).map_err(io::Error::from)),
        ("signal another process", kill_process(parent, Signal::WINCH).map_err(io::Error::from)),
    ]
}
