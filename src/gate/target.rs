//! Owns the forms of a request target (RFC 9112 section 3.2) and which of them are taken.
//! Never knows a route, nor which hosts are served.

use super::host::Host;
use crate::rejection::Rejection;

/// The form of a request target that a server may be sent with GET.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TargetForm<'a> {
    /// `/path?query`
    Origin,
    /// `https://authority/path?query`
    Absolute {
        /// The authority, as it was sent.
        authority: &'a str,
    },
}

impl<'a> TargetForm<'a> {
    /// Takes the origin form and the absolute form; the authority form, `*` and what starts
    /// with no slash are malformed.
    pub(super) fn parse(target: &'a http::Uri) -> Result<TargetForm<'a>, Rejection> {
        match (target.scheme_str(), target.authority()) {
            (None, None) if target.path().starts_with('/') => Ok(TargetForm::Origin),
            (Some(scheme), Some(authority)) if is_ours(scheme) => {
                Ok(TargetForm::Absolute { authority: authority.as_str() })
            }
            (None | Some(_), None | Some(_)) => Err(Rejection::TargetMalformed),
        }
    }

    /// An absolute form names the same authority as Host, or the request could be routed by one
    /// and judged by the other (RFC 9112 section 3.2.2).
    pub(super) fn agrees_with(&self, host: &Host<'_>) -> Result<(), Rejection> {
        match self {
            TargetForm::Origin => Ok(()),
            TargetForm::Absolute { authority } if authority.eq_ignore_ascii_case(host.as_str()) => Ok(()),
            TargetForm::Absolute { .. } => Err(Rejection::TargetMalformed),
        }
    }
}

fn is_ours(scheme: &str) -> bool {
    ["https", "wss", "http", "ws"].iter().any(|ours| scheme.eq_ignore_ascii_case(ours))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{HOST, HeaderMap, HeaderValue};

    fn judge(target: &str, host: &str) -> Result<(), Rejection> {
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_str(host).expect(host))]);
        let target = target.parse().expect(target);
        TargetForm::parse(&target)?.agrees_with(&Host::parse(&headers)?)
    }

    #[test]
    fn an_origin_form_is_taken_with_any_host() {
        for target in ["/", "/chat/lobby", "/chat?x=http://evil.example", "//evil.example/chat"] {
            assert_eq!(judge(target, "chat.example"), Ok(()), "{target}");
        }
    }

    #[test]
    fn an_absolute_form_is_taken_only_with_the_authority_that_host_names() {
        for (target, host) in [
            ("https://chat.example/chat", "chat.example"),
            ("wss://CHAT.example:8443/chat", "chat.Example:8443"),
            ("http://chat.example", "chat.example"),
            ("ws://[::1]:8443/chat", "[::1]:8443"),
        ] {
            assert_eq!(judge(target, host), Ok(()), "{target} {host}");
        }
        for (target, host) in [
            ("http://evil.example/chat", "chat.example"),
            ("https://chat.example:443/chat", "chat.example"),
            ("https://chat.example/chat", "chat.example:443"),
            ("https://u@chat.example/chat", "chat.example"),
            ("https://chat.example@evil.example/chat", "chat.example"),
            ("ftp://chat.example/chat", "chat.example"),
            ("file://chat.example/chat", "chat.example"),
        ] {
            assert_eq!(judge(target, host), Err(Rejection::TargetMalformed), "{target} {host}");
        }
    }

    #[test]
    fn an_asterisk_an_authority_and_a_path_without_a_slash_are_malformed() {
        for target in ["*", "chat.example:443", "chat", "c", "://chat"] {
            assert_eq!(judge(target, "chat.example:443"), Err(Rejection::TargetMalformed), "{target}");
        }
    }
}
