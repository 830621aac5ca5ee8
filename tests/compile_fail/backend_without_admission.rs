//! A backend is dialled for an `Admitted`: a request, an identity or a stream alone does not reach it.

use portcullis::auth::{Assertions, Identity};
use portcullis::ledger::Ledger;
use portcullis::relay::{Backend, Who, dial};
use std::time::Instant;

async fn without(identity: &Identity, who: Who<'_>, backend: &Backend, by: &Assertions, ledger: &Ledger) {
    let _ = dial(identity, who, backend, by, ledger, Instant::now()).await;
}

fn main() {}
