//! A `BearerToken` borrows from the request that it was found in and cannot outlive it.

use http::HeaderMap;
use portcullis::auth::{BearerToken, CredentialPolicy};

fn keep(headers: HeaderMap, policy: &CredentialPolicy) {
    let token = BearerToken::find(&headers, None, &[], policy);
    drop(headers);
    drop(token);
}

fn main() {}
