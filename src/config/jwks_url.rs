//! Owns `jwks_url` and the keys beside it: where an issuer's keys are fetched from, and how often.
//! Never knows a key, nor connects to anything.

use super::document::{At, Section};
use super::files::{Folder, PEM_BYTES_MAX};
use super::units::show_duration;
use crate::auth::{Algorithm, KeysWanted};
use crate::endpoint::{Endpoint, Scheme};
use crate::keyring::{KeySource, MAX_AGE, REFRESH};
use crate::outbound::{Roots, RootsFault};
use std::time::Duration;

/// Takes the source of an issuer's keys, if it has one. The issuer's name is added by who knows it.
pub(super) fn read(issuer: &mut Section<'_>, algorithms: &[Algorithm], folder: &Folder) -> Option<KeySource> {
    if issuer.place("jwks_url").is_none() {
        for key in ["jwks_roots", "jwks_refresh", "jwks_max_age"] {
            issuer.refuse(key, "stands without `jwks_url`", "write `jwks_url`, or take it out");
        }
        return None;
    }
    let url = issuer.string("jwks_url");
    let endpoint = url.as_ref().and_then(|url| endpoint(issuer, url));
    if let Some(url) = &url
        && !algorithms.is_empty()
        && algorithms.iter().all(|algorithm| *algorithm == Algorithm::Hs256)
    {
        let help = "a shared secret has no place in a published document: write `secret_file`";
        issuer.bad("jwks_url", url.span.clone(), "cannot give keys for HS256", help);
    }
    let roots = roots(issuer, url.as_ref(), folder);
    let (refresh, max_age) = times(issuer);
    Some(KeySource {
        issuer: Box::default(),
        endpoint: endpoint?,
        roots: roots?,
        algorithms: algorithms.to_vec(),
        refresh,
        max_age,
        wanted: KeysWanted::default(),
    })
}

fn endpoint(issuer: &Section<'_>, url: &At<String>) -> Option<Endpoint> {
    let example = "write such as \"https://id.example.com/.well-known/jwks.json\"";
    match Endpoint::parse(&url.value) {
        Ok(endpoint) if endpoint.scheme() == Scheme::Https => Some(endpoint),
        Ok(_) => {
            let help = "whoever is on the way could put keys of his own into it: write an https:// URL";
            issuer.bad("jwks_url", url.span.clone(), "is not fetched by https", help);
            None
        }
        Err(fault) => {
            issuer.bad("jwks_url", url.span.clone(), &fault.to_string(), example);
            None
        }
    }
}

/// Those of `jwks_roots` alone, or the system's.
fn roots(issuer: &mut Section<'_>, url: Option<&At<String>>, folder: &Folder) -> Option<Roots> {
    let (read, span) = if issuer.place("jwks_roots").is_some() {
        let file = issuer.string("jwks_roots")?;
        match folder.public(&file.value, PEM_BYTES_MAX) {
            Ok(pem) => (Roots::from_pem(&pem), file.span),
            Err(fault) => {
                issuer.notes().error(Some(file.span), fault.message, fault.help);
                return None;
            }
        }
    } else {
        (Roots::system(), url?.span.clone())
    };
    read.map_err(|RootsFault { message, help }| issuer.notes().error(Some(span), message, help)).ok()
}

fn times(issuer: &mut Section<'_>) -> (Duration, Duration) {
    let refresh = issuer.duration("jwks_refresh", SECOND..=REFRESH_MAX);
    if let Some(refresh) = &refresh {
        if refresh.value > REFRESH_SHOWN_MAX {
            let cost = "a key that the issuer withdraws is good for so long";
            let default = format!("\"{}\"", show_duration(&REFRESH));
            issuer.loosened("jwks_refresh", refresh.span.clone(), &default, cost);
        } else if refresh.value < REFRESH_SHOWN_MIN {
            let message = "`auth.issuer.jwks_refresh` asks the issuer more often than once a minute";
            let help = "an unknown key is asked for by itself: 10m is often enough";
            issuer.notes().warning(Some(refresh.span.clone()), message, help);
        }
    }
    let refresh = refresh.map_or(REFRESH, |refresh| refresh.value);
    let Some(max_age) = issuer.duration("jwks_max_age", SECOND..=MAX_AGE_MAX) else {
        return (refresh, MAX_AGE);
    };
    if max_age.value < refresh {
        let help =
            format!("keys would be dropped before they are fetched again, each {}", show_duration(&refresh));
        issuer.bad("jwks_max_age", max_age.span, "is shorter than `jwks_refresh`", &help);
    } else if max_age.value > MAX_AGE {
        let cost = "while the issuer cannot be reached, a key that it has withdrawn is good for so long";
        issuer.loosened("jwks_max_age", max_age.span, &format!("\"{}\"", show_duration(&MAX_AGE)), cost);
    }
    (refresh, max_age.value)
}

const SECOND: Duration = Duration::from_secs(1);
const REFRESH_MAX: Duration = Duration::from_secs(86_400);
const MAX_AGE_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Beyond these it is pointed out.
const REFRESH_SHOWN_MIN: Duration = Duration::from_secs(60);
const REFRESH_SHOWN_MAX: Duration = Duration::from_secs(3600);
