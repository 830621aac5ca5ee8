//! Owns `[[auth.issuer.key]]` and `jwks_file`: the keys by which an issuer's tokens are verified.
//! Never knows which key material is good: that is for the key itself to say.

use super::document::{At, Section};
use super::files::{FileFault, Folder, JWKS_BYTES_MAX, PEM_BYTES_MAX};
use super::issuer::algorithm;
use super::mask::quoted;
use crate::auth::{Algorithm, Key, KeyFault};
use crate::secret::Secret;

/// Takes the keys of an issuer from either of their places here; keys that are fetched come later.
pub(super) fn read_all(issuer: &mut Section<'_>, algorithms: &[Algorithm], folder: &Folder) -> Vec<Key> {
    let by_url = issuer.place("jwks_url");
    let jwks = issuer.string("jwks_file");
    let key_place = issuer.place("key");
    let sections = issuer.sections("key");
    if let Some(url) = by_url {
        if jwks.is_some() || key_place.is_some() {
            let help = "keep one of them: keys that are fetched, or keys that are here";
            issuer.bad("jwks_url", url, "stands beside `jwks_file` or `[[auth.issuer.key]]`", help);
        }
        return Vec::new();
    }
    match (jwks, key_place) {
        (Some(jwks), Some(_)) => {
            let help = "keep one of them: the file, or the keys one by one";
            issuer.bad("jwks_file", jwks.span, "stands beside `[[auth.issuer.key]]`", help);
            Vec::new()
        }
        (Some(jwks), None) => read_jwks(issuer, &jwks, algorithms, folder),
        (None, Some(_)) => read_keys(sections, algorithms, folder),
        (None, None) => {
            let help = "write `[[auth.issuer.key]]` with `file = \"...\"`, or `jwks_file`, or `jwks_url`";
            issuer.missing("key", help);
            Vec::new()
        }
    }
}

fn read_keys(sections: Vec<Section<'_>>, algorithms: &[Algorithm], folder: &Folder) -> Vec<Key> {
    let several = sections.len() > 1;
    let mut keys = Vec::new();
    let mut kids: Vec<String> = Vec::new();
    for mut section in sections {
        let kid = kid(&mut section, several);
        if let Some(kid) = &kid {
            let help = "one kid names one key: give each its own";
            section.distinct("kid", kid, &mut kids, "is there twice", help);
        }
        let kid = kid.map(|kid| kid.value);
        let algorithm = algorithm_of(&mut section, algorithms);
        keys.extend(read_key(&mut section, algorithm, kid.as_deref(), folder));
        section.finish();
    }
    keys
}

fn kid(section: &mut Section<'_>, several: bool) -> Option<At<String>> {
    let help = "write such as `kid = \"2026-01\"`: up to 128 visible ASCII characters, as the tokens' headers have it";
    if section.place("kid").is_none() && several {
        section.missing(
            "kid",
            "an issuer with several keys needs a kid for each, or a token could not name its key",
        );
        return None;
    }
    let kid = section.string("kid")?;
    if !(1..=128).contains(&kid.value.len()) || !kid.value.bytes().all(|octet| octet.is_ascii_graphic()) {
        section.bad("kid", kid.span, "cannot name a key", help);
        return None;
    }
    Some(kid)
}

fn algorithm_of(section: &mut Section<'_>, algorithms: &[Algorithm]) -> Option<Algorithm> {
    let names: Vec<&str> = algorithms.iter().copied().map(Algorithm::name).collect();
    if section.place("algorithm").is_none() {
        if let [sole] = algorithms {
            return Some(*sole);
        }
        if !algorithms.is_empty() {
            let help =
                format!("the issuer has several algorithms: write `algorithm`, one of {}", names.join(", "));
            section.missing("algorithm", &help);
        }
        return None;
    }
    let name = section.string("algorithm")?;
    let algorithm = algorithm(section, "algorithm", &name)?;
    if !algorithms.is_empty() && !algorithms.contains(&algorithm) {
        let help = format!("write one of {}, or list it there", names.join(", "));
        section.bad("algorithm", name.span, "is not among the issuer's `algorithms`", &help);
        return None;
    }
    Some(algorithm)
}

fn read_key(
    section: &mut Section<'_>,
    algorithm: Option<Algorithm>,
    kid: Option<&str>,
    folder: &Folder,
) -> Option<Key> {
    let mut is_inline = false;
    for inline in ["secret", "private_key", "public_key", "pem"] {
        if section.place(inline).is_some() {
            is_inline = true;
            let help = "put it into a file of its own (mode 0600) and write `secret_file`, or `file` for a public key";
            section.refuse(inline, "must not stand in this file", help);
        }
    }
    match (section.string("file"), section.string("secret_file")) {
        (Some(_), Some(secret)) => {
            let help = "keep one of them: a public key in `file`, or a shared secret in `secret_file`";
            section.bad("secret_file", secret.span, "stands beside `file`", help);
            None
        }
        (Some(file), None) => public_key(section, &file, algorithm?, kid, folder),
        (None, Some(secret)) => shared_secret(section, &secret, algorithm?, kid, folder),
        (None, None) => {
            if section.place("file").or_else(|| section.place("secret_file")).is_none() && !is_inline {
                section.missing("file", "write `file = \"certs/jwt-public.pem\"`, a PEM public key");
            }
            None
        }
    }
}

fn public_key(
    section: &Section<'_>,
    file: &At<String>,
    algorithm: Algorithm,
    kid: Option<&str>,
    folder: &Folder,
) -> Option<Key> {
    if algorithm == Algorithm::Hs256 {
        let help = "a public key is known to everybody; write `secret_file`, or another algorithm";
        section.bad("file", file.span.clone(), "cannot be the key of HS256", help);
        return None;
    }
    let pem = told(section, file, folder.public(&file.value, PEM_BYTES_MAX))?;
    if pem.windows(PRIVATE.len()).any(|window| window == PRIVATE) {
        drop(Secret::new(pem));
        let help = "name the public half (openssl pkey -in PRIVATE -pubout -out PUBLIC), and keep the private one elsewhere";
        section.bad("file", file.span.clone(), "holds a private key, which the gateway must not have", help);
        return None;
    }
    usable(section, file, Key::from_public_pem(&pem, algorithm, kid))
}

fn shared_secret(
    section: &Section<'_>,
    file: &At<String>,
    algorithm: Algorithm,
    kid: Option<&str>,
    folder: &Folder,
) -> Option<Key> {
    if algorithm != Algorithm::Hs256 {
        let help = "write `file` with a public key, or `algorithm = \"HS256\"`";
        section.bad("secret_file", file.span.clone(), "can only be the key of HS256", help);
        return None;
    }
    let secret = told(section, file, folder.private(&file.value, PEM_BYTES_MAX))?;
    usable(section, file, Key::from_secret(&secret.without_newline(), kid))
}

fn read_jwks(issuer: &Section<'_>, file: &At<String>, algorithms: &[Algorithm], folder: &Folder) -> Vec<Key> {
    let Some(json) = told(issuer, file, folder.public(&file.value, JWKS_BYTES_MAX)) else {
        return Vec::new();
    };
    let Some(keys) = usable(issuer, file, Key::from_jwks(&json, algorithms)) else {
        return Vec::new();
    };
    if keys.is_empty() {
        let names: Vec<&str> = algorithms.iter().copied().map(Algorithm::name).collect();
        let why = format!("{} has no key for {}", quoted(&file.value), names.join(", "));
        issuer.notes().error(
            Some(file.span.clone()),
            why,
            "name another file, or list the algorithms of its keys",
        );
    }
    keys
}

fn told<T>(section: &Section<'_>, file: &At<String>, read: Result<T, FileFault>) -> Option<T> {
    read.map_err(|fault| section.notes().error(Some(file.span.clone()), fault.message, fault.help)).ok()
}

fn usable<T>(section: &Section<'_>, file: &At<String>, key: Result<T, KeyFault>) -> Option<T> {
    key.map_err(|KeyFault(why)| section.notes().error(Some(file.span.clone()), why, "")).ok()
}

const PRIVATE: &[u8] = b"PRIVATE KEY-----";
