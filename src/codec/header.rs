//! Owns the judgement of a frame header, octet by octet (RFC 6455 section 5.2).
//! Never knows a payload, nor who keeps the octets until the header is whole.

use super::decoder::Manner;
use super::mask::Mask;
use super::message::Progress;
use super::{Limits, Side, deflate};
use crate::rejection::Rejection;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Octets of the longest header: two, a 64-bit length and a mask.
pub(super) const HEADER_BYTES_MAX: usize = 14;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
/// "Per-Message Compressed", where that was agreed on (RFC 7692 section 6).
const COMPRESSED: u8 = 0x40;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;

/// The two kinds of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// Text, in UTF-8.
    Text,
    /// Octets.
    Binary,
}

/// The three control frames (section 5.5).
#[derive(Clone, Copy)]
pub(super) enum ControlKind {
    Close,
    Ping,
    Pong,
}

/// What a frame is, once its opcode fits where it stands.
#[derive(Clone, Copy)]
pub(super) enum FrameKind {
    /// The first frame of a message.
    Message(MessageKind),
    /// A further frame of the open message.
    Continuation,
    /// A control frame.
    Control(ControlKind),
}

/// A header that breaks no rule and no limit.
pub(super) struct Header {
    pub(super) kind: FrameKind,
    /// The last frame of its message; true of every control frame.
    pub(super) last: bool,
    /// Its message is compressed; said by the first frame alone.
    pub(super) compressed: bool,
    /// Octets of the payload.
    pub(super) payload_bytes: usize,
    pub(super) mask: Mask,
    /// Octets of the header itself.
    pub(super) bytes: usize,
}

/// Judges as much of a header as `octets` begins with; `None` if more of it is needed.
///
/// The verdict on an octet never waits for the next one, so that it does not depend on how
/// the octets were cut. `open` is what has come of the message that is open, `manner` how
/// messages come.
///
/// # Errors
/// `FrameReservedBit`, `FrameOpcode`, `FrameControl`, `FrameSequence`, `MessageFragments` of
/// the first octet; `FrameUnmasked`, `FrameMasked`, `FrameControl`, `CloseMalformed` of the second;
/// `FrameLength`, `MessageTooBig` of the length.
#[inline]
pub(super) fn read(
    octets: &[u8],
    open: Option<Progress>,
    manner: Manner,
    limits: &Limits,
) -> Result<Option<Header>, Rejection> {
    let [first, rest @ ..] = octets else { return Ok(None) };
    let kind = judge_first(*first, open, manner, limits)?;
    let compressed = first & COMPRESSED != 0;

    let [second, rest @ ..] = rest else { return Ok(None) };
    let must_be_masked = manner != Manner::Streaming(Side::Server);
    match (second & MASKED != 0, must_be_masked) {
        (true, true) | (false, false) => {}
        (false, true) => return Err(Rejection::FrameUnmasked),
        (true, false) => return Err(Rejection::FrameMasked),
    }
    let short = second & LENGTH;
    let budget = match kind {
        FrameKind::Control(_) if short > 125 => return Err(Rejection::FrameControl),
        // One octet is half a close code.
        FrameKind::Control(ControlKind::Close) if short == 1 => return Err(Rejection::CloseMalformed),
        FrameKind::Control(_) => usize::MAX,
        FrameKind::Message(_) | FrameKind::Continuation => {
            let most = match compressed || open.is_some_and(|open| open.compressed) {
                false => limits.message_bytes,
                true => deflate::wire_bytes_max(limits.message_bytes),
            };
            most.saturating_sub(open.map_or(0, |open| open.bytes))
        }
    };
    let length = match short {
        126 => extended::<2>(rest, 126, budget)?,
        127 => extended::<8>(rest, 0x1_0000, budget)?,
        short => Some(within(u64::from(short), budget)?),
    };
    let Some(payload_bytes) = length else { return Ok(None) };

    let length_bytes = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = match must_be_masked {
        false => None,
        true => match rest.get(length_bytes..).and_then(|rest| rest.first_chunk()) {
            Some(key) => Some(*key),
            None => return Ok(None),
        },
    };
    Ok(Some(Header {
        kind,
        last: first & FIN != 0,
        compressed,
        payload_bytes,
        mask: Mask::new(mask.unwrap_or_default()),
        bytes: 2 + length_bytes + mask.map_or(0, |key| key.len()),
    }))
}

/// The kind of a frame from its first octet: reserved bits, opcode, FIN of a control frame,
/// its place in the order, its number within the message.
fn judge_first(
    first: u8,
    open: Option<Progress>,
    manner: Manner,
    limits: &Limits,
) -> Result<FrameKind, Rejection> {
    let opcode = OpCode::from(first & OPCODE);
    let may_be_compressed =
        manner == Manner::Inflating && matches!(opcode, OpCode::Data(Data::Text | Data::Binary));
    if first & RESERVED & !(if may_be_compressed { COMPRESSED } else { 0 }) != 0 {
        return Err(Rejection::FrameReservedBit);
    }
    let kind = match opcode {
        OpCode::Data(Data::Text) => FrameKind::Message(MessageKind::Text),
        OpCode::Data(Data::Binary) => FrameKind::Message(MessageKind::Binary),
        OpCode::Data(Data::Continue) => FrameKind::Continuation,
        OpCode::Control(Control::Close) => FrameKind::Control(ControlKind::Close),
        OpCode::Control(Control::Ping) => FrameKind::Control(ControlKind::Ping),
        OpCode::Control(Control::Pong) => FrameKind::Control(ControlKind::Pong),
        OpCode::Data(Data::Reserved(_)) | OpCode::Control(Control::Reserved(_)) => {
            return Err(Rejection::FrameOpcode);
        }
    };
    let frames = match (kind, open) {
        (FrameKind::Control(_), _) if first & FIN == 0 => return Err(Rejection::FrameControl),
        (FrameKind::Control(_), _) => return Ok(kind),
        (FrameKind::Message(_), Some(_)) | (FrameKind::Continuation, None) => {
            return Err(Rejection::FrameSequence);
        }
        (FrameKind::Message(_), None) => 0,
        (FrameKind::Continuation, Some(open)) => open.frames,
    };
    if frames >= limits.message_fragments {
        return Err(Rejection::MessageFragments);
    }
    Ok(kind)
}

/// A length of `N` octets, of which `octets` may hold only the first; `None` until all are
/// there. What those that are there already exclude is refused at once: a value under
/// `least` (not the minimal form), one with its top bit set, one over `budget`.
fn extended<const N: usize>(octets: &[u8], least: u64, budget: usize) -> Result<Option<usize>, Rejection> {
    let (mut lowest, mut highest) = (0_u64, 0_u64);
    for place in 0..N {
        let octet = octets.get(place).copied();
        lowest = lowest << 8 | u64::from(octet.unwrap_or(0));
        highest = highest << 8 | u64::from(octet.unwrap_or(u8::MAX));
    }
    if highest < least || lowest > i64::MAX.unsigned_abs() {
        return Err(Rejection::FrameLength);
    }
    let length = within(lowest, budget)?;
    Ok((octets.len() >= N).then_some(length))
}

fn within(length: u64, budget: usize) -> Result<usize, Rejection> {
    match usize::try_from(length) {
        Ok(length) if length <= budget => Ok(length),
        Ok(_) | Err(_) => Err(Rejection::MessageTooBig),
    }
}
