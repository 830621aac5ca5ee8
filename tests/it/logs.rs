//! Owns the stories of what is logged, and of what never is.
//! Never knows the metrics.

use crate::support::setup::Setup;
use crate::support::ws::Got;
use crate::support::{Frame, Gateway, ORIGIN, Token};
use serde_json::{Value, json};

/// A word that stands in everything secret of these tests.
const CANARY: &str = "SWORDFISH";

fn lines(gateway: &Gateway) -> Vec<Value> {
    let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|fault| panic!("{fault}: {line}"));
    gateway.log.lines().iter().map(parse).collect()
}

#[test]
fn every_line_is_one_flat_json_object_with_time_level_and_event() {
    let gateway = Gateway::start();
    gateway.join("lobby", "alice").leave();
    let _ = gateway.ask(&gateway.handshake().remove("Authorization"));
    let _ = gateway.ask(&gateway.handshake().target("/nothing"));
    gateway.log.reason("route_not_found");
    for line in lines(&gateway) {
        let members = line.as_object().expect("an object");
        assert!(members.values().all(|value| !value.is_object() && !value.is_array()), "{line}");
        for name in ["time", "level", "event"] {
            assert!(members[name].is_string(), "{name}: {line}");
        }
        let level = line["level"].as_str().expect("a level");
        assert!(["error", "warn", "info", "debug", "trace"].contains(&level), "{line}");
    }
}

#[test]
fn an_outcome_says_who_where_from_and_why() {
    let gateway = Gateway::start();
    let _ = gateway.ask(&gateway.handshake().set("Origin", "https://evil.example"));
    let refused = gateway.log.reason("origin_not_allowed");
    assert_eq!(refused["peer"], "127.0.0.1", "{refused}");
    assert_eq!(refused["origin"], "https://evil.example", "{refused}");
    assert_eq!(refused["route"], "/chat/{room}", "{refused}");
    assert_eq!(refused.get("subject"), None, "no subject before it is verified: {refused}");
    let _ =
        gateway.ask(&gateway.handshake().bearer(&Token::of("mallory").without("exp").sign(gateway.key())));
    assert_eq!(gateway.log.reason("token_claims").get("subject"), None);
    let no_grant = Token::of("alice").rooms(&["other"], &[]).sign(gateway.key());
    let _ = gateway.ask(&gateway.handshake().bearer(&no_grant));
    let ungranted = gateway.log.reason("room_not_granted");
    assert_eq!(ungranted["subject"], "alice", "{ungranted}");
    assert_eq!(ungranted["origin"], ORIGIN, "{ungranted}");
}

#[test]
fn an_origin_that_is_none_is_logged_as_malformed() {
    let gateway = Gateway::start();
    let _ = gateway.ask(&gateway.handshake().set("Origin", "https://e\"vil<script>"));
    let line = gateway.log.event("the refusal", |line| line.get("origin").is_some());
    assert_eq!(line["origin"], "malformed", "{line}");
}

#[test]
fn what_comes_from_outside_is_escaped_and_cut() {
    let gateway = Gateway::start();
    let token = Token::of(&format!("{}\u{e9}", "s".repeat(254))).sign(gateway.key());
    let mut ws = gateway.open(&gateway.handshake().bearer(&token));
    ws.send(&Frame::close(1000, "\u{1b}[31m\n\u{202e}\",\"event\":\"forged"));
    assert!(matches!(ws.read(), Got::Close(Some(1000), _)));
    gateway.log.reason("peer_closed");
    let long = format!("https://{}.example", "a".repeat(3000));
    let _ = gateway.ask(&gateway.handshake().set("Origin", &long));
    gateway.log.event("the refusal", |line| line["reason"] == "origin_not_allowed");
    for (text, line) in gateway.log.lines().iter().zip(lines(&gateway)) {
        assert!(text.chars().all(|c| !c.is_control() && !('\u{202a}'..='\u{202e}').contains(&c)), "{text:?}");
        assert_ne!(line["event"], "forged");
        let values = line.as_object().expect("an object").values();
        assert!(values.filter_map(Value::as_str).all(|value| value.len() <= 300), "{text}");
    }
}

/// Does everything that could spill a secret: admitted, refused at every stage, closed for a violation.
fn spill(gateway: &Gateway) {
    let secret = format!("{CANARY}-room");
    let marked = |token: Token| token.claim("note", json!(CANARY)).header("kid", json!(gateway.key().kid));
    let good = marked(Token::of("alice")).sign(gateway.key());
    let cookie = format!("__Host-portcullis={good}; session={CANARY}");
    let request = gateway.handshake_for(&secret, &good);
    let mut bob = gateway.open(&gateway.handshake_for(&secret, &gateway.token("bob")));
    let mut alice =
        gateway.open(&request.clone().query(&format!("q={CANARY}")).add("Cookie", format!("a={CANARY}")));
    bob.settle();
    alice.settle();
    alice.text(CANARY);
    bob.expect_text(CANARY);
    alice.send(&Frame::ping(CANARY));
    assert_eq!(alice.read(), Got::Pong(CANARY.as_bytes().to_vec()));
    alice.send(&Frame::text([CANARY.as_bytes(), b"\xff"].concat()));
    alice.expect_violation(1007, "utf8");
    let refusals = [
        request.clone().set("Host", format!("{CANARY}.example")),
        request.clone().set("Host", format!("{CANARY}@")),
        request.clone().target(format!("/{CANARY}")),
        request.clone().target(format!("/{CANARY}#")),
        request.clone().method(CANARY),
        request.clone().raw(format!("X-{CANARY} : {CANARY}")),
        request.clone().raw(format!("X: {CANARY}\0")),
        request.clone().set("Upgrade", CANARY),
        request.clone().set("Connection", CANARY),
        request.clone().set("Sec-WebSocket-Version", CANARY),
        request.clone().set("Sec-WebSocket-Key", CANARY),
        request.clone().set("Sec-WebSocket-Protocol", format!("{CANARY} {CANARY}")),
        request.clone().set("Origin", format!("https://{CANARY}/path")),
        request.clone().query(&format!("token={CANARY}")),
        request.clone().set("Authorization", format!("Basic {CANARY}")),
        request.clone().bearer(&format!("{CANARY}.{CANARY}.{CANARY}")),
        request.clone().bearer(&marked(Token::of("alice")).claim("aud", json!(CANARY)).sign(gateway.key())),
        request.clone().bearer(
            &marked(Token::of("alice")).claim("sub", json!(format!("{CANARY}\n"))).sign(gateway.key()),
        ),
        request.clone().bearer(&marked(Token::of("alice")).header("kid", json!(CANARY)).sign(gateway.key())),
        request.clone().bearer(&marked(Token::of("alice")).claim("iss", json!(CANARY)).sign(gateway.key())),
        request.clone().bearer(&marked(Token::of("alice")).claim("exp", json!(1)).sign(gateway.key())),
        request.clone().bearer(&marked(Token::of("alice")).rooms(&[], &[]).sign(gateway.key())),
        request.clone().add("Cookie", cookie),
    ];
    for refusal in refusals {
        let answer = gateway.ask(&refusal);
        assert!(answer.status >= 400, "{refusal:?}");
        assert!(!String::from_utf8_lossy(&answer.octets).contains(CANARY), "{answer:?}");
    }
    let tls = std::sync::Arc::clone(&gateway.place().tls);
    let _ = crate::support::Conn::try_open(gateway.place(), &format!("{CANARY}.example"), &tls);
    gateway.log.reason("sni_unknown");
    let body = json!({ "room": "lobby", "data": CANARY, "more": CANARY }).to_string();
    let _ = gateway.internal().publish(&body);
    let _ = gateway.internal().publish(&format!("{{{CANARY}"));
    let _ = gateway.internal().ask("GET", "/metrics", &[("Authorization", &format!("Bearer {CANARY}"))], "");
    bob.leave();
}

#[test]
fn nothing_secret_is_ever_logged_at_any_level_in_any_format() {
    for format in ["json", "text"] {
        let setup = Setup::new()
            .argument("--log-level=trace")
            .argument(&format!("--log-format={format}"))
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full");
        let mut gateway = setup.start();
        if format == "json" {
            spill(&gateway);
        } else {
            let _ = gateway.ask(&gateway.handshake().target(format!("/{CANARY}")).bearer(CANARY));
            gateway.log.line("the refusal", |line| line.contains("route_not_found"));
        }
        let metrics = gateway.internal().get("/metrics").text();
        gateway.sigterm();
        gateway.wait_exit();
        for text in gateway.log.all().iter().chain(gateway.stdout.all().iter()).chain([&metrics]) {
            assert!(!text.to_uppercase().contains(CANARY), "{text}");
            assert!(!text.contains("eyJ"), "the start of a token: {text}");
        }
    }
}

#[test]
fn the_log_format_for_people_is_no_json() {
    let gateway = Setup::new().argument("--log-format=text").start();
    let _ = gateway.ask(&gateway.handshake().target("/nothing"));
    let line = gateway.log.line("the refusal", |line| line.contains("route_not_found"));
    assert!(serde_json::from_str::<Value>(&line).is_err(), "{line}");
    assert!(!line.contains('\u{1b}'), "colours only on a terminal: {line:?}");
}

#[test]
fn at_level_error_a_refusal_is_not_told() {
    let gateway = Setup::new().argument("--log-level=error").start();
    let _ = gateway.ask(&gateway.handshake().target("/nothing"));
    gateway.wait_metric("portcullis_refusals_total", &[("reason", "route_not_found")], 1.0);
    assert_eq!(gateway.log.lines(), Vec::<String>::new());
}
