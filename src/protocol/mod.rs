//! Owns what a route lets a session do, and what a message means there.
//! Never knows a socket, nor who may use the route.

pub mod events;

use crate::codec;
use crate::throttle::Rate;
use std::time::Duration;

/// What a session speaks behind its admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Frames, both ways (RFC 6455).
    WebSocket,
    /// An event stream of a room: the peer reads and says nothing more.
    Events,
    /// An event stream of updates by topic.
    Updates,
}

impl Transport {
    /// Its name, for the operator.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Transport::WebSocket => "websocket",
            Transport::Events => "sse",
            Transport::Updates => "mercure",
        }
    }
}

/// What a session on a route may do and for how long: `[limits]` and the route's own keys.
#[derive(Clone, Debug)]
pub struct SessionPolicy {
    /// Bounds of what is read.
    pub codec: codec::Limits,
    /// Whether a sender gets its own message too.
    pub echo: bool,
    /// Whether text messages are taken.
    pub text: bool,
    /// Whether binary messages are taken.
    pub binary: bool,
    /// `messages_per_connection`.
    pub messages: Rate,
    /// `bytes_per_connection`, an octet of a frame an event.
    pub bytes: Rate,
    /// `pings_per_connection`: pings and unasked pongs.
    pub pings: Rate,
    /// `send_queue`, in octets: a slower reader than this is closed.
    pub send_queue_bytes: usize,
    /// `ping_interval`: a peer that is silent for so long is pinged.
    pub ping_interval: Duration,
    /// `pong_timeout`: and closed when it stays silent for so long after.
    pub pong_timeout: Duration,
    /// `idle_timeout`: a peer that has sent no message for so long is closed.
    pub idle_timeout: Duration,
    /// `members_per_room`: a room that has so many takes nobody else by this route.
    pub members_per_room: usize,
    /// `max_session`.
    pub max_session: Duration,
}
