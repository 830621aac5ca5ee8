//! Owns the stories of a session with a backend: what it is told, what goes through, how it ends.
//! Never knows how a backend breaks the rules: that is an attack.

use crate::support::backend::{backend, echo, field, route, serve, url};
use crate::support::pki::Ca;
use crate::support::ws::Got;
use crate::support::{Frame, Gateway, Handshake, Setup, Token, Web, Ws, unix_now};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

fn before(web: &Web) -> Gateway {
    before_with(web, "")
}

fn before_with(web: &Web, more: &str) -> Gateway {
    Gateway::with(&route(&[url(web)], more))
}

fn knock(gateway: &Gateway) -> Handshake {
    gateway.handshake().target("/legacy")
}

fn enter(gateway: &Gateway) -> Ws {
    gateway.open(&knock(gateway))
}

#[test]
fn messages_of_both_kinds_go_to_the_backend_and_back() {
    let web = echo();
    let gateway = before(&web);
    let mut ws = enter(&gateway);
    ws.text("Gr\u{fc}\u{df}e \u{1f44b}");
    ws.expect_text("Gr\u{fc}\u{df}e \u{1f44b}");
    ws.send(&Frame::binary([0, 255, 128]));
    ws.expect_binary(&[0, 255, 128]);
    ws.text("");
    ws.expect_text("");
    // In frames of any size, with a character cut in two and a ping between them.
    ws.send(&Frame::text(&"\u{e4}".as_bytes()[..1]).open_ended());
    ws.settle();
    ws.send(&Frame::continuation("").open_ended());
    ws.send(&Frame::continuation(&"\u{e4}".as_bytes()[1..]));
    ws.expect_text("\u{e4}");
    let long = "x".repeat(65_536);
    ws.text(&long);
    ws.expect_text(&long);
    ws.leave();
}

#[test]
fn a_long_message_goes_on_before_it_is_whole() {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let web = backend(move |caller| {
        while let Some(frame) = caller.frame() {
            tell.lock().expect("no panic").send(frame).expect("a listener");
        }
    });
    let gateway = before(&web);
    let mut ws = enter(&gateway);
    ws.send(&Frame::text("a".repeat(40_000)).open_ended());
    let mut came = 0;
    while came < 40_000 - 16_384 {
        let frame = told.recv_timeout(Duration::from_secs(20)).expect("a fragment");
        assert_eq!((frame.opcode, frame.last), (u8::from(came == 0), false));
        came += frame.payload.len();
    }
    ws.send(&Frame::continuation("b"));
    let mut keys = Vec::new();
    loop {
        let frame = told.recv_timeout(Duration::from_secs(20)).expect("a fragment");
        came += frame.payload.len();
        keys.push(frame.key);
        if frame.last {
            break;
        }
    }
    assert_eq!(came, 40_001);
    // Short ones are not made many frames of.
    for _ in 0..50 {
        ws.send(&Frame::text("s").open_ended());
        for _ in 0..10 {
            ws.send(&Frame::continuation("s").open_ended());
        }
        ws.send(&Frame::continuation("s"));
        let frame = told.recv_timeout(Duration::from_secs(20)).expect("a message");
        assert_eq!((frame.payload.len(), frame.last, frame.opcode), (12, true, 1));
        keys.push(frame.key);
    }
    let many = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert!(keys.len() + 1 >= many, "every frame has a key of its own");
}

#[test]
fn pings_are_answered_on_each_side_and_go_no_further() {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let web = backend(move |caller| {
        caller.send(&Frame::ping("of the backend"));
        while let Some(message) = caller.message() {
            tell.lock().expect("no panic").send(message).expect("a listener");
        }
    });
    let gateway = before(&web);
    let mut ws = enter(&gateway);
    assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok((10, b"of the backend".to_vec())));
    ws.settle();
    ws.text("after the ping");
    assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok((1, b"after the ping".to_vec())));
}

#[test]
fn the_request_is_written_from_nothing_and_says_who_asks() {
    let web = echo();
    let gateway = before_with(&web, "forward_headers = ['Accept-Language', 'X-Tenant']");
    let token = Token::of("J\u{f6}rg, \"root\"").rooms(&["lobby", "news.*"], &["lobby"]).sign(gateway.key());
    let forged = [
        ("Portcullis-Subject", "root"),
        ("portcullis-subject", "root"),
        ("Portcullis-Grants", "{}"),
        ("Portcullis-Assertion", "forged"),
        ("Portcullis-Connection-Id", "forged"),
        ("Portcullis_Subject", "root"),
        ("Portcullis.Subject", "root"),
        ("Forwarded", "for=10.0.0.1"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Forwarded-User", "root"),
        ("X-Real-IP", "10.0.0.1"),
        ("X-Auth-User", "root"),
        ("X_Forwarded_For", "10.0.0.1"),
        ("X.Authenticated.User", "root"),
        ("Remote-User", "root"),
        ("Cookie", "session=secret"),
        ("X-Other", "other"),
        ("Accept-Language", "de"),
        ("X-Tenant", "blue"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
    ];
    let knock = knock(&gateway).bearer(&token).target("/legacy?a=%20b&ticket=abc&c=d");
    let knock = forged.iter().fold(knock, |knock, (name, value)| knock.add(name, value));
    let mut ws = gateway.open(&knock);
    ws.text("there");
    ws.expect_text("there");
    assert_eq!(ws.answer.field("sec-websocket-extensions"), None);

    let head = web.heads().pop().expect("a request");
    let (key, assertion) = (
        field(&head, "sec-websocket-key").expect("a key"),
        field(&head, "portcullis-assertion").expect("one"),
    );
    let id = field(&head, "portcullis-connection-id").expect("a number");
    assert_ne!(key, crate::support::handshake::KEY, "the key is not the peer's");
    assert_eq!(
        head,
        format!(
            "GET /legacy?a=%20b&c=d HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\
             Origin: https://app.example.test\r\naccept-language: de\r\nx-tenant: blue\r\n\
             Forwarded: for=127.0.0.1;proto=https\r\nPortcullis-Subject: J%C3%B6rg%2C%20%22root%22\r\n\
             Portcullis-Grants: {{\"subscribe\":[\"lobby\",\"news.*\"],\"publish\":[\"lobby\"]}}\r\n\
             Portcullis-Connection-Id: {id}\r\nPortcullis-Assertion: {assertion}\r\n\r\n",
            web.port(),
        )
    );
    let admitted = gateway.log.event("the session", |line| line["event"] == "admitted");
    assert_eq!(
        (&admitted["request_id"], &admitted["upstream"]),
        (&json!(id), &json!(url(&web).trim_end_matches('/')))
    );
    let claims = checked(&gateway, &assertion);
    assert_eq!(
        (&claims["sub"], &claims["jti"], &claims["aud"]),
        (&json!("J\u{f6}rg, \"root\""), &json!(id), &json!("/legacy"))
    );
    assert_eq!(claims["portcullis"], json!({ "subscribe": ["lobby", "news.*"], "publish": ["lobby"] }));
}

/// What an assertion says, checked as a backend would: with the key set of the internal port alone.
pub(crate) fn checked(gateway: &Gateway, assertion: &str) -> Value {
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
    let answer = gateway.internal().get("/jwks.json");
    assert_eq!((answer.status, answer.field("content-type")), (200, Some("application/jwk-set+json")));
    let keys: JwkSet = serde_json::from_str(&answer.text()).expect("a JWKS");
    let header = decode_header(assertion).expect("a header");
    let jwk = keys.find(&header.kid.expect("a kid")).expect("its key");
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&["portcullis"]);
    validation.set_audience(&["/legacy"]);
    decode(assertion, &DecodingKey::from_jwk(jwk).expect("a key"), &validation).expect("a good one").claims
}

#[test]
fn the_backends_subprotocol_is_answered_and_the_token_is_not_offered_to_it() {
    let web = Web::http();
    serve(&web, "Sec-WebSocket-Protocol: chat.v2\r\n", |caller| caller.echo());
    let gateway = before(&web);
    let token = gateway.token("alice");
    let offer = |offer: &str| knock(&gateway).remove("Authorization").add("Sec-WebSocket-Protocol", offer);
    let ws = gateway.open(&offer(&format!("chat.v1, bearer, {token}, chat.v2")));
    assert_eq!(ws.answer.field("sec-websocket-protocol"), Some("chat.v2"));
    let head = web.heads().pop().expect("a request");
    assert_eq!(field(&head, "sec-websocket-protocol").as_deref(), Some("chat.v1, chat.v2"));
    serve(&web, "", |caller| caller.echo());
    let ws = gateway.open(&offer(&format!("bearer, {token}")));
    assert_eq!(ws.answer.field("sec-websocket-protocol"), Some("bearer"));
    let head = web.heads().pop().expect("a request");
    assert_eq!(field(&head, "sec-websocket-protocol"), None);

    let gateway = before_with(&web, "subprotocols = ['chat.v1']");
    let token = gateway.token("alice");
    let ws = gateway.open(&knock(&gateway).bearer(&token).add("Sec-WebSocket-Protocol", "other, chat.v1"));
    assert_eq!(ws.answer.field("sec-websocket-protocol"), None);
    let head = web.heads().pop().expect("a request");
    assert_eq!(field(&head, "sec-websocket-protocol").as_deref(), Some("chat.v1"));
}

#[test]
fn the_upstreams_own_path_and_query_come_first() {
    let web = echo();
    let at = |target: &str| format!("ws://127.0.0.1:{}{target}", web.port());
    for (upstream, asked, sent) in [
        ("/", "/legacy", "/legacy"),
        ("/", "/legacy?x=1", "/legacy?x=1"),
        ("/ws/chat", "/legacy?x=1", "/ws/chat?x=1"),
        ("/ws?key=1", "/legacy?x=1", "/ws?key=1&x=1"),
        ("/?key=1", "/legacy", "/legacy?key=1"),
    ] {
        let gateway = Gateway::with(&route(&[at(upstream)], ""));
        let mut ws = gateway.open(&gateway.handshake().target(asked));
        ws.text("there");
        ws.expect_text("there");
        let head = web.heads().pop().expect("a request");
        assert_eq!(head.split(' ').nth(1), Some(sent), "{upstream} {asked}");
    }
}

#[test]
fn a_close_goes_through_with_its_code_and_reason_both_ways() {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let web = backend(move |caller| {
        while let Some((opcode, payload)) = caller.message() {
            match (opcode, payload.as_slice()) {
                (1, code) => {
                    let code = String::from_utf8_lossy(code).into_owned();
                    match code.parse() {
                        Ok(code) => caller.send(&Frame::close(code, "so sagt es das Backend \u{e4}")),
                        Err(_) => caller.send(&Frame::new(8, "")),
                    }
                }
                other => tell.lock().expect("no panic").send((other.0, payload)).expect("a listener"),
            }
        }
    });
    let gateway = before(&web);
    for code in [1000, 1001, 1003, 1008, 1011, 1012, 3000, 3999, 4000, 4999] {
        let mut ws = enter(&gateway);
        ws.text(&code.to_string());
        ws.expect_close(code, "so sagt es das Backend \u{e4}");
        let line = gateway.log.event("its line", |line| line["code"] == code && line["event"] == "closed");
        assert_eq!(
            (&line["reason"], &line["upstream"]),
            (&json!("backend_closed"), &json!(url(&web).trim_end_matches('/')))
        );
        let (opcode, payload) = told.recv_timeout(Duration::from_secs(20)).expect("the answer");
        assert_eq!((opcode, &payload[..2]), (8, &u16::to_be_bytes(code)[..]));
    }
    let mut ws = enter(&gateway);
    ws.text("none");
    assert_eq!(ws.read(), Got::Close(None, String::new()));
    assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok((8, Vec::new())));

    for (code, reason) in [(1000, ""), (1001, "bye"), (4321, "mine")] {
        let mut ws = enter(&gateway);
        ws.send(&Frame::close(code, reason));
        assert_eq!(ws.read(), Got::Close(Some(code), String::new()));
        let said = [&code.to_be_bytes()[..], reason.as_bytes()].concat();
        assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok((8, said)));
    }
    let mut ws = enter(&gateway);
    ws.send(&Frame::new(8, ""));
    assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok((8, Vec::new())));
    // A peer that is gone without a word is gone for the backend, too.
    drop(enter(&gateway));
    let (opcode, payload) = told.recv_timeout(Duration::from_secs(20)).expect("a close");
    assert_eq!((opcode, payload), (8, [&1001_u16.to_be_bytes()[..], b"peer_gone"].concat()));
}

#[test]
fn a_route_to_a_backend_asks_for_a_grant_only_where_it_names_a_room() {
    let web = echo();
    let toml = format!(
        "[[route]]\npath = '/open'\nkind = 'proxy'\nupstream = ['{0}']\n\
         [[route]]\npath = '/staff'\nkind = 'proxy'\nroom = 'staff'\nupstream = ['{0}']\n\
         [[route]]\npath = '/rooms/{{room}}'\nkind = 'proxy'\nupstream = ['{0}']\n",
        url(&web)
    );
    let gateway = Gateway::with(&toml);
    let token = Token::good().rooms(&["lobby"], &[]).sign(gateway.key());
    for (path, status) in
        [("/open", 101), ("/staff", 403), ("/rooms/lobby", 101), ("/rooms/staff", 403), ("/rooms/", 404)]
    {
        let before = web.connections();
        let answer = gateway.ask(&gateway.handshake().target(path).bearer(&token));
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(web.connections() - before, usize::from(status == 101), "{path}");
    }
}

#[test]
fn a_relayed_session_ends_with_its_authority_like_any_other() {
    let web = echo();
    let gateway = before(&web);
    let open = |subject: &str| {
        let mut ws = gateway.open(&knock(&gateway).bearer(&gateway.token(subject)));
        ws.text("there");
        ws.expect_text("there");
        ws
    };
    let mut alice = open("alice");
    let listed = gateway.internal().get("/admin/connections").json();
    assert_eq!(listed["connections"][0]["upstream"], url(&web).trim_end_matches('/'));
    assert_eq!(listed["connections"][0]["route"], "/legacy");
    let mut bob = open("bob");
    let answer = gateway.internal().ask("POST", "/admin/kick", &[], r#"{"subject":"alice"}"#);
    assert_eq!(answer.json()["closed"], 1);
    alice.expect_close(3003, "kicked");
    let answer = gateway.internal().ask("POST", "/admin/revoke", &[], r#"{"subject":"bob"}"#);
    assert_eq!(answer.json()["closed"], 1);
    bob.expect_close(3003, "revoked");
    let brief = before_with(&web, "auth.leeway = '0s'");
    let soon = Token::of("carol").claim("exp", json!(unix_now() + 2)).sign(brief.key());
    let mut carol = brief.open(&knock(&brief).bearer(&soon));
    carol.expect_close(3000, "authority_expired");
    let mut dave = open("dave");
    gateway.internal().ask("POST", "/admin/drain", &[], "");
    dave.expect_close(1001, "drain");
}

#[test]
fn backends_are_reached_by_tls_with_their_own_roots_and_by_unix_sockets() {
    let ca = Ca::new();
    let web = Web::https(&ca, &["127.0.0.1"]);
    serve(&web, "", |caller| caller.echo());
    let toml = route(&[format!("wss://127.0.0.1:{}/", web.port())], "upstream_roots = 'backend.pem'");
    let gateway = Setup::new().file("backend.pem", ca.pem(), 0o644).toml(&toml).start();
    let mut ws = enter(&gateway);
    let long = "\u{e4}".repeat(30_000);
    ws.text(&long);
    ws.expect_text(&long);
    ws.leave();

    let other = Setup::new().file("backend.pem", Ca::new().pem(), 0o644).toml(&toml).start();
    let answer = other.ask(&knock(&other));
    assert_eq!(answer.status, 502);
    assert!(
        other.log.reason("backend_unreachable")["detail"].as_str().is_some_and(|why| why.contains("TLS"))
    );

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.sock");
    let web = Web::unix(&path);
    serve(&web, "", |caller| caller.echo());
    let gateway = Gateway::with(&route(&[format!("unix:{}", path.display())], ""));
    let mut ws = enter(&gateway);
    ws.text("by socket");
    ws.expect_text("by socket");
    let head = web.heads().pop().expect("a request");
    assert!(head.starts_with("GET /legacy HTTP/1.1\r\nHost: localhost\r\n"), "{head}");
}

/// A port on which nobody listens, until somebody does.
fn deserted() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

#[test]
fn where_one_upstream_takes_no_connection_the_next_one_does() {
    let (web, nobody) = (echo(), deserted());
    let gateway = Gateway::with(&route(&[format!("ws://{nobody}/"), url(&web)], ""));
    for _ in 0..8 {
        let mut alice = enter(&gateway);
        alice.text("hello");
        alice.expect_text("hello");
        alice.leave();
    }
    let of = |upstream| [("route", "/legacy"), ("upstream", upstream)];
    assert!(gateway.metric("portcullis_upstream_failures_total", &of("0")) >= 3.0);
    assert_eq!(gateway.metric("portcullis_upstream_healthy", &of("0")) as u32, 0, "three in a row");
    assert_eq!(gateway.metric("portcullis_upstream_healthy", &of("1")) as u32, 1);
}

#[test]
fn probes_find_an_upstream_that_is_gone_and_one_that_is_back_without_a_session() {
    let (web, nobody) = (echo(), deserted());
    let more = "upstream_health_interval = '500ms'";
    let gateway = Gateway::with(&route(&[format!("ws://{nobody}/"), url(&web)], more));
    let of = |upstream| [("route", "/legacy"), ("upstream", upstream)];
    gateway.wait_metric("portcullis_upstream_healthy", &of("0"), 0.0);
    assert_eq!(gateway.metric("portcullis_upstream_healthy", &of("1")) as u32, 1);
    let _back = TcpListener::bind(nobody).expect("the same port");
    gateway.wait_metric("portcullis_upstream_healthy", &of("0"), 1.0);
    assert_eq!(gateway.metric("portcullis_upstream_failures_total", &of("0")) as u32, 0, "no session failed");
}
