//! Owns what is needed to make a token that this configuration accepts.
//! Never knows how a token is made.

use super::auth::AuthFacts;
use super::document::Section;
use super::files::{Folder, PEM_BYTES_MAX};
use crate::auth::{Lifetimes, Verifier};
use crate::secret::Secret;

/// `signing_key`, and the issuers that it may belong to.
pub struct Signing {
    /// The content of `signing_key`: a private key in PEM, or a shared secret as it is in the file.
    pub key: Secret,
    /// All issuers and keys of the configuration: one of them is what the signing key belongs to.
    pub verifier: Verifier,
    /// `leeway` and `max_token_lifetime`, as they are for all routes.
    pub lifetimes: Lifetimes,
}

/// Reads the signing key; that it is not there is told.
pub(super) fn read(facts: AuthFacts, root: &Section<'_>, folder: &Folder) -> Option<Signing> {
    let key = match &facts.signing_key {
        Some(path) => match folder.private(&path.value, PEM_BYTES_MAX) {
            Ok(key) => Some(key),
            Err(fault) => {
                root.notes().error(Some(path.span.clone()), fault.message, fault.help);
                None
            }
        },
        None => {
            let help = "write `signing_key` in `[auth]`: the private key of one of the issuers, or its `secret_file`";
            root.notes().error(None, "`auth.signing_key` is missing, so no token can be made", help);
            None
        }
    };
    let lifetimes = facts.credentials.lifetimes();
    if root.notes().has_errors() {
        return None;
    }
    let verifier = Verifier::new(facts.issuers);
    Some(Signing { key: key?, verifier, lifetimes })
}
