//! Owns what the certificate of a peer says of it.
//! Never knows whether it is good: that has been judged.

use super::certificate::sha256;
use crate::peer::ClientCertificate;
use rustls_pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Reads a certificate that has been found good.
pub(super) fn read(der: &CertificateDer<'_>) -> ClientCertificate {
    let parsed = Certificate::from_der(der).ok();
    let not_after = parsed
        .as_ref()
        .map(|parsed| parsed.tbs_certificate().validity().not_after.to_unix_duration().as_secs());
    ClientCertificate {
        name: parsed.as_ref().and_then(name),
        sha256: sha256(der),
        not_after: not_after.unwrap_or(0),
    }
}

/// The first URI or DNS name of the subject, else its common name.
fn name(parsed: &Certificate) -> Option<Box<str>> {
    let names = parsed.tbs_certificate().get_extension::<SubjectAltName>().ok().flatten();
    let alternative = names.and_then(|(_, names)| {
        names.0.iter().find_map(|name| {
            if let GeneralName::UniformResourceIdentifier(uri) = name {
                Some(uri.as_str().into())
            } else if let GeneralName::DnsName(name) = name {
                Some(name.as_str().into())
            } else {
                None
            }
        })
    });
    let common_name = || {
        let name = parsed.tbs_certificate().subject().common_name().ok()??;
        Some(name.value().as_ref().into())
    };
    alternative.or_else(common_name)
}
