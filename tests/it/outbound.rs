//! Owns the stories of how the gateway connects to what the configuration names.
//! Never knows what it asks there.

use crate::support::pki::Ca;
use crate::support::web::{ok, with_status};
use crate::support::{PATIENCE, Web};
use bytes::Bytes;
use http::{Request, Response};
use portcullis::outbound::{Endpoint, ExchangeLimits, OutboundError, Roots, connect, exchange};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::{Builder, LocalOptions};

type Outcome = Result<Response<Bytes>, OutboundError>;

fn roots(ca: &Ca) -> Roots {
    Roots::from_pem(ca.pem().as_bytes()).expect("roots")
}

/// On a runtime like a worker's, which ends with it.
fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    runtime.expect("a runtime").block_on(future)
}

fn ask_within(url: &str, roots: Option<&Roots>, patience: Duration) -> Outcome {
    let endpoint = Endpoint::parse(url).expect("an endpoint");
    let limits = ExchangeLimits { deadline: Instant::now() + patience, body_bytes: 1000 };
    run(exchange(&endpoint, roots, Request::new(Bytes::new()), limits))
}

fn ask(url: &str, roots: Option<&Roots>) -> Outcome {
    ask_within(url, roots, PATIENCE)
}

#[test]
fn an_exchange_by_tls_takes_the_whole_answer_and_sends_what_the_endpoint_says() {
    let ca = Ca::new();
    let web = Web::https(&ca, &["localhost", "127.0.0.1"]);
    web.answer(ok("hello"));
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/keys?p=1", web.port());
        let endpoint = Endpoint::parse(&url).expect("an endpoint");
        let request = Request::builder().uri("http://elsewhere.test/other").header("host", "elsewhere.test");
        let request = request.header("if-none-match", "\"1\"").body(Bytes::new()).expect("a request");
        let limits = ExchangeLimits { deadline: Instant::now() + PATIENCE, body_bytes: 5 };
        let answer = run(exchange(&endpoint, Some(&roots(&ca)), request, limits)).expect("an answer");
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &b"hello"[..]));
        let head = web.heads().pop().expect("a request");
        assert!(head.starts_with("GET /keys?p=1 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("host: {host}:{}\r\n", web.port())), "{head}");
        assert!(
            head.contains("connection: close\r\n") && head.contains("if-none-match: \"1\"\r\n"),
            "{head}"
        );
        assert!(!head.contains("elsewhere"), "{head}");
    }
    assert_eq!(web.connections(), 2, "one connection a request");
}

#[test]
fn a_server_of_another_authority_or_another_name_is_not_trusted() {
    let (ca, other) = (Ca::new(), Ca::new());
    let web = Web::https(&ca, &["localhost"]);
    let by_name = format!("https://localhost:{}/", web.port());
    let by_address = format!("https://127.0.0.1:{}/", web.port());
    assert!(ask(&by_name, Some(&roots(&ca))).is_ok());
    assert_eq!(ask(&by_name, Some(&roots(&other))).expect_err("a refusal"), OutboundError::Tls);
    assert_eq!(ask(&by_address, Some(&roots(&ca))).expect_err("a refusal"), OutboundError::Tls);
    assert_eq!(ask(&by_name, None).expect_err("nobody is trusted"), OutboundError::Tls);
    let plain = Web::http();
    let url = format!("https://localhost:{}/", plain.port());
    assert_eq!(
        ask_within(&url, Some(&roots(&ca)), Duration::from_millis(300)).expect_err("no TLS").name(),
        "timeout"
    );
    assert_eq!(web.heads().len(), 1, "nothing was asked of a server that is not trusted");
}

#[test]
fn a_redirect_is_an_answer_like_any_other() {
    let target = Web::http();
    let web = Web::http();
    let location = format!("http://127.0.0.1:{}/", target.port());
    web.answer(with_status("302 Found", &[("Location", &location)], ""));
    let answer = ask(&format!("http://127.0.0.1:{}/", web.port()), None).expect("an answer");
    assert_eq!((answer.status().as_u16(), target.connections()), (302, 0));
}

#[test]
fn a_body_is_taken_up_to_the_limit_and_not_one_octet_more() {
    let web = Web::http();
    let url = format!("http://127.0.0.1:{}/", web.port());
    for (length, good) in [(0, true), (999, true), (1000, true), (1001, false)] {
        web.answer(ok(&"x".repeat(length)));
        let outcome = ask(&url, None).map(|answer| answer.body().len());
        assert_eq!(outcome, if good { Ok(length) } else { Err(OutboundError::TooBig) }, "{length}");
    }
    // Chunks tell no length, and these have no end.
    web.act(|_, peer| {
        let _ = peer.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while peer.write_all(b"64\r\n").is_ok() {
            let _ = peer.write_all(&[b'x'; 100]).and_then(|()| peer.write_all(b"\r\n"));
        }
    });
    assert_eq!(ask(&url, None).expect_err("too much"), OutboundError::TooBig);
    // A head has no end either.
    web.act(|_, peer| {
        let _ = peer.write_all(b"HTTP/1.1 200 OK\r\n");
        while peer.write_all(b"X-Filler: abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\r\n").is_ok() {}
    });
    assert_eq!(ask(&url, None).expect_err("too much"), OutboundError::TooBig);
}

#[test]
fn a_server_that_is_silent_at_any_stage_is_given_up_at_the_deadline() {
    let ca = Ca::new();
    let patience = Duration::from_millis(300);
    // The kernel accepts, and nobody speaks TLS.
    let deaf = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://127.0.0.1:{}/", deaf.local_addr().expect("an address").port());
    assert_eq!(ask_within(&url, Some(&roots(&ca)), patience).expect_err("silence"), OutboundError::Timeout);

    let web = Web::https(&ca, &["127.0.0.1"]);
    let url = format!("https://127.0.0.1:{}/", web.port());
    web.hang();
    assert_eq!(ask_within(&url, Some(&roots(&ca)), patience).expect_err("no head"), OutboundError::Timeout);
    web.act(|_, peer| {
        let _ = peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n");
        while peer.write_all(b"x").and_then(|()| peer.flush()).is_ok() {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    });
    assert_eq!(ask_within(&url, Some(&roots(&ca)), patience).expect_err("a trickle"), OutboundError::Timeout);
}

#[test]
fn what_is_no_answer_has_a_name() {
    let web = Web::http();
    let url = format!("http://127.0.0.1:{}/", web.port());
    for garbage in [
        "",
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        "HTTP/1.1 xyz\r\n\r\n",
    ] {
        web.answer(garbage);
        assert_eq!(ask(&url, None).expect_err(garbage), OutboundError::Protocol, "{garbage:?}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let url = format!("http://{closed}/");
    assert_eq!(ask(&url, None).expect_err("nobody there"), OutboundError::Connect);
    assert_eq!(ask("unix:/nowhere/a.sock", None).err(), Some(OutboundError::Connect));
    // No label is so long, so that nobody has to be asked.
    let url = format!("http://{}.test/", "a".repeat(64));
    assert_eq!(ask(&url, None).expect_err("no name"), OutboundError::Resolve);
}

#[test]
fn a_unix_socket_and_a_bare_connection_are_reached_alike() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("web.sock");
    let web = Web::unix(&path);
    web.answer(ok("by socket"));
    let answer = ask(&format!("unix:{}", path.display()), None).expect("an answer");
    assert_eq!(&answer.body()[..], b"by socket");
    assert!(web.heads()[0].contains("host: localhost\r\n"), "{:?}", web.heads());

    let ca = Ca::new();
    let web = Web::https(&ca, &["localhost"]);
    web.answer("pong");
    let endpoint = Endpoint::parse(&format!("wss://localhost:{}/socket", web.port())).expect("an endpoint");
    let came = run(async {
        let mut stream =
            connect(&endpoint, Some(&roots(&ca)), Instant::now() + PATIENCE).await.expect("a connection");
        stream.write_all(b"ping\r\n\r\n").await.expect("written");
        let mut came = [0; 4];
        stream.read_exact(&mut came).await.expect("an answer");
        came
    });
    assert_eq!((&came, web.heads()), (b"pong", vec!["ping\r\n\r\n".to_owned()]));
}
