//! Owns how many octets wait for the sockets of all connections of one thread.
//! Never knows a socket, nor what is done about them.
//!
//! A connection stays on one thread from accept to close, so that its thread counts without a lock, and
//! only where something waits.

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;

thread_local! {
    static TOTAL: Cell<usize> = const { Cell::new(0) };
}

/// The octets of one connection: part of its thread's total as long as they are there.
#[derive(Debug, Default)]
pub(super) struct Queued {
    bytes: usize,
    /// It cannot leave its thread.
    _stays: PhantomData<Rc<()>>,
}

impl Queued {
    /// How many there are now.
    pub(super) fn set(&mut self, bytes: usize) {
        TOTAL.set(TOTAL.get().wrapping_sub(self.bytes).wrapping_add(bytes));
        self.bytes = bytes;
    }

    pub(super) fn get(&self) -> usize {
        self.bytes
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Those of all connections of this thread.
pub(super) fn on_this_thread() -> usize {
    TOTAL.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_the_sum_of_those_that_are_there_on_this_thread() {
        let (mut one, mut other) = (Queued::default(), Queued::default());
        one.set(5);
        other.set(7);
        assert_eq!((on_this_thread(), one.get()), (12, 5));
        std::thread::spawn(|| assert_eq!(on_this_thread(), 0)).join().expect("another thread has its own");
        one.set(2);
        assert_eq!(on_this_thread(), 9);
        drop(other);
        assert_eq!(on_this_thread(), 2);
        drop(one);
        assert_eq!(on_this_thread(), 0);
    }
}
