//! Owns a WebSocket server behind the gateway, which can break every rule of RFC 6455 on purpose.
//! Never knows the gateway: it sees one more client.

use super::Web;
use super::web::Peer;
use super::ws::Frame;
use std::io;
use tungstenite::handshake::derive_accept_key;

/// The right answer to an upgrade request, with further lines.
pub(crate) fn switching(head: &str, lines: &str) -> Vec<u8> {
    let accept = derive_accept_key(field(head, "sec-websocket-key").unwrap_or_default().as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{lines}\r\n"
    )
    .into_bytes()
}

/// The value of a field of a head.
pub(crate) fn field(head: &str, name: &str) -> Option<String> {
    head.lines().skip(1).find_map(|line| {
        let (own, value) = line.split_once(':')?;
        own.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// A frame of the gateway's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) last: bool,
    pub(crate) opcode: u8,
    pub(crate) key: [u8; 4],
    pub(crate) payload: Vec<u8>,
}

/// One accepted WebSocket, seen from the backend.
pub(crate) struct Caller<'a> {
    pub(crate) head: &'a str,
    peer: &'a mut dyn Peer,
    buffer: Vec<u8>,
}

impl Caller<'_> {
    /// The next frame; `None` at the end of the connection.
    pub(crate) fn frame(&mut self) -> Option<Sent> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Some(frame);
            }
            if !self.read_more() {
                return None;
            }
        }
    }

    /// The next whole message or control frame: its opcode and payload.
    pub(crate) fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut whole: Option<(u8, Vec<u8>)> = None;
        loop {
            let Sent { last, opcode, payload, .. } = self.frame()?;
            if opcode >= 8 {
                return Some((opcode, payload));
            }
            let open = whole.get_or_insert((opcode, Vec::new()));
            open.1.extend_from_slice(&payload);
            if last {
                return whole;
            }
        }
    }

    pub(crate) fn send(&mut self, frame: &Frame) {
        self.octets(&frame.clone().unmasked().octets());
    }

    /// Octets as they stand.
    pub(crate) fn octets(&mut self, octets: &[u8]) {
        let _ = self.peer.write_all(octets).and_then(|()| self.peer.flush());
    }

    fn read_more(&mut self) -> bool {
        let mut octets = [0; 4096];
        match self.peer.read(&mut octets) {
            Ok(n) if n > 0 => {
                self.buffer.extend_from_slice(&octets[..n]);
                true
            }
            Ok(_) => false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            Err(_) => false,
        }
    }

    fn take_frame(&mut self) -> Option<Sent> {
        let (&[first, second], rest) = self.buffer.split_first_chunk::<2>()?;
        assert_eq!(first & 0x70, 0, "nothing was negotiated");
        assert_eq!(second & 0x80, 0x80, "a client must mask (RFC 6455 section 5.1)");
        let (length, at) = match second & 0x7F {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), 10),
            short => (u64::from(short), 2),
        };
        let key: [u8; 4] = *self.buffer.get(at..)?.first_chunk()?;
        let end = at + 4 + usize::try_from(length).expect("a length");
        let masked = self.buffer.get(at + 4..end)?;
        let payload = masked.iter().enumerate().map(|(index, octet)| octet ^ key[index % 4]).collect();
        self.buffer.drain(..end);
        Some(Sent { last: first & 0x80 != 0, opcode: first & 0x0F, key, payload })
    }

    /// Sends every message back as it came, answers pings and a Close, until the end.
    pub(crate) fn echo(&mut self) {
        while let Some((opcode, payload)) = self.message() {
            match opcode {
                8 => {
                    self.send(&Frame::new(8, payload));
                    return;
                }
                9 => self.send(&Frame::pong(payload)),
                10 => {}
                kind => self.send(&Frame::new(kind, payload)),
            }
        }
    }
}

/// Accepts with these further lines, and goes on so.
pub(crate) fn serve(web: &Web, lines: &'static str, act: impl Fn(&mut Caller<'_>) + Send + Sync + 'static) {
    web.act(move |head, peer| {
        let _ = peer.write_all(&switching(head, lines)).and_then(|()| peer.flush());
        act(&mut Caller { head, peer, buffer: Vec::new() });
    });
}

/// A backend that echoes.
pub(crate) fn echo() -> Web {
    let web = Web::http();
    serve(&web, "", |caller| caller.echo());
    web
}

/// A backend that does this with every WebSocket.
pub(crate) fn backend(act: impl Fn(&mut Caller<'_>) + Send + Sync + 'static) -> Web {
    let web = Web::http();
    serve(&web, "", act);
    web
}

/// A route to these backends.
pub(crate) fn route(urls: &[String], more: &str) -> String {
    let urls: Vec<String> = urls.iter().map(|url| format!("'{url}'")).collect();
    format!(
        "[[route]]\npath = '/chat/{{room}}'\nkind = 'broadcast'\n\
         [[route]]\npath = '/legacy'\nkind = 'proxy'\nupstream = [{}]\n{more}\n",
        urls.join(", ")
    )
}

/// The URL of a backend that is reached by TCP.
pub(crate) fn url(web: &Web) -> String {
    format!("ws://127.0.0.1:{}/", web.port())
}
