//! Owns what a backend is told of sessions, and the form it is told in.
//! Never knows how it gets there.

use crate::codec::Opcode;
use crate::ledger::RequestId;
use crate::origin::Origin;
use crate::peer::Peer;
use crate::rejection::Rejection;
use crate::room::RoomName;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use std::sync::Arc;
use std::time::SystemTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A WebSocket or an event stream is open.
    Connected,
    /// Its session is in a room.
    Joined,
    /// It sent a message.
    Message,
    /// It is no longer in the room.
    Left,
    /// It has ended.
    Disconnected,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [EventKind; 5] = [
        EventKind::Connected,
        EventKind::Joined,
        EventKind::Message,
        EventKind::Left,
        EventKind::Disconnected,
    ];

    /// Its name in the configuration, in an event and in a metric.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            EventKind::Connected => "connected",
            EventKind::Joined => "joined",
            EventKind::Message => "message",
            EventKind::Left => "left",
            EventKind::Disconnected => "disconnected",
        }
    }
}

/// Which session it is about.
#[derive(Clone, Debug)]
pub struct Whose {
    /// The number that its log lines bear.
    pub connection: RequestId,
    /// Who; nobody in particular where a hub may be read without a token.
    pub subject: Option<Arc<str>>,
    /// The configured path of its route.
    pub route: Arc<str>,
    /// Its room, or the one whose grant its backend asked for; none of who subscribes to topics.
    pub room: Option<RoomName>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// A WebSocket or an event stream is open.
    Connected {
        /// The other end of its socket.
        peer: Peer,
        /// The page that opened it.
        origin: Option<Origin>,
        /// The topic selectors of who subscribes to updates.
        topics: Option<Box<[Box<str>]>>,
    },
    /// Its session is in the room.
    Joined {
        /// Whether it may send there.
        publish: bool,
    },
    /// It sent a message.
    Message {
        /// Text or binary.
        opcode: Opcode,
        /// Octets of its payload.
        bytes: usize,
        /// The payload, where the configuration says so.
        payload: Option<Bytes>,
    },
    /// It is no longer in the room.
    Left {
        /// Why.
        reason: Rejection,
    },
    /// It has ended.
    Disconnected {
        /// Why.
        reason: Rejection,
        /// The code that went over the wire, 1006 where none did.
        code: u16,
    },
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    pub(super) at: SystemTime,
    pub(super) whose: Whose,
    pub(super) what: What,
}

impl Event {
    /// Something that happened now.
    #[must_use]
    pub fn now(whose: Whose, what: What) -> Event {
        Event { at: SystemTime::now(), whose, what }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        match self.what {
            What::Connected { .. } => EventKind::Connected,
            What::Joined { .. } => EventKind::Joined,
            What::Message { .. } => EventKind::Message,
            What::Left { .. } => EventKind::Left,
            What::Disconnected { .. } => EventKind::Disconnected,
        }
    }

    /// What it takes of the queue's bound, in octets.
    pub(super) fn weight(&self) -> usize {
        let payload = match &self.what {
            What::Message { payload: Some(payload), .. } => payload.len(),
            What::Connected { topics: Some(topics), .. } => topics.iter().map(|topic| topic.len()).sum(),
            What::Connected { topics: None, .. }
            | What::Joined { .. }
            | What::Message { payload: None, .. }
            | What::Left { .. }
            | What::Disconnected { .. } => 0,
        };
        payload.saturating_add(EVENT_BYTES)
    }
}

/// The body of a request: several events in their order.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    events: Vec<Told<'a>>,
}

/// One event as the backend reads it.
#[derive(Serialize)]
struct Told<'a> {
    id: String,
    r#type: &'static str,
    time: String,
    connection_id: String,
    subject: Option<&'a str>,
    route: &'a str,
    room: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topics: Option<&'a [Box<str>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publish: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
}

/// The body that tells these events, each under its identifier.
pub(super) fn body(events: &[(String, Event)], now: SystemTime) -> Vec<u8> {
    let told = events.iter().map(|(id, event)| told(id, event)).collect();
    let body = Body { r#type: "portcullis.events", timestamp: moment(now), data: Data { events: told } };
    // INVARIANT: there is nothing in it that JSON could not tell.
    serde_json::to_vec(&body).unwrap_or_default()
}

fn told<'a>(id: &str, event: &'a Event) -> Told<'a> {
    let Whose { connection, subject, route, room } = &event.whose;
    let mut told = Told {
        id: id.to_owned(),
        r#type: event.kind().name(),
        time: moment(event.at),
        connection_id: connection.to_string(),
        subject: subject.as_deref(),
        route,
        room: room.as_ref().map(RoomName::as_str),
        peer: None,
        origin: None,
        topics: None,
        publish: None,
        kind: None,
        bytes: None,
        data: None,
        data_base64: None,
        reason: None,
        code: None,
    };
    match &event.what {
        What::Connected { peer, origin, topics } => {
            told.topics = topics.as_deref();
            told.peer = Some(peer.to_string());
            told.origin = origin.as_ref().map(Origin::as_str);
        }
        What::Joined { publish } => told.publish = Some(*publish),
        What::Message { opcode, bytes, payload } => {
            told.kind = Some(if *opcode == Opcode::Text { "text" } else { "binary" });
            told.bytes = Some(*bytes);
            match payload.as_deref().map(std::str::from_utf8) {
                // The codec has seen to it that text is UTF-8.
                Some(Ok(text)) if *opcode == Opcode::Text => told.data = Some(text),
                Some(Ok(_) | Err(_)) => {
                    told.data_base64 = payload.as_ref().map(|octets| STANDARD.encode(octets))
                }
                None => {}
            }
        }
        What::Left { reason } => told.reason = Some(reason.name()),
        What::Disconnected { reason, code } => {
            told.reason = Some(reason.name());
            told.code = Some(*code);
        }
    }
    told
}

fn moment(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    // To the millisecond, as the log has it.
    let cut = at.replace_millisecond(at.millisecond()).unwrap_or(at);
    cut.format(&Rfc3339).unwrap_or_default()
}

/// What an event takes besides a payload: itself, and names that it shares with nobody.
const EVENT_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::time::Duration;

    fn event(what: What) -> Event {
        let whose = Whose {
            connection: RequestId::parse("00000000000000ab").expect("an id"),
            subject: Some("alice".into()),
            route: "/chat/{room}".into(),
            room: RoomName::parse("lobby"),
        };
        Event { at: SystemTime::UNIX_EPOCH + Duration::from_micros(1_500_750), whose, what }
    }

    fn told_of(what: What) -> Value {
        let body = body(&[("evt_1".to_owned(), event(what))], SystemTime::UNIX_EPOCH);
        let mut body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body["type"], "portcullis.events");
        assert_eq!(body["timestamp"], "1970-01-01T00:00:00Z");
        body["data"]["events"][0].take()
    }

    #[test]
    fn an_event_is_told_with_what_belongs_to_its_kind() {
        let common = json!({
            "id": "evt_1", "time": "1970-01-01T00:00:01.5Z", "connection_id": "00000000000000ab",
            "subject": "alice", "route": "/chat/{room}", "room": "lobby",
        });
        let peer = Peer::new([192, 0, 2, 1].into());
        for (what, own) in [
            (
                What::Connected { peer, origin: None, topics: None },
                json!({ "type": "connected", "peer": "192.0.2.1" }),
            ),
            (
                What::Connected { peer, origin: None, topics: Some(["a".into()].into()) },
                json!({ "type": "connected", "peer": "192.0.2.1", "topics": ["a"] }),
            ),
            (What::Joined { publish: true }, json!({ "type": "joined", "publish": true })),
            (
                What::Message { opcode: Opcode::Text, bytes: 2, payload: None },
                json!({ "type": "message", "kind": "text", "bytes": 2 }),
            ),
            (
                What::Message { opcode: Opcode::Text, bytes: 2, payload: Some(Bytes::from_static(b"hi")) },
                json!({ "type": "message", "kind": "text", "bytes": 2, "data": "hi" }),
            ),
            (
                What::Message { opcode: Opcode::Binary, bytes: 2, payload: Some(Bytes::from_static(b"hi")) },
                json!({ "type": "message", "kind": "binary", "bytes": 2, "data_base64": "aGk=" }),
            ),
            (What::Left { reason: Rejection::Drain }, json!({ "type": "left", "reason": "drain" })),
            (
                What::Disconnected { reason: Rejection::Drain, code: 1001 },
                json!({ "type": "disconnected", "reason": "drain", "code": 1001 }),
            ),
        ] {
            let mut expected = common.as_object().expect("an object").clone();
            expected.extend(own.as_object().expect("an object").clone());
            let mut told = told_of(what);
            assert!(told.as_object().is_some());
            assert_eq!(told.take(), Value::Object(expected));
        }
    }
}
