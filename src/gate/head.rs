//! Owns the octets of a raw HTTP/1.1 request head (RFC 9112) and which of them are refused.
//! Never knows what the fields mean, nor how octets are read.

use super::exchange::{EXCHANGE_BODY_BYTES_MAX, RENEW_PATH, TICKET_PATH};
use super::route::Route;
use crate::rejection::Rejection;
use std::sync::Arc;

/// Bounds of a request head.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Octets of the whole head, the empty line at its end included (`header_bytes`).
    pub head_bytes: usize,
    /// Field lines: 64 on the public port.
    pub field_lines: usize,
    /// Octets of the request target: 8,000 on the public port (RFC 9110 section 4.1).
    pub target_bytes: usize,
}

/// A head that holds to the letter: only [`judge_head`] makes one.
#[must_use]
#[derive(Debug)]
pub struct RawHead<'a> {
    octets: &'a [u8],
    body_bytes: usize,
}

impl<'a> RawHead<'a> {
    /// The head, from the method to the empty line at its end.
    #[must_use]
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Octets of the body behind it: none but for `POST /ticket`, `POST /renew` and a POST to a
    /// route that takes one.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.body_bytes
    }
}

/// Judges what has come so far of a head. `Ok(None)`: all is well, and more must come. Then it
/// is called again with the same octets and those behind them; `progress` remembers what has
/// been judged, so that each octet is looked at once, however small the pieces.
///
/// The octets behind the head are `&input[head.octets().len()..]`.
///
/// # Errors
///
/// The first fault in the order of the octets, as soon as it is there. Stricter than RFC 9112
/// where a lenient reader and a strict one would see two different requests: a line ends with
/// CRLF, one space stands between the parts of the request line, and no field is folded. A
/// head that announces a body or an interim answer is refused at its end.
pub fn judge_head<'a>(
    input: &'a [u8],
    progress: &mut HeadProgress<'_>,
    limits: &HeadLimits,
) -> Result<Option<RawHead<'a>>, Rejection> {
    while progress.state != State::Done {
        // Told before the next octet is there: whatever it is, the head is too large with it.
        if progress.judged >= limits.head_bytes {
            return Err(Rejection::HeadTooLarge);
        }
        let Some(&octet) = input.get(progress.judged) else { return Ok(None) };
        progress.state = progress.step(octet, input, limits)?;
        progress.judged += 1;
    }
    let body_bytes = progress.body_bytes;
    Ok(input.get(..progress.judged).map(|octets| RawHead { octets, body_bytes }))
}

/// How far a head has been judged.
#[derive(Default)]
pub struct HeadProgress<'r> {
    /// The routes, of which some take a body.
    routes: &'r [Arc<Route>],
    /// Octets that have been judged.
    judged: usize,
    /// What the next octet belongs to.
    state: State,
    /// Where that part of the head starts.
    start: usize,
    /// Field lines so far.
    field_lines: usize,
    /// What kind of field the line at hand is.
    field: Field,
    is_post: bool,
    /// What body the target takes.
    takes: Takes,
    /// Octets of the body that it takes.
    body_bytes: usize,
    /// A field has announced a body that is not taken, or one that is longer than those that are.
    announces_body: bool,
    body_too_large: bool,
    /// `Content-Length` is there.
    has_content_length: bool,
    /// `Expect` is there.
    expects: bool,
}

/// Which body is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Takes {
    #[default]
    None,
    /// That of `/ticket` and `/renew`.
    Exchange,
    /// That of a route, of so many octets at most.
    Message(usize),
}

/// The part of the head to which the next octet belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Method,
    Target,
    /// The first digit behind a `%` in the target.
    PercentHigh,
    /// The second one; whether `%` and the first make a control octet.
    PercentLow {
        high: u8,
    },
    Version,
    /// The LF of a line other than the last.
    LineFeed,
    LineStart,
    FieldName,
    FieldValue,
    /// The LF of the empty line.
    LastLineFeed,
    Done,
}

/// What the reader must know of a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Field {
    /// Its value is not looked at.
    #[default]
    Opaque,
    /// Its value decides later, so it has no octet of 0x80 or more.
    Ascii,
    ContentLength,
    TransferEncoding,
    Expect,
}

impl<'r> HeadProgress<'r> {
    /// Nothing has been judged yet; these routes say which bodies are taken.
    #[must_use]
    pub fn of(routes: &'r [Arc<Route>]) -> HeadProgress<'r> {
        HeadProgress { routes, ..HeadProgress::default() }
    }

    /// Judges one octet and says what the next one belongs to.
    fn step(&mut self, octet: u8, input: &[u8], limits: &HeadLimits) -> Result<State, Rejection> {
        match self.state {
            State::Method => self.method(octet, input),
            State::Target => self.target(octet, input, limits),
            State::PercentHigh if octet.is_ascii_hexdigit() => {
                self.within_target(limits)?;
                Ok(State::PercentLow { high: octet })
            }
            State::PercentLow { high } if octet.is_ascii_hexdigit() && !is_encoded_control(high, octet) => {
                self.within_target(limits)?;
                Ok(State::Target)
            }
            State::Version => self.version(octet, input),
            State::LineFeed if octet == b'\n' => Ok(State::LineStart),
            State::LineStart => self.line_start(octet, limits),
            State::FieldName => self.field_name(octet, input),
            State::FieldValue => self.field_value(octet, input),
            State::LastLineFeed if octet == b'\n' => self.end(),
            State::Done => Ok(State::Done),
            State::PercentHigh | State::PercentLow { .. } | State::LineFeed | State::LastLineFeed => {
                Err(Rejection::HeadMalformed)
            }
        }
    }

    /// The octets of the part at hand.
    fn part<'i>(&self, input: &'i [u8]) -> &'i [u8] {
        input.get(self.start..self.judged).unwrap_or_default()
    }

    /// Octets of the part at hand before this one.
    fn part_bytes(&self) -> usize {
        self.judged.saturating_sub(self.start)
    }

    /// The next octet starts a part.
    fn starts(&mut self, state: State) -> State {
        self.start = self.judged + 1;
        state
    }

    /// Methods are case-sensitive (RFC 9110 section 9.1) and every registered one is written in
    /// capitals. The first octet tells TLS records, empty lines and `get` from a request.
    fn method(&mut self, octet: u8, input: &[u8]) -> Result<State, Rejection> {
        let is_first = self.part_bytes() == 0;
        match octet {
            b'A'..=b'Z' => Ok(State::Method),
            b'-' if !is_first => Ok(State::Method),
            b' ' if !is_first => {
                self.is_post = self.part(input) == b"POST";
                Ok(self.starts(State::Target))
            }
            _ => Err(Rejection::HeadMalformed),
        }
    }

    /// Visible ASCII without `#`, which ends no request target (RFC 9112 section 3.2).
    fn target(&mut self, octet: u8, input: &[u8], limits: &HeadLimits) -> Result<State, Rejection> {
        match octet {
            b' ' if self.part_bytes() > 0 => {
                // This is the parser that hyper uses: what it would refuse is refused here.
                let uri = http::Uri::try_from(self.part(input)).map_err(|_| Rejection::TargetMalformed)?;
                if self.is_post {
                    self.takes = self.taken_at(self.part(input), uri.path());
                }
                Ok(self.starts(State::Version))
            }
            b'#' => Err(Rejection::HeadMalformed),
            b'!'..=b'~' => {
                self.within_target(limits)?;
                Ok(if octet == b'%' { State::PercentHigh } else { State::Target })
            }
            _ => Err(Rejection::HeadMalformed),
        }
    }

    fn taken_at(&self, target: &[u8], path: &str) -> Takes {
        if target == TICKET_PATH.as_bytes() || target == RENEW_PATH.as_bytes() {
            return Takes::Exchange;
        }
        let route = Route::at(self.routes, path).and_then(|(route, _)| route.body_bytes_max());
        route.map_or(Takes::None, Takes::Message)
    }

    fn within_target(&self, limits: &HeadLimits) -> Result<(), Rejection> {
        if self.part_bytes() >= limits.target_bytes { Err(Rejection::UriTooLong) } else { Ok(()) }
    }

    /// `HTTP/1.1`; another version is told from garbage.
    fn version(&mut self, octet: u8, input: &[u8]) -> Result<State, Rejection> {
        let fits = match VERSION.get(self.part_bytes()) {
            Some(b'1') => octet.is_ascii_digit(),
            Some(&expected) => octet == expected,
            None if octet == b'\r' && self.part(input) == VERSION => return Ok(State::LineFeed),
            None if octet == b'\r' => return Err(Rejection::HttpVersion),
            None => false,
        };
        if fits { Ok(State::Version) } else { Err(Rejection::HeadMalformed) }
    }

    /// A line that starts with a space would continue the one before (RFC 9112 section 5.2).
    fn line_start(&mut self, octet: u8, limits: &HeadLimits) -> Result<State, Rejection> {
        if octet == b'\r' {
            return Ok(State::LastLineFeed);
        }
        if !is_token_octet(octet) {
            return Err(Rejection::HeadMalformed);
        }
        if self.field_lines >= limits.field_lines {
            return Err(Rejection::HeadTooLarge);
        }
        self.field_lines += 1;
        self.start = self.judged;
        Ok(State::FieldName)
    }

    /// No space stands before the colon (RFC 9112 section 5.1).
    fn field_name(&mut self, octet: u8, input: &[u8]) -> Result<State, Rejection> {
        match octet {
            b':' => {
                self.field = Field::named(self.part(input));
                Ok(self.starts(State::FieldValue))
            }
            _ if is_token_octet(octet) => Ok(State::FieldName),
            _ => Err(Rejection::HeadMalformed),
        }
    }

    /// No control octet but HTAB (RFC 9110 section 5.5).
    fn field_value(&mut self, octet: u8, input: &[u8]) -> Result<State, Rejection> {
        match octet {
            b'\r' => {
                self.field_line(self.part(input).trim_ascii());
                Ok(State::LineFeed)
            }
            b'\t' | b' '..=b'~' => Ok(State::FieldValue),
            0x80.. if self.field != Field::Ascii => Ok(State::FieldValue),
            _ => Err(Rejection::HeadMalformed),
        }
    }

    /// Remembers what a whole field line announces. One `Content-Length: 0` announces nothing;
    /// where a body is taken, its length is one short number without a leading zero.
    fn field_line(&mut self, value: &[u8]) {
        match self.field {
            Field::ContentLength => {
                match (content_length(value), self.takes) {
                    (None, _) | (Some(1..), Takes::None) => self.announces_body = true,
                    (Some(_), _) if self.has_content_length => self.announces_body = true,
                    (Some(length), Takes::Exchange) if length > EXCHANGE_BODY_BYTES_MAX => {
                        self.announces_body = true;
                    }
                    (Some(length), Takes::Message(most)) if length > most => self.body_too_large = true,
                    (Some(length), _) => self.body_bytes = length,
                }
                self.has_content_length = true;
            }
            Field::TransferEncoding => self.announces_body = true,
            Field::Expect => self.expects = true,
            Field::Opaque | Field::Ascii => {}
        }
    }

    /// A handshake has no content (RFC 9110 section 9.3.1), so nobody needs to agree where it
    /// would end (request smuggling), and nobody waits for a 100 (section 10.1.1).
    fn end(&self) -> Result<State, Rejection> {
        if self.announces_body {
            Err(Rejection::Body)
        } else if self.expects {
            Err(Rejection::Expect)
        } else if self.body_too_large {
            Err(Rejection::BodyTooLarge)
        } else {
            Ok(State::Done)
        }
    }
}

impl Field {
    fn named(name: &[u8]) -> Field {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let is_sec = name.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"sec-"));
        if is("content-length") {
            Field::ContentLength
        } else if is("transfer-encoding") {
            Field::TransferEncoding
        } else if is("expect") {
            Field::Expect
        } else if is_sec || is("host") || is("origin") || is("upgrade") || is("connection") {
            Field::Ascii
        } else {
            Field::Opaque
        }
    }
}

/// A length of a body: digits alone, no leading zero, not many of them.
fn content_length(value: &[u8]) -> Option<usize> {
    let is_short_number =
        (1..=LENGTH_DIGITS_MAX).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    if !is_short_number || (value.len() > 1 && value.starts_with(b"0")) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Digits of a length: more than any body of ours needs, and no number that could overflow.
const LENGTH_DIGITS_MAX: usize = 12;

/// RFC 9110 section 5.6.2.
fn is_token_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

/// Whether a percent-encoded octet is 0x00 to 0x1F or 0x7F: nothing of ours has one, and behind
/// a second decoder it would end a line or a string.
fn is_encoded_control(high: u8, low: u8) -> bool {
    matches!(high, b'0' | b'1') || (high == b'7' && low.eq_ignore_ascii_case(&b'f'))
}

const VERSION: &[u8] = b"HTTP/1.1";

#[cfg(test)]
mod tests;
