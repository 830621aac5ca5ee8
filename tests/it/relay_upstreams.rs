//! Owns the stories of several upstreams and of the key that vouches to them: reloads, restarts, metrics.
//! Never knows what a session says.

use super::relay::checked;
use crate::support::backend::{backend, echo, field, route, serve, url};
use crate::support::{Alg, Frame, Gateway, Setup, SigningKey, Web, Ws};
use serde_json::Value;

fn enter(gateway: &Gateway) -> Ws {
    gateway.open(&gateway.handshake().target("/legacy"))
}

fn key_set(gateway: &Gateway) -> Value {
    gateway.internal().get("/jwks.json").json()
}

/// What the backend was told of the last connection.
fn assertion(web: &Web) -> String {
    field(web.heads().last().expect("a request"), "portcullis-assertion").expect("one")
}

#[test]
fn an_assertion_key_of_the_configuration_signs_and_is_the_same_after_a_restart() {
    for alg in [Alg::Es256, Alg::EdDsa] {
        let web = echo();
        let key = SigningKey::generate(alg);
        let toml = format!("auth.assertion_key = 'assertion.pem'\n{}", route(&[url(&web)], ""));
        let setup = Setup::new().file("assertion.pem", &key.private_pem, 0o600).toml(&toml);
        let mut gateway = setup.start();
        enter(&gateway).leave();
        let (before, published) = (assertion(&web), key_set(&gateway));
        let own = key.jwk();
        for member in ["kty", "crv", "x", "y"] {
            assert_eq!(published["keys"][0][member], own[member], "{member}");
        }
        assert_eq!(published["keys"][0].get("d"), None, "the private half stays");
        assert_eq!(published["keys"].as_array().map(Vec::len), Some(1));
        assert_eq!(checked(&gateway, &before)["sub"], "alice");

        gateway.sigterm();
        gateway.restart();
        assert_eq!(key_set(&gateway), published);
        assert_eq!(checked(&gateway, &before)["sub"], "alice", "what was signed before is still good");
        enter(&gateway).leave();
        assert_eq!(checked(&gateway, &assertion(&web))["sub"], "alice");
    }
}

#[test]
fn without_an_assertion_key_each_start_has_its_own_and_a_reload_brings_a_configured_one() {
    let web = echo();
    let mut gateway = Gateway::with(&route(&[url(&web)], ""));
    let first = key_set(&gateway);
    gateway.sigterm();
    gateway.restart();
    let second = key_set(&gateway);
    assert_ne!(first, second);
    assert_eq!(reload(&mut gateway, "limits.max_session = '1h'")["closed"], 0);
    assert_eq!(key_set(&gateway), second, "a reload keeps it");

    let key = SigningKey::generate(Alg::Es256);
    gateway.setup.put("assertion.pem", &key.private_pem, 0o600);
    assert_eq!(reload(&mut gateway, "auth.assertion_key = 'assertion.pem'")["closed"], 0);
    assert_eq!(key_set(&gateway)["keys"][0]["x"], key.jwk()["x"]);
    enter(&gateway).leave();
    assert_eq!(checked(&gateway, &assertion(&web))["sub"], "alice");
}

fn reload(gateway: &mut Gateway, toml: &str) -> Value {
    gateway.setup.lay_over(toml);
    gateway.setup.write();
    let answer = gateway.internal().ask("POST", "/admin/reload", &[], "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// A backend that says its name, and then echoes.
fn named(name: &'static str) -> Web {
    backend(move |caller| {
        caller.send(&Frame::text(name));
        caller.echo();
    })
}

const NAMES: [&str; 2] = ["one", "two"];

/// A session, and which of the two it leads to.
fn enter_one(gateway: &Gateway) -> (usize, Ws) {
    let mut ws = enter(gateway);
    let crate::support::ws::Got::Text(name) = ws.read() else { panic!("a name") };
    (NAMES.iter().position(|own| *own == name).expect("one of the two"), ws)
}

fn of(place: &str) -> [(&str, &str); 2] {
    [("route", "/legacy"), ("upstream", place)]
}

#[test]
fn a_reload_that_drops_an_upstream_ends_its_sessions_and_no_others_and_nobody_comes_to_it_again() {
    let webs = NAMES.map(named);
    let mut gateway = Gateway::with(&route(&[url(&webs[0]), url(&webs[1])], ""));
    // The one with the fewest connections: two each.
    let mut held: [Vec<Ws>; 2] = Default::default();
    for _ in 0..4 {
        let (at, ws) = enter_one(&gateway);
        held[at].push(ws);
    }
    let [of_one, of_two] = &mut held;
    assert_eq!((of_one.len(), of_two.len()), (2, 2));
    for place in ["0", "1"] {
        assert_eq!(gateway.metric("portcullis_upstream_connections", &of(place)) as u32, 2);
    }

    let answer = reload(&mut gateway, &route(&[url(&webs[1])], ""));
    assert_eq!(answer["closed"], 2, "{answer}");
    for ws in of_one {
        ws.expect_close(3003, "no_longer_admitted");
    }
    gateway.log.count_of("their lines", 2, |line| {
        line["reason"] == "no_longer_admitted" && line["upstream"] == url(&webs[0]).trim_end_matches('/')
    });
    for ws in &mut *of_two {
        ws.text("still here");
        ws.expect_text("still here");
    }
    // It is the first of the list now, and goes on counting what it holds.
    assert_eq!(gateway.metric("portcullis_upstream_connections", &of("0")) as u32, 2);
    let page = gateway.internal().get("/metrics").text();
    assert!(!page.contains("route=\"/legacy\",upstream=\"1\""), "what is gone has no series:\n{page}");
    for _ in 0..4 {
        let (at, ws) = enter_one(&gateway);
        assert_eq!(at, 1);
        of_two.push(ws);
    }
    assert_eq!((webs[0].connections(), webs[1].connections()), (2, 6));
    assert_eq!(gateway.metric("portcullis_upstream_connections", &of("0")) as u32, 6);

    // And one that comes back has its share again: all of it, until it holds as many.
    assert_eq!(reload(&mut gateway, &route(&[url(&webs[0]), url(&webs[1])], ""))["closed"], 0);
    assert_eq!(enter_one(&gateway).0, 0);
}

#[test]
fn the_metrics_of_an_upstream_tell_what_it_holds_and_what_it_broke() {
    let web = echo();
    let toml = format!(
        "{}[[route]]\npath = '/second'\nkind = 'proxy'\nupstream = ['{}']\n",
        route(&[url(&web)], ""),
        url(&web)
    );
    let gateway = Gateway::with(&toml);
    let (connections, failures) = ("portcullis_upstream_connections", "portcullis_upstream_failures_total");
    let (first, second) = (of("0"), [("route", "/second"), ("upstream", "0")]);
    assert_eq!(gateway.metric("portcullis_upstream_healthy", &first) as u32, 1);
    let (mut alice, bob) = (enter(&gateway), enter(&gateway));
    assert_eq!(gateway.metric(connections, &first) as u32, 2);
    assert_eq!(gateway.metric(connections, &second) as u32, 0, "each route counts its own");
    bob.leave();
    gateway.wait_metric(connections, &first, 1.0);
    // A session that a peer or the gateway ends is no fault of the backend's.
    gateway.internal().ask("POST", "/admin/kick", &[], r#"{"subject":"alice"}"#);
    alice.expect_close(3003, "kicked");
    gateway.wait_metric(connections, &first, 0.0);
    assert_eq!(gateway.metric(failures, &first) as u32, 0);

    serve(&web, "", |caller| caller.octets(&Frame::new(3, "").unmasked().octets()));
    let mut ws = enter(&gateway);
    ws.expect_violation(1014, "backend_violation");
    gateway.wait_metric(failures, &first, 1.0);
    // One that says no in HTTP is there; one that is no WebSocket server at all has a fault.
    web.answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(gateway.ask(&gateway.handshake().target("/legacy")).status, 502);
    web.answer("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(gateway.ask(&gateway.handshake().target("/legacy")).status, 502);
    gateway.wait_metric(failures, &first, 2.0);
    assert_eq!(gateway.metric(failures, &second) as u32, 0);
    assert_eq!(gateway.metric("portcullis_upstream_healthy", &first) as u32, 1, "it was not three in a row");
    for name in [connections, failures, "portcullis_upstream_healthy"] {
        let page = gateway.internal().get("/metrics").text();
        assert_eq!(page.matches(&format!("# HELP {name} ")).count(), 1, "{name}");
        assert_eq!(page.matches(&format!("\n{name}{{")).count(), 2, "{name}: a series for each route");
    }
}
