//! Owns the URL of an endpoint (RFC 6455 section 3) and where it leads.
//! Never knows what is sent there.

use http::Uri;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

/// What a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) is_tls: bool,
    /// A name or an address, without brackets.
    pub(super) name: String,
    pub(super) port: u16,
    /// As it stands in `Host`: without the port where it is the scheme's.
    pub(super) host: String,
    /// Path and query.
    pub(super) target: String,
}

impl Endpoint {
    /// # Errors
    /// It is no URL of a WebSocket; the text says what one looks like.
    pub(super) fn parse(url: &str) -> Result<Endpoint, String> {
        let wrong = |why: &str| format!("{why}: write ws://HOST[:PORT]/PATH or wss://HOST[:PORT]/PATH");
        if url.contains('#') {
            return Err(wrong("a WebSocket URL has no fragment"));
        }
        let uri: Uri = url.parse().map_err(|_| wrong("this is no URL"))?;
        let is_tls = match uri.scheme_str() {
            Some("wss") => true,
            Some("ws") => false,
            Some(_) | None => return Err(wrong("this is no WebSocket URL")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("the URL names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("a user in the URL is not sent anywhere"));
        }
        let default = if is_tls { 443 } else { 80 };
        let port = authority.port_u16().unwrap_or(default);
        let name = authority.host().trim_matches(['[', ']']).to_owned();
        if name.is_empty() || port == 0 {
            return Err(wrong("the URL names no host"));
        }
        let host = if port == default {
            authority.host().to_owned()
        } else {
            format!("{}:{port}", authority.host())
        };
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        Ok(Endpoint { is_tls, name, port, host, target })
    }

    /// The origin of a page that the endpoint itself would serve.
    pub(super) fn own_origin(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.host)
    }

    /// The URL without its query, which may hold a secret.
    pub(super) fn shown(&self) -> String {
        let scheme = if self.is_tls { "wss" } else { "ws" };
        let path = self.target.split('?').next().unwrap_or_default();
        format!("{scheme}://{}{path}", self.host)
    }

    /// Where it is; the same place for every attack.
    ///
    /// # Errors
    /// The name leads nowhere.
    pub(super) fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        let found = (self.name.as_str(), self.port).to_socket_addrs();
        let found: Vec<SocketAddr> = found.map_err(|error| format!("{}: {error}", self.name))?.collect();
        if found.is_empty() {
            return Err(format!("{} has no address", self.name));
        }
        Ok(found)
    }

    /// Whether nothing leaves this machine on the way to it.
    pub(super) fn is_loopback(&self) -> bool {
        self.name == "localhost" || self.name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_websocket_url_says_where_and_what() {
        let parsed = |url: &str| Endpoint::parse(url).expect(url);
        let endpoint = parsed("wss://chat.example:8443/chat/a?x=1");
        assert_eq!((endpoint.name.as_str(), endpoint.port, endpoint.is_tls), ("chat.example", 8443, true));
        assert_eq!((endpoint.host.as_str(), endpoint.target.as_str()), ("chat.example:8443", "/chat/a?x=1"));
        assert_eq!(endpoint.own_origin(), "https://chat.example:8443");
        assert_eq!(endpoint.shown(), "wss://chat.example:8443/chat/a");
        let endpoint = parsed("ws://[::1]");
        assert_eq!((endpoint.name.as_str(), endpoint.port, endpoint.host.as_str()), ("::1", 80, "[::1]"));
        assert_eq!((endpoint.target.as_str(), endpoint.is_loopback()), ("/", true));
        assert_eq!(parsed("wss://a.example:443/").host, "a.example");
        assert!(!parsed("wss://a.example").is_loopback());
    }

    #[test]
    fn what_is_no_websocket_url_is_told_what_one_is() {
        for url in [
            "",
            "a.example",
            "https://a.example/",
            "wss://",
            "wss://u:p@a/",
            "wss://a/#x",
            "wss://a:0/",
            "ws:/a",
        ] {
            assert!(Endpoint::parse(url).expect_err(url).contains("wss://HOST"), "{url}");
        }
    }
}
