//! Owns a certificate chain: its names, and from when to when it is good.
//! Never knows a private key.

use super::material::{Fault, labels};
use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::net::IpAddr;
use x509_cert::Certificate as Parsed;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// A certificate and those that lead from it to its root.
#[derive(Clone, Debug)]
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    /// DNS names in lower case, some of them with a wildcard.
    names: Vec<String>,
    addresses: Vec<IpAddr>,
    not_before: u64,
    not_after: u64,
}

impl Certificate {
    /// Takes a PEM file that holds certificates and nothing else, the server's own first.
    ///
    /// # Errors
    ///
    /// What else is in the file, or that a certificate in it cannot be understood.
    pub fn from_pem(pem: &[u8]) -> Result<Certificate, Fault> {
        let labels = labels(pem);
        if labels.iter().any(|label| label.ends_with("PRIVATE KEY")) {
            return Err(Fault::certificate(
                "the certificate file also holds a private key",
                "put the key into a file of its own, of mode 0600: this one is for everybody to read",
            ));
        }
        if let Some(other) = labels.iter().find(|label| *label != "CERTIFICATE") {
            let message = format!("the certificate file also holds a section {other:?}");
            return Err(Fault::certificate(
                message,
                "leave only CERTIFICATE sections in it, the server's own first",
            ));
        }
        if labels.is_empty() {
            return Err(Fault::certificate(
                "there is no certificate in the file",
                "it must hold PEM: -----BEGIN CERTIFICATE-----, the server's own first, then those of its issuers",
            ));
        }
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let malformed =
            |_| Fault::certificate("the certificate file is not well-formed PEM", "get the file anew");
        let chain = chain.map_err(malformed)?;
        let own = chain.first().ok_or_else(|| malformed(rustls_pki_types::pem::Error::NoItemsFound))?;
        let parsed = Parsed::from_der(own).map_err(|_| {
            Fault::certificate("the first certificate in the file cannot be understood", "get the file anew")
        })?;
        let validity = parsed.tbs_certificate().validity();
        let (not_before, not_after) = (
            validity.not_before.to_unix_duration().as_secs(),
            validity.not_after.to_unix_duration().as_secs(),
        );
        let (names, addresses) = alternative_names(&parsed)?;
        Ok(Certificate { chain, names, addresses, not_before, not_after })
    }

    /// The names without a wildcard and the addresses, as `hosts` has them.
    #[must_use]
    pub fn exact_names(&self) -> Vec<String> {
        let names = self.names.iter().filter(|name| !name.contains('*')).cloned();
        let addresses = self.addresses.iter().map(|address| match address {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("[{v6}]"),
        });
        names.chain(addresses).collect()
    }

    /// Whether a peer that asks for this host, with a port or without, takes the certificate
    /// (RFC 9525 section 6.3: a wildcard stands for exactly one label, the first).
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        if let Ok(address) = name.parse::<IpAddr>() {
            return self.addresses.contains(&address);
        }
        let parent = name.split_once('.').map(|(_, parent)| parent);
        self.names
            .iter()
            .any(|known| *known == name || (parent.is_some() && known.strip_prefix("*.") == parent))
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn not_before(&self) -> u64 {
        self.not_before
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn not_after(&self) -> u64 {
        self.not_after
    }

    /// The DNS names in lower case, some of them with a wildcard.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// SHA-256 of its DER, by which others name it (RFC 8705 section 3.1).
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.chain.first().map(|own| sha256(own)).unwrap_or_default()
    }

    pub(super) fn into_chain(self) -> Vec<CertificateDer<'static>> {
        self.chain
    }
}

/// SHA-256 of the DER of a certificate.
pub(super) fn sha256(der: &[u8]) -> [u8; 32] {
    digest(&SHA256, der).as_ref().try_into().unwrap_or_default()
}

fn without_port(host: &str) -> &str {
    if let Some(bracketed) = host.strip_prefix('[') {
        return bracketed.split(']').next().unwrap_or(bracketed);
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

/// The names of RFC 5280 section 4.2.1.6; the subject's common name has not counted since RFC 6125.
fn alternative_names(parsed: &Parsed) -> Result<(Vec<String>, Vec<IpAddr>), Fault> {
    let extension = parsed.tbs_certificate().get_extension::<SubjectAltName>().map_err(|_| {
        Fault::certificate("the names in the certificate cannot be understood", "get the certificate anew")
    })?;
    let (mut names, mut addresses) = (Vec::new(), Vec::new());
    for name in extension.into_iter().flat_map(|(_, names)| names.0) {
        if let GeneralName::DnsName(name) = name {
            names.push(name.as_str().to_ascii_lowercase());
        } else if let GeneralName::IpAddress(octets) = name {
            let octets = octets.as_bytes();
            let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
            let v6 = <[u8; 16]>::try_from(octets).map(IpAddr::from);
            addresses.extend(v4.or(v6));
        }
    }
    Ok((names, addresses))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(names: &[&str]) -> Certificate {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        Certificate::from_pem(made.cert.pem().as_bytes()).expect("a certificate")
    }

    #[test]
    fn the_exact_names_are_those_without_a_wildcard_and_the_addresses() {
        let certificate = certificate(&["Chat.example.com", "*.example.com", "127.0.0.1", "::1"]);
        assert_eq!(certificate.exact_names(), ["chat.example.com", "127.0.0.1", "[::1]"]);
        assert!(certificate.not_before() < certificate.not_after());
    }

    #[test]
    fn a_wildcard_covers_exactly_one_label() {
        let certificate = certificate(&["chat.example.com", "*.example.org", "127.0.0.1", "::1"]);
        for (host, covered) in [
            ("chat.example.com", true),
            ("CHAT.example.com:8443", true),
            ("a.example.org", true),
            ("a.b.example.org", false),
            ("example.org", false),
            ("example.com", false),
            ("127.0.0.1", true),
            ("127.0.0.1:8443", true),
            ("127.0.0.2", false),
            ("[::1]", true),
            ("[::1]:8443", true),
            ("[::2]", false),
            ("localhost", false),
        ] {
            assert_eq!(certificate.covers(host), covered, "{host}");
        }
    }

    #[test]
    fn a_file_that_is_not_certificates_alone_is_refused_with_the_reason() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        assert!(Certificate::from_pem(format!("{certificate}{certificate}").as_bytes()).is_ok());
        for (pem, reason) in [
            (String::new(), "no certificate"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
                "cannot be understood",
            ),
            ("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n".to_owned(), "not well-formed"),
            (format!("{certificate}{key}"), "also holds a private key"),
            (key, "also holds a private key"),
            (
                format!("{certificate}-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"),
                "\"X509 CRL\"",
            ),
        ] {
            let fault = Certificate::from_pem(pem.as_bytes()).expect_err(reason);
            assert!(fault.message.contains(reason), "{} is not {reason}", fault.message);
        }
    }
}
