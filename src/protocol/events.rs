//! Owns the text of an event stream (HTML standard, "Server-sent events").
//! Never knows who reads it, nor where a message came from.

use crate::codec::Opcode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A line that every reader ignores: the first words of a stream, and its heartbeat.
pub const COMMENT: &[u8] = b":\n";

/// Appends a message of a room: text as it is, anything else as base64 in an event of the type
/// `binary`, as a stream has only text.
pub fn encode_message(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    match (opcode, std::str::from_utf8(payload)) {
        (Opcode::Text, Ok(text)) => encode_data(text, out),
        // A text message is UTF-8: the session that took it has seen to that.
        (Opcode::Text | Opcode::Binary | Opcode::Ping | Opcode::Pong, _) => {
            out.extend_from_slice(b"event: binary\n");
            encode_data(&STANDARD.encode(payload), out);
        }
    }
    out.push(b'\n');
}

/// Appends the last event of a stream of a room, which says why it ends.
pub fn encode_close(code: u16, reason: &str, out: &mut Vec<u8>) {
    let data = format!("event: close\ndata: {{\"code\":{code},\"reason\":\"{reason}\"}}\n\n");
    out.extend_from_slice(data.as_bytes());
}

/// Appends a comment; nothing from outside stands in it.
pub fn encode_comment(comment: &'static str, out: &mut Vec<u8>) {
    out.push(b':');
    out.extend_from_slice(comment.as_bytes());
    out.push(b'\n');
}

/// Appends data, a line for each of its lines: CRLF, LF and CR end one, so no text can end the
/// event before its end, or begin a field of its own.
pub fn encode_data(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    loop {
        let (line, behind) = match rest.find(['\r', '\n']) {
            None => (rest, None),
            Some(at) => {
                let (line, behind) = rest.split_at(at);
                let behind = behind.strip_prefix("\r\n").or_else(|| behind.get(1..));
                (line, Some(behind.unwrap_or_default()))
            }
        };
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
        match behind {
            Some(behind) => rest = behind,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(opcode: Opcode, payload: &[u8]) -> String {
        let mut out = Vec::new();
        encode_message(opcode, payload, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    /// What a browser makes of a stream: the type and data of each event.
    fn read(stream: &str) -> Vec<(String, String)> {
        let mut events = Vec::new();
        let (mut kind, mut data) = (String::new(), None::<String>);
        for line in stream.replace("\r\n", "\n").split(['\r', '\n']) {
            if line.is_empty() {
                if let Some(data) = data.take() {
                    events.push((std::mem::take(&mut kind), data));
                }
                continue;
            }
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "event" => value.clone_into(&mut kind),
                "data" => match &mut data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    None => data = Some(value.to_owned()),
                },
                "" => {}
                other => panic!("a field {other:?} of {stream:?}"),
            }
        }
        events
    }

    #[test]
    fn a_message_is_one_event_with_a_line_for_each_of_its_lines() {
        for (text, stream) in [
            ("hi", "data: hi\n\n"),
            ("", "data: \n\n"),
            ("a\nb", "data: a\ndata: b\n\n"),
            ("a\r\nb\rc\n", "data: a\ndata: b\ndata: c\ndata: \n\n"),
            ("a\n\nevent: close", "data: a\ndata: \ndata: event: close\n\n"),
            (": x", "data: : x\n\n"),
        ] {
            assert_eq!(message(Opcode::Text, text.as_bytes()), stream, "{text:?}");
        }
        assert_eq!(message(Opcode::Binary, &[0, 255]), "event: binary\ndata: AP8=\n\n");
        assert_eq!(message(Opcode::Text, &[0xff]), "event: binary\ndata: /w==\n\n");
    }

    #[test]
    fn the_last_event_says_why() {
        let mut out = Vec::new();
        encode_close(3000, "authority_expired", &mut out);
        let events = read(std::str::from_utf8(&out).expect("UTF-8"));
        let data = r#"{"code":3000,"reason":"authority_expired"}"#;
        assert_eq!(events, [("close".to_owned(), data.to_owned())]);
    }

    proptest! {
        #[test]
        fn no_text_becomes_more_or_other_than_its_own_event(text in any::<String>()) {
            let normal = text.replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(read(&message(Opcode::Text, text.as_bytes())), vec![(String::new(), normal)]);
        }
    }
}
