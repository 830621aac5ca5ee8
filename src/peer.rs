//! Owns the address of the other end of a socket and the prefix by which it is limited.
//! Never knows a limit.

use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The address of the other end of a socket, as it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer(IpAddr);

/// The proxies whose word about a client's address counts (`trusted_proxies`).
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Box<[IpNet]>);

impl TrustedProxies {
    /// These networks; none trusts nobody.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> TrustedProxies {
        TrustedProxies(networks.into())
    }

    /// Whether this address is one of them.
    #[must_use]
    pub fn trusts(&self, peer: Peer) -> bool {
        self.0.iter().any(|network| network.contains(&peer.0))
    }
}

/// What is counted together: one IPv4 address, or one IPv6 /64, which is what a single
/// subscriber is commonly given (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerPrefix(IpAddr);

impl Peer {
    /// An IPv4 address that came mapped into IPv6 is the IPv4 address.
    #[must_use]
    pub fn new(address: IpAddr) -> Peer {
        Peer(address.to_canonical())
    }

    /// The address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.0
    }

    /// The prefix by which it is limited.
    #[must_use]
    pub fn prefix(self) -> PeerPrefix {
        match self.0 {
            IpAddr::V4(_) => PeerPrefix(self.0),
            IpAddr::V6(v6) => PeerPrefix(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !0 << 64))),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(address: &str) -> PeerPrefix {
        Peer::new(address.parse().expect("an address")).prefix()
    }

    #[test]
    fn an_ipv6_subscriber_is_limited_by_its_64_and_an_ipv4_one_by_its_address() {
        assert_eq!(prefix("2001:db8::1"), prefix("2001:db8::ffff:1"));
        assert_ne!(prefix("2001:db8::1"), prefix("2001:db8:0:1::1"));
        assert_ne!(prefix("192.0.2.1"), prefix("192.0.2.2"));
        assert_eq!(prefix("::ffff:192.0.2.1"), prefix("192.0.2.1"));
    }
}
