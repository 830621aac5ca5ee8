//! Owns the stories of a gateway that has too much to do, or too little to do it with.
//! Never knows how it notices.

use crate::support::conn::tcp_from;
use crate::support::refusal::{expect_refusal, refused};
use crate::support::{Conn, Frame, Gateway, PATIENCE, Ws};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

fn pid(gateway: &Gateway) -> Pid {
    i32::try_from(gateway.pid()).ok().and_then(Pid::from_raw).expect("a process")
}

/// CPU time that the process has used, of user and system.
fn cpu(gateway: &Gateway) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", gateway.pid())).expect("the process");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    // USER_HZ is 100 on every Linux.
    Duration::from_millis(ticks * 10)
}

fn speak(alice: &mut Ws, bob: &mut Ws, text: &str) {
    alice.text(text);
    bob.expect_text(text);
}

#[test]
fn without_file_descriptors_nothing_spins_sessions_live_and_newcomers_come_in_once_there_are_some() {
    let gateway = Gateway::start();
    let (mut alice, mut bob) = (gateway.join("lobby", "alice"), gateway.join("lobby", "bob"));
    let none = Rlimit { current: Some(3), maximum: rustix::process::getrlimit(Resource::Nofile).maximum };
    let before = prlimit(Some(pid(&gateway)), Resource::Nofile, none).expect("a limit");
    let begun = Instant::now();
    let crowd: Vec<TcpStream> =
        (0..50).map(|_| TcpStream::connect(gateway.place().address).expect("the kernel takes it")).collect();
    let used = cpu(&gateway);
    let speaking = Instant::now();
    while speaking.elapsed() < Duration::from_secs(2) {
        speak(&mut alice, &mut bob, "we go on");
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let used = cpu(&gateway) - used;
    assert!(used < Duration::from_millis(500), "{used:?} of 2 s on two workers");
    prlimit(Some(pid(&gateway)), Resource::Nofile, before).expect("a limit");
    let freed = Instant::now();
    assert_eq!(gateway.ask(&gateway.handshake()).status, 101);
    let (recovered, elapsed) = (freed.elapsed(), begun.elapsed());
    // A pause of 50 ms at most, the crowd in the queue, a handshake: what is above one second is for a busy machine.
    assert!(recovered < Duration::from_secs(2), "{recovered:?}");
    // Each of the two workers tries again after 50 ms: never sooner, and on a busy machine not much later.
    let failed = gateway.metric("portcullis_accept_failures_total", &[]);
    let most = 2.0 * elapsed.as_secs_f64() / 0.05;
    assert!((most / 8.0..most + 4.0).contains(&failed), "{failed} tries, and {most} at most");
    eprintln!("{used:?} of CPU, {failed} tries in {elapsed:?}, {recovered:?} to the next session");
    drop(crowd);
    speak(&mut alice, &mut bob, "and on");
    let told = gateway.log.count(|line| line["event"] == "accept_failed");
    assert!((1..=16).contains(&told), "told once a second and worker, not each time: {told}");
}

#[test]
fn handshakes_under_way_have_a_limit_and_sessions_are_none_of_them() {
    let gateway = Gateway::with("limits.handshakes = 3");
    let mut sessions: Vec<Ws> = (0..4).map(|index| gateway.join("lobby", &format!("m{index}"))).collect();
    let mut silent = vec![gateway.connect(), gateway.connect()];
    assert_eq!(gateway.ask(&gateway.handshake()).status, 101, "the third");
    gateway.wait_metric("portcullis_handshakes", &[], 2.0);
    silent.push(gateway.connect());
    expect_refusal(&gateway, &gateway.handshake(), refused(503, "overloaded"));
    for session in &mut sessions {
        session.settle_after_others();
    }
    drop(silent);
    gateway.wait_metric("portcullis_handshakes", &[], 0.0);
    assert_eq!(gateway.ask(&gateway.handshake()).status, 101);
}

#[test]
fn the_smallest_limit_of_handshakes_lets_one_in_and_drops_a_flood_without_a_word() {
    let gateway = Gateway::with("limits.handshakes = 1");
    assert_eq!(gateway.ask(&gateway.handshake()).status, 101);
    gateway.wait_metric("portcullis_handshakes", &[], 0.0);
    let _crowd: Vec<TcpStream> =
        (0..80).map(|_| TcpStream::connect(gateway.place().address).expect("the kernel takes it")).collect();
    gateway.log.reason("overload_flood");
}

/// One of the lobby that reads nothing, with so much waiting for it.
fn deaf_with_a_queue(gateway: &Gateway, alice: &mut Ws, least: f64) -> Ws {
    let place = gateway.place();
    let socket = tcp_from(place.address, IpAddr::V4(Ipv4Addr::LOCALHOST), Some(4096));
    let conn = Conn::over(socket, &place.server_name, &place.tls).expect("a TLS handshake");
    let deaf = gateway.handshake_for("lobby", &gateway.token("deaf")).open_on(conn);
    let deadline = Instant::now() + PATIENCE;
    while gateway.metric("portcullis_queued_bytes", &[]) < least {
        assert!(Instant::now() < deadline, "nothing waits for it");
        alice.send(&Frame::binary([7; 48 << 10]));
    }
    deaf
}

#[test]
fn while_too_much_waits_for_peers_that_do_not_read_newcomers_are_sent_away_and_sessions_go_on() {
    for (most, status) in [("1MiB", 503), ("0B", 101)] {
        let gateway = Gateway::with(&format!("limits.queued_bytes = '{most}'\nlimits.send_queue = '64MiB'"));
        let mut alice = gateway.join("lobby", "alice");
        let (mut bob, mut carol) = (gateway.join("kitchen", "bob"), gateway.join("kitchen", "carol"));
        let deaf = deaf_with_a_queue(&gateway, &mut alice, 1_100_000.0);
        let answer = gateway.ask(&gateway.handshake());
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 503 {
            assert_eq!(answer.field("retry-after"), Some("5"), "{answer:?}");
            gateway.log.reason("overloaded");
        }
        speak(&mut bob, &mut carol, "we go on");
        drop(deaf);
        gateway.wait_metric("portcullis_queued_bytes", &[], 0.0);
        assert_eq!(gateway.ask(&gateway.handshake()).status, 101);
    }
}

#[test]
fn a_worker_that_falls_behind_sends_newcomers_away_and_keeps_its_sessions() {
    let mut gateway = Gateway::with("server.workers = 1\nlimits.overload_lag = '200ms'");
    let mut alice = gateway.join("lobby", "alice");
    let process = pid(&gateway);
    let stop_for_a_while = || {
        kill_process(process, Signal::STOP).expect("stopped");
        std::thread::park_timeout(Duration::from_millis(400));
    };
    // As if each turn took so long.
    for _ in 0..8 {
        stop_for_a_while();
        kill_process(process, Signal::CONT).expect("continued");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    std::thread::scope(|scope| {
        kill_process(process, Signal::STOP).expect("stopped");
        let waits = scope.spawn(|| gateway.ask(&gateway.handshake()));
        stop_for_a_while();
        kill_process(process, Signal::CONT).expect("continued");
        let answer = waits.join().expect("an answer");
        assert_eq!((answer.status, answer.field("retry-after")), (503, Some("5")), "{answer:?}");
    });
    gateway.log.reason("overloaded");
    alice.settle_after_others();
    gateway.wait_until("it has caught up", |gateway| gateway.ask(&gateway.handshake()).status == 101);
    assert!(gateway.metric("portcullis_worker_lag_seconds", &[]) < 0.2);
}
