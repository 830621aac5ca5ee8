//! Owns `[events]`: what the backend is told of sessions, and where.
//! Never knows a session.

use super::document::{At, Section};
use super::files::Folder;
use super::hook;
use super::mask::quoted;
use crate::events::{EventKind, Kinds, QueueLimits, Settings};
use crate::gate::Route;
use crate::webhook::Backoff;
use std::sync::Arc;
use std::time::Duration;

/// `[events]`.
pub struct Events {
    /// What is told, and how.
    pub settings: Settings,
    /// Bounds of what waits.
    pub queue: QueueLimits,
}

/// Takes `[events]`, if it is there.
pub(super) fn read(mut section: Section<'_>, folder: &Folder, routes: &[Arc<Route>]) -> Option<Events> {
    if !section.is_present() {
        return None;
    }
    let hook = hook::read(&mut section, folder, TIMEOUT, MINUTE);
    let kinds = kinds(&mut section);
    let payload = section.boolean("payload");
    if let (Some(At { value: true, span }), Some(kinds)) = (&payload, &kinds)
        && !kinds.has(EventKind::Message)
    {
        let help = "add \"message\" to `types`, or leave `payload` out";
        section.notes().warning(Some(span.clone()), "`events.payload` does nothing without messages", help);
    }
    let tells_messages = kinds.as_ref().is_some_and(|kinds| kinds.has(EventKind::Message));
    if tells_messages && !routes.is_empty() && !routes.iter().any(|route| route.has_rooms()) {
        let message =
            "`events.types` has \"message\", which no route tells: only one of the kind broadcast does";
        section.notes().warning(section.place("types"), message, "take \"message\" out of it");
    }
    let batch = section.number("batch", 1..=1000).map_or(BATCH, |at| at.value);
    let linger = section.duration("linger", Duration::ZERO..=MINUTE).map_or(LINGER, |at| at.value);
    let events = section.number("queue", 1..=1_000_000).map_or(QUEUE, |at| at.value);
    let bytes = section.size("queue_bytes", (64 << 10)..=(1 << 30)).map_or(QUEUE_BYTES, |at| at.value);
    let first = section.duration("retry_first", RETRY_MIN..=HOUR).map_or(RETRY_FIRST, |at| at.value);
    let longest = section.duration("retry_longest", RETRY_MIN..=HOUR).map_or(MINUTE, |at| at.value);
    let retry_for = section.duration("retry_for", Duration::ZERO..=DAYS).map_or(HOUR, |at| at.value);
    section.finish();
    Some(Events {
        settings: Settings {
            hook: hook?,
            kinds: kinds?,
            payload: payload.is_some_and(|at| at.value),
            batch: usize::try_from(batch).ok()?,
            linger,
            backoff: Backoff { first, longest: longest.max(first) },
            retry_for,
        },
        queue: QueueLimits { events: usize::try_from(events).ok()?, bytes: usize::try_from(bytes).ok()? },
    })
}

/// Takes `types`; messages are told only where they are asked for.
fn kinds(section: &mut Section<'_>) -> Option<Kinds> {
    let Some(types) = section.strings("types") else {
        // What was wrong with it has been said.
        return Some(Kinds::of(&DEFAULT));
    };
    let names = EventKind::ALL.map(EventKind::name).join(", ");
    if types.value.is_empty() {
        let help = format!("write some of {names}, or leave `[events]` out");
        section.bad("types", types.span, "is empty", &help);
        return None;
    }
    let mut kinds = Vec::new();
    let mut good = true;
    for name in types.value {
        match EventKind::ALL.into_iter().find(|kind| kind.name() == name.value) {
            Some(kind) => kinds.push(kind),
            None => {
                let why = format!("has {}, which is no event", quoted(&name.value));
                section.bad("types", name.span, &why, &format!("the events are {names}"));
                good = false;
            }
        }
    }
    good.then(|| Kinds::of(&kinds))
}

const DEFAULT: [EventKind; 4] =
    [EventKind::Connected, EventKind::Joined, EventKind::Left, EventKind::Disconnected];
const TIMEOUT: Duration = Duration::from_secs(5);
const BATCH: u64 = 100;
const LINGER: Duration = Duration::from_millis(100);
const QUEUE: u64 = 10_000;
const QUEUE_BYTES: u64 = 16 << 20;
const RETRY_MIN: Duration = Duration::from_millis(10);
const RETRY_FIRST: Duration = Duration::from_millis(500);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAYS: Duration = Duration::from_secs(7 * 86_400);
