//! Owns how a session gets its backend: one upstream after the other, until one has answered a right 101.
//! Never knows the peer's socket, nor what becomes of a refusal.

use super::backend::Backend;
use super::handshake::{self, ANSWER_BYTES_MAX, Accepted, Fault};
use super::request::{Facts, request};
use super::upstream::{Place, Upstream};
use crate::auth::Assertions;
use crate::endpoint::Endpoint;
use crate::gate::{Admitted, BackendFault, Call, Destination};
use crate::ledger::{Ledger, Level};
use crate::outbound::{OutboundError, Stream, connect};
use crate::peer::Peer;
use crate::rejection::Rejection;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout_at;

/// For whom a backend is asked.
#[derive(Clone, Copy)]
pub struct Who<'a> {
    /// The address that is told to the backend.
    pub peer: Peer,
    /// The number of the connection.
    pub connection_id: &'a str,
    /// Now, in seconds since 1970-01-01.
    pub unix_now: u64,
}

/// A backend that has answered a right 101.
pub struct Dialled {
    pub(super) stream: Stream,
    pub(super) place: Place,
    pub(super) early: Vec<u8>,
    /// The subprotocol that it chose.
    pub subprotocol: Option<Box<str>>,
}

/// Why there is none.
#[derive(Debug)]
pub struct Refusal {
    /// What the peer is told.
    pub reason: Rejection,
    /// What the log is told; `None` where no upstream was asked.
    pub fault: Option<BackendFault>,
}

impl Dialled {
    /// Where it is.
    #[must_use]
    pub fn upstream(&self) -> &Arc<Upstream> {
        self.place.upstream()
    }
}

/// Connects a backend for an admitted peer, and sees the handshake with it through. Where an upstream
/// takes no connection, the next one is tried; what was sent is never sent again.
///
/// # Errors
///
/// No upstream takes a connection, the one that does answers no right 101, or the time is over.
pub async fn dial(
    admitted: &Admitted,
    who: Who<'_>,
    backend: &Backend,
    assertions: &Assertions,
    ledger: &Ledger,
    deadline: Instant,
) -> Result<Dialled, Refusal> {
    let Destination::Backend(call) = admitted.destination() else {
        return Err(Refusal { reason: Rejection::HandshakeFailed, fault: None });
    };
    let deadline = deadline.min(Instant::now() + backend.timeout);
    let assertion = assertions
        .assert(admitted.identity(), &backend.label, who.connection_id, who.unix_now)
        .map_err(|_| Refusal { reason: Rejection::HandshakeFailed, fault: None })?;
    let subject = admitted.identity().subject();
    let mut refusal = Refusal { reason: Rejection::BackendUnreachable, fault: None };
    let order = backend.order(subject, Instant::now());
    for (tried, upstream) in order.iter().enumerate() {
        let place = Place::at(upstream);
        // The others are to have their share of the time if this one is silent.
        let left = u32::try_from(order.len() - tried).unwrap_or(u32::MAX);
        let now = Instant::now();
        let share = now + deadline.saturating_duration_since(now) / left;
        let stream = match connect(upstream.endpoint(), backend.roots.as_ref(), share).await {
            Ok(stream) if leads_astray(upstream.endpoint(), stream.peer_address()) => {
                refusal = refused(upstream, Rejection::BackendUnreachable, ASTRAY.to_owned());
                count_failure(upstream, ledger);
                continue;
            }
            Ok(stream) => stream,
            Err(error) => {
                refusal = refused(upstream, of_connecting(error), error.to_string());
                count_failure(upstream, ledger);
                continue;
            }
        };
        let facts = Facts {
            call,
            identity: admitted.identity(),
            origin: admitted.origin(),
            client: who.peer.address(),
            connection_id: who.connection_id,
            assertion: &assertion,
            nonce: nonce(),
        };
        return shake_hands(stream, place, call, &facts, ledger, deadline).await;
    }
    Err(refusal)
}

async fn shake_hands(
    mut stream: Stream,
    place: Place,
    call: &Call,
    facts: &Facts<'_>,
    ledger: &Ledger,
    deadline: Instant,
) -> Result<Dialled, Refusal> {
    let upstream = Arc::clone(place.upstream());
    let (octets, accept) = request(upstream.endpoint(), facts);
    let mut answer = Vec::new();
    let shaken = async {
        stream.write_all(&octets).await.map_err(|_| Fault::Wrong(BROKE_OFF))?;
        stream.flush().await.map_err(|_| Fault::Wrong(BROKE_OFF))?;
        loop {
            let room = ANSWER_BYTES_MAX.saturating_sub(answer.len());
            let room = u64::try_from(room).unwrap_or(0);
            let came = (&mut stream).take(room).read_buf(&mut answer).await;
            if came.map_err(|_| Fault::Wrong(BROKE_OFF))? == 0 {
                return Err(Fault::Wrong(BROKE_OFF));
            }
            if let Some(accepted) = handshake::judge(&answer, &accept, call.offered())? {
                return Ok(accepted);
            }
        }
    };
    match timeout_at(deadline.into(), shaken).await {
        Ok(Ok(Accepted { head_bytes, subprotocol })) => {
            upstream.succeeded();
            answer.drain(..head_bytes.min(answer.len()));
            Ok(Dialled { stream, place, early: answer, subprotocol })
        }
        Ok(Err(fault)) => {
            // Who says no in HTTP is there: only a fault of its own takes an upstream out.
            let is_well = matches!(fault, Fault::Status(status) if !status.is_server_error());
            if is_well {
                upstream.succeeded()
            } else {
                count_failure(&upstream, ledger)
            }
            let detail = match fault {
                Fault::Status(status) => format!("it answered {}", status.as_u16()),
                Fault::Wrong(what) => what.to_owned(),
            };
            Err(refused(&upstream, Rejection::BackendHandshake, detail))
        }
        Err(_) => {
            count_failure(&upstream, ledger);
            Err(refused(&upstream, Rejection::BackendTimeout, "it did not answer in time".to_owned()))
        }
    }
}

/// A name that leads to this machine, or to what only this machine reaches, is one that somebody else
/// may have turned: an upstream there is written as such.
pub(super) fn leads_astray(endpoint: &Endpoint, address: Option<IpAddr>) -> bool {
    let is_name = endpoint.name().is_some() && !endpoint.is_loopback();
    is_name && address.is_some_and(is_local)
}

fn is_local(address: IpAddr) -> bool {
    match address {
        // 169.254.169.254 is where clouds keep the credentials of a machine.
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified() || v6 == METADATA
        }
    }
}

fn refused(upstream: &Upstream, reason: Rejection, detail: String) -> Refusal {
    let upstream = upstream.endpoint().to_string().into();
    Refusal { reason, fault: Some(BackendFault { upstream, detail: detail.into() }) }
}

fn of_connecting(error: OutboundError) -> Rejection {
    match error {
        OutboundError::Timeout => Rejection::BackendTimeout,
        OutboundError::Resolve
        | OutboundError::Connect
        | OutboundError::Tls
        | OutboundError::TooBig
        | OutboundError::Protocol
        | OutboundError::Status(_) => Rejection::BackendUnreachable,
    }
}

fn count_failure(upstream: &Upstream, ledger: &Ledger) {
    if upstream.failed(Instant::now()) {
        let detail =
            format!("{} is left alone for a while, as long as there is another", upstream.endpoint());
        ledger.tell(Level::Warn, "upstream_out", &detail);
    }
}

/// A key that nobody has used (RFC 6455 section 4.1).
fn nonce() -> [u8; 16] {
    let mut keys = super::MaskKeys::new();
    let mut nonce = [0; 16];
    for part in nonce.as_chunks_mut::<4>().0 {
        *part = keys.draw();
    }
    nonce
}

/// The metadata service of a cloud by IPv6.
const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
const ASTRAY: &str = "its name leads to this machine or a link-local address: write the address itself";
const BROKE_OFF: &str = "it broke the connection off";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_to_this_machine_is_refused_and_the_address_itself_is_not() {
        let astray = |url: &str, address: &str| {
            let endpoint = Endpoint::parse(url).expect("an endpoint");
            leads_astray(&endpoint, Some(address.parse().expect("an address")))
        };
        for address in
            ["127.0.0.1", "127.1.2.3", "169.254.169.254", "0.0.0.0", "::1", "fe80::1", "fd00:ec2::254"]
        {
            assert!(astray("ws://chat.internal:8080", address), "{address}");
        }
        for (url, address) in [
            ("ws://chat.internal", "10.0.0.1"),
            ("ws://chat.internal", "2001:db8::1"),
            ("ws://127.0.0.1", "127.0.0.1"),
            ("ws://169.254.169.254", "169.254.169.254"),
            ("ws://[::1]", "::1"),
            ("ws://localhost", "127.0.0.1"),
            ("ws://chat.localhost", "::1"),
        ] {
            assert!(!astray(url, address), "{url} {address}");
        }
    }
}
