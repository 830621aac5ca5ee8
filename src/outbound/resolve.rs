//! Owns how a name becomes addresses: by the C library, on a thread of its own.
//! Never knows a port's meaning.

use super::fault::OutboundError;
use std::net::{SocketAddr, ToSocketAddrs};
use tokio::sync::{Semaphore, oneshot};

/// Names that are looked up at once. A look-up cannot be stopped, so that one that hangs keeps its
/// place until the C library gives up.
static PLACES: Semaphore = Semaphore::const_new(LOOKUPS_MAX);
const LOOKUPS_MAX: usize = 8;
/// More addresses than anybody waits for.
const ADDRESSES_MAX: usize = 8;

/// The addresses of a name, the best first (RFC 6724).
///
/// The runtime's own threads for blocking work are not used: a runtime waits for them at its end.
pub(super) async fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, OutboundError> {
    let place = PLACES.acquire().await.map_err(|_| OutboundError::Resolve)?;
    let (tell, told) = oneshot::channel();
    let name = name.to_owned();
    let lookup = move || {
        let found = (name.as_str(), port).to_socket_addrs();
        drop(place);
        // Whoever asked may have given up.
        let _ = tell.send(found.map(|addresses| addresses.take(ADDRESSES_MAX).collect()));
    };
    let thread = std::thread::Builder::new().name("resolver".to_owned()).spawn(lookup);
    drop(thread.map_err(|_| OutboundError::Resolve)?);
    match told.await {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(_)) | Err(_) => Err(OutboundError::Resolve),
    }
}
