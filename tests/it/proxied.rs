//! Owns the stories of a gateway behind a proxy: whose address counts.
//! Never knows the rules that then apply to that address.

use crate::support::conn::{Conn, tcp, tcp_from};
use crate::support::{Gateway, Ws};
use std::io::{Read, Write};
use std::net::TcpStream;

const REQUIRED: &str = "server.proxy_protocol = 'required'\nserver.trusted_proxies = ['127.0.0.0/8']";
const FORWARDED: &str = "server.trusted_proxies = ['127.0.0.0/8']";

/// A connection on which a proxy has sent this header.
fn proxied(gateway: &Gateway, header: &[u8]) -> TcpStream {
    let mut socket = tcp(gateway.place().address).expect("a connection");
    socket.write_all(header).expect("sent");
    socket
}

fn open_as(gateway: &Gateway, header: &[u8]) -> Result<Ws, u16> {
    let place = gateway.place();
    let mut conn =
        Conn::over(proxied(gateway, header), &place.server_name, &place.tls).expect("a TLS handshake");
    conn.send(&gateway.handshake().octets());
    let answer = conn.answer();
    if answer.status == 101 { Ok(Ws::new(conn, answer)) } else { Err(answer.status) }
}

/// A PROXY version 2 header for TCP over IPv4.
fn version_2(client: [u8; 4]) -> Vec<u8> {
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c", &client[..], &[10, 0, 0, 1, 19, 136, 1, 187]].concat()
}

fn ends_silently(mut socket: TcpStream) {
    let mut octets = Vec::new();
    // The end may be a reset: what counts is that nothing was said.
    let _ = socket.read_to_end(&mut octets);
    assert_eq!(octets, b"");
}

#[test]
fn the_client_of_a_proxy_header_is_logged_and_counted_and_the_proxy_is_not() {
    let gateway = Gateway::with(&format!("{REQUIRED}\nlimits.connections_per_ip = 1"));
    let first = b"PROXY TCP4 192.0.2.1 10.0.0.1 5000 443\r\n";
    let mut held = open_as(&gateway, first).expect("admitted");
    let mut other =
        open_as(&gateway, &version_2([192, 0, 2, 2])).expect("another client has a place of its own");
    assert_eq!(open_as(&gateway, first).err(), Some(429));
    assert_eq!(gateway.log.reason("address_connections")["peer"], "192.0.2.1");
    held.settle();
    other.settle();
    let mut own = open_as(&gateway, b"PROXY UNKNOWN\r\n").expect("the proxy's own check");
    let mut again = open_as(&gateway, b"PROXY UNKNOWN\r\n").expect("which is not counted");
    own.settle();
    again.settle();
}

#[test]
fn a_connection_without_a_proxy_header_is_closed_without_a_word() {
    let gateway = Gateway::with(REQUIRED);
    for bad in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"PROXY nonsense\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00",
    ] {
        ends_silently(proxied(&gateway, bad));
    }
    gateway.wait_metric("portcullis_refusals_total", &[("reason", "proxy_malformed")], 3.0);
}

#[test]
fn a_proxy_header_of_an_untrusted_peer_is_closed_without_a_word() {
    let gateway =
        Gateway::with("server.proxy_protocol = 'required'\nserver.trusted_proxies = ['192.0.2.0/24']");
    let mut socket = tcp(gateway.place().address).expect("a connection");
    let _ = socket.write_all(b"PROXY TCP4 192.0.2.1 10.0.0.1 5000 443\r\n");
    ends_silently(socket);
    gateway.wait_metric("portcullis_refusals_total", &[("reason", "proxy_untrusted")], 1.0);
}

#[test]
fn the_right_most_untrusted_address_that_a_trusted_proxy_forwards_is_the_client() {
    let gateway = Gateway::with(&format!("{FORWARDED}\nlimits.connections_per_ip = 1"));
    let by = |addresses: &str| gateway.handshake().set("X-Forwarded-For", addresses);
    let mut held = gateway.open(&by("203.0.113.9, 192.0.2.1, 127.0.0.2"));
    assert_eq!(
        gateway.ask(&by("198.51.100.7, 192.0.2.1")).status,
        429,
        "what the client wrote itself does not count"
    );
    assert_eq!(gateway.log.reason("address_connections")["peer"], "192.0.2.1");
    assert_eq!(gateway.ask(&by("192.0.2.2")).status, 101);
    let malformed = gateway.ask(&by("192.0.2.1, nobody"));
    assert_eq!(malformed.status, 400);
    gateway.log.reason("forwarded_malformed");
    // Without the field the proxy is its own peer, and is not counted.
    let mut first = gateway.open(&gateway.handshake());
    let mut second = gateway.open(&gateway.handshake());
    first.settle();
    second.settle();
    held.settle();
}

#[test]
fn what_an_untrusted_peer_forwards_is_ignored() {
    let gateway = Gateway::with("limits.connections_per_ip = 1\nserver.trusted_proxies = ['192.0.2.0/24']");
    let by = |address: &str| gateway.handshake().set("X-Forwarded-For", address);
    let place = gateway.place();
    let socket = tcp_from(place.address, "127.9.9.9".parse().expect("an address"), None);
    let mut conn = Conn::over(socket, &place.server_name, &place.tls).expect("a TLS handshake");
    conn.send(&by("192.0.2.77").octets());
    assert_eq!(conn.answer().status, 101);
    let socket = tcp_from(place.address, "127.9.9.9".parse().expect("an address"), None);
    let mut conn = Conn::over(socket, &place.server_name, &place.tls).expect("a TLS handshake");
    conn.send(&by("192.0.2.78").octets());
    assert_eq!(conn.answer().status, 429);
    assert_eq!(gateway.log.reason("address_connections")["peer"], "127.9.9.9");
}
