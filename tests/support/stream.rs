//! Owns the reading end of an event stream.
//! Never knows rooms, topics or tokens.

use super::answer::{Answer, End, read_more};
use super::conn::Conn;
use super::handshake::Handshake;
use super::target::Place;

/// What a stream brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Event(Event),
    Comment(String),
    End(End),
}

/// One event with all its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<String>,
    pub(crate) data: String,
}

/// An event stream that is open.
pub(crate) struct Stream {
    pub(crate) conn: Conn,
    pub(crate) answer: Answer,
    buffer: Vec<u8>,
}

impl Stream {
    /// Sends a request that must be answered with a stream.
    pub(crate) fn open(request: &Handshake, place: &Place) -> Stream {
        Stream::open_on(request, Conn::open(place))
    }

    pub(crate) fn open_on(request: &Handshake, mut conn: Conn) -> Stream {
        conn.send(&request.octets());
        let answer = conn.answer();
        assert_eq!(answer.status, 200, "{answer:?} to {request:?}");
        assert_eq!(answer.field("content-type"), Some("text/event-stream"), "{answer:?}");
        let buffer = answer.rest.clone();
        let mut stream = Stream { conn, answer, buffer };
        assert_eq!(stream.next(), Got::Comment(String::new()), "the first words");
        stream
    }

    /// What comes next. A comment is a line of its own, an event ends with an empty line.
    pub(crate) fn next(&mut self) -> Got {
        let mut event = Event::default();
        let mut data: Option<String> = None;
        loop {
            let line = match self.line() {
                Ok(line) => line,
                Err(end) => return Got::End(end),
            };
            if line.is_empty() {
                if let Some(data) = data.take() {
                    return Got::Event(Event { data, ..event });
                }
                continue;
            }
            let (name, value) = line.split_once(':').expect("a field or a comment");
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match name {
                "" => return Got::Comment(value),
                "event" => event.kind = Some(value),
                "id" => event.id = Some(value),
                "retry" => event.retry = Some(value),
                "data" => data = Some(data.map_or(value.clone(), |before| format!("{before}\n{value}"))),
                other => panic!("a field {other:?}"),
            }
        }
    }

    fn line(&mut self) -> Result<String, End> {
        loop {
            if let Some(at) = self.buffer.iter().position(|octet| *octet == b'\n') {
                let line = self.buffer.drain(..=at).collect::<Vec<_>>();
                return Ok(String::from_utf8(line[..at].to_vec()).expect("UTF-8"));
            }
            if let Some(end) = read_more(&mut self.conn.0, &mut self.buffer) {
                return Err(end);
            }
        }
    }

    /// The next event; heartbeats are passed over.
    pub(crate) fn event(&mut self) -> Event {
        loop {
            match self.next() {
                Got::Event(event) => return event,
                Got::Comment(_) => {}
                Got::End(end) => panic!("the stream ended: {end:?}"),
            }
        }
    }

    /// The next event is a message with this data and nothing else.
    pub(crate) fn expect(&mut self, data: &str) {
        assert_eq!(self.event(), Event { data: data.to_owned(), ..Event::default() });
    }

    /// The next event says why the stream ends, and then it ends.
    pub(crate) fn expect_close(&mut self, code: u16, reason: &str) {
        let event = self.event();
        assert_eq!(event.kind.as_deref(), Some("close"), "{event:?}");
        assert_eq!(event.data, format!("{{\"code\":{code},\"reason\":\"{reason}\"}}"));
        assert_eq!(self.next(), Got::End(End::Clean));
    }
}
