//! Owns when the next message is sent.
//! Never knows what becomes of it.

use super::Pace;
use super::tally::Tally;
use crate::peer::Peer;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a closed loop waits for messages that may be lost.
const STALL: Duration = Duration::from_secs(5);

/// Publishes until the tally says that it is enough, then goes on reading what is echoed.
///
/// While it waits it yields and never sleeps: nothing then has to wake this process, which a
/// sender on the same machine would pay for, as it would not with a network between them.
pub(super) async fn publish(
    mut peer: Peer,
    pace: Pace,
    payload_bytes: usize,
    tally: Rc<RefCell<Tally>>,
) -> io::Result<()> {
    let mut due = Instant::now();
    let mut text = Vec::with_capacity(payload_bytes);
    loop {
        tokio::select! {
            biased;
            read = peer.read(|_| tally.borrow_mut().echoed()) => {
                read?;
                peer.answer().await?;
            }
            turn = turn(pace, &mut due, &tally) => {
                turn?;
                tally.borrow_mut().write_next(due, payload_bytes, &mut text);
                peer.send(&text).await?;
                due = match pace {
                    Pace::PerSecond(rate) => due + Duration::from_secs(1) / rate.max(1),
                    Pace::InFlight(_) => due,
                };
            }
        }
    }
}

/// Waits until a message may be sent. `due` is when it should have been: a publisher that is
/// late, or held up by the server, makes the message late and not the count small.
async fn turn(pace: Pace, due: &mut Instant, tally: &RefCell<Tally>) -> io::Result<()> {
    let since = Instant::now();
    loop {
        let now = Instant::now();
        let may = match pace {
            _ if tally.borrow().is_stopped() => false,
            Pace::PerSecond(_) => now >= *due,
            Pace::InFlight(window) if tally.borrow().in_flight() < window => {
                *due = now;
                true
            }
            Pace::InFlight(_) if now - since > STALL => {
                return Err(io::Error::other("no message has reached every receiver for long"));
            }
            Pace::InFlight(_) => false,
        };
        if may {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}
