//! Owns the certificates of `dev`: how they are made and until when they are good.
//! Never knows where they are kept.

use crate::secret::Secret;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};
use x509_cert::Certificate;

/// A local authority and the server certificate that it signed, as PEM.
///
/// The authority's private key is not here: it signs once and is dropped, so that nobody
/// can ever sign anything else with an authority that a browser was told to trust.
pub(super) struct Certificates {
    /// The authority's certificate.
    pub(super) authority: String,
    /// The server's certificate.
    pub(super) server: String,
    /// The server's private key (PKCS#8).
    pub(super) server_key: Secret,
}

/// Makes both, good from an hour before `now` (clocks differ) for [`LIFETIME`].
pub(super) fn make(now: SystemTime) -> Result<Certificates, rcgen::Error> {
    let authority = CertifiedIssuer::self_signed(authority(now), KeyPair::generate()?)?;
    let server_key = KeyPair::generate()?;
    let server = server(now)?.signed_by(&server_key, &authority)?;
    let server_key = Secret::new(server_key.serialize_pem().into_bytes());
    Ok(Certificates { authority: authority.pem(), server: server.pem(), server_key })
}

/// When the first certificate in a PEM file ends; `None` if there is no certificate in it.
pub(super) fn ends_at(pem: &[u8]) -> Option<SystemTime> {
    let chain = Certificate::load_pem_chain(pem).ok()?;
    chain.first().map(|first| first.tbs_certificate().validity().not_after.to_system_time())
}

/// Both certificates last 89 days: the "modern" profile of Mozilla's TLS guidelines asks for
/// less than 90, and a later start makes new ones in time.
pub(super) const LIFETIME: Duration = Duration::from_secs(89 * 24 * 60 * 60);

const CLOCK_DIFFERENCE: Duration = Duration::from_secs(60 * 60);

const NAME: &str = "localhost";
const ADDRESSES: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// An authority for this machine's own names alone (RFC 5280 section 4.2.1.10).
fn authority(now: SystemTime) -> CertificateParams {
    let mut params = lasting(CertificateParams::default(), now);
    params.distinguished_name.push(DnType::CommonName, "Portcullis development CA (localhost only)");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let mut permitted_subtrees = vec![GeneralSubtree::DnsName(NAME.to_owned())];
    permitted_subtrees.extend(ADDRESSES.map(|address| {
        let whole = if address.is_ipv4() { 32 } else { 128 };
        GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, whole))
    }));
    params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    params
}

fn server(now: SystemTime) -> Result<CertificateParams, rcgen::Error> {
    let names: Vec<String> = [NAME.to_owned()].into_iter().chain(ADDRESSES.map(|a| a.to_string())).collect();
    let mut params = lasting(CertificateParams::new(names)?, now);
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn lasting(mut params: CertificateParams, now: SystemTime) -> CertificateParams {
    let from = now.checked_sub(CLOCK_DIFFERENCE).unwrap_or(now);
    params.not_before = from.into();
    params.not_after = from.checked_add(LIFETIME).unwrap_or(now).into();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
    use std::sync::Arc;
    use std::time::UNIX_EPOCH;

    const DAY: Duration = Duration::from_secs(86_400);

    fn now() -> SystemTime {
        UNIX_EPOCH + 20_000 * DAY
    }

    fn verdict(made: &Certificates, name: &'static str, at: SystemTime) -> Result<(), rustls::Error> {
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(der(&made.authority)).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().expect("roots");
        let at = UnixTime::since_unix_epoch(at.duration_since(UNIX_EPOCH).expect("after 1970"));
        let name = ServerName::try_from(name).expect("a name");
        verifier.verify_server_cert(&der(&made.server), &[], &name, &[], at).map(|_| ())
    }

    #[test]
    fn the_authority_vouches_for_the_names_of_this_machine_and_no_other() {
        let made = make(now()).expect("certificates");
        for name in ["localhost", "127.0.0.1", "::1"] {
            assert_eq!(verdict(&made, name, now()), Ok(()), "{name}");
        }
        for name in ["example.com", "a.localhost", "127.0.0.2"] {
            assert!(verdict(&made, name, now()).is_err(), "{name}");
        }
    }

    #[test]
    fn another_authority_does_not_vouch_for_the_server() {
        let (made, other) = (make(now()).expect("certificates"), make(now()).expect("certificates"));
        let mixed = Certificates { authority: other.authority, ..made };
        assert!(verdict(&mixed, "localhost", now()).is_err());
    }

    #[test]
    fn both_are_good_for_89_days_and_known_to_end_then() {
        let made = make(now()).expect("certificates");
        let end = now() - CLOCK_DIFFERENCE + 89 * DAY;
        assert_eq!(ends_at(made.server.as_bytes()), Some(end));
        assert_eq!(ends_at(made.authority.as_bytes()), Some(end));
        assert_eq!(verdict(&made, "localhost", end - DAY), Ok(()));
        assert!(verdict(&made, "localhost", end + DAY).is_err());
        assert_eq!(ends_at(b"no certificate"), None);
    }
}
