//! Owns the updates that are kept for those who come back.
//! Never knows who may read one.

use super::inbox::Numbered;
use super::update::EARLIEST;
use std::collections::VecDeque;
use std::sync::Arc;

/// The newest updates, within two bounds.
#[derive(Debug, Default)]
pub(super) struct History {
    kept: VecDeque<Numbered>,
    bytes: usize,
    /// The id of the last one that had to go.
    gone: Option<Arc<str>>,
    last: Option<Arc<str>>,
}

/// What a reader that comes back has missed.
pub(super) struct Missed {
    /// The id of the one before the first: another one than was asked for tells of a loss.
    pub(super) before: Arc<str>,
    pub(super) updates: Vec<Numbered>,
}

impl History {
    pub(super) fn keep(&mut self, numbered: &Numbered, most: usize, most_bytes: usize) {
        self.last = Some(numbered.update.id().into());
        self.bytes = self.bytes.saturating_add(numbered.update.weight());
        self.kept.push_back(numbered.clone());
        self.shrink(most, most_bytes);
    }

    /// Forgets the oldest until the rest is within the bounds.
    pub(super) fn shrink(&mut self, most: usize, most_bytes: usize) {
        while self.kept.len() > most || self.bytes > most_bytes {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.update.weight());
            self.gone = Some(oldest.update.id().into());
        }
    }

    /// The updates behind the one with this id; all that are kept behind one that is not, and
    /// for `earliest`.
    pub(super) fn since(&self, id: &str) -> Missed {
        let found = self.kept.iter().position(|kept| kept.update.id() == id);
        let is_last_gone = self.gone.as_deref() == Some(id);
        let before: Arc<str> = match found {
            Some(_) => id.into(),
            None if is_last_gone => id.into(),
            None => self.gone.clone().unwrap_or_else(|| EARLIEST.into()),
        };
        let updates = self.kept.iter().skip(found.map_or(0, |at| at + 1)).cloned().collect();
        Missed { before, updates }
    }

    /// The id of the newest update, kept or not.
    pub(super) fn last(&self) -> Arc<str> {
        self.last.clone().unwrap_or_else(|| EARLIEST.into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::update::Update;
    use super::*;

    fn numbered(number: u64) -> Numbered {
        Numbered { number, update: Arc::new(Update::private("t".to_owned(), format!("id{number}"), "x")) }
    }

    fn since(history: &History, id: &str) -> (String, Vec<u64>) {
        let missed = history.since(id);
        (missed.before.to_string(), missed.updates.iter().map(|kept| kept.number).collect())
    }

    #[test]
    fn who_comes_back_gets_what_it_missed_and_is_told_of_a_loss() {
        let mut history = History::default();
        assert_eq!(since(&history, "id1"), ("earliest".to_owned(), vec![]));
        for number in 0..3 {
            history.keep(&numbered(number), 3, 1 << 20);
        }
        assert_eq!(since(&history, "id1"), ("id1".to_owned(), vec![2]));
        assert_eq!(since(&history, "id2"), ("id2".to_owned(), vec![]));
        assert_eq!(since(&history, "earliest"), ("earliest".to_owned(), vec![0, 1, 2]));
        assert_eq!(since(&history, "unknown"), ("earliest".to_owned(), vec![0, 1, 2]));
        history.keep(&numbered(3), 3, 1 << 20);
        history.keep(&numbered(4), 3, 1 << 20);
        assert_eq!(since(&history, "id1"), ("id1".to_owned(), vec![2, 3, 4]), "nothing was lost behind it");
        assert_eq!(since(&history, "id0"), ("id1".to_owned(), vec![2, 3, 4]), "id1 was lost");
        assert_eq!(&*history.last(), "id4");
    }

    #[test]
    fn the_bounds_hold_in_number_and_octets() {
        let weight = numbered(0).update.weight();
        let mut history = History::default();
        for number in 0..9 {
            history.keep(&numbered(number), 100, weight * 2);
        }
        assert_eq!(since(&history, "earliest"), ("id6".to_owned(), vec![7, 8]));
        history.shrink(0, 0);
        assert_eq!(since(&history, "earliest"), ("id8".to_owned(), vec![]));
        history.keep(&numbered(9), 0, 1 << 20);
        assert_eq!((history.kept.len(), history.bytes), (0, 0));
    }
}
