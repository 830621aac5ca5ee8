//! Owns the stories of `portcullis probe`: against our own gateway, a naive endpoint, and nothing.
//! Never knows how an attack is made.

use crate::support::gateway::run;
use crate::support::{Gateway, ORIGIN};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

/// What became of each attack, and the exit status.
fn probe(url: &str, more: &[&str]) -> (BTreeMap<String, String>, Option<i32>) {
    let output = run(&[&["probe", url, "--format", "json"], more].concat());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|fault| panic!("{fault}: {told}"));
    assert_eq!(report["target"], url);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let verdicts = report["attacks"].as_array().expect("attacks").iter();
    let verdicts = verdicts.map(|attack| (text(&attack["id"]), text(&attack["verdict"]))).collect();
    (verdicts, output.status.code())
}

fn of<'a>(verdicts: &'a BTreeMap<String, String>, verdict: &str) -> Vec<&'a str> {
    verdicts.iter().filter(|(_, own)| *own == verdict).map(|(id, _)| id.as_str()).collect()
}

/// A gateway at an address that is in its certificate, and its URL.
fn gateway() -> (Gateway, String) {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    (Gateway::with(&format!("server.listen = ['{free}']")), format!("wss://{free}/chat/lobby"))
}

#[test]
fn nothing_gets_through_our_own_gateway() {
    let (gateway, url) = gateway();
    let ca = gateway.dir().join("ca.pem");
    let place = ["--ca", ca.to_str().expect("a path"), "--origin", ORIGIN];
    let (verdicts, status) = probe(&url, &[&place[..], &["--token", &gateway.token("alice")]].concat());
    assert_eq!((of(&verdicts, "finding"), status), (vec![], Some(0)), "{verdicts:?}");
    assert_eq!(of(&verdicts, "not_tested"), ["token-expired"]);
    assert!(verdicts.len() > 60, "{verdicts:?}");
}

#[test]
fn what_cannot_be_tested_without_a_token_is_not_called_withstood() {
    let (gateway, url) = gateway();
    let ca = gateway.dir().join("ca.pem");
    let place = ["--ca", ca.to_str().expect("a path"), "--origin", ORIGIN];
    let (verdicts, status) = probe(&url, &place);
    assert_eq!((of(&verdicts, "finding"), status), (vec![], Some(0)), "{verdicts:?}");
    for needs_a_token in ["token-none", "token-missing", "frame-unmasked"] {
        assert_eq!(verdicts[needs_a_token], "not_tested", "{verdicts:?}");
    }
    assert_eq!(verdicts["origin-foreign"], "withstood", "{verdicts:?}");
}

/// A server that a library makes in three lines: it echoes what comes.
fn naive() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let Ok(mut ws) = tungstenite::accept(socket) else { return };
                while let Ok(message) = ws.read() {
                    let is_data = message.is_text() || message.is_binary();
                    if is_data && ws.send(message).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn what_a_naive_endpoint_lets_through_is_found() {
    let (verdicts, status) = probe(&format!("ws://{}/", naive()), &["--token", "a.b.c"]);
    assert_eq!(status, Some(1));
    let found = of(&verdicts, "finding");
    for id in [
        "origin-foreign",
        "origin-null",
        "origin-twice",
        "origin-missing-with-cookie",
        "host-twice",
        "host-foreign",
        "host-missing",
        "line-bare-lf",
        "connection-names",
        "head-oversize",
        "expect",
        "key-twice",
        "target-oversize",
        "token-missing",
        "token-garbage",
        "token-in-query",
        "frame-length",
        "fragments-endless",
        "pings-many",
        "close-code",
    ] {
        assert!(found.contains(&id), "{id} is not among {found:?}");
    }
    for id in ["version-missing", "frame-unmasked", "text-not-utf8", "close-echo"] {
        assert_eq!(verdicts[id], "withstood", "{verdicts:?}");
    }
    for id in ["tls-none", "tls-1-0", "token-none", "token-expired"] {
        assert_eq!(verdicts[id], "not_tested", "{verdicts:?}");
    }
}

/// A server that answers every request on the connection, and repeats what was asked for.
fn answers_all() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let (mut octets, mut piece) = (Vec::new(), [0; 1024]);
                while let Ok(count @ 1..) = socket.read(&mut piece) {
                    octets.extend_from_slice(&piece[..count]);
                    while let Some(at) = octets.windows(4).position(|window| window == b"\r\n\r\n") {
                        let head: Vec<u8> = octets.drain(..at + 4).collect();
                        let head = String::from_utf8_lossy(&head).into_owned();
                        let answer =
                            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}", head.len());
                        let _ = socket.write_all(answer.as_bytes());
                    }
                }
            });
        }
    });
    address
}

#[test]
fn a_second_answer_and_an_echo_are_found_also_where_no_session_opens() {
    let (verdicts, status) = probe(&format!("ws://{}/", answers_all()), &[]);
    assert_eq!(status, Some(1));
    assert_eq!(of(&verdicts, "finding"), ["echo", "second-behind-admitted", "second-behind-refused"]);
    assert_eq!(verdicts["origin-foreign"], "not_tested", "what is refused anyhow proves nothing");
}

#[test]
fn where_nothing_can_be_probed_the_status_is_2_and_says_why() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let silent = format!("ws://{}/", silent.local_addr().expect("an address"));
    let (gateway, wss) = gateway();
    let key = gateway.dir().join("server.key");
    let key = key.to_str().expect("a path");
    for (arguments, told) in [
        (&["ws://127.0.0.1:1/"][..], "cannot be reached"),
        (&[&*silent], "does not answer in HTTP"),
        (&[&*wss], "--ca FILE"),
        (&[&*wss, "--ca", "/nowhere/ca.pem"], "/nowhere/ca.pem"),
        (&[&*wss, "--ca", key], "no certificate"),
        (&["https://127.0.0.1/"], "wss://HOST"),
        (&["ws://127.0.0.1:1/", "--token", "a b"], "visible ASCII"),
        (&["ws://127.0.0.1:1/", "--format", "pdf"], "sarif"),
    ] {
        let output = run(&[&["probe"], arguments].concat());
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(told), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}
