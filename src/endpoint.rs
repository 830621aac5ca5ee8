//! Owns where this process may be told to connect to: a URL of the configuration, taken to the letter.
//! Never knows how a connection is made.

use crate::origin::{Authority, HostName};
use std::fmt;
use std::path::{Path, PathBuf};

/// What is spoken at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP without TLS.
    Http,
    /// HTTP over TLS.
    Https,
    /// WebSocket without TLS.
    Ws,
    /// WebSocket over TLS.
    Wss,
    /// A Unix socket; what is spoken there is for who connects to say.
    Unix,
}

impl Scheme {
    /// As it stands before the colon.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Ws => "ws",
            Scheme::Wss => "wss",
            Scheme::Unix => "unix",
        }
    }

    /// Whether the connection is made by TLS.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Scheme::Https | Scheme::Wss)
    }

    fn default_port(self) -> u16 {
        match self {
            Scheme::Http | Scheme::Ws | Scheme::Unix => 80,
            Scheme::Https | Scheme::Wss => 443,
        }
    }
}

/// Where an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A host and a port.
    Tcp {
        /// The host: an address needs no resolver.
        host: HostName,
        /// The port.
        port: u16,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

/// Somewhere that the operator has named. Its text form leaves the path and the query out, as they
/// may hold a secret.
///
/// ```
/// use portcullis::endpoint::Endpoint;
/// let endpoint = Endpoint::parse("https://id.example.com/keys?p=1").unwrap();
/// assert_eq!((endpoint.to_string().as_str(), endpoint.target()), ("https://id.example.com", "/keys?p=1"));
/// assert!(Endpoint::parse("https://me:secret@id.example.com/").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    scheme: Scheme,
    place: Place,
    target: Box<str>,
}

/// Why a text is no endpoint, in words that follow the name of a key. They hold nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointFault(&'static str);

impl fmt::Display for EndpointFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for EndpointFault {}

impl Endpoint {
    /// Takes `http://`, `https://`, `ws://` or `wss://` with a host, and perhaps a port, a path and
    /// a query; or `unix:` with an absolute path.
    ///
    /// # Errors
    ///
    /// User information, a fragment, a host that is none (an address in a form that only the C
    /// library would take as one), port 0, a character that is not visible ASCII.
    pub fn parse(text: &str) -> Result<Endpoint, EndpointFault> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Endpoint::unix(path);
        }
        let (scheme, rest) = text.split_once("://").ok_or(EndpointFault(FORM))?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "ws" => Scheme::Ws,
            "wss" => Scheme::Wss,
            _ => return Err(EndpointFault(FORM)),
        };
        if !rest.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'\\') {
            return Err(EndpointFault("has a character that no URL has"));
        }
        if rest.contains('#') {
            return Err(EndpointFault("has a fragment, which is never sent"));
        }
        let (authority, target) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at_checked(at).unwrap_or((rest, "")),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(EndpointFault("has user information: a secret does not belong into a URL"));
        }
        let Authority { host, port } =
            Authority::parse(authority).ok_or(EndpointFault("has no good host and port"))?;
        if is_number(&host) {
            return Err(EndpointFault("has a host that is a number: write an address with all its parts"));
        }
        let is_target = target.is_empty() || target.starts_with('/');
        if !is_target || target.parse::<http::uri::PathAndQuery>().is_err() && !target.is_empty() {
            return Err(EndpointFault("has no good path: it begins with /"));
        }
        let target = if target.is_empty() { "/" } else { target };
        let port = port.unwrap_or(scheme.default_port());
        Ok(Endpoint { scheme, place: Place::Tcp { host, port }, target: target.into() })
    }

    fn unix(path: &str) -> Result<Endpoint, EndpointFault> {
        if !path.starts_with('/') || path.ends_with('/') || path.contains(char::is_control) {
            return Err(EndpointFault("is no path to a socket: write unix: and an absolute path"));
        }
        if path.len() > UNIX_PATH_BYTES_MAX {
            return Err(EndpointFault("is too long for a socket: choose a shorter path"));
        }
        Ok(Endpoint { scheme: Scheme::Unix, place: Place::Unix(path.into()), target: "/".into() })
    }

    /// What is spoken there.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Path and query, as they go on the request line (RFC 9112 section 3.2.1).
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What goes into `Host`: without the port where it is the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        match &self.place {
            Place::Unix(_) => "localhost".to_owned(),
            Place::Tcp { host, port } if *port == self.scheme.default_port() => host_text(host),
            Place::Tcp { host, port } => format!("{}:{port}", host_text(host)),
        }
    }

    /// Whether it can be nowhere but on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match &self.place {
            Place::Unix(_) => true,
            Place::Tcp { host: HostName::V4(address), .. } => address.is_loopback(),
            Place::Tcp { host: HostName::V6(address), .. } => address.is_loopback(),
            // RFC 6761 section 6.3.
            Place::Tcp { host: HostName::Name(name), .. } => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                name == "localhost" || name.ends_with(".localhost")
            }
        }
    }

    /// The name that has to be resolved, if it is no address.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.place {
            Place::Tcp { host: HostName::Name(name), .. } => Some(name),
            Place::Tcp { host: HostName::V4(_) | HostName::V6(_), .. } | Place::Unix(_) => None,
        }
    }

    /// The port, if it is reached by TCP.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match &self.place {
            Place::Tcp { port, .. } => Some(*port),
            Place::Unix(_) => None,
        }
    }

    /// The socket, if it is one in the file system.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        match &self.place {
            Place::Unix(path) => Some(path),
            Place::Tcp { .. } => None,
        }
    }
}

/// The host as it stands in a URL.
fn host_text(host: &HostName) -> String {
    match host {
        HostName::Name(name) => name.to_string(),
        HostName::V4(address) => address.to_string(),
        HostName::V6(address) => format!("[{address}]"),
    }
}

/// Whether the C library would read a name as an address all the same: `127.1`, `0x7f000001`.
fn is_number(host: &HostName) -> bool {
    let HostName::Name(name) = host else { return false };
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    last.starts_with(|first: char| first.is_ascii_digit())
        && (last.bytes().all(|octet| octet.is_ascii_digit()) || last.starts_with("0x"))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp { .. } => write!(f, "{}://{}", self.scheme.name(), self.authority()),
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

const FORM: &str = "is no URL that can be connected to";
/// `sun_path` without its final zero.
const UNIX_PATH_BYTES_MAX: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_a_host_a_port_and_a_target() {
        for (text, shown, port, target) in [
            ("https://id.example.com", "https://id.example.com", 443, "/"),
            ("https://ID.Example.com:443/keys", "https://id.example.com", 443, "/keys"),
            ("http://127.0.0.1:8080/a/b?c=d", "http://127.0.0.1:8080", 8080, "/a/b?c=d"),
            ("wss://[::1]:9/", "wss://[::1]:9", 9, "/"),
            ("ws://back_end:8080", "ws://back_end:8080", 8080, "/"),
            ("ws://back-end/", "ws://back-end", 80, "/"),
        ] {
            let endpoint = Endpoint::parse(text).expect(text);
            assert_eq!((endpoint.to_string().as_str(), endpoint.target()), (shown, target));
            assert_eq!(endpoint.port(), Some(port), "{text}");
        }
        assert_eq!(Endpoint::parse("https://a.b:8443/x").expect("one").authority(), "a.b:8443");
    }

    #[test]
    fn a_unix_socket_is_an_absolute_path() {
        let endpoint = Endpoint::parse("unix:/run/app/backend.sock").expect("a socket");
        assert_eq!(endpoint.socket(), Some(Path::new("/run/app/backend.sock")));
        assert_eq!((endpoint.port(), endpoint.authority().as_str()), (None, "localhost"));
        let longest = format!("unix:/{}", "a".repeat(106));
        assert!(Endpoint::parse(&longest).is_ok());
        for bad in ["unix:", "unix:run/a.sock", "unix:/run/", "unix:/a\nb", &format!("{longest}a")] {
            assert!(Endpoint::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_a_name_has_to_be_resolved() {
        let name = |text| Endpoint::parse(text).expect(text).name().map(str::to_owned);
        assert_eq!(name("https://localhost/").as_deref(), Some("localhost"));
        for address in ["https://127.0.0.1/", "https://[::1]/", "unix:/run/a.sock"] {
            assert_eq!(name(address), None, "{address}");
        }
    }

    #[test]
    fn what_is_not_clearly_one_place_is_no_endpoint() {
        for bad in [
            "",
            "id.example.com",
            "//id.example.com/",
            "HTTPS://id.example.com/",
            "ftp://id.example.com/",
            "file:///etc/passwd",
            "https://",
            "https:///keys",
            "https://me@id.example.com/",
            "https://me:secret@id.example.com/",
            "https://id.example.com/keys#fragment",
            "https://id.example.com#fragment",
            "https://id.example.com?keys",
            "https://id.example.com\\@evil.example/",
            "https://id.example.com/a\\b",
            "https://id.example.com:0/",
            "https://id.example.com:65536/",
            "https://id.example.com:+443/",
            "https://id.example.com:/",
            "https://id.example.com/a b",
            "https://id.example.com/\r\nX: y",
            "https://id.exämple.com/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://127.0.0.0x1/",
            "https://[::1/",
            "https://::1/",
            "https://[fe80::1%25eth0]/",
        ] {
            assert!(Endpoint::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_path_and_the_query_stay_out_of_every_text() {
        let endpoint = Endpoint::parse("https://hooks.example.com/T0K3N?key=swordfish").expect("one");
        assert_eq!(format!("{endpoint} {endpoint:?}").matches("T0K3N").count(), 0);
        assert!(!format!("{endpoint} {endpoint:?}").contains("swordfish"));
    }
}
