//! Owns what TLS is made of: certificate, key, versions, and which names are answered.
//! Never knows a socket, a file, nor why a name is served.

use super::expiry::Expiry;
use super::server_name;
use super::{Certificate, ClientAuth};
use crate::secret::Secret;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroize;

/// The oldest version that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.3 alone.
    Tls13,
    /// TLS 1.2 too, with ephemeral keys and authenticated encryption (RFC 9325 section 4.2).
    Tls12,
}

/// Which of the two files is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultyPart {
    /// The certificate.
    Certificate,
    /// The private key.
    PrivateKey,
}

/// Why certificate and key cannot be used: an operator's fault. It holds nothing of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file to look at.
    pub part: FaultyPart,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// A certificate and its key, which fit together.
pub struct Pair {
    key: Arc<CertifiedKey>,
    names: Vec<Box<str>>,
    not_after: u64,
}

impl Pair {
    /// Puts certificate and key together.
    ///
    /// # Errors
    ///
    /// The key cannot be used, or belongs to another certificate.
    pub fn new(certificate: Certificate, private_key_pem: &Secret) -> Result<Pair, Fault> {
        let names = certificate.names().map(Box::from).collect();
        let not_after = certificate.not_after();
        Ok(Pair { key: Arc::new(certified_key(certificate, private_key_pem)?), names, not_after })
    }
}

/// A listener's TLS. It keeps of the key what rustls needs, and no file content.
#[derive(Clone)]
pub struct Material {
    config: Arc<ServerConfig>,
    key: Arc<CertifiedKey>,
    client_auth: Option<ClientAuth>,
    expiry: Arc<Expiry>,
}

impl Material {
    /// What a listener is made of. `more`: shown in place of `default` to a peer that asks for one
    /// of their DNS names. `served`: whether a server name in lower case is answered; a peer that
    /// names none, or an address, is always shown `default`. `client_auth`: how certificates of peers
    /// are judged, where they are asked for.
    ///
    /// # Errors
    ///
    /// rustls was built without what is asked of it: a fault of ours.
    pub fn new(
        default: Pair,
        more: Vec<Pair>,
        min_version: MinVersion,
        client_auth: Option<&ClientAuth>,
        served: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Result<Material, Fault> {
        let versions: &[&SupportedProtocolVersion] = match min_version {
            MinVersion::Tls13 => &[&rustls::version::TLS13],
            MinVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        };
        // The provider is named, as the default of the process panics when a crate brings another.
        let builder = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into());
        let builder = builder.with_protocol_versions(versions).map_err(|_| ours())?;
        let key = Arc::clone(&default.key);
        let mut expiry = Expiry::new(default.not_after, client_auth.and_then(ClientAuth::next_update));
        for pair in std::iter::once(&default).chain(&more) {
            expiry.add(&pair.names, pair.not_after);
        }
        let resolver = Arc::new(ByServerName::new(default, more, Box::new(served)));
        let builder = match client_auth {
            Some(client_auth) => builder.with_client_cert_verifier(client_auth.verifier()),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ignore_client_order = true;
        // Early data can be replayed (RFC 8446 section 8): a handshake must run once.
        config.max_early_data_size = 0;
        config.send_half_rtt_data = false;
        // Tickets are sealed by a key of this process that rotates, so that nothing is stored for a peer.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // Who resumes shows no certificate, so that one which is revoked by now would not be noticed:
        // with certificates of peers each connection has a whole handshake.
        config.send_tls13_tickets = 0;
        if client_auth.is_none() {
            config.ticketer = aws_lc_rs::Ticketer::new().map_err(|_| ours())?;
            config.send_tls13_tickets = 1;
        }
        config.require_ems = true;
        config.enable_secret_extraction = false;
        config.key_log = Arc::new(rustls::NoKeyLog {});
        Ok(Material {
            config: Arc::new(config),
            key,
            client_auth: client_auth.cloned(),
            expiry: Arc::new(expiry),
        })
    }

    /// The configuration of a listener.
    #[must_use]
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// Whether a peer that has shown this chain, its own certificate first, or none, could connect.
    #[must_use]
    pub fn still_takes(&self, chain: Option<&[CertificateDer<'static>]>) -> bool {
        self.client_auth.as_ref().is_none_or(|judge| judge.still_takes(chain.unwrap_or_default()))
    }

    /// Appends when certificates and revocation lists run out, in the Prometheus text format.
    pub fn render_metrics(&self, page: &mut String) {
        self.expiry.render(page);
    }

    /// The server's own certificate.
    pub(super) fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.key.cert.first()
    }

    /// What takes a connection of the internal port through its TLS handshake.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Material(..)")
    }
}

impl Fault {
    pub(super) fn certificate(message: impl Into<String>, help: impl Into<String>) -> Fault {
        Fault { part: FaultyPart::Certificate, message: message.into(), help: help.into() }
    }

    fn private_key(message: impl Into<String>, help: impl Into<String>) -> Fault {
        Fault { part: FaultyPart::PrivateKey, message: message.into(), help: help.into() }
    }
}

/// Chooses the certificate by the name that a peer asks for: one with exactly this name before one
/// with a wildcard for it, and of several the first.
struct ByServerName {
    default: Arc<CertifiedKey>,
    /// By name, a wildcard without its `*`.
    exact: HashMap<Box<str>, Arc<CertifiedKey>>,
    wildcard: HashMap<Box<str>, Arc<CertifiedKey>>,
    served: Box<dyn Fn(&str) -> bool + Send + Sync>,
}

impl ByServerName {
    fn new(default: Pair, more: Vec<Pair>, served: Box<dyn Fn(&str) -> bool + Send + Sync>) -> ByServerName {
        let shown_first = Arc::clone(&default.key);
        let (mut exact, mut wildcard) = (HashMap::new(), HashMap::new());
        for Pair { key, names, .. } in std::iter::once(default).chain(more) {
            for name in names {
                let (map, name) = match name.strip_prefix('*') {
                    Some(parent) => (&mut wildcard, parent.into()),
                    None => (&mut exact, name),
                };
                map.entry(name).or_insert_with(|| Arc::clone(&key));
            }
        }
        ByServerName { default: shown_first, exact, wildcard, served }
    }

    /// The certificate for a name in lower case.
    fn chosen(&self, name: &str) -> &Arc<CertifiedKey> {
        // A wildcard stands for exactly one label, the first (RFC 9525 section 6.3).
        let parent = name.find('.').and_then(|dot| name.get(dot..));
        let by_wildcard = || parent.and_then(|parent| self.wildcard.get(parent));
        self.exact.get(name).or_else(by_wildcard).unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for ByServerName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        server_name::leave(hello.server_name());
        // An address as server name has been dropped by rustls (RFC 6066 section 3).
        let Some(name) = hello.server_name() else { return Some(Arc::clone(&self.default)) };
        let name = name.to_ascii_lowercase();
        (self.served)(&name).then(|| Arc::clone(self.chosen(&name)))
    }
}

impl fmt::Debug for ByServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByServerName(..)")
    }
}

fn certified_key(certificate: Certificate, pem: &Secret) -> Result<CertifiedKey, Fault> {
    let mut der = private_key(pem.expose())?;
    let key = aws_lc_rs::sign::any_supported_type(&der);
    der.zeroize();
    let key = key.map_err(|_| {
        Fault::private_key(
            "the private key is of a kind that cannot be used",
            "make one for P-256, P-384, Ed25519, or RSA of 2048 bits or more, and have it certified",
        )
    })?;
    let certified = CertifiedKey::new(certificate.into_chain(), key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(Fault::private_key(
            "the private key does not fit the certificate",
            "name the key that the certificate was made for; the server's own certificate comes first in its file",
        )),
        Err(_) => Err(Fault::certificate(
            "the first certificate in the file cannot be used by a server",
            "the server's own certificate comes first, then those of its issuers",
        )),
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Fault> {
    let one_key = "it must hold one PEM section: -----BEGIN PRIVATE KEY-----";
    let labels = labels(pem);
    let encrypted = pem.windows(OLD_ENCRYPTION.len()).any(|window| window == OLD_ENCRYPTION);
    if encrypted || labels.iter().any(|label| label == "ENCRYPTED PRIVATE KEY") {
        return Err(Fault::private_key(
            "the private key is encrypted, and nobody is there to type its password",
            "decrypt it (openssl pkey -in OLD -out NEW) into a file of mode 0600",
        ));
    }
    if labels.iter().any(|label| label == "CERTIFICATE") {
        return Err(Fault::private_key(
            "the private key file also holds a certificate",
            "put the certificates into a file of their own: `certificate` names it",
        ));
    }
    let keys = labels.iter().filter(|label| label.ends_with("PRIVATE KEY")).count();
    let others = labels.iter().any(|label| !label.ends_with("PRIVATE KEY") && label != "EC PARAMETERS");
    match (keys, others) {
        (0, _) => Err(Fault::private_key("there is no private key in the file", one_key)),
        (1, false) => PrivateKeyDer::from_pem_slice(pem)
            .map_err(|_| Fault::private_key("the private key file is not well-formed PEM", one_key)),
        (1, true) => Err(Fault::private_key("the private key file also holds something else", one_key)),
        (_, _) => Err(Fault::private_key("there are several private keys in the file", one_key)),
    }
}

/// The kinds of sections of a PEM file, in order (RFC 7468 section 2).
pub(super) fn labels(pem: &[u8]) -> Vec<String> {
    let lines = pem.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii);
    lines
        .filter_map(|line| line.strip_prefix(b"-----BEGIN ")?.strip_suffix(b"-----"))
        .map(|label| String::from_utf8_lossy(label).chars().take(64).collect())
        .collect()
}

/// No fault of an operator: rustls was built without what is asked of it.
fn ours() -> Fault {
    Fault::certificate("TLS could not be set up", "this is a fault of the gateway: please report it")
}

/// How OpenSSL marked an encrypted key before PKCS #8 (RFC 1421 section 4.6.1.1).
const OLD_ENCRYPTION: &[u8] = b"Proc-Type: 4,ENCRYPTED";

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, ServerConnection};
    use rustls_pki_types::{CertificateDer, ServerName};

    struct Made {
        certificate: String,
        key: String,
    }

    fn make(names: &[&str]) -> Made {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        Made { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    impl Made {
        fn material(&self, min_version: MinVersion) -> Result<Material, Fault> {
            let certificate = Certificate::from_pem(self.certificate.as_bytes())?;
            let key = Secret::new(self.key.clone().into_bytes());
            Material::new(Pair::new(certificate, &key)?, Vec::new(), min_version, None, |name| {
                name == "chat.example.com"
            })
        }

        fn peer(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("PEM"))
                .expect("a root");
            ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
                .with_protocol_versions(versions)
                .expect("versions")
                .with_root_certificates(roots)
                .with_no_client_auth()
        }
    }

    /// Carries octets to and fro until nobody has anything to say; the connections or the error of
    /// whoever failed first.
    fn handshake(
        material: &Material,
        peer: ClientConfig,
        name: &'static str,
    ) -> Result<(ClientConnection, ServerConnection), (rustls::Error, bool)> {
        let name = ServerName::try_from(name).expect("a name");
        let mut client = ClientConnection::new(Arc::new(peer), name).expect("a client");
        let mut server = ServerConnection::new(material.config().clone()).expect("a server");
        let mut octets = Vec::new();
        while client.wants_write() || server.wants_write() {
            octets.clear();
            while client.wants_write() {
                client.write_tls(&mut octets).expect("written");
            }
            let mut rest = &octets[..];
            while !rest.is_empty() {
                server.read_tls(&mut rest).expect("read");
                server.process_new_packets().map_err(|error| (error, true))?;
            }
            octets.clear();
            while server.wants_write() {
                server.write_tls(&mut octets).expect("written");
            }
            let mut rest = &octets[..];
            while !rest.is_empty() {
                client.read_tls(&mut rest).expect("read");
                client.process_new_packets().map_err(|error| (error, false))?;
            }
        }
        Ok((client, server))
    }

    const V13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
    const V12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];

    #[test]
    fn a_peer_that_speaks_1_3_is_served_and_one_of_1_2_only_where_it_is_allowed() {
        let made = make(&["chat.example.com"]);
        let strict = made.material(MinVersion::Tls13).expect("material");
        let loose = made.material(MinVersion::Tls12).expect("material");
        for (material, versions, spoken) in [
            (&strict, V13, Some(ProtocolVersion::TLSv1_3)),
            (&strict, V12, None),
            (&loose, V13, Some(ProtocolVersion::TLSv1_3)),
            (&loose, V12, Some(ProtocolVersion::TLSv1_2)),
        ] {
            let result = handshake(material, made.peer(versions), "chat.example.com");
            assert_eq!(result.ok().and_then(|(_, server)| server.protocol_version()), spoken);
        }
    }

    #[test]
    fn a_server_name_that_is_not_served_is_refused_and_none_or_an_address_is_not() {
        let made = make(&["chat.example.com", "other.example.com", "127.0.0.1"]);
        let material = made.material(MinVersion::Tls13).expect("material");
        for (name, good) in [
            ("chat.example.com", true),
            ("CHAT.Example.com", true),
            ("127.0.0.1", true),
            ("other.example.com", false),
        ] {
            let result = handshake(&material, made.peer(V13), name);
            assert_eq!(result.is_ok(), good, "{name}");
            if let Err((_, by_server)) = result {
                assert!(by_server, "{name} must be refused by the server");
            }
        }
        let mut silent = made.peer(V13);
        silent.enable_sni = false;
        assert!(handshake(&material, silent, "other.example.com").is_ok());
    }

    #[test]
    fn http_1_1_is_the_one_protocol() {
        let made = make(&["chat.example.com"]);
        let material = made.material(MinVersion::Tls13).expect("material");
        let with = |protocols: &[&str]| {
            let mut peer = made.peer(V13);
            peer.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
            handshake(&material, peer, "chat.example.com")
        };
        for offer in [&["h2", "http/1.1"][..], &["http/1.1"]] {
            let (client, _) = with(offer).expect("a handshake");
            assert_eq!(client.alpn_protocol(), Some(&b"http/1.1"[..]));
        }
        assert!(with(&[]).is_ok(), "a peer without ALPN is served");
        let (error, by_server) = with(&["h2"]).expect_err("a refusal");
        assert!(by_server && error == rustls::Error::NoApplicationProtocol, "{error}");
    }

    #[test]
    fn early_data_is_never_taken_and_nothing_is_stored_for_a_peer() {
        let made = make(&["chat.example.com"]);
        let config = made.material(MinVersion::Tls13).expect("material").config().clone();
        assert_eq!((config.max_early_data_size, config.send_tls13_tickets), (0, 1));
        assert!(!config.session_storage.can_cache() && config.ticketer.enabled());
        assert!(config.require_ems && config.ignore_client_order && !config.enable_secret_extraction);
        assert!(!config.send_half_rtt_data);
    }

    #[test]
    fn a_key_that_cannot_be_used_is_refused_with_the_reason() {
        let (made, other) = (make(&["chat.example.com"]), make(&["chat.example.com"]));
        let key = &made.key;
        for (pem, reason) in [
            (other.key.clone(), "does not fit"),
            (String::new(), "no private key"),
            (made.certificate.clone(), "also holds a certificate"),
            (format!("{key}{}", made.certificate), "also holds a certificate"),
            (format!("{key}{}", other.key), "several private keys"),
            (format!("{key}-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), "something else"),
            (key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), "encrypted"),
            ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n".to_owned(), "encrypted"),
            ("-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----\n".to_owned(), "not well-formed"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_owned(), "cannot be used"),
        ] {
            let faulty = Made { certificate: made.certificate.clone(), key: pem };
            let fault = faulty.material(MinVersion::Tls13).expect_err(reason);
            assert!(fault.message.contains(reason), "{} is not {reason}", fault.message);
            assert_eq!(fault.part, FaultyPart::PrivateKey);
        }
        assert!(made.material(MinVersion::Tls13).is_ok());
    }
}
