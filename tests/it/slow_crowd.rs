//! Owns the story of a crowd that stops in the middle of something, at each stage of a connection, and
//! of those who come meanwhile.
//! Never knows when the gateway has had enough of them.

use crate::support::conn::tcp_from;
use crate::support::{Conn, Frame, Gateway, Handshake, Ws, is_long};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const THREADS: usize = 4;
/// The crowd comes from so many addresses, 127.0.0.2 and up.
const ADDRESSES: usize = 15;
/// Who is good comes from another one.
const GOOD: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 99));

/// Where one of the crowd stops. It is kept open as it is.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Tcp,
    ClientHello,
    Head,
    Frame,
}

const STAGES: [Stage; 4] = [Stage::Tcp, Stage::ClientHello, Stage::Head, Stage::Frame];

#[allow(dead_code, reason = "they are held, not read")]
enum Slow {
    Tcp(TcpStream),
    Tls(Conn),
    Session(Ws),
}

fn half(octets: &[u8]) -> &[u8] {
    &octets[..octets.len() / 2]
}

/// Comes from this address and stops.
fn stop(gateway: &Gateway, request: &Handshake, stage: Stage, source: IpAddr) -> Slow {
    let place = gateway.place();
    match stage {
        Stage::Tcp => Slow::Tcp(tcp_from(place.address, source, None)),
        Stage::ClientHello => {
            let name = ServerName::try_from(place.server_name.clone()).expect("a name");
            let mut hello = Vec::new();
            let mut tls = ClientConnection::new(Arc::clone(&place.tls), name).expect("a hello");
            tls.write_tls(&mut hello).expect("a hello");
            let mut socket = tcp_from(place.address, source, None);
            socket.write_all(half(&hello)).expect("sent");
            Slow::Tcp(socket)
        }
        Stage::Head => {
            let mut conn = Conn::open_from(place, source);
            conn.send(half(&request.octets()));
            Slow::Tls(conn)
        }
        Stage::Frame => {
            let mut ws = request.open_on(Conn::open_from(place, source));
            ws.conn.send(half(&Frame::text("never finished").octets()));
            Slow::Session(ws)
        }
    }
}

/// So many at each stage, by several threads at once; `came` counts them.
fn crowd(gateway: &Gateway, each: usize, came: &AtomicUsize) -> Vec<Slow> {
    let come = |thread: usize| {
        let request = gateway.handshake_for("elsewhere", &gateway.token(&format!("slow-{thread}")));
        let one = |index: usize| {
            let address = 2 + u8::try_from(index % ADDRESSES).expect("small");
            let source = Ipv4Addr::new(127, 0, 0, address);
            let slow = stop(gateway, &request, STAGES[index % STAGES.len()], source.into());
            came.fetch_add(1, Ordering::Relaxed);
            slow
        };
        (0..each * STAGES.len()).skip(thread).step_by(THREADS).map(one).collect::<Vec<Slow>>()
    };
    std::thread::scope(|scope| {
        let come = &come;
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || come(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a thread")).collect()
    })
}

/// How many of the crowd there are at each stage, and how many come meanwhile.
fn sizes() -> (usize, usize) {
    if !is_long() {
        return (200, 20);
    }
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit })
        .expect("a limit");
    // The gateway has the same limit and keeps some for itself.
    let files = limit.maximum.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    (files.saturating_sub(700).min(10_000) / STAGES.len(), 100)
}

#[test]
fn a_crowd_that_stops_at_each_stage_of_a_connection_costs_nobody_else_a_handshake() {
    let (each, good) = sizes();
    let gateway = Gateway::with(
        "limits.message_timeout = '10m'\nlimits.ping_interval = '10m'\n\
         limits.messages_per_connection = '100000/s burst 100000'",
    );
    let came = AtomicUsize::new(0);
    let begun = Instant::now();
    let (mut longest, mut most) = (Duration::ZERO, 0.0_f64);
    let (slow, mut members) = std::thread::scope(|scope| {
        let slow = scope.spawn(|| crowd(&gateway, each, &came));
        let members: Vec<Ws> = (0..good)
            .map(|index| {
                // Spread over the time that the crowd takes to come.
                let share = (index + 1) * each * STAGES.len() / good;
                while came.load(Ordering::Relaxed) < share && !slow.is_finished() {
                    std::thread::park_timeout(Duration::from_millis(5));
                }
                most = most.max(gateway.metric("portcullis_handshakes", &[]));
                let begun = Instant::now();
                let ws = gateway.join_from(GOOD, "lobby", &format!("good-{index}"));
                longest = longest.max(begun.elapsed());
                ws
            })
            .collect();
        (slow.join().expect("a crowd"), members)
    });
    eprintln!(
        "{each} at each of {} stages within {:?}, at most {most} handshakes at once; {good} others, the slowest in {longest:?}",
        STAGES.len(),
        begun.elapsed()
    );
    assert!(most >= 20.0, "there was no crowd: {most}");
    let (first, others) = members.split_first_mut().expect("somebody");
    first.text("here we are");
    others.iter_mut().for_each(|ws| ws.expect_text("here we are"));

    // Who got no further is sent away in time, and nobody else is.
    gateway.wait_metric("portcullis_handshakes", &[], 0.0);
    gateway.wait_metric("portcullis_sessions", &[], (each + good) as f64);
    drop(slow);
    gateway.wait_metric("portcullis_connections", &[], good as f64);
    members.iter_mut().for_each(Ws::settle);
}
