//! Owns the body of `POST /publish` and what becomes of it.
//! Never knows who is in a room.

use super::reply::{Reply, json, problem};
use crate::broadcast::Hub;
use crate::codec::{self, Opcode};
use crate::room::RoomName;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

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
}

/// `null` is data too: only a member that is not there is none.
fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

/// Publishes what `body` asks for; at most `message_bytes` of payload.
pub(super) fn publish(body: &[u8], hub: &Hub, message_bytes: usize) -> Reply {
    let (room, opcode, payload) = match parse(body) {
        Ok(parsed) => parsed,
        Err(title) => return problem(StatusCode::BAD_REQUEST, "publish_malformed", title),
    };
    if payload.len() > message_bytes {
        return too_big();
    }
    if hub.is_congested() {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "congested", "The workers are behind: try again");
    }
    let mut frame = Vec::with_capacity(codec::encoded_len(payload.len()));
    codec::encode(opcode, &payload, &mut frame);
    let delivered = hub.publish_from_backend(&room, &Bytes::from(frame));
    json(StatusCode::OK, &serde_json::json!({ "delivered": delivered }))
}

pub(super) fn too_big() -> Reply {
    problem(StatusCode::PAYLOAD_TOO_LARGE, "message_too_big", "The message is over message_bytes")
}

fn parse(body: &[u8]) -> Result<(RoomName, Opcode, Vec<u8>), &'static str> {
    let publish: Publish = serde_json::from_slice(body).map_err(
        |_| r#"The body must be JSON: {"room": ..., "data": ...} or {"room": ..., "data_base64": ...}"#,
    )?;
    let room = RoomName::parse(&publish.room).ok_or("room must be 1 to 128 of A-Z a-z 0-9 . _ ~ : @ -")?;
    match (publish.data, publish.data_base64) {
        (Some(Value::String(text)), None) => Ok((room, Opcode::Text, text.into_bytes())),
        (Some(other), None) => Ok((room, Opcode::Text, other.to_string().into_bytes())),
        (None, Some(encoded)) => {
            let octets = STANDARD.decode(encoded).map_err(|_| "data_base64 must be standard base64")?;
            Ok((room, Opcode::Binary, octets))
        }
        (Some(_), Some(_)) | (None, None) => Err("Exactly one of data and data_base64 is required"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(body: &str) -> Result<(Opcode, Vec<u8>), &'static str> {
        parse(body.as_bytes()).map(|(_, opcode, payload)| (opcode, payload))
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
        ] {
            assert!(payload(bad).is_err(), "{bad}");
        }
    }
}
