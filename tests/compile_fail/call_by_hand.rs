//! What a backend is told of a request is taken out of one that was judged.

use portcullis::gate::{BackendId, Call};

fn forge(path: Box<str>) -> Call {
    Call { backend: BackendId(0), room: None, path, query: None, offered: Box::new([]), fields: Box::new([]) }
}

fn main() {}
