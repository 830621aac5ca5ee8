//! Owns who may ask the internal port: the right Host, no browser, the token where one is set.
//! Never knows what is asked.

use super::reply::Problem;
use crate::secret::Secret;
use http::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use http::{StatusCode, Uri};
use std::net::SocketAddr;
use subtle::ConstantTimeEq;

/// What every request to the internal port is judged by.
pub struct Guard {
    /// The address it listens on; `None` for a Unix socket.
    pub address: Option<SocketAddr>,
    /// The bearer to ask for.
    pub token: Option<Secret>,
}

const HOST_NOT_ALLOWED: Problem = Problem::new(
    StatusCode::MISDIRECTED_REQUEST,
    "host_not_allowed",
    "Ask by the listening address or by localhost",
);
const FROM_BROWSER: Problem =
    Problem::new(StatusCode::FORBIDDEN, "from_browser", "The internal port is not for browsers");
const CREDENTIAL: Problem = Problem::new(
    StatusCode::UNAUTHORIZED,
    "credential_invalid",
    "The bearer token of token_file is required",
);

impl Guard {
    /// In this order: Host (DNS rebinding), browser, token.
    pub(super) fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        self.admit_publisher(uri, headers)?;
        match &self.token {
            Some(token) if !bears(headers, token) => Err(CREDENTIAL),
            Some(_) | None => Ok(()),
        }
    }

    /// As [`Guard::admit`] without the token: a publisher bears one of its own, which the hub judges.
    pub(super) fn admit_publisher(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        if !self.is_for_us(uri, headers) {
            return Err(HOST_NOT_ALLOWED);
        }
        // A page that a victim visits can reach loopback, but cannot keep these fields away.
        if headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site") {
            return Err(FROM_BROWSER);
        }
        Ok(())
    }

    fn is_for_us(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
        let Ok(host) = host.to_str() else { return false };
        if uri.authority().is_some_and(|authority| !authority.as_str().eq_ignore_ascii_case(host)) {
            return false;
        }
        let is_localhost = |name: &str| name.eq_ignore_ascii_case("localhost");
        match self.address {
            None => is_localhost(host),
            Some(address) => {
                let port = format!(":{}", address.port());
                host == address.to_string()
                    || host == bare(address)
                    || is_localhost(host)
                    || host.strip_suffix(&port).is_some_and(is_localhost)
            }
        }
    }
}

/// The address without its port, as a Host names it.
fn bare(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    }
}

fn bears(headers: &HeaderMap, token: &Secret) -> bool {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let Some((scheme, given)) = line.as_bytes().split_at_checked(7) else { return false };
    scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(given.ct_eq(token.expose()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).expect("a field value"));
        }
        headers
    }

    fn status(guard: &Guard, lines: &[(&'static str, &str)]) -> u16 {
        guard
            .admit(&Uri::from_static("/metrics"), &headers(lines))
            .err()
            .map_or(200, |problem| problem.reply().status().as_u16())
    }

    #[test]
    fn a_host_that_is_not_the_listening_address_or_localhost_is_misdirected() {
        let guard = Guard { address: Some("127.0.0.1:9443".parse().expect("an address")), token: None };
        for good in ["127.0.0.1:9443", "localhost:9443", "LOCALHOST", "127.0.0.1"] {
            assert_eq!(status(&guard, &[("host", good)]), 200, "{good}");
        }
        for bad in ["evil.example", "127.0.0.1:9444", "localhost.evil.example", "", "localhost:80"] {
            assert_eq!(status(&guard, &[("host", bad)]), 421, "{bad}");
        }
        assert_eq!(status(&guard, &[]), 421);
        assert_eq!(status(&guard, &[("host", "localhost"), ("host", "localhost")]), 421);
    }

    #[test]
    fn whatever_a_browser_sends_is_forbidden() {
        let guard = Guard { address: None, token: None };
        assert_eq!(status(&guard, &[("host", "localhost"), ("origin", "https://chat.example.com")]), 403);
        assert_eq!(status(&guard, &[("host", "localhost"), ("sec-fetch-site", "none")]), 403);
        assert_eq!(status(&guard, &[("host", "localhost")]), 200);
    }

    #[test]
    fn where_a_token_is_set_only_its_bearer_is_admitted() {
        let guard = Guard { address: None, token: Some(Secret::new(b"t0ken".to_vec())) };
        let with = |value| status(&guard, &[("host", "localhost"), ("authorization", value)]);
        assert_eq!(with("Bearer t0ken"), 200);
        assert_eq!(with("bearer t0ken"), 200);
        for bad in ["Bearer t0kem", "Bearer t0ke", "Bearer t0ken ", "Basic t0ken", "Bearer", "t0ken"] {
            assert_eq!(with(bad), 401, "{bad}");
        }
        assert_eq!(status(&guard, &[("host", "localhost")]), 401);
    }
}
