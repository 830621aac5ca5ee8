//! Owns the Prometheus text format (version 0.0.4) of the counters.
//! Never knows who asks.
//!
//! Every label value is a name of ours, a number, or the name of an issuer in the configuration,
//! which is escaped: no text of a peer becomes a series.

use super::counters::{Counter, Counters, WorkerCounters};
use super::keys::KeyState;
use std::fmt::{Display, Write};
use std::sync::atomic::Ordering;

pub(super) fn render(
    counters: &Counters,
    handshakes: u64,
    lines_dropped: u64,
    rooms: usize,
    draining: bool,
    sandbox: &[(&'static str, &'static str)],
    keys: &[KeyState],
) -> String {
    let mut page = Page(String::with_capacity(8 << 10));
    page.head("portcullis_connections", "gauge", "Connections held, from accept to close.");
    page.sample("portcullis_connections", "", counters.connections.get());
    page.head("portcullis_handshakes", "gauge", "Connections that have no session yet, or were refused one.");
    page.sample("portcullis_handshakes", "", handshakes);
    page.head(
        "portcullis_accept_failures_total",
        "counter",
        "Times that no connection could be taken, for want of file descriptors or memory.",
    );
    page.sample("portcullis_accept_failures_total", "", counters.accept_failures.get());
    page.head("portcullis_worker_lag_seconds", "gauge", "By how much each worker is behind, time and again.");
    for (worker, counters) in counters.workers.iter().enumerate() {
        let labels = format!("{{worker=\"{worker}\"}}");
        page.sample("portcullis_worker_lag_seconds", &labels, counters.lag().as_secs_f64());
    }
    page.head("portcullis_queued_bytes", "gauge", "Octets that wait for peers, those of a message for each.");
    page.sample("portcullis_queued_bytes", "", counters.queued_bytes());
    page.head("portcullis_sessions", "gauge", "WebSocket sessions that are open.");
    page.sample("portcullis_sessions", "", counters.sessions.get());
    page.head(
        "portcullis_closing",
        "gauge",
        "Sessions that have ended and whose connection is not yet gone.",
    );
    page.sample("portcullis_closing", "", counters.closing.get());
    page.head("portcullis_rooms", "gauge", "Rooms that have a member.");
    page.sample("portcullis_rooms", "", u64::try_from(rooms).unwrap_or(u64::MAX));
    page.head("portcullis_draining", "gauge", "1 while the gateway is going away.");
    page.sample("portcullis_draining", "", u64::from(draining));
    page.head("portcullis_sandbox", "gauge", "1 for the state of each kind of restriction on the process.");
    for (kind, state) in sandbox {
        page.sample("portcullis_sandbox", &format!("{{kind=\"{kind}\",state=\"{state}\"}}"), 1);
    }
    page.head("portcullis_admitted_total", "counter", "Handshakes that became a session.");
    page.sample("portcullis_admitted_total", "", counters.admitted.get());
    page.head(
        "portcullis_origin_would_be_refused_total",
        "counter",
        "Of these, handshakes of an origin that is let in by report_only alone.",
    );
    page.sample("portcullis_origin_would_be_refused_total", "", counters.origins_reported.get());

    page.head("portcullis_refusals_total", "counter", "Handshakes that were refused or dropped, by reason.");
    for (reason, count) in counters.refusals() {
        page.sample("portcullis_refusals_total", &format!("{{reason=\"{}\"}}", reason.name()), count);
    }
    page.head("portcullis_closes_total", "counter", "Sessions that ended, by reason and close code.");
    for (reason, code, count) in counters.closes() {
        let labels = format!("{{reason=\"{}\",code=\"{code}\"}}", reason.name());
        page.sample("portcullis_closes_total", &labels, count);
    }

    let sum = |pick: fn(&WorkerCounters) -> &Counter| -> u64 {
        counters.workers.iter().map(|worker| pick(worker).get()).fold(0, u64::wrapping_add)
    };
    page.head("portcullis_messages_total", "counter", "Messages taken from peers.");
    page.sample("portcullis_messages_total", "", sum(|worker| &worker.messages));
    page.head(
        "portcullis_message_bytes_total",
        "counter",
        "Payload octets of the messages taken from peers.",
    );
    page.sample("portcullis_message_bytes_total", "", sum(|worker| &worker.message_bytes));
    page.head("portcullis_flushes_total", "counter", "Writes of what a room got in one turn to one member.");
    page.sample("portcullis_flushes_total", "", sum(|worker| &worker.flushes));
    page.head("portcullis_sent_bytes_total", "counter", "Octets of frames of rooms handed to members.");
    page.sample("portcullis_sent_bytes_total", "", sum(|worker| &worker.sent_bytes));

    page.head(
        "portcullis_publish_repeats_total",
        "counter",
        "Publications asked for again under their idempotency key, and not made again.",
    );
    page.sample("portcullis_publish_repeats_total", "", counters.publish_repeats.get());
    page.head(
        "portcullis_publish_keys_forgotten_total",
        "counter",
        "Idempotency keys forgotten before their time, for want of room.",
    );
    page.sample("portcullis_publish_keys_forgotten_total", "", counters.publish_keys_forgotten.get());
    counters.events.render(&mut page);
    counters.asked.render(&mut page);
    page.head(
        "portcullis_reloads_total",
        "counter",
        "Reloads that took, and those that kept what was there.",
    );
    page.sample("portcullis_reloads_total", "{result=\"taken\"}", counters.reloads.get());
    page.sample("portcullis_reloads_total", "{result=\"failed\"}", counters.reloads_failed.get());
    page.keys(keys);
    page.head("portcullis_restart_needed", "gauge", "1 while the files say what only a restart takes.");
    let restart_needed = counters.restart_needed.load(Ordering::Relaxed);
    page.sample("portcullis_restart_needed", "", u64::from(restart_needed));
    page.head("portcullis_panics_total", "counter", "Faults of ours that ended one connection.");
    page.sample("portcullis_panics_total", "", counters.panics.get());
    page.head("portcullis_log_lines_dropped_total", "counter", "Log lines lost because stderr was not read.");
    page.sample("portcullis_log_lines_dropped_total", "", lines_dropped);
    page.0
}

pub(super) struct Page(String);

impl Page {
    pub(super) fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Nothing where no issuer has a `jwks_url`.
    fn keys(&mut self, states: &[KeyState]) {
        if states.is_empty() {
            return;
        }
        self.head("portcullis_keys", "gauge", "Fetched keys in force, by issuer.");
        for state in states {
            let labels = format!("{{issuer=\"{}\"}}", escaped(&state.issuer));
            self.sample("portcullis_keys", &labels, u64::try_from(state.keys).unwrap_or(u64::MAX));
        }
        self.head("portcullis_keys_age_seconds", "gauge", "Since the issuer has confirmed its keys.");
        for (state, age) in states.iter().filter_map(|state| Some((state, state.age?))) {
            let labels = format!("{{issuer=\"{}\"}}", escaped(&state.issuer));
            self.sample("portcullis_keys_age_seconds", &labels, age.as_secs());
        }
        self.head("portcullis_key_fetches_total", "counter", "Fetches of keys, by issuer and outcome.");
        for state in states {
            for (outcome, count) in state.fetches {
                let labels = format!("{{issuer=\"{}\",outcome=\"{outcome}\"}}", escaped(&state.issuer));
                self.sample("portcullis_key_fetches_total", &labels, count);
            }
        }
    }

    pub(super) fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

/// A label value (Prometheus text format 0.0.4).
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn the_name_of_an_issuer_cannot_end_its_label() {
        assert_eq!(escaped("https://id.example.com"), "https://id.example.com");
        assert_eq!(escaped("a\"} 1\nb\\"), "a\\\"} 1\\nb\\\\");
    }
}
