//! An `UpgradeRequest` borrows from the request that it was parsed from and cannot outlive it.

use http::request::Parts;
use portcullis::gate::UpgradeRequest;

fn keep(request: Parts) {
    let upgrade = UpgradeRequest::parse(&request);
    drop(request);
    drop(upgrade);
}

fn main() {}
