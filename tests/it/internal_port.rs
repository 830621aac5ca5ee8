//! Owns the stories of the internal port: health, metrics, publishing.
//! Never knows what is refused there to strangers.

use crate::support::gateway::run;
use crate::support::internal::Metrics;
use crate::support::setup::{Setup, free_address};
use crate::support::{Gateway, Token};
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn health_and_readiness_are_told() {
    let gateway = Gateway::start();
    for path in ["/healthz", "/readyz"] {
        let answer = gateway.internal().get(path);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(gateway.internal().get("/nothing").status, 404);
    assert_eq!(gateway.internal().ask("POST", "/healthz", &[], "").status, 405);
    assert_eq!(gateway.internal().ask("GET", "/publish", &[], "").status, 405);
}

#[test]
fn metrics_are_prometheus_text_with_every_family_typed() {
    let gateway = Gateway::start();
    let mut ws = gateway.join("lobby", "alice");
    ws.text("counted");
    ws.settle();
    let answer = gateway.internal().get("/metrics");
    let content_type = answer.field("content-type").unwrap_or_default().to_owned();
    assert!(
        content_type.starts_with("text/plain") || content_type.starts_with("application/openmetrics-text"),
        "{content_type}"
    );
    let text = answer.text();
    let metrics = Metrics::parse(&text);
    for sample in metrics.samples() {
        assert!(sample.name.starts_with("portcullis_"), "{sample:?}");
        let family = |name: &str| text.contains(&format!("# TYPE {name} "));
        let bare = ["_total", "_bucket", "_sum", "_count", "_info"]
            .iter()
            .find_map(|end| sample.name.strip_suffix(end));
        assert!(family(&sample.name) || bare.is_some_and(family), "{} has no type", sample.name);
    }
    assert!((metrics.sum("portcullis_sessions", &[]) - 1.0).abs() < 0.1);
    assert!((metrics.sum("portcullis_connections", &[]) - 1.0).abs() < 0.1);
}

#[test]
fn what_is_published_reaches_the_room_as_what_it_is() {
    let gateway = Gateway::start();
    let mut alice = gateway.join("lobby", "alice");
    let mut bob = gateway.join("lobby", "bob");
    let mut kitchen = gateway.join("kitchen", "carol");
    let publish = |body: serde_json::Value| {
        let answer = gateway.internal().publish(&body.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["delivered"].clone()
    };
    assert_eq!(publish(json!({ "room": "lobby", "data": "plain \u{fc}" })), 2);
    assert_eq!(publish(json!({ "room": "lobby", "data": { "a": [1, null] } })), 2);
    assert_eq!(publish(json!({ "room": "lobby", "data": 7 })), 2);
    assert_eq!(publish(json!({ "room": "lobby", "data_base64": "AP+A" })), 2);
    assert_eq!(publish(json!({ "room": "attic", "data": "nobody" })), 0);
    for ws in [&mut alice, &mut bob] {
        ws.expect_text("plain \u{fc}");
        ws.expect_text(r#"{"a":[1,null]}"#);
        ws.expect_text("7");
        ws.expect_binary(&[0, 255, 128]);
    }
    kitchen.expect_nothing();
}

#[test]
fn a_publication_that_is_not_right_is_refused() {
    let gateway = Gateway::start();
    let bodies = [
        "",
        "{",
        "[]",
        "null",
        r#"{"data":"x"}"#,
        r#"{"room":"lobby"}"#,
        r#"{"room":"lobby","data":"x","data_base64":"eA=="}"#,
        r#"{"room":"a/b","data":"x"}"#,
        r#"{"room":"","data":"x"}"#,
        r#"{"room":1,"data":"x"}"#,
        r#"{"room":"lobby","data_base64":"%%"}"#,
        r#"{"room":"lobby","data_base64":1}"#,
        r#"{"room":"lobby","data":"x"} "#,
    ];
    let (fine, bad) = bodies.split_last().expect("bodies");
    for body in bad {
        let answer = gateway.internal().publish(body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    assert_eq!(gateway.internal().publish(fine).status, 200);
}

#[test]
fn a_publication_may_be_as_long_as_a_message() {
    let gateway = Gateway::with("limits.message_bytes = '1KiB'");
    let mut alice = gateway.join("lobby", "alice");
    let body = |octets: usize| json!({ "room": "lobby", "data": "d".repeat(octets) }).to_string();
    assert_eq!(gateway.internal().publish(&body(1024)).status, 200);
    alice.expect_text(&"d".repeat(1024));
    assert_eq!(gateway.internal().publish(&body(1025)).status, 413);
    assert_eq!(gateway.internal().publish(&body(4 << 20)).status, 413);
    alice.expect_nothing();
}

#[test]
fn a_published_message_keeps_its_place_in_the_order() {
    let gateway = Gateway::start();
    let mut alice = gateway.join("lobby", "alice");
    let mut bob = gateway.join("lobby", "bob");
    for round in 0..20 {
        alice.text(&format!("sent {round}"));
        alice.settle();
        let body = json!({ "room": "lobby", "data": format!("published {round}") });
        assert_eq!(gateway.internal().publish(&body.to_string()).json()["delivered"], 2);
        alice.expect_text(&format!("published {round}"));
        bob.expect_text(&format!("sent {round}"));
        bob.expect_text(&format!("published {round}"));
    }
}

#[test]
fn over_loopback_tcp_it_answers_the_same() {
    let address = free_address();
    let gateway = Setup::new().toml(&format!("internal.listen = '{address}'")).start();
    assert_eq!(gateway.internal().get("/healthz").status, 200);
    assert_eq!(gateway.internal().publish(r#"{"room":"lobby","data":"x"}"#).json()["delivered"], 0);
}

#[test]
fn without_a_section_there_is_no_internal_port() {
    let gateway = {
        let setup = Setup::new().without("internal");
        setup.start()
    };
    assert!(!gateway.dir().join("internal.sock").exists());
    let token = Token::good().sign(gateway.key());
    assert_eq!(gateway.ask(&gateway.handshake().bearer(&token)).status, 101);
}

#[test]
fn a_socket_that_a_dead_gateway_left_is_taken_over() {
    let setup = Setup::new();
    let path = setup.dir.path().join("internal.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists());
    let gateway = setup.start();
    let mode = std::fs::metadata(&path).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(gateway.internal().get("/healthz").status, 200);
}

#[test]
fn a_gateway_that_ends_takes_its_socket_along_and_comes_back_on_it() {
    let mut gateway = Gateway::start();
    let path = gateway.dir().join("internal.sock");
    assert!(path.exists());
    gateway.sigterm();
    assert_eq!(gateway.wait_exit().code(), Some(0));
    assert!(!path.exists(), "nothing is left behind");
    gateway.restart();
    assert_eq!(gateway.internal().get("/healthz").status, 200);
}

#[test]
fn a_socket_of_another_kind_is_left_to_whoever_has_it() {
    let setup = Setup::new();
    let path = setup.dir.path().join("internal.sock");
    let _other = std::os::unix::net::UnixDatagram::bind(&path).expect("a socket");
    let config = setup.write();
    let output = run(&["serve", "--config", config.to_str().expect("a path")]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(path.exists(), "it is not the gateway's to remove");
}

#[test]
fn a_socket_that_another_gateway_listens_on_is_left_to_it() {
    let gateway = Gateway::start();
    let second = Setup::new()
        .toml(&format!("internal.listen = 'unix:{}'", gateway.dir().join("internal.sock").display()));
    let config = second.write();
    let output = run(&["serve", "--config", config.to_str().expect("a path")]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("internal.sock"));
    assert_eq!(gateway.internal().get("/healthz").status, 200, "it is still the first one's");
}
