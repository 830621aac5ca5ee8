//! Owns whom this process trusts where it connects by TLS, and the handshake.
//! Never knows a socket, nor what is spoken over it.

use super::fault::OutboundError;
use super::stream::Stream;
use crate::origin::HostName;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The certificate authorities by which a server is known.
#[derive(Clone)]
pub struct Roots {
    connector: TlsConnector,
}

/// Why roots cannot be used: an operator's fault, in words that name the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootsFault {
    /// What is wrong.
    pub message: &'static str,
    /// What to do about it.
    pub help: &'static str,
}

impl Roots {
    /// The system's. They are read once in the life of the process: in its sandbox it could not
    /// read them again.
    ///
    /// # Errors
    ///
    /// The system has none that can be read.
    pub fn system() -> Result<Roots, RootsFault> {
        static SYSTEM: OnceLock<Result<Roots, RootsFault>> = OnceLock::new();
        let read = || {
            let mut store = RootCertStore::empty();
            // A system's folder may hold what no verifier takes; the others count all the same.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if store.is_empty() {
                return Err(RootsFault {
                    message: "the system has no certificate authorities that could be read",
                    help: "install its package ca-certificates, or name a PEM file of your own",
                });
            }
            Roots::of(store)
        };
        SYSTEM.get_or_init(read).clone()
    }

    /// Those of a PEM file and no others.
    ///
    /// # Errors
    ///
    /// There is none in it, or one that cannot be used.
    pub fn from_pem(pem: &[u8]) -> Result<Roots, RootsFault> {
        let help = "name a file of PEM sections: -----BEGIN CERTIFICATE-----";
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let unusable = RootsFault { message: "a certificate in the file cannot be used", help };
            store.add(certificate.map_err(|_| unusable)?).map_err(|_| unusable)?;
        }
        if store.is_empty() {
            return Err(RootsFault { message: "there is no certificate in the file", help });
        }
        Roots::of(store)
    }

    fn of(store: RootCertStore) -> Result<Roots, RootsFault> {
        let ours = RootsFault {
            message: "TLS could not be set up",
            help: "this is a fault of the gateway: please report it",
        };
        // The provider is named, as the default of the process panics when a crate brings another.
        let mut config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|_| ours)?
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.enable_early_data = false;
        config.enable_secret_extraction = false;
        config.resumption = Resumption::in_memory_sessions(RESUMED_SERVERS_MAX);
        config.key_log = Arc::new(rustls::NoKeyLog {});
        Ok(Roots { connector: TlsConnector::from(Arc::new(config)) })
    }

    /// Makes a connection one of TLS; the certificate must be good for this host.
    pub(super) async fn secure(&self, socket: TcpStream, host: &HostName) -> Result<Stream, OutboundError> {
        let name = match host {
            HostName::Name(name) => {
                // A final dot is for the resolver; no certificate has it.
                let name = name.strip_suffix('.').unwrap_or(name).to_owned();
                ServerName::try_from(name).map_err(|_| OutboundError::Tls)?
            }
            HostName::V4(address) => ServerName::from(IpAddr::from(*address)),
            HostName::V6(address) => ServerName::from(IpAddr::from(*address)),
        };
        let stream = self.connector.connect(name, socket).await.map_err(|_| OutboundError::Tls)?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Roots(..)")
    }
}

/// Servers whose session tickets are remembered.
const RESUMED_SERVERS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_certificates_and_at_least_one() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        assert!(Roots::from_pem(made.cert.pem().as_bytes()).is_ok());
        for (pem, why) in [
            (String::new(), "no certificate"),
            (made.signing_key.serialize_pem(), "no certificate"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(), "cannot be used"),
            ("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n".to_owned(), "cannot be used"),
        ] {
            let fault = Roots::from_pem(pem.as_bytes()).expect_err(why);
            assert!(fault.message.contains(why), "{} is not {why}", fault.message);
        }
    }
}
