//! Owns what must hold of every refusal: its answer, its audit line, its metric.
//! Never knows which request is refused why.

use super::ORIGIN;
use super::answer::{Answer, End};
use super::gateway::Gateway;
use super::handshake::Handshake;
use super::internal::Metrics;
use super::target::{Place, Target};
use serde_json::Value;

/// What is expected of one attack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    /// The reason in the audit line and the metric.
    reason: &'static str,
}

/// A refusal for this reason.
pub(crate) const fn refused(status: u16, reason: &'static str) -> Expected {
    Expected { status, reason }
}

/// A credential that fails: from outside they are all the same.
pub(crate) const fn bad_credential(reason: &'static str) -> Expected {
    refused(401, reason)
}

impl Expected {
    /// What the peer is told: coarser than the reason for a 401 (no oracle).
    fn tells(self, code: &str) -> bool {
        match self.status {
            401 if self.reason == "credential_missing" => code == "credential_missing",
            401 => code == "credential_invalid",
            _ => code == self.reason,
        }
    }
}

type Change<'a> = Box<dyn Fn(Handshake) -> Handshake + 'a>;

/// One attack: how it differs from the honest request, and the answer it must get.
pub(crate) struct Attack<'a> {
    name: String,
    change: Change<'a>,
    expected: Expected,
}

/// An attack by one change to the honest request.
pub(crate) fn attack<'a>(
    name: impl Into<String>,
    expected: Expected,
    change: impl Fn(Handshake) -> Handshake + 'a,
) -> Attack<'a> {
    Attack { name: name.into(), change: Box::new(change), expected }
}

/// Tries each attack and, beside it, the same request with the attack undone, which must be admitted.
pub(crate) fn refuse_all(target: &Target, attacks: &[Attack<'_>]) {
    for attack in attacks {
        refuse_one(target, attack);
        admit_at_room(target, &format!("the honest twin of {}", attack.name), &target.handshake());
    }
    refuse_relayed(target, attacks);
}

/// The same attacks on the relayed twin of the room: each is refused as it is there, and its backend sees
/// no connection but that of the honest twin, which it answers.
fn refuse_relayed(target: &Target, attacks: &[Attack<'_>]) {
    let Some(backend) = &target.backend else { return };
    let before = backend.connections();
    for attack in attacks {
        if let Some(request) = (attack.change)(target.handshake()).for_backend() {
            refuse_request(target, attack, &request);
            assert_eq!(backend.connections(), before, "{} reached the backend", attack.name);
        }
    }
    let twin = target.handshake().for_backend().expect("the honest request");
    let mut ws = twin.open(&target.place);
    ws.text("the honest twin");
    ws.expect_binary(b"the honest twin");
    // Connections are taken in the order in which they came: none was on its way.
    assert_eq!(backend.connections(), before + 1, "an attack reached the backend");
}

/// As [`refuse_all`], and the same attacks on the requests for an event stream of a room and for updates
/// of the hub, by the same table.
pub(crate) fn refuse_everywhere(target: &Target, attacks: &[Attack<'_>]) {
    refuse_all(target, attacks);
    if target.gateway.is_none() {
        return;
    }
    for attack in attacks {
        let request = (attack.change)(target.handshake());
        // A subprotocol belongs to handshakes alone.
        if !request.has("Sec-WebSocket-Protocol") {
            // What a token grants of rooms is nothing to a hub.
            let hub = request.clone().for_hub().filter(|_| attack.expected.reason != "room_not_granted");
            refuse_request(target, attack, &request.for_stream());
            if let Some(request) = hub {
                refuse_request(target, attack, &request);
            }
        }
    }
    let hub = target.handshake().for_hub().expect("the honest request");
    let answer = hub.ask(&target.place);
    assert_eq!(answer.status, 200, "the honest twin on the hub: {answer:?}");
    let answer = target.handshake().for_stream().ask(&target.place);
    assert_eq!(answer.status, 200, "the honest twin on a stream: {answer:?}");
}

fn refuse_one(target: &Target, attack: &Attack<'_>) {
    refuse_request(target, attack, &(attack.change)(target.handshake()));
}

fn refuse_request(target: &Target, attack: &Attack<'_>, request: &Handshake) {
    let Some(gateway) = &target.gateway else {
        let answer = request.ask(&target.place);
        assert_ne!(answer.status, 101, "{} got through", attack.name);
        let is_limit = matches!(answer.status, 429 | 503);
        assert!(!is_limit, "{}: refused by a limit; lower PENTEST_RATE: {answer:?}", attack.name);
        return;
    };
    eprintln!("attack: {}", attack.name);
    expect_refusal_at(gateway, &target.place, request, attack.expected);
}

/// One request that must be refused, also to the relayed twin of the room, whose backend is not reached.
pub(crate) fn refuse(
    target: &Target,
    name: &str,
    expected: Expected,
    change: impl Fn(Handshake) -> Handshake,
) {
    let attack = attack(name, expected, change);
    refuse_one(target, &attack);
    refuse_relayed(target, &[attack]);
}

/// Sends a request that must be refused, and looks at everything that a refusal leaves behind.
pub(crate) fn expect_refusal(gateway: &Gateway, request: &Handshake, expected: Expected) -> Answer {
    expect_refusal_at(gateway, gateway.place(), request, expected)
}

fn expect_refusal_at(gateway: &Gateway, place: &Place, request: &Handshake, expected: Expected) -> Answer {
    let before = gateway.metrics();
    let answer = request.ask(place);
    assert_refusal(gateway, &before, &answer, expected);
    assert_no_echo(&answer, request);
    answer
}

/// An answer that is there already: its form, its audit line, and the metric that grew by one.
pub(crate) fn assert_refusal(gateway: &Gateway, before: &Metrics, answer: &Answer, expected: Expected) {
    assert_problem(answer, expected);
    let line = assert_audited(gateway, answer, expected);
    let labels = [("reason", line["reason"].as_str().expect("a reason"))];
    let value = before.sum("portcullis_refusals_total", &labels);
    gateway.wait_metric("portcullis_refusals_total", &labels, value + 1.0);
}

/// The request must be admitted, also to the relayed twin of the room, whose backend is reached.
pub(crate) fn admit(target: &Target, name: &str, change: impl Fn(Handshake) -> Handshake) {
    let request = change(target.handshake());
    admit_at_room(target, name, &request);
    let Some(backend) = &target.backend else { return };
    let Some(request) = request.for_backend() else { return };
    let before = backend.connections();
    let answer = request.ask(&target.place);
    assert_eq!(answer.status, 101, "{name} must be admitted: {answer:?} to {request:?}");
    assert_eq!(backend.connections(), before + 1, "{name} must reach the backend");
}

fn admit_at_room(target: &Target, name: &str, request: &Handshake) {
    let answer = request.ask(&target.place);
    assert_eq!(answer.status, 101, "{name} must be admitted: {answer:?} to {request:?}");
}

/// The form of every refusal (RFC 9457), on the public port.
pub(crate) fn assert_problem(answer: &Answer, expected: Expected) {
    assert_eq!(answer.status, expected.status, "{answer:?}");
    assert_eq!(answer.field("content-type"), Some("application/problem+json"), "{answer:?}");
    assert_eq!(answer.field("cache-control"), Some("no-store"), "{answer:?}");
    assert_eq!(answer.field("server"), None, "no banner: {answer:?}");
    assert_eq!(answer.field("sec-websocket-accept"), None, "{answer:?}");
    let connection = answer.field("connection").unwrap_or_default().to_lowercase();
    assert!(connection.split(',').any(|name| name.trim() == "close"), "{answer:?}");
    assert_eq!(answer.end, End::Clean, "the connection closes after a refusal: {answer:?}");
    let problem = answer.json();
    let code = problem["code"].as_str().unwrap_or_default();
    assert!(expected.tells(code), "{expected:?}: {answer:?}");
    assert_eq!(problem["status"], expected.status, "{answer:?}");
    for member in ["type", "title", "request_id"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {answer:?}");
    }
    assert_fields_of_status(answer, expected);
}

fn assert_fields_of_status(answer: &Answer, expected: Expected) {
    let field = |name| answer.field(name);
    match expected.status {
        401 => {
            let challenge = field("www-authenticate").unwrap_or_default();
            assert!(challenge.starts_with("Bearer"), "{answer:?}");
            // RFC 6750 section 3.1: no error code where no credential came.
            assert_eq!(challenge.contains("error="), expected.reason != "credential_missing", "{answer:?}");
        }
        405 => {
            let methods = if expected.reason == "stream_method" { "GET, POST" } else { "GET" };
            assert_eq!(field("allow"), Some(methods), "{answer:?}");
        }
        426 => {
            assert_eq!(field("upgrade"), Some("websocket"), "{answer:?}");
            assert_eq!(
                field("connection").map(str::to_lowercase).as_deref(),
                Some("upgrade, close"),
                "{answer:?}"
            );
        }
        429 | 503 => {
            let seconds = field("retry-after").and_then(|value| value.parse::<u32>().ok());
            assert!(seconds.is_some_and(|seconds| seconds > 0), "{answer:?}");
        }
        _ => {}
    }
    if expected.reason == "version_unsupported" {
        assert_eq!(field("sec-websocket-version"), Some("13"), "{answer:?}");
    }
    if expected.reason == "room_not_granted" {
        let challenge = field("www-authenticate").unwrap_or_default();
        assert!(challenge.contains("error=\"insufficient_scope\""), "{answer:?}");
    }
}

/// Nothing of what was sent comes back.
fn assert_no_echo(answer: &Answer, request: &Handshake) {
    const OUR_OWN_WORDS: [&str; 6] =
        ["websocket", "upgrade", "keep-alive", "localhost", "bearer", "HTTP/1.1"];
    // An allowed page is named to its browser, which asks for that (CORS), and nothing else is.
    let allowed = format!("access-control-allow-origin: {ORIGIN}\r\n");
    let mut octets = String::from_utf8_lossy(&answer.octets).replace(&allowed, "");
    // Where the metadata of a hub are is an address of its own, under the Host that was judged.
    for host in request.values() {
        let at = format!("https://{host}/.well-known/oauth-protected-resource/.well-known/mercure");
        octets = octets.replace(&format!("resource_metadata=\"{at}\""), "");
    }
    for value in request.values() {
        let is_word = OUR_OWN_WORDS.iter().any(|word| word.eq_ignore_ascii_case(&value));
        assert!(value.len() < 6 || is_word || !octets.contains(&value), "{value:?} is echoed: {answer:?}");
    }
}

/// One audit line bears the request's id, and it gives the reason.
fn assert_audited(gateway: &Gateway, answer: &Answer, expected: Expected) -> Value {
    let id = answer.json()["request_id"].clone();
    let line = gateway.log.event(&format!("the audit line of {id}"), |line| line["request_id"] == id);
    let reason = line["reason"].as_str().unwrap_or_default();
    assert!(reason == expected.reason, "{expected:?}: {line}");
    assert_eq!(gateway.log.count(|line| line["request_id"] == id), 1, "one line an outcome");
    for member in ["time", "level", "event", "peer"] {
        assert!(line[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {line}");
    }
    line
}
