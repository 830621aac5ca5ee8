//! Owns hyper's part: one judged request head in, the octets of one response out.
//! Never knows TLS, a socket or a rule.
//!
//! hyper runs on an IO in memory that replays the head. It parses what our own reader has
//! judged and serializes what our service answers; should it ever refuse a head by itself,
//! its answer is dropped and ours is sent, and nothing of it stays with the session.

use super::answer::Reply;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// hyper's own bounds lie beyond ours, which have been applied.
const FIELD_LINES_MAX: usize = 128;
/// hyper refuses to work with less.
const BUFFER_BYTES_MIN: usize = 8 << 10;

/// The head to come and the response as it is made.
struct Replay<'a> {
    head: &'a [u8],
    response: &'a RefCell<Vec<u8>>,
}

/// Serves one request head with `service`; the octets of its response, or `None` where
/// hyper did not take the head.
pub(super) async fn serve(
    head: &[u8],
    service: impl FnOnce(http::request::Parts) -> Reply,
    deadline: Duration,
) -> Option<Vec<u8>> {
    let response = RefCell::new(Vec::with_capacity(512));
    let pending = RefCell::new(Some(service));
    let answered = service_fn(|request: http::Request<Incoming>| {
        let reply = pending.borrow_mut().take().map(|service| service(request.into_parts().0));
        // One head is replayed, so there is one request; a second would be hyper's fault.
        let reply = reply.unwrap_or_else(|| {
            let mut reply = Reply::default();
            *reply.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            reply
        });
        std::future::ready(Ok::<http::Response<Full<Bytes>>, Infallible>(reply.map(Full::new)))
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(deadline)
        // Each refusal says `Connection: close` itself, and a 101 must not.
        .keep_alive(true)
        .half_close(true)
        .max_headers(FIELD_LINES_MAX)
        .max_buf_size(head.len().max(BUFFER_BYTES_MIN))
        .serve_connection(Replay { head, response: &response }, answered)
        .without_shutdown()
        .await;
    // The connection ends in an error where hyper refused the head: then the service was
    // not asked and what hyper wrote is not ours.
    drop(served);
    let was_asked = pending.borrow().is_none();
    was_asked.then(|| response.into_inner())
}

impl Read for Replay<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let take = self.head.len().min(buffer.remaining());
        let (now, later) = self.head.split_at(take);
        buffer.put_slice(now);
        self.head = later;
        Poll::Ready(Ok(()))
    }
}

impl Write for Replay<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.response.borrow_mut().extend_from_slice(octets);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
