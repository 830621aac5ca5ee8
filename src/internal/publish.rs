//! Owns the bodies of `POST /publish` and `POST /publish/batch`, and what becomes of them.
//! Never knows who is in a room.

use super::idempotency::{Content, Key, Known, Published};
use super::reply::{Problem, Reply, reply};
use crate::broadcast::Hub;
use crate::codec::{self, Opcode};
use crate::ledger::Ledger;
use crate::room::RoomName;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;
use std::time::Instant;

/// Messages of one batch.
const BATCH_MAX: usize = 1000;
/// The field that names a publication (draft-ietf-httpapi-idempotency-key-header).
const KEY_FIELD: &str = "idempotency-key";
/// Says that an answer is the first one's.
const REPLAYED_FIELD: &str = "idempotency-replayed";

/// A message for everybody in a room.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Publish {
    room: String,
    /// A string goes as its own text, anything else as its serialization.
    #[serde(default, deserialize_with = "present")]
    data: Option<Value>,
    /// Goes as binary.
    data_base64: Option<String>,
    /// Names the publication, as the header field does.
    idempotency_key: Option<String>,
}

/// Several of them, in their order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    messages: Vec<Publish>,
}

/// `null` is data too: only a member that is not there is none.
fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

/// A message that can be delivered.
#[derive(Debug)]
struct Message {
    room: RoomName,
    opcode: Opcode,
    payload: Vec<u8>,
    key: Option<Key>,
}

const MALFORMED: fn(&'static str) -> Problem =
    |title| Problem::new(StatusCode::BAD_REQUEST, "publish_malformed", title);
const TOO_BIG: Problem =
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "message_too_big", "The message is over message_bytes");
const CONGESTED: Problem =
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "congested", "The workers are behind: try again");
const BATCH_TOO_LONG: Problem =
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "batch_too_long", "A batch holds 1,000 messages at most");
const OTHER_CONTENT: Problem = Problem::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "idempotency_key_reused",
    "This idempotency key was used for something else",
);

/// What publishing takes. It waits for nothing, so two requests are never half done at once: of
/// parallel ones with one key the first is made and the others find its answer.
pub(super) struct Press<'a> {
    pub(super) hub: &'a Hub,
    pub(super) ledger: &'a Ledger,
    /// The longest payload.
    pub(super) message_bytes: usize,
    pub(super) published: &'a mut Published,
    pub(super) now: Instant,
}

impl Press<'_> {
    /// `POST /publish`.
    pub(super) fn one(mut self, headers: &HeaderMap, body: &[u8]) -> Reply {
        self.try_one(headers, body).unwrap_or_else(|problem| problem.reply())
    }

    fn try_one(&mut self, headers: &HeaderMap, body: &[u8]) -> Result<Reply, Problem> {
        let of_field = key_of_field(headers)?;
        let publish: Publish = serde_json::from_slice(body).map_err(|_| {
            MALFORMED(
                r#"The body must be JSON: {"room": ..., "data": ...} or {"room": ..., "data_base64": ...}"#,
            )
        })?;
        let mut message = parse(publish).map_err(MALFORMED)?;
        message.key = match (of_field, message.key) {
            (Some(field), Some(member)) if field != member => {
                return Err(MALFORMED("Idempotency-Key and idempotency_key differ"));
            }
            (field, member) => field.or(member),
        };
        self.fits(&message)?;
        let named = message.key.map(|key| (key, Content::of(&message.octets())));
        self.named(named, |press| Ok(format!(r#"{{"delivered":{}}}"#, press.deliver(&message))))
    }

    /// `POST /publish/batch`. Nothing of it is delivered unless all of it can be: whoever sent a
    /// batch with a fault in it sends all of it again, mended.
    pub(super) fn batch(mut self, headers: &HeaderMap, body: &[u8]) -> Reply {
        self.try_batch(headers, body).unwrap_or_else(|(problem, index)| match index {
            None => problem.reply(),
            Some(index) => problem.reply_at(index),
        })
    }

    fn try_batch(&mut self, headers: &HeaderMap, body: &[u8]) -> Result<Reply, (Problem, Option<usize>)> {
        let whole = |problem| (problem, None);
        let key = key_of_field(headers).map_err(whole)?;
        let batch: Batch = serde_json::from_slice(body).map_err(|_| {
            whole(MALFORMED(r#"The body must be JSON: {"messages": [{"room": ..., "data": ...}, ...]}"#))
        })?;
        if batch.messages.len() > BATCH_MAX {
            return Err(whole(BATCH_TOO_LONG));
        }
        let mut messages = Vec::with_capacity(batch.messages.len());
        let mut keys = HashSet::new();
        for (index, publish) in batch.messages.into_iter().enumerate() {
            let at = |problem| (problem, Some(index));
            let message = parse(publish).map_err(|title| at(MALFORMED(title)))?;
            self.fits(&message).map_err(at)?;
            if message.key.is_some_and(|key| !keys.insert(key)) {
                return Err(at(MALFORMED("Each idempotency_key of a batch must be another")));
            }
            messages.push(message);
        }
        let content = || Content::of(&messages.iter().flat_map(Message::octets).collect::<Vec<u8>>());
        let named = key.map(|key| (key, content()));
        let mut reused_at = None;
        let made = self.named(named, |press| {
            reused_at = messages.iter().position(|message| press.is_reused(message));
            if reused_at.is_some() {
                return Err(OTHER_CONTENT);
            }
            Ok(press.deliver_all(&messages))
        });
        made.map_err(|problem| (problem, reused_at))
    }

    /// Makes a publication, unless its key says that it has been made.
    fn named(
        &mut self,
        named: Option<(Key, Content)>,
        make: impl FnOnce(&mut Self) -> Result<String, Problem>,
    ) -> Result<Reply, Problem> {
        if let Some((key, content)) = &named {
            match self.published.known(key, *content, self.now) {
                Known::Answer(answer) => {
                    let mut first = accepted(answer);
                    first.headers_mut().insert(REPLAYED_FIELD, HeaderValue::from_static("true"));
                    self.ledger.publish_repeated();
                    return Ok(first);
                }
                Known::OtherContent => return Err(OTHER_CONTENT),
                Known::Nothing => {}
            }
        }
        if self.hub.is_congested() {
            return Err(CONGESTED);
        }
        let answer = make(self)?;
        if let Some((key, content)) = named {
            self.keep(key, content, &answer);
        }
        Ok(accepted(&answer))
    }

    /// Whether the key of a message has been used for something else.
    fn is_reused(&mut self, message: &Message) -> bool {
        message.key.is_some_and(|key| {
            let content = Content::of(&message.octets());
            self.published.known(&key, content, self.now) == Known::OtherContent
        })
    }

    /// Delivers messages in their order, but those that have been; the answer.
    fn deliver_all(&mut self, messages: &[Message]) -> String {
        let mut results = Vec::with_capacity(messages.len());
        for message in messages {
            let Some(key) = message.key else {
                results.push(format!(r#"{{"delivered":{}}}"#, self.deliver(message)));
                continue;
            };
            let content = Content::of(&message.octets());
            let made = match self.published.known(&key, content, self.now) {
                Known::Answer(answer) => Some(answer.to_owned()),
                Known::Nothing | Known::OtherContent => None,
            };
            let result = if let Some(answer) = made {
                self.ledger.publish_repeated();
                answer
            } else {
                let answer = format!(r#"{{"delivered":{}}}"#, self.deliver(message));
                self.keep(key, content, &answer);
                answer
            };
            results.push(result);
        }
        format!(r#"{{"results":[{}]}}"#, results.join(","))
    }

    fn keep(&mut self, key: Key, content: Content, answer: &str) {
        let forgotten = self.published.keep(key, content, answer, self.now);
        self.ledger.publish_keys_forgotten(forgotten);
    }

    fn fits(&self, message: &Message) -> Result<(), Problem> {
        if message.payload.len() > self.message_bytes { Err(TOO_BIG) } else { Ok(()) }
    }

    fn deliver(&self, message: &Message) -> usize {
        let Message { room, opcode, payload, key: _ } = message;
        let mut frame = Vec::with_capacity(codec::encoded_len(payload.len()));
        codec::encode(*opcode, payload, &mut frame);
        self.hub.publish_from_backend(room, &Bytes::from(frame))
    }
}

impl Message {
    /// What tells it from every other: a room's name holds no line feed.
    fn octets(&self) -> Vec<u8> {
        let kind: &[u8] = if self.opcode == Opcode::Text { b"\ntext\n" } else { b"\nbinary\n" };
        let length = self.payload.len().to_be_bytes();
        [self.room.as_str().as_bytes(), kind, &length, &self.payload].concat()
    }
}

fn accepted(answer: &str) -> Reply {
    reply(StatusCode::OK, "application/json", answer.to_owned())
}

pub(super) fn too_big() -> Reply {
    TOO_BIG.reply()
}

fn key_of_field(headers: &HeaderMap) -> Result<Option<Key>, Problem> {
    let mut lines = headers.get_all(KEY_FIELD).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let key = line.to_str().ok().and_then(Key::parse);
    match (key, lines.next()) {
        (Some(key), None) => Ok(Some(key)),
        (None, _) | (_, Some(_)) => {
            Err(MALFORMED("Idempotency-Key must be one key of 1 to 128 visible ASCII characters"))
        }
    }
}

fn parse(publish: Publish) -> Result<Message, &'static str> {
    let Publish { room, data, data_base64, idempotency_key } = publish;
    let room = RoomName::parse(&room).ok_or("room must be 1 to 128 of A-Z a-z 0-9 . _ ~ : @ -")?;
    let key = match idempotency_key {
        None => None,
        Some(key) => {
            Some(Key::parse(&key).ok_or("idempotency_key must be 1 to 128 visible ASCII characters")?)
        }
    };
    let (opcode, payload) = match (data, data_base64) {
        (Some(Value::String(text)), None) => (Opcode::Text, text.into_bytes()),
        (Some(other), None) => (Opcode::Text, other.to_string().into_bytes()),
        (None, Some(encoded)) => {
            let octets = STANDARD.decode(encoded).map_err(|_| "data_base64 must be standard base64")?;
            (Opcode::Binary, octets)
        }
        (Some(_), Some(_)) | (None, None) => return Err("Exactly one of data and data_base64 is required"),
    };
    Ok(Message { room, opcode, payload, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(body: &str) -> Result<(Opcode, Vec<u8>), &'static str> {
        let publish = serde_json::from_str(body).map_err(|_| "no publication")?;
        parse(publish).map(|message| (message.opcode, message.payload))
    }

    #[test]
    fn a_string_goes_as_its_text_other_json_as_its_serialization_base64_as_binary() {
        let text = |text: &str| Ok((Opcode::Text, text.as_bytes().to_vec()));
        assert_eq!(payload(r#"{"room":"a","data":"hi"}"#), text("hi"));
        assert_eq!(
            payload(r#"{"room":"a","data":{"b":1, "a":[true,null]}}"#),
            text(r#"{"b":1,"a":[true,null]}"#)
        );
        assert_eq!(payload(r#"{"room":"a","data":null}"#), text("null"));
        assert_eq!(payload(r#"{"room":"a","data_base64":"AP8="}"#), Ok((Opcode::Binary, vec![0, 255])));
    }

    #[test]
    fn what_is_no_publish_is_told_what_to_write() {
        for bad in [
            "",
            "[]",
            r#"{"data":"x"}"#,
            r#"{"room":"a"}"#,
            r#"{"room":"a b","data":1}"#,
            r#"{"room":"a","data":1,"data_base64":"AA=="}"#,
            r#"{"room":"a","data_base64":"!"}"#,
            r#"{"room":"a","data":1,"more":1}"#,
            r#"{"room":"a","room":"b","data":1}"#,
            r#"{"room":"a","data":1,"idempotency_key":""}"#,
            r#"{"room":"a","data":1,"idempotency_key":"a b"}"#,
        ] {
            assert!(payload(bad).is_err(), "{bad}");
        }
    }
}
