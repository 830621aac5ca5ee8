//! A `RawHead` borrows the octets that were judged: they cannot be changed while it is there.

use portcullis::gate::{HeadLimits, HeadProgress, judge_head};

fn change(mut octets: Vec<u8>, limits: &HeadLimits) {
    let mut progress = HeadProgress::default();
    let head = judge_head(&octets, &mut progress, limits);
    octets.push(0);
    drop(head);
}

fn main() {}
