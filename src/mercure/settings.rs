//! Owns what a route of the kind `mercure` says about the hub.
//! Never knows a request.

use super::topic_map::TopicMap;
use super::version::Version;
use std::sync::Arc;

/// Where updates are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishPort {
    /// On the public port and the internal one.
    Public,
    /// On the internal port alone.
    Internal,
}

/// How the hub is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The version of the protocol: how it is told who subscribes.
    pub version: Version,
    /// The path of the hub: its own topics begin with it.
    pub path: Arc<str>,
    /// Updates that are kept for those who come back.
    pub history: usize,
    /// Octets of them at most.
    pub history_bytes: usize,
    /// Whether it is told who subscribes: the subscriptions API and its events.
    pub subscriptions: bool,
    /// Which topics are rooms, if any are.
    pub map: Option<Arc<TopicMap>>,
    /// Whether messages of those rooms are updates of their topics, too.
    pub from_room: bool,
}

impl Default for Settings {
    /// A hub that nobody has asked for: it keeps nothing.
    fn default() -> Settings {
        Settings {
            version: Version::default(),
            path: super::RESERVED_TOPICS.into(),
            history: 0,
            history_bytes: 0,
            subscriptions: false,
            map: None,
            from_room: false,
        }
    }
}
