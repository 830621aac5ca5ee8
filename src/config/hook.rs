//! Owns the keys that say where signed requests go: `url`, `roots`, the secrets, `timeout`.
//! Never knows what is asked there.

use super::document::{At, Section};
use super::files::{Folder, PEM_BYTES_MAX};
use super::mask::quoted;
use crate::endpoint::{Endpoint, Place, Scheme};
use crate::origin::HostName;
use crate::outbound::Roots;
use crate::webhook::{Hook, Secrets, WebhookSecret};
use std::time::Duration;

/// Takes the keys of a hook. All of them are asked for, whatever is wrong with the first.
pub(super) fn read(
    section: &mut Section<'_>,
    folder: &Folder,
    timeout: Duration,
    longest: Duration,
) -> Option<Hook> {
    let url = section.required("url", "write such as `url = \"https://backend.example.com/portcullis\"`");
    let endpoint = url.and_then(|url| endpoint(section, &url));
    let roots = roots(section, folder, endpoint.as_ref());
    let help = "run: (umask 077; echo whsec_$(openssl rand -base64 32) > webhook.secret)";
    let current = section.required("secret_file", help);
    let current = current.and_then(|path| secret(section, "secret_file", &path, folder));
    let previous = section.string("previous_secret_file");
    let has_previous = previous.is_some();
    let previous = previous.and_then(|path| secret(section, "previous_secret_file", &path, folder));
    let timeout = section.duration("timeout", TIMEOUT_MIN..=longest).map_or(timeout, |at| at.value);
    if has_previous != previous.is_some() {
        return None;
    }
    Some(Hook {
        endpoint: endpoint?,
        roots: roots?,
        secrets: Secrets { current: current?, previous },
        timeout,
    })
}

fn endpoint(section: &Section<'_>, url: &At<String>) -> Option<Endpoint> {
    let help = "write https://, or http:// to this machine alone, or unix: and an absolute path";
    let bad = |why: &str| section.bad("url", url.span.clone(), why, help);
    let endpoint = match Endpoint::parse(&url.value) {
        Ok(endpoint) => endpoint,
        Err(fault) => {
            bad(&fault.to_string());
            return None;
        }
    };
    match endpoint.scheme() {
        Scheme::Https | Scheme::Unix => Some(endpoint),
        Scheme::Http if is_this_machine(&endpoint) => Some(endpoint),
        Scheme::Http => {
            bad("goes to another machine without TLS: whoever is on the way reads it and answers");
            None
        }
        Scheme::Ws | Scheme::Wss => {
            bad("is no URL of HTTP");
            None
        }
    }
}

fn is_this_machine(endpoint: &Endpoint) -> bool {
    match endpoint.place() {
        Place::Unix(_) => true,
        Place::Tcp { host: HostName::V4(address), .. } => address.is_loopback(),
        Place::Tcp { host: HostName::V6(address), .. } => address.is_loopback(),
        Place::Tcp { host: HostName::Name(name), .. } => **name == *"localhost",
    }
}

/// The certificate authorities; the inner `None` where there is no TLS.
fn roots(section: &mut Section<'_>, folder: &Folder, endpoint: Option<&Endpoint>) -> Option<Option<Roots>> {
    let path = section.string("roots");
    let is_tls = endpoint.is_none_or(|endpoint| endpoint.scheme().is_tls());
    let Some(path) = path else {
        if !is_tls || endpoint.is_none() {
            return Some(None);
        }
        return match Roots::system() {
            Ok(roots) => Some(Some(roots)),
            Err(fault) => {
                section.notes().error(section.span(), fault.message, fault.help);
                None
            }
        };
    };
    if !is_tls {
        section.notes().warning(
            Some(path.span.clone()),
            format!("`{}` does nothing without TLS", section.path("roots")),
            "leave it out, or write https://",
        );
    }
    let read = folder.public(&path.value, PEM_BYTES_MAX);
    let roots = read.map_err(|fault| (fault.message, fault.help)).and_then(|pem| {
        Roots::from_pem(&pem).map_err(|fault| (fault.message.to_owned(), fault.help.to_owned()))
    });
    match roots {
        Ok(roots) => Some(Some(roots)),
        Err((message, help)) => {
            section.notes().error(Some(path.span), message, help);
            None
        }
    }
}

fn secret(
    section: &Section<'_>,
    key: &'static str,
    path: &At<String>,
    folder: &Folder,
) -> Option<WebhookSecret> {
    let file = match folder.private(&path.value, SECRET_FILE_BYTES_MAX) {
        Ok(file) => file,
        Err(fault) => {
            section.notes().error(Some(path.span.clone()), fault.message, fault.help);
            return None;
        }
    };
    let secret = WebhookSecret::parse(&file);
    if secret.is_none() {
        let help =
            format!("run: (umask 077; echo whsec_$(openssl rand -base64 32) > {})", quoted(&path.value));
        section.bad(key, path.span.clone(), "must hold whsec_ and the base64 of 24 to 64 octets", &help);
    }
    secret
}

const TIMEOUT_MIN: Duration = Duration::from_millis(100);
const SECRET_FILE_BYTES_MAX: u64 = 1024;
