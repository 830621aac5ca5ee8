//! Owns how a connection ends that has been answered and becomes no session.
//! Never knows the answer.

use super::{Opening, send_all};
use socket2::SockRef;
use std::io;
use std::net::Shutdown;
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::time::timeout_at;

/// What is read and dropped after a refusal, so that the answer is not lost to a reset.
const DROPPED_BYTES_MAX: usize = 64 << 10;
const DROP_TIMEOUT: Duration = Duration::from_secs(1);
/// How often it is looked whether a peer that sends on has ended.
const PEER_LOOK: Duration = Duration::from_millis(20);

impl Opening<'_> {
    /// Sends the answer, ends the write side, and drops what still comes.
    pub(super) async fn say_goodbye(&mut self, response: &[u8]) {
        let deadline = Instant::now() + DROP_TIMEOUT;
        let farewell = async {
            self.send(response).await?;
            let mut alert = Vec::new();
            if let Some(tls) = &mut self.tls {
                tls.close_notify(&mut alert);
            }
            send_all(&self.socket, &alert).await?;
            SockRef::from(&self.socket).shutdown(Shutdown::Write)?;
            let mut dropped = 0;
            while dropped < DROPPED_BYTES_MAX {
                self.socket.readable().await?;
                match self.socket.try_read(&mut self.scratch.borrow_mut().cipher_in) {
                    Ok(0) => break,
                    Ok(n) => dropped += n,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            // More is not read. But closed now, with octets unread, the socket would send a
            // reset, and a peer that is still writing would lose the answer to it.
            while !self.socket.ready(Interest::READABLE).await?.is_read_closed() {
                tokio::time::sleep(PEER_LOOK).await;
            }
            Ok::<(), io::Error>(())
        };
        // The peer may be gone, or never end: either way the socket is closed now.
        let _ = timeout_at(deadline.into(), farewell).await;
    }
}
