//! Owns why an endpoint gave nothing, in names for metrics and words for the log.
//! Never knows what was asked for.

use http::StatusCode;
use std::fmt;

/// Why nothing came of a connection or an exchange. It holds nothing that the other end sent but a
/// status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboundError {
    /// The name has no address, or nobody could be asked.
    Resolve,
    /// No address takes a connection.
    Connect,
    /// The TLS handshake failed: the certificate is not one that is trusted for this host.
    Tls,
    /// It took too long.
    Timeout,
    /// More came than is taken.
    TooBig,
    /// What came is no HTTP, or the connection broke.
    Protocol,
    /// An answer with a status that is not the one that is needed.
    Status(StatusCode),
}

impl OutboundError {
    /// Every name.
    pub const NAMES: [&'static str; 7] =
        ["resolve", "connect", "tls", "timeout", "too_big", "protocol", "status"];

    /// A stable name, fit for a metric's label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            OutboundError::Resolve => "resolve",
            OutboundError::Connect => "connect",
            OutboundError::Tls => "tls",
            OutboundError::Timeout => "timeout",
            OutboundError::TooBig => "too_big",
            OutboundError::Protocol => "protocol",
            OutboundError::Status(_) => "status",
        }
    }
}

impl fmt::Display for OutboundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            OutboundError::Resolve => "the name has no address that could be found",
            OutboundError::Connect => "no connection is taken there",
            OutboundError::Tls => {
                "TLS failed: the certificate is not trusted for this host, or no TLS is spoken"
            }
            OutboundError::Timeout => "it took too long",
            OutboundError::TooBig => "the answer is larger than is taken",
            OutboundError::Protocol => "the answer is no HTTP, or broke off",
            OutboundError::Status(status) => {
                return write!(f, "the answer has the status {}", status.as_u16());
            }
        };
        f.write_str(words)
    }
}

impl std::error::Error for OutboundError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_name_of_its_own() {
        let all = [
            OutboundError::Resolve,
            OutboundError::Connect,
            OutboundError::Tls,
            OutboundError::Timeout,
            OutboundError::TooBig,
            OutboundError::Protocol,
            OutboundError::Status(StatusCode::FOUND),
        ];
        assert_eq!(all.map(OutboundError::name), OutboundError::NAMES);
        assert_eq!(OutboundError::Status(StatusCode::FOUND).to_string(), "the answer has the status 302");
    }
}
