//! Owns the line of a handshake that did not become a session.
//! Never knows why it did not.

use super::shared::Shared;
use super::tls::TlsFault;
use crate::gate::{LoggedOrigin, Refused};
use crate::ledger::{Facts, RequestId};
use crate::peer::{ClientCertificate, Peer};
use crate::rejection::Rejection;

/// A refusal of which nothing else is known.
pub(super) fn bare(reason: Rejection) -> Refused {
    Refused { reason, route: None, origin: LoggedOrigin::Absent, subject: None, backend: None }
}

/// Tells the ledger.
pub(super) fn log(
    shared: &Shared,
    refused: Refused,
    peer: Peer,
    client_certificate: Option<&ClientCertificate>,
    request: RequestId,
) {
    let id = request.to_string();
    let origin = match &refused.origin {
        LoggedOrigin::Absent => None,
        LoggedOrigin::Malformed => Some("malformed"),
        LoggedOrigin::Is(origin) => Some(origin.as_str()),
    };
    let facts = Facts {
        request_id: Some(&id),
        peer: Some(peer),
        client_certificate,
        route: refused.route.as_deref(),
        origin,
        subject: refused.subject.as_deref(),
        upstream: refused.backend.as_ref().map(|backend| &*backend.upstream),
        detail: refused.backend.as_ref().map(|backend| &*backend.detail),
        ..Facts::default()
    };
    shared.ledger.refused(refused.reason, &facts);
}

/// Why a connection ends that TLS cannot go on with.
pub(super) fn reason_of(fault: TlsFault) -> Rejection {
    match fault {
        TlsFault::Plaintext => Rejection::TlsPlaintext,
        TlsFault::ServerName => Rejection::SniUnknown,
        TlsFault::CertificateMissing => Rejection::ClientCertificateMissing,
        TlsFault::CertificateRevoked => Rejection::ClientCertificateRevoked,
        TlsFault::CertificateInvalid => Rejection::ClientCertificateInvalid,
        TlsFault::Protocol => Rejection::TlsFailed,
    }
}
