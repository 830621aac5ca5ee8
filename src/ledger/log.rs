//! Owns the log: flat lines on stderr, written by a thread of their own.
//! Never knows what happened; a full pipe never stops a worker.

use super::line::{Facts, clean};
use crate::peer::ClientCertificate;
use serde::Serialize;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
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
    dropped: Arc<AtomicU64>,
    written: Mutex<Receiver<()>>,
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
    client_certificate: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a str>,
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
        let (all_written, written) = sync_channel(1);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        let writer = move || {
            write_all(&lines, &mut io::stderr().lock(), &lost);
            // Nobody waits for it but a flush.
            let _ = all_written.try_send(());
        };
        std::thread::Builder::new().name("log".to_owned()).spawn(writer)?;
        Ok(Log {
            inner: Arc::new(Inner {
                level,
                format,
                lines: Mutex::new(Some(sender)),
                written: Mutex::new(written),
                dropped,
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

    /// Lines that were lost: nobody read stderr, or it could not be written (a full disk).
    #[must_use]
    pub fn dropped_lines(&self) -> u64 {
        self.inner.dropped.load(Ordering::Relaxed)
    }

    /// Writes what waits and ends the log. Where nobody reads it, the end does not wait for ever.
    pub fn flush(&self) {
        drop(self.inner.lines.lock().unwrap_or_else(PoisonError::into_inner).take());
        let written = self.inner.written.lock().unwrap_or_else(PoisonError::into_inner);
        // A writer that is gone has nothing more to write.
        let _ = written.recv_timeout(FLUSH_TIMEOUT);
    }
}

/// Writes lines until nobody has one any more. A log that cannot be written (a full disk) must not
/// end the gateway: what is lost is counted, and the next line that can be written begins anew.
fn write_all(lines: &Receiver<String>, out: &mut impl Write, lost: &AtomicU64) {
    let mut torn = false;
    for line in lines {
        let begin: &[u8] = if torn { b"\n" } else { b"" };
        let mut rest: &[u8] = &[begin, line.as_bytes()].concat();
        let whole = rest.len();
        while !rest.is_empty() {
            match out.write(rest) {
                Ok(n) if n > 0 => rest = rest.get(n..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
        if rest.is_empty() {
            torn = false;
        } else {
            lost.fetch_add(1, Ordering::Relaxed);
            torn |= rest.len() < whole;
        }
    }
}

/// How long the end of the process waits for a log that is slow.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

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
    let holder = facts.client_certificate.and_then(|known| known.name.as_deref()).map(clean);
    let line = JsonLine {
        time: &time,
        level: level_name(level),
        event,
        request_id: facts.request_id,
        peer: facts.peer.map(|peer| peer.to_string()),
        client_certificate: holder.as_deref(),
        client_certificate_sha256: facts.client_certificate.map(ClientCertificate::fingerprint),
        route: facts.route,
        origin: origin.as_deref(),
        subject: subject.as_deref(),
        upstream: facts.upstream,
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
    let holder = facts.client_certificate.and_then(|known| known.name.as_deref());
    let number = |value: Option<u16>| value.map(|n| n.to_string());
    let fields = [
        ("reason", facts.reason.map(str::to_owned)),
        ("status", number(facts.status)),
        ("code", number(facts.code)),
        ("peer", facts.peer.map(|peer| peer.to_string())),
        ("client_certificate", holder.map(|name| format!("{:?}", clean(name)))),
        ("client_certificate_sha256", facts.client_certificate.map(ClientCertificate::fingerprint)),
        ("route", facts.route.map(str::to_owned)),
        ("origin", facts.origin.map(|origin| clean(origin).into_owned())),
        ("subject", facts.subject.map(|subject| format!("{:?}", clean(subject)))),
        ("upstream", facts.upstream.map(str::to_owned)),
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

    /// A disk that takes so many octets before it is full, until room is made.
    struct Disk {
        room: usize,
        written: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let take = octets.len().min(self.room);
            // Room is made when somebody has been told that there is none.
            if take == 0 {
                self.room = 100;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= take;
            self.written.extend_from_slice(&octets[..take]);
            Ok(take)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_a_full_disk_does_not_take_are_counted_and_the_next_ones_begin_anew() {
        let (sender, lines) = sync_channel(8);
        for line in ["first\n", "second\n", "third\n"] {
            sender.send(line.to_owned()).expect("room");
        }
        drop(sender);
        let (mut disk, lost) = (Disk { room: 9, written: Vec::new() }, AtomicU64::new(0));
        write_all(&lines, &mut disk, &lost);
        assert_eq!(String::from_utf8(disk.written).expect("text"), "first\nsec\nthird\n");
        assert_eq!(lost.load(Ordering::Relaxed), 1);
    }

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
