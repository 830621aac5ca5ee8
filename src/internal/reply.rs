//! Owns the responses of the internal port.
//! Never knows what led to them.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use http_body_util::Full;

pub(super) type Reply = Response<Full<Bytes>>;

pub(super) fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Reply {
    reply(status, "application/json", value.to_string())
}

/// Why a request is refused, in words of ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
}

impl Problem {
    pub(super) const fn new(status: StatusCode, code: &'static str, title: &'static str) -> Problem {
        Problem { status, code, title }
    }

    pub(super) fn reply(self) -> Reply {
        problem(self.status, self.code, self.title)
    }

    /// The same of one entry of a list.
    pub(super) fn reply_at(self, index: usize) -> Reply {
        told(self.status, self.code, self.title, Some(index))
    }
}

/// A problem that has no name here (RFC 9457).
pub(super) fn problem(status: StatusCode, code: &str, title: &str) -> Reply {
    told(status, code, title, None)
}

fn told(status: StatusCode, code: &str, title: &str, index: Option<usize>) -> Reply {
    let mut problem = serde_json::json!({
        "type": format!("urn:portcullis:problem:{code}"),
        "title": title,
        "status": status.as_u16(),
        "code": code,
    });
    if let (Some(index), Some(members)) = (index, problem.as_object_mut()) {
        members.insert("index".to_owned(), index.into());
    }
    reply(status, "application/problem+json", problem.to_string())
}

/// What the guard of the port refuses.
pub(super) fn denied(why: Problem) -> Reply {
    let mut reply = why.reply();
    if reply.status() == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static(r#"Bearer realm="portcullis-internal""#);
        reply.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    reply
}

/// From here on the connection speaks another protocol.
pub(super) fn switching(protocol: &'static str) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    reply.headers_mut().insert(UPGRADE, HeaderValue::from_static(protocol));
    reply
}

pub(super) fn not_allowed(methods: &'static str) -> Reply {
    let mut reply = problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Use another method");
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    reply
}
