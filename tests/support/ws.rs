//! Owns the other end of a WebSocket, which can break every rule of RFC 6455 on purpose.
//! Never knows rooms or tokens.

use super::answer::{Answer, End, read_more};
use super::conn::Conn;
use std::time::Duration;

/// A frame in the making.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// FIN, RSV1 to RSV3 and the opcode.
    first: u8,
    masked: bool,
    length: Length,
    payload: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Length {
    Minimal,
    Sixteen,
    SixtyFour,
    Announced(u64),
}

impl Frame {
    /// A whole, masked frame with this opcode.
    pub(crate) fn new(opcode: u8, payload: impl AsRef<[u8]>) -> Frame {
        Frame {
            first: 0x80 | opcode,
            masked: true,
            length: Length::Minimal,
            payload: payload.as_ref().to_vec(),
        }
    }

    pub(crate) fn text(payload: impl AsRef<[u8]>) -> Frame {
        Frame::new(1, payload)
    }

    pub(crate) fn binary(payload: impl AsRef<[u8]>) -> Frame {
        Frame::new(2, payload)
    }

    pub(crate) fn continuation(payload: impl AsRef<[u8]>) -> Frame {
        Frame::new(0, payload)
    }

    pub(crate) fn ping(payload: impl AsRef<[u8]>) -> Frame {
        Frame::new(9, payload)
    }

    pub(crate) fn pong(payload: impl AsRef<[u8]>) -> Frame {
        Frame::new(10, payload)
    }

    pub(crate) fn close(code: u16, reason: impl AsRef<[u8]>) -> Frame {
        Frame::new(8, [&code.to_be_bytes()[..], reason.as_ref()].concat())
    }

    /// Without FIN.
    pub(crate) fn open_ended(mut self) -> Frame {
        self.first &= 0x7F;
        self
    }

    /// With these bits of 0x70 set.
    pub(crate) fn reserved(mut self, bits: u8) -> Frame {
        self.first |= bits;
        self
    }

    pub(crate) fn unmasked(mut self) -> Frame {
        self.masked = false;
        self
    }

    /// With the length in 16 bits, however short it is.
    pub(crate) fn long_form(mut self) -> Frame {
        self.length = Length::Sixteen;
        self
    }

    /// With the length in 64 bits, however short it is.
    pub(crate) fn longest_form(mut self) -> Frame {
        self.length = Length::SixtyFour;
        self
    }

    /// With this length announced in 64 bits, whatever the payload is.
    pub(crate) fn announcing(mut self, length: u64) -> Frame {
        self.length = Length::Announced(length);
        self
    }

    /// What it carries of a message; `None` of a control frame.
    pub(crate) fn data(&self) -> Option<&[u8]> {
        (self.first & 8 == 0).then_some(self.payload.as_slice())
    }

    /// The frame as it goes out.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let mut octets = vec![self.first];
        let mask_bit = if self.masked { 0x80 } else { 0 };
        let length = self.payload.len() as u64;
        match self.length {
            Length::Minimal if length < 126 => octets.push(mask_bit | length as u8),
            Length::Minimal if length < 1 << 16 => sixteen(&mut octets, mask_bit, length),
            Length::Minimal | Length::SixtyFour => sixty_four(&mut octets, mask_bit, length),
            Length::Sixteen => sixteen(&mut octets, mask_bit, length),
            Length::Announced(announced) => sixty_four(&mut octets, mask_bit, announced),
        }
        let mask = if self.masked { [0x1A, 0x2B, 0x3C, 0x4D] } else { [0; 4] };
        if self.masked {
            octets.extend_from_slice(&mask);
        }
        octets.extend(self.payload.iter().enumerate().map(|(index, octet)| octet ^ mask[index % 4]));
        octets
    }
}

fn sixteen(octets: &mut Vec<u8>, mask_bit: u8, length: u64) {
    octets.push(mask_bit | 126);
    octets.extend_from_slice(&(length as u16).to_be_bytes());
}

fn sixty_four(octets: &mut Vec<u8>, mask_bit: u8, length: u64) {
    octets.push(mask_bit | 127);
    octets.extend_from_slice(&length.to_be_bytes());
}

/// A frame that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// Opcode and payload of a message with RSV1 set (RFC 7692 section 6).
    Compressed(u8, Vec<u8>),
    Close(Option<u16>, String),
    End(End),
}

fn got(opcode: u8, payload: Vec<u8>) -> Got {
    match opcode {
        1 => Got::Text(String::from_utf8(payload).expect("text is UTF-8")),
        2 => Got::Binary(payload),
        8 if payload.is_empty() => Got::Close(None, String::new()),
        8 => {
            let code = u16::from_be_bytes([payload[0], payload[1]]);
            Got::Close(Some(code), String::from_utf8(payload[2..].to_vec()).expect("a reason is UTF-8"))
        }
        9 => Got::Ping(payload),
        10 => Got::Pong(payload),
        opcode => panic!("opcode {opcode}"),
    }
}

/// An open WebSocket.
pub(crate) struct Ws {
    pub(crate) conn: Conn,
    pub(crate) answer: Answer,
    buffer: Vec<u8>,
    /// What has come of a message in fragments.
    open: Option<(u8, Vec<u8>)>,
}

impl Ws {
    pub(crate) fn new(conn: Conn, answer: Answer) -> Ws {
        Ws { conn, buffer: answer.rest.clone(), answer, open: None }
    }

    pub(crate) fn send(&mut self, frame: &Frame) {
        self.conn.send(&frame.octets());
    }

    pub(crate) fn text(&mut self, payload: &str) {
        self.send(&Frame::text(payload));
    }

    /// The next frame, whatever it is, or the end.
    pub(crate) fn next(&mut self) -> Got {
        loop {
            if let Some(got) = self.take_frame() {
                return got;
            }
            if let Some(end) = read_more(&mut self.conn.0, &mut self.buffer) {
                return Got::End(end);
            }
        }
    }

    /// The next frame that is no ping; pings are answered.
    pub(crate) fn read(&mut self) -> Got {
        loop {
            match self.next() {
                Got::Ping(payload) => self.send(&Frame::pong(payload)),
                other => return other,
            }
        }
    }

    /// The next control frame, or message, put together from its frames.
    fn take_frame(&mut self) -> Option<Got> {
        loop {
            let (first, payload) = self.take_one()?;
            let (last, opcode) = (first & 0x80 != 0, first & 0x0F);
            if first & 0x40 != 0 {
                return Some(Got::Compressed(opcode, payload));
            }
            let (kind, whole) = match (opcode, last) {
                (8.., _) | (1 | 2, true) => (opcode, payload),
                (1 | 2, false) => {
                    assert!(self.open.is_none(), "one message after the other");
                    self.open = Some((opcode, payload));
                    continue;
                }
                (_, _) => {
                    let (kind, mut octets) = self.open.take().expect("a continuation of something");
                    octets.extend_from_slice(&payload);
                    if !last {
                        self.open = Some((kind, octets));
                        continue;
                    }
                    (kind, octets)
                }
            };
            return Some(got(kind, whole));
        }
    }

    fn take_one(&mut self) -> Option<(u8, Vec<u8>)> {
        let (&[first, second], rest) = self.buffer.split_first_chunk::<2>()?;
        assert_eq!(second & 0x80, 0, "a server must not mask (RFC 6455 section 5.1)");
        assert_eq!(first & 0x30, 0, "the gateway sends RSV1 at most");
        let (length, at) = match second {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), 10),
            short => (u64::from(short), 2),
        };
        assert!(length < 126 || second >= 126 && (length >= 1 << 16 || second == 126), "a minimal length");
        let end = at + usize::try_from(length).expect("a length");
        let payload = self.buffer.get(at..end)?.to_vec();
        self.buffer.drain(..end);
        Some((first, payload))
    }

    pub(crate) fn expect_text(&mut self, payload: &str) {
        assert_eq!(self.read(), Got::Text(payload.to_owned()));
    }

    pub(crate) fn expect_binary(&mut self, payload: &[u8]) {
        assert_eq!(self.read(), Got::Binary(payload.to_vec()));
    }

    /// The next frame must be a Close with this code and reason; the connection must then end
    /// although this end does not answer.
    pub(crate) fn expect_violation(&mut self, code: u16, reason: &str) {
        assert_eq!(self.read(), Got::Close(Some(code), reason.to_owned()));
        assert_eq!(self.next(), Got::End(End::Clean), "the connection ends after the Close");
    }

    /// A Close with this code and reason comes before anything but pings; it is answered, and the
    /// connection then ends.
    pub(crate) fn expect_close(&mut self, code: u16, reason: &str) {
        assert_eq!(self.read(), Got::Close(Some(code), reason.to_owned()));
        self.send(&Frame::close(code, ""));
        assert_eq!(self.next(), Got::End(End::Clean), "the connection ends after the closing handshake");
    }

    /// Proves that everything sent before has been dealt with: a ping is answered in order.
    pub(crate) fn settle(&mut self) {
        self.send(&Frame::ping("settle"));
        assert_eq!(self.read(), Got::Pong(b"settle".to_vec()));
    }

    /// The same where pongs or messages are still on their way.
    pub(crate) fn settle_after_others(&mut self) {
        self.send(&Frame::ping("settle"));
        loop {
            match self.read() {
                Got::Pong(payload) if payload == b"settle" => return,
                Got::Pong(_) | Got::Text(_) | Got::Binary(_) => {}
                other => panic!("{other:?} instead of a pong"),
            }
        }
    }

    /// A violation where pongs or messages are still on their way.
    pub(crate) fn expect_violation_after_others(&mut self, code: u16, reason: &str) {
        let last = loop {
            match self.read() {
                Got::Pong(_) | Got::Text(_) | Got::Binary(_) => {}
                other => break other,
            }
        };
        assert_eq!(last, Got::Close(Some(code), reason.to_owned()));
        assert_eq!(self.next(), Got::End(End::Clean), "the connection ends after the Close");
    }

    /// Nothing came before the answer to a ping that is sent now.
    pub(crate) fn expect_nothing(&mut self) {
        self.settle();
    }

    /// Whether nothing comes within this time; what comes is kept.
    pub(crate) fn is_silent_for(&mut self, time: Duration) -> bool {
        let before = self.conn.0.sock.read_timeout().expect("a socket");
        self.conn.0.sock.set_read_timeout(Some(time)).expect("a socket");
        let silent =
            self.buffer.is_empty() && read_more(&mut self.conn.0, &mut self.buffer) == Some(End::Open);
        self.conn.0.sock.set_read_timeout(before).expect("a socket");
        silent
    }

    /// Starts the closing handshake and sees it through.
    pub(crate) fn leave(mut self) {
        self.send(&Frame::close(1000, ""));
        assert_eq!(self.read(), Got::Close(Some(1000), String::new()));
        assert_eq!(self.next(), Got::End(End::Clean));
    }
}
