//! Owns what an attack is, as data: what is tried, what it would mean, who says so.
//! Never knows how octets get to an endpoint.

use super::request::{Honest, Request};
use super::tokens::Parts;

/// How bad it is where an attack gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// A rule is broken; alone it opens nothing.
    Low,
    /// It helps another attack, or costs the endpoint more than the attacker.
    Medium,
    /// It opens what was to be closed.
    High,
}

impl Severity {
    pub(super) fn name(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
        }
    }
}

/// One attack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attack {
    /// Its stable name.
    pub(super) id: &'static str,
    pub(super) severity: Severity,
    /// What is sent, in a few words.
    pub(super) what: &'static str,
    /// What it means where it gets through: one sentence.
    pub(super) meaning: &'static str,
    /// Where that is written: a section of an RFC, a CWE.
    pub(super) reference: &'static str,
    pub(super) attempt: Attempt,
}

/// Why an attack cannot be tried, in words for a tester.
pub(super) type Untested = &'static str;

/// What is done, and by that what would be a finding.
#[derive(Clone, Copy, Debug)]
pub(super) enum Attempt {
    /// A handshake that must be refused.
    Handshake(fn(&Honest) -> Request),
    /// The same, made from a token that is good.
    WithToken(fn(&Honest, &str) -> Result<Request, Untested>),
    /// A handshake with a token that was made from a good one, which must be refused.
    Forged(fn(&Parts<'_>) -> Option<String>),
    /// A refused request with another one behind it, which must not be answered.
    Second(fn(&Honest) -> Request),
    /// A request of which nothing may be in the answer's body.
    Echo(fn(&Honest) -> Request, &'static str),
    /// Octets in an open session that must end it.
    Frames(fn() -> Vec<u8>),
    /// A violation that must be told with this close code.
    CloseCode(fn() -> Vec<u8>, u16),
    /// A Close frame that must be answered with one.
    CloseEcho,
    /// A ClientHello of this version with these cipher suites, which must not be answered with a ServerHello.
    Hello(u16, &'static [u16]),
    /// An honest handshake without TLS on a port of TLS.
    Cleartext,
    /// An endpoint without TLS.
    NoTls,
    /// What cannot be tried from outside.
    Never(Untested),
}
