//! Owns the story of a room with a thousand members, from the first message to the drain.
//! Never knows one of them by name.

use crate::support::conn::tcp_from;
use crate::support::ws::Got;
use crate::support::{Conn, Frame, Gateway, Ws};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};

const MEMBERS: usize = 1000;
const THREADS: usize = 4;
const MESSAGES: usize = 30;

/// Lets this process have all the sockets that it may.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("a limit");
}

/// Members of the lobby, by several threads at once.
fn crowd(gateway: &Gateway) -> Vec<Ws> {
    std::thread::scope(|scope| {
        let joining: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    // One token for all of a thread: it is the crowd that is tested.
                    let request = gateway.handshake_for("lobby", &gateway.token(&format!("crowd-{thread}")));
                    (0..MEMBERS / THREADS).map(|_| gateway.open(&request)).collect::<Vec<Ws>>()
                })
            })
            .collect();
        joining.into_iter().flat_map(|thread| thread.join().expect("a thread")).collect()
    })
}

/// Does something with each member, by several threads at once.
fn each(members: &mut [Ws], act: impl Fn(&mut Ws) + Sync) {
    std::thread::scope(|scope| {
        for part in members.chunks_mut(MEMBERS / THREADS) {
            let act = &act;
            scope.spawn(move || part.iter_mut().for_each(act));
        }
    });
}

#[test]
fn a_thousand_members_get_everything_in_one_order_and_are_all_told_to_go_away() {
    raise_file_limit();
    let mut gateway = Gateway::with(
        "server.drain_timeout = '60s'\nlimits.messages_per_connection = '100000/s burst 100000'\n\
         limits.send_queue = '128KiB'",
    );
    let mut members = crowd(&gateway);
    gateway.wait_metric("portcullis_sessions", &[], 1000.0);

    // Among them one that never reads: its queue is full long before the last message.
    let place = gateway.place();
    let socket = tcp_from(place.address, IpAddr::V4(Ipv4Addr::LOCALHOST), Some(4096));
    let conn = Conn::over(socket, &place.server_name, &place.tls).expect("a TLS handshake");
    let mut deaf = gateway.handshake_for("lobby", &gateway.token("deaf")).open_on(conn);
    deaf.settle();

    let (mut alice, mut bob) = (gateway.join("lobby", "alice"), gateway.join("lobby", "bob"));
    for index in 0..MESSAGES {
        alice.text(&format!("alice {index}"));
        bob.text(&format!("bob {index}"));
    }
    let order: Vec<Got> = (0..2 * MESSAGES).map(|_| members[0].read()).collect();
    for who in ["alice", "bob"] {
        let said = |got: &&Got| matches!(got, Got::Text(text) if text.starts_with(who));
        let expected = (0..MESSAGES).map(|index| Got::Text(format!("{who} {index}")));
        assert!(order.iter().filter(said).cloned().eq(expected), "{who}: {order:?}");
    }
    each(&mut members[1..], |ws| order.iter().for_each(|message| assert_eq!(ws.read(), *message)));
    for (ws, who) in [(&mut alice, "alice"), (&mut bob, "bob")] {
        let own = |got: &&Got| matches!(got, Got::Text(text) if text.starts_with(who));
        order.iter().filter(|got| !own(got)).for_each(|message| assert_eq!(ws.read(), *message));
    }

    let mut sent = 0;
    let labels = [("reason", "slow_reader"), ("code", "1013")];
    while gateway.metric("portcullis_closes_total", &labels) < 1.0 {
        assert!(sent < 400, "the deaf member's queue has no bound");
        let payload = [u8::try_from(sent).unwrap_or(0); 48 << 10];
        for _ in 0..4 {
            alice.send(&Frame::binary(payload));
            // Whoever reads never waits for who does not.
            bob.expect_binary(&payload);
            each(&mut members, |ws| ws.expect_binary(&payload));
            sent += 1;
        }
    }
    assert!((gateway.metric("portcullis_closes_total", &[]) - 1.0).abs() < 0.5, "it alone is closed");

    gateway.sigterm();
    each(&mut members, |ws| ws.expect_close(1001, "drain"));
    for ws in [&mut alice, &mut bob] {
        ws.expect_close(1001, "drain");
    }
    assert_eq!(gateway.wait_exit().code(), Some(0));
    let drained = |line: &Value| line["reason"] == "drain" && line["code"] == 1001;
    assert_eq!(gateway.log.count_of("the last line", MEMBERS + 2, drained), MEMBERS + 2);
}
