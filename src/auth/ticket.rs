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

#[cfg(test)]
mod tests {
    use super::super::claims::Facts;
    use super::super::key::Key;
    use super::*;
    use crate::secret::Secret;

    fn key() -> Key {
        Key::from_secret(&Secret::new(b"0123456789abcdef0123456789abcdef".to_vec()), None)
            .unwrap_or_else(|_| panic!("a key"))
    }

    fn ticket(key: &Key, subject: &str) -> Ticket {
        let facts = Facts {
            subject: subject.into(),
            jti: None,
            issued_at: None,
            ends_at: None,
            subscribe: Vec::new(),
            publish: Vec::new(),
            bound_to: None,
        };
        Ticket { identity: Identity::proved(None, key, facts), origin: None, path: None }
    }

    fn numbered(number: u32) -> TicketSecret {
        let mut secret = TicketSecret::default();
        for (octet, of_number) in secret.iter_mut().zip(number.to_be_bytes()) {
            *octet = of_number;
        }
        secret
    }

    #[test]
    fn a_ticket_is_taken_once_and_before_its_30_seconds_are_over() {
        let (tickets, key, now) = (Tickets::default(), key(), Instant::now());
        let issue =
            |number, subject| tickets.issue(numbered(number), ticket(&key, subject), now).expect("room");
        let [first, second, late] = [issue(1, "alice"), issue(2, "bob"), issue(3, "carol")];
        let subject = |ticket: Option<Ticket>| ticket.map(|ticket| ticket.identity.subject().to_string());
        assert_eq!(subject(tickets.take(&second, now)).as_deref(), Some("bob"));
        assert_eq!(subject(tickets.take(&second, now)), None);
        let last_moment = now + TICKET_LIFETIME - Duration::from_millis(1);
        assert_eq!(subject(tickets.take(&first, last_moment)).as_deref(), Some("alice"));
        assert_eq!(subject(tickets.take(&late, now + TICKET_LIFETIME)), None);
        assert_eq!(subject(tickets.take(&late, now)), None, "a late use is a use");
    }

    #[test]
    fn what_is_no_text_of_a_ticket_takes_none() {
        let (tickets, key, now) = (Tickets::default(), key(), Instant::now());
        let text = tickets.issue(TicketSecret::default(), ticket(&key, "alice"), now).expect("room");
        let padded = format!("{text}=");
        for other in ["", "A", &text[..42], &padded, &"A".repeat(42), &"A".repeat(86), "A.A", &"B".repeat(43)]
        {
            assert!(tickets.take(other, now).is_none(), "{other}");
        }
        assert!(tickets.take(&text, now).is_some());
    }

    #[test]
    fn a_full_store_forgets_what_has_run_out_and_nothing_else() {
        let (tickets, key, now) = (Tickets::default(), key(), Instant::now());
        let issue = |number, now| tickets.issue(numbered(number), ticket(&key, "alice"), now);
        let mut texts = Vec::new();
        for number in 0..65_536 {
            texts.push(issue(number, now).expect("room"));
        }
        assert_eq!(issue(70_000, now + TICKET_LIFETIME - Duration::from_millis(1)), Err(TicketsFull));
        assert!(tickets.take(&texts[7], now).is_some());
        assert!(issue(70_000, now).is_ok());
        assert_eq!(issue(70_001, now), Err(TicketsFull));
        assert!(issue(70_001, now + TICKET_LIFETIME).is_ok());
        assert!(tickets.take(&texts[8], now).is_none(), "what has run out is gone");
    }

    #[test]
    fn tickets_do_not_show_themselves() {
        let tickets = Tickets::default();
        let _text = tickets.issue(numbered(1), ticket(&key(), "alice"), Instant::now()).expect("room");
        assert_eq!(format!("{tickets:?}"), "Tickets(..)");
    }
}
