//! Owns what a configuration and its files said when they were read, to tell what a later reading
//! changes.
//! Never knows what a key means, nor holds a secret: of those there is a keyed hash.

use super::files::{Content, Folder};
use super::findings::Span;
use super::mask::{self, quoted};
use crate::ledger::Change;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use toml::de::{DeTable, DeValue};

/// Every key with its value, as it was read.
#[derive(Clone, Debug, Default)]
pub struct Snapshot(BTreeMap<Place, Value>);

/// The dotted path to a key, and for a list the entry of it.
type Place = (String, String);

#[derive(Clone, Debug)]
struct Value {
    shown: String,
    /// Of the value, and of the content of the file that it names.
    mark: u64,
}

impl Snapshot {
    /// What a document says, and what is in the files that were read for it.
    pub(super) fn of(document: &DeTable<'_>, folder: &Folder) -> Snapshot {
        let mut walk = Walk { values: BTreeMap::new(), covered: mask::values(document), folder };
        walk.table(document, "");
        Snapshot(walk.values)
    }

    /// What a newer one has otherwise, in the order of the keys.
    #[must_use]
    pub fn changes(&self, newer: &Snapshot) -> Vec<Change> {
        let places: std::collections::BTreeSet<&Place> = self.0.keys().chain(newer.0.keys()).collect();
        let changes = places.into_iter().filter_map(|place| {
            let (old, new) = (self.0.get(place), newer.0.get(place));
            if old.map(|value| value.mark) == new.map(|value| value.mark) {
                return None;
            }
            let shown = |value: Option<&Value>| value.map(|value| value.shown.clone());
            let (old, mut new) = (shown(old), shown(new));
            if old == new {
                new = new.map(|shown| format!("{shown} with other content"));
            }
            let (key, _) = place;
            Some(Change { key: key.clone(), old, new, needs_restart: self.keeps(key, newer) })
        });
        changes.collect()
    }

    /// What is in force once a newer one was taken without a restart.
    #[must_use]
    pub fn reloaded(self, newer: Snapshot) -> Snapshot {
        let (old, new) = (&self.0, &newer.0);
        let started_with = old.iter().filter(|((key, _), _)| self.keeps(key, &newer));
        let taken = new.iter().filter(|((key, _), _)| !self.keeps(key, &newer));
        Snapshot(started_with.chain(taken).map(|(place, value)| (place.clone(), value.clone())).collect())
    }

    /// Whether what this says of a key stays in force, whatever a newer one says, until a restart.
    fn keeps(&self, key: &str, newer: &Snapshot) -> bool {
        let comes_or_goes = |section: &&str| self.has(section) != newer.has(section);
        RESTART.iter().any(|start| is_within(key, start))
            || AS_A_WHOLE.iter().filter(|section| is_within(key, section)).any(comes_or_goes)
    }

    fn has(&self, section: &str) -> bool {
        self.0.keys().any(|(key, _)| is_within(key, section))
    }
}

fn is_within(key: &str, start: &str) -> bool {
    key.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// What sockets, threads and the sandbox were made from is not made again.
const RESTART: [&str; 11] = [
    "auth.revocation_file",
    "authorize",
    "events.queue",
    "events.queue_bytes",
    "internal",
    "server.drain_timeout",
    "server.listen",
    "server.proxy_protocol",
    "server.sandbox",
    "server.trusted_proxies",
    "server.workers",
];

/// What was made where the section was there at the start, and takes other values then.
const AS_A_WHOLE: [&str; 1] = ["events"];

struct Walk<'a> {
    values: BTreeMap<Place, Value>,
    covered: Vec<Span>,
    folder: &'a Folder,
}

impl Walk<'_> {
    fn table(&mut self, table: &DeTable<'_>, name: &str) {
        for (key, value) in table {
            let key = key.get_ref();
            let path = if name.is_empty() { key.to_string() } else { format!("{name}.{key}") };
            self.value(value.get_ref(), &value.span(), &path);
        }
    }

    fn value(&mut self, value: &DeValue<'_>, span: &Span, path: &str) {
        match value {
            DeValue::Table(table) => self.table(table, path),
            DeValue::Array(array) => {
                for (index, item) in array.iter().enumerate() {
                    if let DeValue::Table(table) = item.get_ref() {
                        let of_this = format!("{path}[{}]", name_of(table, index));
                        // Whether it is there at all, also where it says nothing.
                        self.table(table, &of_this);
                    } else {
                        self.leaf(item.get_ref(), &item.span(), path, true);
                    }
                }
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => self.leaf(value, span, path, false),
        }
    }

    fn leaf(&mut self, value: &DeValue<'_>, span: &Span, path: &str, in_list: bool) {
        let (text, mut shown) = match value {
            DeValue::String(text) => (text.to_string(), quoted(text)),
            DeValue::Integer(number) => (number.to_string(), number.to_string()),
            DeValue::Float(number) => (number.to_string(), number.to_string()),
            DeValue::Boolean(value) => (value.to_string(), value.to_string()),
            DeValue::Datetime(date) => (date.to_string(), date.to_string()),
            DeValue::Array(_) | DeValue::Table(_) => return,
        };
        if self.covered.contains(span) {
            shown = NOT_SHOWN.to_owned();
        }
        let content = self.folder.content(&text);
        if let Some(Content { fingerprint: Some(fingerprint), .. }) = &content {
            shown = format!("{shown} {fingerprint}");
        }
        let mark = mark_of(&(&text, content.map(|content| content.mark)));
        let entry = if in_list { text } else { String::new() };
        self.values.insert((path.to_owned(), entry), Value { shown, mark });
    }
}

/// What an operator calls one of several tables.
fn name_of(table: &DeTable<'_>, index: usize) -> String {
    let named = ["path", "issuer", "kid"].into_iter().find_map(|key| match table.get(key)?.get_ref() {
        DeValue::String(name) => Some(quoted(name)),
        DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    });
    named.unwrap_or_else(|| index.to_string())
}

/// A hash that says nothing to who does not have this process's key.
pub(super) fn mark_of(value: &impl std::hash::Hash) -> u64 {
    static HASHING: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    HASHING.hash_one(value)
}

const NOT_SHOWN: &str = "a value that is not shown";

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn snapshot(text: &str) -> Snapshot {
        let document = DeTable::parse(text).expect(text);
        Snapshot::of(document.get_ref(), &Folder::of(Path::new("portcullis.toml"), None))
    }

    fn told(old: &str, new: &str) -> Vec<String> {
        snapshot(old).changes(&snapshot(new)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_changed_is_told_key_by_key_with_the_old_and_the_new_value() {
        let old = "[origins]\nallow = ['https://a.example', 'https://b.example']\n[limits]\nconnections = 5\n\
                   [[route]]\npath = '/a'\necho = true\n[[route]]\npath = '/b'\n";
        let new = "[origins]\nallow = ['https://c.example', 'https://a.example']\n[limits]\nmax_session = '1h'\n\
                   [[route]]\npath = '/b'\n[[route]]\npath = '/a'\necho = false\n";
        assert_eq!(
            told(old, new),
            [
                "limits.connections: 5 -> nothing",
                "limits.max_session: nothing -> \"1h\"",
                "origins.allow: \"https://b.example\" -> nothing",
                "origins.allow: nothing -> \"https://c.example\"",
                "route[\"/a\"].echo: true -> false",
            ]
        );
        assert!(told(old, old).is_empty());
        // Another order, other spaces and another way to write it are no change.
        assert!(told("a = 1\nb.c = 'x'", "b = { c = \"x\" }\n\na = 1").is_empty());
    }

    #[test]
    fn what_takes_a_restart_is_told_again_until_there_is_one() {
        let old =
            snapshot("[server]\nlisten = ['0.0.0.0:1']\n[internal]\nlisten = 'a'\n[limits]\nconnections = 1");
        let new =
            snapshot("[server]\nlisten = ['0.0.0.0:2']\n[internal]\nlisten = 'b'\n[limits]\nconnections = 2");
        for round in 0..2 {
            let running = if round == 0 { old.clone() } else { old.clone().reloaded(new.clone()) };
            let restart: Vec<_> = running
                .changes(&new)
                .into_iter()
                .filter(|change| change.needs_restart)
                .map(|c| c.key)
                .collect();
            assert_eq!(restart, ["internal.listen", "server.listen", "server.listen"], "round {round}");
            assert_eq!(running.changes(&new).len(), 4 - round);
        }
        for free in ["server.hosts", "internals", "server.listener"] {
            assert!(!old.keeps(free, &new), "{free}");
        }
    }

    #[test]
    fn a_section_that_comes_or_goes_takes_a_restart_though_its_values_may_change() {
        let (without, one, other) = (
            "limits.connections = 1",
            "events = { url = 'a', queue = 1 }",
            "events = { url = 'b', queue = 1 }",
        );
        for (old, new, restart, later) in [
            (without, one, &["events.queue", "events.url"][..], 2),
            (one, without, &["events.queue", "events.url"][..], 2),
            (one, other, &[][..], 0),
        ] {
            let (old, new) = (snapshot(old), snapshot(new));
            let changes = old.changes(&new);
            let named = changes.iter().filter(|change| change.needs_restart).map(|change| &*change.key);
            assert!(named.eq(restart.iter().copied()), "{changes:?}");
            assert_eq!(old.reloaded(new.clone()).changes(&new).len(), later, "until there is one");
        }
    }

    #[test]
    fn what_may_be_a_secret_is_not_told() {
        let pem = "-----BEGIN PRIVATE KEY-----MHcCAQEE";
        let told = told(
            &format!("tls.private_key = '{pem}'\nx = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln'"),
            "tls.private_key = 'hunter2'\nx = 'y'",
        );
        let hidden = "a value that is not shown";
        assert_eq!(
            told,
            [
                format!("tls.private_key: {hidden} -> {hidden} with other content"),
                format!("x: {hidden} -> \"y\"")
            ]
        );
    }
}
