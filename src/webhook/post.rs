//! Owns one signed request and its answer.
//! Never knows what either says.

use super::secret::Secrets;
use crate::outbound::{Endpoint, ExchangeLimits, OutboundError, Roots, exchange};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Request, Response};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where signed requests go.
#[derive(Debug)]
pub struct Hook {
    /// Where.
    pub endpoint: Endpoint,
    /// Whom it is known by, where it is reached by TLS.
    pub roots: Option<Roots>,
    /// What requests are signed with.
    pub secrets: Secrets,
    /// From connecting to the last octet of the answer.
    pub timeout: Duration,
}

impl Hook {
    /// Sends a body under this identifier, signed as of now; whoever repeats it keeps the identifier.
    ///
    /// # Errors
    ///
    /// No answer in time, or one that is larger than `answer_bytes`, or whose status is not of the
    /// 200s: a redirect is none either.
    pub async fn post(&self, id: &str, body: Bytes, answer_bytes: usize) -> Result<Bytes, OutboundError> {
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let request = Request::post("/")
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", self.secrets.sign(id, timestamp, &body))
            // INVARIANT: an identifier, a number and base64 are field values.
            .body(body)
            .map_err(|_| OutboundError::Protocol)?;
        let limits = ExchangeLimits { deadline: Instant::now() + self.timeout, body_bytes: answer_bytes };
        let answer: Response<Bytes> =
            Box::pin(exchange(&self.endpoint, self.roots.as_ref(), request, limits)).await?;
        if answer.status().is_success() {
            Ok(answer.into_body())
        } else {
            Err(OutboundError::Status(answer.status()))
        }
    }
}
