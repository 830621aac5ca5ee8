//! Owns the guess of what may be a secret in a configuration file, and covers it.
//! Never knows a finding.
//!
//! Values of this file are paths and public names, so nothing here should ever match. People
//! paste keys into the wrong place all the same, and a fault is then printed, logged and sent on.

use super::findings::Span;
use toml::de::{DeTable, DeValue};

/// The source with every suspicious stretch, and the given spans, covered by characters of the same
/// width in octets: all other places stay where they are.
pub(super) fn covered(source: &str, spans: &[Span]) -> String {
    let mut suspicious = suspicious(source);
    suspicious.extend_from_slice(spans);
    let is_covered = |at: usize| suspicious.iter().any(|span| span.contains(&at));
    source.char_indices().map(|(at, c)| if c != '\n' && is_covered(at) { cover(c) } else { c }).collect()
}

/// A value as a message may quote it: escaped, cut, and not at all if it may be a secret.
pub(super) fn quoted(value: &str) -> String {
    if !suspicious(value).is_empty() {
        return "a value that is not shown".to_owned();
    }
    let escaped: String = value.chars().take(QUOTED_CHARS_MAX).flat_map(char::escape_debug).collect();
    let cut = if value.chars().nth(QUOTED_CHARS_MAX).is_some() { "..." } else { "" };
    format!("\"{escaped}{cut}\"")
}

/// Whether a value may be a path: it looks like no secret, and stays on one line.
pub(super) fn is_path(value: &str) -> bool {
    !value.contains(char::is_control) && suspicious(value).is_empty()
}

/// Whether the path of a secret may be shown: a bare word may be the secret itself.
pub(super) fn is_clearly_path(value: &str) -> bool {
    value.contains(['/', '.']) && is_path(value)
}

/// The values of a document that are covered for the key they stand under, or for their length.
pub(super) fn values(table: &DeTable<'_>) -> Vec<Span> {
    let mut spans = Vec::new();
    values_of_table(table, &mut spans);
    spans
}

fn values_of_table(table: &DeTable<'_>, spans: &mut Vec<Span>) {
    for (key, value) in table {
        let name = key.get_ref().to_ascii_lowercase();
        let covers = match value.get_ref() {
            DeValue::String(text) => {
                (names_secret_file(&name) && !is_clearly_path(text)) || suggests_secret(&name)
            }
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
                suggests_secret(&name)
            }
            DeValue::Array(array) => {
                suggests_secret(&name) && array.iter().any(|item| !item.get_ref().is_table())
            }
            DeValue::Table(_) => false,
        };
        if covers {
            spans.push(value.span());
        }
        values_of(value.get_ref(), value.span(), spans);
    }
}

fn values_of(value: &DeValue<'_>, span: Span, spans: &mut Vec<Span>) {
    match value {
        DeValue::String(text) if text.len() > VALUE_BYTES_SHOWN_MAX => spans.push(span),
        DeValue::Table(table) => values_of_table(table, spans),
        DeValue::Array(array) => {
            array.iter().for_each(|item| values_of(item.get_ref(), item.span(), spans));
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
}

/// Whether a key that this program does not have sounds as if a secret stood under it.
pub(super) fn suggests_secret(name: &str) -> bool {
    const HINTS: [&str; 9] =
        ["secret", "passw", "passphrase", "token", "credential", "private", "jwt", "pem", "key"];
    !KEYS.contains(&name) && !names_secret_file(name) && HINTS.iter().any(|hint| name.contains(hint))
}

fn names_secret_file(name: &str) -> bool {
    ["private_key", "secret_file", "previous_secret_file", "signing_key", "assertion_key", "token_file"]
        .contains(&name)
}

/// Keys of this program that sound like a secret and hold none.
const KEYS: [&str; 3] = ["credentials", "max_token_lifetime", "failed_credentials_per_ip"];

/// Stretches that look like PEM, a JWT, base64 or hex of a key, or a password in a URL, and lines
/// whose key sounds like a secret: also in a file that is no TOML.
fn suspicious(text: &str) -> Vec<Span> {
    let mut spans = pem(text);
    for (start, line) in lines(text) {
        if let Some((key, value)) = line.split_once('=')
            && is_secret_line(key, value)
        {
            spans.push(start + line.len() - value.len()..start + line.len());
        }
        spans.extend(runs(line, |c| c.is_ascii_alphanumeric() || "_-.".contains(c)).filter_map(
            |(at, run)| {
                let jwt = run.find("eyJ")?;
                (run.len() - jwt >= 16).then(|| start + at + jwt..start + at + run.len())
            },
        ));
        spans.extend(
            runs(line, |c| c.is_ascii_alphanumeric() || "_-+/=".contains(c))
                .filter(|(at, run)| is_key_material(run, line.get(..*at).unwrap_or("")))
                .map(|(at, run)| start + at..start + at + run.len()),
        );
        spans.extend(userinfo(line).map(|span| start + span.start..start + span.end));
    }
    spans
}

fn is_secret_line(key: &str, value: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key).trim().trim_matches(['"', '\'']).to_ascii_lowercase();
    let is_tables = name == "key" && value.trim_start().starts_with(['[', '{']);
    let is_name = name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"_-".contains(&octet));
    is_name && !is_tables && suggests_secret(&name)
}

/// Base64 or hex of 24 octets or more; a path is neither.
fn is_key_material(run: &str, before: &str) -> bool {
    let value = run.trim_start_matches('=');
    let long = value.len() >= 32;
    let digit = value.bytes().any(|octet| octet.is_ascii_digit());
    let lower = value.bytes().any(|octet| octet.is_ascii_lowercase());
    let upper = value.bytes().any(|octet| octet.is_ascii_uppercase());
    let hex = value.bytes().all(|octet| octet.is_ascii_hexdigit());
    let is_path = value.contains('/') && (value.starts_with('/') || before.ends_with(['.', '~', ':']));
    long && digit && !is_path && (hex || (lower && upper))
}

fn pem(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut from = 0;
    while let Some(begin) = text.get(from..).and_then(|rest| rest.find("-----BEGIN")) {
        let begin = from + begin;
        let end =
            text.get(begin..).and_then(|rest| rest.find("-----END")).map_or(text.len(), |end| begin + end);
        spans.push(begin..end);
        from = end;
        if end == text.len() {
            break;
        }
    }
    spans
}

fn userinfo(line: &str) -> impl Iterator<Item = Span> {
    line.match_indices("://").filter_map(|(at, scheme)| {
        let start = at + scheme.len();
        let rest = line.get(start..)?;
        let authority = rest.split(['/', '"', '\'', ' ', ',']).next()?;
        authority.rfind('@').map(|end| start..start + end)
    })
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |start, line| {
        let at = *start;
        *start += line.len();
        Some((at, line.trim_end_matches(['\n', '\r'])))
    })
}

fn runs(line: &str, belongs: impl Fn(char) -> bool) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let rest = line.get(from..)?;
        let start = from + rest.find(&belongs)?;
        let run = line.get(start..)?;
        let length = run.find(|c| !belongs(c)).unwrap_or(run.len());
        from = start + length;
        Some((start, run.get(..length)?))
    })
}

/// A character that takes as many octets.
fn cover(c: char) -> char {
    match c.len_utf8() {
        2 => '·',
        3 => '•',
        4 => '\u{1f784}',
        _ => '*',
    }
}

const QUOTED_CHARS_MAX: usize = 80;
const VALUE_BYTES_SHOWN_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_covered_wherever_it_stands() {
        for (secret, source) in [
            ("MHcCAQEE", "x = \"-----BEGIN EC PRIVATE KEY-----\\nMHcCAQEE\\n-----END EC PRIVATE KEY-----\""),
            ("MHcCAQEE", "x = \"\"\"-----BEGIN PRIVATE KEY-----\nMHcCAQEE\n"),
            ("c2lnbmF0dXJl", "x = \"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl\""),
            ("k7J2xQ", "x = \"k7J2xQpW9zR4tY8uI1oP3aS5dF6gH0jK+l/zXcVbNmQ=\""),
            ("9f86d081", "x = 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
            ("hunter2", "password = \"hunter2\""),
            ("hunter2", "  \"client_secret\"= 'hunter2"),
            ("hunter2", "url = \"https://user:hunter2@example.com/\""),
        ] {
            let text = covered(source, &[]);
            assert!(!text.contains(secret), "{text}");
            assert_eq!(text.len(), source.len());
            assert_eq!(text.matches('\n').count(), source.matches('\n').count());
        }
    }

    #[test]
    fn what_an_operator_writes_is_shown() {
        for source in [
            "listen = [\"0.0.0.0:8443\"]",
            "certificate = \"/etc/portcullis/Production2026/chat.example.com/certificate.pem\"",
            "private_key = \"../certs/server.key\"",
            "secret_file = \"certs/hs256.secret\"",
            "allow = [\"https://chat.example.com\", \"https://*.example.com\"]",
            "failed_credentials_per_ip = \"1/s burst 30\"   # ----------------------------------------",
            "jwks_url = \"https://id.example.com/.well-known/jwks.json\"",
            "jwks_file = \"certs/jwks.json\"",
            "[auth.issuer.claims]",
            "max_token_lifetime = \"24h\"",
            "kid = \"2026-01\"",
            "auth.issuer.key = [{ file = \"a.pem\", kid = \"1\" }]",
        ] {
            assert_eq!(covered(source, &[]), source);
            let document = DeTable::parse(source).expect(source);
            assert_eq!(values(document.get_ref()), Vec::<Span>::new(), "{source}");
        }
    }

    #[test]
    fn values_are_covered_for_their_key_or_length() {
        for source in [
            "a = { api_key = \"hunter2\" }",
            "[[x]]\npassphrase = 'hunter2'",
            "private_key = \"hunter2\"",
            "secret_file = \"hunter2\"",
            "token = 12345",
            "b = [\"hunter2, and so on for a very long time, which no path or name in this file would ever do, so that \
             nobody knows what it is, but a person who pastes text into the wrong file has such values, as \
             everybody knows\"]",
        ] {
            let document = DeTable::parse(source).expect(source);
            let text = covered(source, &values(document.get_ref()));
            assert!(!text.contains("hunter2") && !text.contains("12345"), "{text}");
        }
    }

    #[test]
    fn a_quoted_value_is_escaped_and_cut() {
        assert_eq!(quoted("a\"b\u{1b}"), "\"a\\\"b\\u{1b}\"");
        assert_eq!(quoted(&"a b".repeat(100)).len(), 80 + 5);
        assert_eq!(quoted("-----BEGIN PRIVATE KEY-----"), "a value that is not shown");
    }
}
