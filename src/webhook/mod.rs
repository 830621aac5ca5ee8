//! Owns signed requests to the operator's backend, as Standard Webhooks writes them
//! (<https://www.standardwebhooks.com>): what is signed, how it is sent, how long to wait before the
//! next try.
//! Never knows what a request says, nor what its answer means.

mod backoff;
mod post;
mod secret;

pub use backoff::Backoff;
pub use post::Hook;
pub use secret::{Secrets, WebhookSecret};
