//! Owns what the tests of the gate begin with: an honest request and the route it goes to.
//! Never knows a verdict.

use super::{CertificateNeed, OriginPolicy, PathPattern, Route, Serves};
use crate::auth::{CredentialPolicy, Lifetimes};
use crate::codec;
use crate::protocol::SessionPolicy;
use crate::room::RoomName;
use crate::throttle::Rate;
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use std::sync::Arc;
use std::time::Duration;

/// An honest handshake of a page of `https://app.example`, without a credential.
pub(super) const HONEST: &[(&str, &str)] = &[
    ("host", "chat.example"),
    ("upgrade", "websocket"),
    ("connection", "Upgrade"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("origin", "https://app.example"),
];

/// A request with these fields, in this order.
pub(super) fn request(method: &str, target: &str, fields: &[(&str, &str)]) -> Parts {
    let mut builder = http::Request::builder().method(method).uri(target);
    for (name, value) in fields {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a field value");
        builder = builder.header(name.parse::<HeaderName>().expect("a field name"), value);
    }
    builder.body(()).expect("a request").into_parts().0
}

/// The honest handshake with these fields in the place of its own of the same names: none takes
/// the field away, two make two lines.
pub(super) fn honest_with(name: &str, values: &[&str]) -> Vec<(String, String)> {
    let kept = HONEST.iter().filter(|(own, _)| *own != name);
    let kept = kept.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    kept.chain(values.iter().map(|value| (name.to_owned(), (*value).to_owned()))).collect()
}

/// The honest handshake, so changed.
pub(super) fn request_with(name: &str, values: &[&str]) -> Parts {
    let fields = honest_with(name, values);
    let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    request("GET", "/chat/lobby", &fields)
}

/// A route for pages of `https://app.example` with a token in any place.
pub(super) fn route(path: &str) -> Route {
    Route {
        pattern: PathPattern::parse(path).expect(path),
        label: path.into(),
        room: None,
        serves: Serves::Rooms,
        origins: OriginPolicy::new(&["https://app.example".to_owned()], false).expect("origins"),
        credentials: CredentialPolicy {
            ticket: false,
            header: true,
            subprotocol: true,
            cookie: Some("__Host-portcullis".into()),
        },
        client_certificate: CertificateNeed::Optional,
        lifetimes: Lifetimes {
            leeway: Duration::from_secs(5),
            max_token_lifetime: Duration::from_secs(86_400),
        },
        subprotocols: vec!["chat.v1".into()],
        session: Arc::new(session()),
        connections_per_subject: 2,
        streams: None,
        issuers: None,
        mercure: None,
        deflate: false,
    }
}

/// A route to the room `named`, whose path does not tell it.
pub(super) fn route_to_named_room(path: &str) -> Route {
    Route { room: RoomName::parse("named"), ..route(path) }
}

fn session() -> SessionPolicy {
    let rate = Rate { interval: Duration::from_millis(20), burst: 100 };
    SessionPolicy {
        codec: codec::Limits {
            message_bytes: 65_536,
            message_fragments: 1024,
            message_timeout: Duration::from_secs(10),
        },
        echo: false,
        text: true,
        binary: true,
        messages: rate,
        pings: rate,
        send_queue_bytes: 1 << 20,
        ping_interval: Duration::from_secs(25),
        pong_timeout: Duration::from_secs(8),
        bytes: Rate { interval: Duration::from_nanos(119), burst: 32 << 20 },
        idle_timeout: Duration::from_secs(86_400),
        members_per_room: 100_000,
        max_session: Duration::from_secs(86_400),
    }
}
