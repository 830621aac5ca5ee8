//! Owns the log: flat lines on stderr, written by a thread of their own.
//! Never knows what happened; a full pipe never stops a worker.

use super::line::{Facts, clean};
use serde::Serialize;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use time::OffsetDateTime;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something is broken and needs the operator.
    Error,
    /// Something was refused, or is not as it should be.
    Warn,
    /// What happened.
    Info,
    /// What helps to find a fault.
    Debug,
    /// Everything.
    Trace,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Lines that wait to be written at most; past that they are dropped and counted.
const LINES_WAITING_MAX: usize = 16 << 10;

/// Where lines go. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Log {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    level: Level,
    format: Format,
    lines: Mutex<Option<SyncSender<String>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    dropped: AtomicU64,
}

#[derive(Serialize)]
struct JsonLine<'a> {
    time: &'a str,
    level: &'a str,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

impl Log {
    /// A log on stderr. Lines less important than `level` are not written.
    pub fn to_stderr(level: Level, format: Format) -> io::Result<Log> {
        let (sender, lines) = sync_channel(LINES_WAITING_MAX);
        let writer = std::thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&lines))?;
        Ok(Log {
            inner: Arc::new(Inner {
                level,
                format,
                lines: Mutex::new(Some(sender)),
                writer: Mutex::new(Some(writer)),
                dropped: AtomicU64::new(0),
            }),
        })
    }

    pub(super) fn write(&self, level: Level, event: &str, facts: &Facts<'_>) {
        if level > self.inner.level {
            return;
        }
        let line = match self.inner.format {
            Format::Json => json(level, event, facts),
            Format::Text => text(level, event, facts),
        };
        let sender = self.inner.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = sender.as_ref().map_or(Ok(()), |lines| lines.try_send(line));
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = sent {
            self.inner.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines that were dropped because nobody read stderr.
    #[must_use]
    pub fn dropped_lines(&self) -> u64 {
        self.inner.dropped.load(Ordering::Relaxed)
    }

    /// Writes what waits and ends the log.
    pub fn flush(&self) {
        drop(self.inner.lines.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A writer that panicked has nothing more to write.
            let _ = writer.join();
        }
    }
}

fn write_all(lines: &Receiver<String>) {
    let mut stderr = io::stderr().lock();
    for line in lines {
        // A log that cannot be written (a full disk) must not end the gateway.
        let _ = stderr.write_all(line.as_bytes());
    }
}

/// RFC 3339, to the millisecond, always as many digits.
fn now() -> String {
    let now = OffsetDateTime::now_utc();
    let (date, time) = (now.date(), now.time());
    format!("{date}T{:02}:{:02}:{:02}.{:03}Z", time.hour(), time.minute(), time.second(), time.millisecond())
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

fn json(level: Level, event: &str, facts: &Facts<'_>) -> String {
    let time = now();
    let (origin, subject) = (facts.origin.map(clean), facts.subject.map(clean));
    let line = JsonLine {
        time: &time,
        level: level_name(level),
        event,
        request_id: facts.request_id,
        peer: facts.peer.map(|peer| peer.to_string()),
        route: facts.route,
        origin: origin.as_deref(),
        subject: subject.as_deref(),
        reason: facts.reason,
        status: facts.status,
        code: facts.code,
        detail: facts.detail,
    };
    let mut text = serde_json::to_string(&line).unwrap_or_default();
    text.push('\n');
    text
}

fn text(level: Level, event: &str, facts: &Facts<'_>) -> String {
    let mut line = format!("{} {:5} {event}", now(), level_name(level));
    let mut add = |name: &str, value: &str| {
        line.push_str(&format!(" {name}={value}"));
    };
    let number = |value: Option<u16>| value.map(|n| n.to_string());
    let fields = [
        ("reason", facts.reason.map(str::to_owned)),
        ("status", number(facts.status)),
        ("code", number(facts.code)),
        ("peer", facts.peer.map(|peer| peer.to_string())),
        ("route", facts.route.map(str::to_owned)),
        ("origin", facts.origin.map(|origin| clean(origin).into_owned())),
        ("subject", facts.subject.map(|subject| format!("{:?}", clean(subject)))),
        ("request_id", facts.request_id.map(str::to_owned)),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            add(name, &value);
        }
    }
    if let Some(detail) = facts.detail {
        line.push_str(": ");
        line.push_str(detail);
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_flat_json_object_whatever_the_subject_holds() {
        let facts = Facts { subject: Some("a\"\n\u{202e}b"), reason: Some("drain"), ..Facts::default() };
        let line = json(Level::Info, "closed", &facts);
        assert_eq!(line.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).expect("one JSON object");
        assert_eq!(value["subject"], "a\"\\u{a}\\u{202e}b");
        assert_eq!(value["reason"], "drain");
        assert!(value["time"].as_str().is_some_and(|time| time.ends_with('Z')));
        assert!(value.as_object().expect("an object").values().all(|v| !v.is_object() && !v.is_array()));
    }
}
