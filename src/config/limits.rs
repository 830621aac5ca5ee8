//! Owns `[limits]`: its defaults, its bounds, and what each loosening costs.
//! Never knows who holds to a limit.

use super::document::{At, Section};
use super::findings::Span;
use super::units::{show_duration, show_rate, show_size};
use crate::codec;
use crate::gate::HeadLimits;
use crate::peer::PrefixLengths;
use crate::throttle::Rate;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What acts before the route is known.
#[derive(Clone, Debug)]
pub struct Limits {
    /// `handshake_timeout`: everything before the 101.
    pub handshake_timeout: Duration,
    /// The share of it that TLS may take: 5 s at most.
    pub tls_timeout: Duration,
    /// The share of it that the request head may take: 5 s at most.
    pub head_timeout: Duration,
    /// `header_bytes`, and the bounds that are no keys.
    pub head: HeadLimits,
    /// `connections`, lowered to what the limit of open files admits.
    pub connections: usize,
    /// `handshakes`: under way at once.
    pub handshakes: usize,
    /// `overload_lag`.
    pub overload_lag: Duration,
    /// `queued_bytes`: of all connections; `None` for 0.
    pub queued_bytes: Option<u64>,
    /// `connections_per_ip`.
    pub connections_per_address: usize,
    /// `handshakes_per_ip`.
    pub handshakes_per_address: Rate,
    /// `failed_credentials_per_ip`.
    pub failed_credentials_per_address: Rate,
    /// `ipv4_prefix` and `ipv6_prefix`.
    pub prefixes: PrefixLengths,
}

/// What acts on a session, and may differ from route to route.
#[derive(Clone, Debug)]
pub(super) struct SessionLimits {
    pub(super) codec: codec::Limits,
    pub(super) connections_per_subject: usize,
    pub(super) messages: Rate,
    pub(super) pings: Rate,
    pub(super) bytes: Rate,
    pub(super) idle_timeout: Duration,
    pub(super) members_per_room: usize,
    pub(super) send_queue_bytes: usize,
    pub(super) ping_interval: Duration,
    pub(super) pong_timeout: Duration,
    pub(super) max_session: Duration,
    /// Where a key stands that bounds a message or the queue, for a finding about both.
    pub(super) place: Option<Span>,
    /// Where `bytes_per_connection` stands.
    pub(super) bytes_place: Option<Span>,
}

/// Takes `[limits]`. `files_max`: files that this process may ever have open.
pub(super) fn read(
    mut section: Section<'_>,
    files_max: Option<u64>,
    workers: usize,
) -> (Limits, SessionLimits) {
    let before = before_route(&mut section, files_max, workers);
    let mut session = SessionLimits::default();
    session.take(&mut section);
    section.finish();
    (before, session)
}

fn before_route(section: &mut Section<'_>, files_max: Option<u64>, workers: usize) -> Limits {
    let default = Limits::default();
    let mut limits = default.clone();
    let place = section.place("connections");
    let s = section;
    duration(
        s,
        "handshake_timeout",
        &mut limits.handshake_timeout,
        default.handshake_timeout,
        MINUTE,
        SILENT_PEER,
    );
    limits.tls_timeout = limits.handshake_timeout.min(STAGE_TIMEOUT_MAX);
    limits.head_timeout = limits.handshake_timeout.min(STAGE_TIMEOUT_MAX);
    size(s, "header_bytes", &mut limits.head.head_bytes, default.head.head_bytes, HEADER_BYTES, MEMORY);
    count(
        s,
        "connections",
        &mut limits.connections,
        default.connections,
        "memory and open files must suffice for them",
    );
    count(s, "handshakes", &mut limits.handshakes, default.handshakes, HANDSHAKES);
    duration(s, "overload_lag", &mut limits.overload_lag, default.overload_lag, MINUTE, LAG);
    queued_bytes(s, &mut limits.queued_bytes);
    count(
        s,
        "connections_per_ip",
        &mut limits.connections_per_address,
        default.connections_per_address,
        ADDRESS,
    );
    rate(s, "handshakes_per_ip", &mut limits.handshakes_per_address, default.handshakes_per_address, ADDRESS);
    let failed = &mut limits.failed_credentials_per_address;
    rate(
        s,
        "failed_credentials_per_ip",
        failed,
        default.failed_credentials_per_address,
        "one address may guess so often",
    );
    prefixes(s, &mut limits.prefixes);
    lower_to_files(s, &mut limits, place, files_max, workers);
    limits
}

fn queued_bytes(section: &mut Section<'_>, limit: &mut Option<u64>) {
    let Some(At { value, span }) = section.size("queued_bytes", QUEUED_BYTES) else { return };
    let default = Limits::default().queued_bytes;
    if value == 0 || Some(value) > default {
        let cost = "peers that do not read may take so much more memory, all together";
        section.loosened("queued_bytes", span, "\"1GiB\"", cost);
    }
    *limit = Some(value).filter(|value| *value > 0);
}

fn prefixes(section: &mut Section<'_>, prefixes: &mut PrefixLengths) {
    let default = PrefixLengths::default();
    let mut length = |key, within, into: &mut u8| {
        let at = section.number(key, within);
        if let Some((length, span)) = at.and_then(|at| Some((u8::try_from(at.value).ok()?, at.span))) {
            if length > *into {
                let cost = "a subscriber who has many addresses may take so much for each of them";
                section.loosened(key, span, &into.to_string(), cost);
            }
            *into = length;
        }
    };
    *prefixes = default;
    length("ipv4_prefix", IPV4_PREFIX, &mut prefixes.ipv4);
    length("ipv6_prefix", IPV6_PREFIX, &mut prefixes.ipv6);
}

/// A socket is an open file, and some others are needed: sockets to refuse on, listeners, workers.
fn lower_to_files(
    section: &Section<'_>,
    limits: &mut Limits,
    place: Option<Span>,
    files_max: Option<u64>,
    workers: usize,
) {
    let Some(files_max) = files_max.and_then(|files| usize::try_from(files).ok()) else { return };
    let reserve = FILES_RESERVE + workers.saturating_mul(FILES_RESERVE_PER_WORKER);
    let most = files_max.saturating_sub(reserve).max(1);
    if limits.connections > most {
        let wanted = limits.connections.saturating_add(reserve);
        section.notes().warning(
            place,
            format!("`limits.connections` is lowered to {most}: this process may open {files_max} files, and {reserve} are kept back"),
            format!("raise the limit (systemd: LimitNOFILE={wanted}), or write `connections = {most}`"),
        );
        limits.connections = most;
    }
}

/// The keys that a route cannot override.
const BEFORE_ROUTE: [&str; 11] = [
    "handshake_timeout",
    "header_bytes",
    "connections",
    "handshakes",
    "overload_lag",
    "queued_bytes",
    "connections_per_ip",
    "handshakes_per_ip",
    "failed_credentials_per_ip",
    "ipv4_prefix",
    "ipv6_prefix",
];

impl SessionLimits {
    /// What holds in a route that overrides single keys.
    pub(super) fn overridden(&self, mut section: Section<'_>) -> SessionLimits {
        let mut limits = self.clone();
        for key in BEFORE_ROUTE {
            let why = "acts before the route is known, so a route cannot override it";
            section.refuse(key, why, &format!("write `{key}` in `[limits]`, for all routes"));
        }
        limits.take(&mut section);
        section.finish();
        limits
    }

    fn take(&mut self, section: &mut Section<'_>) {
        let place = section.place("send_queue").or_else(|| section.place("message_bytes"));
        self.place = place.or_else(|| self.place.take());
        let d = SessionLimits::default();
        let s = section;
        let codec = &mut self.codec;
        size(s, "message_bytes", &mut codec.message_bytes, d.codec.message_bytes, MESSAGE_BYTES, MEMORY);
        count(s, "message_fragments", &mut codec.message_fragments, d.codec.message_fragments, FRAGMENTS);
        duration(
            s,
            "message_timeout",
            &mut codec.message_timeout,
            d.codec.message_timeout,
            HOUR,
            SLOW_MESSAGE,
        );
        count(
            s,
            "connections_per_subject",
            &mut self.connections_per_subject,
            d.connections_per_subject,
            SUBJECT,
        );
        rate(
            s,
            "messages_per_connection",
            &mut self.messages,
            d.messages,
            "each message is delivered to a whole room",
        );
        rate(s, "pings_per_connection", &mut self.pings, d.pings, "each ping costs an answer");
        if let Some(At { value, span }) = s.byte_rate("bytes_per_connection") {
            if value.interval < d.bytes.interval || value.burst > d.bytes.burst {
                s.loosened(
                    "bytes_per_connection",
                    span.clone(),
                    "\"8MiB/s burst 32MiB\"",
                    "octets cost their reading",
                );
            }
            self.bytes = value;
            self.bytes_place = Some(span);
        }
        count(s, "members_per_room", &mut self.members_per_room, d.members_per_room, ROOM);
        size(s, "send_queue", &mut self.send_queue_bytes, d.send_queue_bytes, SEND_QUEUE, MEMORY);
        duration(s, "ping_interval", &mut self.ping_interval, d.ping_interval, HOUR, SILENT_PEER);
        duration(s, "pong_timeout", &mut self.pong_timeout, d.pong_timeout, HOUR, SILENT_PEER);
        duration(s, "idle_timeout", &mut self.idle_timeout, d.idle_timeout, YEAR, IDLE);
        duration(
            s,
            "max_session",
            &mut self.max_session,
            d.max_session,
            YEAR,
            "a session outlives what was true of it",
        );
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            handshake_timeout: Duration::from_secs(10),
            tls_timeout: STAGE_TIMEOUT_MAX,
            head_timeout: STAGE_TIMEOUT_MAX,
            head: HeadLimits { head_bytes: 16 << 10, field_lines: 64, target_bytes: 8_000 },
            connections: 100_000,
            handshakes: 20_000,
            overload_lag: Duration::from_millis(500),
            queued_bytes: Some(1 << 30),
            connections_per_address: 64,
            handshakes_per_address: Rate { interval: Duration::from_millis(100), burst: 40 },
            failed_credentials_per_address: Rate { interval: Duration::from_secs(1), burst: 30 },
            prefixes: PrefixLengths::default(),
        }
    }
}

impl Default for SessionLimits {
    fn default() -> SessionLimits {
        SessionLimits {
            codec: codec::Limits {
                message_bytes: 64 << 10,
                message_fragments: 1024,
                message_timeout: Duration::from_secs(10),
            },
            connections_per_subject: 16,
            messages: Rate { interval: Duration::from_millis(20), burst: 100 },
            pings: Rate { interval: Duration::from_millis(50), burst: 40 },
            bytes: Rate { interval: Duration::from_nanos(119), burst: 32 << 20 },
            idle_timeout: Duration::from_secs(86_400),
            members_per_room: 100_000,
            send_queue_bytes: 1 << 20,
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(8),
            max_session: Duration::from_secs(86_400),
            place: None,
            bytes_place: None,
        }
    }
}

/// Octets that a queue needs beyond the message: the longest frame header that is sent, and a
/// Close frame behind it fits as well.
pub(super) const QUEUE_BYTES_OVER_MESSAGE: usize = 16;

fn duration(
    section: &mut Section<'_>,
    key: &'static str,
    limit: &mut Duration,
    default: Duration,
    max: Duration,
    cost: &str,
) {
    let Some(At { value, span }) = section.duration(key, TIMEOUT_MIN..=max) else { return };
    if value > default {
        section.loosened(key, span, &format!("\"{}\"", show_duration(&default)), cost);
    }
    *limit = value;
}

fn size(
    section: &mut Section<'_>,
    key: &'static str,
    limit: &mut usize,
    default: usize,
    (min, max): (u64, u64),
    cost: &str,
) {
    let Some(At { value, span }) = section.size(key, min..=max) else { return };
    let (Ok(value), Ok(octets)) = (usize::try_from(value), u64::try_from(default)) else { return };
    if value > default {
        section.loosened(key, span, &format!("\"{}\"", show_size(octets)), cost);
    }
    *limit = value;
}

fn count<T>(section: &mut Section<'_>, key: &'static str, limit: &mut T, default: T, cost: &str)
where
    T: TryFrom<u64> + PartialOrd + Display,
{
    let Some(At { value, span }) = section.number(key, 1..=COUNT_MAX) else { return };
    let Ok(value) = T::try_from(value) else { return };
    if value > default {
        section.loosened(key, span, &default.to_string(), cost);
    }
    *limit = value;
}

fn rate(section: &mut Section<'_>, key: &'static str, limit: &mut Rate, default: Rate, cost: &str) {
    let Some(At { value, span }) = section.rate(key) else { return };
    if value.interval < default.interval || value.burst > default.burst {
        section.loosened(key, span, &format!("\"{}\"", show_rate(&default)), cost);
    }
    *limit = value;
}

const MEMORY: &str = "one peer may hold so much more memory";
const SILENT_PEER: &str = "a silent peer holds its place for longer";
const SLOW_MESSAGE: &str = "a slow message holds memory for longer";
const FRAGMENTS: &str = "small fragments cost more than they carry";
const IDLE: &str = "a peer that says nothing keeps its place for longer";
const ROOM: &str = "each message is delivered to so many";
const HANDSHAKES: &str = "peers that are not admitted yet may take so much more memory";
const LAG: &str = "sessions wait for so long before newcomers are sent away";
const ADDRESS: &str = "one address may take so much more";
const SUBJECT: &str = "one stolen token may open so many";

/// A whole /16 or /32 is what a provider has: more in one would be the limit of everybody.
const IPV4_PREFIX: RangeInclusive<u64> = 16..=32;
const IPV6_PREFIX: RangeInclusive<u64> = 32..=128;
const HEADER_BYTES: (u64, u64) = (1 << 10, 64 << 10);
const MESSAGE_BYTES: (u64, u64) = (1, 16 << 20);
const QUEUED_BYTES: RangeInclusive<u64> = 0..=1 << 40;
const SEND_QUEUE: (u64, u64) = (1, 64 << 20);
const STAGE_TIMEOUT_MAX: Duration = Duration::from_secs(5);
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const COUNT_MAX: u64 = 10_000_000;
const FILES_RESERVE: usize = 192;
const FILES_RESERVE_PER_WORKER: usize = 16;
