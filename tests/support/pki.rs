//! Owns the certificate authority of a test and the certificates that it signs.
//! Never knows which file they go to.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use std::sync::atomic::{AtomicU64, Ordering};
use time::{Duration, OffsetDateTime};

/// A certificate authority that lives as long as its test.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
}

/// A certificate and its private key, in PEM.
pub(crate) struct Leaf {
    pub(crate) certificate: String,
    pub(crate) private_key: String,
    pub(crate) serial: Vec<u8>,
    pub(crate) number: SerialNumber,
}

impl Ca {
    pub(crate) fn new() -> Ca {
        Ca::named("Tests' own CA")
    }

    pub(crate) fn named(name: &str) -> Ca {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a CA");
        Ca { der: certificate.der().clone(), pem: certificate.pem(), issuer: Issuer::new(params, key) }
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// A trust store that holds this CA alone.
    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a CA certificate");
        roots
    }

    /// A server certificate for these names and addresses.
    pub(crate) fn server(&self, names: &[String]) -> Leaf {
        self.leaf(names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// As [`Ca::server`], good for so long.
    pub(crate) fn server_for(&self, names: &[String], lasts: Duration) -> Leaf {
        let mut params = CertificateParams::new(names.to_vec()).expect("names");
        params.not_after = OffsetDateTime::now_utc() + lasts;
        self.sign(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client certificate with this common name and these alternative names, good for so long.
    pub(crate) fn client(&self, common_name: &str, names: &[SanType], lasts: Duration) -> Leaf {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.subject_alt_names = names.to_vec();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.not_before = OffsetDateTime::now_utc() - Duration::days(30);
        params.not_after = OffsetDateTime::now_utc() + lasts;
        self.sign(params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// A list of what is revoked, good for so long, in PEM.
    pub(crate) fn crl(&self, revoked: &[&Leaf], lasts: Duration) -> String {
        let now = OffsetDateTime::now_utc();
        let revoked = revoked.iter().map(|leaf| RevokedCertParams {
            serial_number: leaf.number.clone(),
            revocation_time: now - Duration::hours(1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: now - Duration::days(30),
            next_update: now + lasts,
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).expect("a list").pem().expect("PEM")
    }

    fn leaf(&self, names: &[String], usage: ExtendedKeyUsagePurpose) -> Leaf {
        let mut params = CertificateParams::new(names.to_vec()).expect("names");
        params.distinguished_name.push(DnType::CommonName, names[0].as_str());
        self.sign(params, usage)
    }

    fn sign(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Leaf {
        static NEXT: AtomicU64 = AtomicU64::new(1 << 32);
        let number = SerialNumber::from(NEXT.fetch_add(1, Ordering::Relaxed));
        params.serial_number = Some(number.clone());
        params.extended_key_usages = vec![usage];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Leaf {
            certificate: certificate.pem(),
            private_key: key.serialize_pem(),
            serial: certificate.der().to_vec(),
            number,
        }
    }
}
