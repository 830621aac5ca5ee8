//! Owns which publications have been made already, by the keys that their senders chose.
//! Never knows a room, nor how a message is delivered.

use aws_lc_rs::digest::{SHA256, digest};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// The name of one publication: whoever repeats it gets the first answer, and nothing is
/// delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

/// What was to be published: a key stands for one content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content([u8; 32]);

impl Key {
    /// A key of 1 to 128 visible ASCII characters. Quotes around it are not part of it: the
    /// field is a string of RFC 9651 to some senders, and bare to others.
    pub(super) fn parse(text: &str) -> Option<Key> {
        let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let fits = (1..=KEY_BYTES_MAX).contains(&bare.len()) && bare.bytes().all(|o| o.is_ascii_graphic());
        fits.then(|| Key(sha256(bare.as_bytes())))
    }
}

impl Content {
    /// The content that these octets stand for.
    pub(super) fn of(octets: &[u8]) -> Content {
        Content(sha256(octets))
    }
}

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known<'a> {
    /// Nothing: the publication is to be made.
    Nothing,
    /// It has been made, with this answer.
    Answer(&'a str),
    /// It stands for something else.
    OtherContent,
}

/// The publications of the last while, in bounded memory.
#[derive(Debug, Default)]
pub(super) struct Published {
    made: HashMap<Key, Made>,
    /// The keys with when they came, the oldest first.
    order: VecDeque<(Instant, Key)>,
    answer_bytes: usize,
}

#[derive(Debug)]
struct Made {
    content: Content,
    answer: Box<str>,
}

impl Published {
    /// What is known of a key.
    pub(super) fn known(&mut self, key: &Key, content: Content, now: Instant) -> Known<'_> {
        while self.order.front().is_some_and(|(made, _)| now.saturating_duration_since(*made) >= WINDOW) {
            self.forget_oldest();
        }
        match self.made.get(key) {
            None => Known::Nothing,
            Some(made) if made.content == content => Known::Answer(&made.answer),
            Some(_) => Known::OtherContent,
        }
    }

    /// Keeps the answer of a publication; how many others had to go before their time.
    pub(super) fn keep(&mut self, key: Key, content: Content, answer: &str, now: Instant) -> u64 {
        let mut gone = 0;
        while self.made.len() >= KEYS_MAX || self.answer_bytes.saturating_add(answer.len()) > ANSWER_BYTES_MAX
        {
            if !self.forget_oldest() {
                break;
            }
            gone += 1;
        }
        if self.made.insert(key, Made { content, answer: answer.into() }).is_none() {
            self.order.push_back((now, key));
            self.answer_bytes += answer.len();
        }
        gone
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((_, key)) = self.order.pop_front() else { return false };
        if let Some(made) = self.made.remove(&key) {
            self.answer_bytes = self.answer_bytes.saturating_sub(made.answer.len());
        }
        true
    }
}

fn sha256(octets: &[u8]) -> [u8; 32] {
    // INVARIANT: SHA-256 has 32 octets.
    digest(&SHA256, octets).as_ref().try_into().unwrap_or_default()
}

/// How long a key is remembered.
pub(super) const WINDOW: Duration = Duration::from_secs(600);
/// Keys that are remembered: some 8 MiB.
const KEYS_MAX: usize = 1 << 16;
/// Octets of their answers.
const ANSWER_BYTES_MAX: usize = 8 << 20;
const KEY_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::parse(text).expect("a key")
    }

    #[test]
    fn a_key_has_1_to_128_visible_characters_and_quotes_do_not_count() {
        assert_eq!(Key::parse("\"a-1\""), Key::parse("a-1"));
        assert_ne!(Key::parse("a-1"), Key::parse("a-2"));
        assert!(Key::parse(&"k".repeat(128)).is_some());
        for bad in ["", "\"\"", "a b", "a\n", "\u{e4}", &"k".repeat(129)] {
            assert!(Key::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_publication_is_known_for_the_window_and_by_its_content() {
        let (mut published, now) = (Published::default(), Instant::now());
        let content = Content::of(b"hi");
        assert_eq!(published.known(&key("a"), content, now), Known::Nothing);
        assert_eq!(published.keep(key("a"), content, "answer", now), 0);
        let late = now + WINDOW;
        let almost = late.checked_sub(Duration::from_nanos(1)).expect("a moment");
        assert_eq!(published.known(&key("a"), content, almost), Known::Answer("answer"));
        assert_eq!(published.known(&key("a"), Content::of(b"ho"), almost), Known::OtherContent);
        assert_eq!(published.known(&key("b"), content, almost), Known::Nothing);
        assert_eq!(published.known(&key("a"), content, late), Known::Nothing);
        assert_eq!(published.answer_bytes, 0);
    }

    #[test]
    fn past_its_bounds_the_oldest_is_forgotten_and_counted() {
        let (mut published, now) = (Published::default(), Instant::now());
        let content = Content::of(b"");
        for number in 0..KEYS_MAX {
            assert_eq!(published.keep(key(&number.to_string()), content, "", now), 0);
        }
        assert_eq!(published.keep(key("one-more"), content, "", now), 1);
        assert_eq!(published.known(&key("0"), content, now), Known::Nothing);
        assert_eq!(published.known(&key("1"), content, now), Known::Answer(""));

        let mut published = Published::default();
        let half = "a".repeat(ANSWER_BYTES_MAX / 2);
        let kept = ["a", "b", "c"].map(|name| published.keep(key(name), content, &half, now));
        assert_eq!(kept, [0, 0, 1]);
        assert!(published.answer_bytes <= ANSWER_BYTES_MAX);
    }
}
