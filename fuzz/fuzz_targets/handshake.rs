//! The whole gate: what is admitted is a handshake to the letter, from a listed page, to a served
//! host, with one good credential that names the room.
//!
//! The first line of the input is a request line, a line `@name` is the name asked for in TLS, and
//! every other line is a field; `{token}` in it stands for a good token.
#![no_main]

#[path = "../support/issuer.rs"]
mod issuer;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Version};
use issuer::{GOOD_CLAIMS, GOOD_HEADER, LIFETIMES, NOW, signed, verifier};
use libfuzzer_sys::fuzz_target;
use portcullis::auth::{CredentialPolicy, Revocations, Tickets};
use portcullis::codec;
use portcullis::gate::{Caller, Gate, Host, HostPolicy, LoggedOrigin, OriginPolicy, PathPattern, Route};
use portcullis::gate::{CertificateNeed, Serves, Throttles, UpgradeRequest};
use portcullis::peer::{Peer, PrefixLengths};
use portcullis::protocol::SessionPolicy;
use portcullis::rejection::{Answer, Rejection};
use portcullis::room::RoomName;
use portcullis::throttle::{CountTable, Rate, RateTable};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

static TOKEN: LazyLock<String> = LazyLock::new(|| signed(GOOD_HEADER.as_bytes(), GOOD_CLAIMS.as_bytes()));
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
static GATE: LazyLock<Gate> = LazyLock::new(gate);

const SUBPROTOCOLS: [&str; 2] = ["chat.v2", "chat.v1"];
const RATE: Rate = Rate { interval: Duration::from_millis(20), burst: 100 };

fuzz_target!(init: {
    let honest = "GET /chat/lobby HTTP/1.1\nHost: chat.example\nUpgrade: websocket\nConnection: Upgrade\n\
                  Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\
                  Origin: https://app.example\nAuthorization: Bearer {token}";
    let (request, _) = read(honest.as_bytes()).expect("a request");
    assert_eq!(admitted(&request, Some("chat.example")).err(), None);
}, |input: &[u8]| {
    let Some((request, server_name)) = read(input) else { return };
    judge_parts(&request);
    let outcome = admitted(&request, server_name);
    assert_eq!(outcome, admitted(&request, server_name), "the same request, the same verdict");
    match outcome {
        Ok(admitted) => judge_admitted(&request, server_name, &admitted),
        Err(reason) => assert!(matches!(reason.answer(), Answer::Refuse { status: 400..500, .. }), "{reason:?}"),
    }
});

/// A request and the name asked for in TLS.
fn read(input: &[u8]) -> Option<(Parts, Option<&str>)> {
    let mut lines = input.split(|octet| *octet == b'\n');
    let mut words = lines.next()?.split(|octet| *octet == b' ');
    let mut request = http::Request::new(()).into_parts().0;
    request.method = Method::from_bytes(words.next()?).ok()?;
    request.uri = words.next()?.try_into().ok()?;
    request.version = if words.next()? == b"HTTP/1.1" { Version::HTTP_11 } else { Version::HTTP_10 };
    let mut server_name = None;
    for line in lines.take(64) {
        if let Some(name) = line.strip_prefix(b"@") {
            server_name = std::str::from_utf8(name).ok();
            continue;
        }
        let at = line.iter().position(|octet| *octet == b':')?;
        let name = HeaderName::from_bytes(&line[..at]).ok()?;
        let value = line[at + 1..].trim_ascii();
        let value = match std::str::from_utf8(value) {
            Ok(text) => text.replace("{token}", &TOKEN).into_bytes(),
            Err(_) => value.to_vec(),
        };
        request.headers.append(name, HeaderValue::from_bytes(&value).ok()?);
    }
    Some((request, server_name))
}

/// What the gate says of a request that it takes.
#[derive(Debug, PartialEq)]
struct Outcome {
    room: RoomName,
    accept: String,
    subprotocol: Option<String>,
    origin: Option<String>,
}

fn admitted(request: &Parts, server_name: Option<&str>) -> Result<Outcome, Rejection> {
    let caller = Caller {
        prefix: Peer::new([192, 0, 2, 1].into()).prefix(PrefixLengths::default()),
        server_name,
        client: None,
        now: *BEGIN,
        unix_now: NOW,
    };
    let throttles = Throttles {
        tickets: Tickets::default(),
        failed_credentials: RateTable::new(RATE, 1),
        revocations: Revocations::default(),
        subjects: CountTable::new(),
    };
    match GATE.admit(request, &caller, &throttles) {
        Ok((admitted, place)) => {
            assert_eq!(&**admitted.identity().subject(), "alice");
            assert_eq!(throttles.subjects.held(&Arc::from("alice")), 1);
            drop(place);
            Ok(Outcome {
                room: admitted.room().cloned().expect("a room"),
                accept: admitted.accept().to_owned(),
                subprotocol: admitted.subprotocol().map(str::to_owned),
                origin: admitted.origin().map(|origin| origin.as_str().to_owned()),
            })
        }
        Err(refused) => {
            // What was sent reaches the log only where it has the form of an origin.
            if let LoggedOrigin::Is(origin) = &refused.origin {
                assert_eq!(values(request, "origin"), [origin.as_str().as_bytes()]);
            }
            assert!(refused.subject.is_none_or(|subject| &*subject == "alice"));
            Err(refused.reason)
        }
    }
}

/// Each parser by itself holds what it promises, also where an earlier check would have refused.
fn judge_parts(request: &Parts) {
    if let Ok(upgrade) = UpgradeRequest::parse(request) {
        judge_upgrade(request, upgrade.offered(), upgrade.accept());
    }
    if let Ok(host) = Host::parse(&request.headers) {
        assert_eq!(values(request, "host"), [host.as_str().as_bytes()]);
        assert!(!host.as_str().contains(['/', '@', '?', '#', '%', '\\', ' ', ',']), "{}", host.as_str());
        if GATE.hosts.permit(&host, None).is_ok() {
            assert!(is_served(host.as_str()), "{}", host.as_str());
        }
    }
    if let Ok(origin) = GATE.routes[0].origins.permit(&request.headers) {
        assert!(is_listed(origin.origin().expect("one is required").as_str()));
    }
}

fn judge_upgrade(request: &Parts, offered: &[&str], accept: &str) {
    assert_eq!((&request.method, request.version), (&Method::GET, Version::HTTP_11));
    let upgrade = values(request, "upgrade");
    assert!(upgrade.len() == 1 && upgrade[0].eq_ignore_ascii_case(b"websocket"));
    assert_eq!(values(request, "sec-websocket-version"), [b"13"]);
    let connection = values(request, "connection").join(&b","[..]).to_ascii_lowercase();
    let options: Vec<_> = connection.split(|octet| *octet == b',').map(<[u8]>::trim_ascii).collect();
    assert!(options.contains(&&b"upgrade"[..]));
    assert!(options.iter().all(|option| [&b"upgrade"[..], b"keep-alive", b""].contains(option)));

    let key = values(request, "sec-websocket-key");
    let [key] = key.as_slice() else { panic!("one key of {key:?}") };
    let nonce = STANDARD.decode(key).expect("base64");
    assert!(nonce.len() == 16 && STANDARD.encode(nonce).as_bytes() == *key, "one spelling of a key");
    let salted = [key, &b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"[..]].concat();
    let expected = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &salted);
    assert_eq!(accept, STANDARD.encode(expected), "RFC 6455 section 4.2.2");

    let lines = values(request, "sec-websocket-protocol");
    let entries: Vec<_> = lines.iter().flat_map(|line| line.split(|octet| *octet == b',')).collect();
    let entries: Vec<_> = entries.iter().map(|entry| entry.trim_ascii()).collect();
    assert_eq!(entries, offered.iter().map(|offer| offer.as_bytes()).collect::<Vec<_>>());
    assert!(offered.len() <= 16 && offered.iter().all(|offer| !offer.is_empty()));
    assert!((1..offered.len()).all(|at| !offered[..at].contains(&offered[at])), "the same offer twice");
}

fn judge_admitted(request: &Parts, server_name: Option<&str>, outcome: &Outcome) {
    let upgrade = UpgradeRequest::parse(request).expect("admitted without a handshake");
    assert_eq!(outcome.accept, upgrade.accept());

    let host = Host::parse(&request.headers).expect("admitted without a host").as_str();
    assert!(is_served(host), "{host}");
    let name = host.split(':').next().unwrap_or(host);
    assert!(
        server_name.is_none_or(|asked| asked.eq_ignore_ascii_case(name)),
        "{server_name:?} is not {host}"
    );
    if let Some(authority) = request.uri.authority() {
        assert!(authority.as_str().eq_ignore_ascii_case(host), "two hosts in one request");
    }

    let origin = outcome.origin.as_deref().expect("every route asks for one");
    assert_eq!(values(request, "origin"), [origin.as_bytes()]);
    assert!(is_listed(origin), "{origin}");

    // The path, octet by octet, is the room that the token names.
    assert_eq!(request.uri.path(), format!("/chat/{}", outcome.room.as_str()));
    assert!(outcome.room.as_str() == "lobby" || outcome.room.as_str().starts_with("chat-"));

    let fits = |name: &str, good: &[&[u8]]| {
        let said = values(request, name);
        said.len() <= 1 && said.iter().all(|value| good.contains(value))
    };
    assert!(fits("sec-fetch-mode", &[b"websocket"]) && fits("sec-fetch-dest", &[b"empty", b"websocket"]));
    assert!(
        fits("sec-fetch-site", &[b"same-origin", b"same-site", b"cross-site"]) && fits("sec-fetch-user", &[])
    );

    // One credential, and it is the good one.
    let offered = upgrade.offered();
    let by_offer = offered.iter().position(|offer| *offer == "bearer");
    let cookies = values(request, "cookie").join(&b";"[..]);
    let by_cookie = cookies.split(|octet| *octet == b';').filter(|pair| {
        pair.trim_ascii().strip_prefix(b"token").is_some_and(|rest| rest.trim_ascii().starts_with(b"="))
    });
    let places = values(request, "authorization").len() + by_cookie.count() + usize::from(by_offer.is_some());
    assert_eq!(places, 1, "credentials");
    assert!(!request.uri.query().is_some_and(|query| query.contains(&**TOKEN)));

    // What is answered was offered, and is never the token.
    let served = offered.iter().find(|offer| SUBPROTOCOLS.contains(offer)).copied();
    assert_eq!(outcome.subprotocol.as_deref(), served.or(by_offer.map(|_| "bearer")));
}

/// The values of a field, less the spaces around them.
fn values<'r>(request: &'r Parts, name: &str) -> Vec<&'r [u8]> {
    request.headers.get_all(name).iter().map(|value| value.as_bytes().trim_ascii()).collect()
}

/// `chat.example` on any port, `192.0.2.1` on 8443 alone.
fn is_served(host: &str) -> bool {
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let is_port =
        |port: &str| port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port);
    match name.to_ascii_lowercase().as_str() {
        "chat.example" => port.is_none_or(is_port),
        "192.0.2.1" => port == Some("8443"),
        _ => false,
    }
}

/// `https://app.example`, or one label before `.pages.example:8443`.
fn is_listed(origin: &str) -> bool {
    let label = origin.strip_prefix("https://").and_then(|rest| rest.strip_suffix(".pages.example:8443"));
    origin == "https://app.example"
        || label.is_some_and(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|o| o.is_ascii_lowercase() || o.is_ascii_digit() || o == b'-')
        })
}

fn gate() -> Gate {
    let hosts = ["chat.example".to_owned(), "192.0.2.1:8443".to_owned()];
    let allow = ["https://app.example".to_owned(), "https://*.pages.example:8443".to_owned()];
    let route = Route {
        pattern: PathPattern::parse("/chat/{room}").expect("a path"),
        label: "/chat/{room}".into(),
        room: None,
        serves: Serves::Rooms,
        origins: OriginPolicy::new(&allow, false).expect("origins"),
        credentials: CredentialPolicy {
            header: true,
            subprotocol: true,
            cookie: Some("token".into()),
            ticket: false,
        },
        client_certificate: CertificateNeed::Optional,
        lifetimes: LIFETIMES,
        subprotocols: SUBPROTOCOLS.map(Box::from).to_vec(),
        streams: None,
        issuers: None,
        mercure: None,
        deflate: false,
        session: Arc::new(session()),
        connections_per_subject: 2,
    };
    let hosts = HostPolicy::new(&hosts).expect("hosts");
    Gate { hosts, routes: vec![Arc::new(route)], verifier: Arc::new(verifier()) }
}

fn session() -> SessionPolicy {
    SessionPolicy {
        codec: codec::Limits {
            message_bytes: 65_536,
            message_fragments: 1024,
            message_timeout: Duration::from_secs(10),
        },
        echo: false,
        text: true,
        binary: true,
        messages: RATE,
        pings: RATE,
        send_queue_bytes: 1 << 20,
        ping_interval: Duration::from_secs(25),
        pong_timeout: Duration::from_secs(8),
        bytes: Rate { interval: Duration::from_nanos(119), burst: 32 << 20 },
        idle_timeout: Duration::from_secs(86_400),
        members_per_room: 100_000,
        max_session: Duration::from_secs(86_400),
    }
}
