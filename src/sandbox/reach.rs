//! Owns where the process may still connect to, and what it needs to find names.
//! Never knows a system call.

use crate::endpoint::Endpoint;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What connecting to the endpoints of a configuration needs. The default is: nowhere.
///
/// Landlock knows ports and no addresses; Unix sockets it does not restrict, beyond abstract ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    ports: BTreeSet<u16>,
    names: bool,
    sockets: bool,
}

impl Reach {
    /// What these endpoints need.
    #[must_use]
    pub fn of<'e>(endpoints: impl IntoIterator<Item = &'e Endpoint>) -> Reach {
        let mut reach = Reach::default();
        for endpoint in endpoints {
            reach.ports.extend(endpoint.port());
            reach.names |= endpoint.name().is_some();
            reach.sockets |= endpoint.socket().is_some();
        }
        reach
    }

    /// Whether all that the other needs is in this one.
    #[must_use]
    pub fn covers(&self, other: &Reach) -> bool {
        other.ports.is_subset(&self.ports) && (self.names || !other.names) && (self.sockets || !other.sockets)
    }

    /// The ports that TCP may connect to. An answer that is too large for UDP is asked for again by
    /// TCP (RFC 7766 section 5), so that with names the resolver's port is one of them.
    pub(super) fn ports(&self) -> impl Iterator<Item = u16> {
        self.ports.iter().copied().chain(self.names.then_some(DNS_PORT))
    }

    pub(super) fn needs_tcp(&self) -> bool {
        !self.ports.is_empty()
    }

    pub(super) fn needs_names(&self) -> bool {
        self.names
    }

    pub(super) fn needs_sockets(&self) -> bool {
        self.sockets
    }

    /// What the C library reads to find a name: these files alone, and where one of them is a link to
    /// what the system makes anew below `/run`, the folder there.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        if !self.names {
            return Vec::new();
        }
        let made = RESOLVER_FILES.iter().filter_map(|file| {
            let real = Path::new(file).canonicalize().ok()?;
            real.starts_with("/run/").then(|| real.parent().map(Path::to_owned))?
        });
        RESOLVER_FILES.iter().map(PathBuf::from).chain(made).collect()
    }
}

const DNS_PORT: u16 = 53;
/// Further modules of the name service (`nsswitch.conf`) are passed over: loading one would need
/// memory that can be run, which the filter of system calls denies. Files and DNS are part of the
/// C library since glibc 2.34.
const RESOLVER_FILES: [&str; 5] =
    ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/host.conf"];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(urls: &[&str]) -> Reach {
        let endpoints: Vec<Endpoint> =
            urls.iter().map(|url| Endpoint::parse(url).expect("an endpoint")).collect();
        Reach::of(&endpoints)
    }

    #[test]
    fn without_endpoints_nothing_is_reached() {
        let nowhere = of(&[]);
        assert_eq!((nowhere.ports().count(), nowhere.files().len()), (0, 0));
        assert!(!nowhere.needs_tcp() && !nowhere.needs_names() && !nowhere.needs_sockets());
    }

    #[test]
    fn names_are_looked_up_only_where_one_is_configured() {
        let addresses = of(&["https://127.0.0.1:8443/", "ws://[::1]:8080/", "unix:/run/a.sock"]);
        assert_eq!(addresses.ports().collect::<Vec<_>>(), [8080, 8443]);
        assert!(addresses.files().is_empty() && !addresses.needs_names() && addresses.needs_sockets());
        let named = of(&["https://id.example.com/"]);
        assert_eq!(named.ports().collect::<Vec<_>>(), [443, 53]);
        assert!(named.files().contains(&PathBuf::from("/etc/resolv.conf")) && !named.needs_sockets());
    }

    #[test]
    fn another_port_a_first_name_and_a_first_socket_are_not_covered() {
        let address = of(&["https://127.0.0.1:8443/"]);
        assert!(address.covers(&of(&[])) && address.covers(&of(&["wss://127.0.0.2:8443/"])));
        for other in ["https://127.0.0.1:8444/", "https://id.example.com:8443/", "unix:/run/a.sock"] {
            assert!(!address.covers(&of(&[other])), "{other}");
        }
        assert!(of(&["https://id.example.com/"]).covers(&of(&["https://192.0.2.1/"])));
        assert!(!of(&["https://id.example.com/"]).covers(&of(&["http://id.example.com:53/"])));
    }
}
