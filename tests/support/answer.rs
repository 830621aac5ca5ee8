//! Owns one HTTP answer as it came, octet for octet, and how its connection ended.
//! Never knows what the answer should have been.

use std::io::{self, ErrorKind, Read};

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The other end said so: close_notify in TLS, the end of the stream without TLS.
    Clean,
    /// The end of the stream without a close_notify.
    Truncated,
    /// A reset.
    Reset,
    /// A fatal alert of TLS.
    Alert,
    /// Nothing: it was still open when patience ran out.
    Open,
}

/// An HTTP answer.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// What came behind the head of a 101, or of an event stream.
    pub(crate) rest: Vec<u8>,
    /// All of it.
    pub(crate) octets: Vec<u8>,
    pub(crate) end: End,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, {:?}", String::from_utf8_lossy(&self.octets), self.end)
    }
}

impl Answer {
    /// Reads an answer and the end of its connection; a 101 ends with its head, and so does an event
    /// stream, which has no end of its own.
    pub(crate) fn read_whole(stream: &mut (impl Read + ?Sized)) -> io::Result<Answer> {
        let mut octets = Vec::new();
        let mut end = None;
        while end.is_none() {
            if let Some(head) = head_length(&octets)
                && (octets.starts_with(b"HTTP/1.1 101 ") || is_stream(&octets[..head]))
            {
                return Answer::parse(octets, head, End::Open);
            }
            end = read_more(stream, &mut octets);
        }
        let end = end.unwrap_or(End::Open);
        match head_length(&octets) {
            Some(head) => Answer::parse(octets, head, end),
            None => Err(io::Error::other(format!("{:?}, then {end:?}", String::from_utf8_lossy(&octets)))),
        }
    }

    fn parse(octets: Vec<u8>, head: usize, end: End) -> io::Result<Answer> {
        let text = String::from_utf8(octets[..head].to_vec()).map_err(io::Error::other)?;
        let mut lines = text.split("\r\n");
        let status =
            lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).and_then(|line| line.get(..3));
        let status =
            status.and_then(|status| status.parse().ok()).ok_or_else(|| io::Error::other(text.clone()))?;
        let fields: Option<Vec<_>> = lines
            .filter(|line| !line.is_empty())
            .map(|line| {
                line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            })
            .collect();
        let fields = fields.ok_or_else(|| io::Error::other(text.clone()))?;
        let mut answer = Answer { status, fields, body: Vec::new(), rest: Vec::new(), octets, end };
        let behind = answer.octets[head..].to_vec();
        if status == 101 || is_stream(&answer.octets[..head]) {
            answer.rest = behind;
        } else {
            answer.body = answer.body_of(behind)?;
        }
        Ok(answer)
    }

    /// The body by its announced length: anything behind it would be a second answer.
    fn body_of(&self, behind: Vec<u8>) -> io::Result<Vec<u8>> {
        if self.field("transfer-encoding") == Some("chunked") {
            return unchunked(&behind).ok_or_else(|| io::Error::other(format!("bad chunks in {self:?}")));
        }
        match self.field("content-length").map(str::parse::<usize>) {
            Some(Ok(length)) if length == behind.len() => Ok(behind),
            None if self.status == 204 && behind.is_empty() => Ok(behind),
            length => {
                Err(io::Error::other(format!("{} octets of body announced as {length:?}", behind.len())))
            }
        }
    }

    /// The value of a field that is there once; a second one fails the test.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let first = values.next();
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        first
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|fault| panic!("{fault}: {self:?}"))
    }
}

/// Reads once; the end, if it has come.
pub(crate) fn read_more(stream: &mut (impl Read + ?Sized), into: &mut Vec<u8>) -> Option<End> {
    let mut buffer = [0; 16 << 10];
    match stream.read(&mut buffer) {
        Ok(0) => Some(End::Clean),
        Ok(octets) => {
            into.extend_from_slice(&buffer[..octets]);
            None
        }
        Err(fault) if fault.kind() == ErrorKind::Interrupted => None,
        Err(fault) => Some(match fault.kind() {
            ErrorKind::UnexpectedEof => End::Truncated,
            ErrorKind::WouldBlock | ErrorKind::TimedOut => End::Open,
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => End::Reset,
            _ => End::Alert,
        }),
    }
}

fn is_stream(head: &[u8]) -> bool {
    String::from_utf8_lossy(head).contains("\r\ncontent-type: text/event-stream\r\n")
}

fn head_length(octets: &[u8]) -> Option<usize> {
    octets.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn unchunked(mut octets: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = octets.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&octets[..line]).ok()?, 16).ok()?;
        octets = octets.get(line + 2..)?;
        body.extend_from_slice(octets.get(..size)?);
        octets = octets.get(size + 2..)?;
        if size == 0 {
            return octets.is_empty().then_some(body);
        }
    }
}
