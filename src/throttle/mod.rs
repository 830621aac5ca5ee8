//! Owns rates and counts: GCRA buckets and bounded tables of them.
//! Never knows what is counted; `now` comes in.

mod bucket;
mod count_table;
mod rate;
mod rate_table;

pub use bucket::Bucket;
pub use count_table::{CountPermit, CountTable};
pub use rate::{Rate, RateError};
pub use rate_table::{RateTable, Verdict};
