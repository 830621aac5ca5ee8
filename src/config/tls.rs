//! Owns `[tls]`: which certificates and keys, the oldest version, and whose certificates peers may show.
//! Never knows TLS.

use super::document::{At, Section};
use super::files::{Folder, PEM_BYTES_MAX};
use super::findings::Span;
use super::mask::quoted;
use crate::net::tls::{
    Certificate, ClientAuth, ClientAuthMode, ClientAuthorities, Fault, FaultyPart, Material, MinVersion,
    Pair, RevocationLists,
};
use crate::secret::Secret;
use std::path::PathBuf;

/// What `[tls]`, or its keys in `[internal]`, say.
pub(super) struct TlsFacts {
    default: PairFacts,
    /// `[[tls.certificates]]`.
    more: Vec<PairFacts>,
    min_version: MinVersion,
    client_auth: Option<ClientAuth>,
    /// Whether peers are asked for certificates, also where it cannot be said how.
    pub(super) asks_for_certificates: bool,
    /// The files, for who watches them.
    pub(super) paths: Vec<PathBuf>,
}

/// A certificate with its key, as far as they can be used.
struct PairFacts {
    certificate: Option<At<Certificate>>,
    private_key: Option<At<Secret>>,
}

/// Takes `[tls]`, which must be there.
pub(super) fn read(mut section: Section<'_>, folder: &Folder, now: u64) -> TlsFacts {
    if !section.is_present() {
        let help = "write `[tls]` with `certificate` and `private_key`";
        section.notes().error(None, "`[tls]` is missing", help);
    } else {
        require_both(&mut section);
    }
    let mut facts = read_pair(&mut section, folder, now);
    facts.min_version = min_version(&mut section);
    for mut more in section.sections("certificates") {
        require_both(&mut more);
        let TlsFacts { default, paths, .. } = read_pair(&mut more, folder, now);
        more.finish();
        facts.point_out_overlap(&section, &default);
        facts.more.push(default);
        facts.paths.extend(paths);
    }
    facts.asks_for_certificates = section.place("client_ca").is_some();
    facts.client_auth = client_auth(&mut section, folder, now, &mut facts.paths);
    section.finish();
    facts
}

fn require_both(section: &mut Section<'_>) {
    for (key, example) in [("certificate", "certs/server.pem"), ("private_key", "certs/server.key")] {
        if section.place(key).is_none() {
            section.missing(key, &format!("write such as `{key} = \"{example}\"`"));
        }
    }
}

/// Takes `certificate` and `private_key` of a section.
pub(super) fn read_pair(section: &mut Section<'_>, folder: &Folder, now: u64) -> TlsFacts {
    let certificate = section.string("certificate");
    let private_key = section.string("private_key");
    let paths =
        [&certificate, &private_key].into_iter().flatten().map(|at| folder.resolve(&at.value)).collect();
    let default = PairFacts {
        certificate: certificate.and_then(|at| read_certificate(section, &at, folder, now)),
        private_key: private_key.and_then(|at| match folder.private(&at.value, PEM_BYTES_MAX) {
            Ok(value) => Some(At { value, span: at.span }),
            Err(fault) => {
                section.notes().error(Some(at.span), fault.message, fault.help);
                None
            }
        }),
    };
    let (min_version, asks_for_certificates) = (MinVersion::Tls13, false);
    TlsFacts { default, more: Vec::new(), min_version, client_auth: None, asks_for_certificates, paths }
}

impl TlsFacts {
    /// Whether either file is named.
    pub(super) fn is_present(&self) -> bool {
        !self.paths.is_empty()
    }

    /// The certificates that can be used, the default one first; `None` if one cannot.
    pub(super) fn certificates(&self) -> Option<Vec<&Certificate>> {
        let pairs = std::iter::once(&self.default).chain(&self.more);
        pairs.map(|pair| pair.certificate.as_ref().map(|at| &at.value)).collect()
    }

    /// Where the default certificate is named.
    pub(super) fn place(&self) -> Option<Span> {
        self.default.certificate.as_ref().map(|at| at.span.clone())
    }

    /// Says when a certificate has a name that one before it has: it is never shown for that.
    fn point_out_overlap(&self, section: &Section<'_>, new: &PairFacts) {
        let Some(At { value, span }) = &new.certificate else { return };
        let before = std::iter::once(&self.default).chain(&self.more);
        let mut known = before.filter_map(|pair| pair.certificate.as_ref()).flat_map(|at| at.value.names());
        if let Some(name) = known.find(|known| value.names().any(|name| name == *known)) {
            let message = format!("a certificate before this one is for {} too", quoted(name));
            let help = "the first one is shown for that name: take one of the two out";
            section.notes().warning(Some(span.clone()), message, help);
        }
    }

    /// What a listener needs; faults of the pairs are told.
    pub(super) fn material(
        self,
        section: &Section<'_>,
        served: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Option<Material> {
        let default = self.default.pair(section);
        // Each is judged, so that all faults are told at once.
        let more: Vec<Option<Pair>> = self.more.into_iter().map(|pair| pair.pair(section)).collect();
        let more = more.into_iter().collect::<Option<Vec<Pair>>>()?;
        Material::new(default?, more, self.min_version, self.client_auth.as_ref(), served)
            .map_err(|fault| tell(section, None, fault))
            .ok()
    }
}

impl PairFacts {
    fn pair(self, section: &Section<'_>) -> Option<Pair> {
        let (certificate, private_key) = (self.certificate?, self.private_key?);
        let places = (certificate.span, private_key.span);
        let pair = Pair::new(certificate.value, &private_key.value);
        pair.map_err(|fault| {
            let place = match fault.part {
                FaultyPart::Certificate => places.0,
                FaultyPart::PrivateKey => places.1,
            };
            tell(section, Some(place), fault);
        })
        .ok()
    }
}

fn tell(section: &Section<'_>, place: Option<Span>, fault: Fault) {
    section.notes().error(place, fault.message, fault.help);
}

fn read_certificate(
    section: &Section<'_>,
    path: &At<String>,
    folder: &Folder,
    now: u64,
) -> Option<At<Certificate>> {
    let tell = |message: String, help: String| section.notes().error(Some(path.span.clone()), message, help);
    let pem =
        folder.public(&path.value, PEM_BYTES_MAX).map_err(|fault| tell(fault.message, fault.help)).ok()?;
    let certificate = Certificate::from_pem(&pem).map_err(|fault| tell(fault.message, fault.help)).ok()?;
    let shown = folder.resolve(&path.value).display().to_string();
    let days_left = certificate.not_after().saturating_sub(now) / DAY;
    if certificate.not_after() <= now {
        let days = now.saturating_sub(certificate.not_after()) / DAY;
        tell(format!("the certificate in {shown} expired {days} days ago"), "renew it".to_owned());
    } else if certificate.not_before() > now {
        let help = "look at this machine's clock, or use the certificate that is valid now";
        tell(format!("the certificate in {shown} is not valid yet"), help.to_owned());
    } else if days_left < DAYS_LEFT_MIN {
        let message = format!("the certificate in {shown} expires in {days_left} days");
        section.notes().warning(Some(path.span.clone()), message, "renew it");
    }
    Some(At { value: certificate, span: path.span.clone() })
}

fn min_version(section: &mut Section<'_>) -> MinVersion {
    let Some(version) = section.string("min_version") else { return MinVersion::Tls13 };
    match version.value.as_str() {
        "1.3" => MinVersion::Tls13,
        "1.2" => {
            let cost =
                "its handshake shows the certificate to whoever listens, and is not protected as a whole";
            section.loosened("min_version", version.span, "\"1.3\"", cost);
            MinVersion::Tls12
        }
        _ => {
            let help = "write \"1.3\", or \"1.2\" for peers that cannot do better";
            section.bad("min_version", version.span, "is neither \"1.3\" nor \"1.2\"", help);
            MinVersion::Tls13
        }
    }
}

/// Takes `client_ca`, `client_crl` and `client_auth`: whether and how peers must show a certificate.
fn client_auth(
    section: &mut Section<'_>,
    folder: &Folder,
    now: u64,
    paths: &mut Vec<PathBuf>,
) -> Option<ClientAuth> {
    let authorities = section.string("client_ca");
    let lists = section.strings("client_crl");
    let mode = client_auth_mode(section);
    let Some(authorities) = authorities else {
        let help = "name with `client_ca` who certifies peers, or take this out";
        if let Some(At { span, .. }) = &lists {
            section.bad("client_crl", span.clone(), "is of no use without `client_ca`", help);
        }
        if let Some(At { span, .. }) = &mode {
            section.bad("client_auth", span.clone(), "is of no use without `client_ca`", help);
        }
        return None;
    };
    let mut read = |path: &At<String>| {
        paths.push(folder.resolve(&path.value));
        folder.public(&path.value, PEM_BYTES_MAX).map_err(|fault| {
            section.notes().error(Some(path.span.clone()), fault.message, fault.help);
        })
    };
    let tell_at = |path: &At<String>, fault: Fault| tell(section, Some(path.span.clone()), fault);
    let known = read(&authorities)
        .and_then(|pem| ClientAuthorities::from_pem(&pem).map_err(|fault| tell_at(&authorities, fault)));
    let at = lists.as_ref().map(|lists| lists.span.clone());
    let revoked: Vec<Result<RevocationLists, ()>> = lists
        .iter()
        .flat_map(|lists| &lists.value)
        .map(|path| {
            let pem = read(path)?;
            let lists = RevocationLists::from_pem(&pem, now).map_err(|fault| tell_at(path, fault))?;
            warn_of_the_end(section, path, &lists, folder, now);
            Ok(lists)
        })
        .collect();
    let revoked: Result<Vec<RevocationLists>, ()> = revoked.into_iter().collect();
    let mode = mode.map_or(ClientAuthMode::Required, |mode| mode.value);
    ClientAuth::new(known.ok()?, revoked.ok()?, mode).map_err(|fault| tell(section, at, fault)).ok()
}

fn warn_of_the_end(
    section: &Section<'_>,
    path: &At<String>,
    lists: &RevocationLists,
    folder: &Folder,
    now: u64,
) {
    let left = lists.next_update().saturating_sub(now);
    if left < DAY {
        let shown = folder.resolve(&path.value).display().to_string();
        let message = format!("a revocation list in {shown} runs out in {} minutes", left / MINUTE);
        let help =
            "get the authority's newest list: once this one has run out nobody of its authority is let in";
        section.notes().warning(Some(path.span.clone()), message, help);
    }
}

fn client_auth_mode(section: &mut Section<'_>) -> Option<At<ClientAuthMode>> {
    let mode = section.string("client_auth")?;
    let value = match mode.value.as_str() {
        "required" => ClientAuthMode::Required,
        "optional" => {
            let cost = "who has no certificate gets as far as its token";
            section.loosened("client_auth", mode.span.clone(), "\"required\"", cost);
            ClientAuthMode::Optional
        }
        _ => {
            let help = "write \"required\", or \"optional\" for peers that have none";
            section.bad("client_auth", mode.span, "is neither \"required\" nor \"optional\"", help);
            return None;
        }
    };
    Some(At { value, span: mode.span })
}

const MINUTE: u64 = 60;
const DAY: u64 = 86_400;
const DAYS_LEFT_MIN: u64 = 14;
