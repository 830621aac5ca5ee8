//! Owns the stories of those who have no WebSocket: a room as an event stream, and messages by POST.
//! Never knows how a message gets from one to the other.

use crate::support::refusal::{expect_refusal, refused};
use crate::support::stream::{Event, Got};
use crate::support::target::Place;
use crate::support::{End, Frame, Gateway, Handshake, ORIGIN, OTHER_HOST, Setup, Stream, Token};
use serde_json::json;
use std::time::{Duration, Instant};

/// The request for the stream of the lobby.
fn request(gateway: &Gateway, subject: &str) -> Handshake {
    gateway.handshake().bearer(&gateway.token(subject)).for_stream()
}

fn read(gateway: &Gateway, subject: &str) -> Stream {
    Stream::open(&request(gateway, subject), gateway.place())
}

fn post(gateway: &Gateway, body: impl AsRef<[u8]>) -> Handshake {
    gateway.handshake().for_post(body)
}

#[test]
fn a_room_is_one_room_for_sockets_streams_and_posts() {
    let gateway = Gateway::start();
    let mut stream = read(&gateway, "alice");
    let mut socket = gateway.join("lobby", "bob");
    socket.text("from a socket");
    stream.expect("from a socket");
    let answer = gateway.ask(&post(&gateway, "from a post"));
    assert_eq!(answer.status, 204, "{answer:?}");
    stream.expect("from a post");
    socket.expect_text("from a post");
    socket.text("two\nlines");
    stream.expect("two\nlines");
    socket.send(&Frame::binary([0, 255]));
    let binary = Event { kind: Some("binary".to_owned()), data: "AP8=".to_owned(), ..Event::default() };
    assert_eq!(stream.event(), binary);
    let by_backend =
        gateway.internal().ask("POST", "/publish", &[], r#"{"room":"lobby","data":"from behind"}"#);
    assert_eq!(by_backend.json()["delivered"], 2);
    stream.expect("from behind");
}

#[test]
fn a_post_of_octets_is_a_binary_message() {
    let gateway = Gateway::start();
    let mut socket = gateway.join("lobby", "bob");
    let octets = [0, 255, 10];
    let request = post(&gateway, octets).add("Content-Type", "application/octet-stream");
    assert_eq!(gateway.ask(&request).status, 204);
    socket.expect_binary(&octets);
    expect_refusal(&gateway, &post(&gateway, octets), refused(400, "send_utf8"));
}

#[test]
fn a_stream_is_not_cached_not_buffered_and_readable_by_the_page_that_asked() {
    let gateway = Gateway::start();
    let stream = read(&gateway, "alice");
    let field = |name| stream.answer.field(name);
    assert_eq!(field("cache-control"), Some("no-store"));
    assert_eq!(field("x-accel-buffering"), Some("no"));
    assert_eq!(field("connection"), Some("close"));
    assert_eq!(field("content-length"), None);
    assert_eq!(field("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(field("vary"), Some("Origin"));
}

#[test]
fn a_route_without_sse_has_neither_streams_nor_posts() {
    let gateway = Gateway::start();
    let on_chat = |request: Handshake| {
        let path = request.path().replace("/events/", "/chat/");
        request.target(path)
    };
    expect_refusal(&gateway, &on_chat(request(&gateway, "alice")), refused(426, "upgrade_missing"));
    let empty = on_chat(post(&gateway, "")).method("POST");
    expect_refusal(&gateway, &empty, refused(405, "method_not_allowed"));
    let full = on_chat(post(&gateway, "hi")).method("POST");
    expect_refusal(&gateway, &full, refused(400, "body"));
}

#[test]
fn on_a_route_with_sse_a_get_that_asks_for_something_else_is_told_to_upgrade() {
    let gateway = Gateway::start();
    let good = request(&gateway, "alice");
    for accept in ["*/*", "text/html", "text/event-streams", ""] {
        expect_refusal(&gateway, &good.clone().set("Accept", accept), refused(426, "upgrade_missing"));
    }
    expect_refusal(&gateway, &good.clone().remove("Accept"), refused(426, "upgrade_missing"));
    expect_refusal(&gateway, &good.clone().method("PUT"), refused(405, "stream_method"));
    expect_refusal(&gateway, &good.clone().method("DELETE"), refused(405, "stream_method"));
    let several = good.clone().set("Accept", "text/html, Text/Event-Stream;q=0.9");
    Stream::open(&several, gateway.place());
    let socket = gateway.handshake().target("/events/lobby").add("Accept", "text/event-stream");
    gateway.open(&socket).settle();
}

#[test]
fn a_stream_needs_a_subscribe_grant_and_a_post_needs_both() {
    let gateway = Gateway::start();
    let token = |subscribe: &[&str], publish: &[&str]| {
        Token::of("alice").rooms(subscribe, publish).sign(gateway.key())
    };
    let stream = |token: &str| request(&gateway, "alice").bearer(token);
    let send = |token: &str| post(&gateway, "hi").bearer(token);
    let none = token(&["kitchen"], &["*"]);
    expect_refusal(&gateway, &stream(&none), refused(403, "room_not_granted"));
    expect_refusal(&gateway, &send(&none), refused(403, "room_not_granted"));
    let read_only = token(&["lobby"], &[]);
    let mut reader = Stream::open(&stream(&read_only), gateway.place());
    expect_refusal(&gateway, &send(&read_only), refused(403, "send_not_granted"));
    assert_eq!(gateway.ask(&send(&token(&["lobby"], &["lobby"]))).status, 204);
    reader.expect("hi");
}

#[test]
fn a_page_of_this_host_that_sends_no_origin_is_known_by_its_fetch_metadata() {
    let setup = Setup::new();
    let host = format!("{OTHER_HOST}:{}", setup.address.port());
    let gateway = setup.toml(&format!("origins.allow = ['https://{host}']")).start();
    let mut place = gateway.place().clone();
    place.server_name = OTHER_HOST.to_owned();
    let refuse = |place: &Place, request: &Handshake, status: u16, reason: &str| {
        assert_eq!(request.ask(place).status, status, "{request:?}");
        gateway.log.reason(reason);
    };
    let from_own_page = |request: Handshake| {
        request
            .remove("Origin")
            .add("Sec-Fetch-Site", "same-origin")
            .add("Sec-Fetch-Mode", "cors")
            .add("Sec-Fetch-Dest", "empty")
    };
    let by_cookie = |request: Handshake| {
        let cookie = format!("__Host-portcullis={}", request.token());
        request.remove("Authorization").add("Cookie", cookie)
    };
    let good = request(&gateway, "alice").set("Host", &host);
    Stream::open(&from_own_page(good.clone()), &place);
    Stream::open(&by_cookie(from_own_page(good.clone())), &place);

    let no_origin = good.clone().remove("Origin");
    refuse(&place, &no_origin, 403, "origin_missing");
    refuse(&place, &by_cookie(good.clone()).remove("Origin"), 403, "origin_missing");
    for site in ["same-site", "cross-site", "none"] {
        let request = by_cookie(no_origin.clone()).add("Sec-Fetch-Site", site);
        refuse(&place, &request, 403, "origin_missing");
    }
    refuse(&place, &from_own_page(good.clone()).set("Sec-Fetch-Mode", "navigate"), 403, "fetch_metadata");
    // A POST of a page always has an Origin.
    refuse(&place, &from_own_page(post(&gateway, "hi").set("Host", &host)), 403, "origin_missing");
    // The page of another name of ours is none of those that are listed.
    place.server_name = "127.0.0.1".to_owned();
    let other = from_own_page(good).set("Host", format!("127.0.0.1:{}", place.address.port()));
    assert_eq!(other.ask(&place).status, 403);
    gateway.log.reason("origin_not_allowed");
}

#[test]
fn where_no_origin_is_required_a_cookie_needs_one_all_the_same() {
    let gateway = Gateway::with("origins.missing = 'allow'");
    let native = request(&gateway, "alice").remove("Origin");
    Stream::open(&native, gateway.place());
    assert_eq!(gateway.ask(&post(&gateway, "hi").remove("Origin")).status, 204);
    let cookie = |request: Handshake| {
        let cookie = format!("__Host-portcullis={}", request.token());
        request.remove("Authorization").add("Cookie", cookie)
    };
    expect_refusal(&gateway, &cookie(native), refused(403, "origin_missing"));
    let send = cookie(post(&gateway, "hi"));
    expect_refusal(&gateway, &send.clone().remove("Origin"), refused(403, "origin_missing"));
    let answer = gateway.ask(&send);
    assert_eq!(answer.status, 204);
    assert_eq!(answer.field("access-control-allow-credentials"), Some("true"));
}

#[test]
fn a_preflight_of_an_allowed_origin_is_answered_and_of_no_other() {
    let gateway = Gateway::with("auth.credentials = ['header']");
    let preflight = |origin: &str| {
        let request = request(&gateway, "alice").remove("Authorization").method("OPTIONS");
        gateway.ask(&request.set("Origin", origin).add("Access-Control-Request-Method", "POST"))
    };
    let answer = preflight(ORIGIN);
    assert_eq!(answer.status, 204);
    assert_eq!(answer.field("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(answer.field("access-control-allow-methods"), Some("GET, POST"));
    assert_eq!(answer.field("access-control-allow-credentials"), None, "no cookie is taken here");
    let refused = preflight("https://evil.example");
    assert_eq!((refused.status, refused.field("access-control-allow-origin")), (403, None));
}

#[test]
fn a_ticket_opens_a_stream_once() {
    let gateway = Gateway::with("auth.credentials = ['header', 'ticket']");
    let ask = gateway.handshake().for_post("").request_line("POST /ticket HTTP/1.1");
    let ticket = gateway.ask(&ask).json()["ticket"].as_str().expect("a ticket").to_owned();
    let by_ticket =
        request(&gateway, "alice").remove("Authorization").target(format!("/events/lobby?ticket={ticket}"));
    Stream::open(&by_ticket, gateway.place());
    assert_eq!(gateway.ask(&by_ticket).status, 401);
}

#[test]
fn a_body_may_have_message_bytes_and_must_come_in_time() {
    let gateway = Gateway::with("limits.message_bytes = '2KiB'\nlimits.handshake_timeout = '2s'");
    let mut stream = read(&gateway, "alice");
    let longest = "m".repeat(2048);
    assert_eq!(gateway.ask(&post(&gateway, &longest)).status, 204);
    stream.expect(&longest);
    expect_refusal(&gateway, &post(&gateway, "m".repeat(2049)), refused(413, "body_too_large"));
    let too_long = post(&gateway, "").set("Content-Length", "999999999999");
    expect_refusal(&gateway, &too_long, refused(413, "body_too_large"));
    for length in ["9999999999999", "-1", "+1", "01", "1,1", "0x1", ""] {
        let request = post(&gateway, "").set("Content-Length", length);
        expect_refusal(&gateway, &request, refused(400, "body"));
    }
    let body = refused(400, "body");
    expect_refusal(&gateway, &post(&gateway, "hi").add("Content-Length", "2"), body);
    expect_refusal(&gateway, &post(&gateway, "0\r\n\r\n").add("Transfer-Encoding", "chunked"), body);
    expect_refusal(&gateway, &post(&gateway, "hi").add("Expect", "100-continue"), refused(400, "expect"));

    let mut conn = gateway.connect();
    conn.send(&post(&gateway, "").set("Content-Length", "2000").behind("half").octets());
    assert_eq!(conn.drain().0, b"", "a body that does not come is not answered");
    gateway.log.reason("body_timeout");
}

#[test]
fn nothing_of_a_body_is_kept_for_who_has_not_proved_who_it_is() {
    let gateway = Gateway::start();
    let stranger = post(&gateway, "").set("Content-Length", "60000").bearer("a.b.c");
    let mut conn = gateway.connect();
    conn.send(&stranger.octets());
    // The answer comes although the body does not.
    assert_eq!(conn.answer().status, 401);
}

#[test]
fn messages_by_post_have_the_rate_of_their_subject() {
    let gateway = Gateway::with("limits.messages_per_connection = '1/m burst 3'");
    let statuses: Vec<u16> = (0..6).map(|_| gateway.ask(&post(&gateway, "hi")).status).collect();
    assert_eq!(statuses[..3], [204; 3]);
    assert_eq!(statuses[3..], [429; 3]);
    gateway.log.reason("send_rate");
    let bob = post(&gateway, "hi").bearer(&gateway.token("bob"));
    assert_eq!(gateway.ask(&bob).status, 204, "another subject has a rate of its own");
}

#[test]
fn a_kind_of_message_that_the_route_does_not_take_is_refused() {
    let toml = "[[route]]\npath = '/events/{room}'\nsse = true\nmessages = ['text']";
    let gateway = Gateway::with(toml);
    let octets = post(&gateway, "hi").add("Content-Type", "application/octet-stream");
    expect_refusal(&gateway, &octets, refused(415, "send_kind"));
    assert_eq!(gateway.ask(&post(&gateway, "hi").add("Content-Type", "application/json")).status, 204);
}

#[test]
fn a_stream_is_told_why_it_ends() {
    let gateway = Gateway::with("auth.leeway = '0s'\nlimits.max_session = '1h'");
    let expires = crate::support::unix_now() + 2;
    let short = Token::of("carol").claim("exp", json!(expires)).sign(gateway.key());
    let mut expiring = Stream::open(&request(&gateway, "carol").bearer(&short), gateway.place());
    let mut kicked = read(&gateway, "alice");
    let mut revoked = read(&gateway, "bob");
    assert_eq!(gateway.internal().ask("POST", "/admin/kick", &[], r#"{"subject":"alice"}"#).status, 200);
    kicked.expect_close(3003, "kicked");
    assert_eq!(gateway.internal().ask("POST", "/admin/revoke", &[], r#"{"subject":"bob"}"#).status, 200);
    revoked.expect_close(3003, "revoked");
    expiring.expect_close(3000, "authority_expired");
    let mut drained = read(&gateway, "dave");
    gateway.sigterm();
    drained.expect_close(1001, "drain");
    gateway.log.reason("drain");
}

#[test]
fn a_stream_is_listed_counted_and_gone_when_its_reader_leaves() {
    let gateway = Gateway::start();
    let stream = read(&gateway, "alice");
    let listed = gateway.internal().get("/admin/connections").json();
    assert_eq!(listed["connections"][0]["transport"], "sse", "{listed}");
    assert_eq!(listed["connections"][0]["room"], "lobby", "{listed}");
    gateway.wait_metric("portcullis_sessions", &[], 1.0);
    drop(stream);
    gateway.wait_metric("portcullis_sessions", &[], 0.0);
    gateway.log.reason("peer_closed");
}

#[test]
fn a_stream_has_a_heartbeat() {
    let gateway = Gateway::with("limits.ping_interval = '200ms'\nlimits.pong_timeout = '100ms'");
    let mut stream = read(&gateway, "alice");
    let began = Instant::now();
    for _ in 0..5 {
        assert_eq!(stream.next(), Got::Comment(String::new()));
    }
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());
}

#[test]
fn octets_behind_the_request_of_a_stream_end_it() {
    let gateway = Gateway::start();
    let mut stream = read(&gateway, "alice");
    stream.conn.send(b"GET /events/lobby HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.expect_close(1002, "stream_octets");
    let mut conn = gateway.connect();
    conn.send(&request(&gateway, "alice").behind("GET / HTTP/1.1\r\n\r\n").octets());
    let octets = conn.drain().0;
    assert_eq!(String::from_utf8_lossy(&octets).matches("HTTP/1.1").count(), 1);
}

#[test]
fn a_reader_that_is_too_slow_is_closed_and_the_others_go_on() {
    let gateway = Gateway::with("limits.send_queue = '128KiB'");
    let slow = read(&gateway, "alice");
    let mut quick = read(&gateway, "carol");
    let mut socket = gateway.join("lobby", "bob");
    let text = "m".repeat(60_000);
    let deadline = Instant::now() + crate::support::PATIENCE;
    while gateway.metric("portcullis_closes_total", &[("reason", "slow_reader")]) < 0.5 {
        assert!(Instant::now() < deadline, "the slow reader is still there");
        for _ in 0..20 {
            socket.text(&text);
            quick.expect(&text);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    drop(slow);
    socket.text("still here");
    quick.expect("still here");
}

#[test]
fn a_reload_that_withdraws_the_origin_ends_the_stream() {
    let gateway = Gateway::start();
    let mut stream = read(&gateway, "alice");
    let config = gateway.setup.config();
    let text = std::fs::read_to_string(&config).expect("a file");
    let text = text.replace(ORIGIN, "https://other.example.test");
    crate::support::setup::write_file(&config, text, 0o600);
    gateway.sighup();
    stream.expect_close(3003, "no_longer_admitted");
    assert_eq!(stream.next(), Got::End(End::Clean));
}
