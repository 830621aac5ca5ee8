//! Owns the claims about the order of the checks, and that all of them stand before a session.
//! Never knows how a check decides: each has its own tests.

use super::*;
use crate::auth::{ClaimPaths, CredentialPolicy, Issuer, Key, Required, Revocations, Ticket, Tickets};
use crate::gate::support::{HONEST, request, route, route_to_named_room};
use crate::gate::{OriginPolicy, PathPattern};
use crate::peer::{Peer, PrefixLengths};
use crate::secret::Secret;
use crate::throttle::Rate;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use std::time::Duration;

const UNIX_NOW: u64 = 1_800_000_000;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// A gate with its counters, and the fields of a request that is changed piece by piece.
struct Story {
    gate: Gate,
    throttles: Throttles,
    now: Instant,
    server_name: Option<&'static str>,
    method: &'static str,
    target: String,
    fields: Vec<(&'static str, String)>,
}

impl Story {
    /// The honest handshake of alice into the lobby.
    fn honest() -> Story {
        let failed = Rate { interval: Duration::from_secs(1), burst: 3 };
        let mut story = Story {
            gate: gate(vec![route("/chat/{room}"), route_to_named_room("/named")]),
            throttles: Throttles {
                revocations: Revocations::default(),
                tickets: Tickets::default(),
                failed_credentials: RateTable::new(failed, 1000),
                subjects: CountTable::new(),
            },
            now: Instant::now(),
            server_name: None,
            method: "GET",
            target: "/chat/lobby".to_owned(),
            fields: HONEST.iter().map(|&(name, value)| (name, value.to_owned())).collect(),
        };
        story.set("authorization", &[&format!("Bearer {}", token("alice"))]);
        story
    }

    /// Puts these lines in the place of the field's own.
    fn set(&mut self, name: &'static str, values: &[&str]) {
        self.fields.retain(|(own, _)| *own != name);
        self.fields.extend(values.iter().map(|&value| (name, value.to_owned())));
    }

    fn with(mut self, name: &'static str, values: &[&str]) -> Story {
        self.set(name, values);
        self
    }

    fn to(mut self, target: &str) -> Story {
        target.clone_into(&mut self.target);
        self
    }

    fn admit(&self) -> Result<(Admitted, CountPermit<Arc<str>>), Refused> {
        self.admit_from("192.0.2.1")
    }

    fn admit_from(&self, address: &str) -> Result<(Admitted, CountPermit<Arc<str>>), Refused> {
        self.admit_from_at(address, UNIX_NOW)
    }

    /// At another time of the wall clock.
    fn admit_at(&self, unix_now: u64) -> Result<(Admitted, CountPermit<Arc<str>>), Refused> {
        self.admit_from_at("192.0.2.1", unix_now)
    }

    fn admit_from_at(
        &self,
        address: &str,
        unix_now: u64,
    ) -> Result<(Admitted, CountPermit<Arc<str>>), Refused> {
        let fields: Vec<_> = self.fields.iter().map(|(name, value)| (*name, &**value)).collect();
        let caller = Caller {
            prefix: Peer::new(address.parse().expect(address)).prefix(PrefixLengths::default()),
            server_name: self.server_name,
            client: None,
            now: self.now,
            unix_now,
        };
        self.gate.admit(&request(self.method, &self.target, &fields), &caller, &self.throttles)
    }

    fn reason(&self) -> Option<Rejection> {
        self.admit().err().map(|refused| refused.reason)
    }
}

fn gate(routes: Vec<Route>) -> Gate {
    let key = Key::from_secret(&Secret::new(SECRET.to_vec()), None).unwrap_or_else(|_| panic!("a key"));
    let issuer = Issuer {
        issuer: "https://id.example".into(),
        audience: "chat".into(),
        typ: "JWT".into(),
        require: Required { iss: true, aud: true, exp: true },
        keys: vec![key],
        wanted: None,
        claims: ClaimPaths {
            subject: "sub".into(),
            subscribe: "subscribe".into(),
            publish: "publish".into(),
        },
    };
    Gate {
        hosts: HostPolicy::new(&["chat.example".to_owned(), "b.example".to_owned()]).expect("hosts"),
        routes: routes.into_iter().map(Arc::new).collect(),
        verifier: Arc::new(Verifier::new(vec![issuer])),
    }
}

fn token(subject: &str) -> String {
    signed(SECRET, &claims(subject))
}

fn forged(subject: &str) -> String {
    signed(b"another secret of thirty-two octets", &claims(subject))
}

fn claims(subject: &str) -> Value {
    json!({
        "iss": "https://id.example", "aud": "chat", "sub": subject,
        "iat": UNIX_NOW - 10, "exp": UNIX_NOW + 600, "subscribe": ["lobby", "named"], "publish": [],
    })
}

fn signed(secret: &[u8], claims: &Value) -> String {
    jsonwebtoken::encode(&Header::default(), claims, &EncodingKey::from_secret(secret)).expect("a token")
}

#[test]
fn an_honest_handshake_is_admitted_with_all_that_is_proved() {
    let (admitted, _place) = Story::honest().admit().map_err(|refused| refused.reason).expect("honest");
    assert_eq!(&**admitted.identity().subject(), "alice");
    assert_eq!(&*admitted.route().label, "/chat/{room}");
    assert_eq!(admitted.room().map(RoomName::as_str), Some("lobby"));
    assert_eq!(admitted.accept(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(admitted.subprotocol(), None);
    assert_eq!(admitted.origin().map(Origin::as_str), Some("https://app.example"));
    let (identity, route, destination) = admitted.into_session();
    assert_eq!((&**identity.subject(), &*route.label), ("alice", "/chat/{room}"));
    assert!(matches!(destination, Destination::Room(room) if room.as_str() == "lobby"));
}

#[test]
fn a_route_without_a_room_in_its_path_leads_to_its_own() {
    let (admitted, _place) =
        Story::honest().to("/named").admit().map_err(|refused| refused.reason).expect("honest");
    assert_eq!(admitted.room().map(RoomName::as_str), Some("named"));
}

#[test]
fn the_listening_port_in_host_and_an_absolute_target_of_it_are_good() {
    let story =
        Story::honest().to("https://Chat.example:8443/chat/lobby").with("host", &["chat.example:8443"]);
    assert_eq!(story.reason(), None);
}

#[test]
fn the_first_fault_in_the_order_of_the_checks_is_told() {
    type Fault = (fn(&mut Story), Rejection);
    // Each of these is wrong in one way; together, the first one is told.
    let faults: &[Fault] = &[
        (|story| story.target = format!("http://evil.example{}", story.target), Rejection::TargetMalformed),
        (|story| story.set("host", &["c.example"]), Rejection::HostNotAllowed),
        (|story| story.server_name = Some("b.example"), Rejection::HostMisdirected),
        (|story| story.target = story.target.replace("/chat", "/none"), Rejection::RouteNotFound),
        (|story| story.method = "POST", Rejection::MethodNotAllowed),
        (|story| story.set("upgrade", &[]), Rejection::UpgradeMissing),
        (|story| story.set("connection", &["close"]), Rejection::ConnectionMalformed),
        (|story| story.set("sec-websocket-protocol", &["a", "a"]), Rejection::SubprotocolMalformed),
        (|story| story.set("sec-websocket-version", &["8"]), Rejection::VersionUnsupported),
        (|story| story.set("sec-websocket-key", &["x"]), Rejection::KeyMalformed),
        (|story| story.set("origin", &["https://evil.example"]), Rejection::OriginNotAllowed),
        (|story| story.set("sec-fetch-mode", &["navigate"]), Rejection::FetchMetadata),
        (|story| story.set("authorization", &[]), Rejection::CredentialMissing),
    ];
    for (first, (_, reason)) in faults.iter().enumerate() {
        let mut story = Story::honest();
        faults[first..].iter().for_each(|(spoil, _)| spoil(&mut story));
        assert_eq!(story.reason(), Some(*reason));
        let mut alone = Story::honest();
        faults[first].0(&mut alone);
        assert_eq!(alone.reason(), Some(*reason));
    }
}

#[test]
fn a_rebound_page_whose_origin_equals_its_host_is_refused_by_its_host() {
    let story = Story::honest().with("host", &["evil.example"]).with("origin", &["https://evil.example"]);
    assert_eq!(story.reason(), Some(Rejection::HostNotAllowed));
}

#[test]
fn an_unknown_path_has_the_same_answer_with_a_token_and_without() {
    for target in
        ["/none", "/metrics", "/chat/lobby/", "/chat/%6cobby", "//chat/lobby", "/chat/../named", "/chat/a;b"]
    {
        for authorization in [&["Bearer x"][..], &[]] {
            let refused = Story::honest().to(target).with("authorization", authorization).admit().err();
            let refused = refused.expect(target);
            assert_eq!((refused.reason, refused.route), (Rejection::RouteNotFound, None), "{target}");
        }
    }
}

#[test]
fn a_foreign_origin_is_refused_before_any_work_on_the_token() {
    let story = Story::honest()
        .with("origin", &["https://evil.example"])
        .with("authorization", &[&format!("Bearer {}", forged("alice"))]);
    for _ in 0..10 {
        assert_eq!(story.reason(), Some(Rejection::OriginNotAllowed));
    }
    let honest = Story { throttles: story.throttles, ..Story::honest() };
    assert_eq!(honest.reason(), None);
}

#[test]
fn what_may_be_logged_grows_with_what_is_known() {
    let logged = |story: Story| {
        let refused = story.admit().err().expect("refused");
        (refused.reason, refused.route.is_some(), refused.origin != LoggedOrigin::Absent, refused.subject)
    };
    let alice = Some("alice".into());
    for (story, known) in [
        (Story::honest().with("host", &[]), (Rejection::HostMalformed, false, true, None)),
        (Story::honest().with("origin", &[]), (Rejection::OriginMissing, true, false, None)),
        (
            Story::honest().with("authorization", &["Bearer a.b.c"]),
            (Rejection::TokenMalformed, true, true, None),
        ),
        (Story::honest().to("/chat/other"), (Rejection::RoomNotGranted, true, true, alice)),
    ] {
        assert_eq!(logged(story), known);
    }
    let garbage = Story::honest().with("origin", &["https://a.example/?token=secret"]).admit().err();
    assert_eq!(garbage.expect("refused").origin, LoggedOrigin::Malformed);
}

#[test]
fn an_address_that_failed_too_often_waits_and_the_others_do_not() {
    let mut story = Story::honest();
    story.set("authorization", &[&format!("Bearer {}", forged("alice"))]);
    for _ in 0..3 {
        assert_eq!(story.reason(), Some(Rejection::TokenSignature));
    }
    assert_eq!(story.reason(), Some(Rejection::AddressCredentials));
    // What is malformed counts and waits as well.
    story.set("authorization", &["Basic x"]);
    assert_eq!(story.reason(), Some(Rejection::AddressCredentials));
    // A good token from that address waits too: whether it is good is told after the wait.
    story.set("authorization", &[&format!("Bearer {}", token("alice"))]);
    assert_eq!(story.reason(), Some(Rejection::AddressCredentials));
    assert!(story.admit_from("192.0.2.2").is_ok());
    story.now += Duration::from_secs(2);
    assert_eq!(story.reason(), None);
}

#[test]
fn what_is_no_failed_credential_does_not_count_as_one() {
    let mut story = Story::honest();
    let good = format!("Bearer {}", token("alice"));
    for (authorization, target, reason) in [
        (&[][..], "/chat/lobby", Some(Rejection::CredentialMissing)),
        (&[&*good, &*good], "/chat/lobby", Some(Rejection::CredentialMultiple)),
        (&[&*good], "/chat/lobby?token=x", Some(Rejection::TokenInQuery)),
        (&[&*good], "/chat/other", Some(Rejection::RoomNotGranted)),
        (&[&*good], "/chat/lobby", None),
    ] {
        story.set("authorization", authorization);
        target.clone_into(&mut story.target);
        for _ in 0..10 {
            assert_eq!(story.reason(), reason);
        }
    }
}

#[test]
fn a_subject_holds_as_many_places_as_it_may_and_a_refusal_holds_none() {
    let mut story = Story::honest();
    let first = story.admit().map_err(|refused| refused.reason).expect("the first");
    let second = story.admit().map_err(|refused| refused.reason).expect("the second");
    assert_eq!(story.reason(), Some(Rejection::SubjectConnections));
    // The limit of the subject comes before the room.
    "/chat/other".clone_into(&mut story.target);
    assert_eq!(story.reason(), Some(Rejection::SubjectConnections));
    drop(second);
    for _ in 0..10 {
        assert_eq!(story.reason(), Some(Rejection::RoomNotGranted));
    }
    "/chat/lobby".clone_into(&mut story.target);
    story.set("authorization", &[&format!("Bearer {}", token("bob"))]);
    let bob = story.admit().map_err(|refused| refused.reason).expect("another subject");
    drop((first, bob));
    assert_eq!(story.throttles.subjects.held(&"alice".into()), 0);
}

#[test]
fn a_cookie_without_an_origin_is_refused_also_where_no_origin_is_required() {
    let lenient = OriginPolicy::new(&["https://app.example".to_owned()], true).expect("origins");
    let mut story = Story::honest();
    story.gate = gate(vec![Route { origins: lenient, ..route("/chat/{room}") }]);
    story.set("origin", &[]);
    assert_eq!(story.reason(), None);
    story.set("authorization", &[]);
    let cookie = format!("__Host-portcullis={}", token("alice"));
    story.set("cookie", &[&cookie]);
    assert_eq!(story.reason(), Some(Rejection::OriginMissing));
    story.set("origin", &["https://evil.example"]);
    assert_eq!(story.reason(), Some(Rejection::OriginNotAllowed));
    story.set("origin", &["https://app.example"]);
    assert_eq!(story.reason(), None);
}

#[test]
fn the_answered_subprotocol_is_a_served_one_or_bearer_and_never_the_token() {
    let token = token("alice");
    let in_header = format!("Bearer {token}");
    for (header, offered, answered) in [
        (None, format!("bearer, {token}"), Some("bearer")),
        (None, format!("chat.v1, bearer, {token}"), Some("chat.v1")),
        (None, format!("bearer, {token}, other, chat.v1"), Some("chat.v1")),
        (Some(&in_header), "chat.v1".to_owned(), Some("chat.v1")),
        (Some(&in_header), "other".to_owned(), None),
    ] {
        let header: Vec<&str> = header.into_iter().map(|header| &**header).collect();
        let story =
            Story::honest().with("authorization", &header).with("sec-websocket-protocol", &[&offered]);
        let (admitted, _place) = story.admit().map_err(|refused| refused.reason).expect(&offered);
        assert_eq!(admitted.subprotocol(), answered, "{offered}");
    }
}

#[test]
fn a_token_among_the_subprotocols_is_not_looked_at_where_that_place_is_not_permitted() {
    let credentials = CredentialPolicy { header: true, subprotocol: false, cookie: None, ticket: false };
    let mut story = Story::honest();
    story.gate = gate(vec![Route { credentials, ..route("/chat/{room}") }]);
    story.set("sec-websocket-protocol", &[&format!("bearer, {}", token("mallory"))]);
    let (admitted, _place) = story.admit().map_err(|refused| refused.reason).expect("the header's token");
    assert_eq!((&**admitted.identity().subject(), admitted.subprotocol()), ("alice", None));
    story.set("authorization", &[]);
    assert_eq!(story.reason(), Some(Rejection::CredentialMissing));
}

#[test]
fn a_route_that_names_no_room_admits_nobody() {
    let pattern = PathPattern::parse("/nowhere").expect("a path");
    let mut story = Story::honest().to("/nowhere");
    story.gate = gate(vec![Route { pattern, ..route("/chat/{room}") }]);
    assert_eq!(story.reason(), Some(Rejection::HandshakeFailed));
}

/// A gate whose one route takes tickets, and the identity of alice to issue them with.
fn with_tickets() -> (Story, Identity) {
    let (admitted, _place) = Story::honest().admit().map_err(|refused| refused.reason).expect("honest");
    let (identity, ..) = admitted.into_session();
    let mut route = route("/chat/{room}");
    route.credentials.ticket = true;
    let mut story = Story::honest();
    story.gate = gate(vec![route]);
    story.set("authorization", &[]);
    (story, identity)
}

#[test]
fn a_ticket_is_good_for_the_path_and_the_origin_that_it_was_issued_for() {
    let app = || Origin::parse("https://app.example");
    let other = || Origin::parse("https://other.example");
    for (origin, path, reason) in [
        (app(), None, None),
        (app(), Some("/chat/lobby"), None),
        (app(), Some("/chat/other"), Some(Rejection::TicketMisused)),
        (app(), Some("/chat/lobb"), Some(Rejection::TicketMisused)),
        (other(), None, Some(Rejection::TicketMisused)),
        (other(), Some("/chat/lobby"), Some(Rejection::TicketMisused)),
        (None, None, Some(Rejection::TicketMisused)),
    ] {
        let (story, identity) = with_tickets();
        let ticket = Ticket { identity, origin, path: path.map(Into::into) };
        let text = story.throttles.tickets.issue([7; 32], ticket, story.now).expect("room");
        let story = story.to(&format!("/chat/lobby?ticket={text}"));
        assert_eq!(story.reason(), reason, "{path:?}");
        assert_eq!(story.reason(), Some(Rejection::TicketUsed), "its first use, good or not, is its last");
    }
}

#[test]
fn a_ticket_does_not_outlive_the_token_that_it_was_issued_for() {
    for (ends_in, reason) in [(-10, Some(Rejection::TokenExpired)), (-1, None)] {
        let mut claims = claims("alice");
        claims["exp"] = json!(UNIX_NOW.saturating_add_signed(ends_in));
        // Verified while it was good, used when it is not: 5 seconds of leeway lie in between.
        let mut early = Story::honest();
        early.set("authorization", &[&format!("Bearer {}", signed(SECRET, &claims))]);
        let (admitted, _place) =
            early.admit_at(UNIX_NOW - 10).map_err(|refused| refused.reason).expect("good");
        let (identity, ..) = admitted.into_session();
        let (story, _) = with_tickets();
        let ticket = Ticket { identity, origin: Origin::parse("https://app.example"), path: None };
        let text = story.throttles.tickets.issue([7; 32], ticket, story.now).expect("room");
        assert_eq!(story.to(&format!("/chat/lobby?ticket={text}")).reason(), reason, "{ends_in}");
    }
}

#[test]
fn a_ticket_is_looked_at_only_where_it_is_permitted_and_needs_no_origin_where_none_is_required() {
    let (story, identity) = with_tickets();
    let ticket = Ticket { identity, origin: None, path: None };
    let any_origin = |ticket| {
        let mut route = route("/chat/{room}");
        route.origins = OriginPolicy::new(&["https://app.example".to_owned()], true).expect("origins");
        route.credentials.ticket = ticket;
        gate(vec![route])
    };
    let text = story.throttles.tickets.issue([7; 32], ticket, story.now).expect("room");
    let mut story = story.with("origin", &[]).to(&format!("/chat/lobby?ticket={text}"));
    story.gate = any_origin(false);
    assert_eq!(story.reason(), Some(Rejection::CredentialMissing));
    story.gate = any_origin(true);
    assert_eq!(story.reason(), None);
}

#[test]
fn a_session_may_stay_while_its_route_its_origin_and_its_key_are_there() {
    let story = Story::honest();
    let (admitted, _place) = story.admit().map_err(|refused| refused.reason).expect("honest");
    let authority = admitted.identity().authority();
    let [app, other] = ["https://app.example", "https://other.example"].map(Origin::parse);
    let admits = |gate: &Gate, route, origin: &Option<Origin>| {
        gate.still_admits(route, origin.as_ref(), false, authority, None)
    };
    assert!(admits(&story.gate, "/chat/{room}", &app));
    assert!(admits(&story.gate, "/named", &app));
    assert!(!admits(&story.gate, "/gone", &app));
    assert!(!admits(&story.gate, "/chat/{room}", &other));
    assert!(!admits(&story.gate, "/chat/{room}", &None));
    let of_nobody =
        Gate { verifier: Arc::new(Verifier::new(Vec::new())), ..gate(vec![route("/chat/{room}")]) };
    assert!(!admits(&of_nobody, "/chat/{room}", &app));
}

#[test]
fn a_revocation_is_remembered_as_long_as_the_longest_token_of_any_route_and_for_ever_without_exp() {
    let mut long = route("/long");
    long.lifetimes =
        Lifetimes { leeway: Duration::from_secs(60), max_token_lifetime: Duration::from_secs(100_000) };
    assert_eq!(gate(vec![route("/chat/{room}")]).longest_authority_seconds(), 86_410);
    assert_eq!(gate(vec![route("/chat/{room}"), long]).longest_authority_seconds(), 100_120);
    let key = Key::from_secret(&Secret::new(SECRET.to_vec()), None).unwrap_or_else(|_| panic!("a key"));
    let endless = Issuer {
        wanted: None,
        issuer: "https://id.example".into(),
        audience: "chat".into(),
        typ: "JWT".into(),
        require: Required { iss: true, aud: true, exp: false },
        keys: vec![key],
        claims: ClaimPaths::default(),
    };
    let gate = Gate { verifier: Arc::new(Verifier::new(vec![endless])), ..gate(vec![route("/chat/{room}")]) };
    assert_eq!(gate.longest_authority_seconds(), u64::MAX);
}
