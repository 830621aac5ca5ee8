//! Owns the stories of what the backend is told by webhooks.
//! Never knows how a session begins or ends as such.

use crate::support::backend::{echo, route, url};
use crate::support::receiver::{Receiver, WEBHOOK_SECRET};
use crate::support::setup::free_address;
use crate::support::stream::Got;
use crate::support::web::Web;
use crate::support::{Frame, Gateway, Setup, Stream, Token, unix_now};
use serde_json::{Value, json};
use std::time::Duration;

const ALL: &str = "types = ['connected', 'joined', 'message', 'left', 'disconnected']\n";
const FAST: &str = "linger = '10ms'\nretry_first = '20ms'\nretry_longest = '50ms'\n";

fn setup(receiver: &Receiver, more: &str) -> Setup {
    Setup::new()
        .file("webhook.secret", format!("{WEBHOOK_SECRET}\n"), 0o600)
        .toml(&format!("{}{FAST}{more}", receiver.toml("events")))
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().expect("a type")).collect()
}

fn dropped(gateway: &Gateway, reason: &str) -> f64 {
    gateway.metric("portcullis_events_dropped_total", &[("reason", reason)])
}

#[test]
fn a_backend_is_told_of_a_session_from_its_beginning_to_its_end() {
    let receiver = Receiver::start();
    let gateway = setup(&receiver, &format!("{ALL}payload = true\n")).start();
    let mut alice = gateway.join("lobby", "alice");
    alice.text("hello \u{fc}");
    alice.send(&Frame::binary([0, 255]));
    alice.settle();
    alice.leave();
    let events = receiver.wait_events(6);
    assert_eq!(kinds(&events), ["connected", "joined", "message", "message", "left", "disconnected"]);
    let id = events[0]["connection_id"].clone();
    for event in &events {
        assert_eq!(
            [&event["connection_id"], &event["subject"], &event["room"], &event["route"]],
            [&id, &json!("alice"), &json!("lobby"), &json!("/chat/{room}")]
        );
        assert!(event["time"].as_str().is_some_and(|time| time.ends_with('Z')));
    }
    assert_eq!(events[0]["origin"], crate::support::ORIGIN);
    assert_eq!(events[1]["publish"], true);
    assert_eq!([&events[2]["data"], &events[2]["bytes"]], [&json!("hello \u{fc}"), &json!(8)]);
    assert_eq!([&events[3]["data_base64"], &events[3]["kind"]], [&json!("AP8="), &json!("binary")]);
    assert_eq!([&events[5]["reason"], &events[5]["code"]], [&json!("peer_closed"), &json!(1000)]);
    let logged = gateway.log.lines().join("\n");
    assert!(logged.contains(id.as_str().expect("an id")), "the log bears the same number");
    for hooked in receiver.came() {
        assert!(hooked.is_signed_with(WEBHOOK_SECRET), "{hooked:?}");
        assert_eq!(hooked.target, "/hook?of=pst-swordfish");
        assert!(hooked.timestamp.abs_diff(unix_now() as u64) < 60);
    }
    gateway.wait_metric("portcullis_events_delivered_total", &[], 6.0);
    gateway.wait_metric("portcullis_events_waiting", &[], 0.0);
}

#[test]
fn a_message_is_told_only_where_the_configuration_says_so_and_its_payload_too() {
    let quiet = Receiver::start();
    let gateway = setup(&quiet, "").start();
    let mut alice = gateway.join("lobby", "alice");
    alice.text("hello");
    alice.settle();
    alice.leave();
    assert_eq!(kinds(&quiet.wait_events(4)), ["connected", "joined", "left", "disconnected"]);
    let receiver = Receiver::start();
    let gateway = setup(&receiver, "types = ['message']\n").start();
    let mut alice = gateway.join("lobby", "alice");
    alice.text("secret of two");
    alice.settle();
    let events = receiver.wait_events(1);
    assert_eq!([&events[0]["bytes"], &events[0]["data"]], [&json!(13), &Value::Null]);
}

#[test]
fn two_secrets_sign_side_by_side_while_receivers_change_over() {
    let receiver = Receiver::start();
    let old = "whsec_b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xk";
    let gateway =
        setup(&receiver, "previous_secret_file = 'old.secret'\n").file("old.secret", old, 0o600).start();
    let _alice = gateway.join("lobby", "alice");
    receiver.wait_events(2);
    let hooked = receiver.came().remove(0);
    assert!(hooked.is_signed_with(WEBHOOK_SECRET) && hooked.is_signed_with(old));
    assert_eq!(hooked.signature.split(' ').count(), 2);
}

#[test]
fn what_a_backend_did_not_take_comes_again_under_the_same_id_signed_anew() {
    let receiver = Receiver::start();
    // A refusal, a redirect, an answer that is too slow, and then it is taken.
    receiver.reply(|_, before| match before {
        0 => (500, "no".to_owned()),
        1 => (302, String::new()),
        2 => {
            std::thread::park_timeout(Duration::from_millis(900));
            (204, String::new())
        }
        _ => (204, String::new()),
    });
    let gateway = setup(&receiver, "timeout = '300ms'\n").start();
    let alice = gateway.join("lobby", "alice");
    receiver.wait("four tries", |receiver| receiver.came().len() >= 4);
    let came = receiver.came();
    assert!(
        came[..4].iter().all(|hooked| hooked.id == came[0].id && hooked.body == came[0].body),
        "{came:?}"
    );
    assert!(came.iter().all(|hooked| hooked.is_signed_with(WEBHOOK_SECRET)));
    alice.leave();
    let events = receiver.wait_events(4);
    let mut ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().expect("an id")).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    ids.dedup();
    assert_eq!(ids.len(), 4, "each event has an id of its own");
    let result = |name| gateway.metric("portcullis_event_requests_total", &[("result", name)]);
    assert!((result("status") - 2.0).abs() < 0.1 && (result("timeout") - 1.0).abs() < 0.1);
    gateway.wait_metric("portcullis_events_waiting", &[], 0.0);
    let lines = gateway.log.lines().join("\n");
    assert!(lines.contains("events_failed") && lines.contains("events_delivered"), "{lines}");
}

#[test]
fn a_backend_that_is_not_there_yet_gets_everything_once_it_is() {
    let address = free_address();
    let setup = Setup::new()
        .file("webhook.secret", WEBHOOK_SECRET, 0o600)
        .toml(&format!("[events]\nurl = 'http://{address}/'\nsecret_file = 'webhook.secret'\n{FAST}{ALL}"));
    let gateway = setup.start();
    let mut alice = gateway.join("lobby", "alice");
    for number in 0..50 {
        alice.text(&number.to_string());
    }
    alice.settle();
    gateway.wait_metric("portcullis_events_waiting", &[], 52.0);
    let refused = || gateway.metric("portcullis_event_requests_total", &[("result", "connect")]);
    crate::support::wait_for("tries", || refused() > 2.0);
    let receiver = Receiver::on(Web::http_at(address));
    assert_eq!(receiver.wait_events(52).len(), 52);
    assert!(dropped(&gateway, "queue_full") < 0.1);
}

#[test]
fn events_of_a_connection_keep_their_order_whatever_the_backend_does() {
    let receiver = Receiver::start();
    receiver.reply(|_, before| if before % 3 == 0 { (503, String::new()) } else { (204, String::new()) });
    let gateway = setup(&receiver, &format!("{ALL}payload = true\nbatch = 7\n")).start();
    std::thread::scope(|scope| {
        for subject in ["alice", "bob", "carol"] {
            let gateway = &gateway;
            scope.spawn(move || {
                let mut ws = gateway.join(subject, subject);
                for number in 0..60 {
                    ws.text(&number.to_string());
                }
                ws.settle();
                ws.leave();
            });
        }
    });
    let events = receiver.wait_events(3 * 64);
    for subject in ["alice", "bob", "carol"] {
        let own: Vec<Value> = events.iter().filter(|event| event["subject"] == subject).cloned().collect();
        let said: Vec<String> =
            own.iter().filter_map(|event| event["data"].as_str().map(str::to_owned)).collect();
        assert_eq!(said, (0..60).map(|number| number.to_string()).collect::<Vec<_>>(), "{subject}");
        assert_eq!(kinds(&own)[..2], ["connected", "joined"]);
        assert_eq!(kinds(&own)[62..], ["left", "disconnected"]);
    }
    assert!(receiver.came().iter().all(|hooked| hooked.events().len() <= 7));
}

#[test]
fn past_the_bound_events_are_dropped_and_counted_and_nobody_waits() {
    let receiver = Receiver::start();
    receiver.reply(|_, _| (500, String::new()));
    let gateway = setup(&receiver, &format!("{ALL}queue = 10\nbatch = 1\n")).start();
    let mut alice = gateway.join("lobby", "alice");
    let mut bob = gateway.join("lobby", "bob");
    for number in 0..40 {
        alice.text(&number.to_string());
    }
    alice.settle();
    for number in 0..40 {
        bob.expect_text(&number.to_string());
    }
    // One is on its way, and ten wait.
    assert!(gateway.metric("portcullis_events_waiting", &[]) < 11.5);
    assert!(dropped(&gateway, "queue_full") > 32.5, "of 44 events");
    assert_eq!(gateway.log.lines().iter().filter(|line| line.contains("events_dropped")).count(), 1);
    receiver.reply(|_, _| (204, String::new()));
    gateway.wait_metric("portcullis_events_waiting", &[], 0.0);
    crate::support::wait_for("the number of those dropped", || {
        gateway.log.lines().iter().filter(|line| line.contains("events_dropped")).count() == 2
    });
}

#[test]
fn what_is_not_taken_for_too_long_is_given_up() {
    let receiver = Receiver::start();
    receiver.reply(|_, _| (500, String::new()));
    let gateway = setup(&receiver, "retry_for = '200ms'\n").start();
    let _alice = gateway.join("lobby", "alice");
    crate::support::wait_for("given up", || dropped(&gateway, "retry_for") > 1.5);
    gateway.wait_metric("portcullis_events_waiting", &[], 0.0);
    receiver.reply(|_, _| (204, String::new()));
    let _bob = gateway.join("lobby", "bob");
    receiver.wait("bob", |receiver| receiver.events().iter().any(|event| event["subject"] == "bob"));
}

#[test]
fn a_drain_tells_the_backend_of_every_session_that_it_ended() {
    let receiver = Receiver::start();
    let mut gateway = setup(&receiver, "").toml("events.linger = '10s'").start();
    let mut held: Vec<_> = (0..5).map(|number| gateway.join("lobby", &format!("guest-{number}"))).collect();
    gateway.sigterm();
    for ws in &mut held {
        ws.expect_close(1001, "drain");
    }
    assert_eq!(gateway.wait_exit().code(), Some(0));
    let events = receiver.events();
    assert_eq!(kinds(&events).iter().filter(|kind| **kind == "disconnected").count(), 5, "{events:?}");
    assert_eq!(events.len(), 20);
}

#[test]
fn a_drain_does_not_wait_for_a_backend_that_is_gone_beyond_its_time() {
    let receiver = Receiver::start();
    receiver.reply(|_, _| (500, String::new()));
    let mut gateway = setup(&receiver, "").toml("server.drain_timeout = '1s'").start();
    gateway.join("lobby", "alice").leave();
    gateway.sigterm();
    assert_eq!(gateway.wait_exit().code(), Some(0));
    let lines = gateway.log.all().join("\n");
    assert!(lines.contains("events_dropped") && lines.contains("\"stopped\""), "{lines}");
}

#[test]
fn by_tls_the_backend_must_be_the_one_that_the_roots_vouch_for() {
    let ca = crate::support::pki::Ca::new();
    let receiver = Receiver::on(Web::https(&ca, &["localhost"]));
    let with_roots = |pem: &str| {
        Setup::new().file("webhook.secret", WEBHOOK_SECRET, 0o600).file("backend.pem", pem, 0o644).toml(&format!(
            "[events]\nurl = 'https://localhost:{}/'\nroots = 'backend.pem'\nsecret_file = 'webhook.secret'\n{FAST}",
            receiver.web.port()
        ))
    };
    let other = with_roots(crate::support::pki::Ca::new().pem()).start();
    let _alice = other.join("lobby", "alice");
    let refused = || other.metric("portcullis_event_requests_total", &[("result", "tls")]);
    crate::support::wait_for("a refusal", || refused() > 0.5);
    assert!(receiver.came().is_empty());
    let gateway = with_roots(ca.pem()).start();
    let _bob = gateway.join("lobby", "bob");
    assert_eq!(receiver.wait_events(2)[0]["subject"], "bob");
}

#[test]
fn neither_the_secret_nor_the_url_nor_a_payload_of_events_comes_to_light() {
    // What the gateway wrote is looked through for the marks when it is dropped.
    let receiver = Receiver::start();
    receiver.reply(|_, _| (500, crate::support::MARK.to_owned()));
    let gateway = setup(&receiver, &format!("{ALL}payload = true\nretry_for = '100ms'\n")).start();
    let mut alice = gateway.join("lobby", "alice");
    alice.text(crate::support::MARK);
    alice.settle();
    crate::support::wait_for("given up", || dropped(&gateway, "retry_for") > 0.5);
    let lines = gateway.log.lines().join("\n");
    assert!(lines.contains("events_failed") && lines.contains("status 500"), "{lines}");
}

#[test]
fn a_reload_takes_another_secret_and_other_kinds() {
    let receiver = Receiver::start();
    let gateway = setup(&receiver, "").start();
    let alice = gateway.join("lobby", "alice");
    receiver.wait_events(2);
    let new = "whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3";
    gateway.setup.put("webhook.secret", new, 0o600);
    let text = std::fs::read_to_string(gateway.setup.config()).expect("a file");
    let text = text.replace("retry_first = \"20ms\"", "retry_first = \"20ms\"\ntypes = [\"disconnected\"]");
    std::fs::write(gateway.setup.config(), text).expect("a file");
    gateway.sighup();
    gateway.wait_metric("portcullis_reloads_total", &[("result", "taken")], 1.0);
    alice.leave();
    let events = receiver.wait_events(3);
    assert_eq!(kinds(&events), ["connected", "joined", "disconnected"]);
    let last = receiver.came().pop().expect("a request");
    assert!(last.is_signed_with(new) && !last.is_signed_with(WEBHOOK_SECRET));
}

#[test]
fn a_session_with_a_backend_is_told_as_connected_and_disconnected_and_its_messages_are_not() {
    let receiver = Receiver::start();
    let web = echo();
    let gateway = setup(&receiver, ALL).toml(&route(&[url(&web)], "")).start();
    let mut alice = gateway.open(&gateway.handshake().target("/legacy"));
    alice.text("hello");
    alice.expect_text("hello");
    alice.leave();
    let events = receiver.wait_events(2);
    assert_eq!(kinds(&events), ["connected", "disconnected"]);
    for event in &events {
        assert_eq!(
            [&event["connection_id"], &event["subject"], &event["room"], &event["route"]],
            [&events[0]["connection_id"], &json!("alice"), &Value::Null, &json!("/legacy")]
        );
    }
    assert_eq!(events[0]["origin"], crate::support::ORIGIN);
    assert!(events[1]["code"].is_u64() && events[1]["reason"].is_string());
    // What came behind it is told behind it.
    let bob = gateway.join("lobby", "bob");
    bob.leave();
    assert_eq!(kinds(&receiver.wait_events(6))[2..], ["connected", "joined", "left", "disconnected"]);
}

#[test]
fn who_subscribes_to_a_hub_is_told_with_its_topics_and_so_is_its_end() {
    const HUB: &str = "/.well-known/mercure";
    let receiver = Receiver::start();
    let gateway = setup(&receiver, ALL)
        .toml(&format!("[[route]]\npath = '{HUB}'\nkind = 'mercure'\nanonymous = true\n"))
        .start();
    let token =
        Token::of("alice").claim("mercure", json!({ "subscribe": [] })).claim("jti", json!("of-alice"));
    let asked = gateway.handshake().for_stream().target(format!("{HUB}?topic=a&topic=b%7Bid%7D"));
    let mut alice = Stream::open(&asked.clone().bearer(&token.sign(gateway.key())), gateway.place());
    let told = receiver.wait_events(1).remove(0);
    assert_eq!(
        [&told["type"], &told["subject"], &told["topics"], &told["room"], &told["route"]],
        [&json!("connected"), &json!("alice"), &json!(["a", "b{id}"]), &Value::Null, &json!(HUB)]
    );
    assert_eq!(gateway.internal().ask("POST", "/admin/kick", &[], r#"{"subject":"alice"}"#).status, 200);
    assert_eq!(alice.next(), Got::Comment("kicked".to_owned()));
    let end = receiver.wait_events(2).remove(1);
    assert_eq!(
        [&end["type"], &end["connection_id"], &end["reason"]],
        [&json!("disconnected"), &told["connection_id"], &json!("kicked")]
    );
    drop(Stream::open(&asked.remove("Authorization"), gateway.place()));
    let events = receiver.wait_events(4);
    assert_eq!(kinds(&events)[2..], ["connected", "disconnected"]);
    assert_eq!(events[2]["subject"], Value::Null, "nobody in particular");
}
