//! Owns the way of events to the backend: in batches, one after the other, again until it takes them.
//! Never knows what an event says.

use super::event::{Event, body};
use super::queue::{Events, Settings, Waiting};
use crate::ledger::{EventLoss, Level};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tokio::sync::mpsc;

/// Delivers what comes, until the queue has been flushed.
///
/// There is one request at a time, so that the order of the queue, which is that of each
/// connection, is the order in which the backend reads.
pub async fn deliver(events: Arc<Events>, waiting: Waiting) {
    let Waiting(mut queue) = waiting;
    let mut numbers = Numbers::new();
    while let Some(first) = next(&events, &mut queue).await {
        let settings = events.settings.load_full();
        let batch = gather(first, &events, &mut queue, &settings, &mut numbers).await;
        send(&events, &batch).await;
    }
    events.emptied.notify_one();
}

/// Identifiers that no other process has given: at least once means that some come twice.
struct Numbers {
    process: u64,
    next: u64,
}

impl Numbers {
    fn new() -> Numbers {
        let mut octets = [0; 8];
        // Where the system gives none, the clock tells processes apart.
        let random = aws_lc_rs::rand::fill(&mut octets).map(|()| u64::from_be_bytes(octets));
        let clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let process = random.unwrap_or_else(|_| u64::try_from(clock().as_nanos()).unwrap_or_default());
        Numbers { process, next: 0 }
    }

    fn next(&mut self, prefix: &str) -> String {
        self.next += 1;
        format!("{prefix}_{:016x}{:012x}", self.process, self.next)
    }
}

/// Events that go together: their body and their identifier are the same however often they go.
struct Batch {
    id: String,
    body: Bytes,
    events: u64,
}

/// The next event; `None` once nothing waits and no more is waited for.
async fn next(events: &Events, queue: &mut mpsc::Receiver<Event>) -> Option<Event> {
    let mut hurry = events.hurry.subscribe();
    tokio::select! {
        biased;
        event = queue.recv() => event,
        _ = hurry.wait_for(|hurry| *hurry) => None,
    }
}

async fn gather(
    first: Event,
    events: &Events,
    queue: &mut mpsc::Receiver<Event>,
    settings: &Settings,
    numbers: &mut Numbers,
) -> Batch {
    if queue.len() + 1 < settings.batch {
        let mut hurry = events.hurry.subscribe();
        // Nobody is woken for an event that comes meanwhile.
        let _ = tokio::time::timeout(settings.linger, hurry.wait_for(|hurry| *hurry)).await;
    }
    events.taken(&first);
    let mut weight = first.weight();
    let mut batch = vec![(numbers.next("evt"), first)];
    while batch.len() < settings.batch && weight < BATCH_BYTES {
        let Ok(event) = queue.try_recv() else { break };
        events.taken(&event);
        weight = weight.saturating_add(event.weight());
        batch.push((numbers.next("evt"), event));
    }
    let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
    Batch { id: numbers.next("msg"), body: body(&batch, SystemTime::now()).into(), events: count }
}

/// Sends a batch until the backend takes it or it is too late.
async fn send(events: &Events, batch: &Batch) {
    let began = Instant::now();
    let mut failed = 0_u32;
    loop {
        let settings = events.settings.load_full();
        let Err(error) = settings.hook.post(&batch.id, batch.body.clone(), ANSWER_BYTES_MAX).await else {
            events.ledger.events().request(None);
            events.told(batch.events);
            if failed > 0 {
                events.ledger.tell(Level::Info, "events_delivered", "the backend takes events again");
            }
            return;
        };
        failed = failed.saturating_add(1);
        events.ledger.events().request(Some(error));
        if failed == 1 {
            let detail = format!("the backend did not take events, they are sent again: {error}");
            events.ledger.tell(Level::Warn, "events_failed", &detail);
        }
        if began.elapsed() >= settings.retry_for {
            return events.lose(batch.events, EventLoss::RetryFor);
        }
        let mut chance = [0; 4];
        // Without chance the whole pause is waited.
        let _ = aws_lc_rs::rand::fill(&mut chance);
        let mut hurry = events.hurry.subscribe();
        let is_late = *hurry.borrow_and_update();
        // In a hurry there is no time for long pauses.
        let tries = if is_late { 1 } else { failed };
        let pause = settings.backoff.pause(tries, u32::from_be_bytes(chance));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            Ok(()) = hurry.changed() => {}
        }
    }
}

/// Octets after which a batch takes no more, whatever its number.
const BATCH_BYTES: usize = 1 << 20;
/// What a backend answers is read and not looked at.
const ANSWER_BYTES_MAX: usize = 64 << 10;
