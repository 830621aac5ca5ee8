//! `X-Forwarded-For` behind a trusted proxy: each line of the input is one line of the field.
#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use portcullis::gate::client_of;
use portcullis::peer::{Peer, TrustedProxies};
use portcullis::rejection::Rejection;
use std::sync::LazyLock;

const FIELD: &str = "x-forwarded-for";

static PROXIES: LazyLock<TrustedProxies> = LazyLock::new(|| {
    let networks = ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8"];
    TrustedProxies::new(networks.iter().map(|network| network.parse().expect("a network")).collect())
});

fuzz_target!(|octets: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in octets.split(|octet| *octet == b'\n').take(100) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(FIELD, value);
        }
    }
    let verdict = client_of(&headers, &PROXIES);
    let with = |line: &'static str| {
        let mut headers = headers.clone();
        headers.append(FIELD, HeaderValue::from_static(line));
        client_of(&headers, &PROXIES)
    };
    match verdict {
        Ok(client) => {
            assert!(client.is_none_or(|client| !PROXIES.trusts(client)));
            // One more trusted hop changes nothing; one more that is not trusted is the client.
            assert_eq!(with("10.1.2.3 ,\tfd00::7, ::ffff:10.0.0.9"), Ok(client));
            let other = Peer::new("198.51.100.9".parse().expect("an address"));
            assert_eq!(with("198.51.100.9, 10.0.0.1"), Ok(Some(other)));
            // What the client itself wrote, on the left, never wins over what a proxy appended.
            if client.is_some() {
                let mut forged = HeaderMap::new();
                forged.append(FIELD, HeaderValue::from_static("203.0.113.66"));
                for value in headers.get_all(FIELD) {
                    forged.append(FIELD, value.clone());
                }
                assert_eq!(client_of(&forged, &PROXIES), Ok(client));
            }
        }
        Err(reason) => {
            assert_eq!(reason, Rejection::ForwardedMalformed);
            // Nothing appended makes it good again.
            assert_eq!(with("198.51.100.9"), Err(reason));
        }
    }
    assert_eq!(with("unknown"), Err(Rejection::ForwardedMalformed));
});
