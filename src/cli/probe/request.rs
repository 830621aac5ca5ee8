//! Owns a request head in the making: the honest one, and what an attack changes in it.
//! Never knows what an attack is after.

/// The sample key of RFC 6455 section 1.3: a key is no secret.
pub(super) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What it must be answered with.
pub(super) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What a good handshake with the endpoint is made of.
#[derive(Clone, Debug)]
pub(super) struct Honest {
    /// As in a URL: with the port where it is not the scheme's.
    pub(super) host: String,
    /// Path and query.
    pub(super) target: String,
    pub(super) origin: String,
    pub(super) token: Option<String>,
}

impl Honest {
    pub(super) fn request(&self) -> Request {
        let request = Request {
            line: format!("GET {} HTTP/1.1", self.target),
            fields: Vec::new(),
            line_end: "\r\n",
            behind: Vec::new(),
        };
        let request = request
            .add("Host", &self.host)
            .add("Upgrade", "websocket")
            .add("Connection", "Upgrade")
            .add("Sec-WebSocket-Key", KEY)
            .add("Sec-WebSocket-Version", "13")
            .add("Origin", &self.origin);
        match &self.token {
            Some(token) => request.add("Authorization", &format!("Bearer {token}")),
            None => request,
        }
    }
}

/// A request head, line by line.
#[derive(Clone, Debug)]
pub(super) struct Request {
    line: String,
    fields: Vec<(String, String)>,
    line_end: &'static str,
    behind: Vec<u8>,
}

impl Request {
    /// Another request line.
    pub(super) fn line(mut self, line: String) -> Request {
        self.line = line;
        self
    }

    /// One more line of a field.
    pub(super) fn add(mut self, name: &str, value: &str) -> Request {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A line of a field, before all others.
    pub(super) fn add_first(mut self, name: &str, value: &str) -> Request {
        self.fields.insert(0, (name.to_owned(), value.to_owned()));
        self
    }

    /// No line of a field.
    pub(super) fn remove(mut self, name: &str) -> Request {
        self.fields.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
        self
    }

    /// A field with this value alone.
    pub(super) fn set(self, name: &str, value: &str) -> Request {
        self.remove(name).add(name, value)
    }

    /// Another end of every line.
    pub(super) fn line_end(mut self, end: &'static str) -> Request {
        self.line_end = end;
        self
    }

    /// What follows the head.
    pub(super) fn behind(mut self, octets: &[u8]) -> Request {
        self.behind = octets.to_vec();
        self
    }

    /// The request as it goes out.
    pub(super) fn octets(&self) -> Vec<u8> {
        let mut text = format!("{}{}", self.line, self.line_end);
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}{}", self.line_end));
        }
        text.push_str(self.line_end);
        [text.as_bytes(), &self.behind].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_honest_request_is_what_rfc_6455_asks_for() {
        let honest = Honest {
            host: "a.example".to_owned(),
            target: "/chat?x=1".to_owned(),
            origin: "https://a.example".to_owned(),
            token: Some("t".to_owned()),
        };
        let octets = honest.request().set("origin", "null").behind(b"more").octets();
        assert_eq!(
            String::from_utf8_lossy(&octets),
            "GET /chat?x=1 HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Authorization: Bearer t\r\norigin: null\r\n\r\nmore"
        );
    }
}
