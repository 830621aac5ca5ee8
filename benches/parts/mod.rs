//! Owns what is measured: a browser's head, frames of a peer, keys and tokens.
//! Never knows how it is measured.

use portcullis::codec::{Decoder, Event, Limits};
use portcullis::gate::HeadLimits;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};

pub(crate) const ISSUER: &str = "https://id.example.test";
pub(crate) const AUDIENCE: &str = "chat";

pub(crate) const LIMITS: Limits =
    Limits { message_bytes: 64 * 1024, message_fragments: 1024, message_timeout: Duration::from_secs(10) };

pub(crate) const HEAD_LIMITS: HeadLimits =
    HeadLimits { head_bytes: 16 * 1024, field_lines: 64, target_bytes: 8_000 };

/// What a browser sends. The token is of the length of an ES256 one with two grants.
pub(crate) const HEAD: &str = concat!(
    "GET /chat/lobby HTTP/1.1\r\n",
    "Host: chat.example.com\r\n",
    "Connection: Upgrade\r\n",
    "Pragma: no-cache\r\n",
    "Cache-Control: no-cache\r\n",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n",
    "Upgrade: websocket\r\n",
    "Origin: https://app.example.com\r\n",
    "Sec-WebSocket-Version: 13\r\n",
    "Accept-Encoding: gzip, deflate, br, zstd\r\n",
    "Accept-Language: en-GB,en;q=0.9\r\n",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
    "Sec-WebSocket-Protocol: chat.v1, bearer, ",
    "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6InRlc3QifQ.",
    "eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUudGVzdCIsImF1ZCI6ImNoYXQiLCJqdGkiOiI0ZjJhIiwiaWF0IjoxNzk1NTAwMDAw",
    "LCJleHAiOjE3OTU1MDA2MDAsInN1YiI6ImFsaWNlIiwicG9ydGN1bGxpcyI6eyJzdWJzY3JpYmUiOlsiKiJdLCJwdWJsaXNoIjpbIioiXX19.",
    "bm90IGEgc2lnbmF0dXJlIGJ1dCBvZiB0aGUgc2FtZSBsZW5ndGggYXMgb25lIHRoYXQgRVMyNTYgd291bGQgbWFrZS4u\r\n",
    "\r\n",
);

pub(crate) fn decode(decoder: &mut Decoder, now: Instant, read: &mut [u8]) -> usize {
    let mut messages = 0;
    let mut count = |event: Event<'_>| {
        messages += usize::from(matches!(black_box(event), Event::Text(_)));
        ControlFlow::Continue(())
    };
    let verdict = decoder.decode(&LIMITS, now, read, &mut count);
    assert_eq!(verdict, Ok(()));
    messages
}

/// A text frame as a peer sends it.
pub(crate) fn masked_text(payload_bytes: usize) -> Vec<u8> {
    let mut frame = Frame::message(vec![b'x'; payload_bytes], OpCode::Data(Data::Text), true);
    frame.header_mut().mask = Some([0x37, 0xfa, 0x21, 0x3d]);
    let mut octets = Vec::new();
    assert!(frame.format(&mut octets).is_ok());
    octets
}
