//! Owns `[[auth.issuer]]`: who signs tokens, and what must be in them.
//! Never knows how a token is verified.

use super::document::{At, Section};
use super::files::Folder;
use super::jwks_url;
use super::key;
use super::mask::quoted;
use crate::auth::{Algorithm, ClaimPaths, Issuer, Required};
use crate::keyring::KeySource;

/// Takes every `[[auth.issuer]]`, of which there must be one.
pub(super) fn read_all(auth: &mut Section<'_>, folder: &Folder) -> Vec<(Issuer, Option<KeySource>)> {
    let is_named = auth.place("issuer").is_some();
    let sections = auth.sections("issuer");
    if sections.is_empty() && auth.is_present() && !is_named {
        auth.missing("issuer", "write `[[auth.issuer]]` with the keys of who signs your tokens");
    }
    let mut seen: Vec<String> = Vec::new();
    let mut issuers = Vec::new();
    for mut section in sections {
        let name = section.required(
            "issuer",
            "write what stands in the tokens' claim iss, such as \"https://id.example.com\"",
        );
        if let Some(name) = &name {
            let help = "a token could not be told to belong to one of them: put all keys under one `[[auth.issuer]]`";
            section.distinct("issuer", name, &mut seen, "is there twice", help);
        }
        issuers.extend(read(section, name, folder));
    }
    issuers
}

fn read(
    mut section: Section<'_>,
    name: Option<At<String>>,
    folder: &Folder,
) -> Option<(Issuer, Option<KeySource>)> {
    let audience =
        section.required("audience", "write what stands in the tokens' claim aud, such as \"chat\"");
    let algorithms = algorithms(&mut section);
    let typ = typ(&mut section);
    let require = require(&mut section);
    let claims = claims(section.section("claims"));
    let source = jwks_url::read(&mut section, &algorithms, folder);
    let keys = key::read_all(&mut section, &algorithms, folder);
    section.finish();
    let name: Box<str> = name?.value.into();
    let source = source.map(|source| KeySource { issuer: name.clone(), ..source });
    let issuer = Issuer {
        issuer: name,
        audience: audience?.value.into(),
        typ: typ.into(),
        require,
        claims,
        keys,
        wanted: source.as_ref().map(|source| source.wanted.clone()),
    };
    Some((issuer, source))
}

fn algorithms(section: &mut Section<'_>) -> Vec<Algorithm> {
    let help = format!("write such as `algorithms = [\"ES256\"]`; {ALGORITHMS_HELP}");
    if section.place("algorithms").is_none() {
        section.missing("algorithms", &help);
        return Vec::new();
    }
    let Some(list) = section.strings("algorithms") else { return Vec::new() };
    if list.value.is_empty() {
        section.bad("algorithms", list.span, "is empty, so no token could be good", &help);
    }
    let mut algorithms = Vec::new();
    for name in list.value {
        let Some(algorithm) = algorithm(section, "algorithms", &name) else { continue };
        if algorithms.contains(&algorithm) {
            section.bad("algorithms", name.span, "names an algorithm twice", "leave one of them out");
        } else {
            if algorithm == Algorithm::Hs256 {
                let cost = "who can verify with a shared secret can also make tokens, and so can this gateway; use ES256";
                section.notes().warning(Some(name.span), "HS256 is looser than a public key", cost);
            }
            algorithms.push(algorithm);
        }
    }
    algorithms
}

/// The algorithm of a name, or a finding at its place.
pub(super) fn algorithm(section: &Section<'_>, key: &str, name: &At<String>) -> Option<Algorithm> {
    if let Some(algorithm) = Algorithm::parse(&name.value) {
        return Some(algorithm);
    }
    let near =
        Algorithm::ALL.map(Algorithm::name).into_iter().find(|known| known.eq_ignore_ascii_case(&name.value));
    let (why, help) = if name.value.eq_ignore_ascii_case("none") {
        ("cannot be \"none\": such a token is signed by nobody".to_owned(), ALGORITHMS_HELP.to_owned())
    } else if let Some(near) = near {
        (format!("has {}", quoted(&name.value)), format!("did you mean \"{near}\"?"))
    } else {
        (format!("has {}, which is not supported", quoted(&name.value)), ALGORITHMS_HELP.to_owned())
    };
    section.bad(key, name.span.clone(), &why, &help);
    None
}

fn typ(section: &mut Section<'_>) -> String {
    let Some(typ) = section.string("typ") else { return "JWT".to_owned() };
    if typ.value.is_empty() {
        let cost = "tokens that were made for another purpose may pass (RFC 8725 section 3.11)";
        section.loosened("typ", typ.span, "\"JWT\"", cost);
    } else if !typ.value.bytes().all(|octet| octet.is_ascii_graphic()) {
        section.bad("typ", typ.span, "is not the type of a token", "write \"JWT\" or \"at+jwt\"");
    }
    typ.value
}

fn require(section: &mut Section<'_>) -> Required {
    let mut require = Required { iss: true, aud: true, exp: true };
    let Some(list) = section.strings("require") else { return require };
    for claim in &list.value {
        if !REQUIRED.contains(&claim.value.as_str()) {
            let why = format!("has {}, which cannot be required", quoted(&claim.value));
            section.bad(
                "require",
                claim.span.clone(),
                &why,
                "the claims are \"iss\", \"aud\", \"exp\" and \"sub\"",
            );
        }
    }
    let has = |name: &str| list.value.iter().any(|claim| claim.value == name);
    require = Required { iss: has("iss"), aud: has("aud"), exp: has("exp") };
    if !REQUIRED.iter().all(|name| has(name)) {
        let cost = "without iss and aud a token for something else may pass, without exp it is good for ever; \
                    the subject is required all the same";
        section.loosened("require", list.span, "[\"iss\", \"aud\", \"exp\", \"sub\"]", cost);
    }
    require
}

fn claims(mut section: Section<'_>) -> ClaimPaths {
    let mut path = |key: &'static str, default: &str| -> Box<str> {
        let Some(path) = section.string(key) else { return default.into() };
        if path.value.split('.').any(str::is_empty) {
            let help = format!("write the names on the way to it, such as \"{default}\"");
            section.bad(key, path.span, "is not a path into the claims", &help);
        }
        path.value.into()
    };
    let paths = ClaimPaths {
        subject: path("subject", "sub"),
        subscribe: path("subscribe", "portcullis.subscribe"),
        publish: path("publish", "portcullis.publish"),
    };
    section.finish();
    paths
}

const ALGORITHMS_HELP: &str = "the algorithms are ES256, ES384, EdDSA, RS256, PS256 and HS256";
const REQUIRED: [&str; 4] = ["iss", "aud", "exp", "sub"];
