//! Owns the body of a Close frame (RFC 6455 sections 5.5.1 and 7.4).
//! Never knows why a peer closes, nor what is answered.

use crate::rejection::Rejection;

/// The code and reason of a Close body, or `None` of an empty one.
///
/// # Errors
/// `CloseMalformed` of half a code or of one that must not be sent, `Utf8` of a bad reason.
pub(super) fn parse(body: &[u8]) -> Result<Option<(u16, &str)>, Rejection> {
    if body.is_empty() {
        return Ok(None);
    }
    let Some((code, reason)) = body.split_first_chunk() else {
        return Err(Rejection::CloseMalformed);
    };
    let code = u16::from_be_bytes(*code);
    if !may_be_sent(code) {
        return Err(Rejection::CloseMalformed);
    }
    let reason = str::from_utf8(reason).map_err(|_| Rejection::Utf8)?;
    Ok(Some((code, reason)))
}

/// Whether a code may stand in a Close frame (section 7.4 and the IANA registry: 1004 to 1006
/// and 1015 are reserved and never sent, 1012 to 1014 were registered later).
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
