//! Owns what an answer says about an attack. Pure: octets in, verdict out.
//! Never knows a socket.

use super::attack::Untested;
use super::frames::LAST_PING;
use super::request::ACCEPT;

/// What became of an attack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It did not get through; what was seen.
    Withstood(String),
    /// It got through; what was seen.
    Finding(String),
    /// Nothing can be said, and why.
    NotTested(String),
}

/// How the reason begins where the endpoint's own limits answered.
pub(super) const ENOUGH: &str = "the endpoint has had enough for now";

impl Verdict {
    /// For what was only the way to an attack: whatever was said there, the attack was not tried.
    pub(super) fn into_not_tested(self) -> Verdict {
        match self {
            Verdict::Withstood(seen) | Verdict::Finding(seen) => {
                Verdict::NotTested(format!("no session could be opened: {seen}"))
            }
            Verdict::NotTested(why) => Verdict::NotTested(why),
        }
    }
}

impl From<Untested> for Verdict {
    fn from(why: Untested) -> Verdict {
        Verdict::NotTested(why.to_owned())
    }
}

/// How the octets ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The endpoint ended the connection.
    Closed,
    /// The time that an attack has was over, or the octets that are read.
    Open,
}

/// All that came in answer to something.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) octets: Vec<u8>,
    pub(super) end: End,
}

/// An HTTP response (RFC 9112 section 4), as far as it is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response<'a> {
    pub(super) status: u16,
    accept: Option<&'a str>,
    body: &'a [u8],
    /// What follows: nothing, unless a second request was answered.
    rest: &'a [u8],
    /// Whether the body's length is known, and so much is there.
    is_whole: bool,
}

impl<'a> Response<'a> {
    pub(super) fn parse(octets: &'a [u8]) -> Option<Response<'a>> {
        let head_length = octets.windows(4).position(|window| window == b"\r\n\r\n")?;
        let (head, rest) = octets.split_at_checked(head_length.checked_add(4)?)?;
        let head = std::str::from_utf8(head).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
        let fields = || lines.clone().filter_map(|line| line.split_once(':'));
        let field = |name: &str| {
            fields().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
        };
        let length = match status {
            101 | 204 | 304 => Some(0),
            _ => field("content-length").and_then(|length| length.parse().ok()),
        };
        let whole = length.and_then(|length| rest.split_at_checked(length));
        let is_whole = whole.is_some();
        let (body, rest) = whole.unwrap_or((rest, &[]));
        Some(Response { status, accept: field("sec-websocket-accept"), body, rest, is_whole })
    }

    /// Whether all of a first answer is there.
    pub(super) fn is_there(octets: &[u8]) -> bool {
        Response::parse(octets).is_some_and(|response| response.is_whole)
    }

    /// Whether the handshake is good in the eyes of RFC 6455 section 4.1.
    pub(super) fn is_admitted(&self) -> bool {
        self.status == 101 && self.accept == Some(ACCEPT)
    }

    /// What the endpoint sent behind the head of its 101.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// How the endpoint answers an honest handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Baseline {
    Admitted,
    /// With this status: what is refused in the same way was not refused for the attack.
    Refused(u16),
}

/// A handshake that must not be admitted.
pub(super) fn refusal(seen: &Seen, baseline: Baseline) -> Verdict {
    match Response::parse(&seen.octets) {
        Some(response) if response.status == 101 => Verdict::Finding("answered with 101".to_owned()),
        Some(Response { status: status @ (429 | 503), .. }) => {
            Verdict::NotTested(format!("{ENOUGH}: {status}"))
        }
        Some(response) if baseline == Baseline::Refused(response.status) => Verdict::NotTested(format!(
            "refused with {}, as the honest handshake is: give --origin and --token",
            response.status
        )),
        Some(response) => Verdict::Withstood(format!("refused with {}", response.status)),
        None => Verdict::Withstood(without_answer(seen).to_owned()),
    }
}

fn without_answer(seen: &Seen) -> &'static str {
    match seen.end {
        End::Closed => "the connection was ended",
        End::Open => "no answer",
    }
}

/// Two requests in a row, of which the second must not be answered.
pub(super) fn second(seen: &Seen) -> Verdict {
    let Some(Response { status, .. }) = Response::parse(&seen.octets) else {
        return Verdict::Withstood(without_answer(seen).to_owned());
    };
    match is_second_there(&seen.octets) {
        true => Verdict::Finding(format!("{status}, and then a second answer")),
        false => Verdict::Withstood(format!("{status}, and no second answer")),
    }
}

/// Whether a status line follows the first answer.
pub(super) fn is_second_there(octets: &[u8]) -> bool {
    let Some(response) = Response::parse(octets) else { return false };
    let behind = if response.is_whole { response.rest } else { response.body };
    behind.windows(9).enumerate().any(|(at, window)| {
        let starts = at == 0 || at.checked_sub(1).and_then(|at| behind.get(at)) == Some(&b'\n');
        starts && window.starts_with(b"HTTP/1.") && window.ends_with(b" ")
    })
}

/// A request of which `word` must not come back.
pub(super) fn echo(seen: &Seen, word: &str) -> Verdict {
    let found = seen.octets.windows(word.len()).any(|window| window == word.as_bytes());
    match (found, Response::parse(&seen.octets)) {
        (true, _) => Verdict::Finding("the answer repeats it".to_owned()),
        (false, Some(response)) => Verdict::Withstood(format!("{}, and no word of it", response.status)),
        (false, None) => Verdict::Withstood(without_answer(seen).to_owned()),
    }
}

/// What came in a session: each frame's opcode and payload, as far as they are whole.
fn frames(mut octets: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while let Some((opcode, payload, rest)) = frame(octets) {
        frames.push((opcode, payload));
        octets = rest;
    }
    frames
}

fn frame(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[first, second], rest) = octets.split_first_chunk::<2>()?;
    let (length, rest) = match second & 0x7F {
        126 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (u64::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk::<8>()?;
            (u64::from_be_bytes(*length), rest)
        }
        short => (u64::from(short), rest),
    };
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((first & 0x0F, payload, rest))
}

/// Whether a ping with this payload was answered.
pub(super) fn answers(octets: &[u8], ping: &[u8]) -> bool {
    frames(octets).contains(&(10, ping))
}

/// Whether a Close frame came.
pub(super) fn is_closing(octets: &[u8]) -> bool {
    close_code(octets).is_some()
}

fn close_code(octets: &[u8]) -> Option<Option<u16>> {
    let (_, payload) = frames(octets).into_iter().find(|(opcode, _)| *opcode == 8)?;
    Some(payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code)))
}

/// A violation that must end the session.
pub(super) fn ends(seen: &Seen) -> Verdict {
    if answers(&seen.octets, LAST_PING) && !is_closing(&seen.octets) {
        return Verdict::Finding("taken, and the session goes on".to_owned());
    }
    match (close_code(&seen.octets), seen.end) {
        (Some(Some(code)), _) => Verdict::Withstood(format!("closed with {code}")),
        (Some(None), _) => Verdict::Withstood("closed".to_owned()),
        (None, End::Closed) => Verdict::Withstood("the connection was ended".to_owned()),
        (None, End::Open) => Verdict::Finding("the endpoint waits for more".to_owned()),
    }
}

/// A violation that must be told with a code.
pub(super) fn tells(seen: &Seen, wanted: u16) -> Verdict {
    match (close_code(&seen.octets), seen.end) {
        (Some(Some(code)), _) if code == wanted => Verdict::Withstood(format!("closed with {code}")),
        (Some(Some(code)), _) => Verdict::Finding(format!("closed with {code}, not {wanted}")),
        (Some(None), _) => Verdict::Finding(format!("closed without a code, not with {wanted}")),
        (None, End::Closed) => Verdict::Finding("the connection was ended without a Close frame".to_owned()),
        (None, End::Open) => Verdict::Finding("the session goes on".to_owned()),
    }
}

/// A Close frame that must be answered with one, after which the connection ends.
pub(super) fn echoes_close(seen: &Seen) -> Verdict {
    match (close_code(&seen.octets), seen.end) {
        (Some(_), End::Closed) => Verdict::Withstood("answered, and the connection was ended".to_owned()),
        (Some(_), End::Open) => Verdict::Finding("answered, but the connection stays open".to_owned()),
        (None, _) => Verdict::Finding("not answered with a Close frame".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(octets: impl AsRef<[u8]>, end: End) -> Seen {
        Seen { octets: octets.as_ref().to_vec(), end }
    }

    fn is_finding(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Finding(_))
    }

    const SWITCHED: &str =
        "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    const REFUSED: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno";

    #[test]
    fn a_handshake_is_admitted_by_a_101_with_the_accept_of_its_key() {
        assert!(Response::parse(SWITCHED.as_bytes()).is_some_and(|response| response.is_admitted()));
        let other = SWITCHED.replace("s3pP", "t3pP");
        assert!(!Response::parse(other.as_bytes()).is_some_and(|response| response.is_admitted()));
        for none in ["", "HTTP/1.1 101", "HTTP/2 101 a\r\n\r\n", "SSH-2.0\r\n\r\n", "HTTP/1.1 abc\r\n\r\n"] {
            assert_eq!(Response::parse(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn an_attack_got_through_if_it_was_admitted_and_is_not_tested_if_an_honest_one_fares_the_same() {
        let judged = |octets: &str, baseline| refusal(&seen(octets, End::Closed), baseline);
        assert!(is_finding(&judged(SWITCHED, Baseline::Admitted)));
        assert!(is_finding(&judged(SWITCHED, Baseline::Refused(401))));
        assert_eq!(judged(REFUSED, Baseline::Admitted), Verdict::Withstood("refused with 400".to_owned()));
        assert_eq!(
            judged(REFUSED, Baseline::Refused(401)),
            Verdict::Withstood("refused with 400".to_owned())
        );
        assert!(matches!(judged(REFUSED, Baseline::Refused(400)), Verdict::NotTested(_)));
        let busy = REFUSED.replace("400", "429");
        assert!(
            matches!(judged(&busy, Baseline::Admitted), Verdict::NotTested(why) if why.starts_with(ENOUGH))
        );
        assert_eq!(judged("", Baseline::Admitted), Verdict::Withstood("the connection was ended".to_owned()));
    }

    #[test]
    fn a_second_answer_is_seen_behind_a_body_of_any_length_and_not_within_one() {
        let judged = |octets: String| is_finding(&second(&seen(octets, End::Closed)));
        assert!(judged(format!("{REFUSED}{REFUSED}")));
        assert!(judged(format!("{SWITCHED}{REFUSED}")));
        assert!(judged(format!("HTTP/1.1 400 x\r\n\r\nno\r\n{REFUSED}")));
        assert!(!judged(REFUSED.to_owned()));
        assert!(!judged("HTTP/1.1 400 x\r\nContent-Length: 23\r\n\r\nHTTP/1.1 is wanted here".to_owned()));
        assert!(!judged(format!("{SWITCHED}\u{8}\u{2}\u{3}\u{7}")));
    }

    #[test]
    fn a_violation_that_does_not_end_the_session_is_a_finding() {
        let pong = [&[0x8A, 28][..], LAST_PING].concat();
        let close = [0x88, 2, 0x03, 0xEA];
        assert!(is_finding(&ends(&seen(&pong, End::Open))));
        assert!(is_finding(&ends(&seen("", End::Open))));
        assert!(!is_finding(&ends(&seen([&pong[..], &close].concat(), End::Open))), "late is not never");
        assert!(!is_finding(&ends(&seen("", End::Closed))));
        assert!(!is_finding(&ends(&seen(close, End::Open))));
        assert!(!is_finding(&tells(&seen(close, End::Closed), 1002)));
        assert!(is_finding(&tells(&seen(close, End::Closed), 1007)));
        assert!(is_finding(&tells(&seen("", End::Closed), 1002)));
        assert!(!is_finding(&echoes_close(&seen(close, End::Closed))));
        assert!(is_finding(&echoes_close(&seen(close, End::Open))));
        assert!(is_finding(&echoes_close(&seen("", End::Closed))));
    }

    #[test]
    fn frames_of_every_length_are_read_and_half_ones_are_not() {
        let long = [&[0x81, 126, 0, 200][..], &[b'a'; 200]].concat();
        let longest = [&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0][..], &vec![0; 65_536]].concat();
        let all = [&long[..], &longest, &[0x89, 0], &[0x81, 5, b'h']].concat();
        let read: Vec<(u8, usize)> =
            frames(&all).iter().map(|(opcode, payload)| (*opcode, payload.len())).collect();
        assert_eq!(read, [(1, 200), (2, 65_536), (9, 0)]);
        assert!(frames(&[0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255]).is_empty());
    }
}
