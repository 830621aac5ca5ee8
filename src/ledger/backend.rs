//! Owns the numbers of what is sent to the operator's backend, and their text form.
//! Never knows what is sent.

use super::counters::Counter;
use super::metrics::Page;
use crate::outbound::OutboundError;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the backend is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedFor {
    /// A connection and its room.
    Connection,
    /// A message.
    Message,
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It may be.
    Allowed,
    /// It may be, with less than the token grants.
    Narrowed,
    /// It may not be.
    Refused,
    /// No answer that is understood.
    Failed,
}

impl Asked {
    const ALL: [(Asked, &'static str); 4] = [
        (Asked::Allowed, "allowed"),
        (Asked::Narrowed, "narrowed"),
        (Asked::Refused, "refused"),
        (Asked::Failed, "failed"),
    ];
}

/// The numbers of questions.
#[derive(Debug, Default)]
pub(super) struct AskedCounters {
    connections: [Counter; 4],
    messages: [Counter; 4],
}

impl AskedCounters {
    pub(super) fn asked(&self, what: AskedFor, came: Asked) {
        let counters = match what {
            AskedFor::Connection => &self.connections,
            AskedFor::Message => &self.messages,
        };
        if let Some((_, counter)) = Asked::ALL.iter().zip(counters).find(|((asked, _), _)| *asked == came) {
            counter.add(1);
        }
    }

    pub(super) fn render(&self, page: &mut Page) {
        let help = "Questions to the backend, by what was asked for and what came of it.";
        page.head("portcullis_authorize_total", "counter", help);
        for (on, counters) in [("connection", &self.connections), ("message", &self.messages)] {
            for ((_, result), counter) in Asked::ALL.iter().zip(counters) {
                let labels = format!("{{on=\"{on}\",result=\"{result}\"}}");
                page.sample("portcullis_authorize_total", &labels, counter.get());
            }
        }
    }
}

/// Why an event is never told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventLoss {
    /// The queue had no room.
    QueueFull,
    /// It was tried for as long as it may be.
    RetryFor,
    /// The gateway ended.
    Drain,
}

impl EventLoss {
    const ALL: [EventLoss; 3] = [EventLoss::QueueFull, EventLoss::RetryFor, EventLoss::Drain];

    fn name(self) -> &'static str {
        match self {
            EventLoss::QueueFull => "queue_full",
            EventLoss::RetryFor => "retry_for",
            EventLoss::Drain => "drain",
        }
    }

    /// Why, for the log.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            EventLoss::QueueFull => "events are dropped: the queue is full",
            EventLoss::RetryFor => "events are dropped: the backend did not take them within retry_for",
            EventLoss::Drain => "events are dropped: the gateway ends and the backend has not taken them",
        }
    }
}

/// The numbers of events.
#[derive(Debug, Default)]
pub struct EventCounters {
    waiting: AtomicU64,
    delivered: Counter,
    lost: [Counter; 3],
    taken: Counter,
    failed: [Counter; OutboundError::NAMES.len()],
}

impl EventCounters {
    /// One more waits.
    pub fn waits(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// Events that wait or are on their way.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The backend took so many.
    pub fn delivered(&self, events: u64) {
        self.waiting.fetch_sub(events, Ordering::Relaxed);
        self.delivered.add(events);
    }

    /// So many that waited are never told.
    pub fn lost(&self, events: u64, why: EventLoss) {
        self.waiting.fetch_sub(events, Ordering::Relaxed);
        if let Some((_, counter)) = EventLoss::ALL.iter().zip(&self.lost).find(|(loss, _)| **loss == why) {
            counter.add(events);
        }
    }

    /// A request, and why it came to nothing if it did.
    pub fn request(&self, error: Option<OutboundError>) {
        let Some(error) = error else { return self.taken.add(1) };
        let mut failed = OutboundError::NAMES.iter().zip(&self.failed);
        if let Some((_, counter)) = failed.find(|(name, _)| **name == error.name()) {
            counter.add(1);
        }
    }

    pub(super) fn render(&self, page: &mut Page) {
        page.head("portcullis_events_waiting", "gauge", "Events that wait for the backend.");
        page.sample("portcullis_events_waiting", "", self.waiting());
        page.head("portcullis_events_delivered_total", "counter", "Events that the backend took.");
        page.sample("portcullis_events_delivered_total", "", self.delivered.get());
        page.head("portcullis_events_dropped_total", "counter", "Events that are never told, by reason.");
        for (why, counter) in EventLoss::ALL.iter().zip(&self.lost) {
            let labels = format!("{{reason=\"{}\"}}", why.name());
            page.sample("portcullis_events_dropped_total", &labels, counter.get());
        }
        page.head(
            "portcullis_event_requests_total",
            "counter",
            "Requests with events, by what came of them.",
        );
        page.sample("portcullis_event_requests_total", "{result=\"ok\"}", self.taken.get());
        for (name, counter) in OutboundError::NAMES.iter().zip(&self.failed) {
            let labels = format!("{{result=\"{name}\"}}");
            page.sample("portcullis_event_requests_total", &labels, counter.get());
        }
    }
}
