//! Owns one request and its answer, over a connection of their own.
//! Never knows what an answer means: a redirect is an answer like any other.

use super::connect::connect;
use super::fault::OutboundError;
use super::tls::Roots;
use crate::endpoint::Endpoint;
use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::pending;
use std::time::Instant;
use tokio::time::timeout_at;

/// What an exchange may take.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeLimits {
    /// By when the last octet has come.
    pub deadline: Instant,
    /// Octets of the answer's body.
    pub body_bytes: usize,
}

/// Sends a request and takes the whole answer, of whatever status. Target and `Host` are those of the
/// endpoint, whatever the request says. The connection is closed then.
///
/// # Errors
///
/// No connection, no whole answer by the deadline, or one that is too large: reading stops there.
pub async fn exchange(
    endpoint: &Endpoint,
    roots: Option<&Roots>,
    request: Request<Bytes>,
    limits: ExchangeLimits,
) -> Result<Response<Bytes>, OutboundError> {
    let whole = Box::pin(ask(endpoint, roots, request, limits));
    timeout_at(limits.deadline.into(), whole).await.unwrap_or(Err(OutboundError::Timeout))
}

async fn ask(
    endpoint: &Endpoint,
    roots: Option<&Roots>,
    request: Request<Bytes>,
    limits: ExchangeLimits,
) -> Result<Response<Bytes>, OutboundError> {
    let request = addressed(request, endpoint)?;
    let stream = connect(endpoint, roots, limits.deadline).await?;
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| of_hyper(&error))?;
    let answer = async {
        let (parts, body) =
            sender.send_request(request).await.map_err(|error| of_hyper(&error))?.into_parts();
        let body = Limited::new(body, limits.body_bytes).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() { OutboundError::TooBig } else { OutboundError::Protocol }
        })?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    };
    // The connection moves the octets; when it ends, the answer knows what has come.
    let moving = async {
        let _ = connection.await;
        pending::<Infallible>().await
    };
    tokio::select! {
        answer = answer => answer,
        never = moving => match never {},
    }
}

fn addressed(request: Request<Bytes>, endpoint: &Endpoint) -> Result<Request<Full<Bytes>>, OutboundError> {
    let (mut parts, body) = request.into_parts();
    // INVARIANT: an endpoint's target and authority have been parsed; both conversions succeed.
    parts.uri = endpoint.target().parse::<Uri>().map_err(|_| OutboundError::Protocol)?;
    let host = HeaderValue::try_from(endpoint.authority()).map_err(|_| OutboundError::Protocol)?;
    parts.headers.insert(HOST, host);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    parts.headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
    Ok(Request::from_parts(parts, Full::new(body)))
}

fn of_hyper(error: &hyper::Error) -> OutboundError {
    if error.is_parse_too_large() { OutboundError::TooBig } else { OutboundError::Protocol }
}

const AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));
const HEADERS_MAX: usize = 64;
/// The head of an answer, and what hyper reads ahead of its body.
const HEAD_BYTES_MAX: usize = 16 << 10;
