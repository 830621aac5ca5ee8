//! Owns the question whether somebody put a token into a query.
//! Never knows what else a query may say.

use std::borrow::Cow;

/// Whether a query has a parameter that is named like a token, or a value that has the form
/// of one. Queries reach logs, histories and `Referer` fields (RFC 9700 section 4.3.2).
///
/// `;` parts parameters too: some backends take it so.
pub(super) fn holds_a_token(query: &str) -> bool {
    query.split(['&', ';']).any(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (name, value) = (decoded(name), decoded(value));
        names_a_token(name.trim_ascii()) || looks_like_jwt(&name) || looks_like_jwt(&value)
    })
}

/// The values of every parameter `ticket`, as they stand there: a ticket needs no encoding.
pub(super) fn tickets(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter_map(|parameter| parameter.strip_prefix("ticket="))
}

fn names_a_token(name: &[u8]) -> bool {
    NAMES.iter().any(|token| name.eq_ignore_ascii_case(token))
}

/// Three parts of base64url, none of them empty, of which the first starts as `{"` does; also
/// behind a scheme (`Bearer eyJ...`). The parts of a signed JWT, whoever it is for.
#[must_use]
pub fn looks_like_jwt(value: &[u8]) -> bool {
    let word = value.trim_ascii().rsplit(|octet| *octet == b' ').next().unwrap_or_default();
    let mut parts = 0_usize;
    let all_base64url = word.split(|octet| *octet == b'.').all(|part| {
        parts = parts.saturating_add(1);
        !part.is_empty()
            && part.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-'))
    });
    all_base64url && parts == 3 && word.starts_with(b"eyJ")
}

/// The octets that a part of a query stands for. `+` is a space, as forms write it.
pub(crate) fn decoded(part: &str) -> Cow<'_, [u8]> {
    if !part.contains(['%', '+']) {
        return Cow::Borrowed(part.as_bytes());
    }
    let mut octets = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let octet = match first {
            b'+' => b' ',
            b'%' => match percent(tail) {
                Some((octet, behind)) => {
                    rest = behind;
                    octet
                }
                None => b'%',
            },
            other => *other,
        };
        octets.push(octet);
    }
    Cow::Owned(octets)
}

/// The names and values of a form or a query, decoded, in their order; `None` for what is not UTF-8.
pub(crate) fn form_pairs(text: &str) -> impl Iterator<Item = (Option<String>, Option<String>)> {
    let parameters = text.split('&').filter(|parameter| !parameter.is_empty());
    parameters.map(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let [name, value] = [name, value].map(|part| String::from_utf8(decoded(part).into_owned()).ok());
        (name, value)
    })
}

/// The octet of two hexadecimal digits, and what follows them.
fn percent(tail: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, behind) = tail.split_at_checked(2)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let octet = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    Some((octet, behind))
}

const NAMES: [&[u8]; 6] = [b"token", b"access_token", b"id_token", b"jwt", b"authorization", b"bearer"];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_is_seen_by_its_name_or_its_form() {
        for query in [
            "token=x",
            "token=",
            "token",
            "Token=x",
            "TOKEN=x",
            "a=b&access_token=x",
            "id_token=x",
            "jwt=x",
            "authorization=Bearer%20x",
            "bearer=x",
            "a=b;token=x",
            "%74oken=x",
            "%54OKEN=x",
            "t%6Fken=x",
            "+token=x",
            "token+=x",
            "access%5Ftoken=x",
            "%20token=x",
            "x=eyJhbGciOiJub25lIn0.e30.c2ln",
            "x=eyJhbGciOiJub25lIn0%2Ee30%2ec2ln",
            "x=Bearer+eyJh.e30.c2ln",
            "x=Bearer%20eyJh.e30.c2ln",
            "eyJh.e30.c2ln",
            "x=%65yJh.e30.c2ln",
            "x=+eyJh.e30.c2ln",
            "&&token=x",
            "a&b&c=eyJh.e30.c2ln&d",
        ] {
            assert!(holds_a_token(query), "{query}");
        }
    }

    #[test]
    fn what_is_no_token_is_left_alone() {
        for query in [
            "",
            "a=b",
            "ticket=abc",
            "tokens=3",
            "mytoken=x",
            "x=token",
            "room=a.b.c",
            "x=eyJh.e30",
            "x=eyJh..c2ln",
            "x=eyJh.e30.c2ln.d",
            "x=eyJh.e+0.c2ln",
            "%2574oken=x",
            "%7=x",
            "%zz=x",
            "100%",
            "topic=https%3A%2F%2Fexample.com%2Fa.b.c",
            "v=1.2.3",
        ] {
            assert!(!holds_a_token(query), "{query}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_judged_without_a_panic(query in ".{0,200}") {
            let _judged = holds_a_token(&query);
        }

        #[test]
        fn a_token_is_seen_however_its_name_is_encoded(encode in proptest::collection::vec(any::<bool>(), 5)) {
            let name: String = "token".chars().zip(encode)
                .map(|(letter, encode)| if encode { format!("%{:02X}", u32::from(letter)) } else { letter.to_string() })
                .collect();
            let query = format!("a=b&{name}=c");
            prop_assert!(holds_a_token(&query));
        }
    }
}
