//! Owns a request head in the making: a good one, and every way to make it bad.
//! Never knows what the answer should be.

use super::MARK;
use super::answer::Answer;
use super::conn::Conn;
use super::target::Place;
use super::ws::Ws;

/// The sample key of RFC 6455 section 1.3.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// Its answer.
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A request head, line by line.
#[derive(Clone)]
pub(crate) struct Handshake {
    request_line: Vec<u8>,
    lines: Vec<Vec<u8>>,
    line_end: &'static [u8],
    behind: Vec<u8>,
}

impl Handshake {
    /// A request that RFC 6455 section 4.2.1 and every rule of the gateway are content with.
    pub(crate) fn good(host: &str, path: &str, origin: &str, token: &str) -> Handshake {
        let request = Handshake {
            request_line: format!("GET {path} HTTP/1.1").into_bytes(),
            lines: Vec::new(),
            line_end: b"\r\n",
            behind: Vec::new(),
        };
        request
            .add("Host", host)
            .add("User-Agent", MARK)
            .add("Upgrade", "websocket")
            .add("Connection", "Upgrade")
            .add("Sec-WebSocket-Key", KEY)
            .add("Sec-WebSocket-Version", "13")
            .add("Origin", origin)
            .add("Authorization", format!("Bearer {token}"))
    }

    /// Another request line, as it stands.
    pub(crate) fn request_line(mut self, line: impl AsRef<[u8]>) -> Handshake {
        self.request_line = line.as_ref().to_vec();
        self
    }

    /// Another request target.
    pub(crate) fn target(self, target: impl AsRef<[u8]>) -> Handshake {
        self.request_line([b"GET ", target.as_ref(), b" HTTP/1.1"].concat())
    }

    /// The request target as it stands.
    pub(crate) fn path(&self) -> String {
        let line = String::from_utf8_lossy(&self.request_line).into_owned();
        line.split(' ').nth(1).unwrap_or("/").to_owned()
    }

    /// Another method.
    pub(crate) fn method(self, method: &str) -> Handshake {
        let path = self.path();
        self.request_line(format!("{method} {path} HTTP/1.1"))
    }

    /// Appends a query to the target.
    pub(crate) fn query(self, query: &str) -> Handshake {
        let target = format!("{}?{query}", self.path());
        self.target(target)
    }

    /// The field with this value alone, in the place of the first line that it had.
    pub(crate) fn set(mut self, name: &str, value: impl AsRef<[u8]>) -> Handshake {
        let line = line(name, value.as_ref());
        match self.lines.iter().position(|own| is_of(own, name)) {
            Some(at) => {
                self.lines[at] = line;
                let mut index = 0;
                self.lines.retain(|own| {
                    index += 1;
                    index - 1 <= at || !is_of(own, name)
                });
                self
            }
            None => self.raw(line),
        }
    }

    /// One more line of the field.
    pub(crate) fn add(self, name: &str, value: impl AsRef<[u8]>) -> Handshake {
        let line = line(name, value.as_ref());
        self.raw(line)
    }

    /// No line of the field.
    pub(crate) fn remove(mut self, name: &str) -> Handshake {
        self.lines.retain(|own| !is_of(own, name));
        self
    }

    /// Whether a line of the field is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.lines.iter().any(|line| is_of(line, name))
    }

    /// A line as it stands, without its end.
    pub(crate) fn raw(mut self, line: impl AsRef<[u8]>) -> Handshake {
        self.lines.push(line.as_ref().to_vec());
        self
    }

    /// A line as it stands, before all others.
    pub(crate) fn raw_first(mut self, line: impl AsRef<[u8]>) -> Handshake {
        self.lines.insert(0, line.as_ref().to_vec());
        self
    }

    /// Another end for every line.
    pub(crate) fn line_end(mut self, end: &'static [u8]) -> Handshake {
        self.line_end = end;
        self
    }

    /// Octets right behind the head.
    pub(crate) fn behind(mut self, octets: impl AsRef<[u8]>) -> Handshake {
        self.behind = octets.as_ref().to_vec();
        self
    }

    /// The same request for the relayed twin of the room; what is wrong with it stays wrong. `None` where
    /// the request line leads to no room.
    pub(crate) fn for_backend(mut self) -> Option<Handshake> {
        // The names are of one length, so that what is long stays as long as it is.
        let (room, twin) = (b"/chat/", b"/back/");
        let at = self.request_line.windows(room.len()).position(|octets| octets == room)?;
        self.request_line[at..at + twin.len()].copy_from_slice(twin);
        Some(self)
    }

    /// The same request for an event stream of the room, on the tests' route that serves them; what is
    /// wrong with it stays wrong.
    pub(crate) fn for_stream(mut self) -> Handshake {
        let line = String::from_utf8_lossy(&self.request_line).replace("/chat/", "/events/");
        self.request_line = line.into_bytes();
        for name in ["Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"] {
            self = self.remove(name);
        }
        self.add("Accept", "text/event-stream")
    }

    /// The same request for updates of the hub; `None` where what is wrong with it is the path or a
    /// cookie, which are others there.
    pub(crate) fn for_hub(self) -> Option<Handshake> {
        let path = self.path();
        let query = path.strip_prefix("/chat/lobby")?;
        if self.has("Cookie") || !(query.is_empty() || query.starts_with('?')) {
            return None;
        }
        let query = query.strip_prefix('?').map_or(String::new(), |query| format!("&{query}"));
        let line = String::from_utf8_lossy(&self.request_line)
            .replace(&path, &format!("/.well-known/mercure?topic=a{query}"));
        Some(self.for_stream().request_line(line))
    }

    /// The same request as a POST with this body.
    pub(crate) fn for_post(self, body: impl AsRef<[u8]>) -> Handshake {
        let body = body.as_ref();
        let length = body.len().to_string();
        self.for_stream().remove("Accept").method("POST").add("Content-Length", length).behind(body)
    }

    /// Another token in the Authorization field.
    pub(crate) fn bearer(self, token: &str) -> Handshake {
        self.set("Authorization", format!("Bearer {token}"))
    }

    /// The token that the request carries.
    pub(crate) fn token(&self) -> String {
        let value = self.lines.iter().find_map(|line| line.strip_prefix(b"Authorization: Bearer "));
        String::from_utf8(value.expect("a bearer token").to_vec()).expect("a token")
    }

    /// The head as it goes out.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let mut octets = [&self.request_line, self.line_end].concat();
        for line in &self.lines {
            octets.extend_from_slice(line);
            octets.extend_from_slice(self.line_end);
        }
        octets.extend_from_slice(self.line_end);
        octets.extend_from_slice(&self.behind);
        octets
    }

    /// The values that an answer must not repeat.
    pub(crate) fn values(&self) -> Vec<String> {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).trim().to_owned();
        let mut values: Vec<String> = self
            .lines
            .iter()
            .filter_map(|line| {
                let at = line.iter().position(|octet| *octet == b':')?;
                Some(text(&line[at + 1..]))
            })
            .collect();
        values.push(self.path());
        values
    }

    /// Sends it on a connection of its own and reads the whole answer.
    pub(crate) fn ask(&self, place: &Place) -> Answer {
        let mut conn = Conn::open(place);
        conn.send(&self.octets());
        conn.try_answer().unwrap_or_else(|fault| panic!("no answer to {self:?}: {fault}"))
    }

    /// Sends it on a connection of its own; it must be admitted.
    pub(crate) fn open(&self, place: &Place) -> Ws {
        self.open_on(Conn::open(place))
    }

    /// Sends it on this connection; it must be admitted.
    pub(crate) fn open_on(&self, mut conn: Conn) -> Ws {
        conn.send(&self.octets());
        let answer = conn.try_answer().unwrap_or_else(|fault| panic!("no answer to {self:?}: {fault}"));
        assert_eq!(answer.status, 101, "{answer:?} to {self:?}");
        Ws::new(conn, answer)
    }
}

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let octets = self.octets();
        let shown = &octets[..octets.len().min(1500)];
        write!(f, "{:?}", String::from_utf8_lossy(shown))
    }
}

fn line(name: &str, value: &[u8]) -> Vec<u8> {
    [name.as_bytes(), b": ", value].concat()
}

fn is_of(line: &[u8], name: &str) -> bool {
    let length = name.len();
    line.len() > length && line[length] == b':' && line[..length].eq_ignore_ascii_case(name.as_bytes())
}
