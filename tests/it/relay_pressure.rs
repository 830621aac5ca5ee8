//! Owns the stories of a side of a relayed session that does not read: the other one waits.
//! Never knows what the messages say.

use crate::support::backend::{backend, route, url};
use crate::support::{Frame, Gateway, Web, Ws};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const MESSAGE: usize = 64 << 10;
/// More of them than the sockets on the way take.
const MESSAGES: usize = 1024;
const LIMITS: &str = "limits.messages_per_connection = '100000/s burst 100000'\n\
                      limits.bytes_per_connection = '900MiB/s burst 900MiB'\n";
/// What the gateway may need for a session in which everything waits, and for the tests' noise.
const MEMORY: usize = 8 << 20;

fn before(web: &Web, more: &str) -> Gateway {
    Gateway::with(&format!("{LIMITS}{more}\n{}", route(&[url(web)], "")))
}

fn enter(gateway: &Gateway) -> Ws {
    gateway.open(&gateway.handshake().target("/legacy"))
}

/// How many have gone once no more go for a second; at once, if all have.
fn where_it_stands(gone: &AtomicUsize) -> usize {
    let (mut last, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_secs(1) {
        std::thread::park_timeout(Duration::from_millis(10));
        let now = gone.load(Ordering::SeqCst);
        if now == MESSAGES {
            return now;
        }
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    last
}

#[test]
fn a_peer_waits_for_a_backend_that_does_not_read_and_is_read_again_once_it_does() {
    let (go, gone_ahead) = channel();
    let gone_ahead = Mutex::new(gone_ahead);
    // It says nothing until it has everything: nothing but its reading moves the session on.
    let web = backend(move |caller| {
        gone_ahead.lock().expect("no panic").recv().expect("a word");
        let mut octets = 0;
        while octets < MESSAGES * MESSAGE {
            let Some((2, payload)) = caller.message() else { return };
            octets += payload.len();
        }
        caller.send(&Frame::text(octets.to_string()));
        while caller.frame().is_some() {}
    });
    let gateway = before(&web, "");
    let mut ws = enter(&gateway);
    let memory = gateway.resident_bytes();
    let sent = Arc::new(AtomicUsize::new(0));
    let writer = std::thread::spawn({
        let sent = Arc::clone(&sent);
        move || {
            let message = Frame::binary(vec![7; MESSAGE]).octets();
            for _ in 0..MESSAGES {
                ws.conn.try_send(&message).expect("the session lives");
                sent.fetch_add(1, Ordering::SeqCst);
            }
            ws
        }
    });
    let stands = where_it_stands(&sent);
    assert!(stands < MESSAGES, "the gateway reads on for a backend that does not");
    let grown = gateway.resident_bytes().saturating_sub(memory);
    assert!(grown < MEMORY, "{grown} octets are kept for {stands} messages");
    let mut other = gateway.join("lobby", "bob");
    go.send(()).expect("a backend");
    let mut ws = writer.join().expect("all is sent");
    ws.expect_text(&(MESSAGES * MESSAGE).to_string());
    ws.leave();
    other.settle();
}

/// A backend that sends all messages at once, counts them, and tells when its connection has ended.
fn talkative() -> (Web, Arc<AtomicUsize>, std::sync::mpsc::Receiver<()>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let web = backend({
        let sent = Arc::clone(&sent);
        move |caller| {
            for _ in 0..MESSAGES {
                caller.send(&Frame::binary([7; MESSAGE]));
                sent.fetch_add(1, Ordering::SeqCst);
            }
            while caller.frame().is_some_and(|frame| frame.opcode != 8) {}
            let _ = tell.lock().expect("no panic").send(());
        }
    });
    (web, sent, told)
}

#[test]
fn a_backend_waits_for_a_peer_that_does_not_read_and_nothing_is_lost() {
    let (web, sent, told) = talkative();
    let gateway = before(&web, "");
    let memory = gateway.resident_bytes();
    let mut ws = enter(&gateway);
    let stands = where_it_stands(&sent);
    assert!(stands < MESSAGES, "the gateway reads on for a peer that does not");
    let grown = gateway.resident_bytes().saturating_sub(memory);
    assert!(grown < MEMORY, "{grown} octets are kept for {stands} messages");
    for _ in 0..MESSAGES {
        ws.expect_binary(&[7; MESSAGE]);
    }
    ws.settle();
    ws.leave();
    told.recv_timeout(Duration::from_secs(20)).expect("the end of its connection");
}

#[test]
fn a_peer_that_does_not_read_at_all_is_closed_for_want_of_a_pong_and_its_backend_let_go() {
    let (web, _, told) = talkative();
    let gateway = before(&web, "limits.ping_interval = '500ms'\nlimits.pong_timeout = '500ms'");
    let ws = enter(&gateway);
    let line = gateway.log.reason("no_pong");
    assert_eq!((&line["code"], &line["event"]), (&3008.into(), &"closed".into()));
    told.recv_timeout(Duration::from_secs(20)).expect("the end of its connection");
    gateway.wait_metric("portcullis_upstream_connections", &[("route", "/legacy"), ("upstream", "0")], 0.0);
    drop(ws);
}
