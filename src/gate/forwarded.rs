//! Owns which client a trusted proxy speaks for in `X-Forwarded-For`.
//! Never knows whether the peer is a trusted proxy: only then it is asked.

use crate::peer::{Peer, TrustedProxies};
use crate::rejection::Rejection;
use http::HeaderMap;
use std::net::IpAddr;

/// The right-most address that is no trusted proxy: each proxy appends whom it heard, so
/// what stands left of it is the client's own word. `None` where there is no such address.
///
/// # Errors
///
/// [`Rejection::ForwardedMalformed`] if any entry is no address: a proxy that is trusted
/// writes none.
pub fn client_of(headers: &HeaderMap, proxies: &TrustedProxies) -> Result<Option<Peer>, Rejection> {
    let mut client = None;
    for line in headers.get_all("x-forwarded-for") {
        let line = line.to_str().map_err(|_| Rejection::ForwardedMalformed)?;
        for entry in line.split(',') {
            let address: IpAddr =
                entry.trim_matches([' ', '\t']).parse().map_err(|_| Rejection::ForwardedMalformed)?;
            let peer = Peer::new(address);
            if !proxies.trusts(peer) {
                client = Some(peer);
            }
        }
    }
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn client(lines: &[&str]) -> Result<Option<String>, Rejection> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_str(line).expect("a field value"));
        }
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect("a network"));
        let proxies = TrustedProxies::new(networks.to_vec());
        client_of(&headers, &proxies).map(|peer| peer.map(|peer| peer.to_string()))
    }

    #[test]
    fn the_right_most_address_outside_the_trusted_proxies_is_the_client() {
        let is = |address: &str| Ok(Some(address.to_owned()));
        assert_eq!(client(&["192.0.2.1"]), is("192.0.2.1"));
        assert_eq!(client(&["203.0.113.9, 192.0.2.1"]), is("192.0.2.1"));
        assert_eq!(client(&["192.0.2.1, 10.0.0.2,10.0.0.3"]), is("192.0.2.1"));
        assert_eq!(client(&["203.0.113.9", "192.0.2.1, fd00::1"]), is("192.0.2.1"));
        assert_eq!(client(&["2001:db8::1"]), is("2001:db8::1"));
        assert_eq!(client(&["::ffff:192.0.2.1"]), is("192.0.2.1"));
    }

    #[test]
    fn without_an_address_outside_them_there_is_no_client() {
        assert_eq!(client(&[]), Ok(None));
        assert_eq!(client(&["10.0.0.2"]), Ok(None));
    }

    #[test]
    fn what_is_no_list_of_addresses_is_malformed() {
        for bad in [
            "",
            "unknown",
            "192.0.2.1,",
            "192.0.2.1 10.0.0.1",
            "192.0.2.1:80",
            "[2001:db8::1]",
            "evil, 192.0.2.1",
        ] {
            assert_eq!(client(&[bad]), Err(Rejection::ForwardedMalformed), "{bad:?}");
        }
    }
}
