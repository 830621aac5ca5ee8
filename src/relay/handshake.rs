//! Owns the judgement of a backend's answer to our upgrade request (RFC 6455 section 4.1).
//! Never knows a socket: octets come in as they came.

use http::StatusCode;

/// What a backend may answer before its first frame, header and what follows it.
pub(super) const ANSWER_BYTES_MAX: usize = 16 << 10;
const FIELDS_MAX: usize = 64;

/// A right 101.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// Octets of the head; frames may follow.
    pub(super) head_bytes: usize,
    /// The subprotocol that it chose.
    pub(super) subprotocol: Option<Box<str>>,
}

/// Why an answer is none, in our own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Another status: a redirect is not followed, a 401 is nobody's to answer.
    Status(StatusCode),
    /// What is wrong with it.
    Wrong(&'static str),
}

/// Judges what has come; `None` while the head is not whole.
pub(super) fn judge(octets: &[u8], accept: &str, offered: &[Box<str>]) -> Result<Option<Accepted>, Fault> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let head_bytes = match response.parse(octets) {
        Ok(httparse::Status::Complete(head_bytes)) => head_bytes,
        Ok(httparse::Status::Partial) if octets.len() < ANSWER_BYTES_MAX => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(Fault::Wrong("its answer is too large")),
        Err(_) => return Err(Fault::Wrong("its answer is no HTTP")),
    };
    if response.version != Some(1) {
        return Err(Fault::Wrong("its answer is not HTTP/1.1"));
    }
    match response.code.and_then(|code| StatusCode::from_u16(code).ok()) {
        Some(StatusCode::SWITCHING_PROTOCOLS) => {}
        Some(status) => return Err(Fault::Status(status)),
        None => return Err(Fault::Wrong("its answer has no status")),
    }
    let fields = Fields(response.headers);
    if !fields.single("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
        return Err(Fault::Wrong("its 101 has no Upgrade: websocket"));
    }
    let upgrades = |value: &str| value.split(',').any(|option| option.trim().eq_ignore_ascii_case("upgrade"));
    if !fields.all("connection").any(|value| value.is_some_and(upgrades)) {
        return Err(Fault::Wrong("its 101 has no Connection: upgrade"));
    }
    if fields.single("sec-websocket-accept") != Some(accept) {
        return Err(Fault::Wrong("its Sec-WebSocket-Accept is not the one to our key"));
    }
    if fields.all("sec-websocket-extensions").next().is_some() {
        return Err(Fault::Wrong("it uses an extension that was not offered"));
    }
    // A 101 has no content (RFC 9110 section 8.6): whoever says so counts octets in another way.
    if fields.all("transfer-encoding").chain(fields.all("content-length")).next().is_some() {
        return Err(Fault::Wrong("its 101 announces a body"));
    }
    let subprotocol = match fields.all("sec-websocket-protocol").next() {
        None => None,
        Some(_) => {
            let chosen = fields.single("sec-websocket-protocol");
            let offer = offered.iter().find(|offer| chosen == Some(&***offer));
            Some(offer.ok_or(Fault::Wrong("it chose a subprotocol that was not offered"))?.clone())
        }
    };
    Ok(Some(Accepted { head_bytes, subprotocol }))
}

struct Fields<'a>(&'a [httparse::Header<'a>]);

impl Fields<'_> {
    /// Every value of a field; `None` for one that is not ASCII.
    fn all(&self, name: &str) -> impl Iterator<Item = Option<&str>> {
        self.0
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| str::from_utf8(field.value).ok().filter(|value| value.is_ascii()).map(str::trim))
    }

    /// The value of a field that is there once.
    fn single(&self, name: &str) -> Option<&str> {
        let mut all = self.all(name);
        let value = all.next()??;
        all.next().is_none().then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    fn answer(fields: &str) -> String {
        format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n")
    }

    fn good() -> String {
        format!("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n")
    }

    fn judged(octets: &str) -> Result<Option<Accepted>, Fault> {
        judge(octets.as_bytes(), ACCEPT, &["chat.v1".into(), "chat.v2".into()])
    }

    #[test]
    fn a_right_101_is_taken_and_what_follows_it_is_not_its_head() {
        let head = answer(&good());
        let taken = |subprotocol: Option<&str>, head: &str| {
            Ok(Some(Accepted { head_bytes: head.len(), subprotocol: subprotocol.map(Box::from) }))
        };
        assert_eq!(judged(&head), taken(None, &head));
        assert_eq!(judged(&format!("{head}\u{81}")), taken(None, &head));
        // As Ratchet answers.
        let ratchet = answer(&(good() + "X-Powered-By: Ratchet/0.4.4\r\n"));
        assert_eq!(judged(&ratchet), taken(None, &ratchet));
        let odd = answer(&good().replace("Connection: Upgrade", "connection: keep-alive, UPGRADE"));
        assert_eq!(judged(&odd), taken(None, &odd));
        let chosen = answer(&(good() + "Sec-WebSocket-Protocol: chat.v2\r\n"));
        assert_eq!(judged(&chosen), taken(Some("chat.v2"), &chosen));
        for cut in 0..head.len() {
            assert_eq!(judged(&head[..cut]), Ok(None), "{cut}");
        }
    }

    #[test]
    fn another_status_is_told_and_not_followed() {
        for status in [200, 301, 302, 400, 401, 404, 426, 500, 503] {
            let octets = format!("HTTP/1.1 {status} Some\r\nLocation: http://127.0.0.1/\r\n{}\r\n", good());
            assert_eq!(judged(&octets), Err(Fault::Status(StatusCode::from_u16(status).expect("one"))));
        }
    }

    #[test]
    fn a_101_that_is_not_an_answer_to_our_request_is_none() {
        let long = format!("{}X: {}\r\n", good(), "x".repeat(ANSWER_BYTES_MAX));
        let many = good() + &"X: y\r\n".repeat(FIELDS_MAX);
        for (octets, why) in [
            (answer(&good().replace(ACCEPT, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")), "Accept"),
            (answer(&good().replace("Sec-WebSocket-Accept", "X-Accept")), "Accept"),
            (answer(&(good() + &format!("Sec-WebSocket-Accept: {ACCEPT}\r\n"))), "Accept"),
            (answer(&good().replace("websocket", "h2c")), "Upgrade"),
            (answer(&good().replace("Upgrade: websocket\r\n", "")), "Upgrade"),
            (answer(&good().replace("Connection: Upgrade", "Connection: close")), "Connection"),
            (answer(&(good() + "Sec-WebSocket-Extensions: permessage-deflate\r\n")), "extension"),
            (answer(&(good() + "Sec-WebSocket-Protocol: other\r\n")), "subprotocol"),
            (answer(&(good() + "Sec-WebSocket-Protocol: chat.v1, chat.v2\r\n")), "subprotocol"),
            (answer(&(good() + "Sec-WebSocket-Protocol:\r\n")), "subprotocol"),
            (
                answer(&(good() + "Sec-WebSocket-Protocol: chat.v1\r\nSec-WebSocket-Protocol: chat.v1\r\n")),
                "subprotocol",
            ),
            (answer(&(good() + "Content-Length: 5\r\n")), "body"),
            (answer(&(good() + "Transfer-Encoding: chunked\r\n")), "body"),
            (answer(&good()).replace("HTTP/1.1", "HTTP/1.0"), "HTTP/1.1"),
            ("SSH-2.0-OpenSSH\r\n".to_owned(), "no HTTP"),
            (answer(&long)[..ANSWER_BYTES_MAX].to_owned(), "too large"),
            (answer(&many), "no HTTP"),
        ] {
            let Err(Fault::Wrong(told)) = judged(&octets) else { panic!("{octets}") };
            assert!(told.contains(why), "{told}: {octets}");
        }
    }
}
