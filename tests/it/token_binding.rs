//! Owns the stories of a certificate as second factor: where one is required, tokens that are bound to one, and
//! sessions that end with theirs.
//! Never knows how a certificate is judged in TLS.

use crate::client_certificates::{DAY, Guarded, guarded, place};
use crate::support::gateway::run;
use crate::support::pki::{Ca, Leaf};
use crate::support::{Gateway, Handshake, ORIGIN, Token, unix_now};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use time::Duration;

fn thumbprint(leaf: &Leaf) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, &leaf.serial))
}

/// Alice's token, bound to this certificate.
fn bound(gateway: &Gateway, leaf: &Leaf) -> String {
    confirmed(gateway, json!({ "x5t#S256": thumbprint(leaf) }))
}

fn confirmed(gateway: &Gateway, confirmation: Value) -> String {
    Token::of("alice").claim("cnf", confirmation).sign(gateway.key())
}

/// A POST to `/ticket` or `/renew`.
fn post(gateway: &Gateway, path: &str, token: &str, body: &str) -> Handshake {
    Handshake::good(&gateway.place().host, "/chat/x", ORIGIN, token)
        .for_post(body)
        .request_line(format!("POST {path} HTTP/1.1"))
}

/// Every door of the public port that asks for a token, with this one.
fn doors(gateway: &Gateway, token: &str) -> Vec<(&'static str, Handshake)> {
    let good = gateway.handshake().bearer(token);
    let hub = good.clone().for_hub().expect("a request to the hub");
    let subscriptions = hub.clone().target("/.well-known/mercure/subscriptions");
    let publish = good.clone().for_post("topic=a").request_line("POST /.well-known/mercure HTTP/1.1");
    let publish = publish.remove("Origin").add("Content-Type", "application/x-www-form-urlencoded");
    vec![
        ("a WebSocket", good.clone()),
        ("an event stream", good.clone().for_stream()),
        ("a message", good.for_post("hello")),
        ("the hub", hub),
        ("its subscriptions", subscriptions),
        ("a publication", publish),
        ("/ticket", post(gateway, "/ticket", token, "")),
        ("/renew", post(gateway, "/renew", token, "{\"jti\":\"none\"}")),
    ]
}

/// What stands before the routes, and the routes.
const SECOND: &str = "tls.client_auth = 'optional'\nauth.credentials = ['header', 'ticket']";
const ROUTES: &str = "[[route]]
    path = '/chat/{room}'
    [[route]]
    path = '/events/{room}'
    sse = true
    [[route]]
    path = '/.well-known/mercure'
    kind = 'mercure'
    subscriptions = true";

#[test]
fn a_token_that_the_command_binds_to_a_certificate_is_good_with_that_one_alone() {
    let toml = "auth.client_certificate = 'bound'\nauth.signing_key = 'jwt-private.pem'";
    let Guarded { gateway, clients, good, .. } = guarded(toml);
    let other = clients.client("phone 8", &[], DAY);
    gateway.setup.put("jwt-private.pem", &gateway.key().private_pem, 0o600);
    gateway.setup.put("phone.pem", &good.certificate, 0o644);
    gateway.setup.put("phone.key", &good.private_key, 0o600);
    let config = gateway.setup.config();
    let file = |name: &str| gateway.dir().join(name).to_str().expect("a path").to_owned();
    let mint = |more: &[&str]| {
        let command =
            ["token", "--config", config.to_str().expect("a path"), "--sub", "carol", "--subscribe", "*"];
        run(&[&command, more].concat())
    };
    let token = |more: &[&str]| {
        let output = mint(more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a token").trim_end().to_owned()
    };
    let (bound, free) = (token(&["--cnf-certificate", &file("phone.pem")]), token(&[]));
    for (token, leaf, status) in [(&bound, &good, 101), (&bound, &other, 401), (&free, &good, 401)] {
        let answer = gateway.handshake().bearer(token).ask(&place(&gateway, Some(leaf)));
        assert_eq!(answer.status, status, "{answer:?}");
    }
    for (name, told) in [("phone.key", "private key"), ("nothing.pem", "No such file")] {
        let output = mint(&["--cnf-certificate", &file(name)]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && output.stdout.is_empty(), "{said}");
        assert!(said.contains(told) && said.contains("--cnf-certificate"), "{said}");
    }
}

#[test]
fn where_a_certificate_is_required_every_door_is_shut_without_one_and_a_route_may_say_otherwise() {
    let open = "auth.client_certificate = 'required'
        [[route]]
        path = '/open/{room}'
        auth.client_certificate = 'optional'";
    let Guarded { gateway, good, .. } = guarded(&format!("{SECOND}\n{open}\n{ROUTES}"));
    let token = gateway.token("alice");
    let (without, with) = (place(&gateway, None), place(&gateway, Some(&good)));
    for (door, request) in doors(&gateway, &token) {
        // The least that any route asks is what tickets and renewals ask.
        if door.starts_with('/') {
            continue;
        }
        let answer = request.ask(&without);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (403, &json!("client_certificate_required")),
            "{door}"
        );
    }
    let line = gateway.log.reason("client_certificate_required");
    assert_eq!(line["event"], "refused", "{line}");
    gateway.handshake().open(&with).leave();
    gateway.handshake().target("/open/lobby").open(&without).leave();
    let for_chat = post(&gateway, "/ticket", &token, "{\"path\":\"/chat/lobby\"}").ask(&without);
    assert_eq!(for_chat.status, 403, "a ticket for a path asks what the path asks");
}

#[test]
fn where_every_route_requires_a_certificate_tickets_and_renewals_do_too() {
    let Guarded { gateway, good, .. } =
        guarded(&format!("{SECOND}\nauth.client_certificate = 'required'\n{ROUTES}"));
    let token = gateway.token("alice");
    for (door, request) in doors(&gateway, &token) {
        let answer = request.ask(&place(&gateway, None));
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (403, &json!("client_certificate_required")),
            "{door}"
        );
    }
    assert_eq!(post(&gateway, "/ticket", &token, "").ask(&place(&gateway, Some(&good))).status, 200);
}

#[test]
fn a_bound_token_is_good_with_its_certificate_alone_at_every_door_whatever_is_configured() {
    for setting in ["", "auth.client_certificate = 'required'", "auth.client_certificate = 'bound'"] {
        let Guarded { gateway, clients, good, .. } = guarded(&format!("{SECOND}\n{setting}\n{ROUTES}"));
        let thief = clients.client("phone 7", &[], DAY);
        let token = bound(&gateway, &good);
        for (door, request) in doors(&gateway, &token) {
            let answer = request.ask(&place(&gateway, Some(&thief)));
            assert_eq!(
                (answer.status, &answer.json()["code"]),
                (401, &json!("credential_invalid")),
                "{door}"
            );
            if setting.is_empty() {
                let answer = request.ask(&place(&gateway, None));
                assert_eq!(answer.status, 401, "{door}");
            }
        }
        let line = gateway.log.reason("token_binding");
        assert_eq!(line.get("subject"), None, "{line}");
        gateway.handshake().bearer(&token).open(&place(&gateway, Some(&good))).leave();
        let answer = post(&gateway, "/ticket", &token, "").ask(&place(&gateway, Some(&good)));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[test]
fn the_internal_port_where_nobody_shows_a_certificate_takes_no_update_by_a_bound_token() {
    let Guarded { gateway, good, .. } = guarded("");
    let publish = |token: &Token| {
        let token = token.clone().claim("mercure", json!({ "publish": ["*"] })).sign(gateway.key());
        let bearer = format!("Bearer {token}");
        let fields = [("Content-Type", "application/x-www-form-urlencoded"), ("Authorization", &*bearer)];
        gateway.internal().ask("POST", "/.well-known/mercure", &fields, "topic=a").status
    };
    let free = Token::of("backend");
    assert_eq!(publish(&free), 200);
    assert_eq!(publish(&free.claim("cnf", json!({ "x5t#S256": thumbprint(&good) }))), 401);
}

#[test]
fn a_token_that_asks_for_a_proof_that_is_not_known_here_is_good_with_nobody() {
    let Guarded { gateway, good, .. } = guarded(SECOND);
    let place = place(&gateway, Some(&good));
    let right = thumbprint(&good);
    for confirmation in [
        json!({}),
        json!(null),
        json!(right),
        json!([right]),
        json!({ "jkt": right }),
        json!({ "x5t#S256": right, "jkt": right }),
        json!({ "x5t#s256": right }),
        json!({ "x5t#S256": format!("{right}=") }),
        json!({ "x5t#S256": &right[..42] }),
        json!({ "x5t#S256": "" }),
        json!({ "x5t#S256": [right] }),
    ] {
        let token = confirmed(&gateway, confirmation.clone());
        assert_eq!(gateway.handshake().bearer(&token).ask(&place).status, 401, "{confirmation}");
    }
    gateway.log.count_of("the refusals", 11, |line| line["reason"] == "token_binding");
}

#[test]
fn where_tokens_must_be_bound_one_that_is_not_is_refused() {
    let Guarded { gateway, good, .. } =
        guarded(&format!("{SECOND}\nauth.client_certificate = 'bound'\n{ROUTES}"));
    for (door, request) in doors(&gateway, &gateway.token("alice")) {
        let answer = request.ask(&place(&gateway, Some(&good)));
        assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("credential_invalid")), "{door}");
    }
}

#[test]
fn a_ticket_and_a_renewal_of_a_bound_token_are_bound_too() {
    let Guarded { gateway, clients, good, .. } = guarded(SECOND);
    let other = clients.client("other", &[], DAY);
    let (own, others) = (place(&gateway, Some(&good)), place(&gateway, Some(&other)));
    let by_ticket = || {
        let answer = post(&gateway, "/ticket", &bound(&gateway, &good), "").ask(&own);
        let ticket = answer.json()["ticket"].as_str().expect("a ticket").to_owned();
        gateway.handshake().remove("Authorization").target(format!("/chat/lobby?ticket={ticket}"))
    };
    assert_eq!(by_ticket().ask(&others).status, 401);
    assert_eq!(by_ticket().ask(&place(&gateway, None)).status, 401);
    by_ticket().open(&own).leave();

    let token = |jti: &str, leaf: &Leaf| {
        let confirmation = json!({ "x5t#S256": thumbprint(leaf) });
        Token::of("alice").claim("jti", json!(jti)).claim("cnf", confirmation).sign(gateway.key())
    };
    let mut session = gateway.handshake().bearer(&token("1", &good)).open(&own);
    session.settle();
    assert_eq!(post(&gateway, "/renew", &token("2", &good), "{\"jti\":\"1\"}").ask(&own).status, 200);
    session.settle();
    // Alice's other device has a token of its own: the session does not stand on that.
    post(&gateway, "/renew", &token("3", &other), "{\"jti\":\"2\"}").ask(&others);
    session.expect_close(3003, "no_longer_admitted");
}

#[test]
fn a_reload_ends_the_sessions_whose_certificate_is_not_taken_any_more_and_no_others() {
    let Guarded { mut gateway, clients, good, .. } = guarded("tls.client_auth = 'optional'");
    let other = clients.client("other", &[], DAY);
    let mut lost = gateway.handshake().open(&place(&gateway, Some(&good)));
    let mut kept = gateway.handshake().open(&place(&gateway, Some(&other)));
    let mut bare = gateway.handshake().open(&place(&gateway, None));
    gateway.setup.put("clients.crl", clients.crl(&[&good], DAY), 0o644);
    gateway.sighup();
    lost.expect_close(3003, "no_longer_admitted");
    kept.settle();
    bare.settle();
    // Other authorities, by a change of the file alone.
    let new = Ca::new();
    gateway.setup.put("clients.pem", new.pem(), 0o644);
    gateway.setup.put("clients.crl", new.crl(&[], DAY), 0o644);
    kept.expect_close(3003, "no_longer_admitted");
    bare.settle();
    let text = std::fs::read_to_string(gateway.setup.config()).expect("the configuration");
    gateway.setup.put("portcullis.toml", text.replace("\"optional\"", "\"required\""), 0o644);
    gateway.sighup();
    bare.expect_close(3003, "no_longer_admitted");
    gateway.wait_until("nobody", |gateway| gateway.metric("portcullis_sessions", &[]) < 0.5);
}

#[test]
fn a_session_ends_with_the_certificate_of_its_peer_if_that_is_before_its_token() {
    let Guarded { gateway, clients, .. } = guarded("");
    let short = clients.client("short", &[], Duration::seconds(5));
    let begun = unix_now();
    let mut session = gateway.handshake().open(&place(&gateway, Some(&short)));
    session.settle();
    session.expect_close(3000, "authority_expired");
    assert!(unix_now() - begun >= 3, "not at once");
}
