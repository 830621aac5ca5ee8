//! Owns the stories of a backend that is asked whether something may be.
//! Never knows the checks before it.

use super::tickets::answer_to;
use crate::support::backend::{echo, route, url};
use crate::support::internal::grown;
use crate::support::receiver::{Receiver, WEBHOOK_SECRET};
use crate::support::setup::free_address;
use crate::support::ws::Got;
use crate::support::{Gateway, Handshake, Setup, Stream, Token, wait_for};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn setup(receiver: &Receiver, more: &str) -> Setup {
    Setup::new()
        .file("webhook.secret", WEBHOOK_SECRET, 0o600)
        .toml(&format!("{}{more}", receiver.toml("authorize")))
}

fn says(receiver: &Receiver, answer: &'static str) {
    receiver.reply(move |_, _| (200, answer.to_owned()));
}

fn asked(gateway: &Gateway, on: &str, result: &str) -> f64 {
    gateway.metric("portcullis_authorize_total", &[("on", on), ("result", result)])
}

const CONNECT: &str = "on = ['connect', 'join']\n";
const MESSAGE: &str = "on = ['message']\n";

#[test]
fn a_connection_is_asked_for_after_its_credential_and_before_the_101() {
    let receiver = Receiver::start();
    says(&receiver, r#"{"allow":true}"#);
    let gateway = setup(&receiver, CONNECT).start();
    let bad = gateway.ask(&gateway.handshake().bearer("no.token.atall"));
    assert_eq!((bad.status, receiver.came().len()), (401, 0), "nobody is asked about a stranger");
    let mut alice = gateway.join("lobby", "alice");
    let hooked = receiver.came().remove(0);
    assert!(hooked.is_signed_with(WEBHOOK_SECRET));
    let body = hooked.json();
    assert_eq!(body["type"], "portcullis.authorize");
    let data = &body["data"];
    assert_eq!(
        [&data["on"], &data["subject"], &data["room"], &data["route"], &data["origin"]],
        [
            &json!(["connect", "join"]),
            &json!("alice"),
            &json!("lobby"),
            &json!("/chat/{room}"),
            &json!(crate::support::ORIGIN)
        ]
    );
    alice.text("hi");
    alice.settle();
    assert_eq!(receiver.came().len(), 1, "messages are not asked for");
    assert!((asked(&gateway, "connection", "allowed") - 1.0).abs() < 0.1);
}

#[test]
fn a_connection_that_the_backend_refuses_gets_403_and_gives_its_place_back() {
    let receiver = Receiver::start();
    let gateway = setup(&receiver, CONNECT).toml("limits.connections_per_subject = 1").start();
    for answer in [(200, r#"{"allow":false}"#), (403, "whatever")] {
        receiver.reply(move |_, _| (answer.0, answer.1.to_owned()));
        let count = grown(&gateway, "authorize_refused", || {
            let refused = gateway.ask(&gateway.handshake());
            assert_eq!((refused.status, refused.json()["code"].clone()), (403, json!("authorize_refused")));
        });
        assert!((count - 1.0).abs() < 0.1);
    }
    says(&receiver, r#"{"allow":true}"#);
    let _alice = gateway.join("lobby", "alice");
    let line =
        gateway.log.lines().into_iter().find(|line| line.contains("authorize_refused")).expect("a line");
    assert!(line.contains("\"subject\":\"alice\"") && line.contains("/chat/{room}"), "{line}");
}

#[test]
fn the_backend_can_take_from_the_grants_and_never_add_to_them() {
    let receiver = Receiver::start();
    let gateway = setup(&receiver, CONNECT).start();
    says(&receiver, r#"{"allow":true,"subscribe":["team-*"]}"#);
    let outside = gateway.ask(&gateway.handshake());
    assert_eq!((outside.status, outside.json()["code"].clone()), (403, json!("room_not_granted")));
    let _team = gateway.join("team-1", "alice");
    says(&receiver, r#"{"allow":true,"publish":[]}"#);
    let mut silent = gateway.join("lobby", "bob");
    silent.text("hi");
    silent.expect_close(3003, "publish_not_granted");
    says(&receiver, r#"{"allow":true,"subscribe":["*"],"publish":["*"]}"#);
    let reader = Token::of("carol").rooms(&["lobby"], &[]).sign(gateway.key());
    let elsewhere = gateway.ask(&gateway.handshake_for("kitchen", &reader));
    assert_eq!(elsewhere.status, 403);
    let mut reader = gateway.open(&gateway.handshake_for("lobby", &reader));
    reader.text("hi");
    reader.expect_close(3003, "publish_not_granted");
}

#[test]
fn a_renewal_does_not_widen_what_the_backend_narrowed() {
    let receiver = Receiver::start();
    let gateway = setup(&receiver, CONNECT).start();
    says(&receiver, r#"{"allow":true,"publish":[]}"#);
    let token = Token::of("alice").claim("jti", json!("first")).sign(gateway.key());
    let mut alice = gateway.open(&gateway.handshake_for("lobby", &token));
    alice.settle();
    let new = Token::of("alice").claim("jti", json!("second")).sign(gateway.key());
    let renewed = answer_to(&gateway, "/renew", &new, r#"{"jti":"first"}"#);
    assert_eq!((renewed.status, renewed.json()["sessions"].clone()), (200, json!(1)), "{renewed:?}");
    alice.text("hi");
    alice.expect_close(3003, "publish_not_granted");
}

#[test]
fn where_no_answer_comes_it_is_refused_unless_the_configuration_says_otherwise() {
    let receiver = Receiver::start();
    let gateway = setup(&receiver, &format!("{CONNECT}timeout = '200ms'\n")).start();
    type Reply = (u16, &'static str);
    let answers: [Reply; 6] = [
        (500, ""),
        (302, ""),
        (200, ""),
        (200, "{}"),
        (200, r#"{"allow":true,"also":1}"#),
        (200, r#"{"allow":true,"subscribe":["a b"]}"#),
    ];
    for answer in answers {
        receiver.reply(move |_, _| (answer.0, answer.1.to_owned()));
        let refused = gateway.ask(&gateway.handshake());
        assert_eq!(
            (refused.status, refused.json()["code"].clone()),
            (503, json!("authorize_unavailable")),
            "{answer:?}"
        );
        assert!(refused.field("retry-after").is_some());
    }
    receiver.reply(|_, _| {
        std::thread::park_timeout(Duration::from_secs(2));
        (200, r#"{"allow":true}"#.to_owned())
    });
    assert_eq!(gateway.ask(&gateway.handshake()).status, 503, "too late");
    receiver.reply(|_, _| (200, format!("{{\"allow\":true{}}}", " ".repeat(70_000))));
    assert_eq!(gateway.ask(&gateway.handshake()).status, 503, "too long");
    assert!((asked(&gateway, "connection", "failed") - 8.0).abs() < 0.1);

    let nobody = free_address();
    let with = |on_failure: &str| {
        Setup::new().file("webhook.secret", WEBHOOK_SECRET, 0o600).toml(&format!(
            "[authorize]\nurl = 'http://{nobody}/'\nsecret_file = 'webhook.secret'\non = ['connect', 'message']\n{on_failure}"
        ))
    };
    let refusing = with("").start();
    assert_eq!(refusing.ask(&refusing.handshake()).status, 503, "nobody is there");
    let allowing = with("on_failure = 'allow'\n").start();
    let mut alice = allowing.join("lobby", "alice");
    let mut bob = allowing.join("lobby", "bob");
    alice.text("hi");
    bob.expect_text("hi");
}

#[test]
fn the_handshake_timeout_holds_while_the_backend_is_asked() {
    let receiver = Receiver::start();
    receiver.reply(|_, _| {
        std::thread::park_timeout(Duration::from_secs(5));
        (200, r#"{"allow":true}"#.to_owned())
    });
    let gateway = setup(&receiver, &format!("{CONNECT}timeout = '10s'\non_failure = 'allow'\n"))
        .toml("limits.handshake_timeout = '1s'")
        .start();
    assert_eq!(gateway.ask(&gateway.handshake()).status, 503);
}

#[test]
fn a_message_is_delivered_once_the_backend_lets_it_and_in_its_order() {
    let receiver = Receiver::start();
    receiver.reply(|_, before| {
        // The first answers are the slowest.
        std::thread::park_timeout(Duration::from_millis(if before < 3 { 100 } else { 0 }));
        (200, r#"{"allow":true}"#.to_owned())
    });
    let gateway = setup(&receiver, MESSAGE).start();
    let mut alice = gateway.join("lobby", "alice");
    let mut bob = gateway.join("lobby", "bob");
    for number in 0..20 {
        alice.text(&number.to_string());
    }
    for number in 0..20 {
        bob.expect_text(&number.to_string());
    }
    alice.settle();
    let came = receiver.came();
    assert_eq!(came.len(), 20);
    let data = came[7].json()["data"].clone();
    assert_eq!(
        [&data["on"], &data["kind"], &data["data"]],
        [&json!(["message"]), &json!("text"), &json!("7")]
    );
    assert!((asked(&gateway, "message", "allowed") - 20.0).abs() < 0.1);
}

#[test]
fn a_message_that_the_backend_refuses_reaches_nobody_and_closes_its_sender() {
    let receiver = Receiver::start();
    receiver.reply(|hooked, _| {
        let is_bad = hooked.json()["data"]["data"] == "bad";
        (200, json!({ "allow": !is_bad }).to_string())
    });
    let gateway = setup(&receiver, MESSAGE).start();
    let mut alice = gateway.join("lobby", "alice");
    let mut bob = gateway.join("lobby", "bob");
    for text in ["good", "bad", "never judged"] {
        alice.text(text);
    }
    alice.expect_close(3003, "message_refused");
    bob.expect_text("good");
    bob.expect_nothing();
    receiver.reply(|_, _| (500, String::new()));
    bob.text("not judged");
    bob.expect_close(1013, "message_not_judged");
}

#[test]
fn whoever_waits_for_the_backend_reads_no_more_and_the_others_go_on() {
    let receiver = Receiver::start();
    let is_open = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&is_open);
    receiver.reply(move |hooked, _| {
        if hooked.json()["data"]["subject"] == "alice" {
            while !opened.load(Ordering::SeqCst) {
                std::thread::park_timeout(Duration::from_millis(5));
            }
        }
        (200, r#"{"allow":true}"#.to_owned())
    });
    let gateway = setup(&receiver, &format!("{MESSAGE}timeout = '10s'\n")).start();
    let mut alice = gateway.join("lobby", "alice");
    let mut bob = gateway.join("lobby", "bob");
    alice.text("slow");
    receiver.wait("the question", |receiver| !receiver.came().is_empty());
    // Read, it would be answered at once.
    alice.send(&crate::support::Frame::ping("unread"));
    bob.text("quick");
    assert_eq!(alice.read(), Got::Text("quick".to_owned()));
    assert!(alice.is_silent_for(Duration::from_millis(300)), "nothing more is read of it");
    is_open.store(true, Ordering::SeqCst);
    bob.expect_text("slow");
    assert_eq!(alice.read(), Got::Pong(b"unread".to_vec()));
}

#[test]
fn only_the_routes_that_are_named_are_asked_for() {
    let receiver = Receiver::start();
    says(&receiver, r#"{"allow":false}"#);
    let gateway = setup(&receiver, "on = ['connect', 'message']\nroutes = ['/other']\n")
        .raw("[[route]]\npath = '/other'\nroom = 'other'\n")
        .start();
    let mut alice = gateway.join("lobby", "alice");
    alice.text("hi");
    alice.settle();
    assert!(receiver.came().is_empty());
    assert_eq!(gateway.ask(&gateway.handshake().target("/other")).status, 403);
}

#[test]
fn questions_at_once_are_bounded_and_waiting_for_a_place_counts() {
    let receiver = Receiver::start();
    let most = Arc::new(Mutex::new((0_usize, 0_usize)));
    let counted = Arc::clone(&most);
    receiver.reply(move |_, _| {
        {
            let mut counts = counted.lock().expect("no panic");
            counts.0 += 1;
            counts.1 = counts.1.max(counts.0);
        }
        std::thread::park_timeout(Duration::from_millis(30));
        counted.lock().expect("no panic").0 -= 1;
        (200, r#"{"allow":true}"#.to_owned())
    });
    let gateway = setup(&receiver, &format!("{CONNECT}concurrent = 2\ntimeout = '9s'\n")).start();
    std::thread::scope(|scope| {
        for number in 0..12 {
            let gateway = &gateway;
            scope.spawn(move || gateway.join("lobby", &format!("guest-{number}")));
        }
    });
    wait_for("all of them", || receiver.came().len() == 12);
    assert_eq!(most.lock().expect("no panic").1, 2);
}

#[test]
fn those_without_a_websocket_are_asked_for_too() {
    let receiver = Receiver::start();
    let gateway = setup(&receiver, "on = ['connect', 'message']\n").start();
    let code = |request: &Handshake| {
        let answer = gateway.ask(request);
        (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
    };
    let (stream, post) = (gateway.handshake().for_stream(), gateway.handshake().for_post("hi"));
    let refused = |status, code: &str| (status, code.to_owned());
    says(&receiver, r#"{"allow":false}"#);
    assert_eq!(code(&stream), refused(403, "authorize_refused"));
    assert_eq!(code(&post), refused(403, "authorize_refused"));
    receiver.reply(|_, _| (500, String::new()));
    assert_eq!(code(&stream), refused(503, "authorize_unavailable"));
    assert_eq!(code(&post), refused(503, "authorize_unavailable"));
    says(&receiver, r#"{"allow":true,"publish":[]}"#);
    assert_eq!(code(&post), refused(403, "send_not_granted"));
    says(&receiver, r#"{"allow":true,"subscribe":[]}"#);
    assert_eq!(code(&stream), refused(403, "room_not_granted"));
    says(&receiver, r#"{"allow":true}"#);
    let mut alice = Stream::open(&stream, gateway.place());
    assert_eq!(gateway.ask(&post).status, 204);
    alice.expect("hi");
    let data = receiver.came().pop().expect("a question").json()["data"].clone();
    assert_eq!([&data["on"], &data["data"]], [&json!(["connect", "message"]), &json!("hi")]);
}

#[test]
fn who_goes_to_a_backend_or_subscribes_to_a_hub_is_asked_about_too() {
    const HUB: &str = "/.well-known/mercure";
    let receiver = Receiver::start();
    let web = echo();
    let gateway = setup(&receiver, "on = ['connect', 'message']\n")
        .toml(&format!("{}[[route]]\npath = '{HUB}'\nkind = 'mercure'\n", route(&[url(&web)], "")))
        .start();
    let relayed = gateway.handshake().target("/legacy");
    let token = Token::of("alice").claim("mercure", json!({ "subscribe": ["*"] })).sign(gateway.key());
    let hub = gateway.handshake().bearer(&token).for_stream().target(format!("{HUB}?topic=a&topic=b"));
    for (answer, relay_code, hub_code) in [
        ((200, r#"{"allow":false}"#), "authorize_refused", "authorize_refused"),
        ((500, ""), "authorize_unavailable", "authorize_unavailable"),
        ((200, r#"{"allow":true,"subscribe":["*"]}"#), "room_not_granted", "topic_not_granted"),
    ] {
        receiver.reply(move |_, _| (answer.0, answer.1.to_owned()));
        for (request, code) in [(&relayed, relay_code), (&hub, hub_code)] {
            let refused = gateway.ask(request);
            let status = if code == "authorize_unavailable" { 503 } else { 403 };
            assert_eq!((refused.status, refused.json()["code"].clone()), (status, json!(code)));
        }
    }
    says(&receiver, r#"{"allow":true}"#);
    let before = receiver.came().len();
    let mut alice = gateway.open(&relayed);
    alice.text("hi");
    alice.expect_text("hi");
    let _stream = Stream::open(&hub, gateway.place());
    let came: Vec<_> =
        receiver.came().iter().skip(before).map(|hooked| hooked.json()["data"].clone()).collect();
    assert_eq!(came.len(), 2, "no message of theirs is asked about: {came:?}");
    assert_eq!([&came[0]["route"], &came[0]["topics"]], [&json!("/legacy"), &json!(null)]);
    assert_eq!(
        [&came[1]["on"], &came[1]["route"], &came[1]["subject"], &came[1]["topics"]],
        [&json!(["connect"]), &json!(HUB), &json!("alice"), &json!(["a", "b"])]
    );
}
