//! Owns the stories of one-time tickets and of renewal, for browsers that can set no header.
//! Never knows how a ticket is kept.

use crate::support::answer::Answer;
use crate::support::{Gateway, Handshake, ORIGIN, Token};
use serde_json::{Value, json};
use std::thread;

const TICKETS: &str = "auth.credentials = ['header', 'ticket']";

/// A POST of a page, with this bearer.
fn post(gateway: &Gateway, path: &str, token: &str, body: &str) -> Handshake {
    let host = &gateway.place().host;
    Handshake::good(host, path, ORIGIN, token)
        .request_line(format!("POST {path} HTTP/1.1"))
        .remove("Upgrade")
        .remove("Connection")
        .remove("Sec-WebSocket-Version")
        .remove("Sec-WebSocket-Key")
        .add("Content-Length", body.len().to_string())
        .behind(body)
}

pub(crate) fn answer_to(gateway: &Gateway, path: &str, token: &str, body: &str) -> Answer {
    gateway.ask(&post(gateway, path, token, body))
}

fn ticket(gateway: &Gateway, body: &str) -> String {
    let answer = answer_to(gateway, "/ticket", &gateway.token("alice"), body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    assert_eq!(answer.field("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(answer.field("access-control-allow-credentials"), None);
    assert_eq!(answer.json()["expires_in"], 30);
    answer.json()["ticket"].as_str().expect("a ticket").to_owned()
}

fn by_ticket(gateway: &Gateway, ticket: &str) -> Handshake {
    gateway.handshake().remove("Authorization").target(format!("/chat/lobby?ticket={ticket}"))
}

#[test]
fn a_ticket_opens_one_session_and_is_gone() {
    let gateway = Gateway::with(TICKETS);
    let ticket = ticket(&gateway, "");
    let mut ws = gateway.open(&by_ticket(&gateway, &ticket));
    let mut bob = gateway.join("lobby", "bob");
    ws.text("by ticket");
    bob.expect_text("by ticket");
    assert_eq!(gateway.ask(&by_ticket(&gateway, &ticket)).status, 401);
    let line = gateway.log.reason("ticket_used");
    assert!(!line.to_string().contains(&ticket), "{line}");
}

#[test]
fn of_a_thousand_tries_at_once_exactly_one_has_the_ticket() {
    let limits = "limits.failed_credentials_per_ip = '10000/s burst 10000'\nlimits.handshakes_per_ip = '10000/s burst 10000'\n\
                  limits.connections_per_ip = 2000\nserver.workers = 2";
    let gateway = Gateway::with(&format!("{TICKETS}\n{limits}"));
    let ticket = ticket(&gateway, "");
    let opened: usize = thread::scope(|scope| {
        let tries: Vec<_> = (0..50)
            .map(|_| {
                scope.spawn(|| {
                    (0..20).filter(|_| gateway.ask(&by_ticket(&gateway, &ticket)).status == 101).count()
                })
            })
            .collect();
        tries.into_iter().map(|tries| tries.join().expect("no panic")).sum()
    });
    assert_eq!(opened, 1);
}

#[test]
fn a_ticket_is_for_the_origin_and_the_path_that_asked_and_is_gone_with_a_wrong_use() {
    let gateway =
        Gateway::with(&format!("{TICKETS}\norigins.allow = ['{ORIGIN}', 'https://other.example.test']"));
    let for_origin = ticket(&gateway, "");
    let foreign = by_ticket(&gateway, &for_origin).set("Origin", "https://other.example.test");
    assert_eq!(gateway.ask(&foreign).status, 401);
    assert_eq!(gateway.ask(&by_ticket(&gateway, &for_origin)).status, 401, "gone with its first use");

    let for_kitchen = ticket(&gateway, r#"{"path": "/chat/kitchen"}"#);
    assert_eq!(gateway.ask(&by_ticket(&gateway, &for_kitchen)).status, 401);
    let for_lobby = ticket(&gateway, r#"{"path": "/chat/lobby"}"#);
    assert_eq!(gateway.ask(&by_ticket(&gateway, &for_lobby)).status, 101);
    gateway.log.reason("ticket_misused");
}

#[test]
fn a_refused_origin_does_not_use_the_ticket_up() {
    let gateway = Gateway::with(TICKETS);
    let ticket = ticket(&gateway, "");
    assert_eq!(gateway.ask(&by_ticket(&gateway, &ticket).set("Origin", "https://evil.example")).status, 403);
    assert_eq!(gateway.ask(&by_ticket(&gateway, &ticket)).status, 101);
}

#[test]
fn a_ticket_beside_a_token_or_another_ticket_is_one_credential_too_many() {
    let gateway = Gateway::with(TICKETS);
    let (first, second) = (ticket(&gateway, ""), ticket(&gateway, ""));
    let beside = gateway.handshake().target(format!("/chat/lobby?ticket={first}"));
    assert_eq!(gateway.ask(&beside).status, 400);
    let two = gateway
        .handshake()
        .remove("Authorization")
        .target(format!("/chat/lobby?ticket={first}&ticket={second}"));
    assert_eq!(gateway.ask(&two).status, 400);
    assert_eq!(gateway.ask(&by_ticket(&gateway, &first)).status, 101, "neither used it up");
    assert_eq!(gateway.ask(&by_ticket(&gateway, "no-such-ticket")).status, 401);
}

#[test]
fn where_tickets_are_not_enabled_there_is_no_such_place() {
    let gateway = Gateway::start();
    assert_eq!(answer_to(&gateway, "/ticket", &gateway.token("alice"), "").status, 404);
    assert_eq!(gateway.ask(&by_ticket(&gateway, "x")).status, 401);
    gateway.log.reason("credential_missing");
}

#[test]
fn who_may_not_have_a_ticket_is_told_as_at_a_handshake() {
    let gateway = Gateway::with(TICKETS);
    let token = gateway.token("alice");
    let good = || post(&gateway, "/ticket", &token, "");
    for (what, request, status) in [
        ("foreign origin", good().set("Origin", "https://evil.example"), 403),
        ("no origin", good().remove("Origin"), 403),
        ("navigation", good().add("Sec-Fetch-Mode", "navigate"), 403),
        ("no token", good().remove("Authorization"), 401),
        ("bad token", good().set("Authorization", "Bearer a.b.c"), 401),
        ("foreign host", good().set("Host", "evil.example"), 421),
        ("no JSON", post(&gateway, "/ticket", &token, "{"), 400),
        ("unknown member", post(&gateway, "/ticket", &token, r#"{"room":"lobby"}"#), 400),
        ("unknown path", post(&gateway, "/ticket", &token, r#"{"path":"/nowhere"}"#), 404),
        ("chunked", good().remove("Content-Length").add("Transfer-Encoding", "chunked"), 400),
        ("too long a body", post(&gateway, "/ticket", &token, &" ".repeat(1025)), 400),
        ("two lengths", good().add("Content-Length", "0"), 400),
        ("honest twin", good().add("Sec-Fetch-Mode", "cors").add("Sec-Fetch-Dest", "empty"), 200),
    ] {
        let answer = gateway.ask(&request);
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        let readable = answer.field("access-control-allow-origin").is_some();
        assert!(!readable || !what.contains("foreign"), "{what}");
    }
}

#[test]
fn a_preflight_of_an_allowed_origin_is_answered_and_of_no_other() {
    let gateway = Gateway::with(TICKETS);
    for path in ["/ticket", "/renew"] {
        let ask = |origin: &str| {
            let request = post(&gateway, path, "x", "").request_line(format!("OPTIONS {path} HTTP/1.1"));
            let request = request.remove("Authorization").remove("Content-Length").set("Origin", origin);
            gateway.ask(&request.add("Access-Control-Request-Method", "POST"))
        };
        let answer = ask(ORIGIN);
        assert_eq!(answer.status, 204);
        assert_eq!(answer.field("access-control-allow-origin"), Some(ORIGIN));
        assert_eq!(answer.field("vary"), Some("Origin"));
        let refused = ask("https://evil.example");
        assert_eq!((refused.status, refused.field("access-control-allow-origin")), (403, None));
    }
}

fn token(gateway: &Gateway, jti: &str, publish: &[&str]) -> String {
    Token::of("alice").claim("jti", json!(jti)).rooms(&["*"], publish).sign(gateway.key())
}

fn renew(gateway: &Gateway, new: &str, old_jti: &str) -> (u16, Value) {
    let answer = answer_to(gateway, "/renew", new, &json!({ "jti": old_jti }).to_string());
    (answer.status, answer.json())
}

#[test]
fn a_session_that_is_renewed_outlives_its_first_token() {
    let gateway = Gateway::with("auth.leeway = '0s'");
    let expires = crate::support::unix_now() + 2;
    let short =
        Token::of("alice").claim("jti", json!("old")).claim("exp", json!(expires)).sign(gateway.key());
    let mut renewed = gateway.open(&gateway.handshake().bearer(&short));
    let (status, body) = renew(&gateway, &token(&gateway, "new", &["*"]), "old");
    assert_eq!((status, &body["sessions"]), (200, &json!(1)), "{body}");
    assert!(body["expires_in"].as_u64().is_some_and(|seconds| seconds > 60), "{body}");
    let mut not_renewed = gateway.open(&gateway.handshake().bearer(&short));
    not_renewed.expect_close(3000, "authority_expired");
    renewed.settle();
}

#[test]
fn a_renewal_may_shrink_the_grants_and_then_they_are_gone_at_once() {
    let gateway = Gateway::start();
    let mut ws = gateway.open(&gateway.handshake().bearer(&token(&gateway, "old", &["*"])));
    assert_eq!(renew(&gateway, &token(&gateway, "new", &[]), "old").0, 200);
    ws.text("no longer granted");
    ws.expect_close(3003, "publish_not_granted");

    let mut ws = gateway.open(&gateway.handshake().bearer(&token(&gateway, "old", &["*"])));
    let elsewhere = Token::of("alice").rooms(&["kitchen"], &[]).sign(gateway.key());
    renew(&gateway, &elsewhere, "old");
    ws.expect_close(3003, "grant_gone");
}

#[test]
fn nobody_renews_what_stands_on_the_token_of_another_or_on_none() {
    let gateway = Gateway::start();
    let mut ws = gateway.open(&gateway.handshake().bearer(&token(&gateway, "old", &["*"])));
    let mallory = gateway.token("mallory");
    assert_eq!(renew(&gateway, &mallory, "old").0, 404);
    assert_eq!(renew(&gateway, &token(&gateway, "new", &["*"]), "never-seen").0, 404);
    assert_eq!(answer_to(&gateway, "/renew", &mallory, "").status, 400);
    ws.settle();
}
