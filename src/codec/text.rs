//! Owns a text message that comes in pieces, judged as it comes (RFC 6455 section 8.1).
//! Never knows frames: a character may be cut anywhere.

use super::message::growth;
use crate::rejection::Rejection;

/// Text so far.
#[derive(Default)]
pub(super) struct Text {
    whole: String,
    seam: Seam,
}

/// The beginning of a character that is not whole yet.
#[derive(Default)]
pub(super) struct Seam {
    begun: [u8; 4],
    begun_bytes: usize,
}

impl Text {
    /// Appends octets; `bytes_max` is what the text may come to, so that no more is reserved.
    ///
    /// # Errors
    /// `Utf8` at the first octet with which no text can go on.
    pub(super) fn push(&mut self, octets: &[u8], bytes_max: usize) -> Result<(), Rejection> {
        let Text { whole, seam } = self;
        seam.join(octets, &mut |text| {
            reserve(whole, text.len(), bytes_max);
            whole.push_str(text);
        })
    }

    /// The text, when its message is at an end.
    ///
    /// # Errors
    /// `Utf8` if a character is not whole.
    pub(super) fn finish(&self) -> Result<&str, Rejection> {
        self.seam.finish().map(|()| &*self.whole)
    }

    /// Octets that are reserved on the heap.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.whole.capacity()
    }
}

impl Seam {
    /// Takes the next octets of a text; whole characters are handed to `take`.
    ///
    /// # Errors
    /// `Utf8` at the first octet with which no text can go on.
    pub(super) fn join(&mut self, mut octets: &[u8], take: &mut dyn FnMut(&str)) -> Result<(), Rejection> {
        while self.begun_bytes > 0 {
            let [octet, rest @ ..] = octets else { return Ok(()) };
            octets = rest;
            self.begin([*octet].as_slice());
            match str::from_utf8(self.begun.get(..self.begun_bytes).unwrap_or_default()) {
                Ok(character) => {
                    take(character);
                    self.begun_bytes = 0;
                }
                Err(error) if error.error_len().is_some() => return Err(Rejection::Utf8),
                Err(_) => {}
            }
        }
        let (whole, begun) = split(octets)?;
        take(whole);
        self.begin(begun);
        Ok(())
    }

    /// Whether the text may end here.
    ///
    /// # Errors
    /// `Utf8` if a character is not whole.
    pub(super) fn finish(&self) -> Result<(), Rejection> {
        if self.begun_bytes > 0 { Err(Rejection::Utf8) } else { Ok(()) }
    }

    fn begin(&mut self, octets: &[u8]) {
        for (place, octet) in self.begun.iter_mut().skip(self.begun_bytes).zip(octets) {
            *place = *octet;
            self.begun_bytes += 1;
        }
    }
}

/// Cuts octets into whole characters and the beginning of one.
fn split(octets: &[u8]) -> Result<(&str, &[u8]), Rejection> {
    match str::from_utf8(octets) {
        Ok(whole) => Ok((whole, &[])),
        Err(error) if error.error_len().is_some() => Err(Rejection::Utf8),
        Err(error) => {
            let (whole, begun) = octets.split_at_checked(error.valid_up_to()).ok_or(Rejection::Utf8)?;
            Ok((str::from_utf8(whole).map_err(|_| Rejection::Utf8)?, begun))
        }
    }
}

fn reserve(text: &mut String, more: usize, bytes_max: usize) {
    text.reserve_exact(growth(text.len(), text.capacity(), more, bytes_max));
}
