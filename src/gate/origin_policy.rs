//! Owns the Origin allowlist: which pages may open a WebSocket (RFC 6455 section 10.2).
//! Never knows a credential, nor what Host says.

use super::host::Host;
use crate::origin::{Authority, HostName, Origin};
use crate::rejection::Rejection;
use http::header::{HeaderMap, ORIGIN};

/// `[origins]`: who may ask.
///
/// An Origin is compared with what is listed, octet by octet, and never taken apart: each
/// reader of URLs takes them apart differently.
#[derive(Debug)]
pub struct OriginPolicy {
    allowed: Box<[Rule]>,
    missing_allowed: bool,
    report_only: bool,
}

/// One entry of `allow`.
#[derive(Debug)]
enum Rule {
    /// This origin.
    Exact(Box<str>),
    /// Those that have one label between these two, such as `https://` and `.example.com:8443`.
    OneLabel { before: Box<str>, after: Box<str> },
}

/// A page of this origin may ask, or the absence of one is allowed: only
/// [`OriginPolicy::permit`] makes one.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub struct PermittedOrigin {
    origin: Option<Origin>,
    is_listed: bool,
}

impl PermittedOrigin {
    /// The origin; `None` where none was sent and none is required.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Whether it would be permitted without `report_only` too.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.is_listed
    }

    /// The origin, for good.
    #[must_use]
    pub fn into_origin(self) -> Option<Origin> {
        self.origin
    }
}

impl OriginPolicy {
    /// Takes the entries of `origins.allow`, and whether a request without Origin is allowed.
    ///
    /// # Errors
    ///
    /// The index of an entry that no browser would ever send or that allows everybody (0 for
    /// an empty list), and what to write instead.
    pub fn new(allow: &[String], missing_allowed: bool) -> Result<OriginPolicy, (usize, String)> {
        if allow.is_empty() {
            return Err((
                0,
                "no origin is allowed; list the origins of the pages that may connect".to_owned(),
            ));
        }
        let parse = |(index, entry): (usize, &String)| {
            Rule::parse(entry).ok_or_else(|| (index, remedy(entry).to_owned()))
        };
        let allowed = allow.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
        Ok(OriginPolicy { allowed, missing_allowed, report_only: false })
    }

    /// The same policy, that lets in what no rule allows and marks it (`report_only`). What is no
    /// one origin, `null` and the absence of an Origin are refused as ever: no list would allow them.
    #[must_use]
    pub fn reporting(self, report_only: bool) -> OriginPolicy {
        OriginPolicy { report_only, ..self }
    }

    /// Permits a request by its Origin alone: `Referer` and `X-Forwarded-*` do not count.
    ///
    /// # Errors
    ///
    /// [`Rejection::OriginMissing`], [`Rejection::OriginMultiple`] (two lines or a list),
    /// [`Rejection::OriginNull`], [`Rejection::OriginNotAllowed`].
    pub fn permit(&self, headers: &HeaderMap) -> Result<PermittedOrigin, Rejection> {
        let mut lines = headers.get_all(ORIGIN).iter();
        let text = match (lines.next(), lines.next()) {
            (None, _) if self.missing_allowed => {
                return Ok(PermittedOrigin { origin: None, is_listed: true });
            }
            (None, _) => return Err(Rejection::OriginMissing),
            (Some(line), None) => line.to_str().map_err(|_| Rejection::OriginNotAllowed)?,
            (Some(_), Some(_)) => return Err(Rejection::OriginMultiple),
        };
        if text.contains([' ', '\t', ',']) {
            return Err(Rejection::OriginMultiple);
        }
        // Sandboxed frames, data: and file: pages send `null` (RFC 6454 section 7.3): it is
        // nobody's name, so it cannot be listed either.
        if text == "null" {
            return Err(Rejection::OriginNull);
        }
        let is_listed = self.allowed.iter().any(|rule| rule.allows(text));
        if !is_listed && !self.report_only {
            return Err(Rejection::OriginNotAllowed);
        }
        let origin = Origin::parse(text).ok_or(Rejection::OriginNotAllowed)?;
        Ok(PermittedOrigin { origin: Some(origin), is_listed })
    }
}

impl OriginPolicy {
    /// Permits a page of this very host: a browser that says so sends no Origin with a GET to it.
    ///
    /// # Errors
    ///
    /// [`Rejection::OriginNotAllowed`] where that origin is not listed either.
    pub(super) fn permit_own(&self, host: &Host<'_>) -> Result<PermittedOrigin, Rejection> {
        let authority = host.as_str().to_ascii_lowercase();
        let origin = format!("https://{}", authority.strip_suffix(":443").unwrap_or(&authority));
        let origin = Origin::parse(&origin).ok_or(Rejection::OriginNotAllowed)?;
        let allowed = self.allowed.iter().any(|rule| rule.allows(origin.as_str()));
        allowed
            .then_some(PermittedOrigin { origin: Some(origin), is_listed: true })
            .ok_or(Rejection::OriginNotAllowed)
    }

    /// Whether a session of a page of this origin (or of none) would be permitted today. An
    /// origin that is not listed never goes with a cookie.
    #[must_use]
    pub fn still_permits(&self, origin: Option<&Origin>, from_cookie: bool) -> bool {
        match origin {
            None => self.missing_allowed,
            Some(origin) => {
                let is_listed = self.allowed.iter().any(|rule| rule.allows(origin.as_str()));
                is_listed || (self.report_only && !from_cookie)
            }
        }
    }
}

impl Rule {
    fn parse(entry: &str) -> Option<Rule> {
        let Some((scheme, parent)) = entry.split_once("://*.") else {
            return Origin::parse(entry).map(|origin| Rule::Exact(origin.as_str().into()));
        };
        // What is left of it without the wildcard must itself be the origin of a named site.
        Origin::parse(&format!("{scheme}://{parent}"))?;
        let is_named = matches!(Authority::parse(parent)?.host, HostName::Name(_));
        (is_named && matches!(scheme, "https" | "http")).then(|| Rule::OneLabel {
            before: format!("{scheme}://").into(),
            after: format!(".{parent}").into(),
        })
    }

    fn allows(&self, origin: &str) -> bool {
        match self {
            Rule::Exact(listed) => **listed == *origin,
            Rule::OneLabel { before, after } => origin
                .strip_prefix(&**before)
                .and_then(|rest| rest.strip_suffix(&**after))
                .is_some_and(is_label),
        }
    }
}

/// A label of a host name (RFC 1123 section 2.1) as a browser serializes it.
fn is_label(text: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-')
}

/// RFC 1035 section 2.3.4.
const LABEL_BYTES_MAX: usize = 63;

/// What to write instead of an entry that is not taken.
fn remedy(entry: &str) -> &'static str {
    let (scheme, rest) = entry.split_once("://").unwrap_or(("", entry));
    if entry == "*" {
        "\"*\" would let every page in; list the origins that may connect"
    } else if entry == "null" {
        "\"null\" is what any sandboxed page sends; give the page an origin of its own"
    } else if entry.starts_with('^')
        || rest.contains(['(', '[', '|', '\\', '+', '$', '?']) && !rest.starts_with('[')
    {
        "not an origin; regular expressions are not taken, \"*.\" at the start of a host stands for one label"
    } else if rest.contains('*') && matches!(scheme, "https" | "http" | "") {
        "\"*\" stands for exactly one label at the start of a host, such as \"https://*.example.com\""
    } else if rest.contains('*') {
        "\"*\" is taken for https and http alone; list each origin"
    } else if scheme.is_empty() {
        "an origin starts with its scheme, such as \"https://chat.example.com\""
    } else if rest.contains(['/', '?', '#']) {
        "an origin has no path and no slash at its end, such as \"https://chat.example.com\""
    } else if entry.bytes().any(|octet| octet.is_ascii_uppercase()) {
        "browsers send origins in lower case; write it so"
    } else if !entry.is_ascii() {
        "browsers send origins in ASCII; write the host in its xn-- form"
    } else if [("https", ":443"), ("http", ":80")]
        .iter()
        .any(|(of, port)| scheme == *of && rest.ends_with(port))
    {
        "browsers leave out the default port; remove it"
    } else {
        "not an origin; write scheme://host or scheme://host:port, such as \"https://chat.example.com\""
    }
}

#[cfg(test)]
mod tests;
