//! Owns the one way in which this process connects to anything: an [`Endpoint`] of the configuration.
//! Never knows what is asked for, nor why.
//!
//! No redirect is followed, no proxy of the environment is used, nothing is retried and no connection
//! is kept: whoever calls says when it is over and how much is taken.

mod connect;
mod exchange;
mod fault;
mod resolve;
mod stream;
mod tls;

pub use crate::endpoint::{Endpoint, EndpointFault, Place, Scheme};
pub use connect::connect;
pub use exchange::{ExchangeLimits, exchange};
pub use fault::OutboundError;
pub use stream::Stream;
pub use tls::{Roots, RootsFault};
