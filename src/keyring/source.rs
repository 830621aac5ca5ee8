//! Owns what is configured about keys that are fetched.
//! Never knows a socket.

use crate::auth::{Algorithm, KeysWanted};
use crate::endpoint::Endpoint;
use crate::outbound::Roots;
use std::time::Duration;

/// How often keys are fetched, unless the configuration says otherwise.
pub const REFRESH: Duration = Duration::from_secs(600);
/// How old they may become while they cannot be fetched, unless the configuration says otherwise.
pub const MAX_AGE: Duration = Duration::from_secs(86_400);
/// Usable keys of one set: an issuer has one or two, and a third while they turn.
pub const KEYS_MAX: usize = 10;

/// Where the keys of one issuer come from: `jwks_url` and what belongs to it.
#[derive(Clone, Debug)]
pub struct KeySource {
    /// Whose keys they are; they serve no other.
    pub issuer: Box<str>,
    /// The one place that is asked.
    pub endpoint: Endpoint,
    /// Whom it is trusted by.
    pub roots: Roots,
    /// Which keys are taken.
    pub algorithms: Vec<Algorithm>,
    /// How often it is asked.
    pub refresh: Duration,
    /// How long keys stay in force after it has last answered.
    pub max_age: Duration,
    /// Heard when a token names a key that is not here.
    pub wanted: KeysWanted,
}

impl KeySource {
    /// Whether keys that came from the other are what would come from this one.
    #[must_use]
    pub fn is_same_as(&self, other: &KeySource) -> bool {
        self.issuer == other.issuer && self.endpoint == other.endpoint && self.algorithms == other.algorithms
    }
}
