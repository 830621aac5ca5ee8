//! Owns who is at the other end of a socket: its address, the prefix by which it is limited, its certificate.
//! Never knows a limit.

use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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

/// How much of an address is counted together (`ipv4_prefix`, `ipv6_prefix`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixLengths {
    /// Bits of an IPv4 address, 32 at most.
    pub ipv4: u8,
    /// Bits of an IPv6 address, 128 at most.
    pub ipv6: u8,
}

impl Default for PrefixLengths {
    /// One IPv4 address, or one IPv6 /64, which is what a single subscriber is commonly given
    /// (RFC 6177).
    fn default() -> PrefixLengths {
        PrefixLengths { ipv4: 32, ipv6: 64 }
    }
}

/// What is counted together: the start of an address, with zeros behind it.
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
    pub fn prefix(self, lengths: PrefixLengths) -> PeerPrefix {
        PeerPrefix(match self.0 {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(lengths.ipv4.into())).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(lengths.ipv6.into())).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
        })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the certificate of a peer says, once it has been found good. The text is an authority's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The first URI or DNS name of its subject, else the common name.
    pub name: Option<Box<str>>,
    /// The hash of all of it, by which it is known (RFC 8705 section 3.1).
    pub sha256: [u8; 32],
    /// Seconds since 1970.
    pub not_after: u64,
}

impl ClientCertificate {
    /// The hash as it is logged.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.sha256.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix_of(address: &str, ipv4: u8, ipv6: u8) -> PeerPrefix {
        Peer::new(address.parse().expect("an address")).prefix(PrefixLengths { ipv4, ipv6 })
    }

    fn prefix(address: &str) -> PeerPrefix {
        Peer::new(address.parse().expect("an address")).prefix(PrefixLengths::default())
    }

    #[test]
    fn as_much_of_an_address_is_counted_together_as_the_lengths_say() {
        for (length, together) in [(32, false), (31, true), (24, true), (1, true), (0, true)] {
            let same = prefix_of("192.0.2.2", length, 64) == prefix_of("192.0.2.3", length, 64);
            assert_eq!(same, together, "/{length}");
        }
        assert_ne!(prefix_of("192.0.2.1", 24, 64), prefix_of("192.0.3.1", 24, 64));
        for (length, together) in [(128, false), (127, true), (64, true), (0, true)] {
            let same = prefix_of("2001:db8::2", 32, length) == prefix_of("2001:db8::3", 32, length);
            assert_eq!(same, together, "/{length}");
        }
        assert_ne!(prefix_of("2001:db8:0:1::1", 32, 56), prefix_of("2001:db8:0:101::1", 32, 56));
        assert_eq!(prefix_of("2001:db8:0:1::1", 32, 56), prefix_of("2001:db8:0:2::1", 32, 56));
        assert_ne!(prefix_of("0.0.0.0", 0, 0), prefix_of("::", 0, 0), "the two kinds are never one");
    }

    #[test]
    fn an_ipv6_subscriber_is_limited_by_its_64_and_an_ipv4_one_by_its_address() {
        assert_eq!(prefix("2001:db8::1"), prefix("2001:db8::ffff:1"));
        assert_ne!(prefix("2001:db8::1"), prefix("2001:db8:0:1::1"));
        assert_ne!(prefix("192.0.2.1"), prefix("192.0.2.2"));
        assert_eq!(prefix("::ffff:192.0.2.1"), prefix("192.0.2.1"));
    }
}
