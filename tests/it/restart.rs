//! Owns the stories of a gateway that another one replaces: nobody who connects meanwhile is lost.
//! Never knows systemd.

use crate::support::setup::free_address;
use crate::support::target::Place;
use crate::support::{Conn, Gateway, Handshake, PATIENCE, Setup};
use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

/// Peers that connect, one behind the other on each thread, until they are told to end.
struct Arrivals {
    ended: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

const THREADS: usize = 4;

impl Arrivals {
    fn begin(gateway: &Gateway) -> Arrivals {
        let (ended, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let threads = (0..THREADS)
            .map(|thread| {
                let (ended, count) = (Arc::clone(&ended), Arc::clone(&count));
                let place = gateway.place().clone();
                let token = gateway.token(&format!("arrival-{thread}"));
                let request = gateway.handshake_for("lobby", &token);
                std::thread::spawn(move || {
                    let mut lost = Vec::new();
                    while !ended.load(Ordering::Relaxed) {
                        lost.extend(arrive(&place, &request).err());
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    lost
                })
            })
            .collect();
        Arrivals { ended, count, threads }
    }

    /// Waits until so many more have arrived.
    fn wait_for(&self, more: usize) {
        let (goal, deadline) = (self.count.load(Ordering::Relaxed) + more, Instant::now() + PATIENCE);
        while self.count.load(Ordering::Relaxed) < goal {
            assert!(Instant::now() < deadline, "nobody arrives any more");
            std::thread::park_timeout(std::time::Duration::from_millis(3));
        }
    }

    /// How many have arrived; none of them in vain.
    fn end(self) -> usize {
        self.ended.store(true, Ordering::Relaxed);
        let lost: Vec<String> =
            self.threads.into_iter().flat_map(|thread| thread.join().expect("a thread")).collect();
        assert!(lost.is_empty(), "{} connection attempts were lost: {lost:?}", lost.len());
        self.count.load(Ordering::Relaxed)
    }
}

/// From the connection to the 101.
fn arrive(place: &Place, request: &Handshake) -> Result<(), String> {
    let told = |fault: std::io::Error| fault.to_string();
    let mut conn = Conn::try_open(place, &place.server_name, &place.tls).map_err(told)?;
    conn.try_send(&request.octets()).map_err(told)?;
    let answer = conn.try_answer().map_err(told)?;
    if answer.status == 101 { Ok(()) } else { Err(format!("{answer:?}")) }
}

fn listening(setup: &Setup) -> TcpListener {
    TcpListener::bind(setup.address).expect("the address is free")
}

fn internal(setup: &Setup, mode: u32) -> UnixListener {
    let path = setup.dir.path().join("internal.sock");
    let socket = UnixListener::bind(&path).expect("a socket");
    std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode");
    socket
}

/// How a gateway ends that cannot start, and what it says.
fn fails(setup: Setup) -> String {
    let mut gateway = Gateway::spawn(setup);
    assert_eq!(gateway.wait_exit().code(), Some(1));
    gateway.log.all().join("\n")
}

#[test]
fn nobody_who_connects_while_a_gateway_is_replaced_on_the_sockets_it_was_given_is_lost() {
    let setup = Setup::new();
    let (public, own) = (listening(&setup), internal(&setup, 0o600));
    let mut gateway = setup.given("public", public).given("internal", own).start();
    let arrivals = Arrivals::begin(&gateway);
    for _ in 0..2 {
        let mut member = gateway.join("kitchen", "alice");
        arrivals.wait_for(50);
        gateway.sigterm();
        member.expect_close(1012, "restart");
        assert_eq!(gateway.wait_exit().code(), Some(0));
        // They connect into the queue, where nobody takes them yet.
        gateway.restart();
    }
    arrivals.wait_for(50);
    assert!(arrivals.end() >= 150);
    assert!(gateway.dir().join("internal.sock").exists(), "its file is not the gateway's to remove");
}

#[test]
fn on_sockets_that_outlive_it_a_gateway_says_service_restart_however_it_is_ended() {
    let setup = Setup::new().toml("server.drain_timeout = '60s'");
    let public = listening(&setup);
    let mut gateway = setup.given("public", public).start();
    let by_order = |gateway: &Gateway| {
        let answer = gateway.internal().ask("POST", "/admin/drain", &[], "");
        assert_eq!(answer.status, 202, "{answer:?}");
    };
    for end in [&Gateway::sigterm as &dyn Fn(&Gateway), &Gateway::sigint, &by_order] {
        let mut members: Vec<_> =
            (0..8).map(|member| gateway.join("lobby", &format!("m-{member}"))).collect();
        let early = gateway.connect();
        end(&gateway);
        gateway.log.event("the drain", |line| {
            line["event"] == "draining" && line["detail"].as_str().is_some_and(|told| told.contains("1012"))
        });
        for member in &mut members {
            member.expect_close(1012, "restart");
        }
        // Whoever was taken before the drain is let in, and told the same.
        let mut early = gateway.handshake_for("lobby", &gateway.token("early")).open_on(early);
        early.expect_close(1012, "restart");
        assert_eq!(gateway.wait_exit().code(), Some(0));
        gateway.restart();
    }
}

/// The configuration with another number of workers.
fn with_workers(gateway: &Gateway, workers: usize) {
    let text = std::fs::read_to_string(gateway.setup.config()).expect("a configuration");
    let (before, rest) = text.split_once("workers = ").expect("a number of workers");
    let (_, after) = rest.split_once('\n').expect("more lines");
    gateway.setup.put("portcullis.toml", format!("{before}workers = {workers}\n{after}"), 0o644);
}

#[test]
fn nobody_who_connects_while_a_gateway_hands_its_sockets_over_is_lost() {
    let mut gateway = Gateway::start();
    let arrivals = Arrivals::begin(&gateway);
    // As many sockets as workers, fewer, more, and as at first.
    for workers in [2, 3, 1, 2] {
        let mut member = gateway.join("kitchen", "alice");
        arrivals.wait_for(30);
        with_workers(&gateway, workers);
        let mut predecessor = gateway.take_over();
        member.expect_close(1012, "restart");
        arrivals.wait_for(30);
        assert_eq!(predecessor.wait_exit().code(), Some(0));
        gateway.log.event("the sockets", |line| line["event"] == "taken_over");
    }
    let mut member = gateway.join("kitchen", "alice");
    member.settle();
    assert!(arrivals.end() >= 240);
    let sockets = std::fs::read_to_string(format!("/proc/{}/net/tcp", gateway.pid())).expect("sockets");
    let port = format!(":{:04X} 00000000:0000 0A", gateway.place().address.port());
    assert_eq!(
        sockets.lines().filter(|line| line.contains(&port)).count(),
        2,
        "none is left over: {sockets}"
    );
    assert_eq!(gateway.internal().get("/readyz").status, 200);
    gateway.sigterm();
    member.expect_close(1001, "drain");
    assert_eq!(gateway.wait_exit().code(), Some(0));
    assert!(!gateway.dir().join("internal.sock").exists(), "the last one takes the file away");
}

#[test]
fn a_successor_that_does_not_get_to_serve_changes_nothing() {
    let mut gateway = Gateway::start();
    let mut member = gateway.join("lobby", "alice");
    let good = std::fs::read_to_string(gateway.setup.config()).expect("a configuration");
    let held = TcpListener::bind(free_address()).expect("a free address");
    let taken = held.local_addr().expect("an address");
    let own = format!("\"{}\"", gateway.place().address);
    assert!(good.contains(&own), "{good}");
    gateway.setup.put("portcullis.toml", good.replace(&own, &format!("{own}, \"{taken}\"")), 0o644);
    let mut first = gateway.take_over();
    assert_eq!(gateway.wait_exit().code(), Some(1));
    assert!(gateway.log.all().join("\n").contains("the port is taken"));
    first.log.event("the failure", |line| line["event"] == "hand_over_failed");
    member.settle();
    let mut other = gateway.join("lobby", "bob");
    other.text("as before");
    member.expect_text("as before");

    gateway.setup.put("portcullis.toml", good, 0o644);
    gateway.take_over();
    member.expect_close(1012, "restart");
    other.expect_close(1012, "restart");
    gateway.log.event("the sockets", |line| line["event"] == "taken_over");
    assert_eq!(first.wait_exit().code(), Some(0));
}

#[test]
fn what_was_revoked_stays_revoked_in_a_successor() {
    let mut gateway = Gateway::start();
    let token = gateway.token("mallory");
    let request = gateway.handshake_for("lobby", &token);
    assert_eq!(gateway.ask(&request).status, 101);
    let answer = gateway.internal().ask("POST", "/admin/revoke", &[], r#"{"subject":"mallory"}"#);
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut predecessor = gateway.take_over();
    assert_eq!(predecessor.wait_exit().code(), Some(0));
    assert_eq!(gateway.ask(&request).status, 401);
    gateway.join("lobby", "alice");
}

#[test]
fn a_take_over_where_no_gateway_runs_is_a_start() {
    let gateway = Setup::new().argument("--take-over").start();
    gateway.join("lobby", "alice");
    let told = fails(Setup::new().toml("internal.listen = '127.0.0.1:1'").argument("--take-over"));
    assert!(told.contains("unix:"), "{told}");
}

#[test]
fn a_gateway_hands_its_sockets_to_nobody_without_its_token() {
    let file = "swordfish-swordfish-swordfish-42\n";
    let setup =
        Setup::new().file("internal.token", file, 0o600).toml("internal.token_file = 'internal.token'");
    let mut gateway = Gateway::spawn(setup);
    gateway.log.event("the start", |line| line["event"] == "started");
    gateway.wait_until("it listens", |gateway| gateway.internal().try_get("/readyz").is_ok());
    gateway.setup.put("internal.token", "another-word-that-nobody-knows-42\n", 0o600);
    let mut first = gateway.take_over();
    assert_eq!(gateway.wait_exit().code(), Some(1));
    assert!(gateway.log.all().join("\n").contains("token_file"));
    gateway.setup.put("internal.token", file, 0o600);
    let _second = gateway.take_over();
    assert_eq!(first.wait_exit().code(), Some(0));
    gateway.log.event("the sockets", |line| line["event"] == "taken_over");
}

#[test]
fn sockets_of_a_service_manager_are_not_handed_over() {
    let setup = Setup::new();
    let public = listening(&setup);
    let gateway = setup.given("public", public).start();
    let answer = gateway.internal().ask("POST", "/admin/hand-over", &[], "");
    assert_eq!(answer.status, 409, "{answer:?}");
    let mut member = gateway.join("lobby", "alice");
    member.settle();
}

#[test]
fn every_address_of_both_families_can_be_listened_on_as_one_and_as_two() {
    for workers in [1, 2] {
        for listen in [vec!["[::]"], vec!["0.0.0.0", "[::]"]] {
            let Ok(free) = TcpListener::bind("[::]:0") else { return };
            let port = free.local_addr().expect("an address").port();
            drop(free);
            let listen: Vec<String> = listen.iter().map(|address| format!("'{address}:{port}'")).collect();
            let toml = format!("[server]\nworkers = {workers}\nlisten = [{}]", listen.join(", "));
            let mut setup = Setup::new().toml(&toml);
            setup.address = format!("127.0.0.1:{port}").parse().expect("an address");
            let gateway = setup.start();
            gateway.join("lobby", "by IPv4");
            let place = Place {
                address: format!("[::1]:{port}").parse().expect("an address"),
                ..gateway.place().clone()
            };
            gateway.handshake().open(&place);
        }
    }
}

#[test]
fn workers_that_share_a_given_socket_all_serve() {
    let setup = Setup::new().toml("server.workers = 3");
    let public = listening(&setup);
    let gateway = setup.given("portcullis.socket", public).start();
    let mut members: Vec<_> = (0..12).map(|member| gateway.join("lobby", &format!("m-{member}"))).collect();
    members[0].text("to all of them");
    for member in &mut members[1..] {
        member.expect_text("to all of them");
    }
}

#[test]
fn a_given_socket_that_the_configuration_does_not_name_ends_the_start() {
    for name in ["public", "portcullis.socket"] {
        let elsewhere = TcpListener::bind(free_address()).expect("a free address");
        let told = fails(Setup::new().given(name, elsewhere));
        assert!(told.contains("server.listen") && told.contains(name), "{told}");
    }
    let two = format!("server.listen = ['{}', '{}']", free_address(), free_address());
    let setup = Setup::new().toml(&two);
    let one = TcpListener::bind(two.split('\'').nth(1).expect("an address")).expect("a socket");
    let told = fails(setup.given("public", one));
    assert!(told.contains("ListenStream=") && told.contains("gave no socket"), "{told}");
}

#[test]
fn a_given_descriptor_that_does_not_listen_ends_the_start() {
    let told = fails(Setup::new().given("public", std::fs::File::open("/dev/null").expect("a file")));
    assert!(told.contains("is no stream socket that listens"), "{told}");
    let setup = Setup::new();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&setup.address.into()).expect("a free address");
    let told = fails(setup.given("public", socket));
    assert!(told.contains("is no stream socket that listens"), "{told}");
}

#[test]
fn a_given_internal_socket_that_others_can_reach_ends_the_start() {
    let setup = Setup::new();
    let own = internal(&setup, 0o666);
    let told = fails(setup.given("internal", own));
    assert!(told.contains("SocketMode=0600"), "{told}");
}

#[test]
fn sockets_that_are_meant_for_another_process_are_not_taken() {
    let setup = Setup::new().env("LISTEN_PID", "1").env("LISTEN_FDS", "1");
    let gateway = setup.start();
    gateway.join("lobby", "alice");
}

#[test]
fn a_given_socket_is_held_by_the_gateway_alone() {
    let setup = Setup::new();
    let public = listening(&setup);
    let gateway = setup.given("public", public).start();
    let flags = |number: u32| {
        let info =
            std::fs::read_to_string(format!("/proc/{}/fdinfo/{number}", gateway.pid())).expect("a socket");
        let line =
            info.lines().find_map(|line| line.strip_prefix("flags:")).expect("flags").trim().to_owned();
        i32::from_str_radix(&line, 8).expect("an octal number")
    };
    assert_ne!(flags(3) & libc::O_CLOEXEC, 0, "no program that it might start would get it");
}
