//! Owns `[[route]]`: a path, what it serves, and what it overrides.
//! Never knows a request.

use super::auth::{CredentialFacts, is_token_octet};
use super::backend::{self, BackendFacts};
use super::document::{At, Section};
use super::files::Folder;
use super::findings::Span;
use super::limits::{QUEUE_BYTES_OVER_MESSAGE, SessionLimits};
use super::mask::quoted;
use super::mercure;
use super::origins::OriginFacts;
use super::units::show_size;
use crate::auth::CredentialPolicy;
use crate::gate::{BackendId, PathPattern, Route, Serves, Streams};
use crate::protocol::SessionPolicy;
use crate::relay::Backend;
use crate::room::RoomName;
use crate::throttle::RateTable;
use std::sync::Arc;

/// What holds for all routes unless they say otherwise.
pub(super) struct Globals<'a> {
    pub(super) origins: &'a OriginFacts,
    pub(super) credentials: &'a CredentialFacts,
    pub(super) limits: &'a SessionLimits,
}

/// Takes every `[[route]]`, of which there must be one; the backends in the order of their numbers.
pub(super) fn read_all(
    root: &mut Section<'_>,
    globals: &Globals<'_>,
    folder: &Folder,
) -> (Vec<Arc<Route>>, Vec<Backend>) {
    let is_named = root.place("route").is_some();
    let sections = root.sections("route");
    if sections.is_empty() && !is_named {
        root.missing("route", "write `[[route]]` and `path = \"/chat/{room}\"`");
    }
    let mut paths: Vec<String> = Vec::new();
    let mut routes = Vec::new();
    let mut backends = Vec::new();
    let mut queues = Vec::new();
    let mut hubs = 0;
    for mut section in sections {
        let path = section.required("path", "write such as `path = \"/chat/{room}\"`");
        if let Some(path) = &path {
            let help = "give each route its own path";
            section.distinct("path", path, &mut paths, "is that of another route", help);
        }
        let limits = globals.limits.overridden(section.section("limits"));
        queues.push((limits.clone(), section.span()));
        let route = read(section, path, globals, limits, folder, &mut backends);
        let place = queues.last().and_then(|(_, span)| span.clone());
        hubs += usize::from(route.as_ref().is_some_and(|route| route.mercure.is_some()));
        if hubs == 2 {
            hubs += 1;
            root.notes().error(
                place,
                "there are two routes of the kind mercure",
                "a gateway has one hub: take one out",
            );
        }
        routes.extend(route.map(Arc::new));
    }
    judge_queues(root, &queues);
    judge_bursts(root, &queues);
    (routes, backends)
}

fn read(
    mut section: Section<'_>,
    path: Option<At<String>>,
    globals: &Globals<'_>,
    limits: SessionLimits,
    folder: &Folder,
    backends: &mut Vec<Backend>,
) -> Option<Route> {
    let origins = globals.origins.overridden(section.section("origins"));
    let credentials = globals.credentials.overridden(section.section("auth"));
    point_out_cleartext_cookie(&section, &origins, &credentials);
    let kind = kind(&mut section);
    if kind == Some(Kind::Mercure) {
        return read_hub(section, path, &origins, &credentials, limits);
    }
    let backend = (kind == Some(Kind::Proxy)).then(|| BackendFacts::read(&mut section, folder));
    let echo = section.boolean("echo").is_some_and(|at| at.value);
    let (text, binary) = messages(&mut section);
    let deflate = deflate(&mut section);
    let narrows_subprotocols = section.place("subprotocols").is_some();
    let subprotocols = subprotocols(&mut section);
    let sse = section.boolean("sse").is_some_and(|at| at.value);
    let room = section.string("room");
    let pattern = path.as_ref().and_then(|path| match PathPattern::parse(&path.value) {
        Ok(pattern) => Some(pattern),
        Err(why) => {
            section.bad("path", path.span.clone(), "is no path of a route", &why);
            None
        }
    });
    let room = match (&pattern, kind) {
        // A backend may do without a room.
        (Some(_), Some(Kind::Proxy)) if room.is_none() => None,
        (Some(pattern), Some(Kind::Broadcast | Kind::Proxy)) => {
            fixed_room(&section, room, pattern.has_room(), path.as_ref()?)
        }
        (None, _) | (_, Some(Kind::Mercure) | None) => None,
    };
    section.finish();
    let (pattern, label) = (pattern?, path?.value);
    let serves = match backend {
        None => Serves::Rooms,
        Some(facts) => {
            let id = BackendId(backends.len());
            let (backend, route) = facts.built(id, &label, &limits, narrows_subprotocols);
            backends.push(backend);
            Serves::Backend(route)
        }
    };
    Some(Route {
        pattern,
        label: label.into(),
        room,
        serves,
        origins: origins.policy()?,
        credentials: credentials.policy(),
        issuers: credentials.issuers(),
        client_certificate: credentials.client_certificate(),
        lifetimes: credentials.lifetimes(),
        subprotocols,
        connections_per_subject: limits.connections_per_subject,
        deflate,
        mercure: None,
        streams: sse.then(|| Box::new(Streams { sent: RateTable::new(limits.messages, SUBJECTS_MAX) })),
        session: Arc::new(session(&limits, echo, text, binary)),
    })
}

fn session(limits: &SessionLimits, echo: bool, text: bool, binary: bool) -> SessionPolicy {
    SessionPolicy {
        codec: limits.codec,
        echo,
        text,
        binary,
        messages: limits.messages,
        pings: limits.pings,
        bytes: limits.bytes,
        idle_timeout: limits.idle_timeout,
        members_per_room: limits.members_per_room,
        send_queue_bytes: limits.send_queue_bytes,
        ping_interval: limits.ping_interval,
        pong_timeout: limits.pong_timeout,
        max_session: limits.max_session,
    }
}

/// A route of the kind `mercure`.
fn read_hub(
    mut section: Section<'_>,
    path: Option<At<String>>,
    origins: &OriginFacts,
    credentials: &CredentialFacts,
    limits: SessionLimits,
) -> Option<Route> {
    let room = section.string("room");
    let hub = mercure::read(&mut section, room, path.as_ref());
    section.finish();
    let (hub, path) = (hub?, path?.value);
    Some(Route {
        pattern: PathPattern::parse(&path).ok()?,
        label: path.into(),
        room: None,
        serves: Serves::Rooms,
        // Its answers are for cookies of the whole site: whoever is not listed is never let in.
        origins: origins.policy()?.reporting(false),
        credentials: CredentialPolicy {
            // The protocol's own name: its cookie is that of the site, not of this host alone.
            cookie: credentials.cookie().map(|_| hub.version.cookie().into()),
            subprotocol: false,
            ticket: false,
            ..credentials.policy()
        },
        issuers: credentials.issuers(),
        client_certificate: credentials.client_certificate(),
        lifetimes: credentials.lifetimes(),
        subprotocols: Vec::new(),
        connections_per_subject: limits.connections_per_subject,
        deflate: false,
        streams: None,
        mercure: Some(Box::new(hub)),
        session: Arc::new(session(&limits, false, true, false)),
    })
}

/// What a route serves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Broadcast,
    Mercure,
    Proxy,
}

/// Takes `kind` and `protocol`, and the keys of other kinds; `None` of an unknown kind.
fn kind(section: &mut Section<'_>) -> Option<Kind> {
    let kind = section.string("kind");
    if kind.as_ref().is_some_and(|kind| kind.value == "mercure") {
        return Some(Kind::Mercure);
    }
    let is_proxy = kind.as_ref().is_some_and(|kind| kind.value == "proxy");
    let is_broadcast = kind.as_ref().is_none_or(|kind| kind.value == "broadcast");
    if let Some(kind) = kind.filter(|_| !is_broadcast && !is_proxy) {
        let why = format!("has an unknown kind, {}", quoted(&kind.value));
        let help = "write `kind = \"broadcast\"`, \"proxy\" or \"mercure\", or take the route out";
        section.bad("kind", kind.span, &why, help);
    }
    let foreign = if is_broadcast { "does not belong to a broadcast route" } else { NOT_PROXY };
    for key in mercure::KEYS {
        if is_broadcast || is_proxy {
            section.refuse(key, foreign, "take it out");
        } else {
            section.place(key);
        }
    }
    if is_proxy {
        for key in ["echo", "compression", "protocol", "sse"] {
            section.refuse(key, NOT_PROXY, "take it out");
        }
        return Some(Kind::Proxy);
    }
    for key in backend::KEYS {
        if is_broadcast {
            section.refuse(key, foreign, "take it out");
        } else {
            section.place(key);
        }
    }
    if let Some(protocol) = section.string("protocol").filter(|protocol| protocol.value != "raw") {
        let why = format!("= {} is not supported in this version", quoted(&protocol.value));
        section.bad("protocol", protocol.span, &why, "write `protocol = \"raw\"`");
    }
    is_broadcast.then_some(Kind::Broadcast)
}

const NOT_PROXY: &str = "does not belong to a route to a backend";

fn messages(section: &mut Section<'_>) -> (bool, bool) {
    let Some(list) = section.strings("messages") else { return (true, true) };
    if list.value.is_empty() {
        let help = "write `messages = [\"text\", \"binary\"]`, or one of them";
        section.bad("messages", list.span, "is empty, so no message could be sent", help);
    }
    for kind in &list.value {
        if !["text", "binary"].contains(&kind.value.as_str()) {
            let why = format!("has an unknown kind, {}", quoted(&kind.value));
            section.bad("messages", kind.span.clone(), &why, "the kinds are \"text\" and \"binary\"");
        }
    }
    let has = |name: &str| list.value.iter().any(|kind| kind.value == name);
    (has("text"), has("binary"))
}

/// Takes `compression`; whether permessage-deflate is served.
fn deflate(section: &mut Section<'_>) -> bool {
    let Some(compression) = section.string("compression") else { return false };
    match compression.value.as_str() {
        "off" => false,
        "permessage-deflate" => {
            let message = "messages are compressed for whoever asks for it";
            let cost = "where a message holds a secret beside text of a stranger, its length can tell the secret (CRIME, BREACH)";
            section.notes().warning(Some(compression.span), message, cost);
            true
        }
        other => {
            let why = format!("has an unknown kind, {}", quoted(other));
            section.bad(
                "compression",
                compression.span,
                &why,
                "the kinds are \"off\" and \"permessage-deflate\"",
            );
            false
        }
    }
}

fn subprotocols(section: &mut Section<'_>) -> Vec<Box<str>> {
    let Some(list) = section.strings("subprotocols") else { return Vec::new() };
    if list.value.len() > SUBPROTOCOLS_MAX {
        let help = format!("list {SUBPROTOCOLS_MAX} at most: a handshake cannot offer more");
        section.bad("subprotocols", list.span.clone(), "has too many", &help);
    }
    let mut names: Vec<Box<str>> = Vec::new();
    for At { value, span } in list.value {
        if value.eq_ignore_ascii_case("bearer") {
            let help = "take it out: it is how a token is sent (`auth.credentials`)";
            section.bad("subprotocols", span, "has \"bearer\", which is no subprotocol", help);
        } else if value.is_empty() || !value.bytes().all(is_token_octet) {
            let why = format!("has {}, which is no subprotocol", quoted(&value));
            section.bad("subprotocols", span, &why, "a name has letters, digits and !#$%&'*+-.^_`|~");
        } else if names.iter().any(|name| **name == *value) {
            section.bad("subprotocols", span, "names a subprotocol twice", "leave one of them out");
        } else {
            names.push(value.into());
        }
    }
    names
}

/// The room of a route whose path has none.
fn fixed_room(
    section: &Section<'_>,
    room: Option<At<String>>,
    in_path: bool,
    path: &At<String>,
) -> Option<RoomName> {
    match (room, in_path) {
        (None, true) => None,
        (Some(room), true) => {
            let help = "take one of them out: `{room}` in the path already says which room";
            section.bad("room", room.span, "stands beside a path with `{room}`", help);
            None
        }
        (None, false) => {
            let help = "write `{room}` in the path, or `room = \"...\"`";
            section.bad("path", path.span.clone(), "names no room", help);
            None
        }
        (Some(room), false) => {
            let name = RoomName::parse(&room.value);
            if name.is_none() {
                let help = "a name has 1 to 128 of A-Z a-z 0-9 . _ ~ : @ -";
                section.bad("room", room.span, "is no name of a room", help);
            }
            name
        }
    }
}

/// A page that came without TLS can be changed on its way, and then uses the cookie.
fn point_out_cleartext_cookie(section: &Section<'_>, origins: &OriginFacts, credentials: &CredentialFacts) {
    if let (Some(place), Some(_)) = (credentials.cookie(), origins.cleartext()) {
        let message = "a cookie counts as a credential for an origin without TLS";
        let cost = "whoever sits on the way to that page connects as its visitor; serve the page by https";
        section.notes().warning(Some(place), message, cost);
    }
}

/// A room may be entered by several routes, so each queue must take the longest message of any.
fn judge_queues(root: &Section<'_>, queues: &[(SessionLimits, Option<Span>)]) {
    let longest = queues.iter().map(|(limits, _)| limits.codec.message_bytes).max().unwrap_or(0);
    let needed = longest.saturating_add(QUEUE_BYTES_OVER_MESSAGE);
    for (limits, route) in queues.iter().filter(|(limits, _)| limits.send_queue_bytes < needed) {
        let shown = u64::try_from(needed).map_or_else(|_| needed.to_string(), show_size);
        let place = limits.place.clone().or_else(|| route.clone());
        let message = "`send_queue` cannot hold the longest message, so every reader of it would be closed";
        let help = format!("write at least `send_queue = \"{shown}\"`, or a smaller `message_bytes`");
        root.notes().error(place, message, help);
    }
}

/// A message is read at once where it comes at once.
fn judge_bursts(root: &Section<'_>, queues: &[(SessionLimits, Option<Span>)]) {
    for (limits, route) in queues {
        let needed = limits.codec.message_bytes.saturating_add(BURST_BYTES_OVER_MESSAGE);
        let needed = u64::try_from(needed).unwrap_or(u64::MAX);
        if u64::from(limits.bytes.burst) < needed {
            let place = limits.bytes_place.clone().or_else(|| route.clone());
            let message = "the burst of `bytes_per_connection` is smaller than the longest message";
            let help =
                format!("write a burst of \"{}\" at least, or a smaller `message_bytes`", show_size(needed));
            root.notes().error(place, message, help);
        }
    }
}

/// Its frames' headers, and a few pings beside it.
const BURST_BYTES_OVER_MESSAGE: usize = 64 << 10;
/// Subjects whose messages by POST are counted at most.
const SUBJECTS_MAX: usize = 1 << 16;
const SUBPROTOCOLS_MAX: usize = 16;
