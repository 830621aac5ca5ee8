//! Owns the stories of a Mercure hub of version 1.0: its parameters, tokens, cookie and answers.
//! Never knows what the versions have in common.

use crate::support::refusal::{expect_refusal, refused};
use crate::support::stream::Got;
use crate::support::{AUDIENCE, Gateway, Handshake, ISSUER, Setup, Stream, Token};
use serde_json::{Value, json};

const HUB: &str = "/.well-known/mercure";
const TOPIC: &str = "https:%2F%2Fexample.com%2Fbooks%2F1";
const TOPIC_TEXT: &str = "https://example.com/books/1";

/// A gateway with a hub of version 1.0, and an issuer of access tokens; `more` are further keys of its
/// route.
fn hub(more: &str) -> Gateway {
    let setup = Setup::new();
    let keys: Vec<String> = setup.keys.iter().map(Setup::key_toml).collect();
    let toml = format!(
        "[[auth.issuer]]\nissuer = '{ISSUER}'\naudience = '{AUDIENCE}'\nalgorithms = ['ES256']\ntyp = 'at+jwt'\n\
         require = []\nkey = [{}]\n[[route]]\npath = '{HUB}'\nkind = 'mercure'\nversion = '1.0'\n{more}",
        keys.join(", ")
    );
    setup.toml(&toml).start()
}

fn granting(actions: &[&str], topics: &Value) -> Token {
    let details = json!([
        { "type": "payment_initiation", "actions": ["initiate"] },
        { "type": "https://mercure.rocks/authorization-detail", "actions": actions, "topics": topics },
    ]);
    Token::of("alice")
        .header("typ", json!("at+jwt"))
        .without("mercure")
        .claim("authorization_details", details)
}

fn every() -> Value {
    json!([{ "match": "*" }])
}

fn subscribing(gateway: &Gateway, query: &str, token: &Token) -> Handshake {
    let token = token.sign(gateway.key());
    gateway.handshake().bearer(&token).for_stream().target(format!("{HUB}?{query}"))
}

fn publishing(gateway: &Gateway, body: &str, token: &Token) -> Handshake {
    gateway
        .handshake()
        .bearer(&token.sign(gateway.key()))
        .for_post(body)
        .remove("Origin")
        .request_line(format!("POST {HUB} HTTP/1.1"))
        .add("Content-Type", "application/x-www-form-urlencoded")
}

/// Publishes; the id of the update.
fn publish(gateway: &Gateway, body: &str) -> String {
    let answer = gateway.ask(&publishing(gateway, body, &granting(&["publish"], &every())));
    assert_eq!((answer.status, answer.field("content-type")), (200, Some("text/plain; charset=utf-8")));
    answer.text()
}

#[test]
fn a_hub_of_version_one_sends_what_is_matched_and_in_private_only_what_is_granted() {
    let gateway = hub("");
    let query = format!("match={TOPIC}");
    let granted = granting(&["subscribe"], &json!([{ "match": TOPIC_TEXT, "match_type": "exact" }]));
    let other = granting(&["subscribe"], &json!([{ "match": "https://example.com/books/{id}" }]));
    let mut granted = Stream::open(&subscribing(&gateway, &query, &granted), gateway.place());
    let mut other = Stream::open(&subscribing(&gateway, &query, &other), gateway.place());
    let all = "match_exact=nothing&match=%2A&unknown=x";
    let mut all =
        Stream::open(&subscribing(&gateway, all, &granting(&["subscribe"], &every())), gateway.place());
    publish(&gateway, &format!("topic={TOPIC}&data=secret&private=on"));
    publish(&gateway, &format!("topic={TOPIC}&data=open"));
    for stream in [&mut granted, &mut all] {
        assert_eq!((stream.event().data, stream.event().data), ("secret".to_owned(), "open".to_owned()));
    }
    assert_eq!(other.event().data, "open", "braces are no template in version 1.0");
}

#[test]
fn a_reader_of_version_one_comes_back_by_its_own_parameter_and_is_answered_in_its_own_field() {
    let gateway = hub("");
    let first = publish(&gateway, "topic=a&data=1");
    publish(&gateway, "topic=a&data=2&id=urn:x:2");
    let token = granting(&["subscribe"], &every());
    let back = subscribing(&gateway, &format!("match=a&last_event_id={first}"), &token);
    let mut stream = Stream::open(&back, gateway.place());
    assert_eq!(stream.answer.field("mercure-last-event-id"), Some(&*first));
    assert_eq!(stream.answer.field("last-event-id"), None);
    assert_eq!(stream.event().data, "2");
    let by_field = back.add("Last-Event-ID", "earliest");
    let mut stream = Stream::open(&by_field, gateway.place());
    assert_eq!(stream.event().data, "1", "the field stands over the parameter");
    let old = subscribing(&gateway, &format!("match=a&lastEventID={first}"), &token);
    let old = Stream::open(&old, gateway.place());
    assert_eq!(old.answer.field("mercure-last-event-id"), None);
}

#[test]
fn a_token_of_version_one_is_an_access_token_with_issuer_audience_and_expiry_and_whole_details() {
    let gateway = hub("");
    let good = || granting(&["subscribe"], &every());
    let ask = |token: &Token| subscribing(&gateway, "match=a", token);
    drop(Stream::open(&ask(&good()), gateway.place()));
    let old = Token::of("alice").claim("mercure", json!({ "subscribe": ["*"] }));
    expect_refusal(&gateway, &ask(&old), refused(401, "token_header"));
    // Whatever type the issuer's tokens have otherwise.
    let lax = Gateway::with(&format!("[[route]]\npath = '{HUB}'\nkind = 'mercure'\nversion = '1.0'"));
    let untyped = subscribing(&lax, "match=a", &good().header("typ", json!("JWT")));
    expect_refusal(&lax, &untyped, refused(401, "token_header"));
    for name in ["iss", "aud", "exp"] {
        expect_refusal(&gateway, &ask(&good().without(name)), refused(401, "token_claims"));
    }
    for matcher in [json!({ "match": "https://example.com/:id", "match_type": "urlpattern" }), json!({})] {
        let token = granting(&["subscribe"], &json!([{ "match": "*" }, matcher]));
        expect_refusal(&gateway, &ask(&token), refused(401, "token_claims"));
    }
    let denied = refused(403, "topic_not_granted");
    let at_jwt = old.header("typ", json!("at+jwt"));
    expect_refusal(&gateway, &ask(&at_jwt), denied);
    expect_refusal(&gateway, &ask(&granting(&["publish"], &every())), denied);
    let post = |token: &Token| publishing(&gateway, &format!("topic={TOPIC}"), token);
    expect_refusal(&gateway, &post(&good()), denied);
    expect_refusal(&gateway, &post(&granting(&["publish"], &json!([{ "match": "b" }]))), denied);
    let answer = gateway.ask(&post(&good()));
    let challenge = answer.field("www-authenticate").expect("a challenge");
    assert!(challenge.contains("insufficient_scope"), "{challenge}");
    let missing = gateway.ask(&ask(&good()).remove("Authorization"));
    let challenge = missing.field("www-authenticate").expect("a challenge");
    assert!(missing.status == 401 && !challenge.contains("error"), "{challenge}");
}

#[test]
fn a_hub_of_version_one_has_its_own_cookie_and_takes_not_that_of_the_other() {
    let gateway = hub("auth.credentials = ['header', 'cookie']");
    let good = subscribing(&gateway, "match=a", &granting(&["subscribe"], &every()));
    let by =
        |name: &str| good.clone().remove("Authorization").add("Cookie", format!("{name}={}", good.token()));
    drop(Stream::open(&by("__Secure-mercure_access_token"), gateway.place()));
    expect_refusal(&gateway, &by("mercureAuthorization"), refused(401, "credential_missing"));
    let foreign = by("__Secure-mercure_access_token").remove("Origin");
    expect_refusal(&gateway, &foreign, refused(403, "origin_missing"));
}

#[test]
fn what_version_one_refuses_or_is_not_served_is_told() {
    let gateway = hub("");
    let token = granting(&["subscribe", "publish"], &every());
    for query in ["topic=a", "match=a&match_urlpattern=%2F:id", "match=a&matchExact=b", "match=", "x=y"] {
        let request = subscribing(&gateway, query, &token);
        expect_refusal(&gateway, &request, refused(400, "matchers_malformed"));
    }
    for body in [
        "topic=*",
        "topic=%2F.well-known%2Fmercure%2Fa",
        "topic=https://x.example/a/..%2F.well-known/mercure/b",
    ] {
        expect_refusal(&gateway, &publishing(&gateway, body, &token), refused(400, "topic_unpublishable"));
    }
    for body in ["topic=a&topic=b", "topic=a&type=mercure", "topic=a&id=%23x", "topic=a&retry=1s"] {
        expect_refusal(&gateway, &publishing(&gateway, body, &token), refused(400, "update_malformed"));
    }
    let subscriptions = subscribing(&gateway, "", &token).target(format!("{HUB}/subscriptions"));
    expect_refusal(&gateway, &subscriptions, refused(404, "route_not_found"));
    expect_refusal(
        &gateway,
        &subscribing(&gateway, "match=a", &token).method("QUERY"),
        refused(405, "stream_method"),
    );
}

#[test]
fn version_one_tells_who_subscribes_by_events_of_its_own_and_to_those_who_ask() {
    let gateway = hub("subscriptions = true");
    let token = granting(&["subscribe"], &every());
    let mut watcher = Stream::open(&subscribing(&gateway, "match=*", &token), gateway.place());
    let own = watcher.event();
    assert_eq!(own.kind.as_deref(), Some("mercure"));
    let mut details = granting(&["subscribe"], &json!([{ "match": "elsewhere" }]));
    details = details.claim(
        "authorization_details",
        json!([{ "type": "https://mercure.rocks/authorization-detail", "actions": ["subscribe"],
                 "topics": [{ "match": "elsewhere" }], "payload": { "name": "Bob" } }]),
    );
    let bob = subscribing(&gateway, &format!("match={TOPIC}"), &details);
    let mut bob = Stream::open(&bob, gateway.place());
    let event = watcher.event();
    let told: Value = serde_json::from_str(&event.data).expect("JSON");
    assert_eq!(
        [&told["type"], &told["match_type"], &told["match"], &told["active"], &told["payload"]["name"]],
        [&json!("subscription"), &json!("exact"), &json!(TOPIC_TEXT), &json!(true), &json!("Bob")]
    );
    assert!(told.get("@context").is_none() && told.get("topic").is_none(), "{told}");
    let id = told["id"].as_str().expect("an id");
    assert!(
        id.starts_with(&format!("{HUB}/subscriptions/exact/https%3A%2F%2Fexample.com%2Fbooks%2F1/")),
        "{id}"
    );

    let ask = |path: &str, token: &Token| gateway.ask(&subscribing(&gateway, "", token).target(path));
    let all = ask(&format!("{HUB}/subscriptions"), &token);
    assert_eq!((all.status, all.field("content-type")), (200, Some("application/json")));
    let link = all.field("link").expect("a link").to_owned();
    assert_eq!(link, format!("<{HUB}>; rel=\"mercure\"; last-event-id=\"{}\"", event.id.expect("an id")));
    assert_eq!(all.json()["type"], "subscriptions");
    assert_eq!(all.json()["subscriptions"].as_array().map(Vec::len), Some(2));
    let (below_topic, _) = id.rsplit_once('/').expect("a subscriber");
    let of_topic = ask(below_topic, &token);
    assert_eq!(of_topic.json()["subscriptions"], json!([told]));
    assert_eq!(ask(id, &token).json(), told);
    assert_eq!(ask(&format!("{HUB}/subscriptions/urlpattern/a"), &token).status, 404);
    assert_eq!(ask(&format!("{HUB}/subscriptions"), &details).status, 403);
    let forged = format!("topic={}&data=x", id.replace('%', "%25"));
    let forged = publishing(&gateway, &forged, &granting(&["publish"], &every()));
    expect_refusal(&gateway, &forged, refused(400, "topic_unpublishable"));

    assert_eq!(
        gateway.internal().ask("POST", "/admin/kick", &[], r#"{"subject":"alice"}"#).json()["closed"],
        2
    );
    assert_eq!(bob.next(), Got::Comment("kicked".to_owned()), "and it was told of nobody");
}

#[test]
fn a_hub_of_version_one_tells_where_its_tokens_come_from_also_to_who_has_none() {
    let gateway = hub("auth.credentials = ['header', 'cookie']");
    let token = granting(&["subscribe"], &every());
    let missing = gateway.ask(&subscribing(&gateway, "match=a", &token).remove("Authorization"));
    let path = "/.well-known/oauth-protected-resource/.well-known/mercure";
    let challenge = missing.field("www-authenticate").expect("a challenge");
    let (_, at) = challenge.split_once(", resource_metadata=\"").expect("where the metadata are");
    let host = at.strip_suffix(&format!("{path}\"")).expect("a path of the hub's");
    assert!(missing.status == 401 && host.starts_with("https://localhost"), "{challenge}");
    let bad = gateway.ask(&subscribing(&gateway, "match=a", &token).bearer("a.b.c"));
    let challenge = bad.field("www-authenticate").expect("a challenge");
    assert!(challenge.contains("invalid_token") && challenge.contains("resource_metadata"), "{challenge}");

    let ask = subscribing(&gateway, "", &token).remove("Authorization").target(path);
    let answer = gateway.ask(&ask);
    assert_eq!((answer.status, answer.field("content-type")), (200, Some("application/json")));
    assert_eq!(
        answer.json(),
        json!({
            "resource": format!("{host}{HUB}"),
            "authorization_servers": [ISSUER],
            "authorization_details_types_supported": ["https://mercure.rocks/authorization-detail"],
            "bearer_methods_supported": ["header"],
            "mercure_cookie": "__Secure-mercure_access_token",
            "mercure_matcher_types_supported": ["exact"],
            "mercure_subscriptions": false,
        })
    );
    expect_refusal(&gateway, &ask.clone().set("Host", "evil.example"), refused(421, "host_not_allowed"));
    expect_refusal(&gateway, &ask.clone().method("DELETE"), refused(405, "method_not_allowed"));
    let zero = Gateway::with(&format!("[[route]]\npath = '{HUB}'\nkind = 'mercure'"));
    let request = zero.handshake().for_stream().target(path);
    assert_eq!(zero.ask(&request).status, 404);
}

#[test]
fn a_page_that_a_hub_of_version_one_does_not_serve_is_misdirected() {
    let gateway = hub("");
    let token = granting(&["subscribe", "publish"], &every());
    let evil = "https://evil.example";
    let misdirected = refused(421, "origin_misdirected");
    expect_refusal(&gateway, &subscribing(&gateway, "match=a", &token).set("Origin", evil), misdirected);
    expect_refusal(&gateway, &publishing(&gateway, "topic=a", &token).add("Origin", evil), misdirected);
    let preflight = subscribing(&gateway, "match=a", &token).method("OPTIONS").set("Origin", evil);
    expect_refusal(&gateway, &preflight, misdirected);
    let path = "/.well-known/oauth-protected-resource/.well-known/mercure";
    let metadata = subscribing(&gateway, "", &token).target(path).set("Origin", evil);
    expect_refusal(&gateway, &metadata, misdirected);
}
