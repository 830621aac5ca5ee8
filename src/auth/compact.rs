//! Owns the compact form of a signed token: three parts of base64url (RFC 7515 section 7.1).
//! Never knows what the parts say.

use crate::rejection::Rejection;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A token taken apart. Nothing in it is trusted.
pub(super) struct Compact<'a> {
    /// What the signature is over: the first two parts as they came, with their dot.
    pub(super) signed: &'a [u8],
    /// The JOSE header: UTF-8, nothing else known.
    pub(super) header: String,
    /// The claims set: UTF-8, nothing else known.
    pub(super) claims: String,
    /// The signature's octets.
    pub(super) signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`Rejection::TokenMalformed`] for other than three parts, for a part that is not
    /// canonical base64url without padding, and for a header or claims set that is not UTF-8.
    pub(super) fn parse(token: &'a str) -> Result<Compact<'a>, Rejection> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Rejection::TokenMalformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Rejection::TokenMalformed)?;
        // A dot that is left in `claims` is no base64url, so that four parts are none too.
        Ok(Compact {
            signed: signed.as_bytes(),
            header: text(header)?,
            claims: text(claims)?,
            signature: octets(signature)?,
        })
    }
}

fn text(part: &str) -> Result<String, Rejection> {
    String::from_utf8(octets(part)?).map_err(|_| Rejection::TokenMalformed)
}

/// Canonical: the unused bits of the last symbol are zero, so that one signature has one
/// spelling. The engine refuses padding and set unused bits.
fn octets(part: &str) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Rejection::TokenMalformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_apart_at_its_two_dots() {
        let token = Compact::parse("e30.eyJhIjoxfQ.AQI").expect("a token");
        assert_eq!(token.signed, b"e30.eyJhIjoxfQ");
        assert_eq!((&*token.header, &*token.claims, &*token.signature), ("{}", "{\"a\":1}", &[1, 2][..]));
    }

    #[test]
    fn other_than_three_parts_of_canonical_base64url_is_malformed() {
        for bad in [
            "",
            "e30",
            "e30.e30",
            "e30.e30.AQI.AQI",
            "e30=.e30.AQI",
            "e30.e30.AQI=",
            "e3+.e30.AQI",
            "e30.e30.A/I",
            "e30.e30.AQJ",
            "e31.e30.AQI",
            "e30.e31.AQI",
            "e30.e30.A",
            " e30.e30.AQI",
            "e30.e30.AQI\n",
            "_w.e30.AQI",
            "e30._w.AQI",
        ] {
            assert_eq!(Compact::parse(bad).err(), Some(Rejection::TokenMalformed), "{bad:?}");
        }
    }
}
