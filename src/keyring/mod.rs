//! Owns keys that are fetched from where an issuer publishes them: when, and how long they are good.
//! Never knows a token: that one named a key which is not here is all that it hears.
//!
//! Where to ask stands in the configuration ([`KeySource`]) and nowhere else. A [`Keeper`] asks in the
//! background; nobody waits for it. Keys come into force as a whole set or not at all.

mod fetch;
mod keeper;
mod schedule;
mod source;

pub use keeper::{Keeper, Prepared};
pub use source::{KEYS_MAX, KeySource, MAX_AGE, REFRESH};
