//! Owns the stories of the Mercure hub: publishing, subscribing, coming back, and the rooms that are topics.
//! Never knows how an update gets from one to the other.

use crate::support::keys::Alg;
use crate::support::refusal::{expect_refusal, refused};
use crate::support::stream::{Event, Got};
use crate::support::{End, Gateway, Handshake, ORIGIN, Setup, SigningKey, Stream, Token};
use serde_json::{Value, json};

pub(super) const HUB: &str = "/.well-known/mercure";
pub(super) const TOPIC: &str = "https://example.com/rooms/lobby";

/// A gateway with a hub whose topics are rooms; `more` are further keys of its route.
pub(super) fn hub(more: &str) -> Gateway {
    let routes = format!(
        "[[route]]\npath = '{HUB}'\nkind = 'mercure'\ntopic = 'https://example.com/rooms/{{room}}'\nroom = '{{room}}'\n{more}\n\
         [[route]]\npath = '/chat/{{room}}'"
    );
    Gateway::with(&routes)
}

/// A token with this claim for the hub.
fn token(gateway: &Gateway, subject: &str, mercure: Value) -> String {
    Token::of(subject).claim("mercure", mercure).sign(gateway.key())
}

fn encoded(text: &str) -> String {
    let octets = text.bytes().map(|octet| match octet {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(octet).to_string(),
        _ => format!("%{octet:02X}"),
    });
    octets.collect()
}

fn form(fields: &[(&str, &str)]) -> String {
    let fields = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    fields.collect::<Vec<_>>().join("&")
}

/// A subscription to these topics by a token that grants these.
pub(super) fn subscribing(gateway: &Gateway, topics: &[&str], granted: &[&str]) -> Handshake {
    let topics: Vec<_> = topics.iter().map(|topic| ("topic", *topic)).collect();
    let token = token(gateway, "alice", json!({ "subscribe": granted }));
    gateway.handshake().bearer(&token).for_stream().target(format!("{HUB}?{}", form(&topics)))
}

pub(super) fn subscribe(gateway: &Gateway, topics: &[&str], granted: &[&str]) -> Stream {
    Stream::open(&subscribing(gateway, topics, granted), gateway.place())
}

/// A publication by a backend: no Origin, and a token without a subject.
fn publishing(gateway: &Gateway, fields: &[(&str, &str)]) -> Handshake {
    let token =
        Token::of("x").without("sub").claim("mercure", json!({ "publish": ["*"] })).sign(gateway.key());
    gateway
        .handshake()
        .bearer(&token)
        .for_post(form(fields))
        .remove("Origin")
        .request_line(format!("POST {HUB} HTTP/1.1"))
        .add("Content-Type", "application/x-www-form-urlencoded")
}

/// Publishes; the id of the update.
pub(super) fn publish(gateway: &Gateway, fields: &[(&str, &str)]) -> String {
    let answer = gateway.ask(&publishing(gateway, fields));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text()
}

pub(super) fn data(stream: &mut Stream) -> String {
    stream.event().data
}

#[test]
fn an_update_reaches_those_who_subscribe_to_one_of_its_topics_with_all_its_fields() {
    let gateway = hub("");
    let mut exact = subscribe(&gateway, &[TOPIC], &[]);
    let mut template = subscribe(&gateway, &["https://example.com/rooms/{id}"], &[]);
    let mut every = subscribe(&gateway, &["*"], &[]);
    let mut other = subscribe(&gateway, &["https://example.com/rooms/kitchen"], &[]);
    let fields =
        [("topic", TOPIC), ("data", "one\ntwo"), ("id", "urn:x:1"), ("type", "note"), ("retry", "5")];
    assert_eq!(publish(&gateway, &fields), "urn:x:1");
    let expected = Event {
        kind: Some("note".to_owned()),
        id: Some("urn:x:1".to_owned()),
        retry: Some("5".to_owned()),
        data: "one\ntwo".to_owned(),
    };
    for stream in [&mut exact, &mut template, &mut every] {
        assert_eq!(stream.event(), expected);
    }
    let id = publish(
        &gateway,
        &[("topic", "https://example.com/rooms/kitchen"), ("topic", TOPIC), ("data", "both")],
    );
    assert!(id.starts_with("urn:uuid:"), "{id}");
    for stream in [&mut exact, &mut template, &mut every, &mut other] {
        assert_eq!(data(stream), "both");
    }
}

#[test]
fn a_private_update_reaches_only_those_who_are_granted_one_of_its_topics() {
    let gateway = hub("");
    let mut granted = subscribe(&gateway, &[TOPIC], &["https://example.com/rooms/{id}"]);
    let mut not = subscribe(&gateway, &[TOPIC], &["https://example.com/other"]);
    publish(&gateway, &[("topic", TOPIC), ("data", "secret"), ("private", "on")]);
    publish(&gateway, &[("topic", TOPIC), ("data", "open")]);
    assert_eq!(data(&mut granted), "secret");
    assert_eq!(data(&mut granted), "open");
    assert_eq!(data(&mut not), "open");
}

#[test]
fn who_comes_back_gets_what_it_missed_and_may_read_and_is_told_of_a_loss() {
    let gateway = hub("history = 3");
    let ids: Vec<String> =
        (0..3).map(|number| publish(&gateway, &[("topic", TOPIC), ("data", &number.to_string())])).collect();
    let back = |id: &str| subscribing(&gateway, &[TOPIC], &[]).add("Last-Event-ID", id);
    let mut stream = Stream::open(&back(&ids[0]), gateway.place());
    assert_eq!(stream.answer.field("last-event-id"), Some(&*ids[0]));
    assert_eq!((data(&mut stream), data(&mut stream)), ("1".to_owned(), "2".to_owned()));
    publish(&gateway, &[("topic", TOPIC), ("data", "live")]);
    assert_eq!(data(&mut stream), "live", "and then what is new, each once");

    let lost = Stream::open(&back(&ids[0]), gateway.place());
    assert_eq!(lost.answer.field("last-event-id"), Some(&*ids[0]), "the next one is still there");
    publish(&gateway, &[("topic", TOPIC), ("private", ""), ("data", "not for everybody")]);
    let mut lost = Stream::open(&back(&ids[0]), gateway.place());
    assert_eq!(lost.answer.field("last-event-id"), Some(&*ids[1]), "one was lost");
    assert_eq!((data(&mut lost), data(&mut lost)), ("2".to_owned(), "live".to_owned()));
    publish(&gateway, &[("topic", TOPIC), ("data", "next")]);
    assert_eq!(data(&mut lost), "next", "the history is judged like the stream");

    let mut by_query = subscribing(&gateway, &[TOPIC], &[]);
    by_query = by_query.clone().target(format!("{}&lastEventID={}", by_query.path(), encoded(&ids[2])));
    let mut by_query = Stream::open(&by_query, gateway.place());
    assert_eq!(data(&mut by_query), "live");
    let none = subscribe(&gateway, &[TOPIC], &[]);
    assert_eq!(none.answer.field("last-event-id"), None);
}

#[test]
fn an_update_is_a_message_of_the_room_that_its_topic_is_and_not_the_other_way_unless_so_configured() {
    let gateway = hub("");
    let mut stream = subscribe(&gateway, &["*"], &["*"]);
    let mut socket = gateway.join("lobby", "bob");
    publish(&gateway, &[("topic", TOPIC), ("data", "to both")]);
    socket.expect_text("to both");
    assert_eq!(data(&mut stream), "to both");
    socket.text("only here");
    socket.settle();
    publish(&gateway, &[("topic", "https://example.com/other"), ("data", "no room")]);
    assert_eq!(data(&mut stream), "no room");
    socket.expect_nothing();
}

#[test]
fn a_message_of_a_room_is_a_private_update_where_the_configuration_says_so() {
    let gateway = hub("from_room = true");
    let mut granted = subscribe(&gateway, &[TOPIC], &[TOPIC]);
    let mut not = subscribe(&gateway, &[TOPIC], &[]);
    let mut socket = gateway.join("lobby", "bob");
    let mut listener = gateway.join("lobby", "carol");
    socket.text("from the room");
    listener.expect_text("from the room");
    assert_eq!(data(&mut granted), "from the room");
    let by_backend = gateway.internal().ask("POST", "/publish", &[], r#"{"room":"lobby","data":"behind"}"#);
    assert_eq!(by_backend.status, 200);
    assert_eq!(data(&mut granted), "behind");
    listener.expect_text("behind");
    socket.expect_text("behind");
    publish(&gateway, &[("topic", TOPIC), ("data", "once")]);
    assert_eq!(data(&mut not), "once", "the others were private");
    assert_eq!(data(&mut granted), "once");
    listener.expect_text("once");
    listener.expect_nothing();
}

#[test]
fn a_publisher_needs_the_claim_for_every_topic() {
    let gateway = hub("");
    let post = |claim: Value, fields: &[(&str, &str)]| {
        publishing(&gateway, fields).bearer(&token(&gateway, "backend", claim))
    };
    let good = [("topic", TOPIC), ("data", "x")];
    let denied = refused(403, "topic_not_granted");
    expect_refusal(&gateway, &post(json!({}), &good), denied);
    expect_refusal(&gateway, &post(json!({ "publish": [] }), &good), denied);
    expect_refusal(&gateway, &post(json!({ "subscribe": ["*"] }), &good), denied);
    expect_refusal(&gateway, &publishing(&gateway, &good).bearer(&gateway.token("alice")), denied);
    let some = json!({ "publish": ["https://example.com/rooms/{id}"] });
    let more = [("topic", TOPIC), ("topic", "https://example.com/other")];
    expect_refusal(&gateway, &post(some.clone(), &more), denied);
    assert_eq!(gateway.ask(&post(some, &good)).status, 200);
    let missing = publishing(&gateway, &good).remove("Authorization");
    expect_refusal(&gateway, &missing, refused(401, "credential_missing"));
    let stranger = SigningKey::with_kid(gateway.key().alg, &gateway.key().kid);
    let forged = Token::of("x").claim("mercure", json!({ "publish": ["*"] })).sign(&stranger);
    expect_refusal(&gateway, &publishing(&gateway, &good).bearer(&forged), refused(401, "token_signature"));
    let by_query = publishing(&gateway, &good).request_line(format!("POST {HUB}?authorization=x HTTP/1.1"));
    expect_refusal(&gateway, &by_query, refused(400, "token_in_query"));
}

#[test]
fn a_publication_that_is_none_is_refused() {
    let gateway = hub("limits.message_bytes = '1KiB'");
    let malformed = refused(400, "update_malformed");
    for fields in [
        &[("data", "x")][..],
        &[("topic", "")],
        &[("topic", TOPIC), ("id", "#x")],
        &[("topic", TOPIC), ("id", "a\nb")],
        &[("topic", TOPIC), ("type", "a\ndata: evil")],
        &[("topic", TOPIC), ("retry", "soon")],
    ] {
        expect_refusal(&gateway, &publishing(&gateway, fields), malformed);
    }
    for own in [
        "/.well-known/mercure/subscriptions/a/b",
        "https://elsewhere.example/.well-known/mercure/subscriptions/a/b",
        "/x/../.well-known/%6Dercure/subscriptions/a/b",
    ] {
        let own = publishing(&gateway, &[("topic", TOPIC), ("topic", own)]);
        expect_refusal(&gateway, &own, refused(403, "topic_reserved"));
    }
    let most = "m".repeat(1024);
    publish(&gateway, &[("topic", TOPIC), ("data", &most)]);
    let long = "m".repeat(1025);
    let too_long = publishing(&gateway, &[("topic", TOPIC), ("data", &long)]);
    expect_refusal(&gateway, &too_long, refused(413, "body_too_large"));
    let far_too_long = publishing(&gateway, &[]).set("Content-Length", "100000");
    expect_refusal(&gateway, &far_too_long, refused(413, "body_too_large"));
    let json = publishing(&gateway, &[("topic", TOPIC)]).set("Content-Type", "application/json");
    expect_refusal(&gateway, &json, refused(415, "publish_type"));
    let chunked = publishing(&gateway, &[]).add("Transfer-Encoding", "chunked");
    expect_refusal(&gateway, &chunked, refused(400, "body"));
}

#[test]
fn a_page_may_publish_only_where_it_is_listed_for_that_also_with_the_cookie() {
    let listed = "https://editor.example.test";
    let gateway = hub(&format!("publish_origins = ['{listed}']\nauth.credentials = ['header', 'cookie']"));
    let post = publishing(&gateway, &[("topic", TOPIC), ("data", "x")]);
    let foreign = refused(403, "origin_not_allowed");
    expect_refusal(&gateway, &post.clone().add("Origin", ORIGIN), foreign);
    assert_eq!(gateway.ask(&post.clone().add("Origin", listed)).status, 200);
    let cookie = format!("mercureAuthorization={}", post.token());
    let by_cookie = post.remove("Authorization").add("Cookie", cookie);
    expect_refusal(&gateway, &by_cookie, refused(403, "origin_missing"));
    expect_refusal(&gateway, &by_cookie.clone().add("Origin", ORIGIN), foreign);
    expect_refusal(&gateway, &by_cookie.clone().add("Origin", "null"), refused(403, "origin_null"));
    let answer = gateway.ask(&by_cookie.clone().add("Origin", listed));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("access-control-allow-origin"), Some(listed));
    let navigation = by_cookie.add("Origin", listed).add("Sec-Fetch-Mode", "navigate");
    assert_eq!(gateway.ask(&navigation).status, 403);
    gateway.log.reason("fetch_metadata");

    let none = hub("");
    let post = publishing(&none, &[("topic", TOPIC)]).add("Origin", ORIGIN);
    expect_refusal(&none, &post, foreign);
}

#[test]
fn a_subscriber_by_cookie_must_be_a_listed_page() {
    let gateway = hub("auth.credentials = ['header', 'cookie']");
    let good = subscribing(&gateway, &[TOPIC], &[TOPIC]);
    let cookie = format!("mercureAuthorization={}", good.token());
    let by_cookie = good.remove("Authorization").add("Cookie", cookie);
    let stream = Stream::open(&by_cookie, gateway.place());
    assert_eq!(stream.answer.field("access-control-allow-credentials"), Some("true"));
    expect_refusal(&gateway, &by_cookie.clone().remove("Origin"), refused(403, "origin_missing"));
    let evil = by_cookie.clone().set("Origin", "https://evil.example");
    expect_refusal(&gateway, &evil, refused(403, "origin_not_allowed"));
    let own = by_cookie.remove("Cookie").add("Cookie", format!("__Host-portcullis={}", gateway.token("a")));
    expect_refusal(&gateway, &own, refused(401, "credential_missing"));
}

#[test]
fn without_a_token_only_an_anonymous_hub_is_read_and_only_in_public() {
    let gateway = hub("");
    let nobody = subscribing(&gateway, &[TOPIC], &[]).remove("Authorization");
    expect_refusal(&gateway, &nobody, refused(401, "credential_missing"));
    let no_claim = Token::of("alice").without("mercure").sign(gateway.key());
    let no_claim = subscribing(&gateway, &[TOPIC], &[]).bearer(&no_claim);
    expect_refusal(&gateway, &no_claim, refused(403, "topic_not_granted"));
    let no_subject = Token::of("x").without("sub").claim("mercure", json!({ "subscribe": ["*"] }));
    let no_subject = subscribing(&gateway, &[TOPIC], &[]).bearer(&no_subject.sign(gateway.key()));
    expect_refusal(&gateway, &no_subject, refused(401, "token_subject"));

    let gateway = hub("anonymous = true\nlimits.connections_per_subject = 1");
    let nobody = subscribing(&gateway, &[TOPIC], &[]).remove("Authorization");
    let mut streams = [Stream::open(&nobody, gateway.place()), Stream::open(&nobody, gateway.place())];
    publish(&gateway, &[("topic", TOPIC), ("data", "secret"), ("private", "on")]);
    publish(&gateway, &[("topic", TOPIC), ("data", "open")]);
    for stream in &mut streams {
        assert_eq!(data(stream), "open");
    }
    expect_refusal(&gateway, &nobody.bearer("a.b.c"), refused(401, "token_malformed"));
}

#[test]
fn a_subscription_names_topics_and_a_hub_has_its_own_methods() {
    let gateway = hub("");
    let good = subscribing(&gateway, &[TOPIC], &[]);
    for query in ["", "?", "?topic=", "?topic=%FF", "?x=y"] {
        let request = good.clone().target(format!("{HUB}{query}"));
        expect_refusal(&gateway, &request, refused(400, "topics_malformed"));
    }
    expect_refusal(&gateway, &good.clone().method("DELETE"), refused(405, "stream_method"));
    expect_refusal(
        &gateway,
        &good.clone().target(format!("{HUB}/other?topic=a")),
        refused(404, "route_not_found"),
    );
    let long = good.add("Last-Event-ID", "i".repeat(257));
    expect_refusal(&gateway, &long, refused(400, "topics_malformed"));
    let preflight = gateway.handshake().for_stream().target(format!("{HUB}?topic=a")).method("OPTIONS");
    let answer = gateway.ask(&preflight);
    assert_eq!((answer.status, answer.field("access-control-allow-methods")), (204, Some("GET")));
    let evil = gateway.ask(&preflight.set("Origin", "https://evil.example"));
    assert_eq!((evil.status, evil.field("access-control-allow-origin")), (403, None));
}

#[test]
fn where_publishing_is_internal_the_public_port_takes_none() {
    let gateway = hub("publish = 'internal'");
    let mut stream = subscribe(&gateway, &[TOPIC], &[]);
    let body = form(&[("topic", TOPIC), ("data", "from inside"), ("id", "urn:x:1")]);
    let empty = publishing(&gateway, &[]);
    expect_refusal(&gateway, &empty, refused(405, "method_not_allowed"));
    let full = publishing(&gateway, &[("topic", TOPIC)]);
    expect_refusal(&gateway, &full, refused(400, "body"));
    let bearer = format!("Bearer {}", empty.token());
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    let ask = |fields: &[(&str, &str)]| gateway.internal().ask("POST", HUB, fields, &body);
    assert_eq!(ask(&[kind]).status, 401);
    assert_eq!(ask(&[kind, ("Authorization", &bearer), ("Origin", ORIGIN)]).status, 403);
    assert_eq!(ask(&[("Authorization", &bearer)]).status, 415);
    let answer = ask(&[kind, ("Authorization", &bearer)]);
    assert_eq!((answer.status, answer.text()), (200, "urn:x:1".to_owned()));
    assert_eq!(data(&mut stream), "from inside");
}

#[test]
fn the_internal_port_asks_a_publisher_for_its_own_token_in_the_place_of_the_files() {
    let setup = Setup::new().file("internal.token", "0123456789abcdef0123456789abcdef\n", 0o600);
    let toml = format!("internal.token_file = 'internal.token'\n[[route]]\npath = '{HUB}'\nkind = 'mercure'");
    let gateway = Gateway::spawn(setup.toml(&toml));
    gateway.log.event("the start", |line| line["event"] == "started");
    let body = form(&[("topic", TOPIC)]);
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    let ask = |bearer: &str| {
        let bearer = format!("Bearer {bearer}");
        gateway.internal().ask("POST", HUB, &[kind, ("Authorization", &bearer)], &body).status
    };
    assert_eq!(ask(&publishing(&gateway, &[]).token()), 200);
    assert_eq!(ask("0123456789abcdef0123456789abcdef"), 401);
}

#[test]
fn who_subscribes_is_told_to_those_who_are_granted_it_and_nobody_else() {
    let gateway = hub("subscriptions = true");
    let subscriptions = format!("{HUB}/subscriptions");
    let everything = format!("{subscriptions}{{/topic}}{{/subscriber}}");
    let mut watcher =
        subscribe(&gateway, &[&format!("{HUB}/subscriptions/{{topic}}/{{subscriber}}")], &[&everything]);
    let own: Value = serde_json::from_str(&data(&mut watcher)).expect("JSON");
    assert_eq!(own["active"], true);
    let claim = json!({ "subscribe": [], "payload": { "name": "Bob" } });
    let bob = subscribing(&gateway, &[TOPIC], &[]).bearer(&token(&gateway, "bob", claim));
    let bob = Stream::open(&bob, gateway.place());
    let told: Value = serde_json::from_str(&data(&mut watcher)).expect("JSON");
    assert_eq!(
        (&told["topic"], &told["type"], &told["active"]),
        (&json!(TOPIC), &json!("Subscription"), &json!(true))
    );
    assert_eq!(told["payload"]["name"], "Bob");

    let ask = |path: &str, granted: &[&str]| gateway.ask(&subscribing(&gateway, &[], granted).target(path));
    let all = ask(&subscriptions, &[&everything]);
    assert_eq!((all.status, all.field("content-type")), (200, Some("application/ld+json")));
    assert_eq!(all.json()["subscriptions"].as_array().map(Vec::len), Some(2));
    let of_topic = ask(&format!("{subscriptions}/{}", encoded(TOPIC)), &[&everything]);
    assert_eq!(of_topic.json()["subscriptions"][0]["id"], told["id"]);
    let one = ask(told["id"].as_str().expect("an id"), &[&everything]);
    assert_eq!((one.status, &one.json()["subscriber"]), (200, &told["subscriber"]));
    assert_eq!(ask(&format!("{subscriptions}/a/b"), &[&everything]).status, 404);
    assert_eq!(ask(&subscriptions, &[TOPIC]).status, 403);
    assert_eq!(ask(&subscriptions, &[]).status, 403);

    drop(bob);
    let gone: Value = serde_json::from_str(&data(&mut watcher)).expect("JSON");
    assert_eq!((&gone["id"], &gone["active"]), (&told["id"], &json!(false)));
    let quiet = hub("");
    let request = subscribing(&quiet, &[], &["*"]).target(&subscriptions);
    expect_refusal(&quiet, &request, refused(404, "route_not_found"));
}

#[test]
fn nobody_forges_who_subscribes_where_the_hub_has_another_path() {
    let gateway = Gateway::with("[[route]]\npath = '/hub'\nkind = 'mercure'\nsubscriptions = true");
    let post = |topic: &str| publishing(&gateway, &[("topic", topic)]).request_line("POST /hub HTTP/1.1");
    let forged = post("/hub/subscriptions/a/b");
    expect_refusal(&gateway, &forged, refused(403, "topic_reserved"));
    assert_eq!(gateway.ask(&post("hub")).status, 200);
}

#[test]
fn tokens_as_symfony_makes_them_publish_where_their_issuer_may_leave_claims_out() {
    let setup = Setup::with_keys(&[Alg::Hs256]).toml(&format!(
        "[[route]]\npath = '{HUB}'\nkind = 'mercure'\n[[auth.issuer]]\nissuer = 'symfony'\naudience = 'mercure'\nalgorithms = ['HS256']\n\
         require = []\nkey = [{{ secret_file = 'symfony.secret', algorithm = 'HS256' }}]"
    ));
    setup.put("symfony.secret", &setup.keys[0].secret, 0o600);
    let gateway = setup.start();
    let key = gateway.key();
    let claims = json!({ "mercure": { "publish": ["*"] } }).to_string();
    let token = key.sign_texts(br#"{"typ":"JWT","alg":"HS256"}"#, claims.as_bytes());
    let post = publishing(&gateway, &[("topic", TOPIC), ("data", "x")]).bearer(&token);
    assert_eq!(gateway.ask(&post).status, 200);
}

#[test]
fn a_route_that_names_issuers_takes_the_tokens_of_no_other() {
    let own = crate::support::ISSUER;
    let setup = Setup::with_keys(&[Alg::Hs256]).toml(&format!(
        "[[route]]\npath = '/chat/{{room}}'\nsse = true\nauth.issuers = ['{own}']\n[[route]]\npath = '{HUB}'\nkind = 'mercure'\n\
         auth.issuers = ['symfony']"
    ));
    setup.put("symfony.secret", "0123456789abcdef0123456789abcdef", 0o600);
    let setup = setup.raw(
        "[[auth.issuer]]\nissuer = 'symfony'\naudience = 'mercure'\nalgorithms = ['HS256']\n\
         key = [{ secret_file = 'symfony.secret', algorithm = 'HS256' }]\n",
    );
    let gateway = setup.start();
    let symfony = |mercure: Value| {
        let token = Token::of("mallory").claim("iss", json!("symfony")).claim("aud", json!("mercure"));
        let key = SigningKey::shared(b"0123456789abcdef0123456789abcdef".to_vec(), "symfony");
        token.claim("mercure", mercure).without_header("kid").sign(&key)
    };
    let foreign = symfony(json!({ "subscribe": ["*"], "publish": ["*"] }));
    let issuer = refused(401, "token_issuer");
    expect_refusal(&gateway, &gateway.handshake().bearer(&foreign), issuer);
    let post = publishing(&gateway, &[("topic", TOPIC)]);
    assert_eq!(gateway.ask(&post.clone().bearer(&foreign)).status, 200);
    expect_refusal(&gateway, &post, issuer);
    expect_refusal(&gateway, &subscribing(&gateway, &[TOPIC], &["*"]), issuer);
    gateway.join("lobby", "alice");
}

#[test]
fn a_reader_that_missed_more_than_it_may_be_sent_at_once_comes_back_for_the_rest() {
    let gateway = hub("limits.send_queue = '128KiB'\nlimits.message_bytes = '40KiB'");
    let long = "m".repeat(30_000);
    for number in 0..6 {
        publish(&gateway, &[("topic", TOPIC), ("data", &format!("{number}{long}"))]);
    }
    let mut got = Vec::new();
    let mut last = "earliest".to_owned();
    while got.len() < 6 {
        let request = subscribing(&gateway, &[TOPIC], &[]).add("Last-Event-ID", &last);
        let mut stream = Stream::open(&request, gateway.place());
        loop {
            match stream.next() {
                Got::Event(event) => {
                    last = event.id.expect("an id");
                    got.push(event.data[..1].to_owned());
                }
                Got::Comment(comment) if comment == "more_missed" => {}
                Got::Comment(other) => panic!("{other}"),
                Got::End(End::Clean) => break,
                Got::End(end) => panic!("{end:?}"),
            }
            if got.len() == 6 {
                break;
            }
        }
    }
    assert_eq!(got, ["0", "1", "2", "3", "4", "5"]);
}
