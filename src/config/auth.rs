//! Owns `[auth]`: where a credential may be, how long it may live, and the overrides in a route.
//! Never knows what is in a token.

use super::document::{At, Section};
use super::files::{Folder, PEM_BYTES_MAX};
use super::findings::Span;
use super::issuer;
use super::mask::{self, quoted};
use super::units::show_duration;
use crate::auth::{Assertions, CredentialPolicy, Issuer, Lifetimes, Revocations};
use crate::gate::CertificateNeed;
use crate::keyring::KeySource;
use std::path::PathBuf;
use std::time::Duration;

/// What `[auth]` says.
pub(super) struct AuthFacts {
    pub(super) credentials: CredentialFacts,
    pub(super) issuers: Vec<Issuer>,
    /// Where the keys of some of them are fetched from.
    pub(super) key_sources: Vec<KeySource>,
    pub(super) signing_key: Option<At<String>>,
    /// `revocation_file`, and what it holds.
    pub(super) revocations: Option<(PathBuf, Revocations)>,
    /// `assertion_key`.
    pub(super) assertions: Option<Assertions>,
}

/// The keys of `[auth]` that a route may override.
#[derive(Clone)]
pub(super) struct CredentialFacts {
    header: bool,
    subprotocol: bool,
    ticket: bool,
    /// Where the cookie is allowed.
    cookie: Option<Span>,
    cookie_name: String,
    leeway: Duration,
    max_token_lifetime: Duration,
    client_certificate: CertificateNeed,
    /// Whether peers are asked for one at all.
    asks_for_certificates: bool,
    /// Those whose tokens a route takes, where it names some.
    issuers: Option<Vec<String>>,
    /// Those that there are.
    known_issuers: Vec<String>,
}

/// Takes `[auth]`, which must be there.
/// Whether peers are asked for certificates stands in `[tls]`.
pub(super) fn read(mut section: Section<'_>, folder: &Folder, asks_for_certificates: bool) -> AuthFacts {
    if !section.is_present() {
        let help = "write `[auth]` and one `[[auth.issuer]]` with the keys of who signs your tokens";
        section.notes().error(None, "`[auth]` is missing", help);
    }
    let mut credentials = CredentialFacts { asks_for_certificates, ..CredentialFacts::default() };
    credentials.take(&mut section);
    let signing_key = section.string("signing_key");
    let revocations = section.string("revocation_file").and_then(|at| revocations(&section, &at, folder));
    let (issuers, key_sources): (Vec<Issuer>, Vec<_>) =
        issuer::read_all(&mut section, folder).into_iter().unzip();
    credentials.known_issuers = issuers.iter().map(|issuer| issuer.issuer.to_string()).collect();
    let key_sources = key_sources.into_iter().flatten().collect();
    let assertions = section.string("assertion_key").and_then(|at| assertions(&section, &at, folder));
    section.finish();
    AuthFacts { credentials, issuers, key_sources, signing_key, revocations, assertions }
}

/// The key by which backends are told who is there.
fn assertions(section: &Section<'_>, at: &At<String>, folder: &Folder) -> Option<Assertions> {
    let pem = match folder.private(&at.value, PEM_BYTES_MAX) {
        Ok(pem) => pem,
        Err(fault) => {
            section.notes().error(Some(at.span.clone()), fault.message, fault.help);
            return None;
        }
    };
    match Assertions::from_pem(&pem) {
        Ok(assertions) => Some(assertions),
        Err(fault) => {
            section.bad("assertion_key", at.span.clone(), "cannot be used", &fault.to_string());
            None
        }
    }
}

/// What is revoked already. A file that is not there yet holds nothing; one that is there
/// is taken whole or not at all.
fn revocations(section: &Section<'_>, at: &At<String>, folder: &Folder) -> Option<(PathBuf, Revocations)> {
    let full = folder.resolve(&at.value);
    if !mask::is_path(&at.value) {
        section.bad("revocation_file", at.span.clone(), "is no path", "write such as \"revocations.json\"");
        return None;
    }
    if !full.exists() {
        return Some((full, Revocations::default()));
    }
    let octets = match folder.private(&at.value, REVOCATION_BYTES_MAX) {
        Ok(octets) => octets,
        Err(fault) => {
            section.notes().error(Some(at.span.clone()), fault.message, fault.help);
            return None;
        }
    };
    match Revocations::from_text(octets.expose()) {
        Ok(revocations) => Some((full, revocations)),
        Err(why) => {
            let help = "without it, tokens that were revoked would be let in again";
            section.notes().error(Some(at.span.clone()), format!("{} {why}", quoted(&at.value)), help);
            None
        }
    }
}

/// More than the most revocations take, each with its longest name.
const REVOCATION_BYTES_MAX: u64 = 64 << 20;

/// Says what `signing_key` means where the gateway itself reads the file.
pub(super) fn point_out_signing_key(facts: &AuthFacts, section: &Section<'_>, folder: &Folder) {
    let Some(key) = &facts.signing_key else { return };
    let help = "the gateway only verifies: keep the key where tokens are made, and take the line out here";
    section.notes().warning(
        Some(key.span.clone()),
        "`auth.signing_key` is in the configuration of a gateway",
        help,
    );
    // A key that is not there is none that could leak.
    let is_absent = mask::is_path(&key.value) && !folder.resolve(&key.value).exists();
    if !is_absent && let Err(fault) = folder.judge_private(&key.value) {
        section.notes().error(Some(key.span.clone()), fault.message, fault.help);
    }
}

impl CredentialFacts {
    /// What holds in a route that overrides single keys.
    pub(super) fn overridden(&self, mut section: Section<'_>) -> CredentialFacts {
        let mut facts = self.clone();
        for key in ["issuer", "signing_key", "revocation_file", "assertion_key"] {
            section.refuse(key, "cannot be overridden by a route", "write it in `[auth]`, for all routes");
        }
        facts.take(&mut section);
        if let Some(issuers) = section.strings("issuers") {
            facts.take_issuers(&section, issuers);
        }
        section.finish();
        facts
    }

    /// The issuers whose tokens are taken.
    pub(super) fn issuers(&self) -> Option<Box<[Box<str>]>> {
        self.issuers.as_ref().map(|issuers| issuers.iter().map(|name| name.as_str().into()).collect())
    }

    fn take_issuers(&mut self, section: &Section<'_>, issuers: At<Vec<At<String>>>) {
        if issuers.value.is_empty() {
            let help = "name one of the `[[auth.issuer]]`, or take the key out";
            section.bad("issuers", issuers.span, "is empty, so no token could be good", help);
        }
        for At { value, span } in &issuers.value {
            // Where an issuer has a fault of its own, its name may not be among them.
            if !self.known_issuers.is_empty() && !self.known_issuers.contains(value) {
                let why = format!("has {}, which is no issuer of `[[auth.issuer]]`", quoted(value));
                let help = format!("the issuers are {}", self.known_issuers.join(", "));
                section.bad("issuers", span.clone(), &why, &help);
            }
        }
        self.issuers = Some(issuers.value.into_iter().map(|at| at.value).collect());
    }

    /// Where a credential may be.
    pub(super) fn policy(&self) -> CredentialPolicy {
        let cookie = self.cookie.as_ref().map(|_| self.cookie_name.as_str().into());
        CredentialPolicy { header: self.header, subprotocol: self.subprotocol, cookie, ticket: self.ticket }
    }

    /// What is asked of the certificate of a peer.
    pub(super) fn client_certificate(&self) -> CertificateNeed {
        self.client_certificate
    }

    /// How long a token may live.
    pub(super) fn lifetimes(&self) -> Lifetimes {
        Lifetimes { leeway: self.leeway, max_token_lifetime: self.max_token_lifetime }
    }

    /// Where the cookie is allowed, if it is.
    pub(super) fn cookie(&self) -> Option<Span> {
        self.cookie.clone()
    }

    fn take(&mut self, section: &mut Section<'_>) {
        if let Some(places) = section.strings("credentials") {
            self.take_places(section, places);
        }
        if let Some(leeway) = section.duration("leeway", Duration::ZERO..=LEEWAY_MAX) {
            if leeway.value > LEEWAY {
                let cost = "a token is good for so long after it has expired";
                section.loosened("leeway", leeway.span, &format!("\"{}\"", show_duration(&LEEWAY)), cost);
            }
            self.leeway = leeway.value;
        }
        if let Some(lifetime) = section.duration("max_token_lifetime", Duration::from_secs(1)..=LIFETIME_MAX)
        {
            if lifetime.value > LIFETIME {
                let cost = "a stolen token is good for so long";
                section.loosened(
                    "max_token_lifetime",
                    lifetime.span,
                    &format!("\"{}\"", show_duration(&LIFETIME)),
                    cost,
                );
            }
            self.max_token_lifetime = lifetime.value;
        }
        if let Some(name) = section.string("cookie") {
            self.take_cookie_name(section, name);
        }
        if let Some(need) = section.string("client_certificate") {
            self.take_certificate_need(section, need);
        }
    }

    fn take_certificate_need(&mut self, section: &Section<'_>, need: At<String>) {
        self.client_certificate = match need.value.as_str() {
            "optional" => CertificateNeed::Optional,
            "required" => CertificateNeed::Required,
            "bound" => CertificateNeed::Bound,
            _ => {
                let help = "write \"optional\", \"required\", or \"bound\" for tokens with cnf.x5t#S256";
                let why = "is neither \"optional\", \"required\" nor \"bound\"";
                return section.bad("client_certificate", need.span, why, help);
            }
        };
        if self.client_certificate != CertificateNeed::Optional && !self.asks_for_certificates {
            let why = "without `tls.client_ca` would refuse every handshake";
            let help = "name with `client_ca` in `[tls]` who certifies peers";
            section.bad("client_certificate", need.span, why, help);
        }
    }

    fn take_places(&mut self, section: &Section<'_>, places: At<Vec<At<String>>>) {
        (self.header, self.subprotocol, self.cookie, self.ticket) = (false, false, None, false);
        if places.value.is_empty() {
            let help = "write `credentials = [\"header\", \"subprotocol\"]`";
            section.bad("credentials", places.span, "is empty, so every handshake would be refused", help);
        }
        for (index, At { value, span }) in places.value.iter().enumerate() {
            let bad = |why: &str, help: &str| section.bad("credentials", span.clone(), why, help);
            if places.value.iter().take(index).any(|before| before.value == *value) {
                bad("names a place twice", "leave one of them out");
            }
            match value.as_str() {
                "header" => self.header = true,
                "subprotocol" => self.subprotocol = true,
                "cookie" => {
                    self.cookie = Some(span.clone());
                    let cost = "a browser sends a cookie by itself, whoever's page asks: only the Origin stands in the way";
                    section.loosened("credentials", span.clone(), "[\"header\", \"subprotocol\"]", cost);
                }
                "ticket" => self.ticket = true,
                "query" => {
                    bad("has \"query\", which cannot be allowed: addresses are logged everywhere", PLACES)
                }
                other => bad(&format!("has an unknown place, {}", quoted(other)), PLACES),
            }
        }
    }

    fn take_cookie_name(&mut self, section: &Section<'_>, name: At<String>) {
        let rest = name.value.strip_prefix("__Host-").unwrap_or("");
        if rest.is_empty() || !rest.bytes().all(is_token_octet) {
            let help = "write such as `cookie = \"__Host-portcullis\"`: browsers take such a cookie from this very \
                        host alone, by TLS, for the path /";
            section.bad("cookie", name.span, "is not `__Host-` and a name", help);
            return;
        }
        self.cookie_name = name.value;
    }
}

impl Default for CredentialFacts {
    fn default() -> CredentialFacts {
        CredentialFacts {
            header: true,
            subprotocol: true,
            ticket: false,
            cookie: None,
            cookie_name: "__Host-portcullis".to_owned(),
            leeway: LEEWAY,
            max_token_lifetime: LIFETIME,
            client_certificate: CertificateNeed::Optional,
            asks_for_certificates: false,
            issuers: None,
            known_issuers: Vec::new(),
        }
    }
}

/// An octet of a token (RFC 9110 section 5.6.2).
pub(super) fn is_token_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

const PLACES: &str = "the places are \"header\", \"subprotocol\", \"cookie\" and \"ticket\"";
const LEEWAY: Duration = Duration::from_secs(5);
const LEEWAY_MAX: Duration = Duration::from_secs(60);
const LIFETIME: Duration = Duration::from_secs(86_400);
const LIFETIME_MAX: Duration = Duration::from_secs(365 * 86_400);
