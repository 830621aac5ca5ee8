//! Owns what is asked of the certificate of a peer, and that a token which is bound to one is good with it alone
//! (RFC 8705 section 3).
//! Never knows whether a certificate is good, nor how it came.

use crate::auth::Authority;
use crate::peer::ClientCertificate;
use crate::rejection::Rejection;

/// `auth.client_certificate`: each asks for what the one before it asks, and more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificateNeed {
    /// None is needed; a token that is bound to one needs it all the same.
    #[default]
    Optional,
    /// Without one nobody enters.
    Required,
    /// The token must be bound to it.
    Bound,
}

impl CertificateNeed {
    /// # Errors
    /// [`Rejection::ClientCertificateRequired`].
    pub(super) fn judge_peer(self, client: Option<&ClientCertificate>) -> Result<(), Rejection> {
        if self >= CertificateNeed::Required && client.is_none() {
            return Err(Rejection::ClientCertificateRequired);
        }
        Ok(())
    }

    /// # Errors
    /// [`Rejection::TokenBinding`] for a token that is bound to another certificate, or to none where
    /// it must be bound.
    pub(super) fn judge_token(
        self,
        authority: &Authority,
        client: Option<&ClientCertificate>,
    ) -> Result<(), Rejection> {
        let holds = match (authority.bound_to(), client) {
            // What is compared is public: it takes the certificate's key to show the certificate.
            (Some(bound), Some(client)) => *bound == client.sha256,
            (Some(_), None) => false,
            (None, _) => self != CertificateNeed::Bound,
        };
        if holds { Ok(()) } else { Err(Rejection::TokenBinding) }
    }
}
