//! Owns one-time tickets: what one stands for, and that it is used once.
//! Never knows where its random octets come from, nor a clock.

use super::identity::Identity;
use crate::origin::Origin;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a ticket may be used.
pub const TICKET_LIFETIME: Duration = Duration::from_secs(30);
/// Tickets that wait to be used at most.
const TICKETS_MAX: usize = 1 << 16;

/// The 256 random bits of a ticket.
pub type TicketSecret = [u8; 32];

/// What a ticket stands for.
#[must_use]
#[derive(Debug)]
pub struct Ticket {
    /// Who asked for it: moved out by whoever uses it, so that nobody does twice.
    pub identity: Identity,
    /// The page that asked for it; none for a peer that has no origin.
    pub origin: Option<Origin>,
    /// The one path that it is for, if one was named.
    pub path: Option<Box<str>>,
}

/// Tickets that wait to be used. Dropping one forgets it.
#[derive(Default)]
pub struct Tickets {
    waiting: Mutex<HashMap<TicketSecret, (Instant, Ticket)>>,
}

/// There is no room for another ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketsFull;

impl Tickets {
    /// Keeps a ticket under its secret; its text, for the peer alone.
    ///
    /// # Errors
    /// [`TicketsFull`] while so many wait that none has run out.
    pub fn issue(&self, secret: TicketSecret, ticket: Ticket, now: Instant) -> Result<String, TicketsFull> {
        let mut waiting = self.waiting();
        if waiting.len() >= TICKETS_MAX {
            waiting.retain(|_, (issued, _)| is_fresh(*issued, now));
            if waiting.len() >= TICKETS_MAX {
                return Err(TicketsFull);
            }
        }
        waiting.insert(secret, (now, ticket));
        Ok(URL_SAFE_NO_PAD.encode(secret))
    }

    /// Takes the ticket of this text out, if it is there and has not run out. It is gone
    /// then, whatever becomes of it.
    pub fn take(&self, text: &str, now: Instant) -> Option<Ticket> {
        let mut secret = TicketSecret::default();
        let decoded = URL_SAFE_NO_PAD.decode_slice(text, &mut secret).ok()?;
        if decoded != secret.len() {
            return None;
        }
        // Looked up by a keyed hash of all its octets: how long that takes tells nothing
        // about the tickets that are there.
        let (issued, ticket) = self.waiting().remove(&secret)?;
        is_fresh(issued, now).then_some(ticket)
    }

    /// A map whose holder panicked is whole: each change of it is one call.
    fn waiting(&self) -> MutexGuard<'_, HashMap<TicketSecret, (Instant, Ticket)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_fresh(issued: Instant, now: Instant) -> bool {
    now.saturating_duration_since(issued) < TICKET_LIFETIME
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets(..)")
    }
}
