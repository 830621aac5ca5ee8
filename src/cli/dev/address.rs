//! Owns which address `dev` listens on: a free port where any will do, and whether it can be had.
//! Never knows what is served there.

use super::fault::DevFault;
use std::net::{SocketAddr, TcpListener};

/// The address with a port in place of 0, tried out now: the port is part of the allowed
/// origin, so it must be known, and known to be free, before anything is written.
///
/// The socket is closed again. Should another process take the port in between, the
/// gateway's own bind says so.
pub(super) fn settle(wanted: SocketAddr) -> Result<SocketAddr, DevFault> {
    TcpListener::bind(wanted)
        .and_then(|listener| listener.local_addr())
        .map_err(|error| DevFault::Address { wanted, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_stands_in_for_port_0() {
        let settled = settle("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        assert_ne!(settled.port(), 0);
        assert_eq!(settle(settled).expect("still free"), settled);
    }

    #[test]
    fn a_taken_port_is_told_with_the_remedy() {
        let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let taken = holder.local_addr().expect("its address");
        let told = settle(taken).expect_err("taken").to_string();
        assert!(told.contains(&taken.to_string()) && told.contains("--listen 127.0.0.1:0"), "{told}");
    }
}
