//! Owns what is unfinished between two reads, and how the next octets go on with it.
//! Never knows when nothing is unfinished, nor that reading is over: the decoder does.

use super::decoder::Manner;
use super::header::{self, ControlKind, FrameKind, HEADER_BYTES_MAX, Header, MessageKind};
use super::mask::Mask;
use super::message::{Message, Whole};
use super::{CONTROL_BYTES_MAX, Event, Limits, Piece, close, deflate};
use crate::rejection::Rejection;
use std::ops::ControlFlow;
use std::time::Instant;

/// What one call of the decoder brings with it.
pub(super) struct Call<'a> {
    pub(super) limits: &'a Limits,
    /// How messages come, and are handed over.
    pub(super) manner: Manner,
    pub(super) now: Instant,
    pub(super) on_event: &'a mut dyn FnMut(Event<'_>) -> ControlFlow<Rejection>,
}

/// Whether frames are still read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    On,
    /// A Close frame has come.
    Over,
}

/// The open message and the frame that is not whole, if there are any.
#[derive(Default)]
pub(super) struct Partial {
    message: Option<Message>,
    frame: Option<Frame>,
}

/// A frame that is not whole.
enum Frame {
    Header(HeaderPart),
    Data(DataPart),
    Control(ControlPart),
}

struct HeaderPart {
    since: Instant,
    octets: [u8; HEADER_BYTES_MAX],
    len: usize,
}

/// A frame of the open message, which holds its octets.
struct DataPart {
    last: bool,
    missing: usize,
    mask: Mask,
}

struct ControlPart {
    since: Instant,
    kind: ControlKind,
    missing: usize,
    mask: Mask,
    octets: Vec<u8>,
}

impl Partial {
    /// Whether nothing is unfinished.
    pub(super) fn is_empty(&self) -> bool {
        self.message.is_none() && self.frame.is_none()
    }

    /// When the first octet came of what is unfinished. A message began before any frame
    /// inside it.
    pub(super) fn since(&self) -> Option<Instant> {
        let message = self.message.as_ref().map(|message| message.since);
        message.or_else(|| match self.frame.as_ref()? {
            Frame::Header(part) => Some(part.since),
            Frame::Control(part) => Some(part.since),
            Frame::Data(_) => None,
        })
    }

    /// Counts the time of what is unfinished from now on.
    pub(super) fn excuse(&mut self, now: Instant) {
        if let Some(message) = &mut self.message {
            message.since = now;
        }
        match &mut self.frame {
            Some(Frame::Header(part)) => part.since = now,
            Some(Frame::Control(part)) => part.since = now,
            Some(Frame::Data(_)) | None => {}
        }
    }

    /// Takes octets until there are none left, or until a Close frame.
    pub(super) fn read(&mut self, call: &mut Call<'_>, mut octets: &mut [u8]) -> Result<Reading, Rejection> {
        if octets.is_empty() {
            return Ok(Reading::On);
        }
        // A frame that was begun is either whole with these octets, or takes them all.
        let mut reading = match self.frame.take() {
            None => Reading::On,
            Some(Frame::Header(part)) => self.resume_header(part, call, &mut octets)?,
            Some(Frame::Data(part)) => self.read_data(part, call, &mut octets)?,
            Some(Frame::Control(part)) => self.resume_control(part, call, &mut octets)?,
        };
        while reading == Reading::On && !octets.is_empty() {
            let open = self.message.as_ref().map(|message| message.progress);
            reading = match header::read(octets, open, call.manner, call.limits)? {
                Some(header) => {
                    let _judged = octets.split_off_mut(..header.bytes);
                    self.begin(&header, call.now, call, &mut octets)?
                }
                None => {
                    let mut part = HeaderPart::new(call.now);
                    octets.iter().for_each(|octet| part.push(*octet));
                    self.frame = Some(Frame::Header(part));
                    return Ok(Reading::On);
                }
            };
        }
        Ok(reading)
    }

    fn resume_header(
        &mut self,
        mut part: HeaderPart,
        call: &mut Call<'_>,
        octets: &mut &mut [u8],
    ) -> Result<Reading, Rejection> {
        let open = self.message.as_ref().map(|message| message.progress);
        while let Some(octet) = octets.split_off_first_mut() {
            part.push(*octet);
            if let Some(header) = header::read(part.octets(), open, call.manner, call.limits)? {
                return self.begin(&header, part.since, call, octets);
            }
        }
        self.frame = Some(Frame::Header(part));
        Ok(Reading::On)
    }

    /// Goes on behind a whole header, `since` whose first octet the frame is on its way.
    fn begin(
        &mut self,
        header: &Header,
        since: Instant,
        call: &mut Call<'_>,
        octets: &mut &mut [u8],
    ) -> Result<Reading, Rejection> {
        let part = DataPart { last: header.last, missing: header.payload_bytes, mask: header.mask };
        match header.kind {
            FrameKind::Control(kind) if header.payload_bytes <= octets.len() => {
                call.control(kind, take(octets, header.payload_bytes, header.mask))
            }
            FrameKind::Control(kind) => {
                let (missing, mask) = (header.payload_bytes, header.mask);
                let part = ControlPart { since, kind, missing, mask, octets: Vec::new() };
                self.resume_control(part, call, octets)
            }
            // The common case, a message in one frame that is all there, costs no copy.
            FrameKind::Message(kind) if header.last && header.payload_bytes <= octets.len() => {
                let payload = take(octets, header.payload_bytes, header.mask);
                match (call.manner, header.compressed) {
                    (Manner::Streaming(_), _) => call.whole_piece(kind, payload),
                    (Manner::Whole | Manner::Inflating, true) => call.compressed(kind, payload),
                    (Manner::Whole | Manner::Inflating, false) => call.message(kind, payload),
                }
            }
            FrameKind::Message(kind) => {
                let message = match call.manner {
                    Manner::Streaming(_) => Message::passed(kind, since),
                    Manner::Whole | Manner::Inflating => Message::new(kind, header.compressed, since),
                };
                self.message.insert(message).count_frame(header.payload_bytes);
                self.read_data(part, call, octets)
            }
            FrameKind::Continuation => {
                self.open()?.count_frame(header.payload_bytes);
                self.read_data(part, call, octets)
            }
        }
    }

    /// Moves octets of a data frame into the open message and hands it over when it is whole.
    fn read_data(
        &mut self,
        mut part: DataPart,
        call: &mut Call<'_>,
        octets: &mut &mut [u8],
    ) -> Result<Reading, Rejection> {
        let payload = take_some(octets, &mut part.missing, &mut part.mask);
        let is_end = part.last && part.missing == 0;
        if let Some(piece) = self.open()?.push(payload, is_end)? {
            call.emit(Event::Piece(piece))?;
        }
        if part.missing > 0 {
            self.frame = Some(Frame::Data(part));
            return Ok(Reading::On);
        }
        if part.last
            && let Some(message) = self.message.take()
        {
            match message.finish()? {
                Whole::Plain(event) => call.emit(event)?,
                Whole::Compressed(kind, octets) => call.compressed(kind, octets)?,
                Whole::Passed => Reading::On,
            };
        }
        Ok(Reading::On)
    }

    fn resume_control(
        &mut self,
        mut part: ControlPart,
        call: &mut Call<'_>,
        octets: &mut &mut [u8],
    ) -> Result<Reading, Rejection> {
        part.octets.extend_from_slice(take_some(octets, &mut part.missing, &mut part.mask));
        debug_assert!(part.octets.len() <= CONTROL_BYTES_MAX, "the header was judged");
        if part.missing == 0 {
            return call.control(part.kind, &part.octets);
        }
        self.frame = Some(Frame::Control(part));
        Ok(Reading::On)
    }

    /// The message that a continuation goes on with: `header::read` lets none through without.
    fn open(&mut self) -> Result<&mut Message, Rejection> {
        self.message.as_mut().ok_or(Rejection::FrameSequence)
    }

    /// Octets that are held on the heap, a box around this value among them.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        let frame = match &self.frame {
            Some(Frame::Control(part)) => part.octets.capacity(),
            Some(Frame::Header(_) | Frame::Data(_)) | None => 0,
        };
        size_of::<Partial>() + frame + self.message.as_ref().map_or(0, Message::capacity)
    }
}

impl HeaderPart {
    fn new(since: Instant) -> HeaderPart {
        HeaderPart { since, octets: [0; HEADER_BYTES_MAX], len: 0 }
    }

    fn push(&mut self, octet: u8) {
        if let Some(place) = self.octets.get_mut(self.len) {
            *place = octet;
            self.len += 1;
        }
    }

    fn octets(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }
}

impl Call<'_> {
    fn emit(&mut self, event: Event<'_>) -> Result<Reading, Rejection> {
        match (self.on_event)(event) {
            ControlFlow::Continue(()) => Ok(Reading::On),
            ControlFlow::Break(rejection) => Err(rejection),
        }
    }

    fn message(&mut self, kind: MessageKind, payload: &[u8]) -> Result<Reading, Rejection> {
        match kind {
            MessageKind::Text => match str::from_utf8(payload) {
                Ok(text) => self.emit(Event::Text(text)),
                Err(_) => Err(Rejection::Utf8),
            },
            MessageKind::Binary => self.emit(Event::Binary(payload)),
        }
    }

    /// A message that is all there and goes on.
    fn whole_piece(&mut self, kind: MessageKind, octets: &[u8]) -> Result<Reading, Rejection> {
        if kind == MessageKind::Text && str::from_utf8(octets).is_err() {
            return Err(Rejection::Utf8);
        }
        self.emit(Event::Piece(Piece { kind, first: true, last: true, octets }))
    }

    fn compressed(&mut self, kind: MessageKind, octets: &[u8]) -> Result<Reading, Rejection> {
        deflate::inflate(octets, self.limits.message_bytes, |payload| self.message(kind, payload))
    }

    fn control(&mut self, kind: ControlKind, payload: &[u8]) -> Result<Reading, Rejection> {
        match kind {
            ControlKind::Ping => self.emit(Event::Ping(payload)),
            ControlKind::Pong => self.emit(Event::Pong(payload)),
            ControlKind::Close => {
                self.emit(Event::Close(close::parse(payload)?))?;
                Ok(Reading::Over)
            }
        }
    }
}

/// Takes the next `bytes` octets, all of which are there, unmasked.
fn take<'a>(octets: &mut &'a mut [u8], bytes: usize, mut mask: Mask) -> &'a [u8] {
    let payload = octets.split_off_mut(..bytes).unwrap_or_default();
    mask.apply(payload);
    payload
}

/// Takes those of the `missing` octets that are there, unmasked.
fn take_some<'a>(octets: &mut &'a mut [u8], missing: &mut usize, mask: &mut Mask) -> &'a [u8] {
    let payload = octets.split_off_mut(..octets.len().min(*missing)).unwrap_or_default();
    *missing -= payload.len();
    mask.apply(payload);
    payload
}
