//! Owns the ASCII serialization of an origin (RFC 6454 section 6.2) and the host and port in it.
//! Never knows which origins or hosts are allowed.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A strict `scheme://host[:port]`, lower-case, no default port, no path.
///
/// ```
/// use portcullis::origin::Origin;
/// assert!(Origin::parse("https://chat.example.com:8443").is_some());
/// assert!(Origin::parse("https://chat.example.com/").is_none());
/// assert!(Origin::parse("null").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(Box<str>);

impl Origin {
    /// Takes the serialization of a tuple origin; `None` for anything else, `null` included.
    #[must_use]
    pub fn parse(text: &str) -> Option<Origin> {
        let (scheme, authority) = text.split_once("://")?;
        let authority_is_lower_case = !authority.bytes().any(|octet| octet.is_ascii_uppercase());
        let port = Authority::parse(authority)?.port;
        let port_is_needed = port.is_none() || port != default_port(scheme);
        (is_scheme(scheme) && authority_is_lower_case && port_is_needed).then(|| Origin(text.into()))
    }

    /// The serialization.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `host [":" port]` (RFC 3986 section 3.2) without user information.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority {
    /// The host.
    pub host: HostName,
    /// The port, if it is there.
    pub port: Option<u16>,
}

impl Authority {
    /// Takes an authority to the letter: no user information, no percent-encoding, a port of
    /// 1 to 65535 in its shortest form. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Authority> {
        // The last colon starts the port, unless it stands inside the brackets of an address.
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(parse_port(port)?)),
            Some(_) | None => (text, None),
        };
        Some(Authority { host: HostName::parse(host)?, port })
    }
}

/// A host as it is compared: a name in lower case, an address as an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostName {
    /// A name, in lower case.
    Name(Box<str>),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address; it is written in brackets.
    V6(Ipv6Addr),
}

impl HostName {
    /// Takes a name of letters, digits, `-` and `_` in labels, an IPv4 address, or an IPv6
    /// address in brackets. RFC 3986 would let a name have more octets; no host that a
    /// certificate can name has them.
    #[must_use]
    pub fn parse(text: &str) -> Option<HostName> {
        if let Some(bracketed) = text.strip_prefix('[') {
            return bracketed.strip_suffix(']')?.parse().ok().map(HostName::V6);
        }
        if let Ok(address) = text.parse() {
            return Some(HostName::V4(address));
        }
        let labels = text.strip_suffix('.').unwrap_or(text).split('.');
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_label_octet);
        labels.into_iter().all(is_label).then(|| HostName::Name(text.to_ascii_lowercase().into()))
    }
}

fn parse_port(text: &str) -> Option<u16> {
    // `u16::from_str` would take `+443` and `0443`.
    let is_shortest = !text.starts_with('0') && text.bytes().all(|octet| octet.is_ascii_digit());
    is_shortest.then(|| text.parse().ok())?
}

/// RFC 3986 section 3.1, in lower case.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|octet| {
            octet.is_ascii_lowercase() || octet.is_ascii_digit() || matches!(octet, b'+' | b'-' | b'.')
        })
}

fn is_label_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_')
}

/// The port that a serialization leaves out.
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "https" | "wss" => Some(443),
        "http" | "ws" => Some(80),
        "ftp" => Some(21),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serialized_tuple_origin_is_taken_as_it_is() {
        for good in [
            "https://app.example",
            "http://localhost:8080",
            "https://app.example:8443",
            "https://app.example:80",
            "http://app.example:443",
            "https://app.example.",
            "https://127.0.0.1",
            "https://[::1]:8443",
            "https://[2001:db8::1]",
            "https://xn--pp-7ka.example",
            "chrome-extension://abcdefghijklmnop",
            "moz-extension://6a1e2c1e-0b1f-4d0e-9d0e-000000000000",
        ] {
            assert_eq!(Origin::parse(good).expect(good).as_str(), good);
        }
    }

    #[test]
    fn whatever_is_not_a_serialized_tuple_origin_is_none() {
        for bad in [
            "",
            "null",
            "*",
            "about:blank",
            "app.example",
            "://app.example",
            "https:app.example",
            "https:/app.example",
            "https:\\\\app.example",
            "https://",
            "https://:443",
            "HTTPS://app.example",
            "https://APP.example",
            "https://app.example/",
            "https://app.example/path",
            "https://app.example?x",
            "https://app.example#x",
            "https://app.example:",
            "https://app.example:443",
            "https://app.example:0443",
            "https://app.example:+8443",
            "https://app.example:0",
            "https://app.example:65536",
            "https://app.example:8443:8443",
            "http://app.example:80",
            "wss://app.example:443",
            "https://user@app.example",
            "https://app.example@evil.example",
            "https://app.example%2eevil.example",
            "https://app..example",
            "https://.example",
            "https://*.example",
            "https://app.example evil",
            "https://app.example`evil",
            "https://app.example,https://evil.example",
            "https://аpp.example",
            "https://[::1",
            "https://::1",
            "https://[::1]8443",
            "https://[fe80::1%25eth0]",
            "https://[FE80::1]",
            "1https://app.example",
            "ht_tps://app.example",
            " https://app.example",
            "https://app.example\n",
        ] {
            assert!(Origin::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn hosts_compare_as_names_without_case_and_as_addresses() {
        let host = |text| HostName::parse(text).expect(text);
        assert_eq!(host("Chat.Example"), host("chat.example"));
        assert_ne!(host("chat.example."), host("chat.example"));
        assert_eq!(host("[0:0::1]"), host("[::1]"));
        assert_eq!(host("127.0.0.1"), HostName::V4(Ipv4Addr::LOCALHOST));
        assert_ne!(host("127.1"), host("127.0.0.1"));
    }
}
