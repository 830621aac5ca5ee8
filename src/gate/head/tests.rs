//! Owns the claims about the octets of a head: group B of the attacks, each with its twin.
//! Never knows what the fields mean.

use super::*;
use crate::gate::{Streams, support};
use crate::throttle::{Rate, RateTable};
use proptest::prelude::*;
use std::time::Duration;

const LIMITS: HeadLimits = HeadLimits { head_bytes: 16_384, field_lines: 64, target_bytes: 8_000 };

const HONEST: &str = "GET /chat/lobby?x=1 HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://app.example\r\n\r\n";

/// The verdict on a head that comes in one piece: the octets of the head, or that more must come.
fn judge(input: &[u8], limits: &HeadLimits) -> Result<Option<usize>, Rejection> {
    let mut progress = HeadProgress::default();
    judge_head(input, &mut progress, limits).map(|head| head.map(|head| head.octets().len()))
}

/// The verdict on a head that comes in pieces of these sizes, over and over.
fn judge_pieces(input: &[u8], sizes: &[usize], limits: &HeadLimits) -> Result<Option<usize>, Rejection> {
    let mut progress = HeadProgress::default();
    let mut end = 0;
    for size in sizes.iter().cycle() {
        end = (end + size).min(input.len());
        if let Some(head) = judge_head(&input[..end], &mut progress, limits)? {
            return Ok(Some(head.octets().len()));
        }
        if end == input.len() {
            return Ok(None);
        }
    }
    Ok(None)
}

fn verdict(head: &[u8]) -> Result<Option<usize>, Rejection> {
    judge(head, &LIMITS)
}

/// An honest head with this line among its fields.
fn with_line(line: &[u8]) -> Vec<u8> {
    [b"GET /chat HTTP/1.1\r\nHost: chat.example\r\n", line, b"\r\nUpgrade: websocket\r\n\r\n"].concat()
}

/// An honest head with this request line.
fn with_request_line(line: &[u8]) -> Vec<u8> {
    [line, b"\r\nHost: chat.example\r\n\r\n"].concat()
}

#[test]
fn an_honest_head_is_taken_and_what_is_behind_it_is_left() {
    let input = [HONEST.as_bytes(), b"\x81\x80GET / HTTP/1.1\r\n"].concat();
    let mut progress = HeadProgress::default();
    let head = judge_head(&input, &mut progress, &LIMITS).expect("honest").expect("complete");
    assert_eq!(head.octets(), HONEST.as_bytes());
    let again = judge_head(&input, &mut progress, &LIMITS).expect("honest").expect("complete");
    assert_eq!(again.octets(), HONEST.as_bytes());
}

#[test]
fn every_beginning_of_an_honest_head_waits_for_more() {
    for end in 0..HONEST.len() {
        assert_eq!(verdict(&HONEST.as_bytes()[..end]), Ok(None), "{end}");
    }
}

#[test]
fn request_lines_that_hold_to_the_letter_are_taken() {
    for line in [
        "GET / HTTP/1.1",
        "GET /chat/lobby HTTP/1.1",
        "GET /chat%20x?a=%7B%7d&b=c/d?e HTTP/1.1",
        "GET /chat?next=http://evil.example HTTP/1.1",
        "GET //chat HTTP/1.1",
        "GET /chat/../admin;x HTTP/1.1",
        "GET /%2e%2e/%ff HTTP/1.1",
        "GET https://chat.example/chat HTTP/1.1",
        "GET * HTTP/1.1",
        "GET chat.example:443 HTTP/1.1",
        "POST /chat HTTP/1.1",
        "BASELINE-CONTROL /chat HTTP/1.1",
        "CONNECT chat.example:443 HTTP/1.1",
    ] {
        let head = with_request_line(line.as_bytes());
        assert_eq!(verdict(&head), Ok(Some(head.len())), "{line}");
    }
}

#[test]
fn request_lines_that_do_not_are_refused() {
    for (line, reason) in [
        (&b"get /chat HTTP/1.1"[..], Rejection::HeadMalformed),
        (b"Get /chat HTTP/1.1", Rejection::HeadMalformed),
        (b"G\0T /chat HTTP/1.1", Rejection::HeadMalformed),
        (b"G(T /chat HTTP/1.1", Rejection::HeadMalformed),
        (b"-GET /chat HTTP/1.1", Rejection::HeadMalformed),
        (b" GET /chat HTTP/1.1", Rejection::HeadMalformed),
        (b"", Rejection::HeadMalformed),
        (b"\r\nGET /chat HTTP/1.1", Rejection::HeadMalformed),
        (b"\nGET /chat HTTP/1.1", Rejection::HeadMalformed),
        (b"\xef\xbb\xbfGET /chat HTTP/1.1", Rejection::HeadMalformed),
        (b"GET", Rejection::HeadMalformed),
        (b"GET /chat", Rejection::HeadMalformed),
        (b"GET /chat ", Rejection::HeadMalformed),
        (b"GET HTTP/1.1", Rejection::HeadMalformed),
        (b"GET  /chat HTTP/1.1", Rejection::HeadMalformed),
        (b"GET /chat  HTTP/1.1", Rejection::HeadMalformed),
        (b"GET\t/chat HTTP/1.1", Rejection::HeadMalformed),
        (b"GET /chat\tHTTP/1.1", Rejection::HeadMalformed),
        (b"GET /chat HTTP/1.1 ", Rejection::HeadMalformed),
        (b"GET /ch at HTTP/1.1", Rejection::HeadMalformed),
        (b"GET /chat http/1.1", Rejection::HeadMalformed),
        (b"GET /chat HTTP/1,1", Rejection::HeadMalformed),
        (b"GET /chat HTTP/1.10", Rejection::HeadMalformed),
        (b"GET /chat HTTP/11.1", Rejection::HeadMalformed),
        (b"GET /chat HTTP/.1", Rejection::HeadMalformed),
        (b"GET /chat HTTP/1", Rejection::HeadMalformed),
        (b"GET /chat HTTPS/1.1", Rejection::HeadMalformed),
        (b"GET /chat HTTP/1.0", Rejection::HttpVersion),
        (b"GET /chat HTTP/1.2", Rejection::HttpVersion),
        (b"GET /chat HTTP/0.9", Rejection::HttpVersion),
        (b"GET /chat HTTP/2.0", Rejection::HttpVersion),
        (b"GET /chat HTTP/3.0", Rejection::HttpVersion),
        (b"PRI * HTTP/2.0", Rejection::HttpVersion),
        (b"GET /chat#x HTTP/1.1", Rejection::HeadMalformed),
        (b"GET #x HTTP/1.1", Rejection::HeadMalformed),
        (b"GET /ch\xc3\xa4t HTTP/1.1", Rejection::HeadMalformed),
        (b"GET /chat\x7f HTTP/1.1", Rejection::HeadMalformed),
        (b"GET /chat\x01 HTTP/1.1", Rejection::HeadMalformed),
        (b"GET /chat\0 HTTP/1.1", Rejection::HeadMalformed),
        (b"GET /chat%00 HTTP/1.1", Rejection::HeadMalformed),
        (b"GET /chat%0d%0aX:y HTTP/1.1", Rejection::HeadMalformed),
        (b"GET /chat?x=%0A HTTP/1.1", Rejection::HeadMalformed),
        (b"GET /chat%1f HTTP/1.1", Rejection::HeadMalformed),
        (b"GET /chat%7f HTTP/1.1", Rejection::HeadMalformed),
        (b"GET /chat%7F HTTP/1.1", Rejection::HeadMalformed),
        (b"GET /chat% HTTP/1.1", Rejection::HeadMalformed),
        (b"GET /chat%2 HTTP/1.1", Rejection::HeadMalformed),
        (b"GET /chat%2g HTTP/1.1", Rejection::HeadMalformed),
        (b"GET /chat%%20 HTTP/1.1", Rejection::HeadMalformed),
        (b"GET chat/lobby HTTP/1.1", Rejection::TargetMalformed),
        (b"GET /ch<at HTTP/1.1", Rejection::TargetMalformed),
        (b"\x16\x03\x01\x02\x00", Rejection::HeadMalformed),
        (b"SSH-2.0-OpenSSH_9.2", Rejection::HeadMalformed),
    ] {
        assert_eq!(verdict(&with_request_line(line)), Err(reason), "{:?}", line.escape_ascii().to_string());
    }
}

#[test]
fn garbage_is_told_at_its_first_octet() {
    for garbage in [
        &b"\x16"[..],
        b"\x80",
        b"\r",
        b"\n",
        b" ",
        b"g",
        b"\0",
        b"{",
        b"GEt",
        b"GET \t",
        b"GET / X",
        b"GET / HTTP/x",
    ] {
        assert_eq!(verdict(garbage), Err(Rejection::HeadMalformed), "{garbage:?}");
        assert_eq!(verdict(&garbage[..garbage.len() - 1]), Ok(None), "{garbage:?}");
    }
}

#[test]
fn field_lines_that_hold_to_the_letter_are_taken() {
    for line in [
        &b"X: y"[..],
        b"X:",
        b"X:y",
        b"X: \t y \t ",
        b"X: a\tb",
        b"X: a:b",
        b"X_Foo: y",
        b"!#$%&'*+-.^_`|~9: y",
        b"User-Agent: Fire\xe4fox",
        b"Cookie: a=\xff",
        b"Security: \xff",
        b"Content-Length: 0",
        b"content-length:0\t",
        b"X-Content-Length: 5",
        b"Expectation: 100-continue",
        b"Host: evil.example",
        b"Referer: https://chat.example/#x",
    ] {
        let head = with_line(line);
        assert_eq!(verdict(&head), Ok(Some(head.len())), "{:?}", line.escape_ascii().to_string());
    }
}

#[test]
fn field_lines_that_do_not_are_refused() {
    for line in [
        &b"X: a\nY: b"[..],
        b"X: a\rY: b",
        b"X: a\r",
        b"X: a\n",
        b"X: \0",
        b"X: \x01",
        b"X: \x0b",
        b"X: \x0c",
        b"X: \x1b[31m",
        b"X: \x1f",
        b"X: \x7f",
        b"X: a\r\n b",
        b"X: a\r\n\tb",
        b" X: a",
        b"\tX: a",
        b"X : a",
        b"X\t: a",
        b": a",
        b"X",
        b"X Y: a",
        b"X(Y): a",
        b"\xc3\xa4: a",
        b"X\xff: a",
        b"X\0: a",
        b"X/Y: a",
        b"Host: ch\xc3\xa4t.example",
        b"hOST: \x80",
        b"Origin: https://\xd0\xb0pp.example",
        b"Upgrade: websocket\xff",
        b"Connection: Upgrade\xff",
        b"Sec-WebSocket-Key: \xff",
        b"SEC-Fetch-Mode: \xff",
        b"sec-x: \xff",
    ] {
        assert_eq!(
            verdict(&with_line(line)),
            Err(Rejection::HeadMalformed),
            "{:?}",
            line.escape_ascii().to_string()
        );
    }
}

#[test]
fn every_line_ends_with_cr_and_lf() {
    assert_eq!(verdict(HONEST.replace("\r\n", "\n").as_bytes()), Err(Rejection::HeadMalformed));
    assert_eq!(verdict(HONEST.replace("\r\n", "\r").as_bytes()), Err(Rejection::HeadMalformed));
    for (at, _) in HONEST.match_indices("\r\n") {
        for end in ["\n", "\r", "\n\r", "\r\r\n"] {
            let head = [&HONEST[..at], end, &HONEST[at + 2..], "\r\n\r\n"].concat();
            assert_eq!(verdict(head.as_bytes()), Err(Rejection::HeadMalformed), "{end:?} at {at}");
        }
    }
}

#[test]
fn a_post_to_a_route_that_takes_a_body_announces_it_by_one_length_within_its_bound() {
    let mut takes = support::route("/events/{room}");
    let rate = Rate { interval: Duration::from_millis(20), burst: 100 };
    takes.streams = Some(Box::new(Streams { sent: RateTable::new(rate, 10) }));
    let routes = [Arc::new(takes), Arc::new(support::route("/chat/{room}"))];
    let body = |line: &str, fields: &str| {
        let head = format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut progress = HeadProgress::of(&routes);
        let judged = judge_head(head.as_bytes(), &mut progress, &LIMITS);
        judged.map(|head| head.expect("a whole head").body_bytes())
    };
    let post = "POST /events/lobby";
    for (fields, bytes) in [
        ("", 0),
        ("Content-Length: 0\r\n", 0),
        ("Content-Length: 5\r\n", 5),
        ("Content-Length: 65536\r\n", 65_536),
    ] {
        assert_eq!(body(post, fields), Ok(bytes), "{fields}");
    }
    assert_eq!(body("POST /events/lobby?x=1", "Content-Length: 5\r\n"), Ok(5));
    assert_eq!(body("POST https://a/events/lobby", "Content-Length: 5\r\n"), Ok(5));
    assert_eq!(body(post, "Content-Length: 65537\r\n"), Err(Rejection::BodyTooLarge));
    for (line, fields) in [
        (post, "Content-Length: 05\r\n"),
        (post, "Content-Length: 5, 5\r\n"),
        (post, "Content-Length: 5\r\nContent-Length: 5\r\n"),
        (post, "Content-Length: 0\r\nContent-Length: 5\r\n"),
        (post, "Content-Length: 99999999999999999999\r\n"),
        (post, "Transfer-Encoding: chunked\r\n"),
        (post, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        ("GET /events/lobby", "Content-Length: 5\r\n"),
        ("PUT /events/lobby", "Content-Length: 5\r\n"),
        ("POST /chat/lobby", "Content-Length: 5\r\n"),
        ("POST /events/", "Content-Length: 5\r\n"),
        ("POST /ticket", "Content-Length: 1025\r\n"),
    ] {
        assert_eq!(body(line, fields), Err(Rejection::Body), "{line} {fields}");
    }
    assert_eq!(body("POST /ticket", "Content-Length: 1024\r\n"), Ok(1024));
}

#[test]
fn a_head_that_announces_a_body_is_refused_at_its_end() {
    for line in [
        &b"Content-Length: 5"[..],
        b"Content-Length: 00",
        b"Content-Length: +0",
        b"Content-Length: -0",
        b"Content-Length: 0, 0",
        b"Content-Length: 0x0",
        b"Content-Length:",
        b"Content-Length: \xb2",
        b"CONTENT-LENGTH: 5",
        b"Content-Length: 0\r\nContent-Length: 0",
        b"Content-Length: 0\r\nContent-Length: 5",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked, identity",
        b"transfer-encoding: identity",
        b"Transfer-Encoding:",
        b"Transfer-Encoding: chunked\r\nExpect: 100-continue",
    ] {
        let head = with_line(line);
        assert_eq!(verdict(&head), Err(Rejection::Body), "{:?}", line.escape_ascii().to_string());
        assert_eq!(verdict(&head[..head.len() - 1]), Ok(None));
    }
    for line in [&b"Expect: 100-continue"[..], b"expect: x", b"Expect:"] {
        assert_eq!(verdict(&with_line(line)), Err(Rejection::Expect));
    }
}

#[test]
fn a_head_has_64_field_lines_at_most() {
    let head = |lines: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(lines));
    for (lines, taken) in [(0, true), (64, true), (65, false), (1000, false)] {
        let head = head(lines);
        let expected = if taken { Ok(Some(head.len())) } else { Err(Rejection::HeadTooLarge) };
        assert_eq!(verdict(head.as_bytes()), expected, "{lines}");
    }
    let limits = HeadLimits { field_lines: 0, ..LIMITS };
    assert_eq!(judge(head(0).as_bytes(), &limits), Ok(Some(18)));
    assert_eq!(judge(head(1).as_bytes(), &limits), Err(Rejection::HeadTooLarge));
}

#[test]
fn a_head_is_no_longer_than_its_limit_and_is_told_so_before_it_is_complete() {
    let exact = |bytes: usize| {
        let frame = "GET / HTTP/1.1\r\nX: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(bytes - frame))
    };
    assert_eq!(verdict(exact(16_384).as_bytes()), Ok(Some(16_384)));
    assert_eq!(verdict(exact(16_385).as_bytes()), Err(Rejection::HeadTooLarge));
    let endless = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(500_000));
    assert_eq!(verdict(endless.as_bytes()), Err(Rejection::HeadTooLarge));
    assert_eq!(verdict(&endless.as_bytes()[..16_384]), Err(Rejection::HeadTooLarge));
    assert_eq!(verdict(&endless.as_bytes()[..16_383]), Ok(None));
    // What is behind a head does not count.
    let followed = [exact(16_384).as_bytes(), &[0x82; 10_000]].concat();
    assert_eq!(verdict(&followed), Ok(Some(16_384)));
    assert_eq!(judge(b"", &HeadLimits { head_bytes: 0, ..LIMITS }), Err(Rejection::HeadTooLarge));
}

#[test]
fn a_target_has_8000_octets_at_most_and_is_told_so_before_its_end() {
    let head = |bytes: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(bytes - 1));
    assert_eq!(verdict(head(8_000).as_bytes()), Ok(Some(8_017)));
    assert_eq!(verdict(head(8_001).as_bytes()), Err(Rejection::UriTooLong));
    assert_eq!(verdict(head(500_000).as_bytes()), Err(Rejection::UriTooLong));
    assert_eq!(verdict(&head(9_000).as_bytes()[..8_004]), Ok(None));
    assert_eq!(verdict(&head(9_000).as_bytes()[..8_005]), Err(Rejection::UriTooLong));
    for encoded in [7_998, 7_999, 8_000] {
        let head = format!("GET /{}%41", "x".repeat(encoded - 1));
        let expected = if encoded + 3 > 8_000 { Err(Rejection::UriTooLong) } else { Ok(None) };
        assert_eq!(verdict(head.as_bytes()), expected, "{encoded}");
    }
}

#[test]
fn the_first_fault_in_the_order_of_the_octets_is_told() {
    let long = "x".repeat(9_000);
    let lines = "X: y\r\n".repeat(65);
    for (head, reason) in [
        (format!("GET /{long} HTTP/2.0\r\nX : y\r\n\r\n"), Rejection::UriTooLong),
        (format!("GET /#{long}"), Rejection::HeadMalformed),
        (format!("GET / HTTP/1.0\r\n{lines}\r\n"), Rejection::HttpVersion),
        (format!("GET / HTTP/1.1\r\n{lines} \r\n\r\n"), Rejection::HeadTooLarge),
        (format!("GET / HTTP/1.1\r\nX : y\r\n{lines}\r\n"), Rejection::HeadMalformed),
        (format!("GET / HTTP/1.1\r\nContent-Length: 5\r\n{lines}\r\n"), Rejection::HeadTooLarge),
        ("GET / HTTP/1.1\r\nContent-Length: 5\r\nX: \0\r\n\r\n".to_owned(), Rejection::HeadMalformed),
    ] {
        assert_eq!(verdict(head.as_bytes()), Err(reason), "{head:.60}");
    }
}

#[test]
fn an_octet_is_looked_at_once_however_small_the_pieces() {
    // Each call sees all that has come; were it judged anew, this would take 16 KiB squared.
    let head = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(16_000));
    let mut progress = HeadProgress::default();
    for end in 1..head.len() {
        assert!(judge_head(&head.as_bytes()[..end], &mut progress, &LIMITS).expect("honest").is_none());
        assert_eq!(progress.judged, end);
    }
}

/// Octets that make a head interesting, so that chance comes upon whole ones.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => prop::sample::select(vec![
            "GET ", "POST ", "/", "/chat", "*", "https://chat.example/", "%41", "%0a", "#", " HTTP/1.1\r\n", " HTTP/1.0\r\n",
            "\r\n", "\r\n\r\n", "\n", "\r", " ", "\t", ":", "Host: a\r\n", "X: y\r\n", "X_y: \r\n", "Content-Length: 0\r\n",
            "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Expect: x\r\n", "Upgrade: websocket\r\n",
            "Connection: Upgrade\r\n",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

/// Heads that are mostly well-formed.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let line = ("[A-Za-z_-]{1,8}", "[ -~\t]{0,12}").prop_map(|(name, value)| format!("{name}:{value}\r\n"));
    ("[A-Z]{1,7}", "(/[!-~]{0,12}|[!-~]{1,12})", prop::collection::vec(line, 0..8)).prop_map(
        |(method, target, lines)| {
            format!("{method} {target} HTTP/1.1\r\n{}\r\n", lines.concat()).into_bytes()
        },
    )
}

const TIGHT: HeadLimits = HeadLimits { head_bytes: 100, field_lines: 3, target_bytes: 12 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn pieces_never_change_the_verdict(
        input in prop_oneof![fragments(), heads(), prop::collection::vec(any::<u8>(), 0..200)],
        sizes in prop::collection::vec(1usize..20, 1..8),
    ) {
        for limits in [&LIMITS, &TIGHT] {
            let whole = judge(&input, limits);
            prop_assert_eq!(judge_pieces(&input, &[1], limits), whole);
            prop_assert_eq!(judge_pieces(&input, &sizes, limits), whole);
            if let Ok(Some(bytes)) = whole {
                prop_assert!(bytes <= limits.head_bytes && bytes <= input.len());
                prop_assert!(input[..bytes].ends_with(b"\r\n\r\n"));
            }
        }
    }

    #[test]
    fn what_is_taken_is_one_request_line_and_whole_field_lines(input in prop_oneof![fragments(), heads()]) {
        let Ok(Some(bytes)) = verdict(&input) else { return Ok(()) };
        let lines = input[..bytes - 4].split(|&octet| octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        for (index, line) in lines.enumerate() {
            prop_assert!(!line.iter().any(|octet| (*octet < b' ' && *octet != b'\t') || *octet == 0x7f));
            if index == 0 {
                prop_assert_eq!(line.iter().filter(|&&octet| octet == b' ').count(), 2);
                prop_assert!(line.ends_with(b" HTTP/1.1"));
            } else {
                let colon = line.iter().position(|&octet| octet == b':').expect("a colon");
                prop_assert!(colon > 0 && line[..colon].iter().all(|&octet| is_token_octet(octet)));
            }
        }
    }

    #[test]
    fn hyper_takes_every_head_that_is_taken_here(input in prop_oneof![fragments(), heads()]) {
        if let Ok(Some(bytes)) = verdict(&input) {
            prop_assert!(hyper_serves(&input[..bytes]), "{}", input.escape_ascii());
        }
    }
}

/// Whether hyper hands a request with this head to its service, rather than answering itself.
fn hyper_serves(head: &[u8]) -> bool {
    use http_body_util::Empty;
    use hyper_util::rt::TokioIo;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::io::AsyncWriteExt;

    let served = AtomicBool::new(false);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (mut near, far) = tokio::io::duplex(head.len().max(4096));
        near.write_all(head).await.expect("it fits");
        near.shutdown().await.expect("it shuts down");
        let service = hyper::service::service_fn(|_request| {
            served.store(true, Ordering::Relaxed);
            std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(Empty::<&[u8]>::new())))
        });
        // How the connection ends does not matter here.
        let _end = hyper::server::conn::http1::Builder::new()
            .keep_alive(false)
            .serve_connection(TokioIo::new(far), service)
            .await;
    });
    served.load(Ordering::Relaxed)
}

#[test]
fn hyper_takes_the_honest_head_and_not_a_broken_one() {
    assert!(hyper_serves(HONEST.as_bytes()));
    assert!(!hyper_serves(b"GET /chat HTTP/1.1\r\nX : y\r\n\r\n"));
}
