//! Owns the claims about the opening handshake: groups D and E of the attacks, each with its twin.
//! Never knows an origin or a credential.

use super::*;
use crate::gate::support::{HONEST, request, request_with};

fn verdict(name: &str, values: &[&str]) -> Result<(), Rejection> {
    UpgradeRequest::parse(&request_with(name, values)).map(|_| ())
}

#[test]
fn the_sample_handshake_of_the_rfc_has_its_accept() {
    let request = request("GET", "/chat/lobby", HONEST);
    let upgrade = UpgradeRequest::parse(&request).expect("the sample");
    assert_eq!(upgrade.accept(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert!(upgrade.offered().is_empty());
}

#[test]
fn only_get_of_http_1_1_is_a_handshake() {
    for method in ["POST", "HEAD", "OPTIONS", "PUT", "CONNECT", "get", "GETX"] {
        let request = request(method, "/chat/lobby", HONEST);
        assert_eq!(UpgradeRequest::parse(&request).map(|_| ()), Err(Rejection::MethodNotAllowed), "{method}");
    }
    for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_2] {
        let mut request = request("GET", "/chat/lobby", HONEST);
        request.version = version;
        assert_eq!(UpgradeRequest::parse(&request).map(|_| ()), Err(Rejection::HttpVersion), "{version:?}");
    }
}

#[test]
fn upgrade_is_exactly_websocket() {
    for value in ["websocket", "WebSocket", "WEBSOCKET", " websocket\t"] {
        assert_eq!(verdict("upgrade", &[value]), Ok(()), "{value:?}");
    }
    assert_eq!(verdict("upgrade", &[]), Err(Rejection::UpgradeMissing));
    for values in [
        &[""][..],
        &["websocketa"],
        &["web socket"],
        &["websocket/13"],
        &["h2c"],
        &["TLS/1.0"],
        &["websocket, h2c"],
        &["h2c, websocket"],
        &["websocket,"],
        &["websocket", "websocket"],
        &["websocket", "h2c"],
        &["websöcket"],
    ] {
        assert_eq!(verdict("upgrade", values), Err(Rejection::UpgradeMalformed), "{values:?}");
    }
}

#[test]
fn a_request_without_upgrade_is_told_to_upgrade_whatever_else_it_lacks() {
    let request = request("GET", "/chat/lobby", &[("host", "chat.example"), ("accept", "text/html")]);
    assert_eq!(UpgradeRequest::parse(&request).map(|_| ()), Err(Rejection::UpgradeMissing));
}

#[test]
fn connection_names_upgrade_and_besides_it_keep_alive_at_most() {
    for values in [
        &["Upgrade"][..],
        &["upgrade"],
        &["keep-alive, Upgrade"],
        &["Upgrade,Keep-Alive"],
        &["keep-alive", "Upgrade"],
        &["Upgrade", "keep-alive"],
        &[" \tUpgrade\t "],
        &[", Upgrade ,,"],
        &["", "Upgrade"],
    ] {
        assert_eq!(verdict("connection", values), Ok(()), "{values:?}");
    }
    for values in [
        &[][..],
        &[""],
        &[","],
        &["keep-alive"],
        &["keep-alive Upgrade"],
        &["Upgrade keep-alive"],
        &["close"],
        &["close, Upgrade"],
        &["Upgrade", "close"],
        &["Upgrade, X-Internal-Auth"],
        &["Upgrade, Host"],
        &["Upgrade, Origin, Cookie"],
        &["Upgrade, Sec-WebSocket-Key"],
        &["Upgrade, HTTP2-Settings"],
        &["upgrade;q=1"],
        &["\"upgrade\""],
        &["upgraded"],
        &["Upgrade, ä"],
    ] {
        assert_eq!(verdict("connection", values), Err(Rejection::ConnectionMalformed), "{values:?}");
    }
}

#[test]
fn only_version_13_is_served_and_another_number_is_told_so() {
    assert_eq!(verdict("sec-websocket-version", &["13"]), Ok(()));
    assert_eq!(verdict("sec-websocket-version", &[" 13\t"]), Ok(()));
    for number in ["0", "4", "7", "8", "12", "14", "99", "255"] {
        assert_eq!(
            verdict("sec-websocket-version", &[number]),
            Err(Rejection::VersionUnsupported),
            "{number}"
        );
    }
    for values in [
        &[][..],
        &[""],
        &["013"],
        &["00"],
        &["+13"],
        &["-13"],
        &["13;"],
        &["13-"],
        &["13\\"],
        &["13.0"],
        &["0x0d"],
        &["1 3"],
        &["13, 8"],
        &["13,"],
        &["256"],
        &["thirteen"],
        &["13", "13"],
        &["13", "8"],
        &["8", "13"],
    ] {
        assert_eq!(verdict("sec-websocket-version", values), Err(Rejection::VersionMalformed), "{values:?}");
    }
}

#[test]
fn a_hixie_76_handshake_has_no_version() {
    let old = [
        ("host", "chat.example"),
        ("upgrade", "WebSocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-key1", "18x 6]8vM;54 *(5:  {   U1]8  z [  8"),
        ("sec-websocket-key2", "1_ tx7X d  <  nw  334J702) 7]o}` 0"),
    ];
    let request = request("GET", "/chat/lobby", &old);
    assert_eq!(UpgradeRequest::parse(&request).map(|_| ()), Err(Rejection::VersionMalformed));
}

#[test]
fn a_key_is_canonical_base64_of_16_octets() {
    // Also the key of the RFC, all zeros, and one that was used before: a key is no secret.
    for key in [[0; 16], [0xff; 16], *b"the sample nonce", [0xfb; 16]].map(|nonce| STANDARD.encode(nonce)) {
        assert_eq!(verdict("sec-websocket-key", &[&key]), Ok(()), "{key}");
    }
    let long = "A".repeat(8192);
    for values in [
        &[][..],
        &[""],
        &["dGhlIHNhbXBsZSBub25j"],
        &["dGhlIHNhbXBsZSBub25jZTE="],
        &["dGhlIHNhbXBsZSBub25jZTEy"],
        &["dGhlIHNhbXBsZSBub25jZQ"],
        &["dGhlIHNhbXBsZSBub25jZQ="],
        &["dGhlIHNhbXBsZSBub25jZQ==="],
        &["dGhlIHNhbXBsZSBub25jZR=="],
        &["dGhlIHNhbXBsZSBub25jZf=="],
        &["-_-_-_-_-_-_-_-_-_-_-w=="],
        &["\"dGhlIHNhbXBsZSBub25jZQ==\""],
        &["dGhlIHNhbXBs ZSBub25jZQ=="],
        &["dGhlIHNhbXBs=SBub25jZQ=="],
        &["========================"],
        &["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="],
        &["dGhlIHNhbXBsZSBub25jZQ==", "AAAAAAAAAAAAAAAAAAAAAA=="],
        &["dGhlIHNhbXBsZSBub25jZQ==, AAAAAAAAAAAAAAAAAAAAAA=="],
        &[&long],
    ] {
        assert_eq!(verdict("sec-websocket-key", values), Err(Rejection::KeyMalformed), "{values:?}");
    }
}

#[test]
fn extensions_are_not_looked_at() {
    for value in [
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=08",
        "a;b=\"\\c\\c\\c",
        "__proto__, constructor",
        "",
    ] {
        assert_eq!(verdict("sec-websocket-extensions", &[value]), Ok(()), "{value}");
    }
}

#[test]
fn the_first_fault_in_the_order_of_the_checks_is_told() {
    let stages: &[(&str, &str, Rejection)] = &[
        ("upgrade", "h2c", Rejection::UpgradeMalformed),
        ("connection", "close", Rejection::ConnectionMalformed),
        ("sec-websocket-protocol", "a b", Rejection::SubprotocolMalformed),
        ("sec-websocket-version", "14", Rejection::VersionUnsupported),
        ("sec-websocket-key", "short", Rejection::KeyMalformed),
    ];
    for first in 0..stages.len() {
        // From this stage on, everything is wrong.
        let mut fields: Vec<(&str, &str)> = HONEST.to_vec();
        for (name, bad, _) in &stages[first..] {
            fields.retain(|(own, _)| own != name);
            fields.push((name, bad));
        }
        let request = request("GET", "/chat/lobby", &fields);
        assert_eq!(UpgradeRequest::parse(&request).map(|_| ()), Err(stages[first].2));
    }
}
