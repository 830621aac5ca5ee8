//! Owns what a child process writes, line by line, and waiting for a line.
//! Never knows what the lines mean beyond JSON.

use super::PATIENCE;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

/// The lines that came so far.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Log {
    /// Reads lines on a thread of its own until the writer is gone.
    pub(crate) fn collect(source: impl Read + Send + 'static) -> Log {
        let log = Log::default();
        let writer = log.clone();
        std::thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source.read_until(b'\n', &mut line).is_ok_and(|octets| octets > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                writer.change(|state| state.lines.push(text));
                line.clear();
            }
            writer.change(|state| state.ended = true);
        });
        log
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.0.1.notify_all();
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.state().lines.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().expect("a lock")
    }

    /// All lines, once the writer is gone.
    pub(crate) fn all(&self) -> Vec<String> {
        self.wait("the end of the output", |state| state.ended.then(|| state.lines.clone()))
    }

    /// The first line that fits, when it has come.
    pub(crate) fn line(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        self.wait(what, |state| state.lines.iter().find(|line| fits(line)).cloned())
    }

    /// The first JSON line that fits, when it has come.
    pub(crate) fn event(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let parse = |line: &String| serde_json::from_str::<Value>(line).ok();
        self.wait(what, |state| state.lines.iter().filter_map(parse).find(|value| fits(value)))
    }

    /// The first line whose `reason` is this, when it has come.
    pub(crate) fn reason(&self, reason: &str) -> Value {
        self.event(&format!("a line with the reason {reason}"), |line| line["reason"] == reason)
    }

    /// How many JSON lines fit now.
    pub(crate) fn count(&self, fits: impl Fn(&Value) -> bool) -> usize {
        self.lines()
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|line| fits(line))
            .count()
    }

    /// How many JSON lines fit, once there are so many.
    pub(crate) fn count_of(&self, what: &str, least: usize, fits: impl Fn(&Value) -> bool) -> usize {
        self.wait(what, |state| {
            let lines = state.lines.iter().filter_map(|line| serde_json::from_str(line).ok());
            let count = lines.filter(|line| fits(line)).count();
            (count >= least).then_some(count)
        })
    }

    fn wait<T>(&self, what: &str, look: impl Fn(&State) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state();
        loop {
            if let Some(found) = look(&state) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.ended {
                break;
            }
            state = self.0.1.wait_timeout(state, left).expect("a lock").0;
        }
        let lines = state.lines.join("\n");
        // Not while the lock is held: who drops the gateway wants to see the lines, too.
        drop(state);
        panic!("{what} did not come; these did:\n{lines}");
    }
}
