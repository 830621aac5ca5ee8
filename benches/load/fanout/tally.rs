//! Owns what has been sent and what has arrived, and when.
//! Never knows connections.

use crate::Fault;
use hdrhistogram::Histogram;
use std::collections::VecDeque;
use std::io::Write as _;
use std::time::Instant;

/// One for a publisher and its receivers.
pub(super) struct Tally {
    receivers: u32,
    epoch: Instant,
    phase: Phase,
    /// Messages that were sent; each has its number, from 0.
    sent: u64,
    /// Messages that have reached every receiver.
    complete: u64,
    /// Deliveries of each message behind those.
    arrived: VecDeque<u32>,
    all: Count,
    /// What came while it was measured.
    pub(super) measured: Count,
    /// From due to decoded, in nanoseconds.
    pub(super) latency: Histogram<u64>,
    /// Messages that came again, or behind a later one.
    pub(super) reordered: u64,
    /// Receivers whose connection ended.
    pub(super) closed: u64,
}

#[derive(Default)]
pub(super) struct Count {
    pub(super) deliveries: u64,
    /// What the publisher got of its own messages.
    pub(super) echoes: u64,
}

#[derive(PartialEq, Eq)]
enum Phase {
    WarmUp,
    Measure,
    Stopped,
}

impl Tally {
    pub(super) fn new(receivers: u32) -> Result<Tally, Fault> {
        Ok(Tally {
            receivers,
            epoch: Instant::now(),
            phase: Phase::WarmUp,
            sent: 0,
            complete: 0,
            arrived: VecDeque::new(),
            all: Count::default(),
            measured: Count::default(),
            latency: Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?,
            reordered: 0,
            closed: 0,
        })
    }

    pub(super) fn measure(&mut self) {
        self.phase = Phase::Measure;
    }

    pub(super) fn stop(&mut self) {
        self.phase = Phase::Stopped;
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }

    /// Messages that have not reached every receiver yet.
    pub(super) fn in_flight(&self) -> u64 {
        self.sent - self.complete
    }

    pub(super) fn deliveries(&self) -> u64 {
        self.all.deliveries
    }

    pub(super) fn lost(&self) -> u64 {
        (self.sent * u64::from(self.receivers)).saturating_sub(self.all.deliveries)
    }

    /// Writes the next message: its number and when it was due, in hexadecimal, and filling.
    pub(super) fn write_next(&mut self, due: Instant, payload_bytes: usize, text: &mut Vec<u8>) {
        text.clear();
        // A vector takes everything.
        let _ = write!(text, "{:016x}{:016x}", self.sent, self.nanoseconds(due));
        text.resize(payload_bytes.max(2 * HEX_DIGITS), b'.');
        self.sent += 1;
        self.arrived.push_back(0);
    }

    /// A receiver has got a message. `last`: the number of the one it had got before.
    pub(super) fn delivered(&mut self, last: &mut Option<u64>, text: &[u8]) {
        let now = self.nanoseconds(Instant::now());
        let Some((number, due)) = parse(text) else {
            self.reordered += 1;
            return;
        };
        if last.is_some_and(|last| number <= last) {
            self.reordered += 1;
        }
        *last = (*last).max(Some(number));

        self.all.deliveries += 1;
        if self.phase == Phase::Measure {
            self.measured.deliveries += 1;
            self.latency.saturating_record(now.saturating_sub(due));
        }
        self.note_arrival(number);
    }

    /// The publisher has got a message of its own.
    pub(super) fn echoed(&mut self) {
        self.all.echoes += 1;
        if self.phase == Phase::Measure {
            self.measured.echoes += 1;
        }
    }

    fn note_arrival(&mut self, number: u64) {
        let behind = number.checked_sub(self.complete).and_then(|behind| usize::try_from(behind).ok());
        if let Some(arrived) = behind.and_then(|behind| self.arrived.get_mut(behind)) {
            *arrived += 1;
        }
        while self.arrived.front().is_some_and(|arrived| *arrived >= self.receivers) {
            self.arrived.pop_front();
            self.complete += 1;
        }
    }

    fn nanoseconds(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The number of a message and when it was due.
fn parse(text: &[u8]) -> Option<(u64, u64)> {
    let (number, rest) = text.split_at_checked(HEX_DIGITS)?;
    let (due, _filling) = rest.split_at_checked(HEX_DIGITS)?;
    let hex = |digits| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    Some((hex(number)?, hex(due)?))
}

const HEX_DIGITS: usize = 16;
