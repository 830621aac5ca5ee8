//! Owns Host: its form (RFC 9112 section 3.2) and the allowlist that stops DNS rebinding.
//! Never knows an origin or a route.

use super::target::TargetForm;
use crate::origin::{Authority, HostName};
use crate::rejection::Rejection;
use http::header::{HOST, HeaderMap};
use http::request::Parts;

/// The one well-formed Host of a request: only its `parse` makes one.
#[must_use]
#[derive(Debug)]
pub struct Host<'a> {
    text: &'a str,
    authority: Authority,
}

impl<'a> Host<'a> {
    /// Takes Host, which must be there once.
    ///
    /// # Errors
    ///
    /// [`Rejection::HostMalformed`]: none, two (same or not), or not `name[:port]`.
    pub fn parse(headers: &'a HeaderMap) -> Result<Host<'a>, Rejection> {
        let mut lines = headers.get_all(HOST).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Err(Rejection::HostMalformed);
        };
        let text = line.to_str().map_err(|_| Rejection::HostMalformed)?;
        let authority = Authority::parse(text).ok_or(Rejection::HostMalformed)?;
        Ok(Host { text, authority })
    }

    /// Host as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.text
    }
}

/// The `hosts` key, parsed: which names and addresses are served.
#[derive(Clone, Debug)]
pub struct HostPolicy {
    served: Box<[Authority]>,
}

impl HostPolicy {
    /// Takes the entries of `hosts`: `name`, `name:port`, `1.2.3.4`, `[::1]`, `[::1]:8443`. An
    /// entry without a port is served on any port.
    ///
    /// # Errors
    ///
    /// The index of an entry that is none of these (0 for an empty list), and what to write
    /// instead.
    pub fn new(hosts: &[String]) -> Result<HostPolicy, (usize, String)> {
        if hosts.is_empty() {
            return Err((0, "no host is served; list the names that peers connect to".to_owned()));
        }
        let parse = |(index, text): (usize, &String)| {
            Authority::parse(text).ok_or_else(|| (index, remedy(text).to_owned()))
        };
        hosts.iter().enumerate().map(parse).collect::<Result<_, _>>().map(|served| HostPolicy { served })
    }

    /// Whether a TLS server name is served (without case, on whatever port).
    #[must_use]
    pub fn serves_name(&self, name: &str) -> bool {
        HostName::parse(name).is_some_and(|name| self.served.iter().any(|served| served.host == name))
    }

    /// Judges a Host by the allowlist, and by the name that the peer asked for in TLS.
    ///
    /// # Errors
    ///
    /// [`Rejection::HostNotAllowed`]: not listed. A page that rebinds its own name to our address
    /// gets here with an Origin that equals its Host, so the two are never compared.
    /// [`Rejection::HostMisdirected`]: listed, but not the name asked for in TLS (RFC 9110
    /// section 15.5.20).
    pub fn permit(&self, host: &Host<'_>, server_name: Option<&str>) -> Result<(), Rejection> {
        let Authority { host, port } = &host.authority;
        let port = port.unwrap_or(HTTPS_PORT);
        let is_served =
            |served: &Authority| served.host == *host && served.port.is_none_or(|served| served == port);
        if !self.served.iter().any(is_served) {
            return Err(Rejection::HostNotAllowed);
        }
        match server_name.map(HostName::parse) {
            None => Ok(()),
            Some(Some(asked)) if asked == *host => Ok(()),
            Some(Some(_) | None) => Err(Rejection::HostMisdirected),
        }
    }

    /// The host that a request is for, with which every door begins: target, Host and TLS name the same,
    /// and it is served.
    ///
    /// # Errors
    ///
    /// As [`TargetForm::parse`], [`TargetForm::agrees_with`], [`Host::parse`] and [`HostPolicy::permit`].
    pub(super) fn asked_for<'r>(
        &self,
        request: &'r Parts,
        server_name: Option<&str>,
    ) -> Result<Host<'r>, Rejection> {
        let target = TargetForm::parse(&request.uri)?;
        let host = Host::parse(&request.headers)?;
        target.agrees_with(&host)?;
        self.permit(&host, server_name)?;
        Ok(host)
    }
}

/// The port that a Host without one means.
const HTTPS_PORT: u16 = 443;

fn remedy(entry: &str) -> &'static str {
    if entry.contains('*') {
        "a host has no wildcard; list each name"
    } else if entry.contains("://") {
        "a host has no scheme; write the name alone, such as \"chat.example.com\""
    } else if entry.contains('/') {
        "a host has no path; write the name alone, such as \"chat.example.com\""
    } else if entry.parse::<std::net::Ipv6Addr>().is_ok() {
        "an IPv6 address stands in brackets, such as \"[::1]\""
    } else {
        "not a host; write a name, an address or \"[::1]\", and behind it \":port\" for one port alone"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn judge(hosts: &[&str], lines: &[&[u8]], server_name: Option<&str>) -> Result<(), Rejection> {
        let value = |line: &&[u8]| (HOST, HeaderValue::from_bytes(line).expect("a field value"));
        let mut headers = HeaderMap::new();
        for (name, value) in lines.iter().map(value) {
            headers.append(name, value);
        }
        let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
        HostPolicy::new(&hosts).expect("hosts").permit(&Host::parse(&headers)?, server_name)
    }

    const HOSTS: &[&str] =
        &["chat.example", "127.0.0.1", "[::1]", "fixed.example:8443", "default.example:443"];

    #[test]
    fn a_listed_host_is_served_without_case_and_addresses_as_addresses() {
        for host in [
            "chat.example",
            "CHAT.Example",
            "chat.example:8443",
            "chat.example:1",
            "chat.example:65535",
            "127.0.0.1",
            "127.0.0.1:8443",
            "[::1]",
            "[::1]:8443",
            "[0:0:0:0:0:0:0:1]:8443",
            "fixed.example:8443",
            "default.example",
            "default.example:443",
        ] {
            assert_eq!(judge(HOSTS, &[host.as_bytes()], None), Ok(()), "{host}");
        }
    }

    #[test]
    fn a_host_that_is_not_listed_is_refused() {
        for host in [
            "evil.example",
            "chat.example.",
            "chat.example.evil.example",
            "sub.chat.example",
            "xchat.example",
            "chat.exampl",
            "localhost",
            "127.0.0.2",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "[::2]",
            "[::ffff:127.0.0.1]",
            "fixed.example",
            "fixed.example:443",
            "fixed.example:8444",
            "default.example:8443",
        ] {
            assert_eq!(judge(HOSTS, &[host.as_bytes()], None), Err(Rejection::HostNotAllowed), "{host}");
        }
    }

    #[test]
    fn a_host_must_be_there_once_and_well_formed() {
        let malformed: &[&[&[u8]]] = &[
            &[],
            &[b"chat.example", b"chat.example"],
            &[b"chat.example", b"evil.example"],
            &[b""],
            &[b"u@chat.example"],
            &[b"chat.example/evil"],
            &[b"chat.example:99999"],
            &[b"chat.example:65536"],
            &[b"chat.example:0"],
            &[b"chat.example:0443"],
            &[b"chat.example:+443"],
            &[b"chat.example:-1"],
            &[b"chat.example: 443"],
            &[b"chat.example:443:443"],
            &[b"lo cal"],
            &[b"chat.example, evil.example"],
            &[b"chat.example:"],
            &[b":443"],
            &[b"[::1"],
            &[b"::1"],
            &[b"[::1]:"],
            &[b"[::1]8443"],
            &[b"[::1%25lo]"],
            &[b"[chat.example]"],
            &[b"chat.example%00"],
            &[b"chat%2eexample"],
            &[b"chat..example"],
            &[b"chat.example\\evil"],
            &[b"chat.example?x"],
            &[b"chat.example#x"],
            &[b"https://chat.example"],
            &[b"ch\xc3\xa4t.example"],
        ];
        for &lines in malformed {
            assert_eq!(judge(HOSTS, lines, None), Err(Rejection::HostMalformed), "{lines:?}");
        }
    }

    #[test]
    fn a_host_that_differs_from_the_tls_server_name_is_misdirected() {
        let hosts = &["a.example", "b.example", "127.0.0.1"];
        for (host, server_name, verdict) in [
            ("a.example", Some("a.example"), Ok(())),
            ("A.example:8443", Some("a.EXAMPLE"), Ok(())),
            ("a.example", None, Ok(())),
            ("127.0.0.1", None, Ok(())),
            ("b.example", Some("a.example"), Err(Rejection::HostMisdirected)),
            ("127.0.0.1", Some("a.example"), Err(Rejection::HostMisdirected)),
            ("c.example", Some("a.example"), Err(Rejection::HostNotAllowed)),
        ] {
            assert_eq!(judge(hosts, &[host.as_bytes()], server_name), verdict, "{host} {server_name:?}");
        }
    }

    #[test]
    fn a_server_name_is_served_whatever_its_case_and_port() {
        let policy = HostPolicy::new(&["Chat.example:8443".to_owned()]).expect("hosts");
        assert!(policy.serves_name("chat.example") && policy.serves_name("CHAT.EXAMPLE"));
        for other in ["", "evil.example", "example", "x.chat.example", "chat.example.", "chat.example:8443"] {
            assert!(!policy.serves_name(other), "{other}");
        }
    }

    #[test]
    fn an_entry_that_is_no_host_is_told_with_its_index_and_a_remedy() {
        assert_eq!(HostPolicy::new(&[]).map(|_| ()).expect_err("empty").0, 0);
        for (entry, remedy) in [
            ("*", "wildcard"),
            ("*.example.com", "wildcard"),
            ("https://chat.example", "scheme"),
            ("chat.example/", "path"),
            ("::1", "brackets"),
            ("", "not a host"),
            ("chat.example:", "not a host"),
            ("chat.example:99999", "not a host"),
            ("ch at", "not a host"),
        ] {
            let hosts = ["chat.example".to_owned(), entry.to_owned()];
            let (index, sentence) = HostPolicy::new(&hosts).map(|_| ()).expect_err(entry);
            assert_eq!(index, 1, "{entry}");
            assert!(sentence.contains(remedy), "{entry}: {sentence}");
        }
    }
}
