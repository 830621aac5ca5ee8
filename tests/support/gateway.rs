//! Owns one running gateway: the real binary, its output, its signals, its end.
//! Never knows a rule.

use super::given;
use super::handshake::KEY;
use super::internal::{self, Internal};
use super::log::Log;
use super::setup::Setup;
use super::target::Place;
use super::token::Token;
use super::{Answer, Conn, Handshake, MARK, ORIGIN, PATIENCE, SigningKey, Ws};
use rustix::process::{Pid, Signal};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// The gateway under test.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) log: Log,
    pub(crate) stdout: Log,
    pub(crate) setup: Setup,
    internal: Option<Internal>,
    place: Place,
}

impl Gateway {
    /// The tests' defaults.
    pub(crate) fn start() -> Gateway {
        Setup::new().start()
    }

    /// The tests' defaults with this TOML laid over.
    pub(crate) fn with(toml: &str) -> Gateway {
        Setup::new().toml(toml).start()
    }

    pub(crate) fn start_with(setup: Setup) -> Gateway {
        let mut gateway = Gateway::spawn(setup);
        gateway.wait_ready();
        gateway
    }

    fn wait_ready(&mut self) {
        self.wait_until("the gateway is ready", |gateway| match &gateway.internal {
            Some(internal) => internal.try_get("/readyz").is_ok_and(|answer| answer.status == 200),
            None => std::net::TcpStream::connect(gateway.place.address).is_ok(),
        });
    }

    /// Starts the process and waits for nothing.
    pub(crate) fn spawn(setup: Setup) -> Gateway {
        let config = setup.write();
        let (child, log, stdout) = launch(&setup, &[]);
        let internal = Internal::of_config(&config, setup.dir.path());
        let place = Place::of_setup(&setup);
        Gateway { child, log, stdout, setup, internal, place }
    }

    /// Starts the process anew after its end, with the files as they are now.
    pub(crate) fn restart(&mut self) {
        self.wait_exit();
        self.launch_anew();
    }

    /// Kills the process and starts it anew on what it left behind.
    pub(crate) fn kill_and_restart(&mut self) {
        self.end();
        self.launch_anew();
    }

    /// Starts a successor with the files as they are now, which this is from then on.
    pub(crate) fn take_over(&mut self) -> Replaced {
        let (child, log, stdout) = launch(&self.setup, &["--take-over"]);
        let child = std::mem::replace(&mut self.child, child);
        let log = std::mem::replace(&mut self.log, log);
        self.stdout = stdout;
        Replaced { child, log }
    }

    fn launch_anew(&mut self) {
        (self.child, self.log, self.stdout) = launch(&self.setup, &[]);
        self.wait_ready();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks again until something is so; the gateway must not end meanwhile.
    pub(crate) fn wait_until(&mut self, what: &str, is_so: impl Fn(&Gateway) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("{what}: the gateway ended: {status}\n{}", self.log.all().join("\n"));
            }
            assert!(Instant::now() < deadline, "{what}: not in time:\n{}", self.log.lines().join("\n"));
            std::thread::park_timeout(Duration::from_millis(3));
        }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn dir(&self) -> &Path {
        self.setup.dir.path()
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.setup.keys[0]
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Memory of the process that is in use.
    pub(crate) fn resident_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        let kibibytes: usize = line.trim().trim_end_matches(" kB").trim().parse().expect("a number");
        kibibytes << 10
    }

    pub(crate) fn internal(&self) -> &Internal {
        self.internal.as_ref().expect("an internal listener")
    }

    /// A good token of this subject, signed by the first key.
    pub(crate) fn token(&self, subject: &str) -> String {
        Token::of(subject).sign(self.key())
    }

    /// A good request for `/chat/lobby` by alice.
    pub(crate) fn handshake(&self) -> Handshake {
        Handshake::good(&self.place.host, "/chat/lobby", ORIGIN, &self.token("alice"))
    }

    /// A good request of a subject for a room.
    pub(crate) fn handshake_for(&self, room: &str, token: &str) -> Handshake {
        Handshake::good(&self.place.host, &format!("/chat/{room}"), ORIGIN, token)
    }

    pub(crate) fn connect(&self) -> Conn {
        Conn::open(&self.place)
    }

    /// Sends a request on a connection of its own and reads the whole answer.
    pub(crate) fn ask(&self, handshake: &Handshake) -> Answer {
        handshake.ask(&self.place)
    }

    /// Sends a request that must be admitted.
    pub(crate) fn open(&self, handshake: &Handshake) -> Ws {
        handshake.open(&self.place)
    }

    /// A subject with every grant enters a room.
    pub(crate) fn join(&self, room: &str, subject: &str) -> Ws {
        let mut ws = self.open(&self.handshake_for(room, &self.token(subject)));
        ws.settle();
        ws
    }

    /// The same from another loopback address.
    pub(crate) fn join_from(&self, source: IpAddr, room: &str, subject: &str) -> Ws {
        let handshake = self.handshake_for(room, &self.token(subject));
        handshake.open_on(Conn::open_from(&self.place, source))
    }

    /// All metrics as they stand.
    pub(crate) fn metrics(&self) -> internal::Metrics {
        self.internal().metrics()
    }

    /// The value of one metric, 0 where it is not there.
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.metrics().sum(name, labels)
    }

    /// Asks again until a metric has this value.
    pub(crate) fn wait_metric(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.metric(name, labels);
            if (now - value).abs() < 0.5 {
                return;
            }
            assert!(Instant::now() < deadline, "{name}{labels:?} is {now}, not {value}");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    pub(crate) fn sigterm(&self) {
        self.signal(Signal::TERM);
    }

    pub(crate) fn sigint(&self) {
        self.signal(Signal::INT);
    }

    pub(crate) fn sighup(&self) {
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("the gateway runs");
    }

    /// Whether the process still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// The status that the process ended with.
    pub(crate) fn wait_exit(&mut self) -> ExitStatus {
        wait(&mut self.child, "the gateway")
    }
}

/// A gateway that has a successor, or that one was meant to replace.
pub(crate) struct Replaced {
    child: Child,
    pub(crate) log: Log,
}

impl Replaced {
    /// The status that the process ended with.
    pub(crate) fn wait_exit(&mut self) -> ExitStatus {
        wait(&mut self.child, "the predecessor")
    }
}

impl Drop for Replaced {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- what the gateway wrote\n{}\n---", self.log.lines().join("\n"));
            self.end();
            return;
        }
        let internal = self.internal.clone().filter(|_| self.runs());
        let metrics = internal.and_then(|internal| internal.try_get("/metrics").ok());
        self.end();
        let metrics = metrics.map(|answer| answer.text());
        for text in self.log.all().into_iter().chain(self.stdout.all()).chain(metrics) {
            assert_nothing_spilt(&text);
        }
    }
}

/// What every test sends and no line and no metric may hold: the start of a token, the key, words
/// in tokens and fields; in a line about an outcome also the room and the host.
fn assert_nothing_spilt(text: &str) {
    for mark in ["eyJ", KEY, MARK, "whsec_", "cHN0LXN3b3Jk"] {
        assert!(!text.contains(mark), "{mark} came to light: {text}");
    }
    if text.contains("\"request_id\"") {
        assert!(
            !text.contains("lobby") && !text.contains("localhost"),
            "a path or a host came to light: {text}"
        );
    }
}

/// Secrets are looked for at every level, unless the test is about a level.
fn everything_is_logged(setup: &Setup) -> Option<&'static str> {
    let is_set = setup.arguments.iter().any(|argument| argument.starts_with("--log-level"));
    (!is_set).then_some("--log-level=trace")
}

fn launch(setup: &Setup, more: &[&str]) -> (Child, Log, Log) {
    let mut child = given::command(&setup.program, &setup.given, &setup.starter)
        .arg("serve")
        .arg("--config")
        .arg(setup.config())
        .args(everything_is_logged(setup))
        .args(&setup.arguments)
        .args(more)
        .envs(setup.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let log = Log::collect(child.stderr.take().expect("a pipe"));
    let stdout = Log::collect(child.stdout.take().expect("a pipe"));
    (child, log, stdout)
}

/// The binary under test.
pub(crate) fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_portcullis"))
}

/// Runs the binary to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    let child = Command::new(binary())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    child.wait_with_output().expect("an output")
}

/// Waits for a child, but not for ever.
pub(crate) fn wait(child: &mut Child, what: &str) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        assert!(Instant::now() < deadline, "{what} still runs");
        std::thread::park_timeout(Duration::from_millis(3));
    }
}
