//! Owns whose certificates peers may show: authorities, what they have revoked, and whether one must be shown.
//! Never knows a file, nor what the holder of a certificate may do.

use super::material::{Fault, labels};
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, Error, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use std::fmt;
use std::sync::Arc;
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode;

/// Whether a peer must show a certificate. One that is shown must be good in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthMode {
    /// Without one there is no connection.
    Required,
    /// Without one there is a connection of which no certificate is known.
    Optional,
}

/// The authorities that certify peers.
#[derive(Debug)]
pub struct ClientAuthorities(RootCertStore);

impl ClientAuthorities {
    /// Takes a PEM file that holds certificates of authorities and nothing else.
    ///
    /// # Errors
    ///
    /// What else is in the file, or that an authority in it cannot be understood.
    pub fn from_pem(pem: &[u8]) -> Result<ClientAuthorities, Fault> {
        let certificates: Vec<CertificateDer<'static>> =
            sections(pem, "CERTIFICATE", "certificate of an authority")?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate).map_err(|_| {
                Fault::certificate("a certificate in the file cannot be an authority", "get the file anew")
            })?;
        }
        Ok(ClientAuthorities(roots))
    }
}

/// What authorities have revoked (RFC 5280 section 5).
#[derive(Debug)]
pub struct RevocationLists {
    lists: Vec<CertificateRevocationListDer<'static>>,
    next_update: u64,
}

impl RevocationLists {
    /// Takes a PEM file that holds revocation lists and nothing else. `now`: seconds since 1970.
    ///
    /// # Errors
    ///
    /// What else is in the file; or that a list in it cannot be understood, or has run out.
    pub fn from_pem(pem: &[u8], now: u64) -> Result<RevocationLists, Fault> {
        let lists: Vec<CertificateRevocationListDer<'static>> = sections(pem, "X509 CRL", "revocation list")?;
        let mut next_update = u64::MAX;
        for list in &lists {
            let parsed: CertificateList = CertificateList::from_der(list).map_err(|_| {
                Fault::certificate("a revocation list in the file cannot be understood", "get the file anew")
            })?;
            let next = parsed.tbs_cert_list.next_update.ok_or_else(|| {
                Fault::certificate(
                    "a revocation list in the file does not say until when it is good",
                    "let the authority write nextUpdate into it (RFC 5280 section 5.1.2.5)",
                )
            })?;
            let next = next.to_unix_duration().as_secs();
            next_update = next_update.min(next);
            if next <= now {
                return Err(Fault::certificate(
                    "a revocation list in the file has run out",
                    "get the authority's newest list: what it has revoked since cannot be known",
                ));
            }
        }
        Ok(RevocationLists { lists, next_update })
    }

    /// When the first of them runs out (RFC 5280 section 5.1.2.5), in seconds since 1970.
    #[must_use]
    pub fn next_update(&self) -> u64 {
        self.next_update
    }
}

/// Most of the names of authorities that a peer is told, to choose its certificate by (RFC 8446 section
/// 4.2.4): all of them together must fit into 64 KiB, and each handshake carries them. Of more none is told.
const HINT_BYTES_MAX: usize = 16 << 10;

/// How the certificates of peers are judged.
#[derive(Clone)]
pub struct ClientAuth {
    judge: Arc<dyn ClientCertVerifier>,
    /// When the first of the lists runs out.
    next_update: Option<u64>,
}

impl ClientAuth {
    /// Judges by these authorities, and where there are lists by these: then whoever is on none of
    /// them, as there is none of its authority, is refused too, and so is everybody once a list
    /// has run out.
    ///
    /// # Errors
    ///
    /// A list that cannot be used.
    pub fn new(
        authorities: ClientAuthorities,
        lists: Vec<RevocationLists>,
        mode: ClientAuthMode,
    ) -> Result<ClientAuth, Fault> {
        let hints_bytes: usize = authorities.0.subjects().iter().map(|name| name.as_ref().len()).sum();
        let next_update = lists.iter().map(RevocationLists::next_update).min();
        let provider = Arc::new(aws_lc_rs::default_provider());
        // Unknown status is denied and the whole chain is checked, unless one says otherwise.
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities.0), provider)
            .with_crls(lists.into_iter().flat_map(|lists| lists.lists))
            .enforce_revocation_expiration();
        let builder = if hints_bytes > HINT_BYTES_MAX { builder.clear_root_hint_subjects() } else { builder };
        let builder = match mode {
            ClientAuthMode::Required => builder,
            ClientAuthMode::Optional => builder.allow_unauthenticated(),
        };
        builder.build().map(|judge| ClientAuth { judge, next_update }).map_err(|_| {
            Fault::certificate(
                "a revocation list is of a kind that cannot be used",
                "let the authority write complete lists of its own certificates, of version 2 (RFC 5280)",
            )
        })
    }

    /// Whether a chain that was good at its handshake is so today. A list that has run out since says
    /// nothing new of it.
    pub(super) fn still_takes(&self, chain: &[CertificateDer<'static>]) -> bool {
        let Some((own, issuers)) = chain.split_first() else { return !self.judge.client_auth_mandatory() };
        match self.judge.verify_client_cert(own, issuers, UnixTime::now()) {
            Ok(_)
            | Err(Error::InvalidCertificate(
                CertificateError::ExpiredRevocationList
                | CertificateError::ExpiredRevocationListContext { .. },
            )) => true,
            Err(_) => false,
        }
    }

    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.judge)
    }

    /// When the first of the lists runs out, in seconds since 1970.
    pub(super) fn next_update(&self) -> Option<u64> {
        self.next_update
    }
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAuth(..)")
    }
}

/// All sections of a PEM file that has one kind of them.
fn sections<T: PemObject>(pem: &[u8], label: &str, what: &str) -> Result<Vec<T>, Fault> {
    let labels = labels(pem);
    if let Some(other) = labels.iter().find(|found| *found != label) {
        let help = format!("leave only {label} sections in it");
        return Err(Fault::certificate(format!("the file also holds a section {other:?}"), help));
    }
    if labels.is_empty() {
        let help = format!("it must hold PEM: -----BEGIN {label}-----");
        return Err(Fault::certificate(format!("there is no {what} in the file"), help));
    }
    T::pem_slice_iter(pem)
        .collect::<Result<Vec<T>, _>>()
        .ok()
        .filter(|found| found.len() == labels.len())
        .ok_or_else(|| Fault::certificate("the file is not well-formed PEM", "get the file anew"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};

    fn authority(key: &KeyPair, name: &str) -> String {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.self_signed(key).expect("an authority").pem()
    }

    #[test]
    fn so_many_authorities_that_their_names_would_not_fit_are_trusted_and_not_told() {
        let key = KeyPair::generate().expect("a key");
        for (count, told) in [(2, 2), (40, 0)] {
            let pem: String = (0..count).map(|number| authority(&key, &format!("{number:0500}"))).collect();
            let authorities = ClientAuthorities::from_pem(pem.as_bytes()).expect("authorities");
            assert_eq!(authorities.0.len(), count);
            let judge = ClientAuth::new(authorities, Vec::new(), ClientAuthMode::Required).expect("a judge");
            assert_eq!(judge.verifier().root_hint_subjects().len(), told);
        }
    }
}
