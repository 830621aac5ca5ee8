//! Owns TLS from the other side: a blocking connection to an endpoint that is probed.
//! Never knows what is said over it.

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::io::{self, Read, Write};
use std::sync::Arc;

/// What is trusted, and TLS 1.2 and 1.3 as a careful peer speaks them.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
}

impl ClientTls {
    /// Trusts the authorities of a PEM file and no others.
    ///
    /// # Errors
    /// There is no certificate in it, or a broken one.
    pub fn trusting(pem: &[u8]) -> Result<ClientTls, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        if roots.is_empty() {
            return Err("there is no certificate in it".to_owned());
        }
        ClientTls::of(roots)
    }

    /// Trusts what this machine trusts.
    ///
    /// # Errors
    /// The machine has no certificates of authorities.
    pub fn trusting_the_system() -> Result<ClientTls, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err("this machine has no certificates of authorities".to_owned());
        }
        ClientTls::of(roots)
    }

    fn of(roots: RootCertStore) -> Result<ClientTls, String> {
        let builder = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into());
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Ok(ClientTls { config: Arc::new(config) })
    }

    /// The whole TLS handshake with the server of this name, or address.
    ///
    /// # Errors
    /// The socket failed, or the server could not prove its name.
    pub fn connect<S: Read + Write>(
        &self,
        name: &str,
        mut socket: S,
    ) -> io::Result<impl Read + Write + use<S>> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let mut connection =
            ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        Ok(StreamOwned::new(connection, socket))
    }
}
