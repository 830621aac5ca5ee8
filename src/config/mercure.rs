//! Owns the keys of a route of the kind `mercure`.
//! Never knows an update.

use super::document::{At, Section};
use super::mask::quoted;
use crate::gate::{MercureRoute, OriginPolicy};
use crate::mercure::{MapFault, PublishPort, Settings, TopicMap, Version};
use std::sync::Arc;

/// The keys that belong to a hub alone.
pub(super) const KEYS: [&str; 9] = [
    "version",
    "topic",
    "anonymous",
    "publish_origins",
    "publish",
    "subscriptions",
    "history",
    "history_bytes",
    "from_room",
];

/// Takes them all, for a hub at this path.
pub(super) fn read(
    section: &mut Section<'_>,
    room: Option<At<String>>,
    path: Option<&At<String>>,
) -> Option<MercureRoute> {
    for key in
        ["echo", "messages", "subprotocols", "protocol", "sse", "compression", "upstream", "upstream_timeout"]
    {
        section.refuse(key, "does not belong to a route of the kind mercure", "take it out");
    }
    if let Some(path) = path.filter(|path| path.value.contains('{') || path.value.ends_with('/')) {
        let help = "write `path = \"/.well-known/mercure\"`";
        section.bad("path", path.span.clone(), "is no path of a hub", help);
    }
    let version = version(section);
    let anonymous = section.boolean("anonymous");
    if let Some(at) = anonymous.as_ref().filter(|at| at.value) {
        let cost = "whoever comes from an allowed origin may read every public update, and has no number of connections of \
                    its own";
        section.loosened("anonymous", at.span.clone(), "false", cost);
    }
    let publish = publish(section);
    let publish_origins = publish_origins(section);
    let subscriptions = section.boolean("subscriptions").filter(|at| at.value);
    let history = section.number("history", 0..=HISTORY_MAX).map_or(HISTORY, |at| at.value);
    let history_bytes =
        section.size("history_bytes", 0..=HISTORY_BYTES_MAX).map_or(HISTORY_BYTES, |at| at.value);
    let map = map(section, room);
    let from_room = section.boolean("from_room");
    if let Some(at) = from_room.as_ref().filter(|at| at.value && map.is_none()) {
        let help = "write `topic` and `room`: they say which room is which topic";
        section.bad("from_room", at.span.clone(), "has no room to take messages from", help);
    }
    let settings = Settings {
        version,
        path: path?.value.as_str().into(),
        history: usize::try_from(history).unwrap_or(usize::MAX),
        history_bytes: usize::try_from(history_bytes).unwrap_or(usize::MAX),
        subscriptions: subscriptions.is_some(),
        map: map.map(Arc::new),
        from_room: from_room.is_some_and(|at| at.value),
    };
    let anonymous = anonymous.is_some_and(|at| at.value);
    Some(MercureRoute { version, anonymous, publish, publish_origins, settings })
}

fn version(section: &mut Section<'_>) -> Version {
    let Some(version) = section.string("version") else { return Version::default() };
    Version::parse(&version.value).unwrap_or_else(|| {
        let why = format!("is {}, which is not served", quoted(&version.value));
        section.bad("version", version.span, &why, "write \"0.x\" or \"1.0\"");
        Version::default()
    })
}

fn publish(section: &mut Section<'_>) -> PublishPort {
    let Some(publish) = section.string("publish") else { return PublishPort::Public };
    match publish.value.as_str() {
        "public" => PublishPort::Public,
        "internal" => PublishPort::Internal,
        other => {
            let why = format!("is {}, which is no port", quoted(other));
            section.bad("publish", publish.span, &why, "write \"public\" or \"internal\"");
            PublishPort::Internal
        }
    }
}

/// None where the list is empty: no page may publish.
fn publish_origins(section: &mut Section<'_>) -> Option<OriginPolicy> {
    let list = section.strings("publish_origins")?;
    for At { value, span } in &list.value {
        if let Err((_, why)) = OriginPolicy::new(std::slice::from_ref(value), false) {
            let help = "an origin is scheme://host or scheme://host:port, in lower case, without a path";
            section.bad("publish_origins", span.clone(), &format!("has no origin: {why}"), help);
        }
    }
    let all: Vec<String> = list.value.into_iter().map(|at| at.value).collect();
    if all.is_empty() { None } else { OriginPolicy::new(&all, false).ok() }
}

fn map(section: &mut Section<'_>, room: Option<At<String>>) -> Option<TopicMap> {
    let topic = section.string("topic");
    let (topic, room) = match (topic, room) {
        (None, None) => return None,
        (Some(topic), Some(room)) => (topic, room),
        (Some(only), None) => {
            let help = "write `room = \"{room}\"`, or take both out";
            section.bad("topic", only.span, "says nothing without `room`", help);
            return None;
        }
        (None, Some(only)) => {
            let help = "write `topic = \"https://example.com/rooms/{room}\"`, or take both out";
            section.bad("room", only.span, "says nothing without `topic`", help);
            return None;
        }
    };
    match TopicMap::new(&topic.value, &room.value) {
        Ok(map) => Some(map),
        Err(MapFault::Topic) => {
            let help = "write such as \"https://example.com/rooms/{room}\"";
            section.bad("topic", topic.span, "has not one `{room}` and nothing else in braces", help);
            None
        }
        Err(MapFault::Room) => {
            let help = "write \"{room}\", or with A-Z a-z 0-9 . _ ~ : @ - around it";
            section.bad("room", room.span, "is no room with one `{room}` in its name", help);
            None
        }
    }
}

const HISTORY: u64 = 1000;
const HISTORY_MAX: u64 = 100_000;
const HISTORY_BYTES: u64 = 16 << 20;
const HISTORY_BYTES_MAX: u64 = 1 << 30;
